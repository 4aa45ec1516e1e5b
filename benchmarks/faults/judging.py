"""What a results file says about a case of the corpus, held against what it should say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from benchmarks.faults.expected import Case
from benchmarks.faults.mechanisms import MECHANISMS
from gradproof.formats import FORMATS, Format

COVERED = 0.9
"""Share of the floats of one of a case's intervals that the first finding must cover."""


@dataclass(frozen=True)
class Answer:
    """How the findings of one implementation fare.

    ``explanation``: ``right``; ``none`` where there is one; ``wrong``; ``-`` where none is known and none was given.
    """

    name: str
    caught: bool
    kind: str = ""
    kind_right: bool = False
    interval_right: bool = False
    explanation: str = "none"
    findings: int = 0
    text: str = ""
    explained: str = ""

    @property
    def right(self) -> bool:
        """Whether the first finding names the right kind and the right inputs."""
        return self.caught and self.kind_right and self.interval_right


def answer(name: str, case: Case, result: dict[str, Any]) -> Answer:
    """The answer of a results file about ``name`` (file:callable)."""
    found = [f for f in result["findings"] if f["implementation"] == name and f["known_ref"] is None]
    if not found:
        failing = any(c["implementation"] == name and c["status"] in ("fail", "error") for c in result["cells"])
        return Answer(name, failing)
    first = found[0]
    explained = first["explanation"]
    return Answer(
        name=name,
        caught=True,
        kind=first["kind"],
        kind_right=first["kind"] in case.kinds,
        interval_right=interval_right(case, first["regions"]),
        explanation=explanation(case, explained["id"] if explained else None),
        findings=len(found),
        text=first["text"],
        explained=explained["id"] if explained else "",
    )


def explanation(case: Case, given: str | None) -> str:
    """Whether what was said is what the case has."""
    if given is None:
        return "none" if case.explained and not case.unexplained_too else "-"
    meant = [prefix for name in case.explained for prefix in MECHANISMS.get(name, (name,))]
    return "right" if any(given == m or given.startswith(f"{m}/") for m in meant) else "wrong"


def interval_right(case: Case, regions: dict[str, dict[str, list[list[str]]]]) -> bool:
    """Whether the regions of the case's order reach all over one of its intervals, and no region beyond its bounds."""
    if not case.on and case.within == ((float("-inf"), float("inf")),):
        return True
    for name, orders in regions.items():
        fmt = FORMATS[name]
        ends = [[_number(end, fmt) for end in region] for region in orders.get(str(case.order), [])]
        held = [(low, high) for low, high in ends if low is not None and high is not None]
        outer = [_span(fmt, *span) for span in case.within]
        if not held or not all(any(a <= low and high <= b for a, b in outer) for low, high in held):
            return False
        if case.on and not any(_covered(_span(fmt, *span), held) >= COVERED for span in case.on):
            return False
    return bool(regions)


def _number(text: str, fmt: Format) -> int | None:
    bits = int(text, 16)
    return None if fmt.is_nan(bits) else fmt.ordinal(bits)


def _span(fmt: Format, low: float, high: float) -> tuple[int, int]:
    """The ordinals of an interval of real numbers."""
    return _end(fmt, low), _end(fmt, high)


def _end(fmt: Format, value: float) -> int:
    if math.isinf(value):
        return int(math.copysign(fmt.last_bits, value))
    return fmt.ordinal(fmt.round(Fraction(value), saturate=True))


def _covered(span: tuple[int, int], held: Sequence[tuple[int, int]]) -> float:
    """The share of an interval's floats that lie in ``held``."""
    low, high = span
    return sum(max(0, min(high, b) - max(low, a) + 1) for a, b in held) / (high - low + 1)


def flagged(result: dict[str, Any]) -> dict[str, list[str]]:
    """Each implementation of a results file, with the sentences of the findings about it."""
    named: dict[str, list[str]] = {cell["implementation"]: [] for cell in result["cells"]}
    for finding in result["findings"]:
        if finding["known_ref"] is None:
            named[finding["implementation"]].append(finding["text"])
    return named
