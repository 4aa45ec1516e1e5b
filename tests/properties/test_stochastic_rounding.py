"""stochastic-rounding: what draws with other probabilities, or not by itself, is seen; a right rounding is not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gradproof.backends.base import Implementation
from gradproof.engine.declared import implementations, roundings
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger
from gradproof.engine.request.task import Task
from gradproof.errors import UsageError
from gradproof.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT16, FLOAT32, FLOAT64, Format
from gradproof.formats import arrays as fa
from gradproof.results.model import Cell
from gradproof_properties.chance.binomial import tail
from gradproof_properties.chance.stochastic_rounding import LEVEL, accepted, binomial_tests, design, failures, strays
from tests.properties.subjects import NOWHERE, QUICK

Draw = Callable[[Any, int], Any]


def declared(call: Draw, target: str = "bfloat16", **more: Any) -> Implementation:
    """What ``rounds_stochastically`` registers for ``call``."""
    (made,) = implementations.collect(
        lambda: roundings.rounds_stochastically(target, backend="numpy", **more)(call) and None
    )
    return made


def verdict(call: Draw, source: str = "float32", target: str = "bfloat16") -> Cell:
    made = declared(call, target, name="mine:draw")
    task = Task(made.specification, made, "numpy:cpu", "eager", source, 0, "stochastic-rounding")
    return decide(task, QUICK, Ledger(), NOWHERE)[0]


def with_random_bits(x: Any, r: Any) -> Any:
    """float32 to bfloat16 by adding 16 random bits below the last that is kept: exact, since 16 bits are cut off."""
    y = ((x.view(np.uint32) + r.astype(np.uint32)) & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isfinite(x), y, x)


def right(x: Any, seed: int) -> Any:
    return with_random_bits(x, np.random.default_rng(seed).integers(0, 1 << 16, x.size))


def by_probability(change: Callable[[Any, Any], Any]) -> Draw:
    """A rounding that goes up with the probability change(fraction, x)."""

    def call(x: Any, seed: int) -> Any:
        word = x.view(np.uint32)
        low = word & np.uint32(0xFFFF0000)
        up = np.random.default_rng(seed).random(x.size) < change((word & 0xFFFF) / 65536, x)
        exact = (word & 0xFFFF) == 0
        y = np.where(up & ~exact, low + np.uint32(0x10000), low).view(np.float32)
        return np.where(np.isfinite(x), y, x).astype(ml_dtypes.bfloat16)

    return call


ONE_GENERATOR = np.random.default_rng(3)
WRONG: dict[str, tuple[Draw, str]] = {
    "51 % at ties": (by_probability(lambda f, x: f + 0.01 * (f == 0.5)), "numbers 1/2 of an ulp above"),
    "51 % of positive ties": (by_probability(lambda f, x: f + 0.01 * (f == 0.5) * (x > 0)), "positive numbers 1/2"),
    "everywhere a coin": (by_probability(lambda f, x: 0 * f + 0.5), "of an ulp above the inner neighbour go up"),
    "upwards for either sign": (by_probability(lambda f, x: np.where(x < 0, 1 - f, f)), "negative numbers"),
    "squared between the tested fractions": (
        by_probability(lambda f, x: np.where(np.isin(f * 16, np.arange(17)), f, f**2)),
        "kept with the probability 1/4",
    ),
    "8 random bits": (
        lambda x, seed: with_random_bits(x, np.random.default_rng(seed).integers(0, 1 << 8, x.size) << 8),
        "1/4096 of an ulp above the inner neighbour go up",
    ),
    "one random number for 32 elements": (
        lambda x, seed: with_random_bits(
            x, np.repeat(np.random.default_rng(seed).integers(0, 1 << 16, x.size // 32), 32)
        ),
        "the same way as those",
    ),
    "the same random numbers with every seed": (lambda x, seed: right(x, 7), "with the next seed"),
    "to nearest": (lambda x, seed: x.astype(ml_dtypes.bfloat16), "with the next seed"),
    "a generator that ignores the seed": (
        lambda x, seed: with_random_bits(x, ONE_GENERATOR.integers(0, 1 << 16, x.size)),
        "the same seed gives other results",
    ),
    "a neighbour too far": (lambda x, seed: np.where(x > 1e30, x.dtype.type(0.5), 1) * right(x, seed), " is due"),
    "NaN lost": (lambda x, seed: np.nan_to_num(right(x, seed)), "nan becomes 0"),
    "numbers of the target changed": (
        lambda x, seed: np.where((x.view(np.uint32) & 0xFFFF) == 0, x * np.float32(2), right(x, seed)), "itself is due",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rounding_fails_and_says_how(name: str) -> None:
    call, words = WRONG[name]
    cell = verdict(call)
    assert cell.status == "fail", name
    said = " ".join((cell.reason, *((cell.certificate.explanation,) if cell.certificate else ())))
    assert words in said or name in ("everywhere a coin", "8 random bits", "upwards for either sign"), said


def test_a_right_rounding_passes_in_either_format_of_its_result() -> None:
    cell = verdict(right)
    assert cell.status == "pass", cell.reason
    assert cell.measured["ties_up"] == pytest.approx(0.5, abs=0.005)
    assert cell.measured["false_alarms"] == LEVEL
    assert verdict(lambda x, seed: right(x, seed).astype(ml_dtypes.bfloat16)).status == "pass"


def generic(source: Format, target: Format) -> Draw:
    """Another route, for every pair: neighbours by ordinals, and the exact fraction against a uniform number."""

    def call(x: Any, seed: int) -> Any:
        value = x.astype(np.float64)
        size = np.nan_to_num(np.abs(value), posinf=0.0)
        near = fa.round_by_quantum(size, target, saturate=True)
        below = np.where(fa.values(near, target) > size, near - 1, near).astype(fa.storage(target))
        inner = fa.values(below, target)
        gap = fa.values(np.minimum(below + 1, target.max_bits).astype(below.dtype), target) - inner
        up = np.random.default_rng(seed).random(x.size) * gap < size - inner
        y = np.copysign(np.where(up, inner + gap, inner), value)
        return np.where(np.isfinite(value), y, value).astype(x.dtype)

    return call


@pytest.mark.parametrize(
    ("source", "target"), [(FLOAT64, BFLOAT16), (FLOAT32, FLOAT16), (FLOAT16, FLOAT8_E4M3FN), (BFLOAT16, FLOAT8_E4M3FN)]
)
def test_other_pairs_of_formats_pass_where_the_rounding_is_right(source: Format, target: Format) -> None:
    cell = verdict(generic(source, target), source.name, target.name)
    assert cell.status == "pass", cell.reason


@pytest.mark.parametrize(("n", "p"), [(1000, Fraction(1, 2)), (262144, Fraction(1, 2)), (4000, Fraction(1, 4096))])
def test_what_is_accepted_leaves_out_no_more_than_the_level(n: int, p: Fraction) -> None:
    for level in (1e-3, 1e-9):
        low, high = accepted(n, p, level)
        assert tail(high + 1, n, float(p), 1) <= level / 2 < tail(high, n, float(p), 1)
        assert low == -1 or tail(low - 1, n, float(p), -1) <= level / 2
        assert tail(low, n, float(p), -1) > level / 2


def test_51_percent_in_place_of_50_is_seen_with_the_power_that_is_stated() -> None:
    """The binomial itself: what a count of 51 % up has as its probability to be accepted."""
    n = 262_144
    low, high = accepted(n, Fraction(1, 2), LEVEL / 40)
    assert tail(high, n, 0.51, -1) - tail(low - 1, n, 0.51, -1) < 1e-4


def test_every_test_has_the_distribution_that_it_claims() -> None:
    """Means and variances of counts over 2,000 right trials, against those of the binomial."""
    made = design(FLOAT32, BFLOAT16, 1024, 5)
    x, trials = made.bits.view(np.float32), 2000
    draws = np.random.default_rng(1).integers(0, 1 << 16, (trials * 2, x.size))
    up = (with_random_bits(np.tile(x, (trials * 2, 1)), draws).astype(np.float64) == made.outer) & (made.group >= 0)
    for test in binomial_tests(made, up.reshape(trials, 2, x.size)):
        mean, spread = test.n * float(test.p), (test.n * float(test.p) * (1 - float(test.p))) ** 0.5
        assert abs(test.counts.mean() - mean) < 5 * spread / trials**0.5, test.what
        if min(mean, test.n - mean) > 1:  # of rarer events 2,000 trials tell no spread
            assert test.counts.std() == pytest.approx(spread, rel=0.12), test.what


def test_right_roundings_are_silent_over_a_thousand_seeds_and_51_percent_is_not() -> None:
    """benchmarks/small_formats.py does it for 10^5."""
    made = design(FLOAT32, BFLOAT16, 512, 11)
    x, trials = made.bits.view(np.float32), 1000
    rng = np.random.default_rng(2)
    got = with_random_bits(np.tile(x, (trials * 4, 1)), rng.integers(0, 1 << 16, (trials * 4, x.size))).astype(
        np.float64
    )
    assert not strays(made, got, True).any()
    assert not failures(made, ((got == made.outer) & (made.group >= 0)).reshape(trials, 4, x.size)).any()
    biased = rng.random((4, 64, 1 << 14)) < 0.51  # 2^20 ties
    many = design(FLOAT32, BFLOAT16, 1 << 15, 11)
    ups = np.zeros((4, 64, many.bits.size), bool)
    ups[:, :, : many.ties] = biased
    ups[:, :, many.ties :] = rng.random((4, 64, many.ties)) < many.fraction[many.ties :]
    assert failures(many, ups).all()


def test_declarations_are_checked_when_they_are_made() -> None:
    with pytest.raises(UsageError, match="expected a format of numbers of either sign, got float8_e8m0fnu"):
        roundings.rounds_stochastically("e8m0", backend="numpy")
    with pytest.raises(UsageError, match="float4_e2m1fn only stores numbers"):
        roundings.rounds_stochastically("bfloat16", backend="numpy", formats="fp4")(right)
