"""The inputs of a conversion hold every place where a rounding is decided."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from gradproof.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, Format
from gradproof.formats import arrays as fa
from gradproof.strategies import conversion_bits

NARROW = [
    (FLOAT64, FLOAT16), (FLOAT32, FLOAT16), (FLOAT64, BFLOAT16), (FLOAT32, BFLOAT16),
    (FLOAT64, FLOAT8_E4M3FN), (FLOAT32, FLOAT8_E5M2),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target"), NARROW, ids=lambda f: f.name)
def test_every_midpoint_is_there_with_its_neighbours_of_both_signs(source: Format, target: Format) -> None:
    there = set(conversion_bits(source, target, 256, 0).tolist())
    numbers = list(map(target.value, range(target.max_bits + 1)))
    middles = [(a + b) / 2 for a, b in pairwise(numbers)] + [target.overflow_threshold]
    for middle in middles:
        bits = source.round(middle)
        assert source.value(bits) == middle
        for near in (bits - 1, bits, bits + 1):
            assert near in there
            assert near | source.sign_bit in there
    for number in numbers[1:]:
        assert source.round(number) in there


@pytest.mark.parametrize("offset", [Fraction(1, 2**26), Fraction(-1, 2**26), Fraction(1, 2**30), Fraction(-1, 2**30)])
def test_the_traps_of_a_second_rounding_are_there(offset: Fraction) -> None:
    there = set(conversion_bits(FLOAT64, BFLOAT16, 256, 0).tolist())
    for bits in range(BFLOAT16.min_normal_bits, BFLOAT16.max_bits, 997):
        middle = (BFLOAT16.value(bits) + BFLOAT16.value(bits + 1)) / 2
        assert FLOAT64.round(middle * (1 + offset)) in there


def test_a_wide_target_is_sampled_with_its_edges() -> None:
    bits = conversion_bits(FLOAT64, FLOAT32, 1024, 0)
    x = fa.values(bits, FLOAT64)
    assert 10_000 < bits.size < 200_000
    half = 2.0**-150
    for place in (half, 3 * half, 2.0**-126 - half, float(FLOAT32.max_value), float(FLOAT32.overflow_threshold)):
        for near in (np.nextafter(place, 0), place, np.nextafter(place, np.inf)):
            assert near in x
            assert -near in x


@pytest.mark.parametrize(("source", "target"), [(FLOAT64, FLOAT16), (FLOAT32, FLOAT8_E4M3FN), (FLOAT16, FLOAT8_E5M2)])
def test_specials_are_there_and_nothing_twice(source: Format, target: Format) -> None:
    bits = conversion_bits(source, target, 256, 0)
    assert np.unique(bits).size == bits.size
    assert bits.dtype == fa.storage(source)
    there = set(bits.tolist())
    special = (0, 1, source.min_normal_bits, source.max_bits, source.infinity_bits, source.infinity_bits + 1)
    for pattern in (*special, source.nan_bits, source.sign_bit - 1):
        assert {pattern, pattern | source.sign_bit} <= there


def test_a_16_bit_source_is_exhausted() -> None:
    assert conversion_bits(BFLOAT16, FLOAT8_E4M3FN, 64, 0).tolist() == list(range(65536))
