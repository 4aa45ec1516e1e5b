"""Inputs that failed before reach every property that says it tries them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import gradproof as gp
from gradproof.backends.base import Implementation
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger, Surroundings
from gradproof.engine.planning.plan import plan
from gradproof.engine.properties.installed import forget_properties, properties
from gradproof.engine.request.selection import Selection
from gradproof.results.model import Cell

FAILED_BEFORE = (0x3F9E0653, 0x3F9E0661)
"""Two float32 numbers near 1.2346."""

HERE = Surroundings({"numpy:cpu": "2"}, {"numpy:cpu": "any"})


def cell_of(function: str, property: str, call: Any, replay: tuple[int, ...] = FAILED_BEFORE) -> Cell:
    implementation = Implementation(function, "numpy", "mine", call, user=True, formats=("float32",))
    selection = Selection(
        backends=("numpy:cpu",), orders=(0,), properties=(property,), formats=("float32",), profile="quick", jobs=0
    )
    (group,) = plan(selection, [implementation]).groups
    (task,) = group.tasks
    return decide(task, selection, Ledger(), HERE, None, replay)[0]


def to_float16(x: Any) -> Any:
    with np.errstate(over="ignore"):
        return x.astype(np.float16).astype(x.dtype)


RIGHT = {
    "accuracy": ("relu", lambda x: np.maximum(x, np.zeros_like(x))),
    "saturation": ("softsign", lambda x: x / (1 + np.abs(x))),
    "conversion": ("to_float16", to_float16),
    "consistency": ("relu", lambda x: np.maximum(x, np.zeros_like(x))),
    "no-surprise": ("relu", lambda x: np.maximum(x, np.zeros_like(x))),
}


@pytest.fixture(scope="module", autouse=True)
def _own() -> Iterator[None]:
    @gp.property("no-surprise", statement="No result is 1000.", functions="relu")
    def no_surprise(x: Any, y: Any) -> Any:
        return y != 1000

    yield
    forget_properties(("no-surprise",))


def test_these_are_the_properties_that_try_what_failed_before() -> None:
    assert {name for name, claim in properties().items() if claim.tries_witnesses} >= set(RIGHT)


@pytest.mark.parametrize("property", RIGHT)
def test_an_input_that_is_handed_in_is_tried_and_told_when_it_fails_again(property: str) -> None:
    function, right = RIGHT[property]
    met: set[int] = set()

    def wrong(x: Any) -> Any:
        met.update(np.atleast_1d(x).view(np.uint32).ravel().tolist())
        return np.where(x.view(np.uint32) == FAILED_BEFORE[0], x.dtype.type(1000), right(x)).astype(x.dtype)

    assert cell_of(function, property, right).status in ("pass", "unsupported")
    cell = cell_of(function, property, wrong)
    assert set(FAILED_BEFORE) <= met
    if property == "consistency":  # one input, one answer: always 1000
        assert cell.measured["replayed"] == {"inputs": 2, "failing": []}
    else:
        assert cell.status == "fail"
        assert cell.measured["replayed"] == {"inputs": 2, "failing": ["0x3f9e0653"]}


def test_without_replay_nothing_is_told_of_it() -> None:
    cell = cell_of("relu", "accuracy", RIGHT["accuracy"][1], ())
    assert cell.status == "pass"
    assert "replayed" not in cell.measured
