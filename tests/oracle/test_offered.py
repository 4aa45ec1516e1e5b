"""The functions that the math contexts offer beside those of the catalogue: closed forms, on every route and filter."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.errors import UsageError
from gradproof.formats import BFLOAT16, FLOAT32, FLOAT64
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Floats
from gradproof.functions import Function
from gradproof.oracle import Oracle, balls, intervals
from gradproof.oracle.balls import Balls
from gradproof.oracle.reference import FINITE, UNCERTIFIED
from gradproof.oracle.series import OFFERED
from tests.oracle.closed_forms import Due, check_formats, check_routes
from tests.oracle.containment import doubles_escape, escapes, tried

Definition = Callable[[Any, Any], Any]


def own(definition: Definition) -> Function:
    return Function("own", (definition,))


# asinh(3/4) = log(3/4 + 5/4), acosh(5/4) = log(5/4 + 3/4), atanh(1/2) = log(3)/2, asin(1/2) = pi/6; their derivatives
# are (1 + x^2)^(-1/2), (x^2 - 1)^(-1/2), 1/(1 - x^2), (1 - x^2)^(-1/2), those of cbrt x^(-2/3)/3 and -2/9 x^(-5/3).
VALUES: list[tuple[str, Definition, Fraction, list[Due]]] = [
    ("asinh", lambda m, x: m.asinh(x), Fraction(3, 4), [
        lambda mp: mp.log(2), Fraction(4, 5), Fraction(-48, 125),
    ]),
    ("asinh-", lambda m, x: m.asinh(x), Fraction(-3, 4), [
        lambda mp: -mp.log(2), Fraction(4, 5), Fraction(48, 125),
    ]),
    ("acosh", lambda m, x: m.acosh(x), Fraction(5, 4), [
        lambda mp: mp.log(2), Fraction(4, 3), Fraction(-80, 27),
    ]),
    ("atanh", lambda m, x: m.atanh(x), Fraction(1, 2), [
        lambda mp: mp.log(3) / 2, Fraction(4, 3), Fraction(16, 9),
    ]),
    ("asin", lambda m, x: m.asin(x), Fraction(1, 2), [
        lambda mp: mp.pi / 6, lambda mp: 2 / mp.sqrt(3), lambda mp: 4 / (3 * mp.sqrt(3)),
    ]),
    ("acos", lambda m, x: m.acos(x), Fraction(-1, 2), [
        lambda mp: 2 * mp.pi / 3, lambda mp: -2 / mp.sqrt(3), lambda mp: 4 / (3 * mp.sqrt(3)),
    ]),
    ("sinh", lambda m, x: m.sinh(x), Fraction(1), [
        lambda mp: (mp.e - 1 / mp.e) / 2, lambda mp: (mp.e + 1 / mp.e) / 2, lambda mp: (mp.e - 1 / mp.e) / 2,
    ]),
    ("cosh", lambda m, x: m.cosh(x), Fraction(-1), [
        lambda mp: (mp.e + 1 / mp.e) / 2, lambda mp: (1 / mp.e - mp.e) / 2, lambda mp: (mp.e + 1 / mp.e) / 2,
    ]),
    ("tan", lambda m, x: m.tan(x), Fraction(1), [
        lambda mp: mp.sin(1) / mp.cos(1), lambda mp: mp.cos(1) ** -2, lambda mp: 2 * mp.sin(1) / mp.cos(1) ** 3,
    ]),
    ("tan(pi x)", lambda m, x: m.tan(m.pi * x), Fraction(1, 4), [1, lambda mp: 2 * mp.pi, lambda mp: 4 * mp.pi**2]),
    ("cbrt", lambda m, x: m.cbrt(x), Fraction(8), [2, Fraction(1, 12), Fraction(-1, 144)]),
    ("cbrt-", lambda m, x: m.cbrt(x), Fraction(-27), [-3, Fraction(1, 27), Fraction(2, 2187)]),
    ("log2", lambda m, x: m.log2(x), Fraction(8), [
        3, lambda mp: 1 / (8 * mp.log(2)), lambda mp: -1 / (64 * mp.log(2)),
    ]),
    ("log10", lambda m, x: m.log10(x), Fraction(100), [
        2, lambda mp: 1 / (100 * mp.log(10)), lambda mp: -1 / (10000 * mp.log(10)),
    ]),
    ("power", lambda m, x: m.power(x, 1.5), Fraction(4), [8, 3, Fraction(3, 8)]),
    ("power-", lambda m, x: m.power(x, m.real("-1/3")), Fraction(8), [
        Fraction(1, 2), Fraction(-1, 48), Fraction(1, 288),
    ]),
    ("power of an integer", lambda m, x: m.power(x, -2), Fraction(-2), [
        Fraction(1, 4), Fraction(1, 4), Fraction(3, 8),
    ]),
    ("**", lambda m, x: x**-3, Fraction(-2), [Fraction(-1, 8), Fraction(-3, 16), Fraction(-3, 8)]),
    ("log(cosh)", lambda m, x: m.log(m.cosh(x)), Fraction(1), [
        lambda mp: mp.log((mp.e + 1 / mp.e) / 2), lambda mp: mp.tanh(1), lambda mp: 1 - mp.tanh(1) ** 2,
    ]),
]  # fmt: skip

each = pytest.mark.parametrize(("definition", "x", "due"), [v[1:] for v in VALUES], ids=[v[0] for v in VALUES])


@each
def test_both_routes_give_the_closed_form(definition: Definition, x: Fraction, due: list[Due]) -> None:
    check_routes(own(definition), x, due)


@each
def test_the_closed_form_is_certified_in_every_format(definition: Definition, x: Fraction, due: list[Due]) -> None:
    check_formats(own(definition), x, due)


# The reals on which each function of one argument is real and has its derivatives.
DOMAINS: dict[str, Callable[[Floats], Floats]] = {
    "sinh": lambda x: x, "cosh": lambda x: x, "tan": lambda x: x, "asinh": lambda x: x,
    "cbrt": lambda x: x[x != 0], "acosh": lambda x: 1 + np.abs(x[np.abs(x) > 2.0**-50]),
    "asin": lambda x: x[np.abs(x) < 1], "acos": lambda x: x[np.abs(x) < 1], "atanh": lambda x: x[np.abs(x) < 1],
    "log2": lambda x: x[x > 0], "log10": lambda x: x[x > 0],
}  # fmt: skip


def _inputs(name: str, count: int) -> Floats:
    x = tried(own(lambda m, x: x), count, radius=0)
    return np.unique(DOMAINS[name](x))


@pytest.mark.parametrize("name", DOMAINS)
def test_the_filters_hold_what_arb_encloses(name: str) -> None:
    f, x = own(lambda m, x: getattr(m, name)(x)), _inputs(name, 400)
    wrong, compared = escapes(f, 0, x)
    assert wrong == [[], [], [], []]
    assert min(compared) > x.size / 2
    few = x[:: max(1, x.size // 200)]
    wrong_pairs, compared = doubles_escape(f, 0, few)
    assert wrong_pairs == []
    assert min(compared) > few.size / 3


@pytest.mark.parametrize("name", DOMAINS)
def test_wide_balls_hold_every_value(name: str) -> None:
    rng = np.random.default_rng(9)
    centre = DOMAINS[name](np.concatenate([rng.normal(0, 1.5, 200), rng.normal(0, 0.4, 200)]))
    radius = np.exp(rng.uniform(-20, 0.5, centre.size))
    f = own(lambda m, x: getattr(m, name)(x))
    wide = balls.derivatives(f, 0, centre, radius=radius)
    for part in (-1.0, -0.4, 0.6, 1.0):
        point = balls.derivatives(f, 0, centre + part * radius * (1 - 2.0**-40))
        for outer, inner in zip(wide, point, strict=True):
            with np.errstate(invalid="ignore"):
                held = np.abs(inner.mid - outer.mid) <= outer.rad + inner.rad
            known = np.isfinite(outer.rad) & np.isfinite(outer.mid)
            assert held[known].all()
    assert np.isfinite(wide[0].rad).sum() > centre.size / 4


@pytest.mark.parametrize("name", [n for n in DOMAINS if n != "tan"])
def test_intervals_hold_the_values_at_their_ends_and_between(name: str) -> None:
    f = own(lambda m, x: getattr(m, name)(x))
    low, high = (
        (Fraction(3, 2), Fraction(9, 4)) if name in ("acosh", "log2", "log10") else (Fraction(1, 8), Fraction(3, 4))
    )
    wide = intervals.derivatives_over(f, 0, low, high, 100)
    for point in (low, (low + high) / 2, high):
        for ends, at in zip(wide, intervals.derivatives_over(f, 0, point, point, 200), strict=True):
            assert ends is not None
            assert at is not None
            assert (at[0] - ends[0]).man >= 0
            assert (ends[1] - at[1]).man >= 0


def test_an_interval_around_0_holds_the_least_cosh() -> None:
    ends = intervals.derivatives_over(own(lambda m, x: m.cosh(x)), 0, Fraction(-1), Fraction(2), 100)[0]
    assert ends is not None
    assert float(ends[0]) == 1
    assert float(ends[1]) == pytest.approx(np.cosh(2), rel=1e-15)


@pytest.mark.parametrize("name", ["log(cosh)", "asinh", "power", "tan", "cbrt"])
def test_bulk_values_are_certified_and_right(name: str) -> None:
    definition = next(v[1] for v in VALUES if v[0] == name)
    f = own(definition)
    x = np.random.default_rng(4).uniform(0.01, 3, 40)
    for fmt in (FLOAT64, FLOAT32, BFLOAT16):
        bits = fa.round_values(x, fmt)
        for order, reference in enumerate(Oracle(f).references(bits, fmt)):
            assert (reference.kind == FINITE).all()
            assert not (reference.how == UNCERTIFIED).any()
            with mpmath.workdps(40):
                for i in (0, 11, 29):
                    point = mpmath.mpf(fa.values(bits, fmt)[i])
                    due = mpmath.diff(lambda t: _mpmath(name, t), point, order)
                    assert reference.values[i] == pytest.approx(float(due), rel=1e-14)


def _mpmath(name: str, t: Any) -> Any:
    return {
        "log(cosh)": lambda: mpmath.log(mpmath.cosh(t)), "asinh": lambda: mpmath.asinh(t),
        "power": lambda: t**1.5, "tan": lambda: mpmath.tan(t), "cbrt": lambda: mpmath.cbrt(t),
    }[name]()  # fmt: skip


@pytest.mark.parametrize(
    ("name", "x"),
    [("acosh", 0.5), ("atanh", 2.0), ("asin", 1.5), ("acos", -2.0), ("log2", -1.0)],
)
def test_outside_its_domain_a_function_has_no_value(name: str, x: float) -> None:
    oracle = Oracle(own(lambda m, x: getattr(m, name)(x)))
    assert oracle.certified(FLOAT32.round(Fraction(x)), FLOAT32, 0).kind == "undecided"
    mid = balls.derivatives(oracle.function, 0, np.array([x]))[0]
    assert not (np.isfinite(mid.mid[0]) and np.isfinite(mid.rad[0]))


def test_every_context_offers_what_the_message_lists() -> None:
    assert {"cosh", "asinh", "power", "log2"} < set(OFFERED)
    with pytest.raises(UsageError, match="asinh, acosh, atanh"):
        Oracle(own(lambda m, x: x + None)).certified(FLOAT32.round(Fraction(1)), FLOAT32, 0)


def test_a_bound_on_the_change_of_tan_that_ignores_the_pole_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    at, wide = np.array([1.5]), np.array([0.2])  # the pole at pi/2 lies inside
    assert not np.isfinite(balls.derivatives(own(lambda m, x: m.tan(x)), 0, at, radius=wide)[0].rad[0])
    monkeypatch.setattr(balls._BallScalars, "tan", lambda self, x: Balls(np.tan(x.mid), x.rad))
    assert np.isfinite(balls.derivatives(own(lambda m, x: m.tan(x)), 0, at, radius=wide)[0].rad[0])
