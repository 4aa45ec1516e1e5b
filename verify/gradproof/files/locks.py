"""One process at a time in a folder: a lock of the operating system, which ends with whoever holds it."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from pathlib import Path
from typing import IO, Final

from gradproof.errors import CacheWarning, UsageError

LOCK: Final = "lock"
"""The file in a folder that is locked."""


def locked(folder: Path) -> IO[str]:
    """The folder's lock file, open and locked; UsageError when another process holds it.

    The system lets go of the lock when the file is closed or its process ends, so none is ever left behind. A file
    system without locks is used without, after a CacheWarning.
    """
    while True:
        stream = (folder / LOCK).open("a+", encoding="utf-8")
        try:
            _lock(stream)
        except OSError as fault:
            if fault.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                _warn(f"{folder} cannot be locked ({fault.strerror or fault}); see that nobody else works in it")
                return stream
            stream.seek(0)
            holder = stream.read().strip()
            stream.close()
            raise UsageError(
                f"another gradproof{f' (process {holder})' if holder else ''} is working in {folder}; wait for it or "
                "end it, or name another place with --folder"
            ) from None
        if _is_there(stream, folder / LOCK):
            break
        stream.close()  # who held it has removed the file meanwhile, and a third one may have made it anew
    stream.truncate(0)
    stream.write(str(os.getpid()))
    stream.flush()
    return stream


def _is_there(stream: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False


def _warn(message: str) -> None:
    warnings.warn(message, CacheWarning, stacklevel=4)


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[str]) -> None:
        stream.seek(1 << 30)  # beyond what is written: Windows keeps others from reading what is locked
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        stream.seek(0)

else:
    import fcntl

    def _lock(stream: IO[str]) -> None:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
