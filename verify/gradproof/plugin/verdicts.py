"""What a verdict is to pytest: a pass, a failure or a skip with its words, and the record that a report carries."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import pytest

from gradproof.errors import OracleDisagreement
from gradproof.plugin import messages
from gradproof.plugin.context import PluginContext, replays
from gradproof.plugin.corpus import to_keep
from gradproof.plugin.planning import PlannedItem
from gradproof.results.model import Cell, LedgerState


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One judged cell, what became of the deviations declared for it, and the item that it was judged in."""

    cell: Cell
    states: list[LedgerState]
    item: str

    def record(self) -> dict[str, Any]:
        """The verdict as JSON values; ``kept`` are the inputs for the corpus, None to leave it as it is."""
        kept = to_keep(self.cell) if replays(self.cell.property) else None
        return {
            "cell": dataclasses.asdict(self.cell),
            "ledger": [dataclasses.asdict(s) for s in self.states],
            "item": self.item,
            "kept": kept,
        }


class ItemOutcome(NamedTuple):
    """What pytest is told."""

    outcome: Literal["passed", "failed", "skipped"]
    text: str = ""


def text_of(verdicts: Iterable[Verdict]) -> str:
    """What a test report carries, as JSON text."""
    return json.dumps([verdict.record() for verdict in verdicts])


def shorten(report: pytest.TestReport) -> None:
    """Leave the first line of a failure to pytest's short summary, which in CI repeats all of it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        crash.message = crash.message.partition("\n")[0]


def judged(row: PlannedItem, context: PluginContext, item: str, source: str, session: pytest.Session) -> Verdict:
    """The verdict on a row. An oracle that contradicts itself ends the session."""
    if row.task is None:
        return Verdict(row.cell, [], item)
    try:
        return Verdict(*context.judge(row.task, row.selection, source, item), item)
    except OracleDisagreement as fault:
        session.shouldstop = "gradproof: the two routes of the oracle contradict each other"
        pytest.fail(f"the oracle contradicts itself, nothing it says counts: {fault}", pytrace=False)


def item_outcome(verdict: Verdict, row: PlannedItem, context: PluginContext) -> ItemOutcome:
    """What a verdict means to pytest."""
    cell = verdict.cell
    gone = [f"{s.entry}: {s.detail}" for s in verdict.states if s.state == "gone"]
    match cell.status:
        case "fail" | "error":
            return ItemOutcome("failed", messages.failure(cell, verdict.states))
        case "undecided" if context.undecided == "fail":
            return ItemOutcome("failed", messages.undecided(cell))
        case "undecided" if context.undecided == "skip":
            return ItemOutcome("skipped", f"undecided: {cell.reason}")
        case "unsupported":
            return ItemOutcome("skipped", f"unsupported: {cell.reason}")
        case "not-run":
            if _is_absent(row, context) and context.requires(cell):
                return ItemOutcome("failed", messages.missing(cell, cell.reason))
            return ItemOutcome("skipped", f"not run: {cell.backend}:{cell.device}: {cell.reason}")
        case _ if gone:
            return ItemOutcome("failed", f"the ledger of known deviations is out of date: {'; '.join(gone)}")
    return ItemOutcome("passed")


def _is_absent(row: PlannedItem, context: PluginContext) -> bool:
    """Whether a cell that was not run lacks its backend or its compiler; otherwise its implementation hung before."""
    return bool(row.absent) or (row.task is not None and not context.gave_up(row.task))
