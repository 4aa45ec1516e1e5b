"""Standard output and error as a command line needs them: any encoding, and nobody obliged to read on."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any


class _Unread(io.FileIO):
    """A file that takes what nobody reads any more: after ``| head`` has seen enough, the command goes on in peace."""

    def write(self, content: Any, /) -> int:
        """Write; into a pipe that was closed as if it were read."""
        try:
            return super().write(content)
        except BrokenPipeError:
            _forsake(self.fileno())
            return len(content)


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Inside, neither a closed pipe nor a character that the terminal's encoding lacks ends a command.

    A name that the encoding lacks is shown escaped. Streams that are no files, as in tests, stay what they are.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_lasting(stream) for stream in before)
    try:
        yield
    finally:
        for stream, was in zip((sys.stdout, sys.stderr), before, strict=True):
            if stream is not was:
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
        sys.stdout, sys.stderr = before


def flushed() -> str:
    """Write out what is left on stdout; why that cannot be done, or nothing. The interpreter does not try again."""
    try:
        sys.stdout.flush()
    except OSError as fault:
        give_up()
        return fault.strerror or str(fault)
    return ""


def give_up() -> None:
    """Leave what stdout could not take, as on a full disk: a last try would change the exit status."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        _forsake(sys.stdout.fileno())
        sys.stdout.flush()


def _lasting(stream: Any) -> Any:
    """``stream`` over a file descriptor that may be closed at its other end."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # a stream of a test's
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Unread(number, "wb", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _forsake(number: int) -> None:
    """Send whatever is still written to a descriptor where nobody looks."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
