"""What a sweep's result rests on besides its target: versions, the user's file, the processor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from gradproof._version import __version__
from gradproof.errors import GradproofError
from gradproof.files.reading import read_bytes
from gradproof.sweep.plan import SHARD_BITS, Target

PACKAGES: Final = ("numpy", "ml_dtypes", "mpmath", "python-flint", "numba")
NAME: Final = "name"
"""The processor's name: recorded with each shard, and free to change where its capability does not."""
ANYWHERE: Final = {"simd": "each cluster worker's own"}
"""What the manifest of a cluster's sweep says in place of one processor."""


def manifest(
    target: Target, first: int, last: int, gap: tuple[int, int] | None = None, *, cluster: bool = False
) -> dict[str, Any]:
    """What a run folder must have been made for, to be gone on with: JSON-able, the same for the same sweep.

    Raises UsageError or BackendUnavailable where the backend is not here.
    """
    from gradproof.engine.surroundings.sources import source

    seen = _backend_environment(target.backend, target.modes)
    processor = {name: text for name, text in seen["processor"].items() if name != NAME}
    return {
        "target": target.to_json() | {"file": None if target.file is None else Path(target.file).name},
        "range": {"first": first, "last": last, "shard_bits": SHARD_BITS} | ({"gap": list(gap)} if gap else {}),
        "versions": seen["versions"],
        "processor": dict(ANYWHERE) if cluster else processor,
        "file": _digest_of(target.file),
        "source": source(),
    }


def environment(target: Target) -> dict[str, Any]:
    """``versions``, ``processor``, ``file`` (SHA-256 of the user's file) and ``source`` of this process."""
    from gradproof.engine.surroundings.sources import source

    own = {"file": _digest_at_first(target.file), "source": source()}
    return {**_backend_environment(target.backend, target.modes), **own}


def foreign(wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """Why a shard that was worked on under ``seen`` does not belong to the manifest ``wanted``; empty if it does."""
    if wanted["file"] != seen["file"]:
        return "the user's file is not the same there, or changed meanwhile"
    from gradproof.engine.running.provenance import version_differences

    return version_differences(wanted["versions"], seen["versions"])


@cache
def _backend_environment(backend_id: str, modes: tuple[str, ...]) -> dict[str, Any]:
    from gradproof.backends import get_backend
    from gradproof.engine.running.provenance import installed, of_the_processor
    from gradproof.engine.surroundings.environment import hardware, package_version, processor

    backend = get_backend(backend_id)
    for mode in modes:
        backend.mode_availability(mode)  # the compiler's version is known once its mode was asked for
    reported = backend.versions()
    return {
        "versions": {
            "gradproof": __version__,
            **{name: package_version(name) for name in PACKAGES},
            **installed(reported),
        },
        "processor": {
            "simd": hardware(backend_id),
            NAME: processor(),
            **of_the_processor(reported),
        },
    }


@cache
def _digest_at_first(file: str | None) -> str | None:
    """``_digest_of`` as this process first found it, when it also imported the file."""
    return _digest_of(file)


def _digest_of(file: str | None) -> str | None:
    """SHA-256 of a file's content; None for no file. Raises GradproofError where it cannot be read."""
    if file is None:
        return None
    try:
        return hashlib.sha256(read_bytes(file)).hexdigest()
    except OSError as fault:
        raise GradproofError(f"{file} cannot be read: {fault.strerror or fault}") from fault
