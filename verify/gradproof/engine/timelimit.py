"""A soft time limit for one call of a user's code; the worker pool adds a hard one."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final

from gradproof.errors import ImplementationFault

AGAIN: Final = 1.0
"""Seconds after which a limit that was not heard is told again."""


@contextlib.contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Raise ImplementationFault("timed-out") when the block runs longer than ``seconds``.

    Works by SIGALRM, so in the main thread of a POSIX process and between byte codes only; elsewhere it does
    nothing and the pool's hard limit remains.
    """
    usable = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not usable or seconds <= 0:
        yield
        return

    done = False

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if not done:
            raise ImplementationFault("timed-out", f"{what} did not return within {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    started = time.monotonic()
    # It rings again, because Python swallows what is raised in a callback (of the garbage collector, say).
    pending, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        done = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if pending:  # somebody else's alarm (a test runner's time-out) goes on, late rather than never
            signal.setitimer(signal.ITIMER_REAL, max(pending - (time.monotonic() - started), 1e-3), interval)
