"""Backends as people read them: NumPy has no activation functions, so what stands in for its own is named as ours.

Texts for tables and headings alone. Cells are identified, filtered and compared by their plain names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gradproof.formats import FORMATS
from gradproof.results.model import Cell, shown

PRIMES: Final = ("", "′", "″")
"""What stands behind f, by order."""

REFERENCES: Final = "gradproof's reference kernels"
_BACKEND: Final = "numpy"
_MODULE: Final = "gradproof.backends.reference_numpy."
_FRAMEWORK: Final = (_MODULE, f"{_BACKEND}.")
"""How implementations of the numpy backend's own are called: the reference kernels, and what NumPy itself offers."""


def kernel_origin(implementation: str) -> str:
    """Whose an implementation is, where the name of its backend would mislead; empty elsewhere, and for a user's."""
    return REFERENCES if implementation.startswith(_MODULE) else ""


def catalogue_origin(backend: str) -> str:
    """As ``kernel_origin``, of what a backend (``numpy`` or ``numpy:cpu``) offers for the catalogue's functions."""
    return REFERENCES if backend.partition(":")[0] == _BACKEND else ""


def with_origin(name: str, whose: str) -> str:
    """``numpy:cpu (gradproof's reference kernels)``; the name alone where there is nothing to say."""
    return f"{name} ({whose})" if whose else name


def place_of(cell: Cell) -> str:
    """Backend and device of a cell, with whose implementation it judges."""
    return with_origin(f"{cell.backend}:{cell.device}", kernel_origin(cell.implementation))


def kernel_origins(cells: Iterable[Cell]) -> dict[str, str]:
    """By ``backend:device`` whose implementations its cells judge; empty where some are a user's or the framework's."""
    found: dict[str, set[str]] = {}
    for cell in cells:
        found.setdefault(f"{cell.backend}:{cell.device}", set()).add(cell.implementation)
    return {place: _common(names) for place, names in found.items()}


def _common(implementations: set[str]) -> str:
    ours = any(map(kernel_origin, implementations))
    return REFERENCES if ours and all(name.startswith(_FRAMEWORK) for name in implementations) else ""


def function_label(cell: Cell) -> str:
    """``elu(alpha=1.0)``: the function with its parameters."""
    return shown(cell.function, cell.params)


def short_format(name: str) -> str:
    """``bf16`` for ``bfloat16``; a format that is not known here keeps its name."""
    return FORMATS[name].short if name in FORMATS else name
