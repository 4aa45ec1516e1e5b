"""What is no number is never certified as one: 0 times x/0, roots and logarithms of 0, definitions that fail."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from gradproof.errors import UsageError
from gradproof.formats import FLOAT32
from gradproof.functions import Function
from gradproof.oracle import Oracle

Definition = Callable[[Any, Any], Any]


def kinds(definition: Definition, x: float) -> list[str]:
    oracle = Oracle(Function("own", (definition,)))
    return [oracle.certified(FLOAT32.round(Fraction(x)), FLOAT32, order, confirm=False).kind for order in range(3)]


@pytest.mark.parametrize(
    "definition",
    [
        lambda m, x: x * m.exp(1 / (x * x)),
        lambda m, x: m.exp(-1 / (x * x)),
        lambda m, x: m.sin(1 / x),
        lambda m, x: 1 / x,
    ],
)
def test_what_outgrows_every_power_or_has_no_limit_stays_undecided(definition: Definition) -> None:
    assert kinds(definition, 0) == ["undecided"] * 3


@pytest.mark.parametrize("definition", [lambda m, x: m.log(x * x), lambda m, x: m.log1p(-m.exp(-x * x))])
def test_a_pole_with_one_sign_on_both_sides_is_infinite(definition: Definition) -> None:
    found = Oracle(Function("own", (definition,))).certified(0, FLOAT32, 0)
    assert (found.kind, found.bits) == ("infinite", FLOAT32.infinity_bits | FLOAT32.sign_bit)
    assert kinds(definition, 0)[1:] == ["undecided"] * 2  # -inf on the left, +inf on the right


@pytest.mark.parametrize(
    "definition",
    [lambda m, x: m.sqrt(x * x), lambda m, x: m.sqrt(1 - m.cos(x)), lambda m, x: m.sqrt(x * x) * m.exp(x)],
)
def test_derivatives_of_a_root_at_its_zero_are_undecided(definition: Definition) -> None:
    assert kinds(definition, 0)[1:] == ["undecided"] * 2


def test_x_log_x_squared_has_no_second_derivative_at_zero() -> None:
    assert kinds(lambda m, x: x * m.log(x * x), 0)[2] == "undecided"


@pytest.mark.parametrize(
    ("definition", "due"),
    [
        (lambda m, x: x * m.sqrt(2 / m.pi), 0),
        (lambda m, x: x * m.log(1 + m.exp(x)), 0),
        (lambda m, x: x / m.sqrt(m.exp(x) + 1), 0),
        (lambda m, x: m.sqrt(x * x + 4), 2),
    ],
)
def test_what_is_a_number_stays_exact(definition: Definition, due: int) -> None:
    found = Oracle(Function("own", (definition,))).certified(0, FLOAT32, 0)
    assert found.how == "exact"
    assert found.lower is not None
    assert found.lower.fraction() == due


def raising(m: Any, x: Any) -> Any:
    raise RuntimeError("boom")


@pytest.mark.parametrize(
    "definition",
    [raising, lambda m, x: (x,), lambda m, x: None, lambda m, x: 5 if x == 1 else x, lambda m, x: x if x else 0 * x],
)
def test_a_definition_that_fails_or_branches_is_the_users_error(definition: Definition) -> None:
    with pytest.raises(UsageError, match="its definition fails"):
        Oracle(Function("own", (definition,))).certified(FLOAT32.round(Fraction(0.5)), FLOAT32, 0)
