"""`--exec`: a program in the place of an implementation."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from gradproof.results import read_results
from tests.cli.conftest import Invoke

KERNEL = """
import sys
import numpy as np

order = sys.argv[1]
bits = np.frombuffer(sys.stdin.buffer.read(), "<u2")
negative = bits >> 15 != 0
nan = bits & 0x7FFF > 0x7F80
if order == "0":
    y = np.where(negative & ~nan, 0, bits)
else:
    y = np.where(negative | (bits == 0), 0, 0x3F80)
if "wrong" in sys.argv and order == "1":
    y = np.where(bits == 0x4000, 0x3F00, y)
if "hang" in sys.argv:
    import time
    time.sleep(600)
sys.stdout.buffer.write(y.astype("<u2").tobytes())
"""
"""relu in bfloat16 and its derivative, by bits alone."""


@pytest.fixture
def kernel(folder: Path) -> str:
    (folder / "kernel.py").write_text(KERNEL)
    return f"{shlex.join([sys.executable, str(folder / 'kernel.py')])} {{order}}"


CHECK = ("--function", "relu", "--format", "bfloat16", "--property", "accuracy", "--property", "kink-convention")


def test_a_program_is_checked_like_any_implementation(gradproof: Invoke, kernel: str) -> None:
    told = gradproof("check", "--exec", kernel, *CHECK, "--order", "0", "--order", "1", "--json", "r.json")
    assert told.exit_code == 0, told.output
    cells = {(c.property, c.order): c for c in read_results("r.json").cells}
    assert {cells[("accuracy", order)].status for order in (0, 1)} == {"pass"}
    assert cells[("accuracy", 1)].evidence.kind == "exhaustive"
    assert cells[("accuracy", 1)].backend == "bits"
    assert cells[("accuracy", 1)].device == "command"


def test_its_findings_are_shown_and_repeated(gradproof: Invoke, kernel: str) -> None:
    told = gradproof("check", "--exec", f"{kernel} wrong", *CHECK, "--order", "1", "--json", "r.json")
    assert told.exit_code == 1
    (finding,) = read_results("r.json").findings
    assert finding.regions == {"bfloat16": {"1": [["0x4000", "0x4000"]]}}
    certificate = next(c.certificate for c in read_results("r.json").cells if c.certificate)
    assert certificate.reproduce is not None
    again = gradproof(*shlex.split(certificate.reproduce)[1:])
    assert again.exit_code == 1
    assert "got       0.5" in again.output


def test_one_that_hangs_gets_a_verdict_and_the_run_goes_on(gradproof: Invoke, kernel: str) -> None:
    told = gradproof(
        "check", "--exec", f"{kernel} hang", *CHECK, "--order", "0", "--time-limit", "2", "--json", "r.json"
    )
    assert told.exit_code == 1
    cells = read_results("r.json").cells
    assert cells[0].measured["fault"] == "timed-out"


@pytest.mark.parametrize("command", ["check", "sweep"])
@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("nosuchprog --order {order}", "no program of that name is on PATH"),
        ("./nosuchprog", "there is no such file"),
        ("./plain.txt", "./plain.txt is not executable"),
        ("./folder", "./folder is a folder"),
    ],
)
def test_a_program_that_is_not_there_is_no_failure_of_an_implementation(
    gradproof: Invoke, folder: Path, command: str, program: str, told: str
) -> None:
    (folder / "plain.txt").write_text("no program")
    (folder / "folder").mkdir()
    what = ("relu",) if command == "sweep" else ("--function", "relu")
    done = gradproof(command, *what, "--exec", program, "--format", "bfloat16", "--order", "0", "--json", "r.json")
    assert done.exit_code == 4, done.output
    assert told in done.stderr
    assert not (folder / "r.json").exists()


def test_a_program_is_swept(gradproof: Invoke, kernel: str) -> None:
    sweep = ("sweep", "relu", "--format", "bfloat16", "--order", "1", "--jobs", "1", "-q", "--json", "s.json")
    assert gradproof(*sweep, "--exec", kernel).exit_code == 0
    (cell,) = read_results("s.json").cells
    assert (cell.evidence.kind, cell.status, cell.backend) == ("exhaustive", "pass", "bits")
    assert gradproof(*sweep, "--exec", f"{kernel} wrong").exit_code == 1


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["check"], "expected FILE.py, or --exec COMMAND in its place"),
        (["check", "a.py", "--exec", "k"], "got both"),
        (["check", "--exec", "k", "--format", "bfloat16"], "expected one function that 'k' computes, got none"),
        (
            ["check", "--exec", "k", "--function", "relu"],
            "expected one --format, in which 'k' takes and gives bits, got",
        ),
        (["check", "--exec", "k", "--function", "relu", "--format", "bfloat16,float16"], "got bfloat16, float16"),
        (
            ["check", "--exec", "k", "--function", "relu", "--format", "bfloat16", "--order", "0", "--order", "1"],
            "write {order} in the command",
        ),
        (["check", "--exec", "'", "--function", "relu", "--format", "bfloat16"], "expected a command line"),
        (["check", "a.py", "--param", "alpha=1"], "expected --exec COMMAND with --param"),
        (["sweep", "--exec", "k"], "missing argument"),
    ],
)
def test_mistakes_are_told(gradproof: Invoke, args: list[str], told: str) -> None:
    Path("a.py").write_text("")
    result = gradproof(*args)
    assert result.exit_code == 4, result.output
    assert told in result.output.lower() or told in result.output
