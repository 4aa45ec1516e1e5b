"""JAX's implementations of the catalogued functions, and other ways its users write them.

JAX has no prelu; its hard_tanh is fixed to [-1, 1] and its softplus to beta = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from gradproof.backends.base import Implementation
from gradproof.backends.catalogue_rows import filled

_PLAIN: dict[str, tuple[str, Callable[..., Any]]] = {
    "relu": ("jax.nn.relu", jax.nn.relu),
    "leaky_relu": ("jax.nn.leaky_relu", jax.nn.leaky_relu),
    "relu6": ("jax.nn.relu6", jax.nn.relu6),
    "hardtanh": ("jax.nn.hard_tanh", jax.nn.hard_tanh),
    "elu": ("jax.nn.elu", jax.nn.elu),
    "selu": ("jax.nn.selu", jax.nn.selu),
    "gelu": ("jax.nn.gelu", partial(jax.nn.gelu, approximate=False)),
    "gelu_tanh": ("jax.nn.gelu", partial(jax.nn.gelu, approximate=True)),
    "silu": ("jax.nn.silu", jax.nn.silu),
    "softplus": ("jax.nn.softplus", jax.nn.softplus),
    "sigmoid": ("jax.nn.sigmoid", jax.nn.sigmoid),
    "logsigmoid": ("jax.nn.log_sigmoid", jax.nn.log_sigmoid),
    "tanh": ("jax.numpy.tanh", jnp.tanh),
}
_FIXED: dict[str, dict[str, float]] = {"hardtanh": {"min": -1.0, "max": 1.0}, "softplus": {"beta": 1.0}}
"""Parameters that JAX's function does not take, with the only value it has."""


def row(function: str, params: Mapping[str, Any]) -> Implementation | None:
    """JAX's ``function`` with ``params``, or None if it has none with these."""
    if function not in _PLAIN:
        return None
    given = {key: float(value) for key, value in params.items()}
    if function in _FIXED:
        if given != _FIXED[function]:
            return None
        given = {}
    name, call = _PLAIN[function]
    return _made(function, name, partial(call, **given) if given else call, params)


@cache
def catalogue() -> tuple[Implementation, ...]:
    """One row per entry of ROWS that JAX has."""
    return filled(row)


def _made(function: str, name: str, call: Callable[[Any], Any], params: Mapping[str, Any]) -> Implementation:
    return Implementation(function=function, backend="jax", name=name, call=call, params=dict(params))


def _maximum(x: Any) -> Any:
    return jnp.maximum(x, 0)


def _clip(x: Any, min: float | None, max: float | None) -> Any:
    return jnp.clip(x, min, max)


def _where(x: Any, slope: float) -> Any:
    return jnp.where(x > 0, x, slope * x if slope else jnp.zeros_like(x))


def formulations(function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
    """Other ways JAX users write ``function``."""
    calls: dict[str, Callable[[Any], Any]] = {}
    if function == "relu":
        calls["jax.numpy.maximum"] = _maximum
        calls["jax.numpy.clip"] = partial(_clip, min=0.0, max=None)
        calls["jax.numpy.where"] = partial(_where, slope=0.0)
    elif function in ("leaky_relu", "prelu"):
        calls["jax.numpy.where"] = partial(_where, slope=float(*params.values()))
    elif function == "hardtanh":
        calls["jax.numpy.clip"] = partial(_clip, min=float(params["min"]), max=float(params["max"]))
    elif function == "relu6":
        calls["jax.numpy.clip"] = partial(_clip, min=0.0, max=6.0)
    return [_made(function, name, call, params) for name, call in calls.items()]
