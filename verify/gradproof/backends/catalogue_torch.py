"""PyTorch's implementations of the catalogued functions, and other ways its users write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch.nn import functional

from gradproof.backends.base import Implementation
from gradproof.backends.catalogue_rows import filled

_FUNCTIONAL = "torch.nn.functional."


def _prelu(x: torch.Tensor, weight: float) -> torch.Tensor:
    return functional.prelu(x, torch.full((1,), weight, dtype=x.dtype, device=x.device))


_PLAIN: dict[str, tuple[str, Callable[..., Any]]] = {
    "relu": (_FUNCTIONAL + "relu", functional.relu),
    "leaky_relu": (_FUNCTIONAL + "leaky_relu", functional.leaky_relu),
    "prelu": (_FUNCTIONAL + "prelu", _prelu),
    "relu6": (_FUNCTIONAL + "relu6", functional.relu6),
    "hardtanh": (_FUNCTIONAL + "hardtanh", functional.hardtanh),
    "elu": (_FUNCTIONAL + "elu", functional.elu),
    "selu": (_FUNCTIONAL + "selu", functional.selu),
    "gelu": (_FUNCTIONAL + "gelu", functional.gelu),
    "gelu_tanh": (_FUNCTIONAL + "gelu", partial(functional.gelu, approximate="tanh")),
    "silu": (_FUNCTIONAL + "silu", functional.silu),
    "softplus": (_FUNCTIONAL + "softplus", functional.softplus),
    "sigmoid": ("torch.sigmoid", torch.sigmoid),
    "logsigmoid": (_FUNCTIONAL + "logsigmoid", functional.logsigmoid),
    "tanh": ("torch.tanh", torch.tanh),
}
_RENAMED = {("hardtanh", "min"): "min_val", ("hardtanh", "max"): "max_val"}


def row(function: str, params: Mapping[str, Any]) -> Implementation | None:
    """PyTorch's ``function`` with ``params``, or None if it has none; softplus keeps its threshold."""
    if function not in _PLAIN:
        return None
    name, call = _PLAIN[function]
    given = {_RENAMED.get((function, key), key): float(value) for key, value in params.items()}
    return _made(function, name, partial(call, **given) if given else call, params)


@cache
def catalogue() -> tuple[Implementation, ...]:
    """One row per entry of ROWS."""
    return filled(row)


def _made(function: str, name: str, call: Callable[[Any], Any], params: Mapping[str, Any]) -> Implementation:
    return Implementation(function=function, backend="torch", name=name, call=call, params=dict(params))


def _maximum(x: torch.Tensor) -> torch.Tensor:
    return torch.maximum(x, torch.zeros((), dtype=x.dtype, device=x.device))


def _where(x: torch.Tensor, slope: float) -> torch.Tensor:
    return torch.where(x > 0, x, slope * x if slope else torch.zeros_like(x))


def formulations(function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
    """Other ways PyTorch users write ``function``."""
    calls: dict[str, Callable[[Any], Any]] = {}
    if function == "relu":
        calls["torch.maximum"] = _maximum
        calls["torch.clamp"] = partial(torch.clamp, min=0)
        calls["torch.where"] = partial(_where, slope=0.0)
    elif function in ("leaky_relu", "prelu"):
        calls["torch.where"] = partial(_where, slope=float(*params.values()))
    elif function == "hardtanh":
        calls["torch.clamp"] = partial(torch.clamp, min=float(params["min"]), max=float(params["max"]))
    elif function == "relu6":
        calls["torch.clamp"] = partial(torch.clamp, min=0.0, max=6.0)
    return [_made(function, name, call, params) for name, call in calls.items()]
