"""Verdicts on claims: what the cells of a results file say about each, by place and format.

The rules, for the cells a claim rests on at one place and format. *Judged* are pass, fail, known and error.

* ``not checked``: nothing was judged.
* ``does not hold``: something was judged, and nothing passes.
* ``holds except``: some cells pass and some do not; the exceptions are listed. A known deviation is an
  exception like any other, an implementation that raised too.
* ``partly checked``: all that was judged passes, but cells were not run, a property of the claim has no
  judged cell there, or functions that the claim names are nowhere in these results. And: nothing passes so far, in a
  run that ended before it came to the rest.
* ``holds``: all that was judged passes. Undecided and unsupported cells are counted beside it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final, TypeVar

from gradproof.results.model import (
    Basis,
    Cell,
    Claim,
    ClaimException,
    ClaimVerdict,
    Figure,
    PlaceVerdict,
    Unjudged,
)
from gradproof.results.not_run import NotRun

AGAINST: Final = ("fail", "error", "known")
"""Statuses that speak against a claim, the one that needs attention first."""
JUDGED: Final = ("pass", *AGAINST)

UNREACHED: Final = (NotRun.DEADLINE, NotRun.INTERRUPTED, NotRun.GAVE_UP)
"""Reasons for which a cell would have had a verdict if the run had gone on."""

ABSENT: Final = "these results hold no cell of it"
LACKING: Final = "these results hold no cell of"

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def judge(claims: Iterable[Claim], cells: Sequence[Cell]) -> list[Claim]:
    """``claims`` with the verdicts that ``cells`` give them; verdicts they had before are forgotten.

    One verdict per place and format that has a cell of the claim, in the order of the cells; one per mode
    where the modes differ in what they say.
    """
    by_property = _by(cells, lambda c: c.property)
    judged = []
    for claim in claims:
        mine = [c for name in _properties(claim) for c in by_property.get(name, ()) if covers(claim, c)]
        places = _by(mine, lambda c: (c.backend, c.device, c.format))
        left_out = _left_out(claim, mine)
        found = [verdict for here in places.values() for verdict in _by_mode(claim, here, left_out)]
        judged.append(dataclasses.replace(claim, verdicts=found))
    return judged


def covers(claim: Claim, cell: Cell) -> bool:
    """Whether the claim rests on this cell, among others."""
    return any(_rests(basis, cell) for basis in claim.rests_on)


def cells_of(
    claim: Claim, verdict: PlaceVerdict, cells: Iterable[Cell], exception: ClaimException | None = None
) -> list[Cell]:
    """The cells that a verdict rests on, or those of one of its exceptions."""
    found = [
        c
        for c in cells
        if (c.backend, c.device, c.format) == (verdict.backend, verdict.device, verdict.format)
        and c.mode in verdict.modes
        and covers(claim, c)
    ]
    return found if exception is None else [c for c in found if _cause(c) == _reason(exception)]


def overall(claim: Claim) -> ClaimVerdict:
    """One word for all places and formats; those where nothing was checked do not count.

    ``holds`` only where every verdict is; ``does not hold`` where none is better.
    """
    words = {v.verdict for v in claim.verdicts} - {"not checked"}
    if not words:
        return "not checked"
    if len(words) == 1:
        return words.pop()
    passed = any(v.counts.get("pass") for v in claim.verdicts)
    if words == {"holds", "partly checked"} or (words == {"does not hold", "partly checked"} and not passed):
        return "partly checked"
    return "holds except"


def in_words(verdict: PlaceVerdict) -> str:
    """``holds except 4 of 36 cells, 2 undecided``: the verdict with everything that qualifies it."""
    against = sum(e.cells for e in verdict.exceptions)
    judged = sum(verdict.counts.get(s, 0) for s in JUDGED)
    text = str(verdict.verdict)
    if verdict.verdict == "holds except":
        text += f" {against} of {judged} cells"
    elif verdict.verdict == "partly checked" and against:
        text += f", against it all {judged} that were"
    rest = [f"{verdict.counts[s]} {s.replace('-', ' ')}" for s in SILENT if verdict.counts.get(s)]
    rest += [f"{u.property} not judged{_of(u)}" for u in verdict.unjudged if not u.cells]
    return ", ".join([text, *rest])


def _of(unjudged: Unjudged) -> str:
    """`` of prelu, elu`` where only some functions are missing."""
    return f" of {', '.join(unjudged.functions)}" if unjudged.functions else ""


def figure_text(value: Any) -> str:
    """A figure as text: numbers, also those that came as text, to three digits; both ends of a band."""
    if isinstance(value, list):
        return " to ".join(map(figure_text, value))
    if isinstance(value, bool | dict):
        return json.dumps(value)
    with contextlib.suppress(TypeError, ValueError):
        return f"{float(value):.3g}"
    return str(value)


SILENT: Final = ("undecided", "not-run", "unsupported")
"""Statuses that are no verdict."""


def _properties(claim: Claim) -> list[str]:
    return list(dict.fromkeys(basis.property for basis in claim.rests_on))


def _rests(basis: Basis, cell: Cell) -> bool:
    return (
        cell.property == basis.property
        and (not basis.functions or cell.function in basis.functions)
        and (not basis.orders or cell.order in basis.orders)
    )


def _by_mode(claim: Claim, cells: list[Cell], left_out: list[Unjudged]) -> list[PlaceVerdict]:
    """One verdict for all modes, or one each where those that were checked differ.

    They are compared on the properties they have in common: some are not worth checking in every mode.
    """
    modes = _by(cells, lambda c: c.mode)
    common = set.intersection(*({c.property for c in mine} for mine in modes.values()))
    words = {_word([c for c in mine if c.property in common]) for mine in modes.values()} - {"not checked"}
    parts = list(modes.values()) if len(words) > 1 else [cells]
    return [_verdict(claim, part, cells, left_out) for part in parts]


def _word(cells: Iterable[Cell]) -> ClaimVerdict:
    """The verdict by what was judged alone."""
    passed = {c.status == "pass" for c in cells if c.status in JUDGED}
    if not passed:
        return "not checked"
    return "holds except" if len(passed) == 2 else "holds" if True in passed else "does not hold"


def _verdict(claim: Claim, cells: list[Cell], whole: list[Cell], left_out: list[Unjudged]) -> PlaceVerdict:
    """The verdict of ``cells``, which share place and format; ``whole`` are those of all modes there."""
    unjudged = [*_silent(cells), *_missing(claim, whole), *left_out]
    word = _word(cells)
    unreached = any(c.why in UNREACHED for c in cells)
    if (word == "holds" and _gaps(claim, cells, unjudged)) or (word == "does not hold" and unreached):
        word = "partly checked"
    statuses = _by(cells, lambda c: c.status)
    return PlaceVerdict(
        cells[0].backend,
        cells[0].device,
        cells[0].format,
        list(_by(cells, lambda c: c.mode)),
        word,
        {s: len(statuses[s]) for s in (*JUDGED, *SILENT) if s in statuses},
        sum(c.evidence.n for c in cells if c.status in JUDGED),
        _exceptions(cells),
        unjudged,
        {f.label: value for f in claim.figures if (value := _measured(f, cells)) is not None},
    )


def _gaps(claim: Claim, cells: list[Cell], unjudged: list[Unjudged]) -> bool:
    """Whether something that the claim rests on is left out: not run, or a part of it without any verdict.

    What has no cell in this mode, but has some in another, is not worth checking in this one.
    """
    if any(u.status == "not-run" for u in unjudged):
        return True
    for basis in claim.rests_on:
        mine = [c for c in cells if _rests(basis, c)]
        if mine and not any(c.status in JUDGED for c in mine):
            return True
    return False


def _exceptions(cells: Iterable[Cell]) -> list[ClaimException]:
    groups = _by((c for c in cells if c.status in AGAINST), _cause)
    found = []
    for (status, name, deviation), group in groups.items():
        functions = _by(group, lambda c: c.function)
        sizes = [c.magnitude for c in group]
        found.append(
            ClaimException(
                status,  # type: ignore[arg-type]  # AGAINST holds no other
                name,
                deviation,
                {f: sorted({c.order for c in mine}) for f, mine in functions.items()},
                list(_by(group, lambda c: c.mode)),
                len(group),
                None if None in sizes else max(s for s in sizes if s is not None),
            )
        )
    return sorted(found, key=lambda e: (AGAINST.index(e.status), -e.cells))


def _measured(figure: Figure, cells: Iterable[Cell]) -> Any:
    """The figure of the first judged cell that has it; None where none has."""
    for cell in cells:
        about = (cell.property, cell.function, cell.order) == (figure.property, figure.function, figure.order)
        if not about or cell.status not in JUDGED:
            continue
        value: Any = cell.measured
        for key in figure.path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def _cause(cell: Cell) -> tuple[str, str, str]:
    return cell.status, cell.property, cell.known_ref or "" if cell.status == "known" else ""


def _reason(exception: ClaimException) -> tuple[str, str, str]:
    return exception.status, exception.property, exception.deviation


def _silent(cells: Iterable[Cell]) -> list[Unjudged]:
    groups = _by((c for c in cells if c.status in SILENT), lambda c: (c.property, c.status))
    found = []
    for (name, status), group in groups.items():
        reasons = _by(group, lambda c: c.reason)
        commonest = max(reasons, key=lambda r: len(reasons[r]))
        found.append(Unjudged(name, status, commonest, len(group)))  # type: ignore[arg-type]  # SILENT only
    return found


def _missing(claim: Claim, cells: list[Cell]) -> list[Unjudged]:
    """Properties of the claim without a cell at this place and format."""
    bare = [b.property for b in claim.rests_on if not any(_rests(b, c) for c in cells)]
    return [Unjudged(name, "not-run", ABSENT, 0) for name in dict.fromkeys(bare)]


def _left_out(claim: Claim, cells: list[Cell]) -> list[Unjudged]:
    """Functions that the claim names and these results have nowhere: the run was narrowed to others.

    Where only some backends lack a function, that is how those backends are.
    """
    found = []
    for basis in claim.rests_on:
        here = {c.function for c in cells if _rests(basis, c)}
        lacking = [f for f in basis.functions if f not in here]
        if here and lacking:
            found.append(Unjudged(basis.property, "not-run", f"{LACKING} {', '.join(lacking)}", 0, lacking))
    return found


def _by(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Items under their keys, both in the order of their first appearance."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
