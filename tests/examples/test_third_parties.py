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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.imports import ROOT

pytest.importorskip("hatchling", reason="building the examples needs hatchling")


@dataclass(frozen=True)
class Environment:
    """A fresh virtual environment in ``home`` with one more package than this one."""

    home: Path
    python: Path

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run gradproof there."""
        command = [self.python, "-m", "gradproof", *arguments]
        return subprocess.run(command, cwd=self.home, capture_output=True, text=True, check=False)

    def pip(self, *arguments: str) -> None:
        """Run this environment's pip on that one."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def fresh(home: Path) -> Environment:
    venv.create(home / "env", with_pip=False, symlinks=True)
    python = home / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # addsitedir, and not the bare path: editable installs are .pth files themselves.
    lines = [f"import site; site.addsitedir({folder!r})" for folder in sorted(here)]
    (site / "parent.pth").write_text("\n".join(lines) + "\n")
    return Environment(home, python)


def install(source: Path, home: Path) -> Environment:
    """Build the wheel of ``source`` and install it into a fresh environment."""
    made = fresh(home)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(home / "wheels")]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (home / "wheels").glob("*.whl")
    made.pip("install", "--quiet", "--no-deps", str(wheel))
    return made


Make = Callable[[str], Environment]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The environment of an example; one for all tests of the module."""
    return cache(lambda example: install(ROOT / "examples" / example, tmp_path_factory.mktemp(example)))


def judged(run: Environment, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    results = folder / "results.json"
    results.unlink(missing_ok=True)  # one that holds more is kept
    done = run("run", "--profile", "quick", "--jobs", "0", "--json", str(results), "--html", "none", *arguments)
    assert done.returncode in (0, 1, 5), done.stdout + done.stderr
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
    done = run("report", str(tmp_path / "results.json"), "--report", f"csv={tmp_path / 'cells.csv'}")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["function"], r["format"], r["order"], r["status"]) for r in rows] == [
        (c["function"], c["format"], str(c["order"]), c["status"]) for c in found
    ]


@pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None and os.environ.get("TOX_ENV_NAME") != "unit",
    reason="ONNX Runtime is not installed; pip install onnx onnxruntime",  # tox's unit environment must have it
)
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
    monkeypatch.setenv("GRADPROOF_NO_PLUGINS", "1")
    for example, name in (("property_pack", "idempotent"), ("property_pack", "soft_clip"), ("backend_cupy", "cupy")):
        run = installed(example)
        assert name not in run("list").stdout
        assert name not in run("doctor").stdout
    done = installed("backend_cupy")("run", "--backend", "cupy:cuda")
    assert done.returncode == 4
    assert "unknown backend 'cupy:cuda'" in done.stderr


def test_an_uninstalled_pack_leaves_nothing_behind(tmp_path: Path) -> None:
    run = install(ROOT / "examples" / "property_pack", tmp_path)
    assert "idempotent" in run("list").stdout
    run.pip("uninstall", "--yes", "--quiet", "gradproof-idempotence")
    done = run("list")
    assert done.returncode == 0, done.stderr
    assert "idempotent" not in done.stdout
    assert "soft_clip" not in done.stdout
