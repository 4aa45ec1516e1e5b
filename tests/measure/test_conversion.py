"""Judging conversions: array against scalar rounding, errors in the target's ulps, and what is excused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradproof.formats import (
    ALL_FORMATS,
    BFLOAT16,
    FLOAT4_E2M1FN,
    FLOAT8_E4M3FN,
    FLOAT8_E5M2,
    FLOAT8_E8M0FNU,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    FORMATS,
    Format,
    wider_formats,
)
from gradproof.formats import arrays as fa
from gradproof.measure import Flushing
from gradproof.measure.conversion import Conventions, converted, fault_text, faults, judge_conversion

PAIRS = [(FORMATS[name], target) for target in ALL_FORMATS.values() for name in wider_formats(target)]
SATURATING = Conventions(saturates=True)


def words(values: list[float], fmt: Format) -> fa.Bits:
    return fa.round_by_quantum(np.array(values), fmt)


@given(st.data(), st.sampled_from(PAIRS))
def test_every_conversion_is_the_exact_scalar_rounding(data: st.DataObject, pair: tuple[Format, Format]) -> None:
    source, target = pair
    signs = [0, source.sign_bit] if target.signed else [0]
    bits = data.draw(st.integers(0 if target.signed else 1, source.max_bits)) | data.draw(st.sampled_from(signs))
    due = target.round(source.value(bits)) if source.value(bits) else 0
    got = int(converted(np.array([bits], fa.storage(source)), source, target)[0])
    if target.is_finite(due):
        assert source.value(got) == target.value(due)
    else:
        assert source.is_infinite(got) == target.has_infinity
        assert source.is_nan(got) != target.has_infinity
    if target.has_minus_zero:
        assert (got & source.sign_bit) == (bits & source.sign_bit)


def test_errors_are_in_ulps_of_the_target() -> None:
    x, got = words([1.25, 1.25, 1.25, 3.0], FLOAT32), words([1.0, 1.25, 1.5, 3.0], FLOAT32)
    result = judge_conversion(x, got, FLOAT32, FLOAT8_E5M2)
    assert result.u.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert result.failing.tolist() == [True, False, True, False]
    assert result.magnitude.tolist() == [2.0, 0.0, 2.0, 0.0]


def test_a_tie_that_goes_the_wrong_way_fails_although_it_is_half_an_ulp_off() -> None:
    x = words([1.125, 1.125], FLOAT32)
    result = judge_conversion(x, words([1.25, 1.0], FLOAT32), FLOAT32, FLOAT8_E5M2)
    assert result.u.tolist() == [0.5, 0.5]
    assert result.failing.tolist() == [True, False]
    assert result.magnitude[0] > 1 == result.magnitude[1]


def test_what_saturates_and_what_does_not_are_two_conversions() -> None:
    x = words([465.0, 1e30, -1e30, 464.0, np.inf], FLOAT64)
    nan, top = words([np.nan] * 5, FLOAT64), words([448.0, 448.0, -448.0, 448.0, 448.0], FLOAT64)
    plain = [judge_conversion(x, g, FLOAT64, FLOAT8_E4M3FN).failing.tolist() for g in (nan, top)]
    assert plain == [[False, False, False, True, False], [True, True, True, False, False]]
    satfinite = [judge_conversion(x, g, FLOAT64, FLOAT8_E4M3FN, SATURATING).failing.tolist() for g in (nan, top)]
    assert satfinite == [[True, True, True, True, False], [False] * 5]


def test_a_zero_is_excused_where_the_number_is_subnormal_and_the_backend_flushes() -> None:
    x, zero = words([2.0**-15, 2.0**-14, 2.0**-24, 1.0], FLOAT32), words([0.0] * 4, FLOAT32)
    flushing = Flushing(results=True, inputs=False)
    result = judge_conversion(x, zero, FLOAT32, FLOAT16, flushing=flushing)
    assert result.excused.tolist() == [True, False, True, False]
    assert result.failing.tolist() == [False, True, False, True]
    assert judge_conversion(x, zero, FLOAT32, FLOAT16).failing.all()


def test_an_input_read_as_zero_is_excused_by_daz_alone() -> None:
    x = np.array([0x0000_0001_0000_0000, FLOAT64.min_normal_bits], np.uint64)
    assert not judge_conversion(x, x & np.uint64(0), FLOAT64, FLOAT32).failing.any(), "far below float32, 0 is right"
    tiny, zero = np.array([0x0070], np.uint16), np.array([0], np.uint16)  # subnormal in bfloat16
    assert not judge_conversion(tiny, zero, BFLOAT16, FLOAT8_E5M2).failing.any()
    low = np.array([0x0300], np.uint16)  # subnormal in float16, not in float8_e4m3fn's range of zeros
    assert FLOAT8_E4M3FN.round(FLOAT16.value(0x0300)) == 0
    assert not judge_conversion(low, zero, FLOAT16, FLOAT8_E4M3FN).failing.any()
    half = np.array([0x0300], np.uint16)  # e5m2 holds 3 * 2^-16
    assert FLOAT8_E5M2.value(FLOAT8_E5M2.round(FLOAT16.value(0x0300))) == Fraction(3, 2**16)
    assert judge_conversion(half, zero, FLOAT16, FLOAT8_E5M2).failing.all()
    daz = Flushing(results=False, inputs=True)
    assert not judge_conversion(half, zero, FLOAT16, FLOAT8_E5M2, flushing=daz).failing.any()


@pytest.mark.parametrize(
    ("x", "got", "fault"),
    [
        (float("nan"), 1.0, "nan"),
        (1.0, float("nan"), "nan"),
        (1.3, 1.3, "lattice"),
        (1.125 + 2.0**-40, 1.0, "twice"),
        (60000.0, float("inf"), "overflow"),
        (2.0**-16, 0.0, "flush"),
        (1.125, 1.25, "tie"),
        (1.2, 1.0, "nearest"),
    ],
)
def test_what_went_wrong_is_told_apart(x: float, got: float, fault: str) -> None:
    found, between = faults(words([x], FLOAT64), words([got], FLOAT64), FLOAT64, FLOAT8_E5M2)
    assert found.tolist() == [fault]
    assert "float8_e5m2" in fault_text(fault, FLOAT8_E5M2, between) or fault in ("nan", "flush", "twice", "tie")


def fails(x: list[float], got: list[float], target: Format, conventions: Conventions) -> list[bool]:
    judged = judge_conversion(words(x, FLOAT32), words(got, FLOAT32), FLOAT32, target, conventions)
    failing: list[bool] = judged.failing.tolist()
    return failing


def test_a_format_without_nan_saturates_and_makes_any_number_of_a_nan() -> None:
    nan, inf = float("nan"), float("inf")
    x = [7.0, 1e9, -inf, nan, nan, nan]
    assert fails(x, [6.0, 6.0, -6.0, 0.0, 6.0, 5.0], FLOAT4_E2M1FN, Conventions()) == [False] * 5 + [True]
    assert fails(x[:3], [nan, inf, -inf], FLOAT4_E2M1FN, Conventions()) == [True] * 3


def test_what_an_unsigned_format_makes_of_negative_numbers_is_one_thing() -> None:
    nan, least = float("nan"), 2.0**-127
    x = [-3.0, -1.0, 0.0, -0.0]
    answers = {"nan": [nan, nan, nan, nan], "magnitude": [4.0, 1.0, least, nan], "least": [least, least, nan, least]}
    for negative in answers:
        for other, got in answers.items():
            convention = Conventions(negative=negative)  # type: ignore[arg-type]
            expected = [False] * 4 if other == negative else [True, True, False, False]
            assert fails(x, got, FLOAT8_E8M0FNU, convention) == expected, (negative, other)


def test_a_scale_halfway_between_two_powers_goes_away_from_zero() -> None:
    """IEEE 754-2019, 4.3.1: where neither neighbour's digit is even, to the one larger in magnitude."""
    below = float(np.nextafter(np.float32(1.5), np.float32(1)))
    assert fails([1.5, 1.5, below, below], [2.0, 1.0, 1.0, 2.0], FLOAT8_E8M0FNU, Conventions()) == [
        False, True, False, True,
    ]  # fmt: skip
    assert fails([2.0**-140], [2.0**-127], FLOAT8_E8M0FNU, Conventions()) == [False], "the least number is the nearest"


def test_eight_bits_with_an_infinity_may_saturate_sixteen_may_not() -> None:
    x, top = words([1e5, float("inf")], FLOAT32), words([57344.0, 57344.0], FLOAT32)
    assert not judge_conversion(x, top, FLOAT32, FLOAT8_E5M2, SATURATING).failing.any()
    assert judge_conversion(x, top, FLOAT32, FLOAT8_E5M2).failing.all()
