"""The ten states a cell can show, each with a glyph and words of its own, and the colour scale."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from gradproof.extend import Cell, LedgerState, sweeps


@dataclass(frozen=True)
class State:
    """How one kind of outcome looks. ``glyph`` differs in shape, never in colour alone."""

    key: str
    glyph: str
    label: str
    meaning: str


STATES: Final[dict[str, State]] = {
    s.key: s
    for s in (
        State("mismatch", "≠", "class mismatch", "NaN, infinity, sign or range is wrong"),
        State("crashed", "!", "crashed", "the implementation raised, hung or broke its contract"),
        State("over", "▲", "over bound", "an error above the contract; the number is error over bound"),
        State("violated", "✗", "property violated", "a claim other than accuracy does not hold"),
        State("undecided", "?", "undecided", "the oracle could not certify enough to judge"),
        State("stale", "↺", "stale", "listed as a known deviation that no longer shows"),
        State("known", "◆", "known", "fails as the ledger of known deviations says"),
        State("pass", "✓", "pass", "within the bound; the number is error over bound"),
        State("not-run", "○", "not run", "planned but not judged, for the reason given"),
        State("unsupported", "⊘", "unsupported", "the backend offers no such kernel or derivative"),
    )
}
"""By key, the one that needs attention first; a matrix cell shows the first that a property of it has."""

RANK: Final = {key: i for i, key in enumerate(STATES)}

STEPS: Final = (0.25, 1.0, 10.0, 100.0, 1e4)
"""Upper ends of the colour scale's classes, in error over bound; what is above has the last class."""

STEP_LABELS: Final = ("≤ ¼", "≤ 1", "≤ 10", "≤ 100", "≤ 10⁴", "more, or ∞")


def classify(cell: Cell, stale: Collection[str] = ()) -> State:
    """The state of one cell; ``stale`` are the ``subject`` texts of ledger entries that no longer show."""
    if cell.status == "fail":
        if cell.severity == "wrong-class":
            return STATES["mismatch"]
        return STATES["over" if cell.property in ("accuracy", sweeps.PROPERTY) else "violated"]
    if cell.status == "pass" and subject(cell) in stale:
        return STATES["stale"]
    return STATES["crashed" if cell.status == "error" else cell.status]


def step(magnitude: float | None) -> int:
    """Class of the colour scale for an error over bound; None, which is infinite, has the last."""
    if magnitude is None:
        return len(STEPS)
    return sum(magnitude > end for end in STEPS)


def subject(cell: Cell) -> str:
    """A cell in the words in which a ledger entry's identifier names it."""
    place = f"{cell.backend}:{cell.device} {cell.mode}"
    return f"{cell.function} {place} {cell.format} order{cell.order} {cell.property}"


def stale_subjects(states: Collection[LedgerState]) -> set[str]:
    """Subjects of ledger entries that no longer show, read from their identifiers.

    An identifier is ``<deviation>: <function>[,params] <backend:device> <modes> <format> order<n>
    <property>``. One in other words is passed over: it still stands in the ledger's own section.
    """
    found = set()
    for state in states:
        words = state.entry.removeprefix(f"{state.deviation}: ").split(" ")
        if state.state in ("stale", "gone") and len(words) >= 6:
            function = words[0].partition(",")[0]
            backend, modes, fmt, order, prop = words[-5:]
            found |= {f"{function} {backend} {mode} {fmt} {order} {prop}" for mode in modes.split("/")}
    return found
