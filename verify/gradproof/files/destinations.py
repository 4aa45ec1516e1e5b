"""What a path leads to: a file that can be replaced, or something that can only be written into."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

STDOUT: Final = "-"
"""Standard output, where a command takes the path of a file to write; standard input, where of one to read."""

KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@dataclass(frozen=True)
class Destination:
    """Where a path leads. ``file``: to a regular file, or to none yet. ``stream``: to a pipe, a device or a socket,
    which is written into and never replaced. ``stdout``: to this process's standard output.

    ``path`` is the file itself, behind all links; of a stream the path as it was given.
    """

    kind: Literal["file", "stream", "stdout"]
    path: Path
    key: tuple[object, ...]
    """Equal for two paths that lead to the same thing."""


def destination(path: str | os.PathLike[str]) -> Destination:
    """What ``path`` leads to. IsADirectoryError for a folder: what ends in a separator names one, there or not."""
    given = os.fspath(path)
    if not given or given.endswith(("/", os.sep)) or os.path.basename(given) in (os.curdir, os.pardir):  # noqa: PTH119  # Path drops the end that matters
        raise IsADirectoryError(errno.EISDIR, "it is a folder; name a file in it", given)
    try:
        found = Path(given).stat()
    except OSError:  # nothing there yet, or a link to nothing: the link's own target is made
        real = os.path.realpath(given)
        return Destination("file", Path(real), (real,))
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder; name a file in it", given)
    key = (found.st_dev, found.st_ino)
    if key == _stdout() and given != os.devnull:
        return Destination("stdout", Path(given), ("stdout",))
    if stat.S_ISREG(found.st_mode):
        return Destination("file", Path(os.path.realpath(given)), key)
    return Destination("stream", Path(given), key)


def kind_of(mode: int) -> str:
    """What a file that is no regular one is, in words; empty for a regular one. ``mode`` is its ``st_mode``."""
    if stat.S_ISREG(mode):
        return ""
    return next((words for is_kind, words in KINDS if is_kind(mode)), "something else")


def _stdout() -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = os.fstat(1)
        return found.st_dev, found.st_ino
    return None
