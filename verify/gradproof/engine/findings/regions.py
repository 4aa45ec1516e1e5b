"""From failing inputs to the region they belong to, and to the simplest input in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format, floor_log2
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Ints

MAX_INTERVALS: Final = 8
"""A region is reported as at most this many intervals; the nearest ones are merged beyond that."""

Fails = Callable[[Bits], npt.NDArray[np.bool_]]


@dataclass
class Span:
    """Failing ordinals from ``low`` to ``high``; ``failing`` of the ``tried`` inputs between them failed."""

    low: int
    high: int
    tried: int
    failing: int


def spans(tried: Ints, failing: Ints) -> list[Span]:
    """Maximal runs of failing ordinals with no passing one between, at most ``MAX_INTERVALS`` after merging.

    ``tried`` and ``failing`` are ordinals in any order; every failing one counts as tried.
    """
    failing = fa.distinct(failing)
    tried = fa.distinct(np.concatenate([tried, failing]))
    mask = np.isin(tried, failing, assume_unique=True)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    runs = [
        Span(int(tried[a]), int(tried[b - 1]), int(b - a), int(b - a))
        for a, b in zip(edges[0::2], edges[1::2], strict=True)
    ]
    if len(runs) <= MAX_INTERVALS:
        return runs
    # Merge over the gaps that hold the fewest passing inputs relative to what they join.
    gaps = np.array([b.low - a.high for a, b in itertools.pairwise(runs)], dtype=np.float64)
    keep = set(np.argsort(gaps)[::-1][: MAX_INTERVALS - 1].tolist())
    merged = [runs[0]]
    for i, run in enumerate(runs[1:]):
        if i in keep:
            merged.append(run)
        else:
            merged[-1] = Span(merged[-1].low, run.high, 0, merged[-1].failing + run.failing)
    for span in merged:
        inside = np.searchsorted(tried, [span.low, span.high + 1])
        span.tried = int(inside[1] - inside[0])
    return merged


def widen(span: Span, tried: Ints, fmt: Format, fails: Fails, sections: int = 255) -> Span:
    """Move both ends of a sampled span out to the last failing input before a passing one.

    Bisection in ``sections`` parts between each end and its passing neighbour among ``tried``. Assumes that
    failing and passing inputs alternate at most once there; what is reported has failed.
    """
    ordered = fa.distinct(tried)
    below = ordered[ordered < span.low]
    above = ordered[ordered > span.high]
    low_pass = int(below[-1]) if below.size else -fmt.last_bits - 1
    high_pass = int(above[0]) if above.size else fmt.last_bits + 1
    low, high = _Frontier(span.low, low_pass), _Frontier(span.high, high_pass)
    while steps := [(end, end.candidates(sections)) for end in (low, high) if end.open]:
        # One call for both ends: on a backend that traces its derivatives a call costs as much as many inputs.
        bad = fails(fa.from_ordinals(np.concatenate([candidates for _, candidates in steps]), fmt))
        for end, candidates in steps:
            end.take(candidates, bad[: candidates.size])
            bad = bad[candidates.size :]
    return Span(low.inside, high.inside, span.tried, span.failing)


@dataclass
class _Frontier:
    """Where failing ends between a failing ordinal ``inside`` and a passing one ``outside``."""

    inside: int
    outside: int

    @property
    def open(self) -> bool:
        """Whether there is an ordinal between the two."""
        return abs(self.outside - self.inside) > 1

    def candidates(self, sections: int) -> Ints:
        """Ordinals that cut what lies between into ``sections`` parts, from inside to outside."""
        step = max(1, abs(self.outside - self.inside) // sections)
        sign = 1 if self.outside > self.inside else -1
        between = [self.inside + sign * step * k for k in range(1, sections + 1)]
        return np.array([c for c in between if (c - self.outside) * sign < 0] or [self.inside + sign], np.int64)

    def take(self, candidates: Ints, bad: npt.NDArray[np.bool_]) -> None:
        """Close in on the first candidate that passes."""
        first_good = int(np.argmin(bad)) if not bad.all() else candidates.size
        if first_good < candidates.size:
            self.outside = int(candidates[first_good])
        if first_good > 0:
            self.inside = int(candidates[first_good - 1])


def simplest(span: Span, fmt: Format, fails: Fails) -> int | None:
    """Bits of the failing input in the span with the fewest significand bits; None when none is found.

    Tries multiples of decreasing powers of two, the one nearest to zero first.
    """
    candidates: list[int] = []
    low, high = fmt.from_ordinal(span.low), fmt.from_ordinal(span.high)
    if not (fmt.is_finite(low) and fmt.is_finite(high)):
        return low if not fmt.is_finite(low) else high
    a, b = fmt.value(low), fmt.value(high)
    if a <= 0 <= b:
        candidates.append(0)
    largest = max(abs(a), abs(b))
    for exponent in range(floor_log2(largest) if largest else fmt.e_min, fmt.e_min - fmt.precision, -1):
        unit = type(a)(2) ** exponent
        first, last = -(-a // unit), b // unit
        if first > last:
            continue
        nearest = min((n for n in (first, last) if n), key=abs, default=0)
        candidates.append(fmt.round(nearest * unit))
        if len(candidates) >= 12:
            break
    if not candidates:
        return None
    bits = np.array(candidates, dtype=fa.storage(fmt))
    bad = fails(bits)
    return int(bits[int(np.argmax(bad))]) if bad.any() else None
