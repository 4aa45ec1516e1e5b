"""The command line starts fast: what only talks imports nothing that computes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import TINY

HEAVY = {"numpy", "torch", "jax", "hypothesis", "mpmath", "flint", "rich", "jinja2", "gradproof.engine"}


def loaded_by(*args: str) -> tuple[set[str], str]:
    """Modules loaded by one command in a new interpreter, and what it printed."""
    program = (
        "import sys, json\n"
        "from gradproof.cli import main\n"
        "try:\n"
        f"    main({list(args)!r})\n"
        "except SystemExit as done:\n"
        "    assert not done.code, done.code\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *said, modules = done.stdout.splitlines()
    return set(json.loads(modules)), "\n".join(said)


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["run", "--help"], ["repro", "--help"]])
def test_talking_imports_nothing_heavy(args: list[str]) -> None:
    loaded, said = loaded_by(*args)
    assert "gradproof" in said
    assert not loaded & HEAVY


def test_listing_functions_imports_no_framework() -> None:
    loaded, said = loaded_by("list", "functions")
    assert "negative_slope=0.01" in said
    assert not loaded & {"torch", "jax"}


def test_a_run_on_numpy_imports_no_other_framework(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    loaded, _ = loaded_by(
        "run", "--backend", "numpy", "--function", "relu", "--format", "bfloat16", "--property", "accuracy",
        "--order", "0", "--jobs", "0", "--json", str(path), "--html", "none",
    )  # fmt: skip
    assert "numpy" in loaded
    assert not loaded & {"torch", "jax"}


def test_the_module_runs_like_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "gradproof", "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("gradproof ")
    wrong = subprocess.run([sys.executable, "-m", "gradproof", "rnu"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 4
    assert "did you mean 'run'?" in wrong.stderr


def test_worker_processes_judge_as_this_one_does(tmp_path: Path) -> None:
    args = [
        "run",
        "--backend",
        "numpy",
        "--function",
        "relu",
        "--format",
        "bfloat16",
        "--property",
        "accuracy",
    ]
    args += ["--order", "0", "--html", "none"]
    statuses = []
    for jobs in ("0", "1"):
        path = tmp_path / f"{jobs}.json"
        done = subprocess.run(
            [sys.executable, "-m", "gradproof", *args, "--jobs", jobs, "--json", str(path)],
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        cells = json.loads(path.read_text("utf-8"))["cells"]
        statuses.append([(c["status"], c["evidence"], c["worst_bits"]) for c in cells])
    assert statuses[0] == statuses[1]
    assert statuses[0][0][0] == "pass"


def test_a_name_that_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "wide.py").write_text(
        "import gradproof as gp\n"
        'name = "\N{GREEK SMALL LETTER RHO}elu"\n'
        '@gp.implements("relu", backend="numpy", formats=["bfloat16"], name=name)\n'
        "def mine(x): return x\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "gradproof", "check", "wide.py", "--property", "accuracy", "--jobs", "0"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "\\u03c1elu" in done.stdout


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    # The reader is gone before anything is written.
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "gradproof", "list"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 0  # a reader that has enough, such as head, is no failure
    assert done.stderr == ""


def test_a_run_goes_on_when_nobody_watches_it(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "gradproof", "run", *TINY, "--html", "none"],
            stdout=subprocess.PIPE, stderr=pipe, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0
    assert "3 pass" in done.stdout
