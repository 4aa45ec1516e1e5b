"""What installed packages offer through entry points: which of it counts, and how an error names its giver."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any, Final

from gradproof.errors import UsageError

REMEDY: Final = "mend or uninstall it, or set GRADPROOF_NO_PLUGINS=1"


def enabled_entry_points(group: str) -> Iterator[EntryPoint]:
    """Entry points of a group, gradproof's own first; with GRADPROOF_NO_PLUGINS=1 no others.

    Own ones first: of two that share a name the other package's is then the second, and the one to blame.
    """
    points = importlib.metadata.entry_points(group=group)
    yield from filter(_own, points)
    if os.environ.get("GRADPROOF_NO_PLUGINS") != "1":
        yield from itertools.filterfalse(_own, points)


def _own(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == "gradproof"


def described(point: EntryPoint) -> str:
    """The entry point in words: its name, its object, its group and the distribution that brought it."""
    giver = "" if point.dist is None else f" from the package {point.dist.name} {point.dist.version}"
    return f"the entry point {point.name!r} ({point.value}) of {point.group}{giver}"


def loaded(point: EntryPoint) -> Any:
    """The object of an entry point; UsageError that names the giver where importing it fails in whatever way."""
    try:
        return point.load()
    except (Exception, SystemExit) as fault:
        raise UsageError(f"{described(point)} cannot be loaded: {type(fault).__name__}: {fault}; {REMEDY}") from fault
