"""One call of a NumPy implementation in another layout, as a function of a contiguous array of shape (n,)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from gradproof.backends.base import Implementation
from gradproof.backends.layouts import WIDTH, poison, tails
from gradproof.errors import Unsupported
from gradproof.formats import Format

Function = Callable[[Any], Any]


def offered(implementation: Implementation, order: int) -> tuple[str, ...]:
    """The layouts of ``NumpyBackend.layouts``; without ``large``, since NumPy has one thread."""
    variants = tuple(variants_of(implementation)) if order == 0 else ()
    return ("contiguous", *_ARRANGED, *variants, "empty")


def variants_of(implementation: Implementation) -> Mapping[str, Callable[..., Any]]:
    """The implementation's variants; a ufunc takes ``out``, and so its own input."""
    call = implementation.call
    if implementation.variants or not isinstance(call, np.ufunc):
        return implementation.variants
    return {"in-place": lambda x: call(x, out=x), "out": call}


def laid_out(implementation: Implementation, function: Function, layout: str, fmt: Format) -> Function:
    """``function``, which is the implementation's, on an array of shape (n,) that is laid out anew.

    Raises Unsupported for a layout that is not offered.
    """
    if layout in ("contiguous", "empty"):
        return function
    variants = variants_of(implementation)
    if layout in variants:
        return partial(_written, variants[layout], layout, fmt)
    if layout not in _ARRANGED:
        raise Unsupported(f"numpy has no layout {layout!r}")
    return partial(_ARRANGED[layout], function, fmt)


def _written(variant: Callable[..., Any], layout: str, fmt: Format, x: Any) -> Any:
    if layout == "out":
        result = _poison(x.size, fmt, x)
        variant(x, out=result)
        return result
    argument = x.copy()
    variant(argument)
    return argument


def _poison(size: int, fmt: Format, like: Any) -> Any:
    return poison(size, fmt).view(like.dtype)


def _strided(function: Function, fmt: Format, x: Any) -> Any:
    return function(np.stack([x, _poison(x.size, fmt, x)], axis=1)[:, 0])


def _offset(function: Function, fmt: Format, x: Any) -> Any:
    around = _poison(WIDTH + 1, fmt, x)
    return function(np.concatenate([around[:1], x, around[1:]])[1 : x.size + 1])


def _transposed(function: Function, fmt: Format, x: Any) -> Any:
    return function(x.reshape(-1, WIDTH).T).T.reshape(-1)


def _batched(function: Function, fmt: Format, x: Any) -> Any:
    return function(x.reshape(-1, WIDTH)).reshape(-1)


def _broadcast(function: Function, fmt: Format, x: Any) -> Any:
    y = function(np.broadcast_to(x[:, None], (x.size, 2)))
    each = np.arange(x.size)
    return y[each, each % 2]


def _scalar(function: Function, fmt: Format, x: Any) -> Any:
    return np.stack([function(x[i : i + 1].reshape(())) for i in range(x.size)])


def _tail(function: Function, fmt: Format, x: Any) -> Any:
    return np.concatenate([function(x[cut]) for cut in tails(x.size)])


_ARRANGED: dict[str, Callable[[Function, Format, Any], Any]] = {
    "strided": _strided,
    "offset": _offset,
    "transposed": _transposed,
    "broadcast": _broadcast,
    "scalar": _scalar,
    "tail": _tail,
    "batched": _batched,
}
