"""sup|f'| over the whole line, rigorous and sharp to float64."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np

from gradproof.formats import FLOAT64
from gradproof.formats.arrays import Floats
from gradproof.oracle import Oracle
from gradproof.oracle.reference import FINITE

REACH: Final = 32.0
"""Between -REACH and REACH by bisection; beyond by binades."""
CELLS: Final = 64
SPLIT: Final = 4
ROUNDS: Final = 16
SHARP: Final = 1 + 2.0**-40
MOST: Final = 1 << 14
"""Cells in one round; more mean that the bound does not converge."""


@lru_cache(maxsize=256)
def supremum_of_slope(oracle: Oracle) -> float:
    """An upper bound of |f'| over all reals, within 2^-40 of the least one as a rule; inf where none is known.

    On a cell of half width r about c, |f'| <= |f'(c)| + r sup|f''| (mean value theorem), with certified values of f'
    and the oracle's bounds of f''. Cells whose bound exceeds the largest value seen are split, so the bound closes in
    as r^2 where f' has its peak.
    """
    function = oracle.function
    if not all(isinstance(function.limit(side, 1), Fraction) for side in ("left", "right")):
        return math.inf
    far = 0.0
    for sign in (-1.0, 1.0):
        far = max(far, _beyond(oracle, sign))
        if math.isinf(far):
            return math.inf
    edges = np.unique([*np.linspace(-REACH, REACH, CELLS + 1), *(float(k) for k in function.breaks if abs(k) < REACH)])
    low, high = edges[:-1], edges[1:]
    seen, settled = far, far
    for _ in range(ROUNDS):
        value, bound = _bounds(oracle, low, high)
        seen = max(seen, float(value.max(initial=0.0)))
        open_ = ~(bound <= seen * SHARP)
        settled = max(settled, float(bound[~open_].max(initial=0.0)))
        left = float(bound[open_].max(initial=0.0))
        if not open_.any() or open_.sum() * SPLIT > MOST:
            break
        cuts = np.linspace(low[open_], high[open_], SPLIT + 1)
        low, high = cuts[:-1].ravel(), cuts[1:].ravel()
    return max(settled, left)


def _bounds(oracle: Oracle, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """|f'| in the middle of each cell, and its bound over the cell."""
    middle = (low + high) / 2
    reference = oracle.references(middle.view(np.uint64), FLOAT64)[1]
    value = np.where(reference.kind == FINITE, np.abs(reference.values), np.nan)
    half = np.maximum(high - middle, middle - low)
    steep = oracle.suprema(low, high, 2, 1)
    with np.errstate(invalid="ignore"):
        bound = (value + np.where(steep == 0, 0.0, steep * half)) * (1 + 2.0**-50)
    return np.nan_to_num(value, nan=0.0), np.where(np.isnan(bound), np.inf, bound)


def _beyond(oracle: Oracle, sign: float) -> float:
    """The bound beyond REACH on one side, by binades as far as float64 goes; inf as soon as one has none.

    Each binade that the quick bounds leave open costs up to 0.1 s, and the outermost are the hardest.
    """
    inner = [abs(float(k)) for k in oracle.function.breaks if REACH < abs(k) < 2**1023 and (k > 0) == (sign > 0)]
    ends = np.unique([*np.ldexp(REACH, np.arange(1024 - int(math.log2(REACH)))), np.finfo(np.float64).max, *inner])
    low, high = (ends[:-1], ends[1:]) if sign > 0 else (-ends[1:], -ends[:-1])
    with np.errstate(over="ignore"):  # in the last binade the middle is infinite, and on the right side at that
        bound = oracle.suprema(low, high, 1, 1)
    open_ = np.flatnonzero(~np.isfinite(bound))
    for i in open_[::-1] if sign > 0 else open_:
        bound[i] = oracle.supremum(Fraction(low[i]), Fraction(high[i]), 1)
        if math.isinf(bound[i]):
            return math.inf
    return float(bound.max())
