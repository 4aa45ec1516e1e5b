"""The installed property packs, claims and ledgers, found through entry points."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from gradproof.config import check_known
from gradproof.engine.properties.property import Property
from gradproof.entry_points import REMEDY, described, enabled_entry_points, loaded
from gradproof.errors import UsageError
from gradproof.files.reading import parsed_toml, read_text
from gradproof.results.model import Basis, Claim, Figure
from gradproof.results.rebuild import rebuild

BUILT_IN = "builtin"


_defined: dict[str, Property] = {}


def properties() -> dict[str, Property]:
    """Every property by id: the installed ones in the order the packs list them, then those of this process.

    Raises UsageError when two packs claim one id, or a pack offers something that is no Property.
    """
    return {**_installed(), **_defined}


def define_property(item: Property) -> None:
    """Register a property in this process; UsageError for the id of an installed one."""
    if item.id in _installed():
        raise UsageError(f"the property {item.id!r} is installed already; choose another id")
    _defined[item.id] = item


def forget_properties(ids: Iterable[str]) -> None:
    """Remove properties defined in this process (tests and long-lived sessions)."""
    for name in ids:
        _defined.pop(name, None)


@cache
def _installed() -> dict[str, Property]:
    found: dict[str, Property] = {}
    for point in enabled_entry_points("gradproof.properties"):
        offered = _offered(point)
        if not isinstance(offered, Iterable):
            raise UsageError(f"{described(point)} must return gradproof.Property instances, got {offered!r}; {REMEDY}")
        for item in offered:
            if not isinstance(item, Property):
                raise UsageError(f"{described(point)} offers {item!r}, which is no gradproof.Property; {REMEDY}")
            if item.id in found:
                raise UsageError(f"{described(point)} offers a second property called {item.id!r}; {REMEDY}")
            found[item.id] = item
    return found


@cache
def claims() -> tuple[Claim, ...]:
    """Every installed claim, without verdicts, in the order of the files.

    The entry points of ``gradproof.claims`` give the path of a TOML file each, with ``[[claim]]`` tables of id,
    question, statement, source and ``rests_on``: properties, each perhaps narrowed to functions and orders; and
    perhaps ``figures`` to show. A property that is not installed leaves its claim unchecked. Raises UsageError that
    names the file and the place for anything else there, and for two claims of one id.
    """
    found: dict[str, Claim] = {}
    for point in enabled_entry_points("gradproof.claims"):
        file = _file(point)
        for claim in read_claims(file):
            if claim.id in found:
                raise UsageError(f"{file} defines a second claim called {claim.id!r}")
            found[claim.id] = claim
    return tuple(found.values())


def read_claims(file: Path) -> list[Claim]:
    """The claims of one TOML file; UsageError as for ``claims``."""
    try:
        document = parsed_toml(read_text(file, "a TOML file of claims"))
    except ValueError as fault:
        raise UsageError(f"expected a TOML file of claims at {file}, but it cannot be read: {fault}") from fault
    _known_keys(document, ("claim",), f"{file}")
    rows = document.get("claim", [])
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        where = f"{file}: claim[{number}]"
        _known_keys(row, [f.name for f in dataclasses.fields(Claim) if f.name != "verdicts"], where)
        for key, kind in (("rests_on", Basis), ("figures", Figure)):
            parts = row.get(key, []) if isinstance(row, dict) else []
            for part in parts if isinstance(parts, list) else []:
                _known_keys(part, [f.name for f in dataclasses.fields(kind)], f"{where}.{key}")
        if isinstance(row, dict) and row.get("rests_on", []) == []:
            raise UsageError(f"{where} rests on nothing; name at least one property in rests_on")
    made: list[Claim] = rebuild(list[Claim], rows, f"{file}: claim")
    return made


def _known_keys(table: Any, known: Sequence[str], where: str) -> None:
    """UsageError for a key that nobody would read; what is no table is left to ``rebuild``."""
    for key in table if isinstance(table, dict) else ():
        check_known(key, known, "key", f" in {where}")


def ledger_directories() -> list[Path]:
    """Directories that hold ledger files (TOML)."""
    return [_file(point) for point in enabled_entry_points("gradproof.ledgers")]


def _offered(point: EntryPoint) -> Any:
    """What the callable of an entry point returns; UsageError that names its package where that fails."""
    make = loaded(point)
    try:
        return make()
    except (Exception, SystemExit) as fault:
        raise UsageError(f"{described(point)} failed: {type(fault).__name__}: {fault}; {REMEDY}") from fault


def _file(point: EntryPoint) -> Path:
    offered = _offered(point)
    if not isinstance(offered, str | os.PathLike):
        raise UsageError(f"{described(point)} returned {offered!r}, no path; {REMEDY}")
    return Path(offered)
