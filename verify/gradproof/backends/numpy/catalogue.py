"""What the numpy backend offers: the reference implementations, and other ways to write the linear pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from gradproof.backends.base import Implementation
from gradproof.backends.catalogue_rows import conversion, filled, target_of
from gradproof.backends.numpy.dtypes import dtype_of
from gradproof.backends.reference_numpy import REFERENCES
from gradproof.formats import get_format


def row(function: str, params: Mapping[str, Any]) -> Implementation | None:
    """The reference implementation of ``function`` with ``params``, or None if there is none.

    The conversions are NumPy's own, or those of ml_dtypes.
    """
    if target_of(function) is not None:
        return conversion(function, "numpy", "numpy.ndarray.astype", _converted)
    reference = REFERENCES.get(function)
    if reference is None or set(params) - set(reference.defaults):
        return None
    return Implementation(
        function=function,
        backend="numpy",
        name=f"gradproof.backends.reference_numpy.{function}",
        call=partial(reference, **params),
        params=dict(params),
        derivatives=(partial(reference.first, **params), partial(reference.second, **params)),
    )


@cache
def catalogue() -> tuple[Implementation, ...]:
    """One row per entry of ROWS."""
    return filled(row)


def _converted(x: Any, target: str) -> Any:
    return x.astype(dtype_of(get_format(target))).astype(x.dtype)


def _maximum(x: Any) -> Any:
    return np.maximum(x, x.dtype.type(0))


def _clip(x: Any, min: float | None, max: float | None) -> Any:
    kind = x.dtype.type
    return np.clip(x, None if min is None else kind(min), None if max is None else kind(max))


def _where(x: Any, slope: float) -> Any:
    zero = x.dtype.type(0)
    return np.where(x > zero, x, x.dtype.type(slope) * x if slope else zero)


def _above(x: Any, threshold: float, value: float) -> Any:
    kind = x.dtype.type
    return np.where(x <= kind(threshold), kind(value), x)


def _beyond(x: Any, lambd: float) -> Any:
    return np.where(np.abs(x) <= x.dtype.type(lambd), x.dtype.type(0), x)


def _larger_of_both_signs(x: Any) -> Any:
    return np.maximum(x, -x)


def _without_the_middle(x: Any, lambd: float) -> Any:
    return x - _clip(x, -lambd, lambd)


_CLIPPED = ("float64", "float32", "float16")
"""Between two bounds NumPy clips a bfloat16 of ml_dtypes as float32, and returns float32."""


def formulations(function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
    """Other ways NumPy users write ``function``; without derivatives."""
    calls: dict[str, Callable[[Any], Any]] = {}
    if function == "relu":
        calls["numpy.maximum"] = _maximum
        calls["numpy.clip"] = partial(_clip, min=0.0, max=None)
        calls["numpy.where"] = partial(_where, slope=0.0)
    elif function in ("leaky_relu", "prelu"):
        calls["numpy.where"] = partial(_where, slope=float(*params.values()))
    elif function == "maximum0":
        calls["numpy.maximum"] = _maximum
    elif function == "threshold":
        calls["numpy.where"] = partial(_above, threshold=float(params["threshold"]), value=float(params["value"]))
    elif function == "hardshrink":
        calls["numpy.where"] = partial(_beyond, lambd=float(params["lambd"]))
    elif function == "softshrink":
        calls["numpy.clip"] = partial(_without_the_middle, lambd=float(params["lambd"]))
    elif function == "abs":
        calls["numpy.maximum"] = _larger_of_both_signs
    elif function in ("clamp", "hardtanh"):
        calls["numpy.clip"] = partial(_clip, min=float(params["min"]), max=float(params["max"]))
    elif function == "relu6":
        calls["numpy.clip"] = partial(_clip, min=0.0, max=6.0)
    return [
        Implementation(
            function=function,
            backend="numpy",
            name=name,
            call=call,
            params=dict(params),
            formats=_CLIPPED if name == "numpy.clip" and function != "relu" else None,
        )
        for name, call in calls.items()
    ]
