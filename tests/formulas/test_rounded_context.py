"""The rounded context operation by operation: exact where arithmetic is, flags for NaN, hulls for what is undecided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradproof.errors import UsageError
from gradproof.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT16, FLOAT32, FLOAT64, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.formulas.rounded import Room, Rounded, RoundedContext, arithmetic
from gradproof.formulas.rounded.rounding import greatest, least, nearest, quantum


def context(fmt: Format = FLOAT32, **how: Any) -> RoundedContext:
    return RoundedContext(arithmetic(fmt, **how))


def _ordinary(x: np.ndarray) -> np.ndarray:
    return x[np.isfinite(x)]


def ends(value: Rounded) -> tuple[float, float]:
    return float(value.low), float(value.high)


def between(m: RoundedContext, low: float, high: float) -> Rounded:
    return Rounded(m, np.float64(low), np.float64(high))


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16", "float8_e5m2"])
def test_rounding_is_that_of_the_formats(name: str) -> None:
    fmt = FORMATS[name]
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [
            _ordinary(rng.integers(0, 2**63 - 2**52, 20000).view(np.float64)),
            rng.normal(size=5000) * float(fmt.min_normal),
            rng.uniform(-1, 1, 5000) * float(fmt.max_value),
            fa.values(fa.round_values(rng.normal(size=2000), fmt), fmt) * (1 + 2.0**-fmt.precision),
            [
                0.0,
                -0.0,
                np.inf,
                -np.inf,
                np.nan,
                float(fmt.max_value) * (1 + 2.0 ** -(fmt.precision + 1)),
                float(fmt.min_subnormal) / 2,
            ],
        ]
    )
    due = fa.values(fa.round_values(x, fmt), fmt)
    assert np.array_equal(nearest(x, fmt), due, equal_nan=True)
    assert np.array_equal(np.signbit(nearest(x, fmt)), np.signbit(due))


def test_the_quantum_is_that_of_the_judge() -> None:
    y = np.array([0.0, 1.0, 1.5, -2.0, 1e-40, 3e38, 2.0**-126])
    assert np.array_equal(quantum(y, FLOAT32), np.ldexp(1.0, fa.quantum_exponents(y, FLOAT32).astype(np.int32)))


def test_the_least_and_the_greatest_tell_zeros_apart() -> None:
    low, high = least(np.array([0.0]), np.array([-0.0])), greatest(np.array([-0.0]), np.array([0.0]))
    assert np.signbit(low)[0]
    assert not np.signbit(high)[0]


def test_an_exact_operation_stays_exact() -> None:
    m = context()
    assert ends(m.constant(0.75) + 0.25) == (1.0, 1.0)
    assert ends(m.constant(3) * 0.5) == (1.5, 1.5)


def test_a_sum_is_rounded_once() -> None:
    one = context().constant(1.0)
    assert ends(one + 2.0**-24) == (1.0, 1.0)
    assert ends(one + 2.0**-23) == (1 + 2.0**-23,) * 2


def test_an_elementary_function_has_the_room_of_its_k() -> None:
    m = context()
    low, high = ends(m.exp(m.constant(1.0), Room(1)))
    assert low < np.e < high
    assert high - low <= 2 * 2.0**-22
    wide = ends(m.exp(m.constant(1.0), Room(8)))
    assert wide[1] - wide[0] >= 15 * 2.0**-22


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        (lambda m: m.constant(np.inf) - m.constant(np.inf), False),
        (lambda m: m.constant(np.inf) * 0, False),
        (lambda m: m.constant(0.0) / m.constant(0.0), False),
        (lambda m: m.sqrt(m.constant(-1.0)), False),
        (lambda m: m.log(m.constant(-1.0)), False),
        (lambda m: between(m, 0.0, 1.0) * np.inf, True),
        (lambda m: m.log1p(between(m, -2.0, 1.0)), True),
        (lambda m: between(m, -np.inf, 1.0) + np.inf, True),
    ],
)
def test_invalid_operations_raise_the_flag(operation: Any, number: bool) -> None:
    found = operation(context())
    assert bool(found.nan)
    assert bool(found.only_nan) is not number


def test_a_number_is_never_flagged() -> None:
    m = context()
    assert not np.any((m.exp(m.constant(200.0)) * 2 + 1).nan)


def test_the_sign_of_a_zero_decides_its_reciprocal() -> None:
    m = context()
    assert ends(1 / m.constant(0.0)) == (np.inf, np.inf)
    assert ends(1 / m.constant(-0.0)) == (-np.inf, -np.inf)
    assert ends(1 / between(m, -0.0, 0.0)) == (-np.inf, np.inf)
    assert ends(1 / between(m, 0.0, 2.0)) == (0.5, np.inf)


def test_overflow_gives_infinities() -> None:
    m = context(FLOAT32)
    assert ends(m.constant(2.0**127) * 2) == (np.inf, np.inf)
    assert ends(m.exp(m.constant(88.8))) == (np.inf, np.inf)


@pytest.mark.parametrize(("subnormals", "due"), [("kept", 2.0**-130), ("flushed", 0.0), ("either", None)])
def test_subnormal_results_are_what_the_traits_say(subnormals: Any, due: float | None) -> None:
    low, high = ends(context(subnormals=subnormals).constant(2.0**-100) * 2.0**-30)
    assert (low, high) == ((due, due) if due is not None else (0.0, 2.0**-130))


def test_a_subnormal_input_may_be_read_as_zero() -> None:
    m = context(subnormals="flushed")
    assert ends(m.variable(np.array(1, np.uint32)) * 2.0**100) == (0.0, 0.0)


def test_a_wide_kernel_computes_in_float32_and_a_narrow_one_stores_each_result() -> None:
    third = lambda m: m.stored((m.constant(1.0) + 2.0**-10) - 1.0)  # noqa: E731  one line of mathematics
    assert ends(third(context(BFLOAT16))) == (2.0**-10,) * 2
    assert ends(third(context(BFLOAT16, style="narrow"))) == (0.0, 0.0)
    assert ends(third(context(BFLOAT16, style="loose"))) == (0.0, 2.0**-10)


def test_a_fused_product_is_not_rounded() -> None:
    x = 1 + 2.0**-12
    split = lambda m: (lambda v: v * v - (1 + 2.0**-11))(m.constant(x))  # noqa: E731  one line of mathematics
    assert ends(split(context())) == (0.0, 0.0)
    low, high = ends(split(context(style="loose")))
    assert low <= 0.0 <= 2.0**-24 <= high


def test_a_constant_of_float32_in_a_float64_kernel_is_off() -> None:
    m = context(FLOAT64)
    assert ends(m.f32("1/6") * 6) != (1.0, 1.0)
    assert ends(m.real("1/6") * 6) == (1.0, 1.0)


def test_an_undecided_condition_gives_the_hull_of_both_branches() -> None:
    m = context()
    x = between(m, -1.0, 1.0)
    assert ends(m.where(x > 0, 5, -3)) == (-3.0, 5.0)
    assert ends(m.where(x > 2, 5, -3)) == (-3.0, -3.0)


def test_a_nan_takes_the_other_branch() -> None:
    m = context()
    assert ends(m.where(m.constant(np.inf) - np.inf > 0, 5, -3)) == (-3.0, -3.0)


def test_maximum_passes_a_nan_on() -> None:
    m = context()
    assert bool(m.maximum(m.constant(np.inf) - np.inf, 0).only_nan)


def test_a_value_times_itself_is_a_square_and_over_itself_one() -> None:
    m = context()
    x = between(m, -1.0, 2.0)
    assert ends(x * x) == (0.0, 4.0)
    assert ends(x / x) == (1.0, 1.0)


def test_results_are_held_by_their_numbers() -> None:
    m = context(FLOAT16)
    x = m.variable(np.array([0x3C00, 0x7E00], np.uint16))
    assert x.holds(np.array([1.0, np.nan])).all()
    assert not x.holds(np.array([np.nan, 1.0])).any()


def test_a_format_without_infinity_is_refused() -> None:
    with pytest.raises(UsageError, match="float8_e4m3fn has none"):
        arithmetic(FLOAT8_E4M3FN)
