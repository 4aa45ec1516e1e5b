"""second-order on JAX's AD: a tangent rule with a constant slope, and a right function."""

from __future__ import annotations

from typing import Any

import pytest

from tests.properties.subjects import verdict

jax = pytest.importorskip("jax")


@jax.custom_jvp
def cut(x: Any) -> Any:
    return jax.numpy.tanh(x)


@cut.defjvp
def _cut_jvp(primals: Any, tangents: Any) -> Any:
    y = cut(primals[0])
    return y, jax.lax.stop_gradient(1 - y * y) * tangents[0]


def test_a_slope_cut_off_from_differentiation_fails() -> None:
    cell = verdict("second-order", "tanh", [cut], "float32", 2, backend="jax:cpu")
    assert cell.status == "fail"
    assert cell.measured["ways"] == ["forward-over-reverse"]


def test_relu_passes_with_all_its_cross_terms() -> None:
    cell = verdict("second-order", "relu", [jax.nn.relu], "float32", 2, backend="jax:cpu")
    assert cell.status == "pass"
    figures = cell.measured["forward-over-reverse"]
    assert figures["cross_terms_got"] == figures["cross_terms_due"] > 0
