"""Traces in JAX: equations of the jaxpr, inner ones too."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import pytest

jax = pytest.importorskip("jax")

from gradproof.backends import get_backend  # noqa: E402  after the skip
from gradproof.backends.implementation import Implementation  # noqa: E402
from gradproof.formats import FLOAT32  # noqa: E402
from gradproof.tracing.analysis import rows  # noqa: E402


def quotient_silu(x: Any) -> Any:
    return x / (1 + jax.numpy.exp(-x))


def clamped(x: Any) -> Any:
    return jax.lax.cond(True, lambda v: jax.numpy.where(v > 0, v, 0.0), lambda v: v, x)


def called_back(x: Any) -> Any:
    return jax.pure_callback(lambda v: v, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


def traced(call: Any, at: float, order: int) -> list[dict[str, Any]]:
    implementation = Implementation("silu", "jax", "mine", call, user=True)
    found = rows(get_backend("jax:cpu").trace(implementation, FLOAT32.round(Fraction(at)), FLOAT32, order))
    assert found is not None
    return [dataclasses.asdict(row) for row in found]


def test_the_power_in_the_derivative_of_a_division_is_marked() -> None:
    (row,) = [row for row in traced(quotient_silu, -60, 1) if row["marked"]]
    assert (row["operation"], row["result"]["decimal"]) == ("integer_pow", "0.0")
    assert row["exact"].startswith("7.66764807")
    assert (row["line"]["file"], row["line"]["text"]) == ("test_jax_trace.py", "return x / (1 + jax.numpy.exp(-x))")


@pytest.mark.parametrize("order", [0, 1, 2])
def test_nothing_is_marked_where_the_result_is_right(order: int) -> None:
    found = traced(jax.nn.silu, 1.5, order)
    assert not any(row["marked"] for row in found)
    assert max(row["local"] or 0.0 for row in found) <= 2
    assert "backward" in {row["phase"] for row in found} or order == 0


def test_inner_jaxprs_are_entered() -> None:
    assert [row["operation"] for row in traced(clamped, -1.5, 0)] == ["gt", "convert_element_type", "select_n"]


def test_a_callback_is_one_operation_that_says_so() -> None:
    (row,) = traced(called_back, 1.5, 0)
    assert (row["operation"], row["kind"], row["exact"]) == ("pure_callback", "custom kernel", None)
