"""The lines of the terminal summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gradproof.results.model import STATUSES

TROUBLE = ("grown", "gone", "stale")


def summary(verdicts: list[dict[str, Any]], kept: Mapping[str, int] | None = None, unkept: str = "") -> list[str]:
    """Counts by status, what needs attention first, then the ledger entries that are out of date, then the corpus.

    ``kept`` are the failing inputs that it holds, by item; ``unkept`` is why it could not be written.
    """
    counts = Counter(v["cell"]["status"] for v in verdicts)
    shown = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    total = sum(counts.values())
    lines = [f"{_count(total, 'cell')}: {shown}"]
    states = [state for verdict in verdicts for state in verdict["ledger"] if state["state"] in TROUBLE]
    lines += [f"ledger: {s['state']}: {s['entry']}: {s['detail']}" for s in states]
    inputs, items = sum((kept or {}).values()), sum(map(bool, (kept or {}).values()))
    if inputs:
        lines.append(f"corpus: {_count(inputs, 'failing input')} of {_count(items, 'item')}, tried first next time")
    return lines + ([f"corpus not written: {unkept}"] if unkept else [])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
