"""Ledger files: TOML, one ``[[deviation]]`` after the other.

At the head ``backend``, ``versions`` (a PEP 440 range), ``recorded`` (a version) and ``hardware`` (a list of
processors: vendor and SIMD level) hold for all of the file. A ``[[deviation]]`` has ``id``, ``title``, ``reason`` and
what explains it, by the fields of ``Deviation``; ``fences`` is a list of tables with ``region`` (two numbers as text),
``ceiling``, and ``claims``, ``formats``, ``orders``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gradproof.cache import toml
from gradproof.config import check_known
from gradproof.engine.ledger.deviation import ATS, LEAST_SCALE, UNCHANGED, UNDERFLOW, Deviation
from gradproof.engine.ledger.fence import Fence
from gradproof.errors import UsageError
from gradproof.files.reading import read_text
from gradproof.formats import get_format
from gradproof.formulas.registry import get_formula
from gradproof.functions import get_function
from gradproof.functions.function import exact

SHARED: Final = ("backend", "versions", "recorded", "hardware")
WORDS: Final = ("id", "title", "reason", "backend", "recorded")
LISTS: Final = (
    "upstream", "hardware", "formulas", "compiled", "forward", "functions", "through", "relations", "claims",
    "modes", "formats",
)  # fmt: skip


def read_ledger_file(file: Path) -> list[Deviation]:
    """The deviations in ``file``; UsageError that names it, and the deviation, where it is malformed."""
    try:
        document = toml.loads(read_text(file, "a ledger"))
    except (ValueError, RecursionError) as fault:  # also of what is too long or too deep to be read
        raise UsageError(f"ledger file {file} is not valid TOML: {fault}") from None
    try:
        for key in document:
            check_known(key, (*SHARED, "deviation"), "key")
        shared = {key: document[key] for key in SHARED if key in document}
        rows = document.get("deviation", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UsageError(f"expected deviations as [[deviation]] tables, got {rows!r}")
    except UsageError as fault:
        raise UsageError(f"ledger file {file}: {fault}") from None
    return [_deviation(shared | row, f"{file}, deviation {row.get('id', n)!r}") for n, row in enumerate(rows, 1)]


def _deviation(table: Mapping[str, Any], where: str) -> Deviation:
    try:
        for key in table:
            check_known(key, [f.name for f in fields(Deviation)], "key")
        lists: dict[str, Any] = {key: texts(table, key) for key in LISTS if key in table}
        words: dict[str, Any] = {key: _text(table, key) for key in WORDS}
        made = Deviation(
            **words,
            versions=SpecifierSet(table["versions"]),
            at=table.get("at"),
            fences=tuple(_fence(row) for row in table.get("fences", ())),
            orders=tuple(int(n) for n in table.get("orders", ())),
            **lists,
        )
        _check(made)
    except KeyError as missing:
        raise UsageError(f"ledger file {where} lacks {missing}") from None
    except (InvalidSpecifier, TypeError, ValueError, UsageError) as fault:
        raise UsageError(f"ledger file {where}: {fault}") from None
    return made


def _check(made: Deviation) -> None:
    """UsageError for names that exist nowhere, and for a deviation that explains nothing."""
    for formula in made.every_formula:
        get_formula(formula)
    for name in made.functions:
        get_function(name)
    for fmt in (*made.formats, *(f for f in made.through if f not in (UNCHANGED, LEAST_SCALE, UNDERFLOW))):
        get_format(fmt)
    if made.at not in (None, *ATS):
        raise UsageError(f"expected at as one of {', '.join(ATS)}, got {made.at!r}")
    if not made.explains:
        raise UsageError("expected what explains it: formulas, at, through or fences")
    if (made.at or made.through or made.fences) and not made.functions:
        raise UsageError("expected the functions that it is about")


def _fence(row: Mapping[str, Any]) -> Fence:
    for key in row:
        check_known(key, [f.name for f in fields(Fence)], "key")
    low, high = (float(end) if "inf" in end else exact(end) for end in texts(row, "region"))
    ceiling = float(row["ceiling"])
    if not 1 < ceiling < math.inf:
        raise UsageError(f"expected a finite ceiling above 1 (the error over the bound), got {row['ceiling']!r}")
    return Fence(
        (low, high), ceiling, texts(row, "claims"), texts(row, "formats"), tuple(int(n) for n in row.get("orders", ()))
    )


def _text(table: Mapping[str, Any], key: str) -> str:
    if not isinstance(table[key], str):
        raise ValueError(f"expected {key} as text, got {table[key]!r}")
    return str(table[key])


def texts(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of text, empty where it is missing; ValueError for anything else (text alone is not a list)."""
    value = table.get(key, ())
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise ValueError(f"expected {key} as a list of text, got {value!r}")
    return tuple(value)
