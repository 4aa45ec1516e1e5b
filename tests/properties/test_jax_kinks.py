"""kink-convention on JAX's AD: a cotangent that is dropped, a slope outside the interval, and right functions."""

from __future__ import annotations

from typing import Any

import pytest

from gradproof.results.model import Cell
from tests.properties.subjects import verdict

jax = pytest.importorskip("jax")
jnp = jax.numpy


def judged(call: Any, fmt: str = "float32") -> Cell:
    return verdict("kink-convention", "relu", [call], fmt, 1, backend="jax:cpu")


def slope(x: Any, at_zero: float) -> Any:
    return jnp.where(x > 0, 1.0, jnp.where(x == 0, at_zero, 0.0)).astype(x.dtype)


def with_jvp(at_zero: float) -> Any:
    """relu whose tangent is scaled by a chosen slope at 0; reverse mode is its transpose."""

    @jax.custom_jvp
    def relu(x: Any) -> Any:
        return jnp.maximum(x, 0)

    relu.defjvp(lambda primals, tangents: (relu(*primals), slope(primals[0], at_zero) * tangents[0]))
    return relu


@jax.custom_vjp
def forgetful(x: Any) -> Any:
    return jnp.maximum(x, 0)


forgetful.defvjp(lambda x: (forgetful(x), x), lambda x, cotangent: (slope(x, 0.5),))


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
def test_any_choice_in_the_interval_passes(at_zero: float, fmt: str) -> None:
    cell = judged(with_jvp(at_zero), fmt)
    assert (cell.status, cell.reason) == ("pass", "")


@pytest.mark.parametrize("call", [jax.nn.relu, lambda x: jnp.where(x > 0, x, jnp.zeros_like(x))])
def test_jaxs_own_functions_pass_as_a_users(call: Any) -> None:
    assert judged(call).status == "pass"


def test_a_slope_outside_the_interval_fails() -> None:
    cell = judged(with_jvp(-1.0))
    assert cell.status == "fail"
    assert "outside the Clarke interval [0, 1]" in cell.reason


def test_a_dropped_cotangent_fails() -> None:
    cell = judged(forgetful)
    assert cell.status == "fail"
    assert "the vjp of cotangent" in cell.reason
