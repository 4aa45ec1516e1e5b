"""Writing files: nobody ever reads half of one, and nothing but a regular file is replaced."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from pathlib import Path
from typing import Final

from gradproof.errors import UsageError, WriteError
from gradproof.files.destinations import Destination, destination

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
"""What goes wrong with a place that is the right one: it is full, broken, or nobody reads it any more."""


def write_text(text: str, path: str | os.PathLike[str], what: str = "file", *, own: bool = False) -> None:
    r"""Write ``text`` as UTF-8; as ``write_bytes``. A lone surrogate, which UTF-8 lacks, comes as ``\udcff``."""
    write_bytes(text.encode("utf-8", "backslashreplace"), path, what, own=own)


def write_bytes(content: bytes, path: str | os.PathLike[str], what: str = "file", *, own: bool = False) -> None:
    """Write ``content`` to ``path``. The directory is made when it is missing.

    A regular file is replaced as a whole, and where ``path`` is a link the file behind it: a reader sees the old
    content or the new, never a part; after a failure the old file is as it was and nothing else is left. What is no
    regular file (a pipe, a device) is written into; a pipe waits for its reader. In a folder of our ``own`` whatever
    lies at ``path`` is replaced.

    ``what`` names the document in the errors: UsageError for a place that cannot be written to, WriteError where that
    fails on the way, as on a full disk.
    """
    try:
        target = Destination("file", Path(path), ()) if own else destination(path)
        if target.kind == "file":
            _replace(content, target.path)
        elif target.kind == "stdout":
            with open(1, "wb", closefd=False) as stream:  # where it stands: by its path it would begin anew
                stream.write(content)
        else:
            with target.path.open("wb") as stream:
                stream.write(content)
    except OSError as fault:
        why = fault.strerror or str(fault)
        if fault.errno in FULL:
            raise WriteError(f"the {what} could not be written to {os.fspath(path)}: {why}", why) from fault
        raise UsageError(
            f"expected a place to write the {what} to, but {os.fspath(path)} cannot be written: {why}; "
            "name another path"
        ) from fault


def try_destination(path: str | os.PathLike[str]) -> Destination:
    """The place of ``path``, once it is known that a file can be written there: a trial file has been.

    The directory is made when it is missing. Raises OSError for what cannot be written, a folder among it. A pipe or a
    device is not opened.
    """
    target = destination(path)
    if target.kind == "file":
        target.path.parent.mkdir(parents=True, exist_ok=True)
        if target.path.exists() and not os.access(target.path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        trial = _beside(target.path)
        try:
            trial.open("x").close()
        finally:
            with contextlib.suppress(OSError):
                trial.unlink()
    elif target.kind == "stream" and not os.access(target.path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return target


def _replace(content: bytes, target: Path) -> None:
    temporary = _beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            with contextlib.suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)  # os.replace: atomic
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _beside(target: Path) -> Path:
    """A name for a temporary file: os.replace is atomic only within one file system.

    Such a file is opened plainly rather than with tempfile, whose files other users of a shared directory cannot
    read. A long name is cut: the temporary one must not be too long where the target's is not.
    """
    return target.with_name(f".{target.name[:32]}.{uuid.uuid4().hex}.tmp")
