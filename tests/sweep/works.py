"""Work on a shard that needs no oracle: a digest of its bit patterns, and the ways in which work goes wrong."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradproof.engine.surroundings import sources
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.sweep.plan import Shard

DIGEST = f"{__name__}:digest"
FOLDER = "TESTS_SWEEP_FOLDER"
"""Environment variable with the folder in which the works below leave their marks."""


def digest(shard: Shard) -> dict[str, Any]:
    """Numbers that JSON could spoil: a third, an infinity, an integer above 2**53; and which shard it was."""
    seen = hashlib.sha256(f"{shard.target.id} {shard.lo} {shard.hi}".encode()).hexdigest()
    return {
        "seen": [seen],
        "points": shard.points,
        "third": shard.lo / 3,
        "worst": float("inf"),
        "top": 2**60 + shard.hi,
    }


def merged(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Depends on the order of its parts: strings in a row, and a sum of floats that does not commute."""
    total = 0.0
    for part in parts:
        total = total / 7 + part["third"]
    return {
        "seen": [text for part in parts for text in part["seen"]],
        "points": sum(part["points"] for part in parts),
        "third": total,
        "worst": max(part["worst"] for part in parts),
        "top": [part["top"] for part in parts],
    }


def mark(name: str) -> int:
    """Count one call under ``name``; how many there are now, whichever processes made them."""
    path = Path(os.environ[FOLDER]) / name
    with path.open("ab") as stream:
        stream.write(b".")
    return path.stat().st_size


def counted(shard: Shard) -> dict[str, Any]:
    """``digest``, with a mark per call."""
    mark(f"worked-{shard.target.function}-{shard.index}")
    return digest(shard)


def slow(shard: Shard) -> dict[str, Any]:
    """``counted``, in 0.02 seconds."""
    time.sleep(0.02)
    return counted(shard)


def deadly(shard: Shard) -> dict[str, Any]:
    """The third shard kills its process, always."""
    if shard.index == 2:
        mark("killed")
        os.kill(os.getpid(), signal.SIGKILL)
    return counted(shard)


def deadly_once(shard: Shard) -> dict[str, Any]:
    """The third shard kills the first process that works on it."""
    if shard.index == 2 and mark("killed") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return counted(shard)


def hanging(shard: Shard) -> dict[str, Any]:
    """The first shard never ends."""
    if shard.index == 0:
        mark("hung")
        time.sleep(600)
    return counted(shard)


def faulty(shard: Shard) -> dict[str, Any]:
    """Functions that cannot be swept, each in its own way; the others can."""
    match shard.target.function:
        case "relu":
            raise Unsupported("there is no such derivative")
        case "silu":
            raise ImplementationFault("raised", "the implementation raised ValueError: no")
        case "gelu":
            raise ZeroDivisionError("a slip of ours")
    return counted(shard)


def environment(shard: Shard) -> dict[str, Any]:
    """What the process that works on a shard was told about threads."""
    return {"threads": os.environ.get("OMP_NUM_THREADS"), "process": os.getpid()}


def lingering(shard: Shard) -> dict[str, Any]:
    """``digest`` in half a second, with a mark that says which process is at it."""
    mark(f"working-{os.getpid()}")
    time.sleep(0.5)
    return digest(shard)


def one_source() -> None:
    """Let this process know no digest of gradproof's source, as the tests do."""
    sources.source = lambda: ""  # type: ignore[assignment]
