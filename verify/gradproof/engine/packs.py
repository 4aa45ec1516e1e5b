"""The installed property packs and ledgers, found through entry points."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from gradproof.engine.property import Property
from gradproof.errors import UsageError

BUILT_IN = "builtin"


def enabled_entry_points(group: str) -> Iterator[EntryPoint]:
    """Entry points of a group; with GRADPROOF_NO_PLUGINS=1 only gradproof's own."""
    only_own = os.environ.get("GRADPROOF_NO_PLUGINS") == "1"
    for point in entry_points(group=group):
        if not only_own or (point.dist is not None and point.dist.name == "gradproof"):
            yield point


@cache
def properties() -> dict[str, Property]:
    """Every installed property by id, in the order the packs list them.

    Raises UsageError when two packs claim one id, or a pack offers something that is no Property.
    """
    found: dict[str, Property] = {}
    for point in enabled_entry_points("gradproof.properties"):
        for item in point.load()():
            if not isinstance(item, Property):
                raise UsageError(f"entry point {point.value} offers {item!r}, which is no gradproof.Property")
            if item.id in found:
                raise UsageError(f"entry point {point.value} offers a second property called {item.id!r}")
            found[item.id] = item
    return found


def ledger_directories() -> list[Path]:
    """Directories that hold ledger files (TOML)."""
    return [Path(point.load()()) for point in enabled_entry_points("gradproof.ledgers")]
