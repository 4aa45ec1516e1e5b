"""What verdicts rest on besides what was asked: versions, the source that judges, the user's files, the processor."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from gradproof._version import __version__
from gradproof.backends import get_backend
from gradproof.engine.declared.userfiles import digest_of
from gradproof.engine.planning.outline import Outline
from gradproof.engine.request.selection import Selection
from gradproof.engine.surroundings.environment import PACKAGES, package_version, processor_text
from gradproof.engine.surroundings.sources import source
from gradproof.files.manifests import key
from gradproof.text import storable

OF_THE_PROCESSOR: Final = frozenset({"cpu_capability", "driver", "device", "capability"})
"""Entries of ``Backend.versions`` that tell of the hardware, not of what is installed."""
ANYWHERE: Final = "each worker's own"
"""What the manifest of a run on other machines says in place of one processor."""


def asked(selection: Selection) -> dict[str, Any]:
    """What verdicts depend on of a selection: not how many workers there are, nor for how long they may work."""
    return {
        "functions": list(selection.functions),
        "backends": list(selection.backends),
        "formats": list(selection.formats),
        "orders": list(selection.orders),
        "properties": list(selection.properties),
        "modes": list(selection.modes),
        "contract": selection.contract,
        "profile": selection.profile,
        "seed": selection.seed,
        "time-limit": selection.time_limit,
        "ledger": selection.use_ledger,
    }


def key_of(selection: Selection) -> str:
    """Names the runs of one selection: a digest of what was asked, and of where the user's files lie.

    How they are written counts too: it stands in the commands that repeat a failure.
    """
    files = [[storable(f), storable(str(Path(f).resolve()))] for f in selection.files]
    return key({"asked": asked(selection), "files": files})[:16]


def manifest(selection: Selection, outline: Outline, *, anywhere: bool = False) -> dict[str, Any]:
    """All that the verdicts of a run follow from, JSON-able. ``anywhere``: workers may have other processors."""
    here = {name: entry for name, entry in outline.backends.items() if entry["available"]}
    traits = {
        name: {"hardware": entry["hardware"], "traits": entry["traits"], **of_the_processor(entry["versions"])}
        for name, entry in here.items()
    }
    return {
        "settings": asked(selection),
        "plan": outline.digest,
        "files": {storable(Path(f).name): digest_of(f) for f in selection.files},
        "versions": {**own_versions(), **{name: installed(entry["versions"]) for name, entry in here.items()}},
        "source": outline.source,
        "processor": ANYWHERE if anywhere else traits,
    }


def surroundings_of(backends: Iterable[str], files: Iterable[str]) -> dict[str, Any]:
    """``versions``, ``source``, ``files`` and ``processor`` of this process.

    Raises BackendUnavailable for a backend that is not here.
    """
    return {
        "versions": {**own_versions(), **{name: installed(get_backend(name).versions()) for name in backends}},
        "source": source(),
        "files": {path: digest_of(path) for path in files},
        "processor": processor_text(),
    }


def foreign(wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """Why what is judged under ``seen`` does not belong to a run under ``wanted``; empty if it does."""
    for path, digest in wanted["files"].items():
        if seen["files"].get(path) != digest:
            return f"{path} is not the same there" if seen["files"].get(path) else f"{path} cannot be read there"
    if found := version_differences(wanted["versions"], seen["versions"]):
        return found
    return "" if wanted["source"] == seen["source"] else "another source of gradproof"


def installed(versions: Mapping[str, str]) -> dict[str, str]:
    """What ``Backend.versions`` says of software."""
    return {name: text for name, text in versions.items() if name not in OF_THE_PROCESSOR}


def of_the_processor(versions: Mapping[str, str]) -> dict[str, str]:
    """What it says of the hardware."""
    return {name: text for name, text in versions.items() if name in OF_THE_PROCESSOR}


def version_differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """Which versions differ, in words; empty where none does."""
    found = [
        f"{name} is {there.get(name, 'missing')} there and {here.get(name, 'missing')} here"
        for name in dict.fromkeys([*here, *there])
        if there.get(name) != here.get(name)
    ]
    return "; ".join(found)


def own_versions() -> dict[str, str]:
    """Of gradproof, Python and the packages that judge on every backend."""
    return {
        "gradproof": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        **{name: package_version(name) for name in PACKAGES},
    }
