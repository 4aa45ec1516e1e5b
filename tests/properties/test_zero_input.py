"""zero-input, on backends with one fault each: sums flushed, a bias that is lost, a bias of half an ulp too much."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.engine.packs import properties
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.functions import get_function
from gradproof.results.model import Cell
from gradproof_properties import zero_input
from tests.properties.stubs import Offer
from tests.properties.subjects import QUICK, exact, verdict

FORMATS = ("float64", "float32", "float16", "bfloat16")


def judged(backend: str, fmt: str = "float16") -> Cell:
    return verdict("zero-input", "relu", exact("relu", 2), fmt, 1, backend=backend)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_without_bias_the_probability_is_what_counting_every_case_gives(k: int) -> None:
    values = range(-k, k + 1)
    zeros = sum(a * b + c * d == 0 for a, b, c, d in product(values, repeat=4))
    assert zero_input.probability_without_bias(k) == Fraction(zeros, (2 * k + 1) ** 4)


@pytest.mark.parametrize("k", [1, 2])
def test_with_bias_the_probability_is_what_counting_every_case_gives(k: int) -> None:
    values, biases = range(-k, k + 1), range(-2 * k * k, 2 * k * k + 1)
    zeros = sum(a * b + c * d + e == 0 for a, b, c, d in product(values, repeat=4) for e in biases)
    assert zero_input.probability_with_bias(k) == Fraction(zeros, (2 * k + 1) ** 4 * len(biases))


@pytest.mark.parametrize("k", [30, 700])
def test_equal_products_are_counted_as_squares_of_their_multiplicity(k: int) -> None:
    multiplicity = np.bincount(np.outer(np.arange(1, k + 1), np.arange(1, k + 1)).ravel())
    assert zero_input.equal_products(k) == int((multiplicity.astype(np.int64) ** 2).sum())


def test_counts_beyond_64_bits_are_exact() -> None:
    # The same identity in Python's integers, with Euler's totient from divisor sums instead of primes.
    k = 20000
    totient = np.arange(k + 1, dtype=np.int64)
    for m in range(1, k + 1):
        totient[2 * m :: m] -= totient[m]
    due = k * k + sum(2 * int(totient[m]) * (k // m) ** 2 for m in range(2, k + 1))
    assert zero_input.equal_products(k) == due


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_right_backend_passes(fmt: str) -> None:
    cell = judged("numpy:cpu", fmt)
    assert cell.status == "pass"
    assert cell.measured["zero row, without bias"]["zeros"] == cell.measured["zero row, without bias"]["trials"]


@pytest.mark.parametrize("fmt_name", FORMATS)
def test_the_lattice_is_the_finest_that_is_exact(fmt_name: str) -> None:
    fmt = get_format(fmt_name)
    k = zero_input.lattice(fmt)
    assert 4 * k * k <= 2**fmt.precision
    assert 4 * (k + 1) ** 2 > 2**fmt.precision or k == zero_input.LARGEST_LATTICE


def changed(by: Any) -> Any:
    """A ``dot`` whose float64 results go through ``by(z, x, w, bias)`` and are rounded again."""

    def dot(self: Any, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        z = fa.values(self.numpy.dot(x, w, bias, fmt), fmt)
        values = [None if b is None else fa.values(b, fmt) for b in (x, w, bias)]
        return fa.round_values(np.asarray(by(z, *values), np.float64), fmt)

    return dot


FAULTS: dict[str, tuple[Any, str]] = {
    "small sums are flushed": (lambda z, x, w, b: np.where(np.abs(z) <= 8, 0.0, z), "without bias"),
    "small biased sums are flushed": (
        lambda z, x, w, b: z if b is None else np.where(np.abs(z) <= 1, 0.0, z), "with bias",
    ),
    "the bias is lost": (lambda z, x, w, b: (x * w).sum(-1), "with bias"),
    "half an ulp is added": (lambda z, x, w, b: z + 0.5, "without bias"),
    "one product is lost": (lambda z, x, w, b: z - x[..., 1] * w[..., 1], "without bias"),
    "zero times a weight is not zero": (
        lambda z, x, w, b: np.where((x == 0).all(-1) & (w[..., 0] != 0), z + 1, z),
        "zero row, without bias",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("fmt", ["float16", "bfloat16"])
def test_a_backend_with_a_wrong_share_of_zeros_fails(fault: str, fmt: str, offer: Offer) -> None:
    by, case = FAULTS[fault]
    cell = judged(offer(f"wrong-{list(FAULTS).index(fault)}-{fmt}", dot=changed(by)), fmt)
    assert (cell.status, cell.severity) == ("fail", "wrong-branch")
    assert cell.certificate is not None
    assert cell.certificate.cause == "statistics"
    assert cell.measured[case]["p_value"] < zero_input.LEVEL


def test_every_sum_must_be_lost_before_float32_shows_it(offer: Offer) -> None:
    # Zeros are some 10^-7 rare in float32, so that a sample shows large effects only.
    by = FAULTS["small sums are flushed"][0]
    assert judged(offer("fine", dot=changed(by)), "float32").status == "pass"
    coarse = changed(lambda z, x, w, b: np.where(np.abs(z) <= 4000, 0.0, z))
    assert judged(offer("coarse", dot=coarse), "float32").status == "fail"


def least_excess(trials: int, probability: Fraction) -> int:
    """The least number of zeros above the mean that is less likely than the level, by the incomplete beta function."""
    with mpmath.workdps(40):
        p = mpmath.mpf(probability.numerator) / probability.denominator
        t = int(trials * probability) + 1
        while 2 * mpmath.betainc(t, trials - t + 1, 0, p, regularized=True) >= mpmath.mpf(zero_input.LEVEL):
            t += 1
    return t


def with_zeros(count: int, samples: int) -> Any:
    """A ``dot`` that returns exactly ``count`` zeros when it is asked for the experiment without bias."""

    def by(z: Any, x: Any, w: Any, bias: Any) -> Any:
        if bias is not None or z.size != samples or (x == 0).all():
            return z
        return np.where(np.arange(z.size) < count, 0.0, np.where(z == 0, 1.0, z))

    return changed(by)


def test_the_smallest_excess_of_zeros_that_chance_cannot_explain_fails_and_one_less_passes(offer: Offer) -> None:
    samples = QUICK.budget.samples
    least = least_excess(samples, zero_input.probability_without_bias(22))  # 22^2 * 4 <= 2^11: the float16 lattice
    assert judged(offer("just-below", dot=with_zeros(least - 1, samples))).status == "pass"
    assert judged(offer("just-above", dot=with_zeros(least, samples))).status == "fail"


def test_only_functions_whose_slope_jumps_at_zero_are_asked() -> None:
    claim = properties()["zero-input"]
    asked = {
        n
        for n in ("relu", "leaky_relu", "hardtanh", "elu", "selu", "gelu", "tanh")
        if claim.applies(get_function(n), 1)
    }
    assert asked == {"relu", "leaky_relu", "selu"}
    assert claim.applies(get_function("elu", {"alpha": 2}), 1)
