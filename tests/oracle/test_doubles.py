"""Double-double balls: they hold what arb encloses, they are tight, and a lie in them is noticed."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradproof.functions import Function, function, get_function
from gradproof.functions.registry import forget
from gradproof.oracle import doubles, pairs
from gradproof.oracle.doubles import Doubles
from gradproof.oracle.pairs import Pair
from tests.oracle.containment import doubles_escape, in_pieces, tried
from tests.oracle.samples import VARIANTS

COUNT = 400
"""Points beside the landmarks and roots, which are some hundreds themselves."""


@pytest.mark.parametrize("f", VARIANTS, ids=lambda f: f.label)
def test_every_ball_holds_what_arb_encloses(f: Function) -> None:
    x = tried(f, COUNT, radius=0)
    seen = asked = 0
    for piece, inside in in_pieces(f, x):
        wrong, compared = doubles_escape(f, piece, inside)
        assert wrong == [], piece
        seen, asked = seen + min(compared), asked + inside.size
    assert seen > 0.7 * asked
    assert asked >= COUNT / 2


@pytest.mark.parametrize("f", VARIANTS, ids=lambda f: f.label)
def test_every_ball_of_a_derivative_by_x_over_step_holds_it(f: Function) -> None:
    # As the ladder asks: far from 0 in steps of the size of x. Steps of other sizes are as good.
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1, 60) * 2.0 ** rng.integers(-100, 900, 60)
    for piece, inside in in_pieces(f, x):
        natural = (np.frexp(inside)[1] - 1).tolist()
        for steps in (natural, [(7 * i) % 60 - 30 for i in range(inside.size)]):
            wrong, _ = doubles_escape(f, piece, inside, steps)
            assert wrong == [], piece


def test_a_step_keeps_a_derivative_that_would_underflow() -> None:
    softsign, x = get_function("softsign"), np.array([2.0**400])  # f'' = -2 (1 + x)^-3, some 2^-1199
    plain = doubles.derivatives(softsign, 1, x)[2]
    scaled = doubles.derivatives(softsign, 1, x, step=x)[2]
    assert plain.rad[0] > abs(plain.hi[0])
    exact = -2 * Fraction(2) ** 800 / (1 + Fraction(2) ** 400) ** 3
    found = Fraction(float(scaled.hi[0])) + Fraction(float(scaled.lo[0]))
    assert abs(found - exact) <= Fraction(float(scaled.rad[0])) < abs(exact) / 2**80


@pytest.mark.parametrize("name", ["gelu", "silu", "mish", "tanh", "exp", "softplus", "erf", "erfc", "sigmoid"])
def test_balls_are_narrow_enough_for_float64(name: str) -> None:
    x = np.random.default_rng(8).normal(0, 3, 300)
    for ball in doubles.derivatives(get_function(name), 0, x):
        assert np.median(ball.rad / np.abs(ball.hi)) < 2.0**-80


def _everything(m: Any, x: Any) -> Any:
    first = m.log(x * x + m.real(Fraction(1, 3))) + m.sqrt(x * x + m.real("0.1")) / m.pi
    return first + m.log1p(x * x) - m.expm1(x) / (1 + m.exp(x) * m.exp(x)) + m.erfc(x) * m.tanh(3 - x)


def _waves(m: Any, x: Any) -> Any:
    return m.sin(x) * m.cos(x / 3) + m.atan(x)


def _coarse(m: Any, x: Any) -> Any:
    # Wide balls meet every elementary function: sin is known to 48 bits only.
    wide = m.sin(x)
    inner = m.exp(wide) + m.expm1(wide) + m.log(2 + wide) + m.log1p(wide * 0.5) + m.sqrt(1.5 + wide) + m.tanh(9 * wide)
    return inner + m.sigmoid(9 * wide) + m.softplus(9 * wide) + m.erf(wide * 3) * m.erfc(wide * 3)


@pytest.mark.parametrize("definition", [_everything, _waves, _coarse])
def test_a_definition_of_the_users_own_is_enclosed_as_well(definition: Any) -> None:
    f = function("ours", definition)
    forget(["ours"])
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 3, 150), rng.uniform(-20, 20, 50), 2.0 ** -rng.uniform(1, 400, 30)])
    wrong, compared = doubles_escape(f, 0, x)
    assert wrong == []
    assert compared == [x.size] * 4


@pytest.mark.parametrize(
    "name",
    [
        "exp", "expm1", "tanh", "sech2", "sigmoid", "softplus", "erf", "erfc", "log", "log1p", "sqrt", "sin", "cos",
        "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "cbrt",
    ],
)  # fmt: skip
def test_a_wide_ball_is_carried_through_an_elementary_function(name: str) -> None:
    rng = np.random.default_rng(2)
    n = 400
    centre, radius = rng.normal(0, 1, n) * 10.0 ** rng.uniform(-3, 3, n), 10.0 ** rng.uniform(-20, 2, n)
    if name in ("log", "sqrt"):
        centre = np.abs(centre)
    if name == "acosh":
        centre = 1 + np.abs(centre)
    if name in ("asin", "acos", "atanh"):
        centre = np.clip(centre, -1, 1) * (1 - 2.0 ** -rng.uniform(1, 50, n))
    if name == "log1p":
        centre = np.concatenate([np.abs(centre[: n // 2]), 2.0 ** -rng.uniform(1, 60, n // 2) - 1])
    lo = rng.uniform(-0.5, 0.5, n) * np.spacing(np.abs(centre)) / 2
    scalars = doubles._SCALARS
    zero = np.zeros(n)
    with np.errstate(all="ignore"):
        wide = getattr(scalars, name)(Doubles(centre, lo, radius))
        for part in (-1.0, -0.5, 0.5, 1.0):
            moved = pairs.add((centre, lo), pairs.two_product(radius, np.full(n, part * (1 - 2.0**-30))))
            point = getattr(scalars, name)(Doubles(*moved, zero))
            apart = np.abs((point.hi - wide.hi) + (point.lo - wide.lo))
            # (a point outside the domain has no value, and the ball that reaches there an infinite radius)
            held = (apart <= (wide.rad + point.rad) * (1 + 2.0**-40)) | np.isnan(point.hi) | ~np.isfinite(point.rad)
            outside = np.isnan(point.hi) & np.isfinite(wide.rad) & np.isfinite(wide.hi)
        assert (held | ~np.isfinite(wide.rad)).all()
        assert not outside.any()
    assert np.isfinite(wide.rad).sum() > n / 4


def test_a_wide_ball_whose_centre_underflows_reaches_up_to_the_numbers() -> None:
    x = Doubles(np.array([-760.0, -1e4]), np.zeros(2), np.array([30.0, 500.0]))
    with np.errstate(all="ignore"):
        ball = doubles._SCALARS.exp(x)
    assert ball.hi[0] + ball.rad[0] >= math.exp(-730)
    assert (ball.hi - ball.rad <= 0).all()


def test_numbers_that_a_pair_does_not_hold_are_enclosed() -> None:
    for value in (Fraction(1, 3), Fraction(1, 10**320), Fraction(10) ** 300 / 7, Fraction(1, 10**400), 0.1, 7, 2**2000):
        ball = Doubles.of(value)
        if math.isfinite(ball.rad):
            assert abs(Fraction(ball.hi) + Fraction(ball.lo) - Fraction(value)) <= Fraction(ball.rad)
        else:
            assert Fraction(value) > 2**1023


@pytest.mark.parametrize("factor", [2**1100, -(2**2000), Fraction(1, 2**1100), Fraction(10) ** 400])
def test_constants_beyond_float64_decide_nothing_and_raise_nothing(factor: Any) -> None:
    f = function("vast", lambda m, x: x * factor)
    forget(["vast"])
    ball = doubles.derivatives(f, 0, np.array([1.5]))[0]
    centre, radius = Fraction(float(ball.hi[0])) + Fraction(float(ball.lo[0])), float(ball.rad[0])
    assert not math.isfinite(radius) or abs(centre - Fraction(factor) * 3 / 2) <= Fraction(radius)


def test_what_double_doubles_lack_decides_nothing() -> None:
    f = function("unknown", lambda m, x: m.gamma(x))
    forget(["unknown"])
    assert [ball.rad.tolist() for ball in doubles.derivatives(f, 0, np.array([1.0, 2.0]))] == [[math.inf] * 2] * 4


def all_escapes(name: str) -> list[Any]:
    f = get_function(name)
    return [w for piece, x in in_pieces(f, tried(f, COUNT, radius=0)) for w in doubles_escape(f, piece, x)[0]]


def test_a_table_entry_off_by_2_to_minus_80_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    hi, lo = (np.array(part) for part in pairs._powers())
    lo[[20, 100, 200]] += hi[[20, 100, 200]] * 2.0**-80
    monkeypatch.setattr(pairs, "_powers", lambda: (hi, lo))
    assert all_escapes("sigmoid")


@pytest.mark.parametrize("name", ["exp", "erfc", "tanh"])
def test_a_bound_of_the_elementary_functions_that_is_too_small_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubles, "ELEMENTARY", 2.0**-110)
    monkeypatch.setattr(doubles._DoubleScalars._ball, "__defaults__", (2.0**-110,))
    assert all_escapes(name)


def test_a_missing_cross_term_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def crossless(x: Pair, y: Pair) -> Pair:
        return pairs.fast_two_sum(*pairs.two_product(x[0], y[0]))

    monkeypatch.setattr(pairs, "multiply", crossless)
    assert all_escapes("gelu")


def test_a_radius_that_is_not_carried_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = doubles._DoubleScalars.exp
    monkeypatch.setattr(
        doubles._DoubleScalars, "exp", lambda self, x: honest(self, Doubles(x.hi, x.lo, np.zeros_like(x.rad)))
    )
    f = function("rounded", lambda m, x: m.exp(m.sin(x)))  # sin is known to 48 bits
    forget(["rounded"])
    x = np.random.default_rng(1).normal(0, 3, 100)
    assert doubles_escape(f, 0, x)[0]
