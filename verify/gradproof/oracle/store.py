"""Arrays on disk under a key: written whole or not at all, believed only where every bit and the key agree.

A file is one line with the SHA-256 of all that follows, one line of JSON (the key and the arrays' types and
shapes, padded so that the payload starts at a multiple of 64 bytes), and the arrays one after the other,
little-endian. Nothing in it depends on when or where it was written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

VARIABLE: Final = "GRADPROOF_CACHE_DIR"
OFF: Final = ("", "off")
"""Values of the variable that switch the cache off."""

SUFFIX: Final = ".table"
TEMPORARY: Final = ".tmp"
CAP: Final = 1 << 30
"""Bytes that the tables may take together; the least recently used go first."""
ABANDONED_AFTER: Final = 3600.0
"""Seconds after which a temporary file belongs to a process that was killed: writing one takes far less."""

_MAGIC: Final = b"gradproof-table/1 "
_HEADER_AT: Final = len(_MAGIC) + 64 + 1
_ALIGNMENT: Final = 64

Key = Mapping[str, str]
Arrays = dict[str, npt.NDArray[Any]]


class Damaged(Exception):
    """A file that must not be believed; the message says what is wrong with it, as in ``it is empty``."""


class Usage(NamedTuple):
    """How many tables there are, and how many bytes they take."""

    tables: int
    size: int


def directory() -> Path | None:
    """Where the tables lie: $GRADPROOF_CACHE_DIR, or the platform's folder for caches; None when switched off.

    The folder need not exist. Raises RuntimeError where nobody knows the user's home.
    """
    given = os.environ.get(VARIABLE)
    if given is None:
        return _user_caches() / "gradproof" / "tables"
    return None if given.strip().lower() in OFF else Path(given).expanduser().absolute() / "tables"


def _user_caches() -> Path:
    """The XDG Base Directory Specification on Linux; Apple's and Microsoft's places elsewhere."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given) if Path(given).is_absolute() else Path.home() / ".cache"


def packed(key: Key, arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The content of a file that holds ``arrays`` under ``key``."""
    little = {name: array.astype(array.dtype.newbyteorder("<"), copy=False) for name, array in arrays.items()}
    layout = [[name, array.dtype.str, list(array.shape)] for name, array in little.items()]
    header = json.dumps({"key": dict(key), "arrays": layout}, sort_keys=True).encode()
    header += b" " * (-(_HEADER_AT + len(header) + 1) % _ALIGNMENT) + b"\n"
    rest = b"".join([header, *(array.tobytes() for array in little.values())])
    return b"".join([_MAGIC, hashlib.sha256(rest).hexdigest().encode(), b"\n", rest])


def unpacked(content: bytes, key: Key) -> Arrays:
    """The arrays of a file's content, read-only, in this machine's byte order.

    Raises Damaged unless the checksum, the sizes and the key are right.
    """
    if not content:
        raise Damaged("it is empty")
    if not content.startswith(_MAGIC) or content[_HEADER_AT - 1 : _HEADER_AT] != b"\n":
        raise Damaged("it does not begin as a table does")
    if hashlib.sha256(memoryview(content)[_HEADER_AT:]).hexdigest().encode() != content[len(_MAGIC) : _HEADER_AT - 1]:
        raise Damaged("its checksum does not match its content")
    try:
        start = content.index(b"\n", _HEADER_AT) + 1
        header = json.loads(content[_HEADER_AT:start])
        held, layout = header["key"], header["arrays"]
        if held != dict(key):
            names = sorted(name for name in {*held, *key} if held.get(name) != key.get(name))
            raise Damaged(f"it was made under another key: {', '.join(names)} differ")
        return _arrays(content, start, layout)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as fault:
        raise Damaged(f"its header makes no sense ({type(fault).__name__})") from None


def _arrays(content: bytes, start: int, layout: list[list[Any]]) -> Arrays:
    arrays = {}
    for name, kind, shape in layout:
        dtype = np.dtype(kind)
        count = int(np.prod(shape, dtype=np.int64))
        if dtype.kind not in "iuf" or min(shape) < 0 or start + count * dtype.itemsize > len(content):
            raise ValueError
        array = np.frombuffer(content, dtype, count, start).reshape(shape)
        arrays[name] = array.astype(dtype.newbyteorder("="), copy=False)
        arrays[name].flags.writeable = False
        start += count * dtype.itemsize
    if start != len(content):
        raise ValueError
    return arrays


def read(path: Path, key: Key) -> Arrays | None:
    """The arrays in a file, read-only; None where there is no file.

    Raises Damaged for a file that cannot be read or must not be believed.
    """
    try:
        # Asked first, because opening a named pipe would wait for somebody to write into it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise Damaged("it is no file")
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise Damaged(f"it cannot be read ({fault.strerror or fault})") from None
    arrays = unpacked(content, key)
    with contextlib.suppress(OSError):  # what was used last is deleted last
        os.utime(path)
    return arrays


def write(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, and make room for it. Raises OSError where it cannot.

    A reader sees the old content or the new, never a part, also when this process is killed. Of several
    processes that write the same file, the last wins; their content is the same.
    """
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{path.name}.{uuid.uuid4().hex}{TEMPORARY}"
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    tidy(folder)


def tidy(folder: Path, cap: int = CAP) -> None:
    """Delete abandoned temporary files, and the least recently used tables beyond ``cap`` bytes."""
    for temporary in folder.glob(f".*{SUFFIX}.*{TEMPORARY}"):
        with contextlib.suppress(OSError):
            if time.time() - temporary.stat().st_mtime > ABANDONED_AFTER:
                temporary.unlink()
    found = sorted(_tables(folder), reverse=True)
    total = 0
    for _, size, path in found:
        total += size
        if total > cap:
            with contextlib.suppress(OSError):
                path.unlink()


def _tables(folder: Path) -> list[tuple[int, int, Path]]:
    """(time of last use, size, path) of each table in a folder."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime_ns, status.st_size, path))
    return found


def usage(folder: Path) -> Usage:
    """How much lies in a folder of tables; nothing where there is no folder."""
    sizes = [size for _, size, _ in _tables(folder)]
    return Usage(len(sizes), sum(sizes))


def writable(folder: Path) -> bool:
    """Whether tables can be written to ``folder``, which is made when it is missing."""
    existing = next(f for f in (folder, *folder.parents) if f.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
