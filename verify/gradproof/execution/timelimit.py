"""A limit on the time of one call: an alarm within the process, and a clock for whoever can end it from outside."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final

from gradproof.errors import Fault, ImplementationFault
from gradproof.execution.clock import Clock

MOST_SECONDS: Final = 86400.0
"""The longest limit there is, a day."""
AGAIN: Final = 1.0
"""Seconds after which a limit that was not heard is told again."""

EARLY: Final = 0.01
"""Seconds by which two clocks may differ on when a limit has passed."""

_now: Final = time.monotonic
_clock: Clock | None = None


def watched_by(clock: Clock) -> None:
    """From now on tell ``clock`` of every limited call of this process: it is a worker's."""
    global _clock
    _clock = clock


@contextlib.contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Raise ImplementationFault("timed-out") when the block runs longer than ``seconds``; 0 is no limit.

    That works by SIGALRM, so in the main thread of a POSIX process and between byte codes only. A worker process that
    does not hear it is ended when twice the time and ``clock.GRACE`` have passed. What the block does to the alarm, or
    to the signals that this thread hears, is undone.
    """
    if seconds <= 0:
        yield
        return
    before = None if _clock is None else _clock.begin(seconds)
    try:
        with _alarm(seconds, what):
            yield
    finally:
        if _clock is not None and before is not None:
            _clock.again(before)


@contextlib.contextmanager
def _alarm(seconds: float, what: str) -> Iterator[None]:
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    done = False

    def ring(_signal: int, _frame: FrameType | None) -> None:
        left = due - _now()
        if left > EARLY:  # an alarm that the block itself has set, in the place of this one
            signal.setitimer(signal.ITIMER_REAL, left, AGAIN)
        elif not done:
            raise ImplementationFault(Fault.TIMED_OUT, f"{what} did not return within {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    started = _now()
    due = started + seconds
    # It rings again, because Python swallows what is raised in a callback (of the garbage collector, say).
    pending, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        done = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
        if pending:  # somebody else's alarm (a test runner's time-out) goes on, late rather than never
            signal.setitimer(signal.ITIMER_REAL, max(pending - (_now() - started), 1e-3), interval)


@contextlib.contextmanager
def ending_after(limit: float | None) -> Iterator[None]:
    """Inside, the process ends when ``limit`` seconds have passed, even while it is caught in compiled code."""
    if limit is None:
        yield
        return
    faulthandler.dump_traceback_later(limit, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
