"""Taylor polynomials about 0: within their radius at the smallest inputs, and refused where there are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradproof.formats.arrays import Floats
from gradproof.functions import Function, function, get_function
from gradproof.functions.registry import forget
from gradproof.oracle import arb_route, expansion, pairs
from gradproof.oracle.expansion import ENOUGH, Expansion
from tests.oracle.containment import EXACT, holds_exactly
from tests.oracle.samples import VARIANTS

PIECES_AT_0 = [
    (f, piece)
    for f in VARIANTS
    for piece in range(len(f.pieces))
    if (piece == 0 or f.breaks[piece - 1] <= 0) and (piece == len(f.pieces) - 1 or f.breaks[piece] >= 0)
]
"""Every piece that reaches 0, from one side at least."""

NEAR = 2.0**-200

each_precision = pytest.mark.parametrize("precise", [False, True])


def small(radius: float, seed: int = 0) -> Floats:
    """Inputs of every size up to the radius, float64's subnormals above all, of both signs."""
    rng = np.random.default_rng(seed)
    sizes = np.concatenate(
        [
            radius * 2.0 ** -np.concatenate([[0.0, 0.5, 1.0], rng.uniform(0, 60, 12)]),
            2.0 ** rng.uniform(-1022, -60, 10),
            rng.integers(1, 2**52, 8) * 2.0**-1074,
            np.array([1, 2, 3]) * 2.0**-1074,
            [2.0**-1022],
        ]
    )
    x: Floats = np.concatenate([sizes, -sizes])
    return x[np.abs(x) <= radius]


def wrong(f: Function, piece: int, e: Expansion, x: Floats) -> list[Any]:
    """(order, input) at which the polynomial is further from the truth than it says."""
    return [
        (order, float(x[i]))
        for order, v in enumerate(e(x))
        for i in range(x.size)
        if not holds_exactly(
            f, piece, float(x[i]), order, float(v.hi[i]), float(v.lo[i]), float(v.rad[i]), int(v.exponent[i])
        )
    ]


@each_precision
@pytest.mark.parametrize(("f", "piece"), PIECES_AT_0, ids=lambda v: v.label if isinstance(v, Function) else str(v))
def test_a_polynomial_is_within_its_radius_of_the_truth(f: Function, piece: int, precise: bool) -> None:
    e = expansion.expansion(f, piece, precise=precise)
    if e is None:
        assert abs(f.exact_params.get("alpha", f.exact_params.get("beta", 0))) > 1e20, (
            "a catalogued piece has no expansion"
        )
        return
    x = small(e.radius)
    assert wrong(f, piece, e, x) == []
    for v in e(x):
        assert (v.rad <= 1.1 * ENOUGH[precise] * np.abs(v.hi)).all()


def mp_value(name: str, x: float) -> Any:
    z = EXACT.mpf(x)
    if name == "tanhshrink":
        return [z - EXACT.tanh(z), EXACT.tanh(z) ** 2]
    if name == "silu":
        s = 1 / (1 + EXACT.exp(-z))
        return [z * s, s + z * s * (1 - s)]
    return [z * EXACT.erfc(-z / EXACT.sqrt(2)) / 2, EXACT.ncdf(z) + z * EXACT.npdf(z)]


@pytest.mark.parametrize("name", ["tanhshrink", "silu", "gelu"])
def test_values_near_0_are_those_of_mpmath(name: str) -> None:
    # (5000 bits see x - tanh x down to 1e-300, where it is x^3/3, some 1e-901)
    x = np.array([2.0**-13, -1e-5, 1e-20, -1e-100, 1e-300, 2.0**-1074, -3 * 2.0**-1074])
    e = expansion.expansion(get_function(name), 0, precise=True)
    assert e is not None
    found = e(x)
    for i, point in enumerate(x.tolist()):
        for v, y in zip(found, mp_value(name, point), strict=False):
            value = EXACT.ldexp(EXACT.mpf(float(v.hi[i])) + EXACT.mpf(float(v.lo[i])), int(v.exponent[i]))
            assert abs(value - y) <= EXACT.ldexp(EXACT.mpf(float(v.rad[i])), int(v.exponent[i]))
            assert abs(value / y - 1) < 2.0**-85


