"""What ``doctor`` knows of a framework without importing it, and when it looks again."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gradproof.cache import files

PROCESS = """
import sys
from gradproof.cli.app import program

try:
    program.main(["doctor", "--json"])
except SystemExit:
    print(*sorted({"torch", "jax"} & set(sys.modules)), file=sys.stderr)
"""
HERE = {name for name in ("torch", "jax") if importlib.util.find_spec(name)}


def doctor(cache: Path | str, **environment: str) -> tuple[dict[str, Any], set[str]]:
    """What a process of its own says, and which frameworks it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROCESS], env={**os.environ, files.VARIABLE: str(cache), **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)["backends"], set(done.stderr.split())


@pytest.mark.skipif(not HERE, reason="no framework to import")
def test_a_framework_is_imported_once_for_what_is_told_of_it(tmp_path: Path) -> None:
    first, imported = doctor(tmp_path)
    assert imported == HERE
    again, imported = doctor(tmp_path)
    assert imported == set()
    assert again == first
    changed, imported = doctor(tmp_path, ATEN_CPU_CAPABILITY="avx2", XLA_FLAGS="--xla_cpu_max_isa=AVX2")
    assert imported == HERE
    assert set(changed) == set(first)
    assert doctor(tmp_path)[1] == set()


@pytest.mark.skipif(not HERE, reason="no framework to import")
def test_a_damaged_fact_is_probed_again(tmp_path: Path) -> None:
    first, _ = doctor(tmp_path)
    for path in (tmp_path / "backends").iterdir():
        path.write_bytes(path.read_bytes().replace(b"true", b"fals"))
    done = subprocess.run(
        [sys.executable, "-c", PROCESS], env={**os.environ, files.VARIABLE: str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["backends"] == first
    assert "was not used: its checksum does not match its content; it is made anew" in done.stderr


def test_a_missing_platform_is_told_without_importing_the_framework(tmp_path: Path) -> None:
    code = """
import sys
from gradproof.backends import availability
for name in ("torch:cuda", "jax:cuda"):
    print(availability(name).reason)
print(sorted({"torch", "jax"} & set(sys.modules)))
"""
    environment = {k: v for k, v in os.environ.items() if k != "JAX_PLATFORMS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    torch, jax, imported = done.stdout.splitlines()
    if "without CUDA" in torch and "without CUDA" in jax:
        assert imported == "[]"
