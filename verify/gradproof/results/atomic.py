"""Writing a file so that nobody ever reads half of it."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from gradproof.errors import UsageError


def write_text(text: str, path: str | os.PathLike[str], what: str = "file") -> None:
    """Write ``text`` as UTF-8 to ``path``: to a temporary file beside it first, then ``os.replace``.

    The directory is made when it is missing. A reader sees the old content or the new, never a part; after
    a failure the old file is as it was and the temporary one is gone. ``what`` names the document in the
    UsageError raised when the place cannot be written.
    """
    target = Path(path)
    # Beside the target, because os.replace is atomic only within one file system; opened plainly rather
    # than with tempfile, whose files other users of a shared directory cannot read.
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)  # os.replace: atomic
    except OSError as fault:
        raise UsageError(
            f"expected a place to write the {what} to, but {target} cannot be written: "
            f"{fault.strerror or fault}; name another path"
        ) from fault
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
