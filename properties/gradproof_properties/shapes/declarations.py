"""What a function declares of its shape, against its own oracle: false declarations are no implementation's fault."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from gradproof.extend import FINITE, WRONG_BRANCH, Dyadic, Evidence, Oracle, Outcome, Probe, UsageError, Violations
from gradproof.extend import arrays as fa
from gradproof_properties.shapes.line import Line, turning_brackets
from gradproof_properties.shapes.order import directions_along
from gradproof_properties.shapes.symmetries import EVEN, EXPONENTS, ODD, counterexample, enclosed

SETTLED: Final = Fraction(1, 1 << 20)


def misdeclared(probe: Probe, x: Fraction, text: str) -> Outcome:
    """One violation at ``x`` that says what the function's definition declares wrongly; nothing else is judged."""
    bits = np.array([probe.format.round(x, saturate=True)], fa.storage(probe.format))
    one = np.ones(1)
    wrong = Violations(
        bits, probe.evaluate(bits), one * np.inf, np.full(1, WRONG_BRANCH, np.int8), one == 0,
        f"{text}: the declaration is wrong, not the implementation", "fault", pointwise=False,
    )  # fmt: skip
    return Outcome(Evidence("sampled", 1), [wrong], measured={"false_declaration": text})


def false_turn(oracle: Oracle) -> str | None:
    """What is wrong with the declared turns; None where f' changes its sign at each."""
    try:
        turning_brackets(oracle)
    except UsageError as false:
        return str(false)
    return None


def false_declaration(probe: Probe, line: Line) -> tuple[Fraction, str] | None:
    """An input and what the oracle says there against odd, even, limits, directions or range; None if nothing."""
    function, oracle = probe.function, probe.oracle
    for declared, mirror, word in ((function.odd, ODD, "odd"), (function.even, EVEN, "even")):
        x = counterexample(oracle, mirror) if declared else None
        if x is not None:
            return x, f"declared {word}, but {_value_text(oracle, x)} and {_value_text(oracle, -x)}"
    return false_limit(oracle) or _false_direction(probe, line) or _false_range(probe, line)


@lru_cache(maxsize=512)
def false_limit(oracle: Oracle) -> tuple[Fraction, str] | None:
    """A far input, and what f has settled on there, against the declared limit of f at that infinity; None if nothing.

    f is taken as settled where certified values at 2^1000 and 2^1020 agree to SETTLED, relative or absolute. Slower
    functions (log, say) are not judged, nor are ends of a bounded domain.
    """
    function = oracle.function
    sides: tuple[tuple[Literal["left", "right"], int], ...] = (("left", -1), ("right", 1))
    for (side, sign), end in zip(sides, function.ends, strict=True):
        declared = function.limit(side, 0)
        if not isinstance(declared, Fraction) or not (isinstance(end, float) and math.isinf(end)):
            continue
        near, far = (enclosed(oracle, sign * Fraction(2) ** power) for power in (1000, 1020))
        if near is None or far is None:
            continue
        room = SETTLED * max(Fraction(1), abs(far[0]), abs(declared))
        if abs(near[0] - far[1]) > room or far[0] - room <= declared <= far[1] + room:
            continue
        where = "-inf" if sign < 0 else "+inf"
        text = (
            f"declared to tend to {float(declared):.12g} at {where}, but f({sign * 2.0**1020:g}) = {float(far[0]):.12g}"
        )
        return sign * Fraction(2) ** 1020, text
    return None


def _value_text(oracle: Oracle, x: Fraction) -> str:
    ends = enclosed(oracle, x)
    return f"f({float(x):g}) = {'?' if ends is None else format(float(ends[0]), '.12g')}"


def _false_direction(probe: Probe, line: Line) -> tuple[Fraction, str] | None:
    """Two inputs between which the exact values go against what is declared.

    Correct rounding keeps the order, so rounded values that do not are followed by certified ones.
    """
    if probe.function.directions is None:
        return None
    known = (line.reference.kind == FINITE)[1:] & (line.reference.kind == FINITE)[:-1]
    rounded = fa.ordinals(line.reference.rounded, probe.format)
    against = np.where(known, -directions_along(probe, line) * np.diff(rounded), 0)
    i = int(np.argmax(against))
    if against[i] <= 0:
        return None
    ends = [probe.certified(int(line.bits[j]), 0) for j in (i, i + 1)]
    if any(e.lower is None or e.upper is None for e in ends):
        return None
    falls = (ends[0].lower - ends[1].upper).man > 0  # type: ignore[operator]
    rises = (ends[1].lower - ends[0].upper).man > 0  # type: ignore[operator]
    direction = int(directions_along(probe, line)[i])
    if not (falls if direction > 0 else rises):
        return None
    word = "monotone" if probe.function.directions == (1,) else "non-decreasing" if direction > 0 else "non-increasing"
    values = [float(e.midpoint) for e in ends]
    x, z = float(line.x[i]), float(line.x[i + 1])
    return Fraction(x), f"declared {word} there, but f({x!r}) = {values[0]:.12g} and f({z!r}) = {values[1]:.12g}"


def _false_range(probe: Probe, line: Line) -> tuple[Fraction, str] | None:
    """An input whose exact value lies past the declared range."""
    if probe.function.exact_range is None:
        return None
    low, high = probe.function.exact_range
    due = np.where(line.reference.kind == FINITE, line.due, np.nan)
    if np.isnan(due).all():
        return None
    for i, end, side in ((int(np.nanargmin(due)), low, -1), (int(np.nanargmax(due)), high, 1)):
        value = probe.certified(int(line.bits[i]), 0)
        if isinstance(end, float) or value.lower is None or value.upper is None:
            continue
        if _past(value.upper, end, -1) if side < 0 else _past(value.lower, end, 1):
            x = float(line.x[i])
            text = f"declared to have values from {float(low):g} to {float(high):g}, but f({x!r}) = "
            return Fraction(x), f"{text}{float(value.midpoint):.12g}"
    return None


def _past(value: Dyadic, end: Fraction, side: int) -> bool:
    """Whether ``value``, which may be no fraction of decent size, lies above (``side`` 1) or below (-1) ``end``."""
    if value.man and abs(value.exponent) > EXPONENTS:
        small = value.exponent < 0
        return side * value.man > 0 if not small or not end else side * end < 0
    return side * (value.fraction() - end) > 0
