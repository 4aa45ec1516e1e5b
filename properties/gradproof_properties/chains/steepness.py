"""sup|f'| over the whole line, rigorous and sharp to float64."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np

from gradproof.extend import FINITE, FLOAT64, Floats, Function, Oracle

REACH: Final = 32.0
"""Between -REACH and REACH the first cells are equal; beyond they are binades, as far as float64 goes."""
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
    as r^2 where f' has its peak, and on an asymptote as fast as f'' falls.
    """
    function = oracle.function
    if not all(isinstance(function.limit(side, 1), Fraction) for side in ("left", "right")):
        return math.inf
    low, high = _cells(function)
    near = np.maximum(np.abs(low), np.abs(high)) <= REACH
    value, bound = _bounds(oracle, low[near], high[near])
    seen, settled, left = float(value.max(initial=0.0)), 0.0, math.inf
    far = _far_bounds(oracle, low[~near], high[~near], seen)
    if not np.isfinite(far).all():
        return math.inf
    low, high = (np.concatenate([ends[near], ends[~near]]) for ends in (low, high))
    bound = np.concatenate([bound, far])
    for _ in range(ROUNDS):
        open_ = ~(bound <= seen * SHARP)
        settled = max(settled, float(bound[~open_].max(initial=0.0)))
        left = float(bound[open_].max(initial=0.0))
        if not open_.any() or open_.sum() * SPLIT > MOST:
            break
        cuts = np.linspace(low[open_], high[open_], SPLIT + 1)
        low, high = cuts[:-1].ravel(), cuts[1:].ravel()
        value, own = _bounds(oracle, low, high)
        bound = np.minimum(own, np.tile(bound[open_], SPLIT))  # a part is no steeper than the whole
        seen = max(seen, float(value.max(initial=0.0)))
    return max(settled, left)


def _cells(function: Function) -> tuple[Floats, Floats]:
    """Low and high ends of the first cells, which cover the function's domain; none has a kink inside."""
    far = [*np.ldexp(REACH, np.arange(1024 - int(math.log2(REACH)))), np.finfo(np.float64).max]
    inner = np.linspace(-REACH, REACH, CELLS + 1)
    breaks = [float(k) for k in function.breaks if abs(k) <= np.finfo(np.float64).max]
    first, last = (float(end) for end in function.ends)
    edges = np.unique(np.clip([*np.negative(far), *inner, *far, *breaks], first, last))
    return edges[:-1], edges[1:]


def _bounds(oracle: Oracle, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """|f'| in the middle of each cell, and its bound over the cell."""
    middle = low / 2 + high / 2
    reference = oracle.references(middle.view(np.uint64), FLOAT64)[1]
    value = np.where(reference.kind == FINITE, np.abs(reference.values), np.nan)
    half = np.maximum(high - middle, middle - low)
    steep = oracle.suprema(low, high, 2, 1)
    with np.errstate(invalid="ignore", over="ignore"):
        bound = (value + np.where(steep == 0, 0.0, steep * half)) * (1 + 2.0**-50)
    return np.nan_to_num(value, nan=0.0), np.where(np.isnan(bound), np.inf, bound)


def _far_bounds(oracle: Oracle, low: Floats, high: Floats, seen: float) -> Floats:
    """Bounds of |f'| over cells that are too wide for the mean value theorem, from enclosures of f' itself.

    A cell that cannot exceed ``seen``, a value of |f'|, is left as soon as that is clear: arb takes up to 0.1 s to
    narrow its bound, and where f' decays as a power of x every binade would come to that. The outermost are the
    hardest; after one without a bound the others are not tried.
    """
    bound = oracle.suprema(low, high, 1, 1)
    open_ = np.flatnonzero(~np.isfinite(bound))
    for i in open_[np.argsort(-np.abs(low[open_]), kind="stable")]:
        bound[i] = oracle.supremum(Fraction(low[i]), Fraction(high[i]), 1, enough=seen)
        if math.isinf(bound[i]):
            break
    return bound
