"""Arrays on disk under a key: written whole or not at all, believed only where every bit and the key agree.

A file is one line with the SHA-256 of all that follows, one line of JSON (the key and the arrays' types and
shapes, padded so that the payload starts at a multiple of 64 bytes), and the arrays one after the other,
little-endian. Nothing in it depends on when or where it was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.cache import files
from gradproof.cache.files import Damaged

KIND: Final = "tables"
SUFFIX: Final = ".table"
CAP: Final = 1 << 30
"""Bytes that the tables may take together; the least recently used go first."""

_MAGIC: Final = b"gradproof-table/1 "
_HEADER_AT: Final = files.seal_length(_MAGIC)
_ALIGNMENT: Final = 64

Key = Mapping[str, str]
Arrays = dict[str, npt.NDArray[Any]]


def directory() -> Path | None:
    """Where the tables lie; None when the cache is switched off. Raises RuntimeError as ``files.folder``."""
    return files.folder(KIND)


def packed(key: Key, arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The content of a file that holds ``arrays`` under ``key``."""
    little = {name: array.astype(array.dtype.newbyteorder("<"), copy=False) for name, array in arrays.items()}
    layout = [[name, array.dtype.str, list(array.shape)] for name, array in little.items()]
    header = json.dumps({"key": dict(key), "arrays": layout}, sort_keys=True).encode()
    header += b" " * (-(_HEADER_AT + len(header) + 1) % _ALIGNMENT) + b"\n"
    rest = b"".join([header, *(array.tobytes() for array in little.values())])
    return files.sealed(_MAGIC, rest)


def unpacked(content: bytes, key: Key) -> Arrays:
    """The arrays of a file's content, read-only, in this machine's byte order.

    Raises Damaged unless the checksum, the sizes and the key are right.
    """
    files.opened(_MAGIC, content)
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
    content = files.read(path)
    if content is None:
        return None
    arrays = unpacked(content, key)
    files.used(path)
    return arrays


def write(path: Path, content: bytes) -> None:
    """Write a table, and make room for it. Raises OSError where it cannot."""
    files.write(path, content)
    tidy(path.parent)


def tidy(folder: Path, cap: int = CAP) -> None:
    """Delete abandoned temporary files, and the least recently used tables beyond ``cap`` bytes."""
    files.tidy(folder, SUFFIX, cap)
