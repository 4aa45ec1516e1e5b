"""A digest of all that judges, for those who change it: what was judged by another source is not gone on with."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from gradproof.engine.properties.installed import ledger_directories, properties

_PACKAGE: Final = Path(__file__).parents[2]
_READ: Final = (".py", ".toml", ".json")


@cache
def source() -> str:
    """A digest of what judges: gradproof's source, the property packs' and the ledgers; for those who change them."""
    places = {_PACKAGE: "gradproof"}
    for offered in properties().values():
        name = type(offered).__module__.partition(".")[0]
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and Path(file).name == "__init__.py":  # a module without a package is the user's file
            places[Path(file).parent] = name
    for number, folder in enumerate(ledger_directories()):
        places.setdefault(folder, f"ledger {number}")
    return digest_of_source(places)


def digest_of_source(places: Mapping[Path, str]) -> str:
    """SHA-256 of the files in folders, each known by a name; what is not there, as in a zip file, counts as nothing."""
    seen = hashlib.sha256()
    for folder, name in sorted(places.items(), key=lambda item: item[1]):
        for file in sorted(f for f in folder.rglob("*") if f.suffix in _READ):
            content = file.read_bytes()
            seen.update(f"{name}/{file.relative_to(folder).as_posix()} {len(content)}:".encode() + content)
    return seen.hexdigest()
