"""The script that runs at every SIMD level: which levels, which variables, and what its table and exit status say."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "simd_levels.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("simd_levels", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "simd_levels", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "simd_level", lambda: "AVX2")
    return module


def test_levels_that_the_processor_lacks_are_left_out(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(script.levels("jax", [])) == ["as it is", "SSE4_2", "AVX", "AVX2"]
    assert list(script.levels("torch", ["AVX2", "AVX512"])) == ["AVX2"]
    monkeypatch.setattr(script, "simd_level", lambda: "NEON")
    assert list(script.levels("torch", [])) == ["as it is"]


def test_a_run_is_held_to_its_level_and_inherits_no_other(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX512")
    seen = {}

    class Process:
        pid = 1

        def __init__(self, command: list[str], env: dict[str, str], stdout: Any) -> None:
            seen.update(env=env, command=command)

        def __enter__(self) -> Process:
            return self

        def __exit__(self, *_: object) -> None: ...

    usage = type("Usage", (), {"ru_utime": 1.0, "ru_stime": 0.5})
    monkeypatch.setattr(script.subprocess, "Popen", Process)
    monkeypatch.setattr(script.os, "wait4", lambda pid, options: (pid, 3 << 8, usage))
    row = script.run("torch", "AVX2", {"ATEN_CPU_CAPABILITY": "avx2"}, ["--seed", "7"], Path("nowhere.json"))
    assert "XLA_FLAGS" not in seen["env"]
    assert seen["env"]["ATEN_CPU_CAPABILITY"] == "avx2"
    assert seen["command"][-2:] == ["--seed", "7"]
    assert (row.status, row.seconds, row.results) == (3, 1.5, {})


RESULTS = {
    "cells": [
        {"status": "pass"}, {"status": "known"}, {"status": "known"},
        {"status": "fail", "function": "tanh", "format": "float32", "order": 1, "mode": "compiled",
         "property": "accuracy", "reason": "at 1: got 2"},
    ],
    "ledger": [
        {"state": "stale", "entry": "a", "detail": ""}, {"state": "grown", "entry": "b", "detail": "outside"},
    ],
}  # fmt: skip


@pytest.mark.parametrize(("status", "code"), [(0, 0), (1, 1)])
def test_the_table_counts_and_the_failures_are_named(
    script: Any, status: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(backend: str, level: str, variables: dict[str, str], options: list[str], file: Path) -> Any:
        return script.Row(backend, level, variables, status, 61.4, json.loads(json.dumps(RESULTS)))

    monkeypatch.setattr(script, "run", run)
    monkeypatch.setattr(sys, "argv", ["simd_levels.py", "--backend", "jax", "--level", "AVX"])
    assert script.main() == code
    assert capsys.readouterr().out.splitlines()[2:] == [
        f"| jax | `XLA_FLAGS=--xla_cpu_max_isa=AVX` | {status} | 1 | 2 | 1 | 0 | 0 | 0 | 1 | 61 |",
        "- jax at AVX: tanh float32 order 1 compiled accuracy: fail: at 1: got 2",
        "- jax at AVX: b: grown: outside",
    ]


def test_a_processor_without_the_level_runs_nothing_and_says_so(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["simd_levels.py", "--backend", "jax", "--level", "AVX512"])
    assert script.main() == 0
    assert "no level to run at: this processor is AVX2" in capsys.readouterr().out
