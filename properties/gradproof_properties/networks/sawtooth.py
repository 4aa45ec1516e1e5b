"""The oracle of curvature-by-depth: Yarotsky's networks for x^2 in integers, and the kinks they can be built from.

With the tent map T(x) = 2x on [0, 1/2], 2(1 - x) on [1/2, 1], the network of depth m is
f_m(x) = x - sum over s = 1..m of T^s(x) / 4^s (Yarotsky, Neural Networks 94, 2017, Proposition 2): the piecewise linear
interpolation of x^2 at k / 2^m, so that the error is at most 2^(-2m-2), attained in the middle of every piece.

One layer is three units, T(x) = 2 relu(x) - 4 relu(x - 1/2) + 2 relu(x - 1). The weights 2, -4, 2 cancel every affine
function of x. So any f with a kink at c works in relu's place, as long as it is affine on either side of it: with
w = c + rho (x - t), t = 0, 1/2, 1, the sum 2 f - 4 f + 2 f is rho J T(x), where J is the jump of f'. Leaky ReLU, PReLU
and |x| have networks of the same depth and width with the same pieces; what differs is J, and how it rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.extend import Floats, Format, Function, Ints, Oracle, exact_derivatives, linear_pieces

SHIFTS: Final = (Fraction(0), Fraction(1, 2), Fraction(1))
WEIGHTS: Final = (Fraction(2), Fraction(-4), Fraction(2))
FINEST: Final = 31
"""Inputs are multiples of 2^-31 at the finest: f_m is then a multiple of 2^-62 and fits 64 bits."""
PIECE_DEPTH: Final = 8
"""Pieces are counted up to this depth: 256 of them."""


@dataclass(frozen=True)
class Hinge:
    """A kink at which f is continuous, with affine pieces for ``scale`` (a power of two, at most 1) on either side."""

    at: Fraction
    value: Fraction
    left: Fraction
    right: Fraction
    scale: Fraction

    @property
    def jump(self) -> Fraction:
        """The right less the left slope; not 0."""
        return self.right - self.left

    @property
    def biases(self) -> tuple[Fraction, ...]:
        """The biases of the three units, whose input weights are all ``scale``."""
        return tuple(self.at - self.scale * t for t in SHIFTS)

    def weights(self, jump: Fraction) -> tuple[Fraction, ...]:
        """The output weights of the three units: their sum is ``self.jump / jump`` times the tent map."""
        return tuple(w / (self.scale * jump) for w in WEIGHTS)

    def __call__(self, w: Fraction) -> Fraction:
        """f(w) within reach of the kink."""
        return self.value + (w - self.at) * (self.right if w > self.at else self.left)


@lru_cache(maxsize=256)
def hinge(oracle: Oracle) -> Hinge | None:
    """The kink with the greatest reach (the first of equals) that networks can be built from; None without one."""
    found = [h for kink in dict.fromkeys(oracle.function.kinks) if (h := _hinge_at(oracle.function, kink))]
    return max(found, key=lambda h: h.scale, default=None)


def _hinge_at(function: Function, kink: Fraction) -> Hinge | None:
    breaks = function.breaks
    first = breaks.index(kink)
    after = first + breaks.count(kink)
    low = breaks[first - 1] if first else function.ends[0]
    high = breaks[after] if after < len(breaks) else function.ends[1]
    scale = _scale(min(kink - low, high - kink))
    sides = [_line(function, piece, kink) for piece in (first, after)]
    if None in sides:
        return None
    (left_value, left), (right_value, right) = sides  # type: ignore[misc]
    return Hinge(kink, left_value, left, right, scale) if left_value == right_value and left != right else None


def _scale(reach: Fraction | float) -> Fraction:
    """The greatest power of two, at most 1, that leaves a sixteenth of the reach to rounding."""
    scale = Fraction(1)
    while scale > reach * 15 / 16:
        scale /= 2
    return scale


def _line(function: Function, piece: int, kink: Fraction) -> tuple[Fraction, Fraction] | None:
    """Value and slope at the kink of a linear piece; None of another."""
    value, slope = exact_derivatives(function, piece, kink)[:2]
    if value is None or slope is None or not linear_pieces(function)[piece]:
        return None
    return value, slope


@dataclass(frozen=True, eq=False)
class Lattice:
    """Inputs k 2^-n of [0, 1], shape (points,), and the exact networks there.

    ``networks[m]`` is f_m 4^n for m = 0..depth (f_0 = x), ``square`` x^2 4^n, all as int64. ``exact[m]`` says where
    a format holds f_1, ..., f_m. The first 2^(pieces + 1) + 1 points are an even grid; ``pieces`` is the depth to
    which pieces can be counted on it.
    """

    n: int
    k: Ints
    depth: int
    pieces: int
    networks: list[Ints]
    square: Ints
    exact: list[npt.NDArray[np.bool_]]

    @property
    def x(self) -> Floats:
        """The inputs, exactly."""
        return np.ldexp(self.k.astype(np.float64), -self.n)

    def at_depth(self, m: int) -> npt.NDArray[np.bool_]:
        """Which inputs are ends or middles of the pieces of f_m."""
        mask: npt.NDArray[np.bool_] = self.k % (1 << max(self.n - m - 1, 0)) == 0
        return mask

    def distance(self, values: Floats, due: Ints) -> Floats:
        """|values - due 4^-n|, accurate to float64 even where the values are."""
        with np.errstate(over="ignore"):
            scaled = np.ldexp(values, 2 * self.n)
        high = due.astype(np.float64)
        low = (due - high.astype(np.int64)).astype(np.float64)
        distance: Floats = np.ldexp(np.abs((scaled - high) - low), -2 * self.n)
        return distance


@lru_cache(maxsize=16)
def lattice(fmt: Format, points: int, seed: int) -> Lattice | None:
    """The inputs of one format: all k 2^-n of a short one, else a grid and ``points`` in all, pieces of every depth
    with their ends and middles, drawn by ``seed``. None where the format is too short for a network of depth 1.

    n = p - 2 at most, so that every pre-activation of the catalogue's hinges is exact. The depth is a few layers more
    than p / 2, where 2^(-2m-2) reaches the rounding of numbers near 1.
    """
    n = min(FINEST, fmt.precision - 2)
    depth = min(fmt.precision // 2 + 3, n - 1)
    if depth < 1:
        return None
    pieces = min(PIECE_DEPTH, (fmt.precision - 1) // 2, n - 1)
    if fmt.is_16_bit:
        k = np.arange((1 << n) + 1, dtype=np.int64)
        grid = k[:: 1 << (n - pieces - 1)]
        k = np.concatenate([grid, np.setdiff1d(k, grid)])
    else:
        grid = np.arange((1 << (pieces + 1)) + 1, dtype=np.int64) << (n - pieces - 1)
        k = np.concatenate([grid, _cells(n, depth, points - grid.size, seed)])
    tent, network = k, k << n
    networks = [network]
    exact = [np.ones(k.size, bool)]
    for s in range(1, depth + 1):
        tent = 2 * np.minimum(tent, (1 << n) - tent)
        network = network - ((tent >> s) << (n - s))
        networks.append(network)
        exact.append(exact[-1] & _held(network, fmt))
    return Lattice(n, k, depth, pieces, networks, k * k, exact)


def _cells(n: int, depth: int, count: int, seed: int) -> Ints:
    """``count`` inputs: a quarter anywhere, the rest pieces (ends and middle): of each depth first, last and random."""
    rng = np.random.default_rng(seed)
    anywhere = rng.integers(0, 1 << n, count // 4)
    each = max((count - anywhere.size) // (3 * depth), 2)
    found = [anywhere]
    for m in range(1, depth + 1):
        cells = np.concatenate([[0, (1 << m) - 1], rng.integers(0, 1 << m, each - 2)])
        found.append((2 * cells[:, None] + np.arange(3)).ravel() << (n - m - 1))
    return np.resize(np.concatenate(found), count).astype(np.int64)


def _held(numbers: Ints, fmt: Format) -> npt.NDArray[np.bool_]:
    """Whether significands of p bits hold the integers (none of them is subnormal as a network's value)."""
    lowest = np.where(numbers == 0, 1, numbers & -numbers)
    held: npt.NDArray[np.bool_] = numbers // lowest < 1 << fmt.precision
    return held


def rounds_nothing(hinge: Hinge, fmt: Format, n: int) -> bool:
    """Whether no operation of a layer rounds at inputs k 2^-n, in whatever order the three products are summed.

    All operands are multiples of a common quantum, and no partial sum exceeds 2^p of them. T maps such inputs to
    coarser ones, so that this goes for every layer.
    """
    units = list(zip(hinge.biases, hinge.weights(hinge.jump), strict=True))
    step = hinge.scale / 2**n
    numbers = [hinge.left, hinge.right, hinge.value, *hinge.biases, *hinge.weights(hinge.jump)]
    if not all(_power_of_two(v.denominator) and fmt.holds(v) for v in numbers):
        return False
    quantum = _common([step, *hinge.biases])
    outputs = _common([quantum * _common([hinge.left, hinge.right]), hinge.value])
    products = _common([outputs * weight for _, weight in units])
    largest = [max(abs(hinge(b + t * hinge.scale)) for t in SHIFTS) for b, _ in units]
    total = sum(abs(w) * y for (_, w), y in zip(units, largest, strict=True))
    inputs = max(abs(b) for b, _ in units) + hinge.scale
    room = 1 << fmt.precision
    return inputs <= room * quantum and max(largest) <= room * outputs and total <= room * products


def _power_of_two(n: int) -> bool:
    return n & (n - 1) == 0


def _common(numbers: list[Fraction]) -> Fraction:
    """The greatest power of two of which all the dyadic numbers are multiples."""
    nonzero = [v for v in numbers if v]
    return min((Fraction(v.numerator & -v.numerator, v.denominator) for v in nonzero), default=Fraction(1))
