"""Functions of functions whose intermediate results leave every format, and mpmath's reach."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gradproof.formats import FORMATS, get_format
from gradproof.functions import Function, function
from gradproof.functions.registry import forget
from gradproof.oracle import Oracle


@pytest.fixture
def telu() -> Iterator[Function]:
    yield function("tower_telu", oracle=lambda m, x: x * m.tanh(m.exp(x)))
    forget(["tower_telu"])


@pytest.mark.parametrize("fmt", ["float64", "float32", "bfloat16"])
def test_saturated_outer_functions_are_certified_at_the_largest_numbers(telu: Function, fmt: str) -> None:
    # tanh(exp(x)) is 1 less 2 exp(-2 exp(x)): for large x nothing of that reaches any format.
    of = get_format(fmt)
    largest = of.round(of.max_value)
    value, first, second = (Oracle(telu).certified(largest, of, order) for order in (0, 1, 2))
    assert (value.bits, first.bits) == (largest, of.round(1))
    assert of.value(second.bits) == 0
    assert {c.kind for c in (value, first, second)} == {"finite"}
    assert value.value is not None
    assert first.value is not None


def test_what_mpmath_cannot_evaluate_is_undecided_and_no_contradiction() -> None:
    # exp(exp(exp(x))) exp(-exp(exp(x))) is 1, but mpmath cannot hold the factors; arb need not hold them either.
    made = function("tower_of_three", oracle=lambda m, x: m.exp(m.exp(m.exp(x)) - m.exp(m.exp(x))) * 0 + 1)
    try:
        of = FORMATS["float32"]
        answer = Oracle(made).certified(of.round(200), of, 0)
        assert answer.kind in ("finite", "undecided")
        assert answer.kind == "undecided" or answer.bits == of.round(1)
    finally:
        forget(["tower_of_three"])
