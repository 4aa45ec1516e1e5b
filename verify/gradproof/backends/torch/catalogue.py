"""PyTorch's implementations of the catalogued functions, and other ways its users write them.

PyTorch has no quick_gelu and no squareplus; abs, the elementary functions and what is made of maximum and clamp
are the functions of ``torch`` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch.nn import functional

from gradproof.backends.base import Implementation
from gradproof.backends.catalogue_rows import conversion, filled, target_of
from gradproof.backends.torch.tensors import DTYPES

_FUNCTIONAL = "torch.nn.functional."


def _prelu(x: torch.Tensor, weight: float) -> torch.Tensor:
    return functional.prelu(x, torch.full((1,), weight, dtype=x.dtype, device=x.device))


def _converted(x: torch.Tensor, target: str) -> torch.Tensor:
    return x.to(DTYPES[target]).to(x.dtype)


def _maximum(x: torch.Tensor) -> torch.Tensor:
    return torch.maximum(x, torch.zeros((), dtype=x.dtype, device=x.device))


_PLAIN: dict[str, tuple[str, Callable[..., Any]]] = {
    "relu": (_FUNCTIONAL + "relu", functional.relu),
    "leaky_relu": (_FUNCTIONAL + "leaky_relu", functional.leaky_relu),
    "prelu": (_FUNCTIONAL + "prelu", _prelu),
    "relu6": (_FUNCTIONAL + "relu6", functional.relu6),
    "threshold": (_FUNCTIONAL + "threshold", functional.threshold),
    "maximum0": ("torch.maximum", _maximum),
    "clamp": ("torch.clamp", torch.clamp),
    "abs": ("torch.abs", torch.abs),
    "hardtanh": (_FUNCTIONAL + "hardtanh", functional.hardtanh),
    "hardsigmoid": (_FUNCTIONAL + "hardsigmoid", functional.hardsigmoid),
    "hardswish": (_FUNCTIONAL + "hardswish", functional.hardswish),
    "hardshrink": (_FUNCTIONAL + "hardshrink", functional.hardshrink),
    "softshrink": (_FUNCTIONAL + "softshrink", functional.softshrink),
    "elu": (_FUNCTIONAL + "elu", functional.elu),
    "selu": (_FUNCTIONAL + "selu", functional.selu),
    "celu": (_FUNCTIONAL + "celu", functional.celu),
    "gelu": (_FUNCTIONAL + "gelu", functional.gelu),
    "gelu_tanh": (_FUNCTIONAL + "gelu", partial(functional.gelu, approximate="tanh")),
    "silu": (_FUNCTIONAL + "silu", functional.silu),
    "mish": (_FUNCTIONAL + "mish", functional.mish),
    "softplus": (_FUNCTIONAL + "softplus", functional.softplus),
    "softplus_threshold": (_FUNCTIONAL + "softplus", functional.softplus),
    "sigmoid": ("torch.sigmoid", torch.sigmoid),
    "logsigmoid": (_FUNCTIONAL + "logsigmoid", functional.logsigmoid),
    "tanh": ("torch.tanh", torch.tanh),
    "tanhshrink": (_FUNCTIONAL + "tanhshrink", functional.tanhshrink),
    "softsign": (_FUNCTIONAL + "softsign", functional.softsign),
    "exp": ("torch.exp", torch.exp),
    "expm1": ("torch.expm1", torch.expm1),
    "log1p": ("torch.log1p", torch.log1p),
    "erf": ("torch.erf", torch.erf),
    "erfc": ("torch.erfc", torch.erfc),
}
_INPLACE: dict[str, Callable[..., Any]] = {
    **{
        name: partial(_PLAIN[name][1], inplace=True)
        for name in (
            "relu", "leaky_relu", "relu6", "threshold", "hardtanh", "hardsigmoid", "hardswish", "elu", "selu", "celu",
            "silu", "mish",
        )
    },
    "clamp": torch.clamp_,
    "abs": torch.abs_,
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
    "exp": torch.exp_,
    "expm1": torch.expm1_,
    "log1p": torch.Tensor.log1p_,
    "erf": torch.erf_,
    "erfc": torch.erfc_,
}  # fmt: skip
_WITH_OUT = ("clamp", "abs", "sigmoid", "tanh", "exp", "expm1", "log1p", "erf", "erfc")
"""Those of _PLAIN that take ``out=``; of ``torch.nn.functional`` none says so."""
_RENAMED = {(_FUNCTIONAL + "hardtanh", "min"): "min_val", (_FUNCTIONAL + "hardtanh", "max"): "max_val"}
"""Framework's function and parameter -> its name there."""


