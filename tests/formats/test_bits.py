"""Bits, ordinals, neighbours and quanta: constants of IEEE 754, scalars against arrays, and the errors."""

from __future__ import annotations

import re
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradproof.errors import GradproofError, UsageError
from gradproof.formats import (
    BFLOAT16,
    FLOAT8_E4M3FN,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    FORMATS,
    Format,
    floor_log2,
    get_format,
)
from gradproof.formats import arrays as fa

FORMAT_LIST = tuple(FORMATS.values())
each_format = pytest.mark.parametrize("fmt", FORMAT_LIST, ids=lambda f: f.name)

# IEEE 754-2019 table 3.5; bfloat16 from Intel's "BFLOAT16 - hardware numerics definition" (2018); the 8-bit formats
# from table 1 of Micikevicius et al., arXiv:2209.05433. The last pattern is infinity, or 448 where there is none.
PARAMETERS = {
    "float64": (53, -1022, 1023, 0x7FF0000000000000),
    "float32": (24, -126, 127, 0x7F800000),
    "float16": (11, -14, 15, 0x7C00),
    "bfloat16": (8, -126, 127, 0x7F80),
    "float8_e4m3fn": (4, -6, 8, 0x7E),
    "float8_e5m2": (3, -14, 15, 0x7C),
}


def some_bits(fmt: Format, count: int = 4000) -> fa.Bits:
    """Random patterns of all kinds, and every special one."""
    rng = np.random.default_rng(7)
    special = [
        0, 1, fmt.min_normal_bits - 1, fmt.min_normal_bits, fmt.max_bits, fmt.last_bits, fmt.nan_bits,
        fmt.last_bits + 1, fmt.sign_bit - 1,
    ]  # fmt: skip
    special += [fmt.sign_bit | b for b in special]
    random = rng.integers(0, 1 << fmt.width, count, dtype=np.uint64)
    return np.concatenate([np.array(special, np.uint64), random]).astype(fa.storage(fmt))


@each_format
def test_parameters_are_those_of_the_standards(fmt: Format) -> None:
    p, e_min, e_max, last = PARAMETERS[fmt.name]
    assert (fmt.precision, fmt.e_min, fmt.e_max, fmt.last_bits) == (p, e_min, e_max, last)
    largest = (2 - Fraction(2) ** (1 - p)) * Fraction(2) ** e_max
    assert fmt.max_value == (largest if fmt.has_infinity else 448)
    assert fmt.min_subnormal == Fraction(2) ** (e_min - p + 1)


@each_format
def test_scalars_and_arrays_classify_alike(fmt: Format) -> None:
    bits = some_bits(fmt)
    scalars = [int(b) for b in bits]
    assert fa.is_nan(bits, fmt).tolist() == [fmt.is_nan(b) for b in scalars]
    assert fa.is_finite(bits, fmt).tolist() == [fmt.is_finite(b) for b in scalars]
    assert [fmt.is_infinite(b) for b in scalars] == np.isinf(fa.values(bits, fmt)).tolist()
    assert fa.signs(bits, fmt).tolist() == [bool(b & fmt.sign_bit) for b in scalars]


@each_format
def test_scalars_and_arrays_agree_on_values_ordinals_and_quanta(fmt: Format) -> None:
    bits = some_bits(fmt)
    values = fa.values(bits, fmt)
    ordinals = fa.ordinals(bits, fmt)
    exponents = fa.quantum_exponents(values, fmt)
    for b, value, ordinal, exponent in zip(
        bits.tolist(), values.tolist(), ordinals.tolist(), exponents.tolist(), strict=True
    ):
        if fmt.is_nan(b):
            assert np.isnan(value)
            assert abs(ordinal) > fmt.last_bits
        else:
            assert ordinal == fmt.ordinal(b)
            assert int(fa.from_ordinals(ordinal, fmt)) == fmt.from_ordinal(ordinal)
        if fmt.is_finite(b):
            assert Fraction(value) == fmt.value(b)
            assert exponent == fmt.quantum_exponent(fmt.value(b))
            assert np.signbit(value) == bool(b & fmt.sign_bit)


def test_values_agree_with_the_frameworks_own_types() -> None:
    eight = [(FORMATS[kind.__name__], kind) for kind in (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)]
    for fmt, kind in ((FLOAT16, np.float16), (BFLOAT16, ml_dtypes.bfloat16), *eight):
        bits = fa.all_bits(fmt)
        with np.errstate(invalid="ignore"):
            expected = bits.view(kind).astype(np.float64)
        np.testing.assert_array_equal(fa.values(bits, fmt), expected)


