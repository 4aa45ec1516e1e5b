"""``benchmarks/second_judge.py`` agrees with a run's verdicts, and names what was changed in its file."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "second_judge.py"
CODE = """
import gradproof
import numpy as np

@gradproof.implements("silu", backend="numpy")
def mine(x):
    return x / (1 + np.exp(-x))

@gradproof.implements("tanhshrink", backend="numpy")
def difference(x):
    return x - np.tanh(x)

@gradproof.implements("abs", backend="numpy")
def size(x):
    return np.abs(x)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A file with failures and passes of three functions."""
    folder = tmp_path_factory.mktemp("second")
    (folder / "mine.py").write_text(CODE)
    command = ["check", "mine.py", "--profile", "quick", "--property", "accuracy", "--property", "special-values"]
    command += ["--order", "0", "--json", "results.json", "--html", "none", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "gradproof", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    data: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return data


def judged(data: dict[str, Any], folder: Path, *options: str) -> tuple[int, str]:
    """Exit status and output of the second judge."""
    (folder / "results.json").write_text(json.dumps(data))
    command = [sys.executable, str(SCRIPT), "results.json", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_it_uses_nothing_of_gradproofs_and_no_numpy() -> None:
    code = f"import runpy, sys; runpy.run_path({str(SCRIPT)!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "mpmath" in loaded
    assert not {"gradproof", "numpy"} & set(loaded)


def test_it_agrees_with_a_run(results: dict[str, Any], tmp_path: Path) -> None:
    status, said = judged(results, tmp_path, "--sample", "100")
    assert status == 0, said
    assert "0 disagreements" in said
    assert "certificates" in said
    assert "results of passes" in said


def another_error(cell: dict[str, Any]) -> None:
    cell["certificate"]["u"] *= 1.5


def another_value(cell: dict[str, Any]) -> None:
    due = int(cell["certificate"]["expected"]["bits"], 16)
    cell["certificate"]["expected"]["bits"] = hex(due ^ 1)


def a_right_result(cell: dict[str, Any]) -> None:
    cell["certificate"]["got"] = cell["certificate"]["expected"]


@pytest.mark.parametrize(
    ("change", "words"),
    [(another_error, "u is"), (another_value, "the certificate expects"), (a_right_result, "keeps the contract")],
)
def test_a_changed_certificate_is_named(
    results: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    data = copy.deepcopy(results)
    failing = [c for c in data["cells"] if c["property"] == "accuracy" and c["certificate"]]
    change(next(c for c in failing if c["certificate"]["u"] is not None))
    status, said = judged(data, tmp_path)
    assert status == 1
    assert words in said


def test_a_wrong_result_in_a_pass_is_named(results: dict[str, Any], tmp_path: Path) -> None:
    data = copy.deepcopy(results)
    cell = next(c for c in data["cells"] if c["status"] == "pass" and c["format"] == "float32" and c["curve"])
    got = bytearray(base64.b64decode(cell["curve"]["graph"]["got"]))
    got[len(got) // 8 * 4] ^= 0x40  # 64 ulps, of one result
    cell["curve"]["graph"]["got"] = base64.b64encode(bytes(got)).decode()
    status, said = judged(data, tmp_path, "--sample", "1000")
    assert status == 1
    assert "passes with m" in said


def test_a_file_with_nothing_to_judge_is_no_success(results: dict[str, Any], tmp_path: Path) -> None:
    assert judged({**results, "cells": []}, tmp_path)[0] == 2
