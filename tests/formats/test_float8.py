"""The 8-bit formats, all 256 patterns: ml_dtypes' decoding, neighbours, and roundings against plain rationals."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gradproof.formats import FLOAT8_E4M3FN, FLOAT8_E5M2, Format
from gradproof.formats import arrays as fa
from gradproof.oracle.dyadic import Dyadic

KINDS = {"float8_e4m3fn": ml_dtypes.float8_e4m3fn, "float8_e5m2": ml_dtypes.float8_e5m2}
both = pytest.mark.parametrize("fmt", [FLOAT8_E4M3FN, FLOAT8_E5M2], ids=lambda f: f.name)

# Micikevicius et al., "FP8 formats for deep learning", arXiv:2209.05433, tables 1 and 2: pattern -> value.
PUBLISHED = {
    "float8_e4m3fn": {0x7E: Fraction(448), 0x08: Fraction(1, 2**6), 0x07: Fraction(7, 2**9), 0x01: Fraction(1, 2**9)},
    "float8_e5m2": {
        0x7B: Fraction(57344),
        0x04: Fraction(1, 2**14),
        0x03: Fraction(3, 2**16),
        0x01: Fraction(1, 2**16),
    },
}
NANS = {"float8_e4m3fn": {0x7F, 0xFF}, "float8_e5m2": {0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF}}


def decoded(fmt: Format) -> Any:
    """The value of every pattern by ml_dtypes."""
    return np.arange(256, dtype=np.uint8).view(KINDS[fmt.name]).astype(np.float64)


@both
def test_the_published_patterns_have_their_values(fmt: Format) -> None:
    assert {bits: fmt.value(bits) for bits in PUBLISHED[fmt.name]} == PUBLISHED[fmt.name]
    assert {bits for bits in range(256) if fmt.is_nan(bits)} == NANS[fmt.name]
    infinities = {bits for bits in range(256) if fmt.is_infinite(bits)}
    assert infinities == ({0x7C, 0xFC} if fmt is FLOAT8_E5M2 else set())


@both
def test_every_pattern_has_the_value_that_ml_dtypes_reads(fmt: Format) -> None:
    expected = decoded(fmt)
    np.testing.assert_array_equal(fa.values(fa.all_bits(fmt), fmt), expected)
    assert np.array_equal(fa.is_nan(fa.all_bits(fmt), fmt), np.isnan(expected))
    assert np.array_equal(fa.is_finite(fa.all_bits(fmt), fmt), np.isfinite(expected))
    for bits in np.flatnonzero(np.isfinite(expected)).tolist():
        assert fmt.value(bits) == Fraction(expected[bits])
        assert float.fromhex(fmt.hexfloat(bits)) == float(fmt.decimal(bits)) == expected[bits]
        assert fmt.holds(fmt.value(bits))
        assert fmt.round(abs(fmt.value(bits))) | (bits & fmt.sign_bit) == bits


@both
def test_every_neighbour_is_the_next_number_that_ml_dtypes_knows(fmt: Format) -> None:
    values = decoded(fmt)
    line = np.unique(values[~np.isnan(values)])
    places = [fmt.ordinal(bits) for bits in range(256) if not fmt.is_nan(bits)]
    assert sorted(set(places)) == list(range(-(line.size // 2), line.size // 2 + 1))
    for place, value in zip(sorted(set(places)), line, strict=True):
        bits = fmt.from_ordinal(place)
        assert fa.values(np.array([bits], np.uint8), fmt)[0] == value
        assert int(fa.from_ordinals(place, fmt)) == bits
    last = fmt.from_ordinal(max(places))
    assert (fmt.from_ordinal(10**6), fmt.from_ordinal(-(10**6))) == (last, last | 0x80)


def nearest(value: Fraction, fmt: Format, *, saturate: bool) -> int:
    """The pattern of the nearest number among all, ties to the even pattern; its own route, by a search over a list.

    The list goes on by one number past the greatest, which stands for what overflows.
    """
    e4m3 = fmt is FLOAT8_E4M3FN
    largest = 0x7E if e4m3 else 0x7B
    line = [Fraction(v) for v in decoded(fmt)[: largest + 1]] + [Fraction(480 if e4m3 else 65536)]
    distance = min(abs(abs(value) - v) for v in line)
    candidates = [bits for bits, v in enumerate(line) if abs(abs(value) - v) == distance]
    best = candidates[0] if len(candidates) == 1 else next(b for b in candidates if b % 2 == 0)
    if best > largest or abs(value) > line[-1]:
        best = largest if saturate else 0x7F if e4m3 else 0x7C
    return best | (0x80 if value < 0 else 0)


def hard_values(fmt: Format) -> list[Fraction]:
    """Every midpoint of neighbours, the one to what would follow the greatest included, and both sides of each."""
    values = [Fraction(v) for v in decoded(fmt)[: fmt.max_bits + 1]]
    line = [*values, values[-1] + Fraction(2) ** fmt.quantum_exponent(values[-1])]
    middles = [(a + b) / 2 for a, b in pairwise(line)]
    hair = Fraction(1, 2**60)
    near = [m * (1 + side * hair) for m in middles for side in (-1, 0, 1)]
    return [*near, *values, *(v * 3 for v in values[-9:]), Fraction(10) ** 30]


Rounding = Callable[[Fraction, Format, bool], int]


def by_format(value: Fraction, fmt: Format, saturate: bool) -> int:
    return fmt.round(value, saturate=saturate)


def mistakes(rounding: Rounding, fmt: Format, *, saturate: bool = False) -> int:
    """How many of the hard values, of both signs, a rounding gets wrong."""
    signed = [s * v for v in hard_values(fmt) for s in (1, -1) if v]
    return sum(rounding(v, fmt, saturate) != nearest(v, fmt, saturate=saturate) for v in signed)


@both
@pytest.mark.parametrize("saturate", [False, True])
def test_every_midpoint_rounds_to_even_and_its_sides_to_the_nearest(fmt: Format, saturate: bool) -> None:
    assert mistakes(by_format, fmt, saturate=saturate) == 0


@both
def test_the_array_rounding_and_the_dyadic_one_agree_with_the_scalar_one(fmt: Format) -> None:
    for saturate in (False, True):
        signed = [s * v for v in hard_values(fmt) for s in (1, -1)]
        exact = [Fraction(float(v)) for v in signed]  # float64 neighbours of the same hard places
        got = fa.round_values(np.array([float(v) for v in exact]), fmt, saturate=saturate)
        assert [int(b) & 0x7F for b in got] == [nearest(v, fmt, saturate=saturate) & 0x7F for v in exact]
        if not saturate:
            assert [Dyadic.of(v).round(fmt) for v in exact] == [fmt.round(v) for v in exact]


def twice(value: Fraction, fmt: Format, saturate: bool) -> int:
    return fmt.round(Fraction(float(np.float32(float(value)))), saturate=saturate)


def truncated(value: Fraction, fmt: Format, saturate: bool) -> int:
    bits = fmt.round(value, saturate=saturate)
    if fmt.is_finite(bits) and abs(fmt.value(bits)) > abs(value):
        return bits - 1
    return bits


def away(value: Fraction, fmt: Format, saturate: bool) -> int:
    return fmt.round(value * (1 + Fraction(1, 2**80)), saturate=saturate)


def flushed(value: Fraction, fmt: Format, saturate: bool) -> int:
    return 0 if abs(value) < fmt.min_normal else fmt.round(value, saturate=saturate)


def early(value: Fraction, fmt: Format, saturate: bool) -> int:
    return fmt.overflow_bits if abs(value) > fmt.max_value else fmt.round(value, saturate=saturate)


def late(value: Fraction, fmt: Format, saturate: bool) -> int:
    step = Fraction(2) ** fmt.quantum_exponent(fmt.max_value)
    return fmt.round(value, saturate=abs(value) < fmt.max_value + step)


@both
@pytest.mark.parametrize("wrong", [twice, truncated, away, flushed, early, late], ids=lambda f: f.__name__)
def test_a_rounding_with_a_fault_is_noticed(fmt: Format, wrong: Rounding) -> None:
    assert mistakes(wrong, fmt) > 0


def test_the_tie_below_the_missing_480_goes_to_448_and_what_is_above_overflows() -> None:
    hair = Fraction(1, 2**200)
    assert FLOAT8_E4M3FN.overflow_threshold == 464
    assert FLOAT8_E4M3FN.round(Fraction(464)) == 0x7E
    assert FLOAT8_E4M3FN.round(464 + hair) == 0x7F
    assert FLOAT8_E4M3FN.round(-464 - hair) == 0xFF
    assert FLOAT8_E4M3FN.round(-464 - hair, saturate=True) == 0xFE
    assert [FLOAT8_E4M3FN.overflows(Fraction(464) + d) for d in (-hair, 0, hair)] == [False, False, True]
    # IEEE 754: the tie overflows.
    assert FLOAT8_E5M2.round(Fraction(61440)) == 0x7C
    assert FLOAT8_E5M2.round(61440 - hair) == 0x7B
    assert FLOAT8_E5M2.round(Fraction(61440), saturate=True) == 0x7B


def test_infinities_and_nans_of_float64_become_what_the_formats_have() -> None:
    special = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0])
    assert fa.round_values(special, FLOAT8_E5M2).tolist() == [0x7C, 0xFC, 0x7E, 0, 0x80]
    assert fa.round_values(special, FLOAT8_E4M3FN).tolist() == [0x7F, 0xFF, 0x7F, 0, 0x80]
    assert fa.round_values(special, FLOAT8_E4M3FN, saturate=True).tolist() == [0x7E, 0xFE, 0x7F, 0, 0x80]


@both
def test_float32_numbers_round_as_ml_dtypes_converts_them(fmt: Format) -> None:
    # From float32 ml_dtypes rounds once; from float64 it goes through float32 and rounds twice.
    rng = np.random.default_rng(3)
    x = rng.integers(0, 1 << 32, 200_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = x[~np.isnan(x)]
    middles = np.array([float(v) for v in hard_values(fmt)], np.float32)
    x = np.concatenate(
        [x, middles, -middles, np.nextafter(middles, np.float32(0)), np.nextafter(middles, np.float32(9e9))]
    )
    expected = x.astype(KINDS[fmt.name]).view(np.uint8)
    np.testing.assert_array_equal(fa.round_values(x.astype(np.float64), fmt), expected)


@pytest.mark.parametrize("name", ["float32", "float16", "float64"])
def test_rounding_by_quantum_is_the_rounding_of_the_processor(name: str) -> None:
    from gradproof.formats import get_format

    fmt = get_format(name)
    x = np.random.default_rng(4).integers(0, 1 << 64, 200_000, dtype=np.uint64).view(np.float64)
    scaled = np.random.default_rng(5).standard_normal(100_000) * 2.0 ** np.random.default_rng(6).integers(
        -160, 140, 100_000
    )
    x = np.concatenate([x[~np.isnan(x)], scaled])
    with np.errstate(over="ignore", under="ignore"):
        expected = x.astype(name).view(fa.storage(fmt))
    np.testing.assert_array_equal(fa.round_by_quantum(x, fmt), expected)
