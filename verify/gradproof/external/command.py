"""A program as a callable of the backend ``bits``: raw bits on its standard input, raw bits on its standard output."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from typing import Any, Final

import numpy as np

from gradproof.errors import Fault, ImplementationFault, UsageError
from gradproof.formats.arrays import Bits

SAID: Final = 200
"""Characters of a program's standard error that a fault repeats."""


class Command:
    """What ``gradproof.command`` returns."""

    def __init__(self, command: str, *, time_limit: float | None = None) -> None:
        if not isinstance(command, str):
            raise UsageError(f"expected a command line as text, such as './kernel --order 1', got {command!r}")
        try:
            self.words = shlex.split(command)
        except ValueError as fault:
            raise UsageError(f"expected a command line, got {command!r}: {fault}") from fault
        if not self.words:
            raise UsageError("expected a command line, such as './kernel --order 1', got an empty one")
        if time_limit is not None and not time_limit > 0:
            raise UsageError(f"expected time_limit above 0, got {time_limit!r}")
        self.text = command
        self.time_limit = time_limit

    def __call__(self, bits: Bits) -> Bits:
        """The program's results for ``bits``: one process for each call, which ends with it.

        Raises ImplementationFault for a program that cannot be started, ends with another status than 0, takes longer
        than ``time_limit`` seconds, or writes another number of bytes than it should.
        """
        content = np.ascontiguousarray(bits).astype(bits.dtype.newbyteorder("<"), copy=False).tobytes()
        answer, said, status = self._answer(content)
        if status:
            ended = f"was ended by {_signal(-status)}" if status < 0 else f"ended with exit status {status}"
            raise ImplementationFault(Fault.CRASHED, f"the command {self.text!r} {ended}{_quoted(said)}")
        width = len(answer) // bits.size
        if len(answer) != width * bits.size or width not in (1, 2, 4, 8):
            raise ImplementationFault(
                Fault.WRONG_SHAPE,
                f"the command {self.text!r} wrote {len(answer):,} bytes for {bits.size:,} inputs, expected "
                f"{len(content):,}: the raw bits of one result for each input{_quoted(said)}",
            )
        return np.frombuffer(answer, f"<u{width}").astype(f"u{width}")

    def _answer(self, content: bytes) -> tuple[bytes, bytes, int]:
        """What it wrote on both streams, and its status."""
        try:
            process = subprocess.Popen(
                self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
        except OSError as fault:
            raise ImplementationFault(
                Fault.RAISED, f"the command {self.text!r} cannot be started: {fault.strerror or fault}"
            ) from fault
        try:
            answer, said = process.communicate(content, self.time_limit)
        except subprocess.TimeoutExpired as late:
            raise ImplementationFault(
                Fault.TIMED_OUT, f"the command {self.text!r} did not answer within {self.time_limit:g} seconds"
            ) from late
        finally:
            _end(process)
        return answer, said, process.returncode


def _end(process: subprocess.Popen[Any]) -> None:
    """End it with all that it has started, where that has not happened by itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _quoted(said: bytes) -> str:
    """The end of what a program wrote on its standard error."""
    text = " ".join(said.decode("utf-8", "replace").split())
    return f"; it said: {text if len(text) <= SAID else '...' + text[-SAID:]}" if text else ""


def command(text: str, *, time_limit: float | None = None) -> Command:
    """A program as an implementation of the backend ``bits``: ``gp.implements("gelu", backend="bits",
    formats="bfloat16", derivative=gp.command("./kernel --order 1"))(gp.command("./kernel"))``.

    It reads raw little-endian bit patterns on its standard input until that ends, and writes as many on its standard
    output. ``text`` is split into words as a shell would, and no shell is started. A program that crashes, hangs
    (``time_limit`` seconds, beside the run's own limit), or writes too much or too little gets a verdict that says so.

    Raises UsageError for what is no command line.
    """
    return Command(text, time_limit=time_limit)
