"""References at every bit pattern of a format of at most 16 bits: computed once, then read from disk.

A table is found under a key that names everything its content follows from. A file that is damaged, or made
under another key, is computed anew and reported with a CacheWarning; where no file can be kept, tables live in
memory only. ``GRADPROOF_CACHE_DIR`` names another folder, or switches the files off (``off``, or empty).
"""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import mpmath
import numpy as np

from gradproof._version import __version__
from gradproof.cache import files
from gradproof.errors import CacheWarning
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.functions.fingerprint import Indigestible, digest
from gradproof.functions.function import Function
from gradproof.oracle import arb_route, store
from gradproof.oracle.reference import Reference

LAYOUT: Final = 2
"""Number of the tables' layout; raised when a field of ``Reference`` changes its meaning."""
ORDERS: Final = 3
"""Orders 0, 1, 2."""
WIDTH: Final = 16
"""Bits of the widest format whose tables are kept."""

_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Reference))
_EXPONENTS: Final = ("exponent", "slope_exponent")
"""Those that are kept as int16, which holds what a Row does."""
_TOLD: Final = frozenset({"params", "breakpoints", "closed", "domain", "limits"})
"""What of a function's meaning its key tells in words; all else but the claims counts by a digest."""
_CLAIMS: Final = frozenset({"odd", "even", "monotone", "range", "turns", "directions", "shape", "requires"})
"""What properties check and no reference value depends on."""
_SOURCES: Final = (
    "oracle/*.py", "formats/*.py", "functions/function.py", "functions/identity.py", "functions/fingerprint.py",
)  # fmt: skip
_NAME_LENGTH: Final = 40

_folders_given_up: set[str] = set()
"""Places where this process could not write; it does not try again, and has said so."""


def table(function: Function, fmt: Format, build: Callable[[], list[Reference]]) -> list[Reference]:
    """References of orders 0, 1, 2 at all ``2**fmt.width`` bit patterns in numerical order, read-only arrays.

    They come from the cached file, or from ``build``, whose answer is stored. Warns with CacheWarning of a file
    that is not believed and, once per place, of a place that cannot be written. Raises ValueError for formats of
    more than 16 bits and for a ``build`` that gives another number of orders or inputs, and whatever ``build``
    raises.
    """
    if fmt.width > WIDTH:
        raise ValueError(f"expected a format of at most {WIDTH} bits, got {fmt.name}")
    folder, key = _directory(), table_key(function, fmt)
    if folder is None or key is None:
        return _references(_arrays(build(), fmt))
    path = folder / file_name(function, fmt, key)
    wrong = ""
    try:
        held = store.read(path, key)
        if held is not None:
            return _references(_checked(held, fmt))
    except files.Damaged as damage:
        wrong = str(damage)
    arrays = _arrays(build(), fmt)
    keep(path, key, arrays)
    if wrong:
        _warn(f"the cached table {path} was not used: {wrong}; it has been computed anew")
    return _references(arrays)


def table_key(function: Function, fmt: Format) -> store.Key | None:
    """Everything that the content of a table follows from, in words; None where a definition hides a part of it.

    gradproof's own part is known by its version and, for those who change it, by a digest of the oracle's source.
    """
    said = function.meaning()
    try:
        pieces = digest(*said.pop("pieces"))
        others = {f"function.{name}": digest(value) for name, value in said.items() if name not in _TOLD | _CLAIMS}
    except Indigestible:
        return None
    return {
        **others,
        "layout": str(LAYOUT),
        "function": function.name,
        "pieces": pieces,
        "params": ", ".join(f"{name}={value}" for name, value in said["params"].items()),
        "breakpoints": ", ".join(map(str, said["breakpoints"])),
        "closed": ", ".join(said["closed"]),
        "domain": " to ".join(map(str, said["domain"])),
        "limits": "; ".join(", ".join(map(str, side)) for side in said["limits"]),
        "format": repr(fmt),
        "gradproof": __version__,
        "source": _SOURCE,
        "mpmath": mpmath.__version__,
        "python-flint": _flint(),
        "numpy": np.__version__,
        "python": f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}",
        "machine": f"{sys.platform} {platform.machine()}",
    }


