"""How a certificate is told: errors in enough digits, the intervals that matter first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from gradproof.results.model import Interval, Number

DIGITS: Final = 4
ALL_DIGITS: Final = 17
"""Significant decimal digits that tell every float64 from its neighbours."""
SHOWN: Final = 3
"""Intervals of a region that are listed where space is short; the rest are counted."""
ORDINARY: Final = (2.0**-8, 2.0**5)
"""Sizes of the inputs that every network meets."""


def digits(value: float | None, beside: float = 1.0) -> int:
    """Significant digits, at least ``DIGITS``, with which ``value`` does not read like ``beside``."""
    if value is None or value == beside:
        return DIGITS
    return next((n for n in range(DIGITS, ALL_DIGITS) if float(f"{value:.{n}g}") != beside), ALL_DIGITS)


def finite_or_none(value: float | None) -> float | None:
    """``value`` as a results file has it: None for infinities and NaN, which JSON does not know."""
    return None if value is None or not math.isfinite(value) else float(value)


def figure(value: float | None, significant: int = DIGITS) -> str:
    """``value`` in so many significant digits; ``inf`` for None, which stands for an infinite error."""
    return "inf" if value is None else f"{value:.{significant}g}"


def over_bound(magnitude: float | None) -> str:
    """``1.00002 times the bound``: an error over its bound, with the digits it takes to differ from 1."""
    return f"{figure(magnitude, digits(magnitude))} times the bound"


def in_order(region: Iterable[Interval], worst: Number | None) -> list[Interval]:
    """The intervals of a region, the one that matters most first; ``worst`` is the worst input."""
    return sorted(region, key=lambda i: weight(i.lo.decimal, i.hi.decimal, i.failing, decimal(worst)))


def decimal(datum: Number | None) -> str:
    """A datum as ``weight`` takes it."""
    return "" if datum is None else datum.decimal


def weight(low: str, high: str, failing: int, worst: str) -> tuple[bool, bool, bool, int]:
    """Sort key of an interval of failing inputs: whoever reads only the first few has read what matters.

    Its ends and the worst input are decimal numbers; the latter is empty where it is not known.

    The one that holds the worst input comes first, then those with ordinary inputs (in size from 2^-8 to 2^5, where
    nobody can avoid them), then those with the most failing inputs; NaNs last.
    """
    first, last = float(low), float(high)
    if math.isnan(first) or math.isnan(last):
        return not (worst and math.isnan(float(worst))), True, True, -failing
    home = bool(worst) and first <= float(worst) <= last
    least, greatest = ORDINARY
    ordinary = (first <= greatest and last >= least) or (first <= -least and last >= -greatest)
    return not home, False, not ordinary, -failing


def compact_figure(value: float | None, infinite: str = "∞") -> str:
    """A positive measure in at most five characters: ``0.42``, ``3.1``, ``87``, ``1e4``."""
    if value is None or not math.isfinite(value):
        return infinite
    if value >= 999.5 or 0 < value < 0.005:
        mantissa, _, exponent = f"{value:.0e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    if value >= 9.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 0.995 else f"{value:.2f}" if value else "0"
