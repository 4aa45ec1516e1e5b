"""Messages between a process and its worker, framed and signed: nothing else that is on the line counts.

What a worker calls can write into every file descriptor of its process, and a child that it forks inherits the line.
Nothing is unpickled that the worker itself did not sign.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import pickle
import signal
import struct
import threading
from collections.abc import Iterator
from hashlib import blake2b
from multiprocessing.connection import Connection
from typing import Any, Final

_HEAD: Final = struct.Struct("!4sQ16s")
"""A mark, the length of the message, and its signature."""
_MARK: Final = b"gpf1"
_CHUNK: Final = 1 << 16


class Garbled(Exception):
    """Something arrived that the other side did not send as a message."""


class Channel:
    """One end of the line. ``key`` is known to both processes and to nobody else."""

    def __init__(self, connection: Connection, key: bytes) -> None:
        self.connection = connection
        self._key = key
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._seen = bytearray()

    def send(self, message: Any) -> None:
        """Send one picklable message. OSError when nobody is there; a forked copy of this process ends instead."""
        if os.getpid() != self._owner:
            os._exit(1)
        body = pickle.dumps(message)
        frame = memoryview(_HEAD.pack(_MARK, len(body), self._signature(body)) + body)
        with self._lock, _without_alarm():
            while frame:
                frame = frame[os.write(self.connection.fileno(), frame) :]

    def receive(self) -> Any:
        """The next message, waited for. Raises EOFError at the end of the line, Garbled for what is no message."""
        while True:
            found, message = self.taken()
            if found:
                return message
            self.fill()

    def fill(self) -> None:
        """Read what is there, or wait for it. Raises EOFError at the end of the line."""
        arrived = os.read(self.connection.fileno(), _CHUNK)
        if not arrived:
            raise EOFError
        self._seen += arrived

    def taken(self) -> tuple[bool, Any]:
        """Whether a whole message has been read, and the message. Raises Garbled for what is none."""
        if len(self._seen) < _HEAD.size:
            return False, None
        mark, length, signature = _HEAD.unpack_from(self._seen)
        if mark != _MARK:
            raise Garbled
        if len(self._seen) < _HEAD.size + length:
            return False, None
        body = bytes(self._seen[_HEAD.size : _HEAD.size + length])
        del self._seen[: _HEAD.size + length]
        if not hmac.compare_digest(signature, self._signature(body)):
            raise Garbled
        return True, pickle.loads(body)

    def _signature(self, body: bytes) -> bytes:
        return blake2b(body, key=self._key, digest_size=16).digest()


@contextlib.contextmanager
def _without_alarm() -> Iterator[None]:
    """A time limit that rings in the middle of a message would cut it in two."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
