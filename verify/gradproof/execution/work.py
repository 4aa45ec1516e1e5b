"""What runs in a worker process: one call after the other, whatever it asks to be told meanwhile, and its end."""

from __future__ import annotations

import contextlib
import ctypes
import io
import math
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, MutableSequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Final, TextIO

from gradproof.errors import GradproofError
from gradproof.execution import timelimit
from gradproof.execution.channel import Channel, Garbled
from gradproof.execution.clock import Clock
from gradproof.text import visible

PRINTED: Final = 4000
"""Characters that the calls of a worker may print."""

_PR_SET_PDEATHSIG: Final = 1
"""In <linux/prctl.h>: the signal for this process when the thread that started it ends."""

_channel: Channel | None = None
_retired = False


def report(value: Any) -> None:
    """From within a call: hand ``value`` to the executor's ``report``, in order. Nothing happens elsewhere."""
    if _channel is not None:
        _channel.send(("report", value))


def retire() -> None:
    """From within a call: have this process ended after it, and the next call done by a new one."""
    global _retired
    _retired = True


def work(
    connection: Connection,
    key: bytes,
    memory: MutableSequence[float],
    initializer: Callable[..., None] | None,
    arguments: tuple[Any, ...],
) -> None:
    """A worker process: answer calls until nobody asks any more.

    ``("report", value)`` goes out at any time; ``("up",)`` and ``("ready", fault)`` once, ``("answer", value, fault,
    retired)`` for each call ``(function, arguments, keywords)``.
    """
    global _channel
    _end_with_parent()
    _stand_apart()
    _channel = channel = Channel(connection, key)
    timelimit.watched_by(Clock(memory))
    # Whatever is wrong with the line, or comes over it, there is nobody to tell.
    with contextlib.suppress(EOFError, OSError, Garbled, KeyboardInterrupt):
        channel.send(("up",))
        _, fault = _called(initializer, arguments, {}) if initializer else (None, None)
        channel.send(("ready", fault))
        while fault is None:
            answer, failed = _next(channel)
            _send_answer(channel, answer, failed)
    # Not by the interpreter's end: what user code left behind (threads, exit handlers) must not hold it up.
    with contextlib.suppress(Exception):
        sys.stderr.flush()
    os._exit(0)


def _next(channel: Channel) -> tuple[Any, BaseException | None]:
    """What the next call gives, once one is asked for, or what it raises."""
    try:
        function, arguments, keywords = channel.receive()
    except (EOFError, OSError, Garbled):
        raise
    except Exception as fault:  # a module that is not here
        return None, fault
    return _called(function, arguments, keywords)


def _called(
    function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, BaseException | None]:
    try:
        return function(*arguments, **keywords), None
    except (Exception, SystemExit) as fault:
        fault.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return None, fault


def _send_answer(channel: Channel, answer: Any, fault: BaseException | None) -> None:
    try:
        channel.send(("answer", answer, fault, _retired))
    except OSError:
        raise
    except Exception as bug:  # an answer, or an exception, that cannot be pickled
        said = fault or bug
        channel.send(("answer", None, GradproofError(f"{type(said).__name__}: {said}"), _retired))


def _stand_apart() -> None:
    """A group of processes of its own, so that what it starts can be ended with it, and nothing on standard output."""
    if hasattr(os, "setpgid"):
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a process in the background may write to the terminal
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    _leave_tracker()
    if sys.stderr is not None:
        sys.stdout, sys.stderr = Printed(sys.stderr, PRINTED), Printed(sys.stderr)


def _leave_tracker() -> None:
    """Give up the line to the parent's tracker of shared memory, which calls could write on; one's own starts anew."""
    tracker = getattr(resource_tracker, "_resource_tracker", None)
    if isinstance(number := getattr(tracker, "_fd", None), int):
        tracker._fd = None  # type: ignore[union-attr]
        with contextlib.suppress(OSError):
            os.close(number)


def _end_with_parent() -> None:
    """A worker whose parent was killed must not go on, nor wait for ever.

    A thread sees to it; on Linux the kernel does also, since a loop in compiled code may let no thread have a turn.
    """
    threading.Thread(target=_wait_for_parents_end, daemon=True).start()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_for_parents_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class Printed(io.TextIOBase):
    """What calls print goes to ``stream`` as text that commands no terminal, no more of it than ``most`` characters.

    Standard output goes where errors go: the other one is the report's.
    """

    def __init__(self, stream: TextIO, most: float = math.inf) -> None:
        self._stream = stream
        self._room = most

    def fileno(self) -> int:
        """That of the stream, for who writes past this."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str, /) -> int:
        """Pass on what there is room for, and say once that the rest is left out."""
        if self._room > 0:
            self._stream.write(visible(text if len(text) <= self._room else text[: int(self._room)], lines=True))
            self._room -= len(text)
            if self._room <= 0:
                self._stream.write("\ngradproof: what the implementations print from here on is left out\n")
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()
