"""consistency on JAX: shapes, vmap, and compiled against eager."""

from __future__ import annotations

from typing import Any

import pytest

from gradproof.results.model import Cell
from tests.properties.subjects import verdict

jax = pytest.importorskip("jax")


def judged(call: Any, order: int = 0, mode: str = "eager") -> Cell:
    return verdict("consistency", "relu", [call], "float32", order, backend="jax:cpu", mode=mode)


def failing(cell: Cell) -> set[str]:
    return {way for way, row in cell.measured["ways"].items() if isinstance(row, dict) and row.get("failing")}


def test_a_right_function_passes_in_every_way_there_is() -> None:
    cell = judged(jax.nn.relu)
    assert (cell.status, cell.reason) == ("pass", "")
    assert {"scalar", "tail", "batched", "vmap", "large", "empty", "the second call"} == set(cell.measured["ways"])


def test_an_answer_that_depends_on_the_shape_fails() -> None:
    cell = judged(lambda x: jax.nn.relu(x) * (1.5 if x.ndim == 0 else 1))
    assert failing(cell) == {"scalar", "vmap"}  # vmap shows the function one element


def test_compiled_against_eager_names_the_side_that_is_wrong() -> None:
    def traced(x: Any) -> Any:
        return jax.nn.relu(x) * (1.5 if isinstance(x, jax.core.Tracer) else 1)

    cell = judged(traced, mode="compiled")
    assert failing(cell) == {"compiled"}
    assert cell.reason.endswith("compiled breaks the contract, eager keeps it")


def test_a_vjp_that_forgets_the_cotangent_fails() -> None:
    @jax.custom_vjp
    def forgetful(x: Any) -> Any:
        return jax.nn.relu(x)

    forgetful.defvjp(lambda x: (jax.nn.relu(x), x), lambda x, ct: ((x > 0).astype(x.dtype),))
    cell = judged(forgetful, 1)
    assert cell.status == "fail"
    assert [bool(row["failing"]) for row in cell.measured["ways"]["cotangents"]] == [True] * 4
