"""Calls for the tests of worker processes; these find them by name."""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import signal

from gradproof.execution.timelimit import time_limit
from gradproof.execution.work import report, retire

kept: list[object] = []


def begin(*values: object) -> None:
    """An initializer that keeps its arguments."""
    kept.extend(values)


def refuse() -> None:
    """An initializer that raises."""
    raise KeyError("no")


def leave() -> None:
    """An initializer that ends the process as if all were well."""
    os._exit(0)


def what_was_kept() -> tuple[int, list[object]]:
    """The number of this process, and what its initializer kept."""
    return os.getpid(), kept


def counted(number: int) -> int:
    """Reports the numbers up to ``number``."""
    for i in range(number):
        report(i)
    return number


def last() -> int:
    """The number of a process that does nothing after this."""
    retire()
    return os.getpid()


def deaf(seconds: float, how: str) -> None:
    """A limited call that does not hear that its time is up."""
    with time_limit(seconds, "the call"):
        if how == "compiled":
            collections.deque(itertools.repeat(0), maxlen=0)
        elif how == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        while how == "swallows":
            with contextlib.suppress(BaseException):
                while True:
                    len("")  # without a call the compiler finds nothing to suppress


def fork_and_leave() -> None:
    """Ends the process, and leaves a child that holds everything open which it had."""
    if os.fork():
        os._exit(7)
    signal.pause()
