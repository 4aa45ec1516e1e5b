"""What the numpy backend offers: the reference implementations, and other ways to write the linear pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from gradproof.backends.base import Implementation
from gradproof.backends.catalogue_rows import filled
from gradproof.backends.reference_numpy import REFERENCES


def row(function: str, params: Mapping[str, Any]) -> Implementation | None:
    """The reference implementation of ``function`` with ``params``, or None if there is none."""
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


def _maximum(x: Any) -> Any:
    return np.maximum(x, x.dtype.type(0))


def _clip(x: Any, min: float | None, max: float | None) -> Any:
    kind = x.dtype.type
    return np.clip(x, None if min is None else kind(min), None if max is None else kind(max))


def _where(x: Any, slope: float) -> Any:
    zero = x.dtype.type(0)
    return np.where(x > zero, x, x.dtype.type(slope) * x if slope else zero)


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
    elif function == "hardtanh":
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
