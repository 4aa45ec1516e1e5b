"""Kinks, infinities and NaN: what belongs to the oracle besides smooth values."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradproof.formats import DEFAULT_FORMATS, FLOAT32, FLOAT64, FORMATS, Format
from gradproof.functions import Function, function, get_function, piecewise
from gradproof.functions.registry import forget
from gradproof.oracle import Oracle
from gradproof.oracle.reference import FINITE, INFINITE, NAN, POLE, UNDECIDED, UNDEFINED

each_format = pytest.mark.parametrize("fmt", [FORMATS[name] for name in DEFAULT_FORMATS], ids=lambda fmt: fmt.name)

# Published values of the scaled exponential linear unit: its left slope at 0 is the product.
SELU_SCALE = Fraction("1.0507009873554804934193349852946")
SELU_LEFT = SELU_SCALE * Fraction("1.6732632423543772848170429916717")

INTERVALS: list[tuple[str, dict[str, Any], Fraction, int, tuple[Fraction | int, Fraction | int]]] = [
    ("relu", {}, Fraction(0), 1, (0, 1)),
    ("leaky_relu", {"negative_slope": "0.01"}, Fraction(0), 1, (Fraction(1, 100), 1)),
    ("leaky_relu", {"negative_slope": 3}, Fraction(0), 1, (1, 3)),
    ("prelu", {"weight": -2}, Fraction(0), 1, (-2, 1)),
    ("relu6", {}, Fraction(0), 1, (0, 1)),
    ("relu6", {}, Fraction(6), 1, (0, 1)),
    ("hardtanh", {}, Fraction(-1), 1, (0, 1)),
    ("hardtanh", {}, Fraction(1), 1, (0, 1)),
    ("elu", {"alpha": 2}, Fraction(0), 1, (1, 2)),
    ("elu", {}, Fraction(0), 2, (0, 1)),
    ("elu", {"alpha": "0.3"}, Fraction(0), 2, (0, Fraction(3, 10))),
    ("selu", {}, Fraction(0), 1, (SELU_SCALE, SELU_LEFT)),
    ("selu", {}, Fraction(0), 2, (0, SELU_LEFT)),
]


@pytest.mark.parametrize(("name", "params", "kink", "order", "interval"), INTERVALS)
@each_format
def test_the_derivative_at_a_kink_is_the_clarke_interval(
    name: str, params: dict[str, Any], kink: Fraction, order: int, interval: tuple[Fraction, Fraction], fmt: Format
) -> None:
    oracle = Oracle(get_function(name, params))
    for bits in {fmt.round(kink), fmt.round(kink) | (fmt.sign_bit if not kink else 0)}:
        answer = oracle.certified(bits, fmt, order)
        assert (answer.kind, answer.bits, answer.value) == ("undefined", fmt.nan_bits, None)
        assert answer.lower is not None
        assert answer.upper is not None
        # As wide as the interval, and no wider than what 256 bits add to an end that is no dyadic number.
        low, high = answer.lower.fraction(), answer.upper.fraction()
        assert interval[0] * (1 - Fraction(1, 2**250)) <= low <= interval[0] or low == interval[0]
        assert interval[1] <= high <= interval[1] * (1 + Fraction(1, 2**250))
        bulk = oracle.references(np.array([bits], np.uint64).astype(f"u{fmt.width // 8}"), fmt)
        assert bulk[order].kind.tolist() == [UNDEFINED]
        assert bulk[0].kind.tolist() == [FINITE]


@pytest.mark.parametrize(
    ("name", "params", "order", "value"),
    [
        ("elu", {}, 1, 1),
        ("leaky_relu", {"negative_slope": 1}, 1, 1),
        ("relu", {}, 2, 0),
        ("prelu", {"weight": 1}, 1, 1),
        ("elu", {"alpha": 0}, 2, 0),
        # Where breakpoints coincide, the piece of no length between them has no say: x, x and two constants.
        ("hardshrink", {"lambd": 0}, 1, 1),
        ("softshrink", {"lambd": 0}, 1, 1),
        ("hardtanh", {"min": 0, "max": 0}, 1, 0),
        ("clamp", {"min": 0, "max": 0}, 1, 0),
        ("hardshrink", {"lambd": 0}, 2, 0),
        ("hardtanh", {"min": 0, "max": 0}, 2, 0),
    ],
)
def test_where_both_sides_agree_there_is_a_derivative(
    name: str, params: dict[str, Any], order: int, value: int
) -> None:
    answer = Oracle(get_function(name, params)).certified(0, FLOAT32, order)
    assert (answer.kind, answer.how, answer.midpoint.fraction()) == ("finite", "exact", value)


def test_a_value_of_its_own_between_coinciding_breakpoints_leaves_no_derivative() -> None:
    parts = piecewise(lambda m, x: x, 0, lambda m, x: 5, 0, lambda m, x: x)
    isolated = function("isolated", parts, closed=("right", "left"))
    answers = Oracle(isolated).certified(0, FLOAT32, 0), Oracle(isolated).certified(0, FLOAT32, 1)
    assert [answer.kind for answer in answers] == ["finite", "undefined"]
    assert answers[0].midpoint.fraction() == 5


def test_the_slope_at_a_kink_is_the_larger_of_the_two_sides() -> None:
    zero, exponents = np.array([0], np.uint32), np.zeros(1, np.int64)
    assert Oracle(get_function("leaky_relu")).references(zero, FLOAT32)[0].moved(exponents).tolist() == [1]
    assert Oracle(get_function("prelu", {"weight": -4})).references(zero, FLOAT32)[0].moved(exponents).tolist() == [4]


def test_one_sided_derivatives_and_jumps() -> None:
    oracle = Oracle(get_function("relu6"))
    left, right = oracle.one_sided(Fraction(6), 1)
    assert (left.midpoint.fraction(), right.midpoint.fraction()) == (1, 0)
    assert oracle.jump(Fraction(6), 1) == -1
    assert oracle.jump(Fraction(0), 1) == 1
    assert oracle.jump(Fraction(0), 0) == 0
    assert Oracle(get_function("hardtanh", {"min": 2, "max": 2})).jump(Fraction(2), 1) == 0


def test_transcendental_sides_that_meet_cannot_be_told_apart_and_stay_undecided() -> None:
    # log x and x/e - ... meet with equal slopes at no rational point that an enclosure could settle.
    f = function("spliced", piecewise(lambda m, x: m.exp(x), 1, lambda m, x: m.exp(1) * x))
    forget(["spliced"])
    one = FLOAT32.round(Fraction(1))
    oracle = Oracle(f)
    assert oracle.certified(one, FLOAT32, 0).kind == "finite"
    assert oracle.certified(one, FLOAT32, 1).kind == "undecided"
    curved = oracle.certified(one, FLOAT32, 2)
    assert curved.kind == "undefined"
    assert curved.lower is not None
    assert float(curved.lower) == 0


@each_format
@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "hardtanh"])
def test_a_nan_gives_nan_and_its_derivatives_are_a_convention(name: str, fmt: Format) -> None:
    oracle = Oracle(get_function(name))
    for bits in (fmt.nan_bits, fmt.nan_bits | fmt.sign_bit, fmt.infinity_bits + 1):
        kinds = [oracle.certified(bits, fmt, k).kind for k in (0, 1, 2)]
        assert kinds == ["nan", "undefined", "undefined"]
        bulk = oracle.references(np.array([bits], np.uint64).astype(f"u{fmt.width // 8}"), fmt)
        assert [r.kind[0] for r in bulk] == [NAN, UNDEFINED, UNDEFINED]


@each_format
def test_the_infinities_give_the_limits_in_bulk(fmt: Format) -> None:
    both = np.array([fmt.infinity_bits | fmt.sign_bit, fmt.infinity_bits], np.uint64).astype(f"u{fmt.width // 8}")
    expected: list[tuple[Function, list[list[float]]]] = [
        (get_function("silu"), [[0, np.inf], [0, 1], [0, 0]]),
        (get_function("tanh"), [[-1, 1], [0, 0], [0, 0]]),
        (get_function("logsigmoid"), [[-np.inf, 0], [1, 0], [0, 0]]),
        (get_function("prelu", {"weight": -0.5}), [[np.inf, np.inf], [-0.5, 1], [0, 0]]),
    ]
    for f, rows in expected:
        for row, reference in zip(rows, Oracle(f).references(both, fmt), strict=True):
            assert reference.kind.tolist() == [INFINITE if np.isinf(v) else FINITE for v in row]
            assert [float(fmt.hexfloat(int(b))) if np.isinf(v) else float.fromhex(fmt.hexfloat(int(b)))
                    for b, v in zip(reference.rounded, row, strict=True)] == row  # fmt: skip


def test_a_limit_that_is_no_dyadic_number_is_enclosed_however_small() -> None:
    slope = Fraction(1, 10**100)
    answer = Oracle(get_function("leaky_relu", {"negative_slope": "1e-100"})).certified(
        FLOAT64.infinity_bits | FLOAT64.sign_bit, FLOAT64, 1
    )
    assert answer.lower is not None
    assert answer.upper is not None
    assert answer.lower.fraction() <= slope <= answer.upper.fraction()
    assert abs(answer.midpoint.fraction() / slope - 1) < Fraction(1, 2**200)


def test_undeclared_limits_are_undecided_in_bulk() -> None:
    f = function("open", lambda m, x: m.tanh(x))
    forget(["open"])
    bulk = Oracle(f).references(np.array([0x7F800000, 0xFF800000], np.uint32), FLOAT32)
    assert [r.kind.tolist() for r in bulk] == [[UNDECIDED] * 2] * 3


def test_the_zero_outside_a_domain_that_ends_at_a_pole_is_no_sign_to_go_by() -> None:
    # 1/x on (0, inf): IEEE 754 makes 1/-0 = -inf of the limit +inf. Of (-inf, 0) it is +0 that lies outside.
    limits = (("inf", "-inf", "inf"), (0, 0, 0))
    right = function("inverse", lambda m, x: 1 / x, domain=(0, "inf"), limits=limits)
    left = function("mirrored", lambda m, x: -1 / x, domain=("-inf", 0), limits=((0, 0, 0), ("inf", "inf", "inf")))
    root = function("root", lambda m, x: m.sqrt(x), domain=(0, "inf"), limits=((0, "inf", "-inf"), ("inf", 0, 0)))
    forget(["inverse", "mirrored", "root"])
    sign = FLOAT32.sign_bit
    for f, inside, outside in ((right, 0, sign), (left, sign, 0)):
        oracle = Oracle(f)
        both = np.array([inside, outside], np.uint32)
        for order in (0, 1, 2):
            assert [oracle.certified(b, FLOAT32, order).kind for b in (inside, outside)] == ["infinite", "pole"]
            assert oracle.references(both, FLOAT32)[order].kind.tolist() == [INFINITE, POLE]
    at_minus_zero = [Oracle(root).certified(sign, FLOAT32, order).kind for order in (0, 1, 2)]
    assert at_minus_zero == ["finite", "pole", "pole"]
    # Elsewhere an end of the domain has one sign.
    assert Oracle(get_function("log1p")).certified(FLOAT32.round(Fraction(-1)), FLOAT32, 1).kind == "infinite"
