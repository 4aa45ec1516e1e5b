"""XLA held to instructions without F16C cannot compile float16: those cells say so, and the run goes on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="--xla_cpu_max_isa is about x86 processors")
def test_what_xla_cannot_compile_is_unsupported_and_the_rest_is_judged(folder: Path) -> None:
    command = [
        sys.executable, "-m", "gradproof", "run", "--backend", "jax", "--function", "relu", "--function", "to_float16",
        "--format", "float16", "--format", "float32", "--property", "accuracy", "--property", "conversion",
        "--order", "0", "--profile", "quick", "--jobs", "1", "--json", "results.json", "--html", "none",
    ]  # fmt: skip
    held = os.environ | {"XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2"}
    ended = subprocess.run(command, env=held, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = json.loads((folder / "results.json").read_text("utf-8"))
    seen = {(c["function"], c["format"], c["mode"]): (c["status"], c["reason"]) for c in results["cells"]}
    for mode in ("eager", "compiled"):
        assert seen["relu", "float32", mode][0] == "pass"
        for cell, why in (
            (seen["relu", "float16", mode], "XLA cannot calculate in float16 on this processor"),
            (seen["to_float16", "float32", mode], "Failed to materialize symbols"),
        ):
            assert cell[0] == "unsupported"
            assert why in cell[1]
    told = results["run"]["backends"]["jax:cpu"]
    assert "XLA cannot calculate in float16" in told["unusable_formats"]["float16"]
    assert "float32" in told["traits"]
    assert "float16" not in told["traits"]
    assert told["hardware"].split()[-1] == "SSE4_2"
