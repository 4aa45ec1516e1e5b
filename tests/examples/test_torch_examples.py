"""The examples in PyTorch: what they claim about themselves is what gradproof finds."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.imports import ROOT

EXAMPLES = ROOT / "examples"
POINTWISE = ("accuracy", "special-values", "saturation", "kink-convention")


def checked(file: Path, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    results = folder / "results.json"
    command = [sys.executable, "-m", "gradproof", "check", str(file), "--backend", "torch:cpu", "--profile", "quick"]
    command += ["--jobs", "0", "--json", str(results), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(results.read_text())["cells"]
    return found


def claims(*names: str) -> list[str]:
    return [word for name in names for word in ("--property", name)]


def test_the_classic_silu_fails_and_the_mended_one_passes(tmp_path: Path) -> None:
    formats = ("--format", "float32", "--format", "bfloat16")
    classic = checked(EXAMPLES / "silu" / "classic.py", tmp_path, *claims(*POINTWISE), *formats)
    found = {(c["format"], c["order"], c["property"]): c for c in classic}
    overflow = found["float32", 1, "accuracy"]
    assert overflow["status"] == "fail"
    assert overflow["severity"] == "wrong-class"
    assert overflow["certificate"]["cause"] == "intermediate-overflow"
    assert found["float32", 0, "saturation"]["status"] == "fail"
    mended = checked(EXAMPLES / "silu" / "mended.py", tmp_path, *claims(*POINTWISE), *formats)
    assert len(mended) == len(classic)
    assert {c["status"] for c in mended} == {"pass"}


def test_a_function_from_a_paper(tmp_path: Path) -> None:
    found = checked(EXAMPLES / "telu" / "telu.py", tmp_path, *claims("accuracy"), "--format", "bfloat16")
    verdicts = {(c["implementation"], c["order"]): c for c in found}
    # bfloat16 is computed in float32 by both; exp overflows in the paper's form, and inf * 0 is its derivative.
    assert verdicts["telu:paper", 0]["status"] == verdicts["telu:clamped", 0]["status"] == "pass"
    assert verdicts["telu:paper", 1]["severity"] == "wrong-class"
    assert verdicts["telu:clamped", 1]["severity"] != "wrong-class"


def test_a_library_of_kernels(tmp_path: Path) -> None:
    library = tmp_path / "library"
    shutil.copytree(EXAMPLES / "kernel_library", library, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--gradproof-json", "cells.json"]
    done = subprocess.run(command, cwd=library, capture_output=True, text=True, check=False)
    found = json.loads((library / "cells.json").read_text())["cells"]
    verdicts = {(c["function"], c["format"], c["order"], c["property"]): c["status"] for c in found}
    assert verdicts["softcap", "bfloat16", 0, "bounded-by-cap"] == "pass"
    assert {v for k, v in verdicts.items() if k[0] == "relu"} == {"pass"}
    # 1 - tanh^2 is 0 long before the derivative is: a finding, not an accident of the example.
    assert verdicts["softcap", "bfloat16", 1, "accuracy"] == "fail"
    assert {c["contract"] for c in found if c["function"] == "softcap"} == {"kernels"}
    assert "test_softcap_keeps_the_shape" not in done.stdout
    assert done.returncode == 1


def test_the_triton_kernels_wait_for_a_gpu(tmp_path: Path) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU: the kernels run in the cuda environment")
    results = tmp_path / "results.json"
    command = [sys.executable, "-m", "gradproof", "check", str(EXAMPLES / "triton_gelu" / "gelu.py")]
    done = subprocess.run([*command, "--json", str(results)], capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stdout + done.stderr
    found = json.loads(results.read_text())["cells"]
    assert {(c["status"], c["device"]) for c in found} == {("not-run", "cuda")}
