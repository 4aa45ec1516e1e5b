"""What a process would make again, kept in a file under a key: believed only where every bit and the key agree."""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gradproof.cache import files
from gradproof.errors import CacheWarning

SUFFIX: Final = ".entry"
CAP: Final = 1 << 26
"""Bytes that the entries of one kind may take together."""
_MAGIC: Final = b"gradproof-entry/1 "

Key = Mapping[str, str]


def kept(kind: str, key: Key, make: Callable[[], bytes]) -> bytes:
    """What ``make`` answers, from the cache folder where it was kept under ``key`` before.

    ``kind`` names the folder. ``make`` must depend on nothing but ``key``. Warns with CacheWarning of a file that is
    not believed; where none can be kept, ``make`` is asked each time.
    """
    try:
        folder = files.folder(kind)
    except RuntimeError:  # nobody knows where it would be
        folder = None
    if folder is None:
        return make()
    path = folder / f"{hashlib.sha256(header(key)).hexdigest()[:32]}{SUFFIX}"
    content = read(path, key, "it is made anew")
    if content is None:
        content = make()
        with contextlib.suppress(OSError):
            files.tidy(folder, SUFFIX, CAP)
            files.write(path, packed(key, content), durable=False)
    return content


def read(path: Path, key: Key, otherwise: str) -> bytes | None:
    """What a file holds under ``key``; None where there is no such file, or one that must not be believed.

    Such a file is deleted and warned of with CacheWarning; ``otherwise`` says what happens instead.
    """
    try:
        found = files.read(path)
        content = None if found is None else unpacked(found, key)
    except files.Damaged as damage:
        with contextlib.suppress(OSError):
            path.unlink()
        warnings.warn(f"the cached file {path} was not used: {damage}; {otherwise}", CacheWarning, stacklevel=3)
        return None
    if content is not None:
        files.used(path)
    return content


def header(key: Key) -> bytes:
    """The line that names the key."""
    return json.dumps(dict(key), sort_keys=True).encode() + b"\n"


def packed(key: Key, content: bytes) -> bytes:
    """The file that holds ``content`` under ``key``."""
    return files.sealed(_MAGIC, header(key) + content)


def unpacked(file: bytes, key: Key) -> bytes:
    """What ``packed`` was given. Raises Damaged unless every bit and the key agree."""
    rest, line = bytes(files.opened(_MAGIC, file)), header(key)
    if not rest.startswith(line):
        raise files.Damaged("it was made under another key")
    return rest[len(line) :]
