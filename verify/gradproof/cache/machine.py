"""Which processor this is, as far as compiled code depends on it."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import Final

_TOLD: Final = ("vendor_id", "model name", "flags", "features", "cpu part")
"""What /proc/cpuinfo says about the first processor, in lower case, on x86 and on ARM."""


@cache
def fingerprint() -> str:
    """A digest of the processor's name and features and of how many of them this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [platform.system(), platform.machine(), platform.processor(), str(cores), *_cpuinfo()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _cpuinfo() -> list[str]:
    try:
        first = Path("/proc/cpuinfo").read_text("utf-8", "replace").split("\n\n")[0]
    except OSError:
        return []
    rows = (line.partition(":") for line in first.splitlines())
    return [f"{name.strip()}: {value.strip()}" for name, _, value in rows if name.strip().lower() in _TOLD]
