"""Ledger files: TOML.

``[deviation.<id>]`` tables (title, reason, upstream), ``[[entry]]`` rows, one per cell they explain, and ``[[loss]]``
rows, one per formula that loses digits (``losses``; ``backend`` and ``versions`` may stand at the head of the file for
all of them).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gradproof.cache import toml
from gradproof.config import check_known
from gradproof.engine.ledger_entries import Deviation, Entry
from gradproof.engine.losses import Loss
from gradproof.errors import UsageError
from gradproof.files.reading import read_text
from gradproof.formats import get_format
from gradproof.functions import CATALOGUE
from gradproof.functions.function import exact


@dataclass
class LedgerFile:
    """What one ledger file says."""

    deviations: list[Deviation]
    entries: list[Entry]
    losses: list[Loss]


def read_ledger_file(file: Path) -> LedgerFile:
    """The content of ``file``; UsageError that names it, and the entry, where it is malformed."""
    try:
        document = toml.loads(read_text(file, "a ledger"))
    except (ValueError, RecursionError) as fault:  # also of what is too long or too deep to be read
        raise UsageError(f"ledger file {file} is not valid TOML: {fault}") from None
    shared = {key: document[key] for key in ("backend", "versions") if key in document}
    return LedgerFile(
        [_deviation(key, table, file) for key, table in document.get("deviation", {}).items()],
        [_entry(table, f"{file}, entry {n}") for n, table in enumerate(document.get("entry", []), 1)],
        [_loss(shared | table, f"{file}, loss {n}") for n, table in enumerate(document.get("loss", []), 1)],
    )


def _deviation(key: str, table: Any, file: Path) -> Deviation:
    try:
        return Deviation(key, str(table["title"]), str(table["reason"]), _texts(table, "upstream", ()))
    except KeyError as missing:
        raise UsageError(f"ledger file {file}: deviation {key!r} lacks {missing}") from None
    except (TypeError, ValueError) as fault:
        raise UsageError(f"ledger file {file}: deviation {key!r}: {fault}") from None


def _entry(table: dict[str, Any], where: str) -> Entry:
    try:
        fmt = get_format(table["format"])
        params = dict(table.get("params", {}))
        for value in params.values():
            exact(value)
        return Entry(
            deviation=table["deviation"],
            backend=table["backend"],
            versions=SpecifierSet(table["versions"]),
            recorded=table["recorded"],
            hardware=_texts(table, "hardware"),
            function=table["function"],
            params=params,
            modes=_texts(table, "modes", ("eager",)),
            format=fmt.name,
            order=int(table["order"]),
            property=table["property"],
            regions=tuple((fmt.parse_bits(a), fmt.parse_bits(b)) for a, b in table["regions"]),
            ceiling=math.inf if table["ceiling"] == "inf" else float(table["ceiling"]),
            witnesses=tuple(fmt.parse_bits(w) for w in table.get("witnesses", ())),
        )
    except KeyError as missing:
        raise UsageError(f"ledger file {where} lacks {missing}") from None
    except (InvalidSpecifier, TypeError, ValueError, UsageError) as fault:
        raise UsageError(f"ledger file {where}: {fault}") from None


def _loss(table: dict[str, Any], where: str) -> Loss:
    try:
        for key in table:
            check_known(key, [f.name for f in fields(Loss)], "key")
        made = Loss(
            deviation=table["deviation"],
            backend=table["backend"],
            versions=SpecifierSet(table["versions"]),
            functions=_texts(table, "functions"),
            orders=tuple(int(n) for n in table["orders"]),
            where=tuple((low, high) for low, high in table["where"]),
            error=table["error"],
            **{key: _texts(table, key, ()) for key in ("modes", "formats", "properties")},
        )
        for function in (f for f in CATALOGUE if f.name in made.functions):  # found here, not in some run
            fmt = get_format(made.formats[0] if made.formats else "float32")
            made.regions(fmt, function.exact_params)
            made.ceiling(fmt, function.exact_params)
    except KeyError as missing:
        raise UsageError(f"ledger file {where} lacks {missing}") from None
    except (InvalidSpecifier, TypeError, ValueError, UsageError) as fault:
        raise UsageError(f"ledger file {where}: {fault}") from None
    return made


def _texts(table: dict[str, Any], key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """A list of text; KeyError where it is missing, ValueError for anything else (text alone is not a list)."""
    value = table[key] if default is None else table.get(key, default)
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise ValueError(f"expected {key} as a list of text, got {value!r}")
    return tuple(value)
