"""consistency on JAX: shapes, vmap, and compiled against eager."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gradproof.results.model import Cell
from tests.properties.subjects import QUICK, verdict

jax = pytest.importorskip("jax")


SHAPES = {"scalar", "tail", "batched", "vmap", "large", "empty"}


def judged(call: Any, order: int = 0, mode: str = "eager", fmt: str = "float32", **more: Any) -> Cell:
    return verdict("consistency", "relu", [call], fmt, order, backend="jax:cpu", mode=mode, **more)


def failing(cell: Cell) -> set[str]:
    return {way for way, row in cell.measured["ways"].items() if isinstance(row, dict) and row.get("failing")}


def test_a_right_function_passes_in_every_way_there_is() -> None:
    cell = judged(jax.nn.relu)
    assert (cell.status, cell.reason) == ("pass", "")
    assert {*SHAPES, "the second call"} == set(cell.measured["ways"])


def test_derivatives_take_every_shape_in_one_format_and_few_in_the_others() -> None:
    both = {"forward mode", "the second call", "cotangents"}
    assert {*SHAPES, *both} == set(judged(jax.nn.relu, 1).measured["ways"])
    assert {"scalar", *both} == set(judged(jax.nn.relu, 1, fmt="float16").measured["ways"])
    alone = judged(jax.nn.relu, 1, fmt="float16", selection=replace(QUICK, formats=("float16", "bfloat16")))
    assert {*SHAPES, *both} == set(alone.measured["ways"])
    assert {*SHAPES, "the second call"} == set(judged(jax.nn.relu, 0, fmt="float16").measured["ways"])


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
    assert [bool(row["failing"]) for row in cell.measured["ways"]["cotangents"]] == [True] * 5
