"""A program as an implementation: what it is handed, and what becomes of one that misbehaves."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gradproof as gp
from gradproof.errors import ImplementationFault, UsageError
from gradproof.external.command import Command

BITS = np.arange(1 << 16, dtype=np.uint16)


def python(body: str, *, time_limit: float | None = None) -> Command:
    """A program in Python that finds its input in ``bits``."""
    text = f"import sys, os, time; bits = sys.stdin.buffer.read(); {body}"
    return gp.command(shlex.join([sys.executable, "-S", "-c", text]), time_limit=time_limit)


def test_raw_bits_go_in_and_come_out() -> None:
    assert np.array_equal(python("sys.stdout.buffer.write(bits)")(BITS), BITS)


def test_the_width_of_what_comes_out_is_its_own() -> None:
    found = python("sys.stdout.buffer.write(bits[::2])")(BITS)
    assert found.dtype == np.uint8
    assert np.array_equal(found, BITS.astype(np.uint8))


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        ("sys.stderr.write('no such order'); sys.exit(3)", "crashed", "exit status 3; it said: no such order"),
        ("os.kill(os.getpid(), 11)", "crashed", "was ended by SIGSEGV"),
        (
            "sys.stdout.buffer.write(bits[:-1])",
            "wrong-shape",
            "wrote 131,071 bytes for 65,536 inputs, expected 131,072",
        ),
        ("sys.stdout.buffer.write(bits + bits + bits)", "wrong-shape", "wrote 393,216 bytes"),
        ("pass", "wrong-shape", "wrote 0 bytes"),
    ],
)
def test_what_goes_wrong_is_a_fault_of_the_program(body: str, kind: str, told: str) -> None:
    with pytest.raises(ImplementationFault) as fault:
        python(body)(BITS)
    assert fault.value.kind == kind
    assert told in str(fault.value)


def test_a_program_that_does_not_read_may_answer_all_the_same() -> None:
    command = gp.command(shlex.join([sys.executable, "-S", "-c", "import sys; sys.stdout.buffer.write(bytes(131072))"]))
    assert not command(BITS).any()


def test_one_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    child = f"while True: open({str(mark)!r}, 'w').write('x'); time.sleep(0.05)"
    body = f"os.fork() or exec({('import time; ' + child)!r}); time.sleep(60)"
    began = time.monotonic()
    with pytest.raises(ImplementationFault, match="did not answer within 1 seconds") as fault:
        python(body, time_limit=1.0)(BITS)
    assert fault.value.kind == "timed-out"
    assert time.monotonic() - began < 20
    mark.unlink(missing_ok=True)
    time.sleep(0.3)
    assert not mark.exists(), "a child of the program lives on"


@pytest.mark.parametrize("text", ["", "   ", "'open", 7])
def test_what_is_no_command_line_is_refused(text: object) -> None:
    with pytest.raises(UsageError, match="expected a command line"):
        gp.command(text)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="time_limit above 0"):
        gp.command("true", time_limit=0)


def test_one_that_is_not_there_says_so() -> None:
    with pytest.raises(ImplementationFault, match="'/absent/kernel' cannot be started: No such file"):
        gp.command("/absent/kernel")(BITS)
