"""Inputs by the million: arithmetic progressions of bit patterns, which a compiled loop walks by counting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np

from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage

WIDTH: Final = 4096
"""Neighbours that a landmark is tried with."""
ORDINARY: Final = (2.0**-12, 2.0**10)
"""Between these sizes a wide format's inputs are DENSER times as dense."""
DENSER: Final = 16
FEW: Final = 64


@dataclass(frozen=True)
class Progression:
    """``count`` magnitudes (bit patterns without the sign) of one sign, ``stride`` apart."""

    start: int
    stride: int
    count: int
    negative: bool

    def bits(self, fmt: Format) -> Bits:
        """The bit patterns, shape (count,)."""
        steps = np.arange(self.count, dtype=np.uint64) * np.uint64(self.stride) + np.uint64(self.start)
        return (steps | np.uint64(fmt.sign_bit if self.negative else 0)).astype(storage(fmt))

    def part(self, start: int, stop: int) -> Progression:
        """The members from number ``start`` on and before number ``stop``."""
        return replace(self, start=self.start + start * self.stride, count=stop - start)


def spread(fmt: Format, count: int, seed: int) -> list[Progression]:
    """At least ``count`` finite inputs but 0 of both signs, evenly by ordinals: an odd stride, from a random member on.

    An odd stride goes through every pattern of low bits. A count of all patterns or more gives every input.
    """
    return list(_over(fmt, 1, fmt.max_bits, count // 2, seed))


def denser(fmt: Format, count: int, seed: int) -> list[Progression]:
    """DENSER - 1 times as many inputs of ORDINARY sizes as ``spread`` has there."""
    low, high = (fmt.round(Fraction(size)) for size in ORDINARY)
    share = (high - low) / fmt.max_bits
    return list(_over(fmt, low, high, int(count / 2 * share * (DENSER - 1)), seed + 1))


def around(fmt: Format, ordinals: Sequence[int], width: int = WIDTH) -> list[Progression]:
    """The finite inputs but 0 within ``width / 2`` ordinals of some, each once."""
    made: list[Progression] = []
    for negative in (False, True):
        ends = sorted((max(o - width // 2, 1), min(o + width // 2, fmt.max_bits)) for o in
                      ((-p if negative else p) for p in ordinals))  # fmt: skip
        at = 1
        for low, high in ends:
            first = max(low, at)
            if first <= high:
                made.append(Progression(first, 1, high - first + 1, negative))
                at = high + 1
    return made


def towards(fmt: Format, ordinal: int) -> Iterator[Progression]:
    """FEW inputs on either side of an ordinal at each distance of 2^k to 2^(k + 1), from WIDTH / 2 to 2^-12 of it."""
    size, negative = abs(ordinal), ordinal < 0
    for k in range((WIDTH // 2).bit_length() - 1, max(fmt.precision - 13, 12)):
        for start in (size - (2 << k), size + (1 << k)):
            stride = (1 << k) // FEW - 1 | 1
            if start > 0 and start + FEW * stride <= fmt.max_bits:
                yield Progression(start, stride, FEW, negative)


def chunks(progressions: Sequence[Progression], size: int) -> Iterator[list[Progression]]:
    """All members in the order given, in lists of ``size`` of them, the last one of fewer."""
    held: list[Progression] = []
    room = size
    for one in progressions:
        at = 0
        while at < one.count:
            taken = min(room, one.count - at)
            held.append(one.part(at, at + taken))
            at, room = at + taken, room - taken
            if not room:
                yield held
                held, room = [], size
    if held:
        yield held


def _over(fmt: Format, low: int, high: int, count: int, seed: int) -> Iterator[Progression]:
    rng = np.random.default_rng([seed, fmt.width])
    whole = high - low + 1
    stride = max(whole // max(count, 1), 1)
    stride -= stride > 1 and stride % 2 == 0
    for negative in (False, True):
        start = low + int(rng.integers(0, stride))
        yield Progression(start, stride, (high - start) // stride + 1, negative)
