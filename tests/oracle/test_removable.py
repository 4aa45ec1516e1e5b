"""Removable singularities: the values that power series give, by hand; never where a zero is only nearly one."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.formats import FLOAT32, FLOAT64
from gradproof.formats import arrays as fa
from gradproof.functions import Function
from gradproof.oracle import Oracle, arb_route, exact_route, mpmath_route
from gradproof.oracle.expansion import expansion
from gradproof.oracle.reference import BY_FILTER, FINITE
from gradproof.oracle.series import ShortSeries
from tests.oracle.closed_forms import Due, check_formats, check_routes

Definition = Callable[[Any, Any], Any]


def own(*pieces: Definition) -> Function:
    return Function("own", pieces)


# By Taylor's series of the numerator, divided: e^x - 1 = x + x^2/2 + x^3/6 + ..., sin x = x - x^3/6 + ...,
# x/tanh x = 1 + x^2/3 - ..., x/(e^x - 1) = 1 - x/2 + x^2/12 - ... (Bernoulli numbers), log(1 + t)/t = 1 - t/2 + t^2/3
# - ..., 1 - cos x = x^2/2 - x^4/24 + ..., tan x = x + x^3/3 + 2 x^5/15 + ..., erf x = 2/sqrt(pi) (x - x^3/3 + ...).
QUOTIENTS: list[tuple[str, Definition, int, list[Due]]] = [
    ("expm1(x)/x", lambda m, x: m.expm1(x) / x, 0, [1, Fraction(1, 2), Fraction(1, 3)]),
    ("sin(x)/x", lambda m, x: m.sin(x) / x, 0, [1, 0, Fraction(-1, 3)]),
    ("sinc", lambda m, x: m.sin(m.pi * x) / (m.pi * x), 0, [1, 0, lambda mp: -(mp.pi**2) / 3]),
    ("x/tanh(x)", lambda m, x: x / m.tanh(x), 0, [1, 0, Fraction(2, 3)]),
    ("tanh(x)/x", lambda m, x: m.tanh(x) / x, 0, [1, 0, Fraction(-2, 3)]),
    ("x/expm1(x)", lambda m, x: x / m.expm1(x), 0, [1, Fraction(-1, 2), Fraction(1, 6)]),
    ("log1p(x)/x", lambda m, x: m.log1p(x) / x, 0, [1, Fraction(-1, 2), Fraction(2, 3)]),
    ("log(x)/(x-1)", lambda m, x: m.log(x) / (x - 1), 1, [1, Fraction(-1, 2), Fraction(2, 3)]),
    ("(1-cos)/x^2", lambda m, x: (1 - m.cos(x)) / (x * x), 0, [Fraction(1, 2), 0, Fraction(-1, 12)]),
    ("(tan-x)/x^3", lambda m, x: (m.tan(x) - x) / x**3, 0, [Fraction(1, 3), 0, Fraction(4, 15)]),
    ("x^6/x^6", lambda m, x: x**6 * m.exp(x) / x**6, 0, [1, 1, 1]),
    ("tanh(sin(x)/x)", lambda m, x: m.tanh(m.sin(x) / x), 0, [
        lambda mp: mp.tanh(1), 0, lambda mp: -mp.sech(1) ** 2 / 3,
    ]),
    ("erf(x)/x", lambda m, x: m.erf(x) / x, 0, [
        lambda mp: 2 / mp.sqrt(mp.pi), 0, lambda mp: -4 / (3 * mp.sqrt(mp.pi)),
    ]),
    ("asinh(x)/x", lambda m, x: m.asinh(x) / x, 0, [1, 0, Fraction(-1, 3)]),
    ("log(cosh(x))", lambda m, x: m.log(m.cosh(x)), 0, [0, 0, 1]),
]  # fmt: skip

each = pytest.mark.parametrize(("definition", "x", "due"), [q[1:] for q in QUOTIENTS], ids=[q[0] for q in QUOTIENTS])


@each
def test_both_routes_give_the_value_of_the_series(definition: Definition, x: int, due: list[Due]) -> None:
    check_routes(own(definition), Fraction(x), due)


@each
def test_the_value_is_certified_in_every_format(definition: Definition, x: int, due: list[Due]) -> None:
    check_formats(own(definition), Fraction(x), due)


@each
def test_what_is_exact_is_the_same_number(definition: Definition, x: int, due: list[Due]) -> None:
    for found, expected in zip(exact_route.derivatives(own(definition), 0, Fraction(x)), due, strict=False):
        assert found is None or found == expected


# By continuity, where a product of a zero and a pole hides the quotient from every power series.
@pytest.mark.parametrize(
    ("definition", "x", "due"),
    [
        (lambda m, x: m.sin(x) * (1 / x), 0, [1, 0, Fraction(-1, 3)]),
        (lambda m, x: x * (1 / m.tanh(x)), 0, [1, 0, Fraction(2, 3)]),
        (lambda m, x: x * x * (1 / x), 0, [0, 1, 0]),
        (lambda m, x: (x - 1) * (1 / (x - 1)), 1, [1, 0, 0]),
    ],
)
def test_a_zero_times_a_pole_has_its_limit(definition: Definition, x: int, due: list[Due]) -> None:
    check_formats(own(definition), Fraction(x), due)


# sin pi, e - e and sqrt 2 sqrt 2 - 2 are 0 in mathematics, but no enclosure can say so.
@pytest.mark.parametrize(
    "definition",
    [
        lambda m, x: (m.sin(m.pi) + x) / x,
        lambda m, x: (m.exp(1) - m.exp(1) + x) / x,
        lambda m, x: (m.sqrt(2) * m.sqrt(2) - 2 + x) / x,
        lambda m, x: x / (m.sqrt(2) * m.sqrt(2) - 2 + x),
    ],
)
def test_a_zero_that_is_not_exact_is_never_divided_out(definition: Definition) -> None:
    assert [Oracle(own(definition)).certified(0, FLOAT32, k, confirm=False).kind for k in range(3)] == ["undecided"] * 3


@pytest.mark.parametrize("definition", [lambda m, x: m.sin(x) / (x * x), lambda m, x: m.cos(x) / x, lambda m, x: 1 / x])
def test_a_pole_stays_a_pole(definition: Definition) -> None:
    assert [Oracle(own(definition)).certified(0, FLOAT32, k).kind for k in range(3)] == ["undecided"] * 3


def test_a_quotient_that_vanishes_as_far_as_anybody_looks_is_undecided() -> None:
    flat = own(lambda m, x: (0 * m.exp(x)) / (0 * x))
    with pytest.raises(ShortSeries):
        mpmath_route.derivatives(flat, 0, Fraction(0), 100)
    assert Oracle(flat).certified(0, FLOAT32, 0).kind == "undecided"


def test_a_series_behind_a_quotient_does_not_claim_coefficients_that_it_lost() -> None:
    # FLINT's quotient has one coefficient less; tanh of it must not invent a 0 in its place. With 5 coefficients the
    # last is that of x^4, of tanh(1 - x^2/6 + x^4/120).
    f = own(lambda m, x: m.tanh(m.sin(x) / x))
    t, w = mpmath.tanh(1), mpmath.sech(1) ** 2
    due = w / 120 - t * w / 36  # tanh' u4 + tanh''/2 u2^2, with tanh'' = -2 t w
    ends = arb_route.taylor(f, 0, Fraction(0), Fraction(0), 5, 128)[4]
    assert ends is not None
    assert float(ends[0]) == pytest.approx(float(due), rel=1e-14)


NEAR_ZERO = [q for q in QUOTIENTS if q[2] == 0]


@pytest.mark.parametrize(("name", "definition", "x", "due"), NEAR_ZERO, ids=[q[0] for q in NEAR_ZERO])
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=lambda fmt: fmt.name)
def test_the_smallest_inputs_are_settled_in_bulk(
    fmt: Any, name: str, definition: Definition, x: int, due: list[Due]
) -> None:
    # |x| below 2^-12: the polynomial about 0, whose remainder is bounded over a disc that holds the quotient's 0/0.
    rng = np.random.default_rng(7)
    sizes = 2.0 ** rng.uniform(-120, -12.1, 60)
    bits = fa.round_values(np.concatenate([sizes, -sizes]), fmt)
    f = own(definition)
    for order, reference in enumerate(Oracle(f).references(bits, fmt)):
        assert (reference.kind == FINITE).all()
        assert (reference.how == BY_FILTER).all()
        for i in range(0, bits.size, 5):
            value = mpmath_route.derivatives(f, 0, fmt.value(int(bits[i])), 2000)[order]
            assert float(value) == pytest.approx(reference.values[i], rel=1e-15, abs=0)


def test_a_disc_around_a_pole_has_no_polynomial() -> None:
    for pole in (lambda m, x: m.cos(x) / x, lambda m, x: m.sin(x) / (x * x), lambda m, x: x / (m.cos(x) - 1)):
        assert expansion(own(pole), 0, precise=False) is None


def test_over_an_interval_that_holds_the_point_the_enclosure_holds_every_value() -> None:
    f = own(lambda m, x: m.sin(x) / x)
    ends = arb_route.enclosures_over(f, 0, Fraction(-1, 4), Fraction(1, 8), 100)
    rng = np.random.default_rng(3)
    for point in [0.0, -0.25, 0.125, *rng.uniform(-0.25, 0.125, 40)]:
        at = arb_route.enclosures(f, 0, Fraction(point), 200)
        for wide, narrow in zip(ends, at, strict=True):
            assert wide is not None
            assert narrow is not None
            assert (narrow[0] - wide[0]).man >= 0
            assert (wide[1] - narrow[1]).man >= 0
