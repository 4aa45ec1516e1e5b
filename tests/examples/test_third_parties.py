"""The example packages, each installed into an environment of its own, work without a change in gradproof.

The environment sees this one's packages through a .pth file, so nothing but the example itself is installed.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.house.imports import ROOT

pytest.importorskip("hatchling", reason="building the examples needs hatchling")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Make = Callable[[str], Run]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Install an example into a fresh environment; a function that runs gradproof there comes back."""

    def install(example: str) -> Run:
        home = tmp_path_factory.mktemp(example)
        venv.create(home / "env", with_pip=False, symlinks=True)
        bin_folder = home / "env" / ("Scripts" if os.name == "nt" else "bin")
        python = bin_folder / "python"
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = Path(subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())
        here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        # addsitedir, and not the bare path: editable installs are .pth files themselves.
        lines = [f"import site; site.addsitedir({folder!r})" for folder in sorted(here)]
        (site / "parent.pth").write_text("\n".join(lines) + "\n")
        wheels = home / "wheels"
        source = ROOT / "examples" / example
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
        done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        (wheel,) = wheels.glob("*.whl")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [python, "-m", "gradproof", *arguments], cwd=home, capture_output=True, text=True, check=False
            )

        return run

    return install


def judged(run: Run, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    results = folder / "results.json"
    done = run("run", "--profile", "quick", "--jobs", "0", "--json", str(results), "--html", "none", *arguments)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(results.read_text())["cells"]
    return found


def test_a_property_pack_of_one_file(installed: Make, tmp_path: Path) -> None:
    run = installed("property_pack")
    listed = run("list").stdout
    assert "idempotent" in listed
    assert "soft_clip" in listed
    found = judged(run, tmp_path, "--backend", "numpy:cpu", "--property", "idempotent", "--format", "float16")
    assert {c["function"] for c in found} >= {"relu", "maximum0", "abs", "relu6", "clamp"}
    assert not {c["function"] for c in found} & {"gelu", "tanh", "softplus", "hardswish"}
    assert {(c["status"], c["evidence"]["kind"]) for c in found} == {("pass", "exhaustive")}


def test_a_report_format(installed: Make, tmp_path: Path) -> None:
    run = installed("report_csv")
    found = judged(run, tmp_path, "--backend", "numpy:cpu", "--function", "relu", "--property", "accuracy")
    done = run("report", str(tmp_path / "results.json"), "--write", "csv", str(tmp_path / "cells.csv"))
    assert done.returncode == 0, done.stderr
    with (tmp_path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["function"], r["format"], r["order"], r["status"]) for r in rows] == [
        (c["function"], c["format"], str(c["order"]), c["status"]) for c in found
    ]


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="ONNX Runtime is not installed")
def test_onnx_runtime_as_a_backend(installed: Make, tmp_path: Path) -> None:
    run = installed("backend_onnxruntime")
    assert "onnxruntime:cpu" in run("doctor").stdout
    asked = ("--backend", "onnxruntime:cpu", "--format", "float32", "--property", "accuracy", "--order", "0")
    found = judged(run, tmp_path, *asked, "--function", "relu", "--function", "elu", "--function", "leaky_relu")
    verdicts = {c["function"]: c for c in found}
    assert {name: c["status"] for name, c in verdicts.items()} == {"relu": "pass", "leaky_relu": "pass", "elu": "fail"}
    # exp(x) - 1 is 0 for small x, where elu(x) is x.
    assert verdicts["elu"]["severity"] == "lost-signal"
    assert verdicts["elu"]["implementation"] == "onnxruntime.Elu"
    derivatives = judged(run, tmp_path, *asked[:-1], "1", "--function", "relu")
    assert {c["status"] for c in derivatives} == {"unsupported"}


def test_cupy_without_cuda_is_not_run_and_says_why(installed: Make, tmp_path: Path) -> None:
    run = installed("backend_cupy")
    told = run("doctor").stdout
    assert "cupy:cuda" in told
    if importlib.util.find_spec("cupy") is None:
        assert "CuPy is not installed; pip install cupy-cuda13x" in " ".join(told.split())
    results = tmp_path / "results.json"
    run(
        "run", "--backend", "cupy:cuda", "--function", "tanh", "--property", "accuracy", "--json", str(results),
        "--html", "none",
    )  # fmt: skip
    found = json.loads(results.read_text())["cells"]
    assert found
    assert {c["status"] for c in found} == {"not-run"} or importlib.util.find_spec("cupy") is not None


def test_plugins_can_be_switched_off(installed: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = installed("property_pack")
    monkeypatch.setenv("GRADPROOF_NO_PLUGINS", "1")
    told = run("list").stdout
    assert "idempotent" not in told
    assert "soft_clip" not in told
