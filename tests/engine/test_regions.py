"""Regions on constructed sets of failing inputs: what is reported has failed, and all of it is found."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradproof.engine.findings.regions import MAX_INTERVALS, Fails, Span, simplest, spans, widen
from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa
from tests.properties.subjects import bits_of

FLOAT32 = FORMATS["float32"]


def failing_between(low: int, high: int, fmt: Format) -> Fails:
    """Exactly the ordinals of [low, high] fail."""

    def fails(bits: fa.Bits) -> np.ndarray:
        ordinals = fa.ordinals(bits, fmt)
        return (ordinals >= low) & (ordinals <= high)

    return fails


def test_runs_of_failing_inputs_end_at_the_passing_ones() -> None:
    tried = np.array([-9, -7, -5, 0, 1, 2, 3, 10, 20])
    assert spans(tried, np.array([2, -7, 1, -5, 20])) == [Span(-7, -5, 2, 2), Span(1, 2, 2, 2), Span(20, 20, 1, 1)]


def test_a_failing_input_that_was_not_among_the_tried_counts_as_tried() -> None:
    assert spans(np.array([0, 10]), np.array([4, 5])) == [Span(4, 5, 2, 2)]


@given(
    st.lists(st.integers(-300, 300), min_size=1, max_size=120, unique=True),
    st.lists(st.integers(-300, 300), min_size=1, max_size=60, unique=True),
)
def test_every_failing_input_lies_in_one_span_and_every_count_is_right(tried: list[int], failing: list[int]) -> None:
    found = spans(np.array(tried), np.array(failing))
    everything = sorted({*tried, *failing})
    assert len(found) <= MAX_INTERVALS
    assert all(a.high < b.low for a, b in pairwise(found))
    assert {x for s in found for x in failing if s.low <= x <= s.high} == set(failing)
    for span in found:
        assert {span.low, span.high} <= set(failing)
        assert span.failing == sum(span.low <= x <= span.high for x in failing)
        assert span.tried == sum(span.low <= x <= span.high for x in everything)
    if len(found) < MAX_INTERVALS:  # nothing was merged
        assert all(span.tried == span.failing for span in found)


def test_beyond_the_most_intervals_the_nearest_are_merged() -> None:
    failing = np.array([0, 100, 110, 300, 400, 500, 600, 700, 800])
    tried = np.concatenate([failing, failing + 5])
    found = spans(tried, failing)
    assert len(found) == MAX_INTERVALS
    assert Span(100, 110, 3, 2) in found


@given(st.sampled_from(["float32", "float64", "bfloat16"]), st.data())
def test_a_sampled_span_widens_to_exactly_the_inputs_that_fail(name: str, data: st.DataObject) -> None:
    fmt = FORMATS[name]
    ordinal = st.integers(-fmt.infinity_bits, fmt.infinity_bits)
    low, high = sorted((data.draw(ordinal), data.draw(ordinal)))
    seen = data.draw(st.integers(low, high))
    outside = [o for o in data.draw(st.lists(ordinal, max_size=6)) if not low <= o <= high]
    tried = np.array([*outside, seen], np.int64)
    widened = widen(Span(seen, seen, 1, 1), tried, fmt, failing_between(low, high, fmt))
    assert (widened.low, widened.high) == (low, high)
    assert (widened.tried, widened.failing) == (1, 1)


def test_widening_stops_at_the_nearest_passing_input() -> None:
    # Two regions: what lies beyond a passing input is another one, whatever fails there.
    def fails(bits: fa.Bits) -> np.ndarray:
        ordinals = np.abs(fa.ordinals(bits, FLOAT32))
        return (ordinals > 1000) & (ordinals < 2000)

    assert widen(Span(1500, 1500, 1, 1), np.array([0, 1500, 5000]), FLOAT32, fails) == Span(1001, 1999, 1, 1)


SIMPLEST = [
    ("0.1", "0.9", "0.5"),
    ("3", "5", "4"),
    ("5", "7", "6"),
    ("-0.3", "-0.2", "-0.25"),
    ("-5", "1e30", "0"),
    ("1.0001", "1.0002", "1.0001220703125"),  # 1 + 2^-13
    ("65", "127.5", "96"),
]


@pytest.mark.parametrize(("low", "high", "due"), SIMPLEST)
def test_the_simplest_input_has_the_fewest_significand_bits(low: str, high: str, due: str) -> None:
    ends = [FLOAT32.ordinal(bits_of("float32", text)) for text in (low, high)]
    span = Span(ends[0], ends[1], 2, 2)
    assert simplest(span, FLOAT32, failing_between(*ends, FLOAT32)) == bits_of("float32", due)


def test_only_an_input_that_fails_is_called_the_simplest() -> None:
    ends = [FLOAT32.ordinal(bits_of("float32", x)) for x in (1, 6)]
    three = FLOAT32.ordinal(bits_of("float32", 3))
    found = simplest(Span(*ends, 2, 2), FLOAT32, failing_between(ends[0], three, FLOAT32))
    assert found == bits_of("float32", 2)  # 4 is as simple, and passes
    assert simplest(Span(*ends, 2, 2), FLOAT32, lambda bits: np.zeros(bits.size, bool)) is None


def test_a_span_that_ends_at_infinity_is_represented_by_it() -> None:
    span = Span(FLOAT32.ordinal(bits_of("float32", 1)), FLOAT32.infinity_bits, 2, 2)
    assert simplest(span, FLOAT32, lambda bits: np.ones(bits.size, bool)) == FLOAT32.infinity_bits
