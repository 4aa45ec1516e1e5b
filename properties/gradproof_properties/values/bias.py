"""bias: rounding takes no side.

A kernel that cuts off digits where it should round keeps every contract of an ulp or two. Its errors have one sign, and
add up where those of rounding to nearest cancel. What is looked for is that and nothing weaker: results that lie next
to the exact value, all on one side of it. A kernel whose values are too low by some ulps is inaccurate, which is
another claim; the mean of its errors is recorded here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from gradproof.extend import (
    SMALL_ERROR,
    Bits,
    Evidence,
    Function,
    Outcome,
    Probe,
    Property,
    RoundedWay,
    Violations,
    exact_derivatives,
    linear_pieces,
    rounded_way,
)
from gradproof.extend import arrays as fa

FEWEST: Final = 16
"""Results of a group that are due on the other side."""
GROUPS: Final = 3
"""Groups that it takes. A coin would send at most 1 of 16 results to the side where they are due with a probability of
2^-11.9, and does so in three groups with 2^-35.8; rounding to nearest never does."""
SHARE: Final = 1 / 16
"""Share of a group's results that may lie elsewhere."""
DENSE: Final = 32
"""Widest format whose base points hold enough inputs in each binade."""
ORDINARY: Final = 1 << 12
ORDINARY_RANGE: Final = (-8, 5)
SIDES: Final = {False: "towards zero", True: "away from zero"}


@dataclass(frozen=True)
class OneSided:
    """A part of the line whose results are rounded ``upwards`` or all downwards; ``rows`` are all its inexact ones."""

    rows: npt.NDArray[np.int64]
    upwards: bool


class Bias(Property):
    """Signs of the rounding errors of f and f'."""

    id: ClassVar[str] = "bias"
    title: ClassVar[str] = "Rounding takes no side"
    statement: ClassVar[str] = (
        "In no quarter of the line (split at -1, 0 and 1) are the results for exact values of one sign all on one side "
        "of them, next to them, though rounding to nearest would go to both. Every bit pattern of a 16-bit format, the "
        "base points of float32, 4,096 numbers from 2^-8 to 2^5 in float64."
    )
    source: ClassVar[str] = "IEEE 754-2019, section 4.3; the drift of truncated sums: Wilkinson 1963, section 1"
    orders: ClassVar[tuple[int, ...]] = (0, 1)

    def applies(self, function: Function, order: int) -> bool:
        """Not where all values are exact: straight pieces whose slopes are powers of two, and constant slopes."""
        return order in _inexact_orders(function)

    def check(self, probe: Probe, order: int) -> Outcome:
        """Judge the base points, which are the oracle's work for ``accuracy`` already; of float64 ordinary numbers."""
        probe.require(order)
        fmt = probe.format
        bits = probe.base_points
        bits = _ordinary(probe) if fmt.width > DENSE and probe.given is None else bits[fa.is_finite(bits, fmt)]
        got = probe.evaluate(bits, order)
        reference = probe.references(bits)[order]
        way = rounded_way(got, reference, fmt)
        every = fmt.is_16_bit and probe.given is None
        evidence = Evidence("exhaustive" if every else "sampled", int(bits.size))
        outcome = Outcome(evidence, measured={"inexact": int(way.inexact.sum()), **_means(way)})
        ordinals = fa.ordinals(bits, fmt)
        order_ = np.argsort(ordinals, kind="stable")
        for found in one_sided(fa.values(bits, fmt)[order_], reference.rounded[order_], way[order_]):
            rows = order_[found.rows]
            outcome.violations.append(_violations(bits[rows], got[rows], way[rows], found.upwards, probe))
        return outcome


def _ordinary(probe: Probe) -> Bits:
    """ORDINARY numbers of either sign, as many in each binade from 2^-8 to 2^5."""
    low, high = (probe.format.ordinal(probe.format.round(Fraction(2) ** e)) for e in ORDINARY_RANGE)
    ordinals = np.random.default_rng(probe.seed).integers(low, high, ORDINARY)
    return fa.from_ordinals(np.where(np.arange(ORDINARY) % 2, -ordinals, ordinals), probe.format)