@each_format
def test_all_neighbours_differ_by_one_ordinal_and_by_their_quantum(fmt: Format) -> None:
    for bits in some_bits(fmt, 300).tolist():
        if fmt.is_finite(bits) and 0 < fmt.ordinal(bits) < fmt.max_bits:
            following = fmt.from_ordinal(fmt.ordinal(bits) + 1)
            gap = fmt.value(following) - fmt.value(bits)
            assert gap == Fraction(2) ** fmt.quantum_exponent(fmt.value(bits))


@each_format
def test_both_zeros_share_ordinal_zero_and_the_line_ends_at_its_last_pattern(fmt: Format) -> None:
    assert fmt.ordinal(0) == fmt.ordinal(fmt.sign_bit) == 0
    assert fmt.from_ordinal(0) == 0
    last = PARAMETERS[fmt.name][3]
    assert fmt.from_ordinal(last + 5) == last
    assert fmt.from_ordinal(-last - 5) == last | fmt.sign_bit
    beyond = fa.from_ordinals(np.array([last + 3, -last - 3, -1]), fmt)
    assert [int(b) for b in beyond] == [last, last | fmt.sign_bit, fmt.sign_bit | 1]
    assert fmt.is_infinite(last) == fmt.has_infinity


def test_float64_ordinals_of_opposite_ends_do_not_wrap_around() -> None:
    ends = np.array([FLOAT64.max_bits, FLOAT64.max_bits | FLOAT64.sign_bit], np.uint64)
    high, low = fa.ordinals(ends, FLOAT64)
    assert int(high) == -int(low) == FLOAT64.max_bits


@given(st.fractions().filter(bool), st.integers(-2000, 2000))
def test_floor_log2_brackets_its_argument(value: Fraction, shift: int) -> None:
    scaled = value * Fraction(2) ** shift
    exponent = floor_log2(scaled)
    assert Fraction(2) ** exponent <= abs(scaled) < Fraction(2) ** (exponent + 1)


@each_format
def test_text_of_bits_reads_back(fmt: Format) -> None:
    for bits in some_bits(fmt, 100).tolist():
        assert fmt.parse_bits(fmt.bits_text(bits)) == bits
        if fmt.is_finite(bits):
            for text in (fmt.hexfloat(bits), fmt.decimal(bits)):
                value = float.fromhex(text) if "x" in text else float(text)
                assert fmt.round(abs(Fraction(value))) | fmt.sign_bit * bool(np.signbit(value)) == bits
    assert fmt.decimal(fmt.sign_bit) == "-0.0"
    assert fmt.hexfloat(fmt.nan_bits) == fmt.decimal(fmt.nan_bits) == "nan"
    assert fmt.hexfloat(fmt.nan_bits | fmt.sign_bit) == "-nan"
    if fmt.has_infinity:
        assert fmt.hexfloat(fmt.infinity_bits | fmt.sign_bit) == "-inf"


def test_sixteen_bit_formats_are_enumerated_and_wider_ones_refuse() -> None:
    assert fa.all_bits(FLOAT16).tolist() == list(range(65536))
    with pytest.raises(ValueError, match=re.escape("float32 has 2**32 patterns; enumerate intervals instead")):
        fa.all_bits(FLOAT32)


def test_errors_name_what_was_expected_and_what_came() -> None:
    cases = [
        (
            lambda: get_format("float8"),
            (
                "unknown format 'float8'; expected one of float64, float32, float16, bfloat16, float8_e4m3fn, "
                "float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz, float8_e8m0fnu, float6_e2m3fn, float6_e3m2fn, "
                "float4_e2m1fn"
            ),
        ),
        (lambda: FLOAT8_E4M3FN.infinity_bits, "float8_e4m3fn has no infinity; its greatest number is 0x7e"),
        (lambda: FLOAT8_E4M3FN.value(0x7F), "expected a finite float8_e4m3fn, got bits 0x7f"),
        (lambda: FLOAT16.value(0x10000), "expected a bit pattern of 16 bits for float16, got 0x10000"),
        (lambda: FLOAT16.value(0x7C00), "expected a finite float16, got bits 0x7c00"),
        (lambda: FLOAT16.ordinal(0x7E00), "a NaN (float16 bits 0x7e00) has no ordinal"),
        (
            lambda: BFLOAT16.parse_bits("hello"),
            "expected a bit pattern of 16 bits for bfloat16, such as 0x7f7f, got 'hello'",
        ),
        (
            lambda: BFLOAT16.parse_bits("-1"),
            "expected a bit pattern of 16 bits for bfloat16, such as 0x7f7f, got '-1'",
        ),
    ]
    for call, text in cases:
        with pytest.raises(UsageError) as caught:
            call()
        assert str(caught.value) == text


@pytest.mark.framework("torch")
def test_a_thread_that_flushes_subnormals_is_refused() -> None:
    import torch

    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        with pytest.raises(GradproofError, match="flushes subnormal numbers to zero"):
            fa.require_gradual_underflow()
    finally:
        torch.set_flush_denormal(False)
    fa.require_gradual_underflow()
