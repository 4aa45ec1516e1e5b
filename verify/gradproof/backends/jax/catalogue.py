"""JAX's implementations of the catalogued functions, and other ways its users write them.

JAX has no prelu, threshold, hardshrink, softshrink, quick_gelu, tanhshrink and no softplus with a threshold; its
hard_tanh is fixed to [-1, 1] and its softplus to beta = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special

from gradproof.backends.base import Implementation
from gradproof.backends.catalogue_rows import conversion, filled, target_of
from gradproof.backends.jax.calls import DTYPES


def _maximum(x: Any) -> Any:
    return jnp.maximum(x, 0)


def _clip(x: Any, min: float | None, max: float | None) -> Any:
    return jnp.clip(x, min, max)


def _converted(x: Any, target: str) -> Any:
    return jax.lax.convert_element_type(jax.lax.convert_element_type(x, DTYPES[target]), x.dtype)


_PLAIN: dict[str, tuple[str, Callable[..., Any]]] = {
    "relu": ("jax.nn.relu", jax.nn.relu),
    "leaky_relu": ("jax.nn.leaky_relu", jax.nn.leaky_relu),
    "relu6": ("jax.nn.relu6", jax.nn.relu6),
    "maximum0": ("jax.numpy.maximum", _maximum),
    "clamp": ("jax.numpy.clip", _clip),
    "abs": ("jax.numpy.abs", jnp.abs),
    "hardtanh": ("jax.nn.hard_tanh", jax.nn.hard_tanh),
    "hardsigmoid": ("jax.nn.hard_sigmoid", jax.nn.hard_sigmoid),
    "hardswish": ("jax.nn.hard_silu", jax.nn.hard_silu),
    "elu": ("jax.nn.elu", jax.nn.elu),
    "selu": ("jax.nn.selu", jax.nn.selu),
    "celu": ("jax.nn.celu", jax.nn.celu),
    "gelu": ("jax.nn.gelu", partial(jax.nn.gelu, approximate=False)),
    "gelu_tanh": ("jax.nn.gelu", partial(jax.nn.gelu, approximate=True)),
    "silu": ("jax.nn.silu", jax.nn.silu),
    "mish": ("jax.nn.mish", jax.nn.mish),
    "softplus": ("jax.nn.softplus", jax.nn.softplus),
    "sigmoid": ("jax.nn.sigmoid", jax.nn.sigmoid),
    "logsigmoid": ("jax.nn.log_sigmoid", jax.nn.log_sigmoid),
    "tanh": ("jax.numpy.tanh", jnp.tanh),
    "softsign": ("jax.nn.soft_sign", jax.nn.soft_sign),
    "squareplus": ("jax.nn.squareplus", jax.nn.squareplus),
    "exp": ("jax.numpy.exp", jnp.exp),
    "expm1": ("jax.numpy.expm1", jnp.expm1),
    "log1p": ("jax.numpy.log1p", jnp.log1p),
    "erf": ("jax.scipy.special.erf", jax.scipy.special.erf),
    "erfc": ("jax.scipy.special.erfc", jax.scipy.special.erfc),
}
_FIXED: dict[str, dict[str, float]] = {"hardtanh": {"min": -1.0, "max": 1.0}, "softplus": {"beta": 1.0}}
"""Parameters that JAX's function does not take, with the only value it has."""


def row(function: str, params: Mapping[str, Any]) -> Implementation | None:
    """JAX's ``function`` with ``params``, or None if it has none with these."""
    target = target_of(function)
    if target is not None:
        if target.name not in DTYPES:
            return None
        return conversion(function, "jax", "jax.lax.convert_element_type", _converted)
    if function not in _PLAIN:
        return None
    given = {key: float(value) for key, value in params.items()}
    if function in _FIXED and given != _FIXED[function]:
        return None
    name, call = _PLAIN[function]
    return _made(function, name, call if function in _FIXED else _bound(call, params), params)


@cache
def catalogue() -> tuple[Implementation, ...]:
    """One row per entry of ROWS that JAX has."""
    return filled(row)


def _bound(call: Callable[..., Any], params: Mapping[str, Any]) -> Callable[[Any], Any]:
    return partial(call, **{key: float(value) for key, value in params.items()}) if params else call


def _made(function: str, name: str, call: Callable[[Any], Any], params: Mapping[str, Any]) -> Implementation:
    return Implementation(function=function, backend="jax", name=name, call=call, params=dict(params))


def _clip_by_where(x: Any, min: float, max: float) -> Any:
    return jnp.where(x < min, min, jnp.where(x > max, max, x))


def _clip_by_maximum(x: Any, min: float, max: float) -> Any:
    return jnp.minimum(jnp.maximum(x, min), max)


_CLIPS: dict[str, Callable[..., Any]] = {
    "jax.numpy.clip": _clip,
    "jax.numpy.where": _clip_by_where,
    "jax.numpy.maximum": _clip_by_maximum,
}
_RECTIFIERS: dict[str, Callable[..., Any]] = {
    "jax.nn.relu": jax.nn.relu,
    "jax.numpy.maximum": _maximum,
    "jax.numpy.clip": partial(_clip, min=0.0, max=None),
    "jax.numpy.where": lambda x: jnp.where(x > 0, x, jnp.zeros_like(x)),
}
_FORMULATIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "relu": _RECTIFIERS,
    "maximum0": _RECTIFIERS,
    "leaky_relu": {"jax.numpy.where": lambda x, negative_slope: jnp.where(x > 0, x, negative_slope * x)},
    "prelu": {"jax.numpy.where": lambda x, weight: jnp.where(x > 0, x, weight * x)},
    "hardtanh": _CLIPS,
    "clamp": _CLIPS,
    "relu6": {name: partial(call, min=0.0, max=6.0) for name, call in _CLIPS.items()},
    "abs": {
        "jax.numpy.maximum": lambda x: jnp.maximum(x, -x),
        "jax.numpy.where": lambda x: jnp.where(x < 0, -x, x),
    },
    "hardsigmoid": {"jax.numpy.clip": lambda x: jnp.clip(x / 6 + 0.5, 0, 1)},
    "hardswish": {"jax.nn.relu6": lambda x: x * jax.nn.relu6(x + 3) / 6},
}
"""Function -> the framework's function that a formulation is written with -> the formulation."""


def formulations(function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
    """Other ways JAX users write ``function``, each named after what it is written with."""
    own = _PLAIN[function][0] if function in _PLAIN else None
    others = {name: call for name, call in _FORMULATIONS.get(function, {}).items() if name != own}
    return [_made(function, name, _bound(call, params), params) for name, call in others.items()]
