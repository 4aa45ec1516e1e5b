"""torch.compile under the oracle: faults of compiled code alone, which side is wrong, and what cannot be compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradproof.backends import get_backend
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.engine.subject.probe import Probe
from gradproof.results.model import Cell
from tests.properties.subjects import QUICK, bits_of, task, verdict

torch = pytest.importorskip("torch")

STATE = get_backend("torch:cpu").mode_availability("compiled")
pytestmark = pytest.mark.skipif(not STATE.available, reason=STATE.reason)


def judged(claim: str, function: str, call: Callable[..., Any], order: int = 0, **more: Any) -> Cell:
    return verdict(claim, function, [call], "float32", order, backend="torch:cpu", mode="compiled", **more)


def cancelling(x: Any) -> Any:
    """elu by exp(x) - 1, which is 0 at -1e-8."""
    return torch.where(x > 0, x, torch.exp(x) - 1)


def test_pytorchs_compiled_elu_is_judged_by_the_oracle() -> None:
    # pytorch#189801: Inductor computes expm1(x) as exp(x) - 1. A release that mends it passes here too.
    elu = torch.nn.functional.elu
    cell = judged("accuracy", "elu", elu)
    wrong = bool((torch.compile(elu, dynamic=False)(torch.full((256,), -1e-8)) == 0).all())
    assert cell.status == ("fail" if wrong else "pass")
    bits = np.array([bits_of("float32", -1e-8)], np.uint32)
    probe = Probe(task("accuracy", "elu", [elu], "float32", backend="torch:cpu", mode="compiled"), QUICK)
    assert bool(probe.judge(bits, probe.evaluate(bits, 0), 0).failing[0]) == wrong


def test_consistency_says_that_the_compiled_side_is_wrong() -> None:
    def spoiled(x: Any) -> Any:
        return cancelling(x) if torch.compiler.is_compiling() else torch.nn.functional.elu(x)

    cell = judged("consistency", "elu", spoiled)
    assert cell.status == "fail"
    assert cell.reason.endswith("compiled breaks the contract, eager keeps it")
    assert cell.measured["ways"]["compiled"]["failing"] > 0


def test_consistency_says_that_the_eager_side_is_wrong() -> None:
    def spoiled(x: Any) -> Any:
        return torch.relu(x) if torch.compiler.is_compiling() else 1.5 * torch.relu(x)

    cell = judged("consistency", "relu", spoiled)
    assert cell.status == "fail"
    assert cell.reason.endswith("eager breaks the contract, compiled keeps it")


def test_consistency_says_that_both_sides_are_wrong() -> None:
    def spoiled(x: Any) -> Any:
        return torch.relu(x) * (1.5 if torch.compiler.is_compiling() else 3.0)

    assert "both break the contract" in judged("consistency", "relu", spoiled).reason


def test_a_right_function_passes_compiled() -> None:
    for claim, order in (("accuracy", 0), ("consistency", 1)):
        cell = judged(claim, "relu", torch.relu, order)
        assert (cell.status, cell.reason) == ("pass", "")


def test_a_compiled_gradient_has_no_second_derivative() -> None:
    for function, call in (("relu", torch.relu), ("tanh", torch.tanh)):
        cell = judged("accuracy", function, call, 2)
        assert cell.status == "unsupported"
        assert "no double backward" in cell.reason


@torch.compile(fullgraph=True)
def uncompilable(x: Any) -> Any:
    """Insists on one graph, and breaks it."""
    torch._dynamo.graph_break()
    return torch.relu(x)


def raising(x: Any) -> Any:
    raise ValueError("seeded")


def writing(x: Any) -> Any:
    x[0] = 1.0
    return torch.relu(x)


@torch.compiler.disable
def eager_inside(x: Any) -> Any:
    """A part that the compiler leaves alone."""
    return torch.relu(x)


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        (uncompilable, "unsupported", "graph"),
        (raising, "error", "ValueError: seeded"),
        (writing, "error", "wrote into its input"),
        (lambda x: torch.relu(x).to(torch.float64), "error", "float64"),
        (eager_inside, "pass", ""),
        (lambda x: torch.relu(x) if float(x.sum()) < 0 else x.clamp_min(0), "pass", ""),
    ],
    ids=["uncompilable", "raising", "writing", "another format", "not compiled", "branching on data"],
)
def test_whatever_a_compiled_function_does_is_a_verdict(call: Any, status: str, words: str) -> None:
    cell = judged("accuracy", "relu", call)
    assert cell.status == status, cell.reason
    assert words in cell.reason


HOSTILE = """
import torch
import gradproof as gp


@gp.implements("relu", backend="torch", formats=["float32"])
@torch.compile(fullgraph=True)
def insisting(x):
    torch._dynamo.graph_break()
    return torch.relu(x)


@gp.implements("relu", backend="torch", formats=["float32"])
def right(x):
    return x.clamp_min(0)
"""


def test_what_cannot_be_compiled_leaves_the_rest_of_a_run(tmp_path: Path) -> None:
    file = tmp_path / "hostile.py"
    file.write_text(HOSTILE, encoding="utf-8")
    asked = Selection(
        backends=("torch:cpu",), properties=("accuracy",), orders=(0,), modes=("compiled",), files=(str(file),),
        profile="quick", jobs=0,
    )  # fmt: skip
    cells = {c.implementation: c.status for c in run(asked).cells}
    assert cells == {"hostile:insisting": "unsupported", "hostile:right": "pass"}


def test_what_hangs_while_it_is_traced_is_timed_out() -> None:
    def endless(x: Any) -> Any:
        while True:
            pass

    cell = judged("accuracy", "relu", endless, selection=replace(QUICK, time_limit=2))
    assert (cell.status, cell.measured) == ("error", {"fault": "timed-out"})
