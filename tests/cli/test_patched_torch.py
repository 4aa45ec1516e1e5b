"""PyTorch with one derivative replaced fails `gradproof run`: whatever the ledger knows, this it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults.patches import PATCHES
from gradproof.formats import FLOAT64

ROOT = Path(__file__).parents[2]


@pytest.mark.framework("torch")
@pytest.mark.parametrize("name", PATCHES)
def test_a_patched_derivative_fails_the_run(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    patch, results = PATCHES[name], tmp_path / "results.json"
    options = ["--profile", "quick", "--property", "accuracy", "--quiet", "--json", str(results), "--html", "none"]
    command = [sys.executable, "-m", "benchmarks.faults.patches", name, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    cells = json.loads(results.read_text(encoding="utf-8"))["cells"]
    failing = [c for c in cells if c["status"] == "fail"]
    assert [c["order"] for c in failing] == [patch.order]
    ends = [int(end, 16) for c in failing[0]["clusters"] for region in c["regions"] for end in region]
    numbers = [float(FLOAT64.value(bits)) for bits in ends if FLOAT64.is_finite(bits)]
    assert any(patch.low < (x if patch.one_sided else abs(x)) < patch.high for x in numbers)
