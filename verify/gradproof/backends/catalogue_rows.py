"""Which functions, with which parameters, every framework's catalogue is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from gradproof.backends.base import Implementation
from gradproof.formats import ALL_FORMATS, STORED_FORMATS, Format, wider_formats

Row = Callable[[str, Mapping[str, Any]], Implementation | None]
"""A framework's factory: its implementation of a function with these parameters, or None if it has none."""

ROWS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("relu", {}),
    ("leaky_relu", {"negative_slope": 0.01}),
    ("prelu", {"weight": 0.25}),
    ("relu6", {}),
    ("threshold", {"threshold": 1.0, "value": 0.0}),
    ("maximum0", {}),
    ("clamp", {"min": -1.0, "max": 1.0}),
    ("abs", {}),
    ("hardtanh", {"min": -1.0, "max": 1.0}),
    ("hardsigmoid", {}),
    ("hardswish", {}),
    ("hardshrink", {"lambd": 0.5}),
    ("softshrink", {"lambd": 0.5}),
    ("elu", {"alpha": 1.0}),
    ("elu", {"alpha": 2.0}),
    ("selu", {}),
    ("celu", {"alpha": 1.0}),
    ("celu", {"alpha": 2.0}),
    ("gelu", {}),
    ("gelu_tanh", {}),
    ("quick_gelu", {}),
    ("silu", {}),
    ("mish", {}),
    ("sigmoid", {}),
    ("logsigmoid", {}),
    ("softplus", {"beta": 1.0}),
    ("softplus_threshold", {"beta": 1.0, "threshold": 20.0}),
    ("tanh", {}),
    ("tanhshrink", {}),
    ("softsign", {}),
    ("squareplus", {"b": 4.0}),
    ("exp", {}),
    ("expm1", {}),
    ("log1p", {}),
    ("erf", {}),
    ("erfc", {}),
    ("to_float32", {}),
    ("to_float16", {}),
    ("to_bfloat16", {}),
    ("to_float8_e4m3fn", {}),
    ("to_float8_e5m2", {}),
    *((f"to_{target}", {}) for target in STORED_FORMATS),
)
"""Function and parameters, the parameters complete and named as in the function's specification."""


def target_of(function: str) -> Format | None:
    """The format to which a catalogued conversion rounds (``to_float16``: float16); None for other functions."""
    return ALL_FORMATS.get(function.removeprefix("to_")) if function.startswith("to_") else None


def conversion(function: str, backend: str, name: str, convert: Callable[..., Any]) -> Implementation:
    """A framework's conversion: ``convert(x, target)`` to the target and back, which is exact.

    It claims the formats wider than the target. ``name`` is the dotted name of what converts.
    """
    target = target_of(function)
    assert target is not None
    return Implementation(function, backend, name, partial(convert, target=target.name), formats=wider_formats(target))


def filled(row: Row) -> tuple[Implementation, ...]:
    """What ``row`` offers for ROWS."""
    return tuple(made for made in (row(function, params) for function, params in ROWS) if made is not None)
