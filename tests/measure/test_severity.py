"""Severities and probable causes of constructed failures."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from gradproof.functions import Function, get_function
from gradproof.measure import CONTRACTS, judge
from gradproof.measure.causes import probable_cause
from gradproof.measure.severity import classify
from gradproof.oracle import Oracle
from gradproof.results.model import SEVERITIES
from tests.measure.references import bits, reference


def severity(fmt: Format, got: Any, expected: Any, limits: tuple[float, ...] = ()) -> str:
    result, exact = bits(fmt, got), reference(fmt, [expected])
    judgement = judge(bits(fmt, 1), result, exact, fmt, 0, CONTRACTS["stable"], 1.0)
    assert judgement.failing[0]
    return SEVERITIES[int(classify(result, exact, judgement, fmt, limits)[0])]


@pytest.mark.parametrize(
    ("got", "expected", "limits", "name"),
    [
        ("nan", 1, (), "wrong-class"),
        ("inf", 1, (), "wrong-class"),
        ("-inf", "inf", (), "wrong-class"),
        (1, "nan", (), "wrong-class"),
        (-1, 1, (), "wrong-class"),
        (0, Fraction(1, 8), (), "lost-signal"),
        (1, Fraction(1, 2), (1.0,), "lost-signal"),
        (1, Fraction(1, 2), (), "large-error"),
        (2, 1, (), "large-error"),
        (1 + Fraction(8, 2**23), 1, (), "small-error"),
        (0, FLOAT32.min_normal / 2, (), "large-error"),
    ],
)
def test_severities_follow_from_what_came_and_what_was_due(
    got: Any, expected: Any, limits: tuple[float, ...], name: str
) -> None:
    assert severity(FLOAT32, got, expected, limits) == name


def cause(name: str, x: Any, got: Any, order: int = 0, fmt: Format = FLOAT32, u: float = 100.0, **params: Any) -> str:
    oracle = Oracle(get_function(name, params))
    at = int(bits(fmt, x)[0])
    return probable_cause(oracle, fmt, order, at, int(bits(fmt, got)[0]), oracle.certified(at, fmt, order), u)


def test_saturation_is_seen_without_declared_limits_and_a_root_too() -> None:
    oracle = Oracle(Function("own", (lambda m, x: m.tanh(x) * m.exp(-x * x),)))
    for x, expected in ((4, "early-saturation"), (Fraction(1, 2**20), "cancellation")):
        at = int(bits(FLOAT32, x)[0])
        assert probable_cause(oracle, FLOAT32, 0, at, 0, oracle.certified(at, FLOAT32, 0), 100.0) == expected


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (lambda: cause("silu", "-inf", "nan"), "intermediate-overflow"),  # -inf * 0
        (lambda: cause("gelu_tanh", 300, "nan", 1, FLOAT16), "intermediate-overflow"),
        (lambda: cause("relu", 1, "inf"), "intermediate-overflow"),
        (lambda: cause("relu", "nan", 0), "class-mismatch"),
        (lambda: cause("relu", "nan", "inf"), "class-mismatch"),
        (lambda: cause("relu", "inf", 1), "class-mismatch"),
        (lambda: cause("leaky_relu", -FLOAT32.min_normal, 0), "flush"),
        (lambda: cause("sigmoid", -88, 0), "flush"),  # e^-88 = 6e-39
        (lambda: cause("leaky_relu", -2, -2), "wrong-branch"),
        (lambda: cause("relu6", 8, 8), "wrong-branch"),
        (lambda: cause("sigmoid", 20, 0, 1), "early-saturation"),  # s (1 - s) with s = 1
        (lambda: cause("tanh", Fraction(-577, 64), 0, 1), "early-saturation"),
        (lambda: cause("gelu", -6, 0), "early-saturation"),
        (lambda: cause("tanh", 9, 1, fmt=BFLOAT16, u=1.0), "early-saturation"),
        (lambda: cause("tanhshrink", Fraction(1, 2**9), 0), "cancellation"),  # x - tanh(x) at its root
        (lambda: cause("silu", Fraction(-1, 2**20), 0), "cancellation"),  # 0 is the limit on the left, and f(0)
        (lambda: cause("gelu", Fraction(-12612969, 2**24), 0, 1), "cancellation"),  # the root of gelu' at -0.7518
        (lambda: cause("gelu", Fraction(-192, 2**8), 0, 1, BFLOAT16), "cancellation"),
        (lambda: cause("silu", Fraction(-10724538, 2**23), 0, 1), "cancellation"),  # the root of silu' at -1.2785
        (lambda: cause("gelu", Fraction(-181, 2**7), 0, 2, BFLOAT16), "cancellation"),  # that of gelu'' at -sqrt(2)
        (
            lambda: cause("silu", Fraction(10724538, 2**23), 1, 1, u=2.0),
            "rounding",
        ),  # silu' is 1, its limit, at 1.2785 too
        (lambda: cause("elu", -17, Fraction(1, 2**24), 1), "cancellation"),  # expm1(x) + 1
        (lambda: cause("gelu", Fraction(-11, 2), -Fraction(11, 2**26)), "cancellation"),
        (lambda: cause("leaky_relu", Fraction(-1, 2**7), Fraction(-1, 2**9), fmt=BFLOAT16), "wrong-value"),  # x / 4
        (lambda: cause("leaky_relu", -1, Fraction(1, 64), 1, fmt=BFLOAT16), "wrong-value"),  # a slope of 1/64
        (lambda: cause("hardsigmoid", 2, Fraction(3, 16), 1, fmt=FLOAT16), "wrong-value"),  # for 1/6
        (lambda: cause("hardsigmoid", Fraction(-11, 4), Fraction(43, 1024), fmt=FLOAT16), "cancellation"),  # x/6 + 1/2
        (lambda: cause("leaky_relu", Fraction(-1, 2**7), Fraction(-1, 2**14), u=3), "rounding"),
        (lambda: cause("tanh", Fraction(1, 2), Fraction(1, 4)), "rounding"),
        (lambda: cause("softplus", 3, 3 + Fraction(51, 2**10)), "rounding"),
        (lambda: cause("tanh", 1, Fraction(3, 4), fmt=FLOAT64), "rounding"),
    ],
)
def test_probable_causes_of_constructed_failures(case: Any, expected: str) -> None:
    assert case() == expected
