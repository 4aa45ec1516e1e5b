"""gradproof: what an activation function and its derivatives really do, with proof.

The public names are imported on first use, so that ``import gradproof`` costs next to nothing and no
framework is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradproof._version import __version__

if TYPE_CHECKING:
    from gradproof.backends.base import Backend, Implementation
    from gradproof.engine.declared.implementations import implements
    from gradproof.engine.declared.own_properties import property  # noqa: A004  the vocabulary's word, used as gp.property
    from gradproof.engine.declared.roundings import quantizes_blocks, rounds_stochastically
    from gradproof.engine.ledger.known import known
    from gradproof.engine.properties.property import Outcome, Property, Violations
    from gradproof.engine.running.api import run
    from gradproof.errors import GradproofError, UsageError
    from gradproof.external.command import command
    from gradproof.functions import Function, function, get_function, piecewise
    from gradproof.measure import Contract, contract
    from gradproof.oracle import Oracle
    from gradproof.sweep.api import run_sweep

_HOMES = {
    "Backend": "gradproof.backends.base",
    "Contract": "gradproof.measure",
    "Function": "gradproof.functions",
    "GradproofError": "gradproof.errors",
    "Implementation": "gradproof.backends.base",
    "Oracle": "gradproof.oracle",
    "Outcome": "gradproof.engine.properties.property",
    "Property": "gradproof.engine.properties.property",
    "UsageError": "gradproof.errors",
    "Violations": "gradproof.engine.properties.property",
    "command": "gradproof.external.command",
    "contract": "gradproof.measure",
    "function": "gradproof.functions",
    "get_function": "gradproof.functions",
    "implements": "gradproof.engine.declared.implementations",
    "known": "gradproof.engine.ledger.known",
    "piecewise": "gradproof.functions",
    "property": "gradproof.engine.declared.own_properties",
    "quantizes_blocks": "gradproof.engine.declared.roundings",
    "rounds_stochastically": "gradproof.engine.declared.roundings",
    "run": "gradproof.engine.running.api",
    "run_sweep": "gradproof.sweep.api",
}

__all__ = [
    "Backend",
    "Contract",
    "Function",
    "GradproofError",
    "Implementation",
    "Oracle",
    "Outcome",
    "Property",
    "UsageError",
    "Violations",
    "__version__",
    "command",
    "contract",
    "function",
    "get_function",
    "implements",
    "known",
    "piecewise",
    "property",
    "quantizes_blocks",
    "rounds_stochastically",
    "run",
    "run_sweep",
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
