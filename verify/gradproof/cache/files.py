"""Files in the cache folder: written whole or not at all, believed only where every bit agrees, few enough.

``GRADPROOF_CACHE_DIR`` names another folder, or switches the files off (``off``, or empty).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import time
import uuid
from pathlib import Path
from typing import Final, NamedTuple

VARIABLE: Final = "GRADPROOF_CACHE_DIR"
OFF: Final = ("", "off")
"""Values of the variable that switch the cache off."""

TEMPORARY: Final = ".tmp"
ABANDONED_AFTER: Final = 3600.0
"""Seconds after which a temporary file belongs to a process that was killed: writing one takes far less."""
_DIGEST: Final = 64
"""Characters of a SHA-256."""


class Damaged(Exception):
    """A file that must not be believed; the message says what is wrong with it, as in ``it is empty``."""


class Usage(NamedTuple):
    """How many files there are, and how many bytes they take."""

    files: int
    size: int


def folder(kind: str) -> Path | None:
    """Where files of a ``kind`` lie, in $GRADPROOF_CACHE_DIR or the platform's folder for caches; None when off.

    The folder need not exist. Raises RuntimeError where nobody knows the user's home.
    """
    given = os.environ.get(VARIABLE)
    if given is None:
        return _user_caches() / "gradproof" / kind
    return None if given.strip().lower() in OFF else Path(given).expanduser().absolute() / kind


def _user_caches() -> Path:
    """The XDG Base Directory Specification on Linux; Apple's and Microsoft's places elsewhere."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given) if Path(given).is_absolute() else Path.home() / ".cache"


def sealed(magic: bytes, rest: bytes) -> bytes:
    """The content of a file that holds ``rest``: ``magic``, which ends in a blank, its SHA-256, and itself."""
    return b"".join([magic, hashlib.sha256(rest).hexdigest().encode(), b"\n", rest])


def seal_length(magic: bytes) -> int:
    """Where ``rest`` begins in a sealed file."""
    return len(magic) + _DIGEST + 1


def opened(magic: bytes, content: bytes) -> memoryview:
    """What ``sealed`` was given. Raises Damaged unless every bit is as it was."""
    start = seal_length(magic)
    if not content:
        raise Damaged("it is empty")
    if not content.startswith(magic) or content[start - 1 : start] != b"\n":
        raise Damaged("it does not begin as it should")
    rest = memoryview(content)[start:]
    if hashlib.sha256(rest).hexdigest().encode() != content[len(magic) : start - 1]:
        raise Damaged("its checksum does not match its content")
    return rest


def read(path: Path) -> bytes | None:
    """The content of a file; None where there is none. Raises Damaged where it cannot be read."""
    try:
        # Asked first, because opening a named pipe would wait for somebody to write into it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise Damaged("it is no file")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise Damaged(f"it cannot be read ({fault.strerror or fault})") from None


def used(path: Path) -> None:
    """Note that a file was used now: what was used last is deleted last."""
    with contextlib.suppress(OSError):
        os.utime(path)


def write(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file through a temporary one beside it. Raises OSError where it cannot.

    A reader sees the old content or the new, never a part, also when this process is killed. Of several
    processes that write the same file, the last wins; their content is the same. Not ``durable``, a file may come out
    damaged when the machine fails, which its seal shows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}{TEMPORARY}"
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def tidy(place: Path, suffix: str, cap: int) -> None:
    """Delete abandoned temporary files, and the least recently used files beyond ``cap`` bytes."""
    for temporary in place.glob(f".*{suffix}.*{TEMPORARY}"):
        with contextlib.suppress(OSError):
            if time.time() - temporary.stat().st_mtime > ABANDONED_AFTER:
                temporary.unlink()
    total = 0
    for _, size, path in sorted(_files(place, suffix), reverse=True):
        total += size
        if total > cap:
            with contextlib.suppress(OSError):
                path.unlink()


def _files(place: Path, suffix: str) -> list[tuple[int, int, Path]]:
    """(time of last use, size, path) of each file in a folder."""
    found = []
    for path in place.glob(f"*{suffix}"):
        with contextlib.suppress(OSError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime_ns, status.st_size, path))
    return found


def usage(place: Path, suffix: str) -> Usage:
    """How much lies in a folder; nothing where there is no folder."""
    sizes = [size for _, size, _ in _files(place, suffix)]
    return Usage(len(sizes), sum(sizes))


def writable(place: Path) -> bool:
    """Whether files can be written to ``place``, which is made when it is missing."""
    existing = next(f for f in (place, *place.parents) if f.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
