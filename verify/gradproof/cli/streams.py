"""Standard output and error as a command line needs them: any encoding, and nobody obliged to read on."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from gradproof.text import visible


class _Unread(io.FileIO):
    """A file that takes what nobody reads any more: after ``| head`` has seen enough, the command goes on in peace."""

    def write(self, content: Any, /) -> int:
        """Write; into a pipe that was closed as if it were read."""
        try:
            return super().write(content)
        except BrokenPipeError:
            _forsake(self.fileno())
            return len(content)


class _Shown(io.TextIOWrapper):
    """A stream on which nobody commands the terminal but who asks for ``commanding``."""

    def write(self, text: str, /) -> int:
        """Write what is shown of ``text``."""
        super().write(visible(text, lines=True))
        return len(text)

    def write_as_it_is(self, text: str, /) -> int:
        """Write ``text`` with what a terminal obeys in it."""
        return super().write(text)


class _Commanding:
    """A stream's other side, for colours and for a bar."""

    def __init__(self, stream: _Shown) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        """Write ``text`` as it is."""
        return self._stream.write_as_it_is(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def commanding(stream: IO[str]) -> IO[str]:
    """``stream`` for our own texts, in which every part that others wrote is ``visible`` already."""
    return _Commanding(stream) if isinstance(stream, _Shown) else stream  # type: ignore[return-value]


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Inside, neither a closed pipe nor a character that the terminal's encoding lacks ends a command.

    What anybody prints, warnings and tracebacks among it, is text that commands no terminal (``text.visible``). A name
    that the encoding lacks is shown escaped. Streams that are no files, as in tests, stay what they are.
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
    return _Shown(
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
