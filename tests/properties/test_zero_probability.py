"""The probabilities of zero-input, against counting every case and against convolution."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gradproof.formats import BFLOAT16, get_format
from gradproof_properties.chance import zero_input
from gradproof_properties.chance.zero_probability import (
    PreActivation,
    equal_products,
    probability_with_bias,
    probability_within,
    probability_without_bias,
    share_that_depends,
)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_without_bias_the_probability_is_what_counting_every_case_gives(k: int) -> None:
    values = range(-k, k + 1)
    zeros = sum(a * b + c * d == 0 for a, b, c, d in product(values, repeat=4))
    assert probability_without_bias(k) == Fraction(zeros, (2 * k + 1) ** 4)


@pytest.mark.parametrize("k", [1, 2])
def test_with_bias_the_probability_is_what_counting_every_case_gives(k: int) -> None:
    values, biases = range(-k, k + 1), range(-2 * k * k, 2 * k * k + 1)
    zeros = sum(a * b + c * d + e == 0 for a, b, c, d in product(values, repeat=4) for e in biases)
    assert probability_with_bias(k) == Fraction(zeros, (2 * k + 1) ** 4 * len(biases))


@pytest.mark.parametrize("k", [30, 700])
def test_equal_products_are_counted_as_squares_of_their_multiplicity(k: int) -> None:
    multiplicity = np.bincount(np.outer(np.arange(1, k + 1), np.arange(1, k + 1)).ravel())
    assert equal_products(k) == int((multiplicity.astype(np.int64) ** 2).sum())


def test_counts_beyond_64_bits_are_exact() -> None:
    # The same identity in Python's integers, with Euler's totient from divisor sums instead of primes.
    k = 20000
    totient = np.arange(k + 1, dtype=np.int64)
    for m in range(1, k + 1):
        totient[2 * m :: m] -= totient[m]
    due = k * k + sum(2 * int(totient[m]) * (k // m) ** 2 for m in range(2, k + 1))
    assert equal_products(k) == due


@pytest.mark.parametrize(("k", "batch"), [(1, 1), (1, 3), (3, 1), (4, 5), (6, 256)])
def test_the_share_that_depends_is_what_counting_every_case_gives(k: int, batch: int) -> None:
    values = range(-k, k + 1)
    points = (2 * k + 1) ** 2
    due = Fraction(0)
    for a, b in product(values, repeat=2):
        cancelled = sum(a * c + b * d == 0 for c, d in product(values, repeat=2)) - 1  # without (0, 0)
        due += 1 - (1 - Fraction(cancelled, points)) ** batch
    assert share_that_depends(k, batch) == pytest.approx(float(due / points), rel=1e-12)


def convolved(*steps: tuple[int, int]) -> Any:
    """Probabilities of the sum of x j over ``steps`` (x, K), each j uniform on [-K, K]; index 0 is the least sum."""
    total = np.ones(1)
    for x, reach in steps:
        one = np.zeros(2 * x * reach + 1)
        one[::x] = 1 / (2 * reach + 1)
        total = np.convolve(total, one)
    return total


def inside(probabilities: Any, bound: int, least: int = 0) -> float:
    """P(least <= |s| <= bound)."""
    distance = np.abs(np.arange(probabilities.size) - probabilities.size // 2)
    return float(probabilities[(distance <= bound) & (distance >= least)].sum())


@pytest.mark.parametrize("widths", [(3,), (3, 2), (5, 5, 1), (4, 3, 2, 1)])
@pytest.mark.parametrize("bound", [Fraction(1, 2), Fraction(2), Fraction(9, 2), Fraction(20)])
def test_a_sum_of_uniform_variables_has_the_distribution_of_a_fine_lattice(
    widths: tuple[int, ...], bound: Fraction
) -> None:
    fine = 600
    due = inside(convolved(*((1, w * fine) for w in widths)), int(bound * fine))
    assert float(probability_within(bound, [Fraction(w) for w in widths])) == pytest.approx(due, abs=2e-3)


@pytest.mark.parametrize("fmt", ["float64", "float32", "float16"])
def test_the_band_of_coarse_pixels_holds_the_exact_probability(fmt: str) -> None:
    unit = zero_input.coarse_pixels(get_format(fmt), np.random.default_rng(5))
    assert unit.bias_reach == 512
    rows = [convolved(*((int(x * 16), unit.reach) for x in row)) for row in unit.rows]  # in units of B/512
    due = float(np.mean([inside(row, 512) for row in rows])) / 1025
    least, most = unit.band(get_format(fmt), flushes=False)
    assert least <= due <= most
    assert most < 1.1 * least
    assert due == pytest.approx(float(unit.predicted), rel=0.02)


@pytest.mark.parametrize("first", [Fraction(1), Fraction(93, 128), Fraction(17, 4096)])
@pytest.mark.parametrize("second", [Fraction(255, 256), Fraction(139, 1024)])
def test_the_band_of_rounded_sums_holds_the_count_over_all_weights(first: Fraction, second: Fraction) -> None:
    steps = 256
    bound = Fraction(1, 4)
    unit = PreActivation(((first, second),), bound / steps, steps, bound / steps, steps, bound / 2)
    w = (np.arange(-steps, steps + 1) * float(bound / steps)).astype(ml_dtypes.bfloat16)
    x = np.array([float(first), float(second)]).astype(ml_dtypes.bfloat16)
    s = ((x[0] * w)[:, None] + (x[1] * w)[None, :]).astype(np.float64)
    scaled = s * steps / float(bound)
    cancelled = (scaled == np.rint(scaled)) & (np.abs(scaled) <= steps)
    due = cancelled.mean() / (2 * steps + 1)
    least, most = unit.band(BFLOAT16, flushes=False)
    assert least <= due <= most
    assert 1 <= most / unit.predicted < 1.15


def test_flushed_results_add_the_biases_closer_than_the_least_normal_number() -> None:
    fmt = get_format("float16")
    unit = zero_input.pixels(fmt, np.random.default_rng(5))  # biases 2^-13 apart, the least normal number is 2^-14
    assert unit.band(fmt, flushes=True) == (unit.band(fmt, flushes=False)[0], 2 * unit.band(fmt, flushes=False)[1])
