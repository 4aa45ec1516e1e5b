"""The surroundings of a run: versions, processor, what each backend is and why it is missing."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gradproof._version import __version__
from gradproof.backends import availability, backend_ids, get_backend
from gradproof.engine.ledger import Surroundings
from gradproof.formats import FORMATS

SIMD = "GRADPROOF_SIMD"
PACKAGES = ("numpy", "ml_dtypes", "mpmath", "python-flint", "hypothesis")


def package_version(name: str) -> str:
    """Installed version of a distribution, or ``not installed``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def simd_level() -> str:
    """The widest vector instructions: ``AVX512_BF16``, ``AVX512``, ``AVX2``, ``NEON`` ... or the machine's name.

    Processors with bfloat16 instructions count as their own: libraries round to bfloat16 with them, which flushes
    subnormals. ``GRADPROOF_SIMD`` overrides what is seen, for a framework held to less than the processor has
    (``ATEN_CPU_CAPABILITY=avx2``, ``ONEDNN_MAX_CPU_ISA=AVX512_CORE``, ``XLA_FLAGS=--xla_cpu_max_isa=AVX2``).
    """
    if told := os.environ.get(SIMD):
        return told
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[import-not-found]  # private, but the only record
    except ImportError:
        return platform.machine()
    for level, needed in (("AVX512", "AVX512F"), ("AVX2", "AVX2"), ("NEON", "NEON"), ("VSX", "VSX")):
        if features.get(needed):
            return f"{level}_BF16" if level == "AVX512" and "avx512_bf16" in processor_flags() else level
    return platform.machine()


def processor_flags() -> frozenset[str]:
    """The processor's features as Linux lists them; empty elsewhere."""
    return frozenset(_cpuinfo("flags").split())


def processor() -> str:
    """The processor's name as the system reports it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(field: str) -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as info:
            for line in info:
                if line.startswith(field):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def environment() -> dict[str, Any]:
    """Python, platform, processor and package versions; no host or user name."""
    return {
        "gradproof": __version__,
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "simd": simd_level(),
        **{name: package_version(name) for name in PACKAGES},
    }


def backend_table(ids: list[str], missing: dict[str, str]) -> dict[str, dict[str, Any]]:
    """By backend id: availability with reason, versions, and traits by format."""
    table: dict[str, dict[str, Any]] = {}
    for name in ids:
        backend = get_backend(name)
        traits = {f: backend.traits(FORMATS[f]) for f in backend.formats if f in FORMATS}
        table[name] = {
            "available": True,
            "reason": "",
            "versions": backend.versions(),
            "traits": {
                f: {"flushes_results": t.flushes_results, "zeros_inputs": t.zeros_inputs} for f, t in traits.items()
            },
        }
    for name, reason in missing.items():
        table[name] = {"available": False, "reason": reason, "versions": {}, "traits": {}}
    return table


def surroundings(ids: list[str]) -> Surroundings:
    """What ledger entries are compared with: the framework's version by backend id, and the SIMD level."""
    versions = {name: get_backend(name).versions().get(name.partition(":")[0], "") for name in ids}
    return Surroundings(versions, simd_level())


def installed_ids() -> list[str]:
    """Ids of the backends that are here."""
    return [name for name in backend_ids() if availability(name).available]
