"""How a certificate is told: errors in enough digits, the region from the input outward."""

from __future__ import annotations

from typing import Final

from gradproof.results.model import Certificate, Interval

DIGITS: Final = 4
ALL_DIGITS: Final = 17
"""Significant decimal digits that tell every float64 from its neighbours."""


def digits(value: float | None, beside: float = 1.0) -> int:
    """Significant digits, at least ``DIGITS``, with which ``value`` does not read like ``beside``."""
    if value is None or value == beside:
        return DIGITS
    return next((n for n in range(DIGITS, ALL_DIGITS) if float(f"{value:.{n}g}") != beside), ALL_DIGITS)


def figure(value: float | None, significant: int = DIGITS) -> str:
    """``value`` in so many significant digits; ``inf`` for None, which stands for an infinite error."""
    return "inf" if value is None else f"{value:.{significant}g}"


def over_bound(magnitude: float | None) -> str:
    """``1.00002 times the bound``: an error over its bound, with the digits it takes to differ from 1."""
    return f"{figure(magnitude, digits(magnitude))} times the bound"


def home_first(found: Certificate) -> list[Interval]:
    """The intervals of the region, the one that holds the input before the others."""
    if found.input is None:
        return list(found.region)
    x = float(found.input.decimal)
    return sorted(found.region, key=lambda i: not float(i.lo.decimal) <= x <= float(i.hi.decimal))
