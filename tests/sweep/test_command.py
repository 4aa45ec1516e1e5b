"""``gradproof sweep`` as people call it: what it prints, writes and exits with."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import gradproof as gp
from gradproof.cli import codes
from gradproof.cli.sweep_progress import rate
from gradproof.errors import UsageError
from tests.cli.conftest import Invoke
from tests.cli.conftest import folder as folder
from tests.cli.conftest import gradproof as gradproof

RIGHT = """
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["bfloat16"])
def mine(x):
    return np.where(x <= 0, x.dtype.type(0), x)
"""
WRONG = RIGHT.replace("x <= 0", "x <= 1")
"""Gives 0 for all inputs in (0, 1], where relu is x."""

RELU = ("sweep", "relu", "--backend", "numpy", "--format", "bfloat16", "--workers", "0")


def test_every_input_of_a_format_is_judged(gradproof: Invoke, folder: Path) -> None:
    done = gradproof(*RELU, "--order", "0", "--order", "1", "--json", "out.json")
    assert done.exit_code == codes.OK, done.output
    found = json.loads((folder / "out.json").read_text("utf-8"))
    assert [c["order"] for c in found["cells"]] == [0, 1]
    # Of the derivative, those at the kink (both zeros) and at the 254 NaNs are conventions.
    judged = [65536, 65536 - 2 - 254]
    assert [c["evidence"] for c in found["cells"]] == [{"kind": "exhaustive", "n": n} for n in judged]
    assert found["run"]["complete"] is True
    assert "relu-numpy-cpu-bfloat16-order1" in done.stdout
    assert "65,536" in done.stdout


def test_a_range_is_judged_alone(gradproof: Invoke, folder: Path) -> None:
    done = gradproof(*RELU, "--bits", "0x3f80..0x4000", "--json", "out.json")
    assert done.exit_code == codes.OK, done.output
    (cell,) = json.loads((folder / "out.json").read_text("utf-8"))["cells"]
    assert cell["evidence"] == {"kind": "range", "n": 0x4000 - 0x3F80 + 1}


def test_a_range_in_numbers_lies_on_both_sides_of_zero(gradproof: Invoke, folder: Path) -> None:
    done = gradproof(*RELU, "--range", "-8..2", "--json", "out.json")
    assert done.exit_code == codes.OK, done.output
    (cell,) = json.loads((folder / "out.json").read_text("utf-8"))["cells"]
    # 2 is 0x4000 and -8 is 0xc100 in bfloat16; both zeros are between them.
    assert cell["evidence"] == {"kind": "range", "n": 0x4000 + 1 + 0x4100 + 1}
    assert cell["measured"]["range"]["parts"] == [["0x0000", "0x4000"], ["0x8000", "0xc100"]]
    assert cell["reason"] == "every pattern of 0x0000..0x4000 and 0x8000..0xc100"
    again = gradproof(*RELU, "--range", "-8..2", "--json", "again.json")
    assert again.exit_code == codes.OK, again.output
    assert [
        json.loads((folder / f).read_text("utf-8"))["cells"][0]["evidence"] for f in ("out.json", "again.json")
    ] == [cell["evidence"]] * 2


def test_a_failure_outside_a_range_in_numbers_is_not_found(gradproof: Invoke, folder: Path) -> None:
    (folder / "mine.py").write_text(WRONG, encoding="utf-8")
    asked = ("sweep", "mine.py", "--format", "bfloat16", "--workers", "0")
    assert gradproof(*asked, "--range", "-8..0").exit_code == codes.OK
    assert gradproof(*asked, "--range", "-8..0x1p-20").exit_code == codes.FAILED
    assert gradproof(*asked, "--range", "1.01..8").exit_code == codes.OK
    both = gradproof(*asked, "--range", "0..1", "--bits", "0..1")
    assert (both.exit_code, "expected --bits or --range, got both" in both.stderr) == (codes.USAGE, True)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_wrong_file_fails_on_the_interval_that_is_wrong(gradproof: Invoke, folder: Path, workers: str) -> None:
    """1 is 0x3f80 in bfloat16, so that (0, 1] holds the patterns from 0x0001 to 0x3f80."""
    (folder / "wrong.py").write_text(WRONG, encoding="utf-8")
    done = gradproof("sweep", "wrong.py", "--format", "bfloat16", "--workers", workers)
    assert done.exit_code == codes.FAILED, done.output
    assert re.search(r"fails on \[1.17549e-38, 1\]  0x0080..0x3f80\n", done.stdout)


def test_a_right_file_passes_and_a_function_beside_it_narrows_it(gradproof: Invoke, folder: Path) -> None:
    (folder / "right.py").write_text(RIGHT, encoding="utf-8")
    sweep = ("sweep", "right.py", "relu", "--format", "bfloat16", "--workers", "0")
    assert gradproof(*sweep).exit_code == codes.OK
    other = gradproof("sweep", "right.py", "silu", "--format", "bfloat16", "--workers", "0")
    assert other.exit_code == codes.USAGE
    assert "expected an implementation of silu" in other.stderr


def test_a_file_that_was_edited_is_not_gone_on_with(gradproof: Invoke, folder: Path) -> None:
    sweep = [sys.executable, "-m", "gradproof", "sweep", "mine.py", "--format", "bfloat16", "--workers", "0"]
    (folder / "mine.py").write_text(RIGHT, encoding="utf-8")
    assert subprocess.run(sweep, capture_output=True, check=False).returncode == codes.OK
    (folder / "mine.py").write_text(WRONG, encoding="utf-8")
    refused = subprocess.run(sweep, capture_output=True, text=True, check=False)
    assert refused.returncode == codes.USAGE
    assert "file is" in refused.stderr
    assert "--fresh" in refused.stderr
    assert subprocess.run([*sweep, "--fresh"], capture_output=True, check=False).returncode == codes.FAILED


def test_what_cannot_be_swept_is_told_and_the_rest_is_swept(gradproof: Invoke, folder: Path) -> None:
    (folder / "narrow.py").write_text(RIGHT, encoding="utf-8")
    done = gradproof(
        "sweep", "narrow.py", "--format", "bfloat16", "--format", "float16", "--workers", "0", "--json", "out.json"
    )
    assert done.exit_code == codes.OK, done.output
    cells = json.loads((folder / "out.json").read_text("utf-8"))["cells"]
    assert [(c["format"], c["status"]) for c in cells] == [("bfloat16", "pass"), ("float16", "unsupported")]
    assert "claims bfloat16 only" in done.stdout


@pytest.mark.parametrize("fmt", ["bfloat16", "float64"])
def test_an_implementation_that_raises_is_an_error_of_its_own_target(gradproof: Invoke, folder: Path, fmt: str) -> None:
    raising = RIGHT.replace('formats=["bfloat16"]', "").replace(
        "return np.where", "raise ValueError('no')\n    return np"
    )
    (folder / "raising.py").write_text(raising, encoding="utf-8")
    done = gradproof(
        "sweep", "raising.py", "--format", fmt, "--format", "float16", "--workers", "0", "--json", "out.json"
    )
    assert done.exit_code == codes.FAILED, done.output
    cells = json.loads((folder / "out.json").read_text("utf-8"))["cells"]
    assert {c["status"] for c in cells} == {"error"}
    assert "ValueError" in cells[0]["reason"]


def test_a_backend_that_is_not_installed_is_not_run(gradproof: Invoke, folder: Path) -> None:
    done = gradproof("sweep", "relu", "--backend", "torch:cuda", "--format", "bfloat16", "--json", "out.json")
    (cell,) = json.loads((folder / "out.json").read_text("utf-8"))["cells"]
    if cell["status"] == "not-run":  # there is no device
        assert done.exit_code == codes.NOTHING
        assert cell["reason"]


def test_float64_is_searched(gradproof: Invoke, folder: Path) -> None:
    search = ("sweep", "silu", "--backend", "numpy", "--format", "float64", "--points", "512", "--workers", "0")
    done = gradproof(*search, "--json", "out.json")
    assert done.exit_code in (codes.OK, codes.FAILED), done.output
    (cell,) = json.loads((folder / "out.json").read_text("utf-8"))["cells"]
    assert cell["evidence"] == {"kind": "sampled", "n": 512}
    assert ">=" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep"], "missing argument"),
        (["sweep", "relo"], "did you mean 'relu'"),
        (["sweep", "relu", "--bits", "0..0x10000", "--format", "bfloat16"], "16 bits for bfloat16"),
        (["sweep", "relu", "--bits", "0..1", "--format", "float16", "--format", "bfloat16"], "expected one --format"),
        (["sweep", "relu", "--bits", "0x0..0xffffffffffffffff", "--format", "float64"], "name a narrower range"),
        (["sweep", "relu", "--order", "3"], "an order of 0, 1 or 2"),
        (["sweep", "relu", "--format", "float31"], "did you mean 'float32'"),
        (["sweep", "relu", "--backend", "nunpy"], "did you mean 'numpy'"),
        (["sweep", "relu", "--backend", "numpy", "--mode", "quick"], "unknown mode 'quick'"),
        (["sweep", "relu", "--workers", "-1"], "at least 0"),
        (["sweep", "relu", "--workers", "1", "--cluster", "tcp://h:1"], "expected one of"),
        (["sweep", "relu", "--points", "0"], "at least 1"),
        (["sweep", "relu", "--shard-limit", "soon"], "expected a number"),
        (["sweep", "relu", "--shard-limit", "nan"], "expected --shard-limit of at least 0"),
        (["sweep", "relu", "--time-limit", "60"], "no such option"),
        (["sweep", "relu", "--jobs", "1000"], "at most"),
        (["sweep", "relu", "--backend", "numpy", "--implementation", "other"], "expected an implementation called"),
        (["sweep", "nothing.py"], "does not exist"),
    ],
)
def test_wrong_usage_is_told_before_any_work(gradproof: Invoke, arguments: list[str], said: str) -> None:
    done = gradproof(*arguments)
    assert done.exit_code == codes.USAGE, done.output
    assert said in done.stderr


def test_interrupted_it_exits_with_2_and_the_same_command_goes_on(gradproof: Invoke, folder: Path) -> None:
    command = [sys.executable, "-m", "gradproof", "sweep", "relu", "--backend", "numpy", "--workers", "1"]
    command += ["--json", "out.json"]
    # A process started in the background inherits an ignored SIGINT, as batch systems do it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 120
    while len(list(folder.glob(".gradproof/sweeps/*/shard-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    told, errors = running.communicate(timeout=120)
    assert running.returncode == codes.INTERRUPTED, errors
    assert "the same command goes on from there" in told
    kept = len(list(folder.glob(".gradproof/sweeps/*/shard-*")))
    assert 2 <= kept < 256
    found = json.loads((folder / "out.json").read_text("utf-8"))
    assert found["run"]["complete"] is False
    assert [c["status"] for c in found["cells"]] == ["not-run"]
    assert "Traceback" not in errors


def test_from_python_the_result_is_the_same(gradproof: Invoke, folder: Path) -> None:
    gradproof(*RELU, "--json", "out.json")
    (told,) = json.loads((folder / "out.json").read_text("utf-8"))["cells"]
    result = gp.run_sweep("relu", backend="numpy", format="bfloat16", workers=0, folder=folder / "elsewhere")
    (cell,) = result.cells
    assert (cell.u_max, cell.m_max, cell.evidence.n) == (told["u_max"], told["m_max"], told["evidence"]["n"])
    assert (folder / "elsewhere").is_dir()


def test_rates_are_told_in_few_digits() -> None:
    assert [rate(x) for x in (3.4e9, 1.2345e8, 5100.0, 7.0)] == ["3.4 G/s", "123 M/s", "5.1 k/s", "7 /s"]


def test_a_range_of_nans_has_no_error_to_tell(gradproof: Invoke, folder: Path) -> None:
    done = gradproof(*RELU, "--bits", "0x7f81..0x7fff")
    assert done.exit_code == codes.OK, done.output
    (row,) = (line for line in done.stdout.splitlines() if line.startswith("relu-numpy"))
    assert row.split()[:3] == ["relu-numpy-cpu-bfloat16-order0", "pass", "127"]
    assert "inf" not in row


def test_implementations_that_share_an_id_are_told_apart(gradproof: Invoke, folder: Path) -> None:
    second = WRONG.partition("import gradproof as gp")[2].replace("mine", "other")
    (folder / "both.py").write_text(RIGHT + second, encoding="utf-8")
    done = gradproof("sweep", "both.py", "--format", "bfloat16", "--workers", "0")
    assert done.exit_code == codes.FAILED, done.output
    rows = [line for line in done.stdout.splitlines() if line.startswith("relu-numpy-cpu-bfloat16-order0 (")]
    assert [("mine)" in row, "pass" in row) for row in rows] == [(True, True), (False, False)]
    assert "other)" in rows[1]
    assert "fail" in rows[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"order": []}, "at least one order"),
        ({"format": []}, "at least one format"),
        ({"mode": []}, "at least one mode"),
        ({"order": "0"}, "got '0'"),
        ({"bits": (0, 5)}, "bits as text"),
        ({"workers": "a"}, "whole number for workers"),
        ({"workers": 1.5}, "whole number for workers"),
    ],
)
def test_what_python_hands_in_wrongly_is_named(given: dict[str, Any], said: str, folder: Path) -> None:
    with pytest.raises(UsageError, match=said):
        gp.run_sweep("relu", **{"backend": "numpy", "format": "bfloat16", "workers": 0, **given})


def test_a_script_without_a_guard_is_told_what_it_lacks(folder: Path) -> None:
    script = folder / "unguarded.py"
    script.write_text(
        "import gradproof as gp\n"
        'print(gp.run_sweep("relu", backend="numpy", format="bfloat16", workers=1).counts()["error"])\n',
        encoding="utf-8",
    )
    told = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=200)
    assert told.stdout.strip() == "1"
    assert 'a script that sweeps needs if __name__ == "__main__":' in told.stderr
    assert "another gradproof" not in told.stderr


ENDS = """
import ctypes
import numpy as np
import gradproof as gp

{at_import}

@gp.implements("relu", backend="numpy")
def wrong(x):
    {in_a_call}
    return np.maximum(x, 0)
"""
EXIT = "ctypes.CDLL(None).exit(0)"


def test_a_file_that_ends_its_process_cannot_pass_for_a_sweep(folder: Path) -> None:
    (folder / "ends.py").write_text(ENDS.format(at_import=EXIT, in_a_call=""))
    command = [sys.executable, "-m", "gradproof", "sweep", "ends.py", "--format", "bfloat16", "--workers", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 4
    assert "ends.py could not be imported: the worker process ended (exit code 0)" in done.stderr


def test_a_call_that_ends_its_process_is_an_error_of_the_sweep(gradproof: Invoke, folder: Path) -> None:
    (folder / "ends.py").write_text(ENDS.format(at_import="", in_a_call=EXIT))
    done = gradproof("sweep", "ends.py", "--format", "bfloat16", "--workers", "0", "--json", "out.json")
    assert done.exit_code == 1
    (cell,) = json.loads((folder / "out.json").read_text())["cells"]
    assert cell["status"] == "error"
    assert "the worker process ended (exit code 0)" in cell["reason"]
