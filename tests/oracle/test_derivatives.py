"""Certified values against derivatives written by hand, and against numerical differentiation in 80 digits."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import mpmath as mp
import pytest

from gradproof.formats import BFLOAT16, FLOAT64, Format
from gradproof.functions import Function
from gradproof.oracle import Dyadic, Oracle
from tests.backends.closed_forms import DERIVATIVES
from tests.oracle.samples import VARIANTS, dyadic, inputs, inside, quantum

each_variant = pytest.mark.parametrize("f", VARIANTS, ids=lambda f: f.label)


def real(value: Fraction) -> Any:
    return mp.mpf(value.numerator) / value.denominator


def by_hand(f: Function, x: Fraction, digits: int) -> list[Dyadic]:
    with mp.workdps(digits):
        params = {k: real(v) for k, v in f.exact_params.items()}
        return [dyadic(v) for v in DERIVATIVES[f.name](real(x), **params)[:3]]


@each_variant
@pytest.mark.parametrize("fmt", [FLOAT64, BFLOAT16], ids=lambda fmt: fmt.name)
def test_certified_values_are_those_of_the_closed_forms(f: Function, fmt: Format) -> None:
    oracle = Oracle(f)
    for number, bits in enumerate(inputs(f, fmt, random=10, radius=0).tolist()):
        x = fmt.value(bits)
        if not inside(f, x):
            continue
        # (each call evaluates and confirms anew, so each input is asked for two of the three orders)
        # Beside a tie among the subnormals, x/2 + x^2/4 of the least x, it takes a thousand bits to see the side.
        for order, expected in enumerate(by_hand(f, x, 400 if abs(x) < 1e-300 else 80)):
            if order == number % 3:
                continue
            answer = oracle.certified(bits, fmt, order)
            assert answer.kind == "finite", (x, order)
            assert fmt.ordinal(answer.bits) == fmt.ordinal(expected.round(fmt)), (float(x), order)
            unit = quantum(expected, fmt)
            for end, sign in ((answer.lower, 1), (answer.upper, -1)):
                assert end is not None
                # The hand-written value carries an error of its own, far below 2^-60 quanta.
                gap = end - expected if sign == 1 else expected - end
                assert gap.man <= 0 or gap.exponent < unit.exp - 60, (float(x), order)
            assert answer.value is not None
            error = answer.value - expected
            assert not error.man or error.exponent < unit.exp - 7


VALUES: dict[str, Callable[..., Any]] = {
    "elu": lambda x, alpha: x if x > 0 else alpha * (mp.exp(x) - 1),
    "celu": lambda x, alpha: x if x > 0 else alpha * (mp.exp(x / alpha) - 1),
    "gelu": lambda x: x * mp.ncdf(x),
    "gelu_tanh": lambda x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))),
    "quick_gelu": lambda x: x / (1 + mp.exp(-mp.mpf("1.702") * x)),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "mish": lambda x: x * mp.tanh(mp.log(1 + mp.exp(x))),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "tanhshrink": lambda x: x - mp.tanh(x),
    "softsign": lambda x: x / (1 + abs(x)),
    "squareplus": lambda x, b: (x + mp.sqrt(x * x + b)) / 2,
    "exp": mp.exp,
    "expm1": lambda x: mp.exp(x) - 1,
    "log1p": lambda x: mp.log(1 + x),
    "erf": mp.erf,
    "erfc": mp.erfc,
    "softplus": lambda x, beta: mp.log(1 + mp.exp(beta * x)) / beta,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "logsigmoid": lambda x: -mp.log(1 + mp.exp(-x)),
    "tanh": mp.tanh,
    "selu": lambda x: (
        mp.mpf("1.0507009873554804934193349852946")
        * (x if x > 0 else mp.mpf("1.6732632423543772848170429916717") * (mp.exp(x) - 1))
    ),
}
"""The functions as their papers write them; nothing but the value."""


@pytest.mark.parametrize("f", [f for f in VARIANTS if f.name in VALUES], ids=lambda f: f.label)
def test_certified_derivatives_are_those_of_numerical_differentiation(f: Function) -> None:
    oracle = Oracle(f)
    for x in (-11.5, -3.25, -1.0, -0.28125, -(2.0**-20), 2.0**-9, 0.5, 1.0, 2.75, 8.0):
        if not inside(f, Fraction(x)):
            continue
        bits = FLOAT64.round(Fraction(x)) if x else 0
        with mp.workdps(80):
            params = {k: real(v) for k, v in f.exact_params.items()}
            for order in (1, 2):
                expected = mp.diff(partial(VALUES[f.name], **params), mp.mpf(x), order)
                answer = oracle.certified(bits, FLOAT64, order)
                error = abs(real(answer.midpoint.fraction()) - expected)
                assert error < mp.mpf(10) ** -17 * max(abs(expected), mp.mpf(10) ** -6), (x, order)