def _flint() -> str:
    if not arb_route.AVAILABLE:
        return "not installed"
    import flint

    return f"{flint.__version__} with FLINT {flint.__FLINT_VERSION__}"


def file_name(function: Function, fmt: Format, key: store.Key) -> str:
    """``gelu-float16-0123456789abcdef.table``; the key itself is in the file."""
    name = re.sub(r"[^A-Za-z0-9_.]", "_", function.name)[:_NAME_LENGTH]
    return f"{name}-{fmt.name}-{digest(dict(key))[:16]}{store.SUFFIX}"


def _source() -> str:
    """A digest of the source that computes tables, as it was when this process began to import it.

    Nothing is read where there is none, as in a zipped package; the version speaks for it there.
    """
    package = Path(__file__).parents[1]
    seen = hashlib.sha256()
    for file in sorted(file for pattern in _SOURCES for file in package.glob(pattern)):
        content = file.read_bytes()
        seen.update(f"{file.relative_to(package).as_posix()} {len(content)}:".encode() + content)
    return seen.hexdigest()


_SOURCE: Final = _source()


def place(function: Function, fmt: Format, what: str) -> tuple[Path, store.Key] | None:
    """Where other arrays about a function are kept, and under which key; None where they cannot be."""
    folder, key = _directory(), table_key(function, fmt)
    if folder is None or key is None:
        return None
    key = {**key, "what": what}
    return folder / file_name(function, fmt, key), key


def _directory() -> Path | None:
    try:
        return store.directory()
    except RuntimeError as fault:
        _give_up(files.VARIABLE, f"no folder for cached tables is known ({fault})")
        return None


def keep(path: Path, key: store.Key, arrays: store.Arrays) -> None:
    """Store arrays where that is possible."""
    if str(path.parent) in _folders_given_up:
        return
    try:
        store.write(path, store.packed(key, arrays))
    except IsADirectoryError:
        _warn(f"a folder lies where the table {path} should be; remove it")
    except OSError as fault:
        _give_up(str(path.parent), f"no tables can be cached in {path.parent} ({fault.strerror or fault})")


def _give_up(place: str, why: str) -> None:
    if place not in _folders_given_up:
        _folders_given_up.add(place)
        _warn(
            f"{why}: they are computed anew in each process; name another folder in {files.VARIABLE}, or switch "
            f"the cache off with {files.VARIABLE}=off"
        )


def _warn(message: str) -> None:
    warnings.warn(message, CacheWarning, stacklevel=3)


def _arrays(references: list[Reference], fmt: Format) -> store.Arrays:
    """The fields of three references stacked to shape (3, n)."""
    count = 1 << fmt.width
    if [len(reference) for reference in references] != [count] * ORDERS:
        raise ValueError(f"expected {ORDERS} orders at {count} inputs, got {[len(r) for r in references]}")
    stacked = {name: np.stack([getattr(r, name) for r in references]) for name in _FIELDS}
    for name in _EXPONENTS:
        exponents = stacked[name]
        stacked[name] = exponents.astype(np.int16)
        if not np.array_equal(stacked[name], exponents):
            raise ValueError("expected exponents of 16 bits")
    return stacked


def _checked(arrays: store.Arrays, fmt: Format) -> store.Arrays:
    """``arrays`` as they are. Raises Damaged unless they are the fields of a table."""
    fields = Reference.empty(0, fa.storage(fmt))
    dtypes = {name: getattr(fields, name).dtype for name in _FIELDS}
    dtypes |= dict.fromkeys(_EXPONENTS, np.dtype(np.int16))
    shape = (ORDERS, 1 << fmt.width)
    if {name: (a.dtype, a.shape) for name, a in arrays.items()} != {name: (d, shape) for name, d in dtypes.items()}:
        raise files.Damaged("it holds other arrays than a table")
    return arrays


def _references(arrays: store.Arrays) -> list[Reference]:
    """The three references whose stacked fields ``arrays`` holds, with arrays that cannot be written to."""
    columns: dict[str, Any] = {**arrays, **{name: arrays[name].astype(np.int64) for name in _EXPONENTS}}
    for column in columns.values():
        column.flags.writeable = False
    return [Reference(**{name: columns[name][order] for name in _FIELDS}) for order in range(ORDERS)]
