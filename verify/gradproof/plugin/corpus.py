"""The failing-bits corpus: inputs that failed, kept in pytest's cache and tried first in the next session.

One small file per item in ``.pytest_cache/d/gradproof``, so that ``--cache-clear`` empties it and ``-p
no:cacheprovider`` does without. Items read their own; only the process that reports to people writes, as each verdict
comes in: a session that is broken off, or shared among xdist's workers, keeps what it found.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from gradproof.errors import CacheWarning, UsageError
from gradproof.files.reading import parsed_json, read_bytes
from gradproof.files.writing import write_text
from gradproof.formats import get_format
from gradproof.results.model import Cell, Certificate

SCHEMA: Final = "gradproof-corpus/1"
INPUTS: Final = 32
"""Inputs kept per item: both ends of every interval that a certificate lists, with some to spare."""
ITEMS: Final = 1024
"""Items kept; those that failed last the longest ago go first."""


class Corpus:
    """What failed before, by item. Without pytest's cache it is empty and stays so."""

    def __init__(self, config: pytest.Config) -> None:
        self._folder: Path | None = None
        cache = getattr(config, "cache", None)  # not there under -p no:cacheprovider
        if cache is not None:
            with contextlib.suppress(OSError):  # a read-only tree, of which pytest itself warns
                self._folder = cache.mkdir("gradproof")

    def read(self, item: str, fmt: str) -> tuple[int, ...]:
        """Bits of the inputs that failed in ``item``, in the format called ``fmt``.

        A file that makes no sense is removed, and a CacheWarning says so.
        """
        path = self._path(item)
        if path is None:
            return ()
        try:
            return _inputs(parsed_json(read_bytes(path).decode("utf-8")), item, fmt)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, UsageError) as fault:
            with contextlib.suppress(OSError):
                path.unlink()
            warnings.warn(
                f"{path.name} in pytest's cache, the inputs that failed in {item}, is damaged and was removed: {fault}",
                CacheWarning,
                stacklevel=2,
            )
            return ()

    def write(self, item: str, fmt: str, bits: Sequence[str]) -> int:
        """Keep ``bits`` for ``item`` in place of what there was, and say how many; an empty file is removed.

        Raises UsageError when the cache cannot be written, WriteError when the disk is full.
        """
        path = self._path(item)
        if path is None:
            return 0
        if not bits:
            with contextlib.suppress(OSError):
                path.unlink()
            return 0
        kept = list(bits[:INPUTS])
        document = {"schema": SCHEMA, "item": item, "format": fmt, "bits": kept}
        write_text(json.dumps(document) + "\n", path, "inputs that failed", own=True)
        self._trim(path.parent)
        return len(kept)

    def _path(self, item: str) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{hashlib.blake2b(item.encode(), digest_size=16).hexdigest()}.json"

    @staticmethod
    def _trim(folder: Path) -> None:
        with contextlib.suppress(OSError):  # another session may remove the same files
            files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
            for file in files[: max(0, len(files) - ITEMS)]:
                file.unlink()


def _inputs(document: Any, item: str, fmt: str) -> tuple[int, ...]:
    """The bits in a file's ``document``; ValueError or UsageError when it is not what ``Corpus.write`` writes."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"expected a document of {SCHEMA}")
    if (document.get("item"), document.get("format")) != (item, fmt):
        raise ValueError(f"expected inputs in {fmt} of this item")
    bits = document.get("bits")
    if not isinstance(bits, list) or len(bits) > INPUTS or not all(isinstance(b, str) for b in bits):
        raise ValueError(f"expected at most {INPUTS} bit patterns")
    return tuple(get_format(fmt).parse_bits(b) for b in bits)


def to_keep(cell: Cell) -> list[str] | None:
    """Bits of the failing inputs of a judged cell that the next session should meet; None where none was judged.

    The worst input, those that failed before and did again, the simplest, and the ends of the region. An exhaustive
    check meets every input anyway.
    """
    if cell.status not in ("pass", "fail", "known"):
        return None
    found = cell.certificate
    if found is None or cell.evidence.kind == "exhaustive":
        return []
    again = cell.measured.get("replayed", {}).get("failing", [])
    return list(dict.fromkeys([*_worst(found), *again, *_rest(found)]))[:INPUTS]


def _worst(found: Certificate) -> list[str]:
    return [] if found.input is None else [found.input.bits]


def _rest(found: Certificate) -> list[str]:
    simplest = [] if found.simplest is None else [found.simplest.bits]
    return simplest + [end.bits for interval in found.region for end in (interval.lo, interval.hi)]
