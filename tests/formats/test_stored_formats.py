"""The formats in which numbers are only stored, all patterns: ml_dtypes' decoding, and roundings by another route."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gradproof.errors import UsageError
from gradproof.formats import (
    FLOAT4_E2M1FN,
    FLOAT8_E4M3FNUZ,
    FLOAT8_E5M2FNUZ,
    FLOAT8_E8M0FNU,
    FLOAT32,
    STORED_FORMATS,
    Format,
    get_format,
    judged_format,
)
from gradproof.formats import arrays as fa

each = pytest.mark.parametrize("fmt", STORED_FORMATS.values(), ids=lambda f: f.name)
# OCP Microscaling Formats (MX) Specification 1.0, tables 2 to 5 and 7; Noune et al., arXiv:2206.02915, table 1.
PUBLISHED = {
    "float8_e4m3fnuz": {
        0x7F: Fraction(240),
        0x08: Fraction(1, 2**7),
        0x07: Fraction(7, 2**10),
        0x01: Fraction(1, 2**10),
    },
    "float8_e5m2fnuz": {0x7F: Fraction(57344), 0x04: Fraction(1, 2**15), 0x01: Fraction(1, 2**17)},
    "float8_e8m0fnu": {0x00: Fraction(1, 2**127), 0x7F: Fraction(1), 0xFE: Fraction(2**127)},
    "float6_e2m3fn": {0x1F: Fraction(15, 2), 0x08: Fraction(1), 0x07: Fraction(7, 8), 0x01: Fraction(1, 8)},
    "float6_e3m2fn": {0x1F: Fraction(28), 0x04: Fraction(1, 4), 0x03: Fraction(3, 16), 0x01: Fraction(1, 16)},
    "float4_e2m1fn": dict(enumerate([Fraction(n, 2) for n in (0, 1, 2, 3, 4, 6, 8, 12)])),
}
NANS = {"float8_e4m3fnuz": {0x80}, "float8_e5m2fnuz": {0x80}, "float8_e8m0fnu": {0xFF}}


def decoded(fmt: Format) -> Any:
    """The value of every pattern by ml_dtypes."""
    return np.arange(1 << fmt.width, dtype=np.uint8).view(getattr(ml_dtypes, fmt.name)).astype(np.float64)


@each
def test_every_pattern_has_its_published_value_and_the_one_that_ml_dtypes_reads(fmt: Format) -> None:
    assert {bits: fmt.value(bits) for bits in PUBLISHED[fmt.name]} == PUBLISHED[fmt.name]
    every = fa.all_bits(fmt)
    assert {int(b) for b in every if fmt.is_nan(int(b))} == NANS.get(fmt.name, set())
    assert not any(fmt.is_infinite(int(b)) for b in every)
    expected = decoded(fmt)
    np.testing.assert_array_equal(fa.values(every, fmt), expected)
    np.testing.assert_array_equal(fa.is_finite(every, fmt), np.isfinite(expected))
    for bits in np.flatnonzero(np.isfinite(expected)).tolist():
        assert fmt.value(bits) == Fraction(expected[bits])
        assert fmt.holds(fmt.value(bits)) == (fmt.signed or fmt.value(bits) > 0)
        assert float.fromhex(fmt.hexfloat(bits)) == float(fmt.decimal(bits)) == expected[bits]
        assert fmt.parse_bits(fmt.bits_text(bits)) == bits


@each
def test_ordinals_count_the_numbers_from_the_least_to_the_greatest(fmt: Format) -> None:
    values = decoded(fmt)
    line = np.unique(values[~np.isnan(values)])
    places = sorted({fmt.ordinal(bits) for bits in range(1 << fmt.width) if not fmt.is_nan(bits)})
    assert places == list(range(places[0], places[0] + line.size))
    patterns = fa.from_ordinals(np.array(places), fmt)
    np.testing.assert_array_equal(fa.values(patterns, fmt), line)
    assert [fmt.from_ordinal(p) for p in places] == patterns.tolist()
    assert fmt.from_ordinal(-(10**6)) == fmt.from_ordinal(places[0])
    assert fmt.from_ordinal(10**6) == fmt.max_bits


def nearest(value: Fraction, fmt: Format) -> float:
    """The nearest number by a search over all; a tie by the rules of the format, NaN for what overflows or has none."""
    if not fmt.signed and value <= 0:
        return float("nan")
    numbers = sorted({Fraction(v) for v in decoded(fmt) if np.isfinite(v)})
    last, before = numbers[-1], numbers[-2]
    step = last if fmt.precision == 1 else last - before
    line = [*numbers, last + step] if not fmt.signed else [-last - step, *numbers, last + step]
    distance = min(abs(value - v) for v in line)
    found = sorted((v for v in line if abs(value - v) == distance), key=abs)
    if len(found) == 2:
        place = [sum(abs(f) > v for v in numbers if v >= 0) for f in found]  # counts from zero: parity of the pattern
        found = [found[1]] if fmt.precision == 1 else [f for f, p in zip(found, place, strict=True) if p % 2 == 0]
    if abs(value) > last + step or abs(found[0]) > last:
        return float("nan") if fmt.has_nan else float(last) * (1 if value > 0 else -1)
    return float(found[0])


@each
def test_midpoints_and_their_sides_round_as_a_search_over_all_numbers_does(fmt: Format) -> None:
    numbers = sorted({Fraction(v) for v in decoded(fmt) if np.isfinite(v) and v >= 0})
    line = [*numbers, numbers[-1] + Fraction(2) ** fmt.quantum_exponent(numbers[-1])]
    hair = Fraction(1, 2**40)
    places = [(a + b) / 2 * (1 + side * hair) for a, b in pairwise(line) for side in (-1, 0, 1)] + numbers
    places += [numbers[-1] * 3, numbers[1] / 1000]
    for place in [sign * p for p in places for sign in (1, -1)]:
        due, got = nearest(place, fmt), fmt.round(place)
        one = fa.values(np.array([got], np.uint8), fmt)[0]
        assert one == due or (np.isnan(one) and np.isnan(due)), (place, one, due)
        (array,) = fa.round_values(np.array([float(place)]), fmt)
        # A zero of either sign where a double has one; the exact 0 has none.
        assert fmt.same_number(int(array), got), (place, array, got)


@each
def test_float32_numbers_round_as_ml_dtypes_converts_them(fmt: Format) -> None:
    x = np.random.default_rng(3).integers(0, 1 << 32, 200_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    finite = np.sort(decoded(fmt)[np.isfinite(decoded(fmt))])
    near = np.concatenate([finite, (finite[1:] + finite[:-1]) / 2]).astype(np.float32)
    special = np.array([np.inf, -np.inf, 0.0, -0.0], np.float32)
    with np.errstate(all="ignore"):
        x = np.concatenate(
            [x[~np.isnan(x)], near, np.nextafter(near, np.float32(0)), np.nextafter(near, np.float32(9e37)), special]
        )
        if fmt is FLOAT8_E8M0FNU:  # ml_dtypes rounds up what lies between its two least numbers (in the ledger)
            x = x[~((x > 2.0**-127) & (x < 1.5 * 2.0**-127))]
        expected = x.astype(getattr(ml_dtypes, fmt.name)).view(np.uint8)
    np.testing.assert_array_equal(fa.round_values(x.astype(np.float64), fmt), expected)


def test_zeros_without_a_sign_stay_plus_zero_and_are_no_nan() -> None:
    for fmt in (FLOAT8_E4M3FNUZ, FLOAT8_E5M2FNUZ):
        assert fa.round_values(np.array([-0.0, -1e-9, 0.0, -np.nan]), fmt).tolist() == [0, 0, 0, 0x80]
        assert fmt.round(Fraction(-1, 10**9)) == 0
        assert fmt.hexfloat(0x80) == "nan"
        assert not fmt.same_number(0, 0x80)


def test_what_a_format_does_not_have_is_said() -> None:
    with pytest.raises(UsageError, match="float4_e2m1fn has no NaN; its greatest number is 0x7"):
        _ = FLOAT4_E2M1FN.nan_bits
    with pytest.raises(UsageError, match="only stores numbers: conversions to it are judged"):
        judged_format("fp4")
    with pytest.raises(UsageError, match=r"unknown format 'fp3'; expected one of float64.* float8_e5m2$"):
        judged_format("fp3")
    assert judged_format("fp32") is FLOAT32


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("fp4", "float4_e2m1fn"), ("E2M1", "float4_e2m1fn"), ("fp6-e3m2", "float6_e3m2fn"), ("e2m3", "float6_e2m3fn"),
        ("e8m0", "float8_e8m0fnu"), ("UE8M0", "float8_e8m0fnu"), ("e4m3fnuz", "float8_e4m3fnuz"),
        ("FP8 E5M2 FNUZ", "float8_e5m2fnuz"),
    ],
)  # fmt: skip
def test_formats_are_known_by_what_others_call_them(spelled: str, name: str) -> None:
    assert get_format(spelled).name == name
