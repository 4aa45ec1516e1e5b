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
from gradproof.backends.base import Backend, Traits
from gradproof.engine.ledger.ledger import Surroundings
from gradproof.errors import Unsupported
from gradproof.formats import FORMATS

VENDORS = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel"}
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
    subnormals. A framework may be held to less (``Backend.simd``).
    """
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[import-not-found]  # private, but the only record
    except ImportError:
        return platform.machine()
    for level, needed in (
        ("AVX512", "AVX512F"),
        ("AVX2", "AVX2"),
        ("AVX", "AVX"),
        ("SSE4_2", "SSE42"),
        ("NEON", "NEON"),
        ("VSX", "VSX"),
    ):
        if features.get(needed):
            return f"{level}_BF16" if level == "AVX512" and "avx512_bf16" in processor_flags() else level
    return platform.machine()


def processor_flags() -> frozenset[str]:
    """The processor's features as Linux lists them; empty elsewhere."""
    return frozenset(_cpuinfo("flags").split())


def processor() -> str:
    """The processor's name as the system reports it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def processor_text() -> str:
    """The processor and its vector instructions, by which machines of a cluster are told apart."""
    return f"{processor()}, {simd_level()}"


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
    """By backend id: availability with reason, versions, hardware; by format traits, or why it cannot be used."""
    table: dict[str, dict[str, Any]] = {}
    for name in ids:
        backend = get_backend(name)
        traits, unusable = _traits(backend)
        table[name] = {
            "available": True,
            "reason": "",
            "versions": backend.versions(),
            "hardware": hardware(name),
            "traits": {
                f: {"flushes_results": t.flushes_results, "zeros_inputs": t.zeros_inputs} for f, t in traits.items()
            },
            "unusable_formats": unusable,
        }
    for name, reason in missing.items():
        table[name] = {"available": False, "reason": reason, "versions": {}, "traits": {}, "unusable_formats": {}}
    return table


def _traits(backend: Backend) -> tuple[dict[str, Traits], dict[str, str]]:
    """The traits of a backend by format, and the reasons of the formats in which they cannot be probed.

    A table for the reader must not take a run with it, so whatever is raised is a reason.
    """
    found: dict[str, Traits] = {}
    unusable: dict[str, str] = {}
    for name in backend.formats if backend.probes_traits else ():
        if name in FORMATS:
            try:
                found[name] = backend.traits(FORMATS[name])
            except Unsupported as why:
                unusable[name] = str(why)
            except Exception as fault:
                unusable[name] = f"probing its traits raised {type(fault).__name__}: {fault}"
    return found, unusable


def surroundings(ids: list[str]) -> Surroundings:
    """What deviations are compared with, by backend id: the framework's version, and the hardware it runs on."""
    versions = {name: get_backend(name).versions().get(name.partition(":")[0], "") for name in ids}
    return Surroundings(versions, {name: hardware(name) for name in ids})


def hardware(backend_id: str) -> str:
    """Vendor of the processor and SIMD level of a backend's kernels: ``AMD AVX2``.

    Vendors answer the same approximate instructions (rsqrt) with different last bits.
    """
    vendor = _cpuinfo("vendor_id")
    return f"{VENDORS.get(vendor, vendor)} {get_backend(backend_id).simd(simd_level())}".strip()


def installed_ids() -> list[str]:
    """Ids of the backends that are here."""
    return [name for name in backend_ids() if availability(name).available]
