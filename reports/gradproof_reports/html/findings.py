"""What is wrong, once for each fault: new findings in full, known ones by the deviation that explains them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gradproof.extend import RunResult, finding_texts
from gradproof_reports.summary import CAUSE_WORDS, short_format, unique

WHOLE: Final = 200
"""New findings in full, the one to read first first; of those beyond, a line each: the page must open fast."""


@dataclass(frozen=True)
class Row:
    """One finding as the page shows it."""

    told: finding_texts.Told
    whole: bool
    statuses: str
    query: str
    """What the page's filter looks in."""
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class KnownFindings:
    """The findings that one ledger deviation explains."""

    title: str
    cells: int
    rows: list[Row]


@dataclass(frozen=True)
class FindingsView:
    """What the section shows."""

    new: list[Row]
    known: list[KnownFindings]
    explained: int
    """How many findings are known."""


def build(result: RunResult) -> FindingsView:
    """The section of a result's findings."""
    told = finding_texts.told(result)
    new = [t for t in told if t.new]
    known = [
        KnownFindings(title, sum(len(t.finding.cells) for t in group), [_row(t, False) for t in group])
        for title, group in finding_texts.known_by(told, result.deviations)
    ]
    return FindingsView([_row(t, i < WHOLE) for i, t in enumerate(new)], known, len(told) - len(new))


def _row(told: finding_texts.Told, whole: bool) -> Row:
    found = told.finding
    formats = unique([*found.formats, *map(short_format, found.formats)])
    facts = [
        ("error", told.error),
        ("on", "; ".join(told.regions)),
        ("probably", CAUSE_WORDS.get(told.probably, told.probably)),
        ("explained", told.explained),
        ("baseline", told.baseline),
        ("instead", told.advice),
        (f"{told.cells} cell{'s' if told.cells != 1 else ''}", told.accounts),
    ]
    query = " ".join([found.function, found.implementation, told.place, found.kind, *formats])
    return Row(told, whole, "fail error" if told.new else "known", query, [(k, v) for k, v in facts if v])
