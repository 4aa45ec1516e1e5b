"""Reverse mode over math contexts: the right derivatives, and the operations that frameworks compose them of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradproof.formats import BFLOAT16, FLOAT32, FLOAT64
from gradproof.formats import arrays as fa
from gradproof.formulas.differentiation import gradient
from gradproof.formulas.differentiation.rules import JAX, TORCH
from gradproof.formulas.rounded import RoundedContext, arithmetic

RULES = pytest.mark.parametrize("rules", [TORCH, JAX])
X = np.array([-1.5, -0.25, 0.5, 2.0])
DEFINITIONS: dict[str, tuple[Any, Any, Any]] = {
    "quotient": (lambda m, x: 1 / (x + 3), lambda x: -1 / (x + 3) ** 2, lambda x: 2 / (x + 3) ** 3),
    "product": (lambda m, x: x * x * x, lambda x: 3 * x**2, lambda x: 6 * x),
    "power": (lambda m, x: m.power(x, 3), lambda x: 3 * x**2, lambda x: 6 * x),
    "absolute": (lambda m, x: abs(x) * x, lambda x: 2 * np.abs(x), lambda x: 2 * np.sign(x)),
    "exp": (lambda m, x: m.exp(2 * x), lambda x: 2 * np.exp(2 * x), lambda x: 4 * np.exp(2 * x)),
    "expm1": (lambda m, x: m.expm1(x), np.exp, np.exp),
    "log": (lambda m, x: m.log(x + 3), lambda x: 1 / (x + 3), lambda x: -1 / (x + 3) ** 2),
    "log1p": (lambda m, x: m.log1p(x + 2), lambda x: 1 / (x + 3), lambda x: -1 / (x + 3) ** 2),
    "root": (lambda m, x: m.sqrt(x + 3), lambda x: 0.5 * (x + 3) ** -0.5, lambda x: -0.25 * (x + 3) ** -1.5),
    "tanh": (lambda m, x: m.tanh(x), lambda x: np.cosh(x) ** -2, lambda x: -2 * np.tanh(x) * np.cosh(x) ** -2),
    "erf": (lambda m, x: m.erf(x), lambda x: 1.1283791670955126 * np.exp(-(x**2)),
            lambda x: -2.2567583341910251 * x * np.exp(-(x**2))),
    "sinh": (lambda m, x: m.sinh(x), np.cosh, np.sinh),
    "cosh": (lambda m, x: m.cosh(x), np.sinh, np.cosh),
    "choice": (lambda m, x: m.where(x > 0, x * x, -x), lambda x: np.where(x > 0, 2 * x, -1),
               lambda x: np.where(x > 0, 2.0, 0.0)),
    "clamped": (lambda m, x: m.minimum(m.maximum(x, -1), 1) * x, lambda x: np.where(abs(x) < 1, 2 * x, np.sign(x)),
                lambda x: np.where(abs(x) < 1, 2.0, 0.0)),
}  # fmt: skip


def evaluated(definition: Any, x: Any, fmt: Any = FLOAT64, **how: Any) -> Any:
    m = RoundedContext(arithmetic(fmt, **how))
    with np.errstate(all="ignore"):
        return m.constant(definition(m, m.variable(fa.round_values(x, fmt))))


@RULES
@pytest.mark.parametrize("name", DEFINITIONS)
def test_first_and_second_derivatives_are_right(name: str, rules: Any) -> None:
    definition, first, second = DEFINITIONS[name]
    one = gradient(definition, rules)
    for derived, due in ((one, first), (gradient(one, rules), second)):
        found = evaluated(derived, X)
        assert np.allclose(np.broadcast_to(found.low, X.shape), due(X), rtol=1e-12)
        assert np.allclose(np.broadcast_to(found.high, X.shape), due(X), rtol=1e-12)


@RULES
def test_what_does_not_depend_on_x_has_the_derivative_0(rules: Any) -> None:
    assert float(evaluated(gradient(lambda m, x: m.constant(3), rules), X).high) == 0.0


def test_torch_stores_what_a_kernel_gives_and_nothing_within_it() -> None:
    x = np.array([0.3])
    found = evaluated(gradient(lambda m, x: m.tanh(x), TORCH), x, BFLOAT16)
    exact = fa.values(fa.round_values(x, BFLOAT16), BFLOAT16)
    y = fa.values(fa.round_values(np.tanh(exact), BFLOAT16), BFLOAT16)
    # y is stored, 1 - y^2 is computed in float32 and stored once.
    due = fa.values(fa.round_values(1 - y * y, BFLOAT16), BFLOAT16)
    assert found.low[0] == found.high[0] == due[0]


def test_the_quotient_rule_squares_a_divisor_in_jax_and_not_in_torch() -> None:
    x = np.array([1e25])
    definition = lambda m, x: 1 / (x + 1)  # noqa: E731  one line of mathematics
    torch, jax = (evaluated(gradient(definition, rules), x, FLOAT32) for rules in (TORCH, JAX))
    assert torch.low[0] == -0.0
    assert jax.low[0] == -0.0
    wide = np.array([1e20])
    torch, jax = (evaluated(gradient(definition, rules), wide, FLOAT32) for rules in (TORCH, JAX))
    assert torch.high[0] < 0  # (1 / x) / x is a subnormal number
    assert jax.high[0] == 0  # x^2 overflows


def test_doubling_an_argument_that_overflows_meets_a_vanished_factor() -> None:
    second = gradient(gradient(lambda m, x: m.erf(x), TORCH), TORCH)
    found = evaluated(second, np.array([3e38]), FLOAT32)
    assert np.all(found.only_nan)
    assert np.all(found.nan)


def test_terms_that_meet_may_be_added_in_any_order() -> None:
    m = RoundedContext(arithmetic(FLOAT32))
    total = m.total([m.constant(1.0), m.constant(2.0**-24), m.constant(2.0**-24)], False)
    assert (float(total.low), float(total.high)) == (1.0, 1 + 2.0**-23)
