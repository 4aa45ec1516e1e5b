"""Memory that a worker shares with the process above it: which limited call it is in, and how long that may take.

A worker caught in compiled code, stopped by a signal, or in a call that swallows every exception cannot end itself;
who started it sees that the same call goes on, and ends it.
"""

from __future__ import annotations

import os
from collections.abc import MutableSequence
from typing import Any, Final

GRACE: Final = 1.0
"""Seconds beyond twice its limit that a call may take before its process is ended."""


def shared(context: Any) -> MutableSequence[float]:
    """New memory for one worker: a number that changes with every call, and the seconds of the present one or 0."""
    memory: MutableSequence[float] = context.RawArray("d", 2)
    return memory


class Clock:
    """The worker's side: says when limited calls begin and end."""

    def __init__(self, memory: MutableSequence[float]) -> None:
        self._memory = memory
        self._owner = os.getpid()

    def begin(self, seconds: float) -> float:
        """A call begins that may take so long; what was said before, for ``again``."""
        before = self._memory[1]
        self._say(seconds)
        return before

    def again(self, before: float) -> None:
        """The call has ended; the one around it, if there is one, begins anew."""
        self._say(before)

    def _say(self, seconds: float) -> None:
        if os.getpid() == self._owner:  # and not a forked copy
            self._memory[1] = 0.0
            self._memory[0] += 1.0
            self._memory[1] = seconds


class Watch:
    """The other side: adds up how long the present call has been seen to take.

    Only time in which this process itself was awake counts: after a laptop's sleep nobody is late.
    """

    def __init__(self, memory: MutableSequence[float]) -> None:
        self._memory = memory
        self._call = 0.0
        self._seen = 0.0

    def late(self, passed: float) -> float | None:
        """The limit of the present call, if it has gone on beyond all grace; ``passed`` seconds since the last look."""
        call, limit = self._memory[0], self._memory[1]
        self._seen = self._seen + passed if call == self._call else 0.0
        self._call = call
        return limit if limit > 0 and self._seen > 2 * limit + GRACE else None
