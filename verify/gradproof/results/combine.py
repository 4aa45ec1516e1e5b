"""Many runs into one: the shards of a matrix of environments, devices or workers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from gradproof.errors import UsageError
from gradproof.results.claims import judge
from gradproof.results.findings import findings
from gradproof.results.model import Cell, Claim, LedgerState, RunRecord, RunResult, exact_params
from gradproof.results.sweeps import TIMED

LEDGER_ORDER: Final = ("grown", "gone", "seen", "stale", "not-checked")
"""Which state of a ledger entry survives when runs differ, the strongest first.

What fails a run (``grown``, ``gone``) may not be hidden by another run. A run that saw the deviation counts
more than one on other hardware or versions where it does not show (``stale``), and either more than one that
never looked.
"""


def combine(results: Sequence[RunResult]) -> RunResult:
    """The union of ``results``, in the order given; the cells of one key are one cell.

    * Equal duplicates (run time aside) are kept once.
    * A ``not-run`` cell yields to what another run found out.
    * Any other two cells of one key contradict each other: UsageError that names the cell and both statuses.
      Two environments that differ in nothing but versions land here, and are better compared than combined.
    * ``shards`` lists every run that went in; runs that are themselves combinations give their shards.
    * Claims are judged, and findings derived, again from all cells together. Of a claim's definitions the first is
      kept, as of a deviation's texts.
    * Ledger states follow ``LEDGER_ORDER``.

    Raises UsageError when there is nothing to combine.
    """
    if not results:
        raise UsageError("expected at least one results file to combine, got none")
    cells: dict[tuple[Any, ...], Cell] = {}
    for cell in _spelt_alike(cell for result in results for cell in result.cells):
        cells[cell.key] = _settle(cells[cell.key], cell) if cell.key in cells else cell
    shards = [shard for result in results for shard in (result.shards or [result.run])]
    merged = list(cells.values())
    claims: dict[str, Claim] = {}
    for claim in (c for result in results for c in result.claims):
        claims.setdefault(claim.id, claim)
    deviations = {key: text for result in reversed(results) for key, text in result.deviations.items()}
    return RunResult(
        _run(shards),
        merged,
        merged_states(s for result in results for s in result.ledger),
        shards,
        judge(claims.values(), merged),
        deviations,
        findings(merged),
    )


def _spelt_alike(cells: Iterable[Cell]) -> Iterator[Cell]:
    """The cells with one spelling of parameters of the same values, the first: 4 and 4.0 would be two in reports."""
    spellings: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in cells:
        params = spellings.setdefault((cell.function, exact_params(cell.params)), cell.params)
        yield cell if repr(cell.params) == repr(params) else dataclasses.replace(cell, params=params)


def _settle(first: Cell, second: Cell) -> Cell:
    if second.status == "not-run":
        return first
    if first.status == "not-run":
        return second
    if _untimed(first) == _untimed(second):
        return first
    names = [f.name for f in dataclasses.fields(Cell) if f.name != "seconds"]
    name = next(n for n in names if getattr(first, n) != getattr(second, n))
    values = f"{_short(getattr(first, name))} and {_short(getattr(second, name))}"
    raise UsageError(
        f"expected one verdict for {first.id} ({first.implementation}), got two: {first.status} and "
        f"{second.status} (they differ in {name!r}: {values}); combine runs of different cells, and use "
        "`gradproof compare` for two runs of the same ones"
    )


def _untimed(cell: Cell) -> Cell:
    """The cell without what differs each time: seconds, and a sweep's speed."""
    return dataclasses.replace(cell, seconds=0.0, measured={k: v for k, v in cell.measured.items() if k != TIMED})


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def merged_states(states: Iterable[LedgerState]) -> list[LedgerState]:
    """One state for each entry, by ``LEDGER_ORDER``."""
    merged: dict[str, LedgerState] = {}
    for state in states:
        held = merged.get(state.entry)
        if held is None or LEDGER_ORDER.index(state.state) < LEDGER_ORDER.index(held.state):
            merged[state.entry] = state
    return list(merged.values())


def _run(shards: Sequence[RunRecord]) -> RunRecord:
    """The heading of a combination: what all runs share, and the sum of their times in seconds."""
    first = shards[0]
    backends: dict[str, dict[str, Any]] = {}
    for shard in shards:
        for name, facts in shard.backends.items():
            if name not in backends or (facts.get("available") and not backends[name].get("available")):
                backends[name] = facts
    shared = {k: v for k, v in first.settings.items() if all(s.settings.get(k) == v for s in shards[1:])}
    return RunRecord(
        environment={"combined": len(shards), "note": f"a combination of {len(shards)} run(s); see shards"},
        backends=backends,
        settings=shared,
        seed=first.seed,
        started=min(s.started for s in shards),
        seconds=sum(s.seconds for s in shards),
        complete=all(s.complete for s in shards),
    )
