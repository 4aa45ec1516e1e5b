"""Turning points and extents against closed forms and mpmath's own root finder."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest

from gradproof.errors import UsageError
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.oracle.shape import extent, linear_pieces, turning_points

MINIMA = {
    "gelu": lambda x: mpmath.ncdf(x) + x * mpmath.npdf(x),
    "silu": lambda x: 1 + mpmath.exp(-x) + x * mpmath.exp(-x),
    "quick_gelu": lambda x: 1 + mpmath.exp(-mpmath.mpf("1.702") * x) * (1 + mpmath.mpf("1.702") * x),
}
"""f' up to a positive factor."""


@pytest.mark.parametrize("name", MINIMA)
def test_the_turn_is_the_root_of_the_derivative(name: str) -> None:
    with mpmath.workdps(40):
        root = mpmath.findroot(MINIMA[name], -1)
        ((low, high),) = turning_points(get_function(name))
        assert high - low <= Fraction(1, 1 << 80)
        assert abs(mpmath.mpf(low.numerator) / low.denominator - root) < mpmath.mpf(10) ** -20


@pytest.mark.parametrize(
    ("name", "linear"),
    [
        ("relu", (True, True)),
        ("leaky_relu", (True, True)),
        ("hardtanh", (True, True, True)),
        ("hardshrink", (True, True, True)),
        ("hardswish", (True, False, True)),  # x (x + 3) / 6 in the middle
        ("elu", (False, True)),
        ("softsign", (False, False)),  # rational, and curved
        ("squareplus", (False, False, False)),
        ("tanh", (False,)),
    ],
)
def test_pieces_are_linear_where_they_are_written_so(name: str, linear: tuple[bool, ...]) -> None:
    assert linear_pieces(get_function(name)) == linear


def test_a_bracket_without_a_change_of_sign_is_refused() -> None:
    wrong = Function("wrong", get_function("silu").pieces, turns=(("-1", "-0.5"),), directions=(-1, 1))
    with pytest.raises(UsageError, match="must change its sign"):
        turning_points(wrong)


@pytest.mark.parametrize("f", [f for f in CATALOGUE if f.range is not None], ids=lambda f: f.label)
def test_the_extent_is_the_declared_range(f: Function) -> None:
    found = extent(f)
    assert found is not None
    assert f.range is not None
    for end, declared in zip(found, f.range, strict=True):
        if declared in ("inf", "-inf"):
            assert end == float(declared)
        else:
            assert abs(Fraction(end) - Fraction(declared)) < Fraction(1, 10**70)  # type: ignore[arg-type]


def test_the_extent_of_a_gated_function_starts_at_its_minimum() -> None:
    # silu's minimum is -W(1/e) (Lambert's W): f' = 0 means e^-x = -1 / (x + 1), so that f = x + 1 there.
    found = extent(get_function("silu"))
    assert found is not None
    assert math.isclose(float(found[0]), -0.2784645427610738, rel_tol=1e-15)
    assert found[1] == math.inf


@pytest.mark.parametrize(("alpha", "low"), [("-2.5", 0), (0, 0), (3, -3), (1e30, -1e30)])
def test_the_extent_follows_the_parameters(alpha: object, low: float) -> None:
    found = extent(get_function("elu", {"alpha": alpha}))  # type: ignore[dict-item]
    assert found is not None
    assert float(found[0]) == low


def test_nothing_is_said_of_undeclared_directions() -> None:
    assert extent(Function("own", get_function("silu").pieces)) is None
