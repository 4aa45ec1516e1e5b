"""Identities that tie the catalogued functions to each other, in arb's enclosures and in mpmath's values.

A definition that both routes evaluate faithfully can still be the wrong definition; these relations would break.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import flint
import numpy as np
import pytest
from flint import arb

from gradproof.formats import FLOAT32, FLOAT64
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.functions.catalogue.smooth import SELU_SCALE
from gradproof.strategies import landmark_bits
from tests.oracle.identities import IDENTITIES, At, Identity, OnKink, coefficients

each_identity = pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.title)

NARROW = 100
"""Both sides must be known to 2^-NARROW, relatively, or to 2^-FLOOR."""
FLOOR = 1500
FIRST_BITS, LAST_BITS = 200, 16384
AGREE = 2.0**-160
"""Largest difference of two sides in mpmath's 200 bits, relative to the square of the largest coefficient met (or of
x, or of 1): no side is of higher degree in what cancels."""
INTERVAL = Fraction(1, 2**60)

TINY = [Fraction(sign, 2**k) for sign in (1, -1) for k in (12, 30, 149, 332)]


@cache
def points(random: int = 40) -> tuple[Fraction, ...]:
    """Landmarks of both formats with their neighbours, tiny numbers, tails and random ones, within +-800."""
    chosen = set(TINY)
    for fmt in (FLOAT32, FLOAT64):
        bits = landmark_bits(get_function("sigmoid"), fmt, 1).tolist()
        chosen |= {x for b in bits if fmt.is_finite(b) and 2**-40 < abs(x := fmt.value(b)) <= 800}
    rng = np.random.default_rng(12)
    for scale in (0.1, 3, 30, 300):
        chosen |= {Fraction(x) for x in rng.normal(0, scale, random // 4).tolist()}
    return tuple(sorted(x for x in chosen if abs(x) <= 800))


def admitted(identity: Identity, xs: tuple[Fraction, ...]) -> list[Fraction]:
    return [x for x in xs if identity.low < x < identity.high]


def _narrow(side: Any, width: Fraction) -> bool:
    if width:
        return bool(side.rad() <= abs(side.mid()).max(1) * arb(2) ** -20)
    return bool(side.rad() <= abs(side.mid()) * arb(2) ** -NARROW or side.rad() <= arb(2) ** -FLOOR)


def holds_in_enclosures(
    identity: Identity, x: Fraction, faults: Mapping[str, Function] | None = None, width: Fraction = Fraction(0)
) -> bool:
    """Whether both sides' enclosures overlap in every order, once they are narrow.

    Over an interval of that ``width`` they cannot shrink at will: 2^-20 of the value, or of 1, is enough there.
    Fails where an enclosure stays wide.
    """
    bits = FIRST_BITS
    while bits <= LAST_BITS:
        pairs = coefficients(identity, At(x, bits, width=width, faults=faults))
        if all(side.is_finite() for pair in pairs for side in pair):
            if not all(left.overlaps(right) for left, right in pairs):
                return False
            if all(_narrow(side, width) for pair in pairs for side in pair):
                return True
        bits *= 2
    pytest.fail(f"{identity.title} at {float(x)}: an enclosure stays wide")


def holds_in_mpmath(identity: Identity, x: Fraction, faults: Mapping[str, Function] | None = None) -> bool:
    """Whether mpmath's values at 200 bits agree in every order."""
    e = At(x, 200, "mpmath", faults=faults)
    pairs = coefficients(identity, e)
    scale = max(e.largest, abs(float(x)))
    with flint.ctx.workprec(e.precision):
        return all(abs(left - right) <= AGREE * scale**2 for left, right in pairs)


def tried(holds: Callable[..., bool], identity: Identity, xs: list[Fraction], **options: Any) -> list[bool]:
    """What ``holds`` says at the points that are no kinks."""
    found = []
    for x in xs:
        try:
            found.append(holds(identity, x, **options))
        except OnKink:
            continue
    return found


@each_identity
def test_the_enclosures_of_both_sides_overlap_and_are_narrow(identity: Identity) -> None:
    found = tried(holds_in_enclosures, identity, admitted(identity, points()))
    assert len(found) >= 20
    assert all(found)


@each_identity
def test_the_enclosures_over_small_intervals_overlap(identity: Identity) -> None:
    xs = [x for x in admitted(identity, points()) if 2**-10 < abs(x) < 8]
    found = tried(holds_in_enclosures, identity, xs, width=INTERVAL)
    assert all(found)
    assert found or identity.low >= 8


@each_identity
def test_mpmaths_values_satisfy_it(identity: Identity) -> None:
    xs = [x for x in admitted(identity, points()) if abs(x) < max(30, 10 * identity.low)]
    found = tried(holds_in_mpmath, identity, xs)
    assert len(found) >= 5
    assert all(found)


def test_every_catalogued_function_is_tied_to_another_or_to_itself() -> None:
    activations = {f.name for f in CATALOGUE if f.rounds_to is None}
    assert {name for identity in IDENTITIES for name in identity.names} == activations


