"""What ``doctor`` says about a backend: probed, and kept for as long as nothing that it depends on has changed.

Importing a framework takes one to two seconds, finding what torch.compile works with another one; what comes of it
changes with the framework's files, the processor and the environment, which are the key.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from gradproof._version import __version__
from gradproof.cache import machine
from gradproof.cache.entries import kept

DISTRIBUTIONS: Final = {"torch": ("torch", "numpy"), "jax": ("jax", "jaxlib", "numpy", "ml_dtypes")}
"""What is looked at, by the names of backends that are slow to start."""
DEVICE: Final = "cpu"
"""The device whose facts are kept: drivers of others come and go."""
_HEEDED: Final = ("ATEN", "CC", "CUDA", "CXX", "DNNL", "GRADPROOF", "JAX", "KMP", "LD_", "MKL", "OMP", "ONEDNN")
_HEEDED_TOO: Final = ("PATH", "PYTHONPATH", "TORCH", "TRITON", "XLA")
"""How the environment variables begin that frameworks read."""
_ENVIRONMENT: Final = {k: v for k, v in sorted(os.environ.items()) if k.startswith(_HEEDED + _HEEDED_TOO)}
"""As they were before a framework was imported: some set variables of their own."""


def backend_facts(name: str) -> dict[str, Any]:
    """Versions, traits and modes of an available backend, as plain JSON values.

    From the cache folder where nothing has changed since they were probed. Raises what the backend raises when it does
    not start.
    """
    framework, _, device = name.partition(":")
    if framework not in DISTRIBUTIONS or device != DEVICE or framework in sys.modules:
        return _probed(name)
    facts: dict[str, Any] = json.loads(kept("backends", _key(framework), lambda: json.dumps(_probed(name)).encode()))
    return facts


def _probed(name: str) -> dict[str, Any]:
    from gradproof.backends import get_backend
    from gradproof.engine.surroundings.environment import backend_table

    facts: dict[str, Any] = backend_table([name], {})[name]
    backend = get_backend(name)
    states = {mode: backend.mode_availability(mode) for mode in backend.modes}
    modes = {m: {"available": s.available, "reason": s.reason, "tool": s.tool} for m, s in states.items()}
    return {**facts, "modes": modes}


def _key(framework: str) -> dict[str, str]:
    """Everything that the facts follow from, in words."""
    compiler = shutil.which(os.environ.get("CXX") or "g++")
    return {
        "framework": framework,
        "versions": ", ".join(f"{name} {_version(name)} {_changed(name)}" for name in DISTRIBUTIONS[framework]),
        "gradproof": f"{__version__} {_own_files()}",
        "python": f"{sys.version} {sys.prefix}",
        "machine": machine.fingerprint(),
        "compiler": f"{compiler} {Path(compiler).stat().st_mtime_ns}" if compiler else "none",
        "environment": json.dumps(_ENVIRONMENT),
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def _changed(module: str) -> str:
    """Where a package lies, and when it was last changed."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return "nowhere"
    return f"{spec.origin} {Path(spec.origin).stat().st_mtime_ns}"


def _own_files() -> str:
    """When gradproof's backends were last changed, for those who change them."""
    files = (Path(__file__).parents[1] / "backends").rglob("*.py")
    return str(max((file.stat().st_mtime_ns for file in files), default=0))
