"""The lines of the terminal summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gradproof.results.finding_texts import Told, is_of, tell
from gradproof.results.findings import findings
from gradproof.results.model import STATUSES, Cell
from gradproof.results.rebuild import rebuild
from gradproof.text import visible

TROUBLE = ("grown", "gone", "stale")
FAILING: Final = ("fail", "error", "known")
SHOWN: Final = 10
"""Findings listed; the rest are counted, and are in the results file."""


def summary(verdicts: list[dict[str, Any]], kept: Mapping[str, int] | None = None, unkept: str = "") -> list[str]:
    """New findings, counts by status, then the ledger entries that are out of date, then the corpus.

    ``kept`` are the failing inputs that it holds, by item; ``unkept`` is why it could not be written.
    """
    counts = Counter(v["cell"]["status"] for v in verdicts)
    shown = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    total = sum(counts.values())
    lines = [*_findings(verdicts), f"{_count(total, 'cell')}: {shown}"]
    states = [state for verdict in verdicts for state in verdict["ledger"] if state["state"] in TROUBLE]
    lines += [f"ledger: {s['state']}: {s['entry']}: {s['detail']}" for s in states]
    inputs, items = sum((kept or {}).values()), sum(map(bool, (kept or {}).values()))
    if inputs:
        lines.append(f"corpus: {_count(inputs, 'failing input')} of {_count(items, 'item')}, tried first next time")
    return lines + ([f"corpus not written: {unkept}"] if unkept else [])


def _findings(verdicts: list[dict[str, Any]]) -> Iterator[str]:
    """What is wrong, once for each fault, the one to read first first."""
    if not any(v["cell"]["status"] in FAILING[:2] for v in verdicts):
        return
    # An item that was run again counts as it ended; a test may judge several implementations.
    ended = {(v["item"], v["cell"]["implementation"]): v["cell"] for v in verdicts}
    held = [(name, rebuild(Cell, c, "cell")) for (name, _), c in ended.items() if c["status"] in FAILING]
    # Workers finish in any order; what is told should not depend on it.
    held.sort(key=lambda entry: (entry[1].implementation, entry[1].id))
    new: list[tuple[Told, int]] = []
    for finding in findings(cell for _, cell in held):
        own = [(name, cell) for name, cell in held if is_of(cell, finding)]
        told = tell(finding, [cell for _, cell in own])
        if told.new:
            new.append((told, len({name for name, _ in own})))
    if not new:
        return
    failing = len({name for name, cell in held if cell.status != "known"})
    yield f"{_count(len(new), 'finding')} from {_count(failing, 'failing item')}, the one to read first first"
    for told, number in new[:SHOWN]:
        yield from map(visible, _told(told, number))
    if len(new) > SHOWN:
        yield f"  and {_count(len(new) - SHOWN, 'more finding')}; see the results file (--gradproof-json) or a report"


def _told(told: Told, items: int) -> Iterator[str]:
    yield f"  {told.subject} as {told.function} on {told.place}, {told.kind}"
    numbers = ", ".join(f"{name} {decimal} ({bits})" for name, decimal, bits in told.numbers)
    rows = [
        ("what", told.finding.text),
        ("worst", f"{numbers}; {told.at}" if numbers else ""),
        ("error", told.error if numbers else ""),
        ("explained", told.explained),
        ("instead", told.advice),
        ("accounts", f"for {_count(items, 'item')}: {told.accounts}"),
    ]
    yield from (f"    {label:<9}  {value}" for label, value in rows if value)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