def test_a_zero_of_order_k_is_taken_out() -> None:
    # x - tanh x = x^3/3 - 2 x^5/15 + ..., so that f has a triple zero, f' a double one, f'' a single one.
    e = expansion.expansion(get_function("tanhshrink"), 0, precise=True)
    assert e is not None
    assert [p.leading for p in e.orders] == [3, 2, 1, 0]
    assert [p.coefficients[0][0] for p in e.orders] == pytest.approx([1 / 3, 1, 2, 2], rel=1e-15)
    least = e(np.array([2.0**-1074]))
    assert int(least[0].exponent[0] + np.frexp(least[0].hi[0])[1]) - 1 == -3 * 1074 - 2  # a third of 2^-3222


def test_a_linear_piece_has_exact_zeros() -> None:
    e = expansion.expansion(get_function("leaky_relu"), 0, precise=True)
    assert e is not None
    x = small(e.radius)
    for v in e(x)[2:]:
        assert not np.concatenate([v.hi, v.lo, v.rad]).any()


@each_precision
@pytest.mark.parametrize(
    "definition",
    [
        lambda m, x: m.log(x),
        lambda m, x: 1 / x,
        lambda m, x: m.sqrt(x),
        lambda m, x: x / (x * x),
        lambda m, x: m.sin(x) / (x * x),
        lambda m, x: m.exp(-1 / (x * x)),
        lambda m, x: m.log(x * x),
        lambda m, x: 1 / (x - m.real(NEAR)),
        lambda m, x: m.gamma(x),
        lambda m, x: m.real(10) ** 400 * x,
    ],
    ids=["log", "pole", "root", "quotient", "simple-pole", "flat", "log-square", "near-pole", "unknown", "vast"],
)
def test_an_expansion_is_refused_where_there_is_none(definition: Any, precise: bool) -> None:
    f = function("edge", definition)
    forget(["edge"])
    assert expansion.expansion(f, 0, precise=precise) is None


@each_precision
@pytest.mark.parametrize("power", [3, 4, 5, 7])
def test_a_high_power_is_exact_or_refused(power: int, precise: bool) -> None:
    f = function("power", lambda m, x: x**power * 3)
    forget(["power"])
    e = expansion.expansion(f, 0, precise=precise)
    assert e is None or wrong(f, 0, e, small(e.radius)) == []
    assert (e is None) == (power > 4)  # beyond the third derivative no zero is known to be exact


@each_precision
def test_a_large_parameter_needs_a_small_disc(precise: bool) -> None:
    for beta, smaller in ((1, False), (2.0**20, True), (2.0**60, True)):
        f = get_function("softplus", {"beta": beta})
        e = expansion.expansion(f, 0, precise=precise)
        assert e is not None
        assert (e.radius < 2.0**-12) == smaller
        assert wrong(f, 0, e, small(e.radius)[::3]) == []


def test_without_arb_there_is_no_expansion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arb_route, "AVAILABLE", False)
    assert expansion.expansion(get_function("tanh"), 0, precise=True) is None


@pytest.mark.parametrize("lie", ["coefficient", "remainder", "pairs"])
def test_a_lie_is_noticed(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    f = get_function("silu")
    if lie == "coefficient":
        honest = pairs.of
        monkeypatch.setattr(expansion.pairs, "of", lambda v: (honest(v)[0], honest(v)[1] + honest(v)[0] * 2.0**-80))
    elif lie == "remainder":
        monkeypatch.setattr(expansion, "TERMS", {False: 5, True: 4})
        monkeypatch.setattr(expansion, "_polynomial", _without_remainder(expansion._polynomial))
    else:
        monkeypatch.setattr(expansion.pairs, "multiply_float", lambda x, y: (x[0] * y, x[1] * y))
    e = expansion.expansion(f, 0, precise=True)
    assert e is not None
    assert wrong(f, 0, e, small(e.radius))


def _without_remainder(honest: Any) -> Any:
    def polynomial(function: Function, piece: int, order: int, radius: float, *rest: Any) -> Any:
        return honest(function, piece, order, 2.0**-160, *rest)  # the error bound of a disc that is far smaller

    return polynomial
