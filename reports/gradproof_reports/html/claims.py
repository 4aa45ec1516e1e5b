"""The claims in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from gradproof.extend import (
    PRIMES,
    Basis,
    Cell,
    Claim,
    ClaimException,
    PlaceVerdict,
    RunResult,
    claim_verdicts,
    short_format,
)
from gradproof_reports.html.tabs import Links, known_anchor, links
from gradproof_reports.summary import format_rank, unique

LINKS: Final = 24
"""Functions and orders in one line of exceptions; the rest are counted, and the deviation's group lists them."""


@dataclass(frozen=True)
class Mark:
    """How a verdict looks: ``glyph`` differs in shape, never in colour alone."""

    key: str
    glyph: str
    word: str
    short: str
    """The word in a column of a table."""


MARKS: Final[dict[str, Mark]] = {
    "holds": Mark("holds", "✓", "holds", "holds"),
    "holds except": Mark("except", "◐", "holds except", "except"),
    "does not hold": Mark("no", "✗", "does not hold", "no"),
    "partly checked": Mark("partly", "◌", "partly checked", "partly"),
    "not checked": Mark("unchecked", "○", "not checked", "not"),
}

FRESH: Final = Mark("broken", "▲", "holds except", "except")
"""As ``holds except``, where an exception is a new failure and no known deviation."""


@dataclass(frozen=True)
class Slot:
    """The verdict on one claim at one place and format."""

    mark: Mark
    count: int
    """Cells that speak against it."""
    undecided: int
    title: str
    href: str


@dataclass(frozen=True)
class ClaimRow:
    """One place (with the mode, where modes differ); ``slots`` follow the formats."""

    place: str
    slots: list[Slot | None]


@dataclass(frozen=True)
class ExceptionLine:
    """Exceptions of one place and reason over all formats.

    ``links``: function and order, with the formats and the addresses of their cells. Cells of several modes
    or properties that share a page, or differ in the mode alone, are one link.
    """

    place: str
    known: bool
    title: str
    href: str
    """Where the deviation is told; empty for new failures."""
    count: int
    links: Links
    more: int


@dataclass(frozen=True)
class View:
    """One claim as the page shows it."""

    claim: Claim
    mark: Mark
    basis: str
    formats: list[str]
    rows: list[ClaimRow]
    figures: list[tuple[str, list[tuple[str, list[str]]]]]
    """Label, and per place a text for each format, empty where nothing was measured."""
    lines: list[ExceptionLine]
    gaps: list[tuple[str, str]]
    """Place, and what was not judged there and why."""


def claims(result: RunResult, at: Mapping[int, str]) -> list[View]:
    """Every claim of the run, those that were checked first; ``at`` are the rows of the cells by their ``id``."""
    views = [_view(claim, result, at) for claim in result.claims]
    return sorted(views, key=lambda v: v.mark is MARKS["not checked"])


def absent(result: RunResult) -> list[tuple[str, str]]:
    """Places where no claim was checked, with the reason."""
    verdicts = [v for c in result.claims for v in c.verdicts]
    checked = {_place(v) for v in verdicts if v.verdict != "not checked"}
    reasons: dict[str, str] = {}
    for v in verdicts:
        if _place(v) not in checked:
            reasons.setdefault(_place(v), next((u.reason for u in v.unjudged if u.cells), ""))
    return list(reasons.items())


def mark(verdict: str, exceptions: Iterable[ClaimException] = ()) -> Mark:
    """How a verdict with these exceptions looks."""
    fresh = any(e.status != "known" for e in exceptions)
    return FRESH if fresh and verdict == "holds except" else MARKS[verdict]


def _view(claim: Claim, result: RunResult, at: Mapping[int, str]) -> View:
    checked = {_place(v) for v in claim.verdicts if v.verdict != "not checked"}
    shown = [v for v in claim.verdicts if _place(v) in checked]
    formats = sorted(unique(v.format for v in shown), key=format_rank)
    basis = "; ".join(_basis(b) for b in claim.rests_on)
    every = [e for v in shown for e in v.exceptions]
    places = [(name, {v.format: v for v in found}) for name, found in _places(shown)]
    rows = [ClaimRow(name, [_slot(found.get(f)) for f in formats]) for name, found in places]
    figures = [(f.label, _figures(f.label, places, formats)) for f in claim.figures]
    return View(
        claim=claim,
        mark=mark(claim_verdicts.overall(claim), every),
        basis=basis,
        formats=[short_format(f) for f in formats],
        rows=rows,
        figures=[(label, found) for label, found in figures if found],
        lines=_lines(claim, result, at),
        gaps=_gaps(shown),
    )


