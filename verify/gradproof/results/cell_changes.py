"""What became of cells from one results file to another: new failures, fixed, worse, better, newly run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gradproof.results.changes import finding_changes
from gradproof.results.finding_texts import gravity
from gradproof.results.formatting import figure
from gradproof.results.model import Cell, RunRecord, RunResult
from gradproof.results.sweeps import differences

JUDGED: Final = ("pass", "fail", "known", "error")
"""Statuses that say whether the claim holds."""
FAILING: Final = ("fail", "error")

CHANGED: Final = "found otherwise"
"""Two sweeps of one target with the same verdict, but other maxima or other inputs of a class."""
NOT_SEEN: Final = "not seen again"
"""What looked like a regression, and is none at its worst input evaluated once more (``cli.reevaluation``)."""
LOST: Final = "no longer run"
CLASSES: Final = ("new failure", "worse", NOT_SEEN, "fixed", "better", "newly run", LOST, CHANGED)
REGRESSIONS: Final = ("new failure", "worse")

FACTOR: Final = 1.5
"""An error has changed when it is this many times the other."""
FLOOR: Final = 0.5
"""Errors below this share of the bound are both small: no change between them counts."""


@dataclass(frozen=True)
class Change:
    """One cell whose verdict or error differs; ``base`` or ``head`` is None where the file lacks it."""

    kind: str
    base: Cell | None
    head: Cell | None
    again: str = ""
    """What its worst inputs give when they are evaluated once more."""

    @property
    def cell(self) -> Cell:
        """The cell as HEAD has it, or as BASE had it."""
        found = self.head or self.base
        assert found is not None
        return found


def cell_changes(base: RunResult, head: RunResult) -> list[Change]:
    """The cells of both by key, each with the class of its change; unchanged ones are left out."""
    before = {c.key: c for c in base.cells}
    after = {c.key: c for c in head.cells}
    found = []
    for key in dict.fromkeys([*after, *before]):
        old, new = before.get(key), after.get(key)
        kind = classify(old, new)
        if kind:
            found.append(Change(kind, old, new))
    return found


def classify(base: Cell | None, head: Cell | None) -> str:
    """One of CLASSES, or empty for no change.

    A failure that BASE did not have is a new one, whether BASE passed the cell or never judged it.
    """
    was = base is not None and base.status in JUDGED
    now = head is not None and head.status in JUDGED
    if now and head is not None and head.status in FAILING and not (was and base and base.status in FAILING):
        return "new failure"
    if not (was and now) or base is None or head is None:
        return "newly run" if now else LOST if was else ""
    if base.status != "pass" and head.status == "pass":
        return "fixed"
    return _moved(base, head) or (CHANGED if differences(base, head) else "")


def _moved(base: Cell, head: Cell) -> str:
    """Whether the error grew or shrank between two verdicts of one kind."""
    if "error" in (base.status, head.status):
        return ""
    old, new = (math.inf if _infinite(c) else c.magnitude or 0.0 for c in (base, head))
    if max(old, new) < FLOOR or old == new:
        return ""
    if new > FACTOR * old:
        return "worse"
    return "better" if old > FACTOR * new else ""


def _infinite(cell: Cell) -> bool:
    """A failure without a finite error; a pass without one measured nothing."""
    return cell.magnitude is None and cell.status != "pass"


def cell_text(cell: Cell | None) -> str:
    """``fail (30.1)``: status and error over the bound; ``absent`` where a file lacks the cell."""
    if cell is None:
        return "absent"
    measured = cell.magnitude is not None or _infinite(cell)
    return (
        f"{cell.status} ({figure(cell.magnitude)})"
        if cell.status in ("pass", "fail", "known") and measured
        else cell.status
    )


@dataclass(frozen=True)
class ToldChange:
    """One changed cell in words."""

    kind: str
    id: str
    cell: int | None
    """Its index in the later file; None where only the earlier one has it."""
    was: str
    now: str
    implementation: str = ""
    again: str = ""
    """What its worst inputs gave when they were evaluated once more; empty where they were not."""
    command: str = ""
    """What shows the later failure."""


@dataclass(frozen=True)
class Since:
    """What changed since an earlier results file."""

    run: RunRecord
    """The earlier run."""
    cells: list[ToldChange]
    findings: list[list[str]]
    """``[kind of change, implementation, the finding in one sentence]``."""
    common: int = 0
    """Cells that both files have."""
    lacking: tuple[int, int] = (0, 0)
    """Cells of the earlier file that the later one lacks, and the other way round."""
    alone: bool = False
    """Whether a report is about the changes and nothing else."""


@dataclass(frozen=True)
class ComparedResult(RunResult):
    """A results file with what changed since an earlier one, which is no part of the document."""

    since: Since | None = field(default=None, kw_only=True)

    def to_json(self) -> dict[str, Any]:
        """The document of the results file alone."""
        return {name: value for name, value in super().to_json().items() if name != "since"}


def since(
    base: RunResult, head: RunResult, found: Sequence[Change] | None = None, *, alone: bool = False
) -> ComparedResult:
    """``head`` with what changed since ``base``, the gravest first; ``found`` are the changes if they are known."""
    index = {c.key: i for i, c in enumerate(head.cells)}
    ordered = gravest(cell_changes(base, head) if found is None else found)
    findings = [[c.kind, c.finding.implementation, c.finding.text] for c in finding_changes(base, head)]
    before, after = {c.key for c in base.cells}, index.keys()
    since = Since(
        base.run,
        [_told(c, index.get(c.cell.key)) for c in ordered],
        findings,
        len(before & after),
        (len(before - after), len(after - before)),
        alone,
    )
    return ComparedResult(**vars(head), since=since)


def gravest(found: Iterable[Change]) -> list[Change]:
    """The changes by class and gravity."""
    return sorted(found, key=lambda c: (CLASSES.index(c.kind), gravity(c.cell)))


def _told(change: Change, index: int | None) -> ToldChange:
    failing = change.head is not None and change.head.certificate is not None
    return ToldChange(
        change.kind,
        change.cell.id,
        index,
        cell_text(change.base),
        cell_text(change.head),
        change.cell.implementation,
        change.again,
        change.head.certificate.reproduce if failing and change.head and change.head.certificate else "",
    )
