"""Overflow in a format without infinity: a NaN and the greatest number are both right, anything else is measured."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gradproof.formats import FLOAT8_E4M3FN, FLOAT8_E5M2
from gradproof.measure import Judgement, get_contract, judge
from tests.measure.references import bits, reference

NAN = "nan"


def judged(got: Any, y: Any) -> Judgement:
    fmt = FLOAT8_E4M3FN
    return judge(bits(fmt, 1), bits(fmt, got), reference(fmt, [y]), fmt, 0, get_contract("stable"), 1.0)


@pytest.mark.parametrize(("y", "sign"), [(465, 1), (1000, 1), (10**40, 1), (-465, -1), (-(10**40), -1)])
def test_an_overflow_is_answered_by_a_nan_and_by_the_greatest_number_of_its_sign(y: int, sign: int) -> None:
    for got in (NAN, sign * 448):
        result = judged(got, y)
        assert (result.u[0], result.m[0], result.absolute[0]) == (0, 0, 0)
        assert not result.failing[0]


@pytest.mark.parametrize(("y", "got"), [(1000, 416), (10**40, 416), (10**40, -448), (1000, 0), (-1000, 448)])
def test_an_overflow_is_answered_by_nothing_else(y: int, got: int) -> None:
    assert judged(got, y).failing[0]
    assert judged(got, y).u[0] > 2


@pytest.mark.parametrize("y", [464, 450, 448, 1, 0, -464])
def test_a_nan_below_the_overflow_is_a_mismatch(y: int) -> None:
    result = judged(NAN, y)
    assert result.mismatch[0]
    assert math.isinf(result.u[0])


def test_the_tie_at_464_is_measured_as_any_number() -> None:
    assert judged(448, 464).u[0] == 0.5
    assert judged(416, 464).u[0] == 1.5


def test_an_infinite_limit_is_an_overflow() -> None:
    fmt = FLOAT8_E4M3FN
    due = reference(fmt, ["inf", "inf", "inf", "-inf"])
    got = bits(fmt, NAN, 448, -448, -448)
    result = judge(bits(fmt, 1, 1, 1, 1), got, due, fmt, 0, get_contract("stable"), 1.0)
    assert result.failing.tolist() == [False, False, True, False]


def test_a_format_with_infinity_does_not_saturate() -> None:
    fmt = FLOAT8_E5M2
    due = reference(fmt, [10**6, 10**6, 10**6])
    result = judge(bits(fmt, 1, 1, 1), bits(fmt, "inf", "nan", 57344), due, fmt, 0, get_contract("stable"), 1.0)
    assert result.failing.tolist() == [False, True, True]


def test_the_contracts_are_those_of_the_other_narrow_formats() -> None:
    for fmt in (FLOAT8_E4M3FN, FLOAT8_E5M2):
        assert [get_contract("stable").bound(order, fmt) for order in (0, 1, 2)] == [2, 4, 4]