def one_sided(x: npt.NDArray[np.float64], due: Bits, way: RoundedWay) -> Iterator[OneSided]:
    """The parts of the line whose results lie on one side; ``x``, in growing order, ``due`` and ``way`` of shape (n,).

    A part is a quarter of the line, at exact values of one sign. Its inputs are grouped by binade, neighbouring binades
    together where FEWEST due on the other side take several; in each of GROUPS or more at most SHARE of the results
    lie elsewhere than next to the exact value on the one side, and at most so many of those due on the other are there.
    Of neighbouring inputs with one correctly rounded result, from one side, one counts: a constant is rounded once.
    """
    counts = way.inexact.copy()
    rows = np.flatnonzero(counts)
    up = way.due_up
    counts[rows[1:][(due[rows[1:]] == due[rows[:-1]]) & (up[rows[1:]] == up[rows[:-1]])]] = False
    quarter = np.where(np.abs(x) < 1, 1, 2) * np.sign(x).astype(np.int64)
    binade = np.frexp(x)[1]
    for here in (-2, -1, 1, 2):
        for negative in (False, True):
            part = way.inexact & (quarter == here) & (way.negative == negative)
            rows = np.flatnonzero(part & counts)
            for upwards in (False, True):
                if _all_one_sided(way[rows], binade[rows], upwards):
                    yield OneSided(np.flatnonzero(part), upwards)


def _all_one_sided(way: RoundedWay, binade: npt.NDArray[Any], upwards: bool) -> bool:
    """Whether every group of results lies on one side."""
    other = way.due_up != upwards
    if other.sum() < FEWEST * GROUPS:
        return False
    strayed = (way.error > 0) != upwards
    elsewhere = strayed | (np.abs(way.error) >= 1)
    starts = np.flatnonzero(np.append(True, binade[1:] != binade[:-1]))
    columns = (
        np.add.reduceat(c.astype(np.int64), starts) for c in (np.ones(other.size), elsewhere, other, other & strayed)
    )
    groups = list(_merged(zip(*columns, strict=True)))
    return len(groups) >= GROUPS and all(e <= SHARE * n and s <= SHARE * o for n, e, o, s in groups)


def _merged(binades: Any) -> Iterator[tuple[int, int, int, int]]:
    """Counts of neighbouring binades added up until FEWEST results are due on the other side; the rest is left over."""
    total = np.zeros(4, np.int64)
    for counts in binades:
        total = total + counts
        if total[2] >= FEWEST:
            yield tuple(int(n) for n in total)  # type: ignore[misc]
            total = np.zeros(4, np.int64)


def _violations(bits: Bits, got: Bits, way: RoundedWay, upwards: bool, probe: Probe) -> Violations:
    """The results of a one-sided part that rounding to nearest would have put on the other side."""
    fmt = probe.format
    wrong = (way.due_up != upwards) & (np.abs(way.error) < 1) & ((way.error > 0) == upwards)
    low, high = fmt.decimal(int(bits[0])), fmt.decimal(int(bits[-1]))
    other = int((way.due_up != upwards).sum())
    text = (
        f"from {low} to {high} results are rounded {SIDES[upwards]}: {int(wrong.sum()):,} of the {other:,} that are "
        f"nearest to the number on the other side; the mean error is {way.error.mean():+.2g} ulp, that of rounding to "
        f"nearest {way.nearest_error.mean():+.2g}"
    )
    n = int(wrong.sum())
    return Violations(
        bits[wrong], got[wrong], 2 * np.abs(way.error[wrong]), np.full(n, SMALL_ERROR, np.int8), np.zeros(n, bool),
        text, cause="rounding", pointwise=False,
    )  # fmt: skip


def _means(way: RoundedWay) -> dict[str, float]:
    """Mean signed errors in ulps, over results within two ulps, and what rounding to nearest has at the same inputs."""
    near = way.inexact & (np.abs(way.error) < 2)
    if not near.any():
        return {}
    return {
        "mean_error": float(way.error[near].mean()),
        "mean_error_to_nearest": float(way.nearest_error[near].mean()),
    }


_orders: dict[str, tuple[int, ...]] = {}
"""By the identity of a function, what ``_inexact_orders`` found."""


def _inexact_orders(function: Function) -> tuple[int, ...]:
    """The orders of derivative whose values are not all numbers of their inputs' format."""
    if function.identity not in _orders:
        pieces = linear_pieces(function)
        rounds = not all(pieces) or any(_rounds(function, piece) for piece in range(len(pieces)))
        _orders[function.identity] = (0, 1) if not all(pieces) else (0,) if rounds else ()
    return _orders[function.identity]


def _rounds(function: Function, piece: int) -> bool:
    """Whether a straight piece has values that its inputs' format does not hold: by a slope that is no power of two, or
    an intercept beside a slope. A constant is one value.
    """
    value, slope = exact_derivatives(function, piece, Fraction(1))[:2]
    if value is None or slope is None:
        return True
    if slope and value != slope:
        return True
    return any(n & (n - 1) for n in (abs(slope.numerator), slope.denominator))
