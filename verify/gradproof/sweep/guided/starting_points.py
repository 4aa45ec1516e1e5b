"""Where a guided search starts: every binade alike, landmarks, edges between samples, results that are hard to round.

Everything here counts in ordinals (``Format.ordinal``), in which the numbers of a format are equally spaced and every
binade is an interval of the same length.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

import numpy as np

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Ints
from gradproof.functions import Function
from gradproof.oracle import Reference
from gradproof.oracle.reference import FINITE
from gradproof.strategies import landmark_ordinals

BINADE: Final = 0
LANDMARK: Final = 1
POWER: Final = 2
EDGE: Final = 3
HARD: Final = 4
GIVEN: Final = 5
ORIGINS: Final = (
    "a stratum of a binade",
    "a landmark",
    "a power of two",
    "an edge between samples",
    "a result that is hard to round",
    "another parameter's worst inputs",
)
"""What the numbers above say of the input from which a search came to another."""

GOLDEN: Final = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: its multiples modulo 2^64 fill an interval evenly at any number of them (Weyl's
sequence; the gaps are of three lengths at most, by Steinhaus)."""
NEAR: Final = 4
"""Neighbours of a landmark on either side."""


class Binades:
    """The binades of both signs of a format as regions 0, 1, ...; the subnormal numbers count as one binade each."""

    def __init__(self, fmt: Format, seed: int) -> None:
        self.fmt = fmt
        self.fields = (fmt.max_bits >> (fmt.precision - 1)) + 1
        self.count = 2 * self.fields
        self._next = np.random.default_rng([seed, 1]).integers(0, 1 << 64, self.count, dtype=np.uint64)

    def of(self, ordinals: Ints) -> Ints:
        """The region of each ordinal; the positive numbers come first."""
        found: Ints = (np.abs(ordinals) >> (self.fmt.precision - 1)) + np.where(ordinals < 0, self.fields, 0)
        return found

    def draw(self, regions: Ints) -> Ints:
        """One ordinal in each of ``regions``, repeated ones included: the next of that region's even spread."""
        order = np.argsort(regions, kind="stable")
        ordered = regions[order]
        turn = np.empty(regions.size, np.uint64)
        turn[order] = np.arange(regions.size) - np.searchsorted(ordered, ordered)
        with np.errstate(over="ignore"):
            place = self._next[regions] + turn * np.uint64(GOLDEN)
            self._next += np.bincount(regions, minlength=self.count).astype(np.uint64) * np.uint64(GOLDEN)
        field, negative = regions % self.fields, regions >= self.fields
        inside = (place >> np.uint64(64 - (self.fmt.precision - 1))).astype(np.int64)
        magnitude = np.minimum((field << (self.fmt.precision - 1)) + inside, self.fmt.max_bits)
        drawn: Ints = np.where(negative, -magnitude, magnitude)
        return drawn


def landmarks(function: Function, fmt: Format) -> Ints:
    """Ordinals of landmarks with NEAR neighbours on either side, finite ones only.

    Those of ``strategies.landmark_ordinals`` and where implementations branch: 1/4, 1/2, the epsilon 2^(1 - p), its
    root and cube root, the logarithms of the format's ends and of epsilon over and times two, and 20 over a parameter
    called ``beta`` (the argument of softplus at which it switches to x); and every parameter as an input.
    """
    epsilon = 2.0 ** (1 - fmt.precision)
    sizes = [0.25, 0.5, 2.0, epsilon, epsilon / 2, math.sqrt(epsilon), epsilon ** (1 / 3), -math.log(epsilon)]
    sizes += [math.log(2) / 2, math.log(2), 1.5 * math.log(2)]
    exact = [Fraction(size) for size in sizes] + list(function.exact_params.values())
    beta = function.exact_params.get("beta")
    if beta:
        exact += [point / beta for point in (20, function.exact_params.get("threshold", Fraction(20)))]
    here = [fmt.ordinal(fmt.round(abs(point), saturate=True)) for point in exact]
    around = np.array([*landmark_ordinals(function, fmt), *here, *(-o for o in here)], np.int64)
    return _near(around, NEAR, fmt)


def powers(fmt: Format, limit: int) -> Ints:
    """Powers of two of both signs with both neighbours, those nearest to 1 first, at most ``limit`` ordinals."""
    width = 1 << (fmt.precision - 1)
    exponents = np.arange(1, (fmt.max_bits >> (fmt.precision - 1)) + 1)
    nearest = exponents[np.argsort(np.abs(exponents - (1 - fmt.e_min)), kind="stable")]
    positive = (nearest[:, None] * width + np.array([0, 1, -1])).ravel()
    both: Ints = np.stack([positive, -positive], axis=1).ravel()
    return both[: max(limit, 0)]


def changes(ordinals: Ints, states: Ints) -> tuple[Ints, Ints]:
    """Neighbouring ordinals, lower and upper, between which a column of ``states`` (shape (n, k)) changes.

    Those that are neighbours in the format already are left out.
    """
    order = np.argsort(ordinals, kind="stable")
    at, what = ordinals[order], states[order]
    differs = (what[1:] != what[:-1]).any(axis=1) & (at[1:] - at[:-1] > 1)
    return at[:-1][differs], at[1:][differs]


def between(low: Ints, high: Ints, sections: int, rng: np.random.Generator) -> Ints:
    """``sections`` ordinals inside each of the intervals, one at random in each equal part; shape (n, sections)."""
    span = (high - low - 1).astype(np.float64)[:, None]
    parts = (np.arange(sections) + rng.random((low.size, sections))) / sections
    inside: Ints = (
        low[:, None] + 1 + np.minimum((parts * span).astype(np.int64), np.maximum(high - low - 2, 0)[:, None])
    )
    return inside


def hard_to_round(reference: Reference, fmt: Format, count: int) -> Ints:
    """Indices of the ``count`` finite values nearest to the middle of two numbers of the format."""
    quantum = reference.quantum_exponents(fmt)
    shift = np.clip(reference.exponent - quantum, -200, 200).astype(np.int32)
    whole, rest = np.ldexp(reference.high, shift), np.ldexp(reference.low, shift)
    part = (whole - np.floor(whole)) + rest
    away = np.abs(part - np.floor(part) - 0.5)
    away[(reference.kind != FINITE) | (reference.high == 0) | (np.abs(whole) < 1)] = np.inf
    nearest = np.argsort(away, kind="stable")[:count]
    kept: Ints = nearest[np.isfinite(away[nearest])]
    return kept


def around(ordinals: Ints, fmt: Format) -> Ints:
    """The ordinals' three neighbours on either side."""
    near = _near(ordinals, 3, fmt)
    others: Ints = near[~np.isin(near, ordinals)]
    return others


def _near(ordinals: Ints, radius: int, fmt: Format) -> Ints:
    near = (ordinals[:, None] + np.arange(-radius, radius + 1)).ravel()
    kept: Ints = fa.distinct(near[np.abs(near) <= fmt.max_bits])
    return kept
