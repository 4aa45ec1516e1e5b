"""Signals that ask a run to end: it ends early, and what it has found is written first.

Ctrl-C (SIGINT), SIGTERM as batch systems send it before they kill, SIGHUP as a closed terminal does.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final

SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")

ONCE: Final = 2.0
"""Seconds within which several signals are one: a terminal and a batch system ask twice, and impatient people do."""


class Interrupts:
    """What was heard, and whether a signal still ends what is being done.

    A signal raises KeyboardInterrupt while there is work that may be given up; others within ONCE seconds do nothing,
    later ones raise again, since code of others may swallow the first. After ``finish`` the first one does nothing, and
    later ones raise: writing into a pipe may wait without end. After ``end`` none does anything.
    """

    def __init__(self) -> None:
        self.asked = False
        """Whether somebody asked to end."""
        self._heeded: float | None = None
        self._working = True
        self._ended = False

    def finish(self) -> None:
        """From here on what was found is put together and written: one signal more does not end that."""
        self._working, self._heeded = False, None

    def check(self) -> None:
        """Raise KeyboardInterrupt where somebody asked to end and something swallowed it."""
        if self.asked:
            raise KeyboardInterrupt

    def end(self) -> None:
        """The process is about to end, and its exit status is known: no signal of these changes that any more."""
        self._ended = True
        for number in _handled(self):
            signal.signal(number, signal.SIG_IGN)
        # CPython dies of SIGINT instead of exiting where the last text that was executed (as dataclasses do) was left
        # by a KeyboardInterrupt, whoever caught it.
        exec("")

    def heard(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        now, last, self.asked = time.monotonic(), self._heeded, True
        if self._ended:
            return
        if last is not None and now - last < ONCE:
            return
        self._heeded = now
        if self._working or last is not None:
            raise KeyboardInterrupt


_active: Interrupts | None = None


@contextlib.contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Inside, the signals are those of one ``Interrupts``; within another such block, of the outer one.

    In the main thread only, as Python has it: elsewhere nothing is ever heard. A signal that this process was told to
    ignore (``nohup``, a background job) stays ignored. Afterwards the handlers are those from before, but for
    ``Interrupts.end``.
    """
    global _active
    if _active is not None or threading.current_thread() is not threading.main_thread():
        yield _active or Interrupts()
        return
    mine = _active = Interrupts()
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]  # Windows lacks SIGHUP
    before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, mine.heard)
        yield mine
    finally:
        for number in _handled(mine):
            signal.signal(number, before[number])
        _active = None


def _handled(interrupts: Interrupts) -> list[int]:
    """The signals that are handled by ``interrupts``."""
    numbers = (getattr(signal, name) for name in SIGNALS if hasattr(signal, name))
    return [number for number in numbers if signal.getsignal(number) == interrupts.heard]
