"""gradproof: what an activation function and its derivatives really do, with proof.

The public names are imported on first use, so that ``import gradproof`` costs next to nothing and no
framework is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradproof._version import __version__

if TYPE_CHECKING:
    from gradproof.backends.base import Backend, Implementation
    from gradproof.engine.implementations import implements
    from gradproof.engine.property import Outcome, Property, Violations
    from gradproof.errors import GradproofError, UsageError
    from gradproof.functions import Function, function, get_function, piecewise
    from gradproof.oracle import Oracle

_HOMES = {
    "Backend": "gradproof.backends.base",
    "Function": "gradproof.functions",
    "GradproofError": "gradproof.errors",
    "Implementation": "gradproof.backends.base",
    "Oracle": "gradproof.oracle",
    "Outcome": "gradproof.engine.property",
    "Property": "gradproof.engine.property",
    "UsageError": "gradproof.errors",
    "Violations": "gradproof.engine.property",
    "function": "gradproof.functions",
    "get_function": "gradproof.functions",
    "implements": "gradproof.engine.implementations",
    "piecewise": "gradproof.functions",
}

__all__ = [
    "Backend",
    "Function",
    "GradproofError",
    "Implementation",
    "Oracle",
    "Outcome",
    "Property",
    "UsageError",
    "Violations",
    "__version__",
    "function",
    "get_function",
    "implements",
    "piecewise",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gradproof' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
