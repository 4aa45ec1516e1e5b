"""What was measured on the corpus, kept in docs/evidence/detection.json, from which docs/detection.md is made.

Three parts, each with the commit, the processor and the versions it was measured at: ``gradproof`` (the profile quick
over the whole corpus), ``neighbours``, and ``default`` (that profile over what quick missed, by hand).
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORD = HERE.parent.parent / "docs" / "evidence" / "detection.json"
DOCUMENT = HERE.parent.parent / "docs" / "detection.md"
LIBRARIES = ("gradproof", "numpy", "torch", "jax", "python-flint", "mpmath", "hypothesis")


def chosen(words: Iterable[str], name: str) -> bool:
    """Whether a name contains one of the words; all do where there are none."""
    words = tuple(words)
    return not words or any(word in name for word in words)


def record(part: str, measured: Mapping[str, Any]) -> None:
    """Keep ``measured``, with where and when, as one part of the record; write the page of all parts."""
    from benchmarks.faults.report import document

    kept = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    kept[part] = {"commit": commit(), "environment": environment(), **measured}
    RECORD.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    DOCUMENT.write_text(document(kept), encoding="utf-8")


def commit() -> str:
    """The commit that is checked out, short."""
    command = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def environment() -> str:
    """The processor and the versions, in a clause."""
    versions = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    return f"{processor()}, Python {platform.python_version()}, {versions}"


def processor() -> str:
    """The processor's own name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((row.partition(":")[2].strip() for row in lines if row.startswith("model name")), platform.machine())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
