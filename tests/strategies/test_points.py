"""Where the search looks: batches, landmarks and the even spread over all ordinals."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from gradproof.formats import BFLOAT16, DEFAULT_FORMATS, FLOAT16, FLOAT32, FLOAT64, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.functions import CATALOGUE, function, get_function, piecewise
from gradproof.functions.registry import forget
from gradproof.strategies import batches, landmark_bits, landmark_ordinals, stratified

each_format = pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda fmt: fmt.name)


@each_format
@given(data=st.data())
def test_a_batch_has_its_size_and_kind_and_holds_no_nan(data: st.DataObject, fmt: Format) -> None:
    size = data.draw(st.sampled_from([1, 2, 33, 256]))
    f = data.draw(st.sampled_from(CATALOGUE))
    batch = data.draw(batches(f, fmt, size))
    assert batch.shape == (size,)
    assert batch.dtype == fa.storage(fmt)
    assert not fa.is_nan(batch, fmt).any()


@pytest.mark.parametrize("fmt", [FORMATS[name] for name in DEFAULT_FORMATS], ids=lambda fmt: fmt.name)
def test_a_batch_spreads_instead_of_repeating_one_input(fmt: Format) -> None:
    f = get_function("gelu")
    spans = []

    @given(batches(f, fmt, 64))
    def look(batch: fa.Bits) -> None:
        spans.append(np.unique(fa.ordinals(batch, fmt)).size)

    look()
    assert min(spans) >= 32


def test_hypothesis_reaches_infinities_both_signs_and_the_neighbourhood_of_kinks() -> None:
    fmt = FLOAT32
    f = get_function("relu6")
    six = fmt.round(Fraction(6))
    wanted = [
        lambda b: (fa.values(b, fmt) == np.inf).any(),
        lambda b: (fa.values(b, fmt) == -np.inf).any(),
        lambda b: (fa.values(b, fmt) < 0).all() and fa.is_finite(b, fmt).all(),
        lambda b: ((b > six) & (b < six + 64)).any() and ((b < six) & (b > six - 64)).any(),
        lambda b: (b == 1).any(),
    ]
    for condition in wanted:
        assert condition(find(batches(f, fmt, 64), condition))


@each_format
def test_landmarks_hold_the_kinks_and_the_edges_of_the_format(fmt: Format) -> None:
    for f in CATALOGUE:
        ordinals = landmark_ordinals(f, fmt)
        assert ordinals == sorted(set(ordinals))
        for kink in f.kinks:
            assert fmt.ordinal(fmt.round(kink)) in ordinals
        for edge in (0, 1, fmt.min_normal_bits, fmt.max_bits, fmt.last_bits):
            assert {edge, -edge} <= set(ordinals)
        for threshold in (1, 20):
            assert fmt.ordinal(fmt.round(Fraction(threshold))) in ordinals


@pytest.mark.parametrize("fmt", [FLOAT64, FLOAT32, BFLOAT16], ids=lambda fmt: fmt.name)
def test_landmarks_lie_where_the_exponential_meets_the_formats_ends(fmt: Format) -> None:
    f = get_function("sigmoid")
    points = [float(fmt.value(fmt.from_ordinal(o))) for o in landmark_ordinals(f, fmt)
              if abs(o) < fmt.last_bits]  # fmt: skip
    top, least = math.log(float(fmt.max_value)), -math.log(float(fmt.min_normal))
    half_ulp = fmt.precision * math.log(2)
    for wanted in (top, least, half_ulp):
        for sign in (1, -1):
            assert min(abs(p - sign * wanted) for p in points) < 0.01 * wanted


def test_landmarks_follow_the_parameters_and_kinks_between_floats() -> None:
    clamp = get_function("hardtanh", {"min": "-0.3", "max": 5})
    assert FLOAT32.ordinal(FLOAT32.round(Fraction(5))) in landmark_ordinals(clamp, FLOAT32)
    f = function("third", piecewise(lambda m, x: x, "1/3", lambda m, x: 2 * x))
    forget(["third"])
    near = landmark_bits(f, FLOAT32, 1)
    values = fa.values(near, FLOAT32)
    assert (values[values < 1 / 3].max(), values[values > 1 / 3].min()) == (
        np.nextafter(np.float32(1 / 3), np.float32(0)),
        np.float32(1 / 3),
    )


@each_format
def test_landmark_bits_hold_both_zeros_and_their_neighbours_and_no_nan(fmt: Format) -> None:
    bits = landmark_bits(get_function("relu"), fmt, radius=3)
    patterns = set(bits.tolist())
    assert {0, fmt.sign_bit, 1, 2, 3, fmt.sign_bit | 1, fmt.sign_bit | 3} <= patterns
    assert {fmt.last_bits, fmt.last_bits - 3, fmt.last_bits | fmt.sign_bit} <= patterns
    assert not fa.is_nan(bits, fmt).any()
    assert bits.dtype == fa.storage(fmt)
    assert len(patterns) == bits.size


@pytest.mark.parametrize("fmt", [FLOAT64, FLOAT32], ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("count", [2, 64, 4096])
def test_the_even_spread_takes_one_input_of_every_stratum_of_both_signs(fmt: Format, count: int) -> None:
    bits = stratified(fmt, count, seed=5)
    assert bits.shape == (count,)
    assert fa.is_finite(bits, fmt).all()
    ordinals = [int(o) for o in fa.ordinals(bits, fmt)]
    assert ordinals == sorted(ordinals)
    half, width = count // 2, fmt.last_bits * 2 / count
    assert [o >= 0 for o in ordinals] == [False] * half + [True] * half or ordinals[half - 1] == 0
    for sign, part in ((1, ordinals[half:]), (-1, ordinals[:half])):
        strata = Counter(int(sign * o / width) for o in part)
        assert set(strata.values()) == {1}


def test_the_even_spread_depends_on_the_seed_and_on_nothing_else() -> None:
    first, again, other = (stratified(FLOAT32, 256, seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_a_sixteen_bit_format_is_spread_over_every_pattern() -> None:
    for fmt in (FLOAT16, BFLOAT16):
        assert stratified(fmt, 16, seed=0).tolist() == list(range(65536))
