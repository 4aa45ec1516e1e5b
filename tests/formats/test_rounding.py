"""One correct rounding, against routes that share no code with it: casts, neighbours as fractions, ml_dtypes."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradproof.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, FORMATS, Format
from gradproof.formats import arrays as fa

FORMAT_LIST = tuple(FORMATS.values())
each_format = pytest.mark.parametrize("fmt", FORMAT_LIST, ids=lambda f: f.name)
with_infinity = pytest.mark.parametrize("fmt", [f for f in FORMAT_LIST if f.has_infinity], ids=lambda f: f.name)
formats = st.sampled_from(FORMAT_LIST)


BEYOND = {f.name: Fraction(2) ** (f.e_max + 1) for f in FORMAT_LIST} | {"float8_e4m3fn": Fraction(480)}
"""What would follow the largest number."""


def neighbours(value: Fraction, fmt: Format) -> tuple[Fraction, Fraction]:
    """The two numbers of an unbounded format around ``value`` >= 0, found by bisecting the ordinals.

    Beyond the largest number lies the next one, as if the exponent went on.
    """
    low, high = 0, fmt.max_bits + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fmt.value(middle) <= value else (low, middle)
    return fmt.value(low), BEYOND[fmt.name] if high == fmt.max_bits + 1 else fmt.value(high)


@st.composite
def reals(draw: st.DrawFn, fmt: Format) -> Fraction:
    """Fractions around a number of the format: on it, at the middle to its neighbour, or a hair off either."""
    bits = draw(st.integers(0, fmt.max_bits))
    base, step = fmt.value(bits), Fraction(2) ** fmt.quantum_exponent(fmt.value(bits))
    hair = Fraction(draw(st.integers(-3, 3)), draw(st.integers(1, 1 << 200)))
    part = draw(st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1, 4), Fraction(3, 4)]))
    value = base + step * (part + hair)
    return -value if draw(st.booleans()) else value


@given(st.data(), formats)
def test_a_rounded_value_is_the_nearest_neighbour_with_ties_to_even(data: st.DataObject, fmt: Format) -> None:
    value = data.draw(reals(fmt))
    bits = fmt.round(value)
    below, above = neighbours(abs(value), fmt)
    to_below, to_above = abs(value) - below, above - abs(value)
    magnitude = bits & ~fmt.sign_bit
    got = fmt.value(magnitude) if fmt.is_finite(magnitude) else BEYOND[fmt.name]
    if to_below != to_above:
        assert got == (below if to_below < to_above else above)
    else:
        assert got in (below, above)
        assert got == (below if fmt.round(below) % 2 == 0 else above)
    assert bool(bits & fmt.sign_bit) == (value < 0)


@given(st.fractions(), formats)
def test_rounding_a_fraction_of_any_denominator_leaves_at_most_half_a_quantum(value: Fraction, fmt: Format) -> None:
    if abs(value) < fmt.overflow_threshold:
        error = abs(fmt.value(fmt.round(value)) - value)
        assert error <= Fraction(2) ** fmt.quantum_exponent(value) / 2


@with_infinity
def test_overflow_begins_exactly_at_the_threshold(fmt: Format) -> None:
    threshold = fmt.overflow_threshold
    # IEEE 754-2019, section 4.3.1: b^emax (b - b^(1-p)/2).
    assert threshold == Fraction(2) ** fmt.e_max * (2 - Fraction(1, 2) ** (fmt.precision - 1) / 2)
    hair = threshold / 2**300
    assert fmt.round(threshold) == fmt.infinity_bits
    assert fmt.round(threshold - hair) == fmt.max_bits
    assert fmt.round(-threshold) == fmt.infinity_bits | fmt.sign_bit
    assert fmt.round(-threshold + hair) == fmt.max_bits | fmt.sign_bit


@each_format
def test_the_least_subnormal_is_reached_from_just_above_its_half(fmt: Format) -> None:
    half = fmt.min_subnormal / 2
    assert fmt.round(half) == 0  # a tie, and zero is even
    assert fmt.round(half + half / 2**300) == 1
    assert fmt.round(3 * half) == 2  # the next tie goes up, to even
    assert fmt.round(-half) == fmt.sign_bit, "a negative number that rounds to zero is -0"


@each_format
def test_the_greatest_subnormal_carries_into_the_normal_numbers(fmt: Format) -> None:
    top = fmt.value(fmt.min_normal_bits - 1)
    assert fmt.round(top + fmt.min_subnormal / 2) == fmt.min_normal_bits
    assert fmt.value(fmt.min_normal_bits) == top + fmt.min_subnormal == Fraction(2) ** fmt.e_min


@given(st.floats(width=64, allow_nan=False))
def test_scalar_rounding_to_float32_and_float16_agrees_with_numpy_casts(x: float) -> None:
    with np.errstate(over="ignore", under="ignore"):
        for fmt, kind in ((FLOAT32, np.float32), (FLOAT16, np.float16)):
            cast = int(np.float64(x).astype(kind).view(fa.storage(fmt)))
            assert int(fa.round_values(np.array([x]), fmt)[0]) == cast
            if np.isfinite(x) and x != 0:
                assert fmt.round(Fraction(x)) == cast


@given(st.floats(width=32, allow_nan=False))
def test_rounding_to_bfloat16_agrees_with_ml_dtypes_from_float32(x: float) -> None:
    # ml_dtypes rounds float32 once; from a float64 its cast goes through float32 and may round twice.
    expected = int(np.float32(x).astype(ml_dtypes.bfloat16).view(np.uint16))
    assert int(fa.round_values(np.array([x]), BFLOAT16)[0]) == expected
    if np.isfinite(x) and x != 0:
        assert BFLOAT16.round(Fraction(x)) == expected


def test_bfloat16_is_not_rounded_twice_on_the_way_from_float64() -> None:
    # A hair above the middle between 1 and 1 + 2^-7: through float32 it would become the tie, and then 1.
    x = 1 + 2.0**-8 + 2.0**-40
    assert fa.round_values(np.array([x]), BFLOAT16)[0] == 0x3F81
    assert BFLOAT16.round(Fraction(x)) == 0x3F81


@pytest.mark.parametrize("fmt", [FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, BFLOAT16, FLOAT32], ids=lambda f: f.name)
@given(data=st.data())
def test_array_rounding_agrees_with_scalar_rounding_near_ties(data: st.DataObject, fmt: Format) -> None:
    bits = data.draw(st.integers(0, fmt.max_bits))
    value = fmt.value(bits)
    # The middle to the next number fits a float64 for every narrower format; so do its neighbours there.
    middle = float(value + Fraction(2) ** fmt.quantum_exponent(value) / 2)
    x = np.array([middle, np.nextafter(middle, np.inf), np.nextafter(middle, 0)])
    x = np.concatenate([x, -x])
    rounded = fa.round_values(x, fmt)
    assert [int(b) for b in rounded] == [fmt.sign_bit * (v < 0) | (fmt.round(Fraction(abs(v)))) for v in x.tolist()]


@with_infinity
def test_array_rounding_of_special_values(fmt: Format) -> None:
    rounded = fa.round_values(np.array([np.inf, -np.inf, 0.0, -0.0, np.nan]), fmt)
    assert [int(b) for b in rounded[:4]] == [
        fmt.infinity_bits, fmt.infinity_bits | fmt.sign_bit, 0, fmt.sign_bit,
    ]  # fmt: skip
    assert fmt.is_nan(int(rounded[4]))


@each_format
def test_every_number_rounds_to_itself(fmt: Format) -> None:
    rng = np.random.default_rng(0)
    picks = rng.integers(0, fmt.max_bits, 200, endpoint=True)
    for bits in [0, 1, 2, fmt.min_normal_bits - 1, fmt.min_normal_bits, fmt.max_bits, *map(int, picks)]:
        assert fmt.round(fmt.value(bits)) == bits
        if bits:
            assert fmt.round(-fmt.value(bits)) == bits | fmt.sign_bit


def test_float64_values_are_the_machine_numbers() -> None:
    rng = np.random.default_rng(1)
    for bits in rng.integers(0, FLOAT64.max_bits, 200, endpoint=True):
        assert FLOAT64.value(int(bits)) == Fraction(float(np.uint64(bits).view(np.float64)))
