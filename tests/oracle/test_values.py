"""Values with exponents beyond float64: their rounding, and what a reference keeps of them, against fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
import pytest

from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.oracle import Reference
from gradproof.oracle.reference import BY_FILTER
from gradproof.oracle.values import Values, below

each_format = pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda fmt: fmt.name)

NEAR_TIE: Final = Fraction(1, 2**40)
"""Narrow formats round the centre by way of float64, whose own rounding may reach or cross a tie."""


def centre(v: Values, i: int) -> Fraction:
    return (Fraction(float(v.hi[i])) + Fraction(float(v.lo[i]))) * Fraction(2) ** int(v.exponent[i])


def radius(v: Values, i: int) -> Fraction:
    return Fraction(float(v.rad[i])) * Fraction(2) ** int(v.exponent[i])


def from_tie(value: Fraction, fmt: Format) -> Fraction:
    """Distance to the nearest midpoint of two numbers, in quanta."""
    part = abs(value) / Fraction(2) ** fmt.quantum_exponent(value) % 1
    return abs(part - Fraction(1, 2))


def sample(fmt: Format, n: int = 400, seed: int = 0) -> Values:
    """Over the whole format and somewhat beyond, mantissa and exponent split at random, subnormals aplenty."""
    rng = np.random.default_rng(seed)
    hi = rng.normal(0, 1, n) * 2.0 ** rng.integers(-30, 30, n)
    lo = rng.uniform(-0.25, 0.25, n) * np.spacing(np.abs(hi)) * rng.integers(0, 2, n)
    least = fmt.e_min - fmt.precision
    exponent = np.concatenate(
        [rng.integers(least - 3, fmt.e_max + 3, n // 2), rng.integers(least - 3, fmt.e_min + 3, n - n // 2)]
    )
    rad = np.abs(hi) * 2.0 ** -rng.uniform(20, 120, n)
    return Values(hi, lo, rad, exponent.astype(np.int64) - (np.frexp(hi)[1] - 1))


def hard(fmt: Format, seed: int = 1) -> Values:
    """Ties and their neighbours, numbers of the format, and the threshold of overflow; both signs."""
    rng = np.random.default_rng(seed)
    patterns = [
        rng.integers(0, fmt.max_bits, 60), rng.integers(0, fmt.min_normal_bits, 60),
        rng.integers(fmt.min_normal_bits // 2, fmt.min_normal_bits, 60), np.arange(4), fmt.max_bits - np.arange(3),
    ]  # fmt: skip
    rows = []
    for b in np.unique(np.concatenate(patterns)).tolist():
        number = fmt.value(b)
        unit = Fraction(2) ** fmt.quantum_exponent(number)
        for value in (number, number + unit / 2):
            exponent = fmt.quantum_exponent(number) - 60 * (b % 2)
            for hair in (0, 1, -1):
                scaled = (value + hair * unit / 2**60) / Fraction(2) ** exponent
                hi = float(scaled)
                rows += [(sign * hi, sign * float(scaled - Fraction(hi)), exponent) for sign in (1, -1) if hi]
    hi_, lo_, exponents = (np.array(column) for column in zip(*rows, strict=True))
    return Values(hi_, lo_, np.zeros(hi_.size), exponents.astype(np.int64))


def same(bits: int, other: int, fmt: Format) -> bool:
    """Whether two patterns are equal; all NaNs are, and both zeros."""
    return fmt.same_number(bits, other) or (fmt.is_nan(bits) and fmt.is_nan(other))


@each_format
def test_the_centre_is_rounded_like_the_fraction_it_is(fmt: Format) -> None:
    for v in (sample(fmt), hard(fmt)):
        got, compared = v.rounded(fmt, 0).tolist(), 0
        for i in range(v.hi.size):
            value = centre(v, i)
            if 0 < from_tie(value, fmt) < NEAR_TIE:
                continue  # within a hair of a tie either side may come out
            compared += 1
            assert same(got[i], fmt.round(value), fmt), (v.hi[i], v.lo[i], v.exponent[i])
        assert compared > 0.6 * v.hi.size


@each_format
def test_exact_ties_go_to_even_and_exact_numbers_stay(fmt: Format) -> None:
    v = hard(fmt)
    plain = [i for i in range(v.hi.size) if from_tie(centre(v, i), fmt) in (0, Fraction(1, 2))]
    assert len(plain) > 150
    got = v.rounded(fmt, 0).tolist()
    assert [i for i in plain if not same(got[i], fmt.round(centre(v, i)), fmt)] == []


@each_format
def test_the_ends_enclose_the_rounding_of_everything_in_the_ball(fmt: Format) -> None:
    for v in (sample(fmt, seed=3), hard(fmt, seed=4)):
        ordinals = [
            fa.ordinals(np.where(fa.is_nan(b, fmt), _last(b, fmt), b), fmt)
            for b in (v.rounded(fmt, -1), v.rounded(fmt, 1))
        ]
        for i in range(v.hi.size):
            for sign, end in ((-1, ordinals[0][i]), (1, ordinals[1][i])):
                exact = _ordinal(centre(v, i) + sign * radius(v, i), fmt)
                # Outward by no more than a neighbour: the ends are moved by what computing them costs.
                assert 0 <= sign * (end - exact) <= 1, (v.hi[i], v.lo[i], v.rad[i], v.exponent[i], sign)


def _last(bits: fa.Bits, fmt: Format) -> fa.Bits:
    """A format without infinity has a NaN past its end: its place on the line."""
    return (bits & fa.storage(fmt).type(fmt.sign_bit)) | fa.storage(fmt).type(fmt.overflow_bits)


def _ordinal(value: Fraction, fmt: Format) -> int:
    bits = fmt.round(value)
    magnitude = bits & ~fmt.sign_bit
    return -magnitude if bits & fmt.sign_bit else magnitude


@each_format
def test_a_ball_settles_its_rounding_only_away_from_a_tie(fmt: Format) -> None:
    quantum = fmt.e_min - fmt.precision + 1
    for sign in (1.0, -1.0):
        tie = Values(np.array([1.5 * sign]), np.array([0.0]), np.array([2.0**-60]), np.array([quantum]))
        clear = Values(np.array([1.25 * sign]), np.array([0.0]), np.array([2.0**-60]), np.array([quantum]))
        assert tie.rounded(fmt, -1) != tie.rounded(fmt, 1)
        assert clear.rounded(fmt, -1) == clear.rounded(fmt, 1)


def test_far_beyond_float64_values_are_zeros_and_infinities_of_their_sign() -> None:
    far = np.array([-(1 << 30), -5000, 5000, 8192])
    for sign in (1.0, -1.0):
        v = Values(np.full(4, 0.5 * sign), np.zeros(4), np.zeros(4), far)
        for fmt in (FLOAT16, FLOAT32, FLOAT64):
            top = fmt.sign_bit if sign < 0 else 0
            assert v.rounded(fmt, 0).tolist() == [top, top, top | fmt.infinity_bits, top | fmt.infinity_bits]


@each_format
def test_the_quantum_of_a_centre_is_its_definition(fmt: Format) -> None:
    v = sample(fmt, seed=5)
    assert v.quantum_exponents(fmt).tolist() == [
        fmt.quantum_exponent(Fraction(float(h)) * Fraction(2) ** int(e)) for h, e in zip(v.hi, v.exponent, strict=True)
    ]
    zero = Values.plain(np.zeros(1), np.zeros(1), np.zeros(1))
    assert zero.quantum_exponents(fmt).tolist() == [fmt.e_min - fmt.precision + 1]


def test_sound_values_are_numbers_in_all_their_parts() -> None:
    parts = np.array([[1, 0, 0], [np.nan, 0, 0], [np.inf, 0, 0], [1, np.nan, 0], [1, 0, np.nan], [1, 0, np.inf]], float)
    assert Values.plain(*parts.T).sound.tolist() == [True] + [False] * 5


def test_below_compares_across_all_exponents() -> None:
    rad = np.array([1.0, 1.0, 1.5, 0.0, 1.0, 1.0])
    exponent, limit = np.array([-3, -3, -3, 9000, 6000, -6000]), np.array([-3, -4, -3, -9000, -6000, 6000])
    assert below(rad, exponent, limit).tolist() == [True, False, False, True, False, True]


# -- what a reference keeps ---------------------------------------------------------------------------------


def stored(v: Values) -> Reference:
    reference = Reference.empty(v.hi.size, np.dtype(np.uint64))
    reference.set_values(np.arange(v.hi.size), v, BY_FILTER)
    return reference


def value_of(r: Reference, i: int) -> Fraction:
    return (Fraction(float(r.high[i])) + Fraction(float(r.low[i]))) * Fraction(2) ** int(r.exponent[i])


@pytest.mark.parametrize("fmt", [FLOAT64, BFLOAT16], ids=lambda fmt: fmt.name)
def test_a_reference_keeps_the_value_and_its_quantum(fmt: Format) -> None:
    v = sample(FLOAT64, seed=6)
    v.rad[:] = 0
    r = stored(v)
    assert ((np.abs(r.high) >= 0.5) & (np.abs(r.high) < 1)).all()
    assert (np.abs(r.low) <= 2.0**-53).all()
    for i in range(v.hi.size):
        assert value_of(r, i) == centre(v, i)
        assert r.quantum_exponents(fmt)[i] == fmt.quantum_exponent(centre(v, i))


@pytest.mark.parametrize("exponent", [-900, 0, 700])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_ball_that_holds_a_power_of_two_is_stored_as_that_power(side: float, sign: float, exponent: int) -> None:
    near = np.array([1.0, 1 + side * 2.0**-52, 1.0, 1.0])
    lo = np.array([0.0, 0.0, side * 2.0**-60, side * 2.0**-54])
    v = Values(sign * near, sign * lo, np.array([2.0**-90, 2.0**-50, 2.0**-60, 2.0**-53]), np.full(4, exponent))
    r = stored(v)
    assert [value_of(r, i) for i in range(4)] == [Fraction(int(sign)) * Fraction(2) ** exponent] * 4
    assert r.quantum_exponents(FLOAT64).tolist() == [max(exponent, -1022) - 52] * 4


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_ball_beside_a_power_of_two_keeps_its_own_side(sign: float) -> None:
    # 1 - 2^-60 lies below 1: its quantum is the smaller one, although its nearest float64 is 1.
    lo = np.array([-(2.0**-60), 2.0**-60, -(2.0**-54), 0.0])
    v = Values.plain(np.full(4, sign), sign * lo, np.array([2.0**-90, 2.0**-90, 0.0, 0.0]))
    r = stored(v)
    assert [value_of(r, i) for i in range(4)] == [centre(v, i) for i in range(4)]
    assert r.quantum_exponents(FLOAT64).tolist() == [FLOAT64.quantum_exponent(centre(v, i)) for i in range(4)]
    assert ((np.abs(r.high) >= 0.5) & (np.abs(r.high) < 1)).all()


def test_exact_zeros_and_clamped_exponents() -> None:
    v = Values(np.array([0.0, -0.0, 0.75, -0.75]), np.zeros(4), np.zeros(4), np.array([5, -9000, -90000, 90000]))
    r = stored(v)
    assert r.high.tolist() == [0, 0, 0.75, -0.75]
    assert r.exponent.tolist() == [0, 0, -8192, 8192]


def test_put_and_index_move_all_four_parts() -> None:
    v, w = sample(FLOAT64, 10, seed=7), sample(FLOAT64, 3, seed=8)
    at = np.array([1, 5, 6])
    v.put(at, w)
    assert [a.tolist() for a in vars(v[at]).values()] == [a.tolist() for a in vars(w).values()]
