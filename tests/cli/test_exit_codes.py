"""One exit code per outcome, for ``run`` and ``check`` alike."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gradproof.errors import GradproofError, OracleDisagreement
from tests.cli.conftest import TINY, Invoke


def test_passes_alone_exit_0(gradproof: Invoke) -> None:
    done = gradproof("run", *TINY, "--html", "none")
    assert done.exit_code == 0, done.stderr
    assert "OK: nothing but passes" in done.stdout


def test_a_right_implementation_exits_0(gradproof: Invoke, right: Path) -> None:
    done = gradproof("check", str(right), "--property", "accuracy", "--jobs", "0")
    assert done.exit_code == 0, done.stdout
    assert "2 pass, 0 fail" in done.stdout


def test_a_wrong_implementation_exits_1_and_names_its_simplest_input(gradproof: Invoke, wrong: Path) -> None:
    done = gradproof("check", str(wrong), "--property", "accuracy", "--order", "0", "--jobs", "0")
    assert done.exit_code == 1
    assert "FAILED: 1 new failure" in done.stdout
    assert "wrong_relu:mine as relu on numpy:cpu  bulk" in done.stdout
    # 1 is the input of (0, 1] with the fewest significand bits; 0x3f80 is 1 in bfloat16.
    assert "simplest  1.0 (0x3f80)" in done.stdout
    assert "--order 0 --bits 0x" in done.stdout


INTERRUPTING = """
import os, signal, time
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["bfloat16", "float16"])
def mine(x):
    if x.dtype == np.float16:
        return np.maximum(x, 0)
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(600)
"""


def test_an_interrupt_exits_2_and_keeps_what_was_reached(folder: Path) -> None:
    (folder / "interrupting.py").write_text(INTERRUPTING, encoding="utf-8")
    command = [sys.executable, "-m", "gradproof", "check", "interrupting.py", "--property", "accuracy"]
    command += ["--order", "0", "--jobs", "0", "--json", "left.json"]
    # A process started in the background inherits an ignored SIGINT, as batch systems do it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    said, errors = running.communicate(timeout=120)
    assert running.returncode == 2, errors
    assert "INTERRUPTED" in said
    document = json.loads((folder / "left.json").read_text("utf-8"))
    assert document["run"]["complete"] is False
    assert [c["status"] for c in document["cells"]] == ["pass", "not-run"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (OracleDisagreement("at x = 2"), "OracleDisagreement: at x = 2"),
        (GradproofError("a worker could not start"), "a worker could not start"),
        (ZeroDivisionError("seeded"), "internal error: ZeroDivisionError: seeded"),
        (SystemExit(0), "ended by sys.exit(0)"),
    ],
)
def test_what_is_nobodys_mistake_exits_3_in_one_line(
    gradproof: Invoke, monkeypatch: pytest.MonkeyPatch, fault: BaseException, told: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("gradproof.engine.running.run.run", broken)
    done = gradproof("run", *TINY, "--html", "none")
    assert done.exit_code == 3
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_traceback_is_there_for_the_asking(gradproof: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("seeded")

    monkeypatch.setattr("gradproof.engine.running.run.run", broken)
    assert "GRADPROOF_TRACEBACK=1" in gradproof("run", *TINY).stderr
    monkeypatch.setenv("GRADPROOF_TRACEBACK", "1")
    assert "Traceback (most recent call last)" in gradproof("run", *TINY).stderr


def test_a_selection_without_cells_exits_5(gradproof: Invoke) -> None:
    done = gradproof("run", *TINY, "--mode", "compiled", "--html", "none")
    assert done.exit_code == 5
    assert "NOTHING RAN" in done.stdout


LEAVING = """
import ctypes
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["float16"])
def leaves(x):
    ctypes.CDLL(None).exit(0)
"""


def test_a_call_that_exits_is_no_passed_check(folder: Path) -> None:
    (folder / "leaving.py").write_text(LEAVING, encoding="utf-8")
    command = [sys.executable, "-m", "gradproof", "check", "leaving.py", "--property", "accuracy", "--order", "0"]
    command += ["--jobs", "0", "--json", "out.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "the worker process ended (exit code 0) while leaving:leaves was checked" in " ".join(done.stdout.split())
    (cell,) = json.loads((folder / "out.json").read_text())["cells"]
    assert (cell["status"], cell["measured"]["fault"]) == ("error", "crashed")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--time-limit", "0"], "expected --time-limit above 0 and at most 86400, got 0"),
        (["--time-limit", "nan"], "expected --time-limit above 0"),
        (["--workers", "1000"], "expected --jobs of at least 0 and at most"),
        (["--jobs", "-1"], "expected jobs of at least 0"),
        (["--seed", str(1 << 63)], "expected --seed as a whole number from 0"),
        (["--max-seconds", "nan"], "expected --max-seconds above 0"),
        (["--profile", "thorough"], "expected one of quick, default, deep"),
        (["--time-limit", "1e18"], "expected --time-limit above 0"),
        (["--jobs", "1000000"], "expected --jobs of at least 0 and at most"),
        (["--max-seconds", "inf"], "expected --max-seconds above 0"),
    ],
)
def test_absurd_values_are_wrong_usage(gradproof: Invoke, words: list[str], said: str) -> None:
    done = gradproof("run", "--backend", "numpy", "--function", "relu", *words)
    assert done.exit_code == 4
    assert said in done.stderr


def test_a_file_that_exits_while_imported_is_no_passed_check(gradproof: Invoke, folder: Path) -> None:
    (folder / "leaving.py").write_text("raise SystemExit(0)", encoding="utf-8")
    done = gradproof("check", "leaving.py")
    assert done.exit_code == 4
    assert "SystemExit" in done.stderr
