"""Whatever a user's callable does wrong becomes its verdict, in worker processes, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradproof.engine.run import exit_code, run
from gradproof.engine.selection import Selection
from gradproof.results.model import Cell

HEAD = """
import os
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["float16"])
def right(x):
    return np.maximum(x, 0)
"""

FAULTS = {
    "raised": "    raise ZeroDivisionError('seven')",
    "wrong-shape": "    return np.maximum(x, 0)[:1]",
    "wrong-format": "    return np.maximum(x, 0).astype(np.float64)",
    "wrong-type": "    return None",
    "wrote-input": "    np.maximum(x, 0, out=x)\n    return x",
    "timed-out": "    while True:\n        pass",
    "crashed": "    os._exit(3)",
}


def cells_of(folder: Path, body: str) -> dict[str, Cell]:
    file = folder / "subject.py"
    file.write_text(HEAD + f'\n@gp.implements("relu", backend="numpy", formats=["float16"])\ndef wrong(x):\n{body}\n')
    selection = Selection(
        files=(str(file),), properties=("accuracy",), orders=(0,), profile="quick", jobs=1, time_limit=1.0
    )
    return {cell.implementation: cell for cell in run(selection).cells}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_a_verdict_and_the_run_goes_on(kind: str, tmp_path: Path) -> None:
    cells = cells_of(tmp_path, FAULTS[kind])
    assert cells["subject:right"].status == "pass"
    wrong = cells["subject:wrong"]
    assert wrong.status == "error"
    assert wrong.measured["fault"] == kind


def test_an_error_fails_the_run(tmp_path: Path) -> None:
    file = tmp_path / "subject.py"
    file.write_text(HEAD.replace("np.maximum(x, 0)", "1 / 0"))
    result = run(Selection(files=(str(file),), properties=("accuracy",), orders=(0,), profile="quick", jobs=0))
    assert exit_code(result) == 1


def test_what_max_seconds_does_not_reach_is_not_run() -> None:
    selection = Selection(backends=("numpy",), functions=("relu", "silu"), profile="quick", jobs=0, max_seconds=1e-6)
    result = run(selection)
    assert not result.run.complete
    assert {c.status for c in result.cells} == {"not-run"}
    assert all("--max-seconds" in c.reason for c in result.cells)
    assert exit_code(result) == 5
