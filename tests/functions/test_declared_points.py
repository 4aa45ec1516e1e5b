"""What an author may declare at single points: continuity at a breakpoint, values where a definition has none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import mpmath
import pytest

from gradproof.errors import UsageError
from gradproof.formats import BFLOAT16, FLOAT32, FLOAT64, Format
from gradproof.functions import Function, function, piecewise
from gradproof.functions.registry import all_functions, forget
from gradproof.oracle import Oracle

each_format = pytest.mark.parametrize("fmt", [FLOAT64, FLOAT32, BFLOAT16], ids=lambda fmt: fmt.name)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    before = set(all_functions())
    yield
    forget(set(all_functions()) - before)


def spliced(**more: Any) -> Function:
    """e^x and its tangent at 1: f and f' are continuous there, f'' jumps from e to 0."""
    return function("spliced", piecewise(lambda m, x: m.exp(x), 1, lambda m, x: m.exp(1) * x), **more)


@each_format
def test_declared_continuity_settles_the_derivative_at_a_joint(fmt: Format) -> None:
    one = fmt.round(Fraction(1))
    assert Oracle(spliced()).certified(one, fmt, 1).kind == "undecided"
    oracle = Oracle(spliced(smooth={1: 1}))
    e = fmt.round(Fraction(math.e))
    for order in (0, 1):
        found = oracle.certified(one, fmt, order)
        assert (found.kind, found.how) == ("finite", "arb")
        assert found.bits == e
        assert found.value is not None
    assert oracle.certified(one, fmt, 2).kind == "undefined"
    assert [oracle.jump(Fraction(1), k) for k in (0, 1)] == [0, 0]
    assert oracle.jumps(Fraction(1), 2)


@each_format
def test_an_undecided_joint_still_bounds_what_is_right(fmt: Format) -> None:
    found = Oracle(spliced()).certified(fmt.round(Fraction(1)), fmt, 1)
    assert found.lower is not None
    assert found.upper is not None
    assert float(found.lower) == pytest.approx(math.e, rel=1e-10)
    assert float(found.upper) == pytest.approx(math.e, rel=1e-10)


def test_two_formulas_of_one_analytic_function_are_no_kink() -> None:
    two = piecewise(lambda m, x: m.log1p(m.exp(x)), 1, lambda m, x: x + m.log1p(m.exp(-x)))
    assert function("two", two).kinks == (1,)
    f = function("joined", two, smooth={1: math.inf})
    assert f.kinks == ()
    # softplus'' = s (1 - s) at 1
    s = 1 / (1 + math.exp(-1))
    assert float(Oracle(f).certified(FLOAT64.round(Fraction(1)), FLOAT64, 2).midpoint) == pytest.approx(s * (1 - s))


def test_a_declaration_that_enclosures_contradict_names_both_values() -> None:
    oracle = Oracle(spliced(smooth={1: 2}))
    with pytest.raises(UsageError) as caught:
        oracle.certified(FLOAT32.round(Fraction(1)), FLOAT32, 0)
    text = str(caught.value)
    assert "f'' continuous at 1" in text
    assert "2.71828182845904" in text
    assert "and 0 on the right" in text


def test_an_infinite_slope_contradicts_declared_smoothness() -> None:
    f = function("cusp", piecewise(lambda m, x: x, 0, lambda m, x: m.sqrt(x)), smooth={0: 1})
    with pytest.raises(UsageError, match="1 on the left and inf on the right"):
        Oracle(f).certified(0, FLOAT32, 0)


def secant(**more: Any) -> Function:
    """(e^x - e)/(x - 1), with e, e/2 and e/3 at 1, where numerator and denominator vanish and none can prove it."""
    return function("secant", lambda m, x: (m.exp(x) - m.exp(1)) / (x - 1), **more)


@each_format
def test_declared_values_stand_where_the_definition_has_none(fmt: Format) -> None:
    one = fmt.round(Fraction(1))
    assert [Oracle(secant()).certified(one, fmt, k).kind for k in range(3)] == ["undecided"] * 3
    declared = (lambda m: m.exp(1), lambda m: m.exp(1) / 2, lambda m: m.exp(1) / 3)
    oracle = Oracle(secant(at={1: declared}))
    for order in range(3):
        found = oracle.certified(one, fmt, order)
        assert found.kind == "finite"
        assert found.value is not None
        with mpmath.workdps(60):
            due = mpmath.e / (order + 1)
            assert abs(mpmath.mpf(found.value.man) * mpmath.mpf(2) ** found.value.exp - due) < mpmath.mpf(2) ** -38
    beside = fmt.from_ordinal(fmt.ordinal(one) + 1)
    assert [oracle.certified(beside, fmt, k).kind for k in range(3)] == ["finite"] * 3


def test_numbers_infinities_and_nan_may_be_declared() -> None:
    f = function("waves", lambda m, x, a: m.sin(1 / x) / a, params={"a": 2}, at={0: (math.nan, None, math.inf)})
    found = [Oracle(f).certified(0, FLOAT32, k) for k in range(3)]
    assert [c.kind for c in found] == ["nan", "undecided", "infinite"]
    f = function("half", lambda m, x: m.exp(-1 / (x * x)) + m.real("0.5"), at={"0": ("0.5", 0)})
    assert [Oracle(f).certified(0, FLOAT32, k).kind for k in range(3)] == ["finite", "finite", "undecided"]
    assert Oracle(f).certified(0, FLOAT32, 0).midpoint.fraction() == Fraction(1, 2)


def test_constants_take_the_parameters() -> None:
    f = function("scaled", lambda m, x, a: m.sin(1 / x) / a, params={"a": 3}, at={0: (lambda m, a: m.pi / a,)})
    assert float(Oracle(f).certified(0, FLOAT64, 0).midpoint) == pytest.approx(math.pi / 3, rel=1e-15)


def test_a_declared_value_that_the_definition_contradicts_names_both() -> None:
    f = function("wrong", lambda m, x: m.expm1(x) / x, at={0: (1, "0.25")})
    with pytest.raises(UsageError, match=r"declares f' to be 0\.25 at 0, but its definition gives 0\.5 there"):
        Oracle(f).certified(0, FLOAT32, 0)
    assert (
        Oracle(function("right", lambda m, x: m.expm1(x) / x, at={0: (1, "1/2")})).certified(0, FLOAT32, 1).how
        == "exact"
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"smooth": {2: 1}}, "smooth= names 2, which is no breakpoint; they are 1"),
        ({"smooth": {1: -1}}, "highest order that is continuous"),
        ({"smooth": {1: 0.5}}, "highest order that is continuous"),
        ({"at": {1: 3}}, "a tuple"),
        ({"at": {1: (1, 2, 3, 4)}}, "a tuple"),
        ({"at": {"x": (1,)}}, "got 'x'"),
        ({"at": {1: ("one",)}}, "got 'one'"),
        ({"at": {5: (1,)}, "domain": (0, 5)}, "not inside the domain"),
    ],
)
def test_declarations_that_are_none_are_refused_at_once(more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        spliced(**more)
