"""The run folder of a sweep: one file per finished shard, so that nothing finished is lost and nothing counts twice.

``manifest.json`` says what is swept and by which versions; ``shard-00012.json`` holds the result of one shard under
the SHA-256 of its content. Files are written beside their place, flushed to the disk and renamed. What is damaged, cut
off or from elsewhere is left out and computed again. One process works in a folder at a time: it holds a lock of the
operating system, which ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from gradproof.errors import CacheWarning, UsageError, WriteError
from gradproof.files.locks import locked
from gradproof.files.manifests import Manifest, canonical, differences, key
from gradproof.files.reading import parsed_json, read_bytes
from gradproof.files.writing import write_text
from gradproof.sweep.plan import Shard, Target

DEFAULT: Final = Path(".gradproof") / "sweeps"
"""Where the run folders of all targets lie, under the current folder."""
MANIFEST: Final = "manifest.json"
SCHEMA: Final = "gradproof-sweep/1"
_MAGIC: Final = "gradproof-shard/1 "


class DamagedShard(Exception):
    """A shard's file that must not be believed; the message says what is wrong with it, as in ``it is empty``."""


def folder_path(
    target: Target, first: int, last: int, root: Path | None = None, gap: tuple[int, int] | None = None
) -> Path:
    """The folder of one target and range under ``root``: ``silu-torch-cpu-float32-order0-0123abcd``.

    The key at its end covers everything that the caller asked for; how the function is defined, as the versions, is in
    the manifest.
    """
    asked = target.to_json()
    del asked["definition"]
    if target.file is not None:
        asked["file"] = str(Path(target.file).resolve())
    digest = hashlib.sha256(json.dumps([asked, first, last, *(gap or ())], sort_keys=True).encode()).hexdigest()
    name = "".join(c if c.isalnum() or c in "-_.=" else "_" for c in target.id)
    return (DEFAULT if root is None else root) / f"{name[:120]}-{digest[:8]}"


class Folder:
    """The run folder at ``path``, for the shards of one target; use as a context manager, which holds the lock.

    ``manifest`` is what it must have been made for. On entering: raises UsageError when another process works in it,
    when it was made for something else or by other versions (``fresh`` empties it instead), or cannot be written.
    """

    def __init__(self, path: Path, manifest: Manifest, *, fresh: bool = False) -> None:
        self.path = path
        self.manifest = {"schema": SCHEMA, **manifest}
        self._fresh = fresh
        self._key = key(self.manifest)
        self._lock: IO[str] | None = None

    def __enter__(self) -> Folder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = locked(self.path)
        except OSError as fault:
            raise UsageError(
                f"expected a folder for the sweep, but {self.path} cannot be written: {fault.strerror or fault}; "
                "name another with --folder"
            ) from fault
        try:
            self._open()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()  # and with it ends the lock
            self._lock = None

    def _open(self) -> None:
        for file in self.path.glob(".*.tmp"):  # what a killed process was writing
            _remove(file)
        manifest = self.path / MANIFEST
        if self._fresh:
            # The manifest goes last: an interrupt in between leaves a folder that still knows what it holds.
            for file in [*self.path.glob("shard-*.json"), manifest]:
                _remove(file)
        if not manifest.exists():
            self._write(json.dumps(self.manifest, indent=2, sort_keys=True, allow_nan=False) + "\n", manifest)
            return
        try:
            held = parsed_json(read_bytes(manifest).decode("utf-8"))
        except (OSError, ValueError):
            raise UsageError(f"{manifest} cannot be read; --fresh starts the sweep again in its folder") from None
        if differ := differences(held, self.manifest):
            raise UsageError(
                f"the run folder {self.path} was made by another sweep: {'; '.join(differ)}. Go on under what it "
                "was made with, start again with --fresh, or name another place with --folder"
            )

    def file(self, shard: Shard) -> Path:
        """Where a shard's result lies, or will."""
        return self.path / f"shard-{shard.index:05d}.json"

    def keep(self, shard: Shard, answer: Mapping[str, Any]) -> None:
        """Write the answer of a finished shard; WriteError for a full disk, UsageError for another unwilling place."""
        body = canonical({"sweep": self._key, "index": shard.index, "lo": shard.lo, "hi": shard.hi, **answer})
        self._write(f"{_MAGIC}{hashlib.sha256(body.encode()).hexdigest()}\n{body}", self.file(shard))

    def read(self, shard: Shard) -> dict[str, Any] | None:
        """The answer of a finished shard, None where there is no file. Raises Damaged for one not to be believed."""
        try:
            content = read_bytes(self.file(shard))
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise DamagedShard(f"it cannot be read ({fault.strerror or fault})") from None
        answer = _unpacked(content)
        if answer.get("sweep") != self._key:
            raise DamagedShard("it belongs to another sweep")
        if (answer.get("index"), answer.get("lo"), answer.get("hi")) != (shard.index, shard.lo, shard.hi):
            raise DamagedShard("it holds other bit patterns than its name says")
        return answer

    def finished(self, shards: Sequence[Shard], warned: Callable[[str], None] | None = None) -> list[Shard]:
        """Those of ``shards`` that need not be worked on again; ``warned`` hears of each file that is left out."""
        found = []
        for shard in shards:
            try:
                if self.read(shard) is not None:
                    found.append(shard)
            except DamagedShard as damage:
                (warned or _warn)(f"{self.file(shard)} is left out: {damage}; its shard is computed again")
        return found

    def _write(self, text: str, path: Path) -> None:
        kept = "What was finished before is kept"
        try:
            write_text(text, path, "sweep", own=True)
        except WriteError as fault:
            message = f"{path} cannot be written: {fault.why}. {kept}; make room and run the same command again"
            raise WriteError(message, fault.why) from fault
        except UsageError as fault:
            raise UsageError(f"{fault}. {kept}; mend that and run the same command again") from fault


def _unpacked(content: bytes) -> dict[str, Any]:
    if not content:
        raise DamagedShard("it is empty")
    head, newline, body = content.partition(b"\n")
    if not (newline and head.startswith(_MAGIC.encode())):
        raise DamagedShard("it does not begin as a shard does")
    if head[len(_MAGIC) :] != hashlib.sha256(body).hexdigest().encode():
        raise DamagedShard("its checksum does not match its content")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise DamagedShard("its content makes no sense")
    return answer


def _remove(file: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        file.unlink()


def _warn(message: str) -> None:
    warnings.warn(message, CacheWarning, stacklevel=3)