def _figures(
    label: str, places: list[tuple[str, dict[str, PlaceVerdict]]], formats: list[str]
) -> list[tuple[str, list[str]]]:
    """What was measured under a label, by place and format.

    Places without any are left out; where all the others say the same, one row says it.
    """
    found = []
    for name, verdicts in places:
        texts = [
            claim_verdicts.figure_text(verdicts[f].figures[label]) if _has(verdicts.get(f), label) else ""
            for f in formats
        ]
        if any(texts):
            found.append((name, texts))
    same = len(found) > 1 and all(texts == found[0][1] for _, texts in found)
    return [("all alike", found[0][1])] if same else found


def _has(verdict: PlaceVerdict | None, label: str) -> bool:
    return verdict is not None and label in verdict.figures


def _basis(basis: Basis) -> str:
    """``accuracy (f′, f″; relu, abs)``."""
    narrowed = [", ".join("f" + PRIMES[n] for n in basis.orders), ", ".join(basis.functions)]
    parts = "; ".join(filter(None, narrowed))
    return f"{basis.property} ({parts})" if parts else basis.property


def _places(verdicts: list[PlaceVerdict]) -> list[tuple[str, list[PlaceVerdict]]]:
    """Verdicts by place, and by mode where the modes of a place and format differ."""
    seen = [(v.backend, v.device, v.format) for v in verdicts]
    split = {key[:2] for key in seen if seen.count(key) > 1}
    rows: dict[str, list[PlaceVerdict]] = {}
    for v in verdicts:
        name = f"{_place(v)} {'/'.join(v.modes)}" if (v.backend, v.device) in split else _place(v)
        rows.setdefault(name, []).append(v)
    return list(rows.items())


def _slot(verdict: PlaceVerdict | None) -> Slot | None:
    if verdict is None:
        return None
    against = sum(e.cells for e in verdict.exceptions)
    tried = f", {verdict.points} inputs tried" if verdict.points else ""
    b, d, f = (quote(t, errors="backslashreplace") for t in (verdict.backend, verdict.device, verdict.format))
    return Slot(
        mark(verdict.verdict, verdict.exceptions),
        against if verdict.verdict in ("holds except", "partly checked") else 0,
        verdict.counts.get("undecided", 0),
        f"{_place(verdict)} {verdict.format}: {claim_verdicts.in_words(verdict)}{tried}",
        f"#rows?b={b}&d={d}&f={f}",
    )


def _lines(claim: Claim, result: RunResult, at: Mapping[int, str]) -> list[ExceptionLine]:
    """New failures first, then known deviations, most cells first."""
    groups: dict[tuple[str, bool, str], list[Cell]] = {}
    against = [c for c in result.cells if c.status in claim_verdicts.AGAINST]
    for v in claim.verdicts:
        for e in v.exceptions:
            key = (_place(v), e.status == "known", e.deviation)
            groups.setdefault(key, []).extend(claim_verdicts.cells_of(claim, v, against, e))
    lines = []
    for (place, known, ref), cells in groups.items():
        named = links(cells, at)
        title = str(result.deviations.get(ref, {}).get("title") or ref) if known else "New failures"
        href = f"#{known_anchor(ref)}" if known else ""
        lines.append(
            ExceptionLine(place, known, title, href, len(cells), named[:LINKS], len(named) - len(named[:LINKS]))
        )
    return sorted(lines, key=lambda line: (line.known, -line.count))


def _gaps(verdicts: list[PlaceVerdict]) -> list[tuple[str, str]]:
    """What was not judged where something else was, one line per place, property and status."""
    counts: dict[tuple[str, str, str, str], int] = {}
    for v in verdicts:
        for u in v.unjudged:
            key = (_place(v), u.property, u.status.replace("-", " "), u.reason)
            counts[key] = counts.get(key, 0) + u.cells
    return [(p, f"{f'{n} cells of ' if n else ''}{name} {s}: {why}") for (p, name, s, why), n in counts.items()]


def _place(item: Cell | PlaceVerdict) -> str:
    return f"{item.backend}:{item.device}"