def _turned(f: Function, value: Any, argument: Any) -> Function:
    """``f`` with its value multiplied by ``value`` and its argument by ``argument``."""

    def turned(piece: Callable[..., Any]) -> Callable[..., Any]:
        return lambda m, x, **params: m.real(value) * piece(m, m.real(argument) * x, **params)

    return replace(f, pieces=tuple(turned(piece) for piece in f.pieces))


OFF = 1 + Fraction(1, 10**15)
SLIGHT = {"value": (OFF, 1), "argument": (1, OFF)}


@each_identity
def test_a_relative_error_of_1e_15_in_any_function_is_noticed(identity: Identity) -> None:
    # f' = f holds for any multiple of exp, sigmoid(-x) = 1 - sigmoid(x) for any multiple of x: one of the two breaks.
    xs = admitted(identity, (*points(8)[::6], *(Fraction(n, 8) for n in (-21, -5, 3, 9, 20))))
    for name in identity.names:
        noticed = set()
        for error, (value, argument) in SLIGHT.items():
            faults = {name: _turned(get_function(name), value, argument)}
            for holds in (holds_in_enclosures, holds_in_mpmath):
                inner = [x for x in xs if abs(x) < 30]
                if not all(tried(holds, identity, inner or xs, faults=faults)):
                    noticed.add((holds.__name__, error))
        assert {route for route, _ in noticed} == {"holds_in_enclosures", "holds_in_mpmath"}, name


def _with(name: str, *pieces: Callable[..., Any]) -> Function:
    f = get_function(name)
    return replace(f, pieces=pieces + f.pieces[len(pieces) :])


FAULTS: list[tuple[str, Function]] = [
    ("erf + erfc = 1", _with("erfc", lambda m, x: m.erfc(-x))),
    ("gelu = x/2 (1 + erf(x/sqrt 2))", _with("gelu", lambda m, x: 0.5 * x * m.erfc(x / m.sqrt(2)))),
    ("gelu = x/2 (1 + erf(x/sqrt 2))", _with("gelu", lambda m, x: 0.5 * x * m.erfc(-x / m.real("1.414213562373095")))),
    (
        "gelu_tanh = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
        _with("gelu_tanh", lambda m, x: x * m.sigmoid(2 * m.sqrt(2 / m.pi) * (x + 0.044715 * x * x * x))),
    ),
    ("quick_gelu(x) = x sigmoid(1.702 x)", _with("quick_gelu", lambda m, x: x * m.sigmoid(1.702 * x))),
    ("mish = x tanh(softplus)", _with("mish", lambda m, x: x * m.tanh(m.softplus(-x)))),
    ("tanhshrink = x - tanh", _with("tanhshrink", lambda m, x: x + m.tanh(x))),
    ("logsigmoid(x) = -softplus(-x)", _with("logsigmoid", lambda m, x: -m.softplus(x))),
    ("celu(x, alpha=1/4) = elu(4x)/4", _with("celu", lambda m, x, alpha: alpha * m.expm1(x * alpha))),
    (
        "selu = scale elu(alpha)",
        _with("selu", lambda m, x: float(SELU_SCALE) * m.real("1.67326324235437728") * m.expm1(x)),
    ),
    (
        "selu = scale elu(alpha)",
        _with("selu", get_function("selu").pieces[0], lambda m, x: float(SELU_SCALE) * x),
    ),
    ("squareplus(x) squareplus(-x) = b/4", _with("squareplus", lambda m, x, b: 0.5 * (x - m.sqrt(x * x + b)))),
    ("softsign(x) (1 + |x|) = x", _with("softsign", lambda m, x: x / (1 + 2.0**-50 - x))),
    ("hardswish = x hardsigmoid", _with("hardswish", lambda m, x: 0 * x, lambda m, x: x * (x - 3) / 6)),
    ("softshrink(x, 2) = x - clamp(x, -2, 2)", _with("softshrink", lambda m, x, lambd: x - lambd)),
    ("relu6 = hardtanh(0, 6)", replace(get_function("relu6"), breakpoints=(0, 5))),
    ("softplus_threshold(x) = softplus(x) up to 20", get_function("softplus_threshold", {"threshold": 19.5})),
    ("3 softplus(x, beta=3) = log1p(exp(3x))", _with("softplus", lambda m, x, beta: m.softplus(beta * x))),
]


@pytest.mark.parametrize(("title", "fault"), FAULTS, ids=[f"{n}-{f.name}" for n, (_, f) in enumerate(FAULTS)])
def test_a_wrong_definition_is_noticed(title: str, fault: Function) -> None:
    identity = next(i for i in IDENTITIES if i.title == title)
    xs = admitted(
        identity, (*points(), Fraction("19.75"), Fraction("5.5"), Fraction(-2), Fraction("2.5"), Fraction(-7, 2))
    )
    assert not all(tried(holds_in_enclosures, identity, xs, faults={fault.name: fault}))
    inner = [x for x in xs if abs(x) < 30]
    assert not all(tried(holds_in_mpmath, identity, inner, faults={fault.name: fault}))
