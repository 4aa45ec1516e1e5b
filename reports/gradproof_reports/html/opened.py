"""What a row shows when it is opened: findings in sentences, certificates, properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gradproof.extend import (
    PRIMES,
    STATUSES,
    Cell,
    Certificate,
    compact_figure,
    finding_texts,
    in_order,
    kernel_rows,
    sweeps,
)
from gradproof_reports.html import plots
from gradproof_reports.summary import CAUSE_WORDS, STATUS_WORDS

FINDINGS: Final = 3
"""Findings of a row that are told in full; of those beyond, the sentence."""
CERTIFICATES: Final = 1200
"""Whole certificates in one page, those of new failures first; of those beyond, the reason and the command: a run in
which everything fails must open as fast as any other."""
INTERVALS: Final = 3


@dataclass(frozen=True)
class ToldFinding:
    """One finding of a row: its sentence, and facts by name."""

    of: finding_texts.Told
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class Failing:
    """A failing, known or undecided cell; ``certificate`` is None beyond ``CERTIFICATES``, and where there is none."""

    name: str
    status: str
    reason: str
    felt: bool
    figure: str
    certificate: Certificate | None
    command: str


@dataclass(frozen=True)
class Opened:
    """The parts of an opened row."""

    picture: str
    findings: list[ToldFinding]
    further: list[str]
    failing: list[Failing]
    tally: str
    """``31 cells: 30 passed, 1 known``."""
    sweeps: list[tuple[str, list[str]]]


class Opener:
    """Makes the opened rows of one page, and counts the certificates that it has printed."""

    def __init__(self) -> None:
        self._printed = 0

    def open(self, row: kernel_rows.Row) -> Opened:
        """The parts of ``row``."""
        curves = [("f" + PRIMES[c.order], c.curve) for c in row.cells if c.curve is not None]
        bad = [c for c in row.cells if c.status in ("fail", "error", "undecided", "known")]
        bad.sort(key=lambda c: (c.status == "known", c.status == "undecided"))
        counts = {status: sum(c.status == status for c in row.cells) for status in STATUSES}
        tally = ", ".join(f"{n} {STATUS_WORDS[status]}" for status, n in counts.items() if n)
        return Opened(
            plots.picture(curves) if curves else "",
            [_told(t) for t in row.findings[:FINDINGS]],
            [t.finding.text for t in row.findings[FINDINGS:]],
            [self._failing(c) for c in bad],
            f"{len(row.cells)} cells: {tally}",
            [(sweeps.statement(c), sweeps.lines(c, shown=12)) for c in row.cells if c.property == sweeps.PROPERTY],
        )

    def _failing(self, cell: Cell) -> Failing:
        whole = cell.certificate is not None and self._printed < CERTIFICATES
        self._printed += whole
        return Failing(
            f"{cell.property} f{PRIMES[cell.order]}",
            cell.status,
            cell.reason,
            bool(cell.felt),
            compact_figure(cell.magnitude) if cell.status in ("fail", "known") else "",
            cell.certificate if whole else None,
            cell.certificate.reproduce if cell.certificate is not None else "",
        )


def regions(found: Certificate) -> list[str]:
    """Intervals of a certificate in words, those that matter first."""
    said = []
    for i in in_order(found.region, found.input):
        share = f" of {i.tried} {'(every pattern)' if i.exhaustive else 'tried'}" if i.tried else " failed"
        said.append(f"fails on [{i.lo.decimal}, {i.hi.decimal}]: {i.failing}{share}")
    more = len(said) - INTERVALS
    return said[:INTERVALS] + ([f"and on {more} more interval{'s' * (more > 1)}"] if more > 0 else [])


def _told(told: finding_texts.Told) -> ToldFinding:
    facts = [
        ("error", told.error),
        ("on", "; ".join(told.regions)),
        ("probably", CAUSE_WORDS.get(told.probably, told.probably)),
        ("explained", told.explained),
        ("baseline", told.baseline),
        ("instead", told.advice),
        (f"{told.cells} cell{'s' if told.cells != 1 else ''}", told.accounts),
    ]
    return ToldFinding(told, [(k, v) for k, v in facts if v])