def row(function: str, params: Mapping[str, Any]) -> Implementation | None:
    """PyTorch's ``function`` with ``params``, or None if it has none; softplus keeps its threshold."""
    target = target_of(function)
    if target is not None:
        if target.name not in DTYPES:
            return None
        return conversion(function, "torch", "torch.Tensor.to", _converted)
    if function not in _PLAIN:
        return None
    name, call = _PLAIN[function]
    variants = {"in-place": _INPLACE[function]} if function in _INPLACE else {}
    if function in _WITH_OUT:
        variants["out"] = call
    bound = {kind: _bound(name, variant, params) for kind, variant in variants.items()}
    return replace(_made(function, name, _bound(name, call, params), params), variants=bound)


@cache
def catalogue() -> tuple[Implementation, ...]:
    """One row per entry of ROWS."""
    return filled(row)


def _bound(name: str, call: Callable[..., Any], params: Mapping[str, Any]) -> Callable[[Any], Any]:
    given = {_RENAMED.get((name, key), key): float(value) for key, value in params.items()}
    return partial(call, **given) if given else call


def _made(function: str, name: str, call: Callable[[Any], Any], params: Mapping[str, Any]) -> Implementation:
    return Implementation(function=function, backend="torch", name=name, call=call, params=dict(params))


def _clamp_by_where(x: torch.Tensor, min: float, max: float) -> torch.Tensor:
    return torch.where(x < min, min, torch.where(x > max, max, x))


def _clamp_by_maximum(x: torch.Tensor, min: float, max: float) -> torch.Tensor:
    low, high = (torch.full((), end, dtype=x.dtype, device=x.device) for end in (min, max))
    return torch.minimum(torch.maximum(x, low), high)


_CLAMPS: dict[str, Callable[..., Any]] = {
    "torch.clamp": torch.clamp,
    "torch.where": _clamp_by_where,
    "torch.maximum": _clamp_by_maximum,
}
_RECTIFIERS: dict[str, Callable[..., Any]] = {
    _FUNCTIONAL + "relu": functional.relu,
    "torch.maximum": _maximum,
    "torch.clamp": partial(torch.clamp, min=0),
    "torch.where": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
}
_FORMULATIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "relu": _RECTIFIERS,
    "maximum0": _RECTIFIERS,
    "leaky_relu": {"torch.where": lambda x, negative_slope: torch.where(x > 0, x, negative_slope * x)},
    "prelu": {"torch.where": lambda x, weight: torch.where(x > 0, x, weight * x)},
    "threshold": {"torch.where": lambda x, threshold, value: torch.where(x > threshold, x, value)},
    "hardtanh": _CLAMPS,
    "clamp": {_FUNCTIONAL + "hardtanh": functional.hardtanh, **_CLAMPS},
    "relu6": {name: partial(call, min=0.0, max=6.0) for name, call in _CLAMPS.items()},
    "abs": {
        "torch.maximum": lambda x: torch.maximum(x, -x),
        "torch.where": lambda x: torch.where(x < 0, -x, x),
    },
    "hardsigmoid": {
        _FUNCTIONAL + "relu6": lambda x: functional.relu6(x + 3) / 6,
        "torch.clamp": lambda x: torch.clamp(x / 6 + 0.5, 0, 1),
    },
    "hardswish": {
        _FUNCTIONAL + "relu6": lambda x: x * functional.relu6(x + 3) / 6,
        _FUNCTIONAL + "hardsigmoid": lambda x: x * functional.hardsigmoid(x),
    },
    "hardshrink": {"torch.where": lambda x, lambd: torch.where(torch.abs(x) > lambd, x, 0.0)},
    "softshrink": {
        _FUNCTIONAL + "relu": lambda x, lambd: functional.relu(x - lambd) - functional.relu(-x - lambd),
        "torch.where": lambda x, lambd: torch.where(
            x > lambd, x - lambd, torch.where(x < -lambd, x + lambd, torch.zeros_like(x))
        ),
    },
}
"""Function -> the framework's function that a formulation is written with -> the formulation."""


def formulations(function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
    """Other ways PyTorch users write ``function``, each named after what it is written with."""
    own = _PLAIN[function][0] if function in _PLAIN else None
    others = {name: call for name, call in _FORMULATIONS.get(function, {}).items() if name != own}
    return [_made(function, name, _bound(name, call, params), params) for name, call in others.items()]
