"""One-sided limits where a piece has no Taylor series, by hand; and nothing where the first term is not known."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from gradproof.errors import OracleDisagreement
from gradproof.formats import BFLOAT16, FLOAT32, FLOAT64, Format
from gradproof.functions import Function, piecewise
from gradproof.functions.function import Side
from gradproof.oracle import Oracle, certify, germs

Definition = Callable[[Any, Any], Any]
INF = math.inf
each_format = pytest.mark.parametrize("fmt", [FLOAT64, FLOAT32, BFLOAT16], ids=lambda fmt: fmt.name)

# f, f', f'' from that side. (sqrt x)' = 1/(2 sqrt x), '' = -1/4 x^(-3/2); (x log x)' = log x + 1, '' = 1/x;
# (x^x)' = x^x (log x + 1), '' = x^x ((log x + 1)^2 + 1/x).
LIMITS: list[tuple[Definition, int, Side, list[Fraction | int | float | None]]] = [
    (lambda m, x: m.sqrt(x), 0, "right", [0, INF, -INF]),
    (lambda m, x: -m.sqrt(-x), 0, "left", [0, INF, INF]),
    (lambda m, x: m.sqrt(x - 4), 4, "right", [0, INF, -INF]),
    (lambda m, x: -x * m.log(x), 0, "right", [0, INF, -INF]),
    (lambda m, x: x * x * m.log(x), 0, "right", [0, 0, -INF]),
    (lambda m, x: x * x * x * m.log(x), 0, "right", [0, 0, 0]),
    (lambda m, x: m.power(x, 1.5), 0, "right", [0, 0, INF]),
    (lambda m, x: m.power(x, m.real("1/3")), 0, "right", [0, INF, -INF]),
    (lambda m, x: m.cbrt(x), 0, "right", [0, INF, -INF]),
    (lambda m, x: m.cbrt(x), 0, "left", [0, INF, INF]),
    (lambda m, x: m.log(-x), 0, "left", [-INF, -INF, -INF]),
    (lambda m, x: m.log1p(-x), 1, "left", [-INF, -INF, -INF]),
    (lambda m, x: m.log(x * x), 0, "left", [-INF, -INF, -INF]),
    (lambda m, x: m.log(x * x), 0, "right", [-INF, INF, -INF]),
    (lambda m, x: m.log2(x), 0, "right", [-INF, INF, -INF]),
    (lambda m, x: m.exp(x * m.log(x)), 0, "right", [1, -INF, INF]),
    (lambda m, x: m.exp(m.log(x) / 2), 0, "right", [0, INF, -INF]),
    (lambda m, x: m.sqrt(x * x), 0, "left", [0, -1, 0]),
    (lambda m, x: m.sqrt(x * x), 0, "right", [0, 1, 0]),
    (lambda m, x: m.sqrt(x) + m.exp(m.sqrt(x)), 0, "right", [1, INF, -INF]),
    (lambda m, x: m.tanh(m.sqrt(x)) / m.sqrt(x), 0, "right", [1, Fraction(-1, 3), Fraction(4, 15)]),
    (lambda m, x: m.acosh(x), 1, "right", [0, INF, -INF]),
    (lambda m, x: m.atanh(x), 1, "left", [INF, INF, INF]),
    (lambda m, x: m.sqrt(m.pi * x), 0, "right", [0, INF, -INF]),
    (lambda m, x: -m.sqrt(m.pi) * m.sqrt(x), 0, "right", [0, -INF, INF]),
    (lambda m, x: 1 / x, 0, "right", [INF, -INF, INF]),
    (lambda m, x: 1 / x, 0, "left", [-INF, -INF, -INF]),
    (lambda m, x: x / m.tanh(x), 0, "right", [1, 0, Fraction(2, 3)]),
    (lambda m, x: 3 * x + 1, 2, "right", [7, 3, 0]),
    (lambda m, x: x**10, 0, "right", [0, 0, 0]),
    (lambda m, x: m.real(5), 0, "right", [5, 0, 0]),
    # Not told: no rational limit, no term of this kind, a first coefficient that may be 0, a root of a negative number.
    (lambda m, x: m.sqrt(1 - m.cos(x)) / x, 0, "right", [None, 0, None]),
    (lambda m, x: m.exp(1 / x), 0, "right", [None, None, None]),
    (lambda m, x: m.exp(-1 / x), 0, "right", [None, None, None]),
    (lambda m, x: m.sin(1 / x), 0, "right", [None, None, None]),
    (lambda m, x: 1 / m.log(x), 0, "right", [None, None, None]),
    (lambda m, x: m.power(x, m.pi), 0, "right", [None, None, None]),
    (lambda m, x: (m.sqrt(2) * m.sqrt(2) - 2) / x, 0, "right", [None, None, None]),
    (lambda m, x: m.sqrt(x), 0, "left", [None, None, None]),
    (lambda m, x: m.lambertw(x), 0, "right", [None, None, None]),
]


@pytest.mark.parametrize(("definition", "point", "side", "due"), LIMITS)
def test_limits_from_one_side(definition: Definition, point: int, side: Side, due: list[Any]) -> None:
    assert germs.limits(Function("own", (definition,)), 0, Fraction(point), side) == due


def test_parameters_are_exact_numbers() -> None:
    f = Function("own", (lambda m, x, a, b: m.power(x, a) * b,), params={"a": "3/2", "b": -2})
    assert germs.limits(f, 0, Fraction(0), "right") == [0, 0, -INF]


def own(*parts: Any, **more: Any) -> Oracle:
    pieces, points = piecewise(*parts)
    return Oracle(Function("own", pieces, breakpoints=points, **more))


@each_format
def test_a_derivative_that_is_infinite_on_both_sides_is_infinite(fmt: Format) -> None:
    oracle = own(lambda m, x: -m.sqrt(-x), 0, lambda m, x: m.sqrt(x))
    value, slope, bend = (oracle.certified(0, fmt, k) for k in range(3))
    assert (value.kind, value.bits) == ("finite", 0)
    assert (slope.kind, slope.bits, slope.infinity) == ("infinite", fmt.infinity_bits, INF)
    assert (bend.kind, bend.lower, bend.upper) == ("undefined", None, None)  # +inf on the left, -inf on the right
    assert not oracle.jumps(Fraction(0), 1)
    assert oracle.jump(Fraction(0), 1) is None


# The pieces, the Clarke interval of f' at 0 with None for an open end.
OPEN: list[tuple[list[Any], int | None, int | None]] = [
    ([lambda m, x: 0 * x, 0, lambda m, x: m.sqrt(x)], 0, None),
    ([lambda m, x: x, 0, lambda m, x: m.sqrt(x)], 1, None),
    ([lambda m, x: 0 * x, 0, lambda m, x: -x * m.log(x)], 0, None),
    ([lambda m, x: m.sqrt(-x), 0, lambda m, x: 3 * x], None, 3),
    ([lambda m, x: m.sqrt(-x), 0, lambda m, x: m.sqrt(x)], None, None),
]


@each_format
@pytest.mark.parametrize(("parts", "low", "high"), OPEN)
def test_the_clarke_interval_is_open_where_a_side_is_infinite(
    fmt: Format, parts: list[Any], low: int | None, high: int | None
) -> None:
    oracle = own(*parts)
    for bits in (0, fmt.sign_bit):
        value, slope = oracle.certified(bits, fmt, 0), oracle.certified(bits, fmt, 1)
        assert (value.kind, value.bits) == ("finite", 0)
        assert (slope.kind, slope.bits) == ("undefined", fmt.nan_bits)
        assert [None if end is None else end.fraction() for end in (slope.lower, slope.upper)] == [low, high]
    assert oracle.jumps(Fraction(0), 1)
    assert oracle.jump(Fraction(0), 1) is None
    assert oracle.jump(Fraction(0), 0) == 0


def test_the_piece_that_owns_the_point_gives_the_value_by_continuity() -> None:
    for closed in ("left", "right"):
        oracle = own(lambda m, x: 1 + 0 * x, 0, lambda m, x: -x * m.log(x), closed=closed)
        assert oracle.certified(0, FLOAT32, 0).midpoint.fraction() == (1 if closed == "left" else 0)
        assert oracle.jump(Fraction(0), 0) == -1


@pytest.mark.parametrize(("lie", "said"), [(-INF, "tends to -inf from the left"), (Fraction(1), "tends to 1.0")])
def test_a_wrong_limit_is_noticed_by_mpmath(lie: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(germs, "limits", lambda *_: [Fraction(0), lie, None])
    oracle = own(lambda m, x: -m.sqrt(-x), 0, lambda m, x: m.sqrt(x))
    with pytest.raises(OracleDisagreement, match=said):
        oracle.certified(0, FLOAT32, 1)


def test_a_limit_that_mpmath_cannot_see_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(*_: Any) -> Any:
        raise ArithmeticError

    monkeypatch.setattr(certify.mpmath_route, "derivatives", blind)
    oracle = own(lambda m, x: -m.sqrt(-x), 0, lambda m, x: m.sqrt(x))
    assert oracle.certified(0, FLOAT32, 1).kind == "undecided"


def test_without_arb_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(germs.arb_route, "AVAILABLE", False)
    assert germs.limits(Function("own", (lambda m, x: m.sqrt(x),)), 0, Fraction(0), "right") == [None] * 3
