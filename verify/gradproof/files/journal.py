"""Finished pieces of work in one file, a line for each, written as it is finished: a process may be killed at any byte.

Every line carries a SHA-256 over itself and the manifest, which is the first line: what is damaged, or belongs to
other work, is never believed. A last line without its end is what a killed process was writing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from gradproof.errors import CacheWarning
from gradproof.files.locks import LOCK, locked
from gradproof.files.manifests import Manifest, canonical, differences, key
from gradproof.files.reading import read_bytes

JOURNAL: Final = "finished.jsonl"
"""The file's name, in a folder that one process at a time works in."""
_SEAL: Final = 64
"""Characters of a SHA-256."""


class Found(NamedTuple):
    """What lies in a journal: its manifest, None where there is none, and its records."""

    manifest: Any
    records: list[Any]
    damaged: list[str]
    """What is wrong with lines that are left out, as in ``line 3: its checksum does not match its content``."""
    end: int
    """Bytes up to the end of the last whole line."""


class Journal:
    """The journal in ``folder``, which is made; use as a context manager, which holds the folder's lock.

    Entering raises UsageError when another process works there, OSError where the folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: Any = None
        self._stream: Any = None
        self._key = ""

    @property
    def file(self) -> Path:
        """The journal itself."""
        return self.folder / JOURNAL

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = locked(self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._lock is not None:
            self._lock.close()  # and with it ends the lock
            self._lock = None

    def found(self) -> Found:
        """What an earlier process left. OSError where it cannot be read."""
        return read(self.file)

    def begin(self, manifest: Manifest) -> None:
        """Start anew; what an earlier process left is dropped. OSError where that fails."""
        self._open(manifest, 0)
        self._write(_sealed("", canonical(manifest)))

    def go_on(self, manifest: Manifest, end: int) -> None:
        """Write behind the records of ``found``, whose manifest and ``end`` these are. OSError where that fails."""
        self._open(manifest, end)

    def append(self, record: Any) -> None:
        """Keep one JSON-able record. OSError where that fails; the records before it are as they were."""
        self._write(_sealed(self._key, json.dumps(record, separators=(",", ":"))))

    def close(self) -> None:
        """Write no more."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def remove(self) -> None:
        """The work is done: drop the journal, and the folder if nothing else is in it."""
        self.close()
        with contextlib.suppress(OSError):
            self.file.unlink(missing_ok=True)
            (self.folder / LOCK).unlink()
            self.folder.rmdir()

    def _open(self, manifest: Manifest, end: int) -> None:
        self.close()
        self._key = key(manifest)
        self._stream = self.file.open("ab", buffering=0)
        self._stream.truncate(end)

    def _write(self, line: bytes) -> None:
        start = os.fstat(self._stream.fileno()).st_size
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._stream.write(rest) :]
        except BaseException:  # a full disk, or an interrupt: half a line would spoil the next one
            with contextlib.suppress(OSError):
                self._stream.truncate(start)
            raise


def read(file: Path) -> Found:
    """What the journal at ``file`` holds; nothing where there is none. OSError where it cannot be read."""
    try:
        content = read_bytes(file)
    except FileNotFoundError:
        content = b""
    lines = list(_lines(content))
    if not lines:
        return Found(None, [], [], 0)
    manifest, wrong = _unsealed("", lines[0])
    if wrong:
        return Found(None, [], [f"line 1: {wrong}"], 0)
    of_manifest, records, damaged = key(manifest), [], []
    for number, line in enumerate(lines[1:], start=2):
        record, wrong = _unsealed(of_manifest, line)
        if wrong:
            damaged.append(f"line {number}: {wrong}")
        else:
            records.append(record)
    return Found(manifest, records, damaged, content.rfind(b"\n") + 1)


def taken_up(journal: Journal, manifest: Manifest) -> tuple[list[Any], str]:
    """Go on with what an earlier process left under the same manifest, or start anew and say why, if anything was left.

    Warns with CacheWarning of what is damaged. OSError where the journal cannot be read or written.
    """
    found = journal.found()
    for damage in found.damaged:
        warnings.warn(f"{journal.file}, {damage}; it is left out and done again", CacheWarning, stacklevel=2)
    if found.manifest is not None and not (why := differences(found.manifest, manifest)):
        journal.go_on(manifest, found.end)
        return found.records, ""
    journal.begin(manifest)
    return [], "" if found.manifest is None else "; ".join(why)


def _lines(content: bytes) -> Iterator[bytes]:
    """The whole lines; what follows the last one is not finished."""
    yield from content.split(b"\n")[:-1]


def _sealed(of_manifest: str, body: str) -> bytes:
    return f"{_seal(of_manifest, body.encode())} {body}\n".encode()


def _seal(of_manifest: str, body: bytes) -> str:
    return hashlib.sha256(of_manifest.encode() + b"\n" + body).hexdigest()


def _unsealed(of_manifest: str, line: bytes) -> tuple[Any, str]:
    """The value of a line, and what is wrong with it."""
    seal, body = line[:_SEAL], line[_SEAL + 1 :]
    if seal != _seal(of_manifest, body).encode():
        return None, "its checksum does not match its content"
    try:
        return json.loads(body), ""
    except (ValueError, RecursionError):
        return None, "its content makes no sense"
