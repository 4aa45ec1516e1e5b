"""Which functions, with which parameters, every framework's catalogue is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gradproof.backends.base import Implementation

Row = Callable[[str, Mapping[str, Any]], Implementation | None]
"""A framework's factory: its implementation of a function with these parameters, or None if it has none."""

ROWS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("relu", {}),
    ("leaky_relu", {"negative_slope": 0.01}),
    ("prelu", {"weight": 0.25}),
    ("relu6", {}),
    ("hardtanh", {"min": -1.0, "max": 1.0}),
    ("elu", {"alpha": 1.0}),
    ("elu", {"alpha": 2.0}),
    ("selu", {}),
    ("gelu", {}),
    ("gelu_tanh", {}),
    ("silu", {}),
    ("softplus", {"beta": 1.0}),
    ("sigmoid", {}),
    ("logsigmoid", {}),
    ("tanh", {}),
)
"""Function and parameters, the parameters complete and named as in the function's specification."""


def filled(row: Row) -> tuple[Implementation, ...]:
    """What ``row`` offers for ROWS."""
    return tuple(made for made in (row(function, params) for function, params in ROWS) if made is not None)
