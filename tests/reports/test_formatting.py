"""Which failing intervals are told first."""

from __future__ import annotations

import random

import pytest

from gradproof.results.formatting import in_order
from gradproof.results.model import Interval, Number


def number(text: str) -> Number:
    return Number("0x0", text, text)


def interval(low: str, high: str, failing: int = 1) -> Interval:
    return Interval(number(low), number(high), failing, failing, False)


BULK, TAIL, FAR = interval("0.5", "2.0", 10), interval("-104.0", "-87.0", 5000), interval("1e+30", "1e+31", 90)
INFINITE, NAN = interval("inf", "inf"), interval("nan", "nan", 7)


@pytest.mark.parametrize(
    ("worst", "order"),
    [
        ("1.0", [BULK, TAIL, FAR, INFINITE, NAN]),
        ("-90.0", [TAIL, BULK, FAR, INFINITE, NAN]),
        ("inf", [INFINITE, BULK, TAIL, FAR, NAN]),
        ("nan", [NAN, BULK, TAIL, FAR, INFINITE]),
        ("7.0", [BULK, TAIL, FAR, INFINITE, NAN]),
        (None, [BULK, TAIL, FAR, INFINITE, NAN]),
    ],
)
def test_the_worst_input_then_ordinary_ones_then_the_most_then_nans(worst: str | None, order: list[Interval]) -> None:
    shuffled = random.Random(3).sample(order, len(order))
    assert in_order(shuffled, None if worst is None else number(worst)) == order


@pytest.mark.parametrize(
    ("low", "high", "ordinary"),
    [
        ("-1e-30", "1e-30", False),
        ("-1.0", "1e-30", True),
        ("32.0", "1e9", True),
        ("33.0", "1e9", False),
        ("-1e9", "-33.0", False),
        ("-1e9", "1e9", True),
        ("0.00390625", "0.00390625", True),
    ],
)
def test_ordinary_inputs_are_those_from_two_to_the_minus_8_to_32(low: str, high: str, ordinary: bool) -> None:
    """An ordinary interval comes before one with more failing inputs that is not."""
    this, tail = interval(low, high, 1), interval("-104.0", "-87.0", 2)
    assert (in_order([tail, this], None)[0] is this) == ordinary
