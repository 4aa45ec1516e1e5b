"""Which ONNX operator computes which catalogued function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradproof.extend import Implementation
from gradproof_onnxruntime.sessions import Graph

Build = Callable[[Graph, str], str]


def operator(name: str, **attributes: Any) -> Build:
    """A function that is one operator."""
    return lambda graph, x: graph.node(name, x, **attributes)


def prelu(graph: Graph, x: str, weight: float = 0.25) -> str:
    """PRelu, whose slope is a tensor."""
    return graph.node("PRelu", x, graph.constant([weight]))


def clip(low: float, high: float) -> Build:
    """Clip between two constants."""
    return lambda graph, x: graph.node("Clip", x, graph.constant(low), graph.constant(high))


def maximum(graph: Graph, x: str) -> str:
    """Max(x, 0)."""
    return graph.node("Max", x, graph.constant(0.0))


def silu(graph: Graph, x: str) -> str:
    """x * Sigmoid(x), as exporters write it."""
    return graph.node("Mul", x, graph.node("Sigmoid", x))


ROWS: tuple[tuple[str, dict[str, Any], str, Build], ...] = (
    ("relu", {}, "Relu", operator("Relu")),
    ("leaky_relu", {"negative_slope": 0.01}, "LeakyRelu", operator("LeakyRelu", alpha=0.01)),
    ("prelu", {"weight": 0.25}, "PRelu", prelu),
    ("relu6", {}, "Clip", clip(0.0, 6.0)),
    ("maximum0", {}, "Max", maximum),
    ("clamp", {"min": -1.0, "max": 1.0}, "Clip", clip(-1.0, 1.0)),
    ("abs", {}, "Abs", operator("Abs")),
    ("hardsigmoid", {}, "HardSigmoid", operator("HardSigmoid", alpha=1 / 6, beta=0.5)),
    ("hardswish", {}, "HardSwish", operator("HardSwish")),
    ("hardshrink", {"lambd": 0.5}, "Shrink", operator("Shrink", lambd=0.5, bias=0.0)),
    ("softshrink", {"lambd": 0.5}, "Shrink", operator("Shrink", lambd=0.5, bias=0.5)),
    ("elu", {"alpha": 1.0}, "Elu", operator("Elu", alpha=1.0)),
    ("selu", {}, "Selu", operator("Selu")),
    ("celu", {"alpha": 1.0}, "Celu", operator("Celu", alpha=1.0)),
    ("gelu", {}, "Gelu", operator("Gelu", approximate="none")),
    ("gelu_tanh", {}, "Gelu(tanh)", operator("Gelu", approximate="tanh")),
    ("silu", {}, "Mul(x, Sigmoid)", silu),
    ("mish", {}, "Mish", operator("Mish")),
    ("sigmoid", {}, "Sigmoid", operator("Sigmoid")),
    ("softplus", {"beta": 1.0}, "Softplus", operator("Softplus")),
    ("tanh", {}, "Tanh", operator("Tanh")),
    ("softsign", {}, "Softsign", operator("Softsign")),
    ("exp", {}, "Exp", operator("Exp")),
    ("erf", {}, "Erf", operator("Erf")),
)
"""Function, its parameters, the operator's name, and what adds it to a graph."""


def catalogue() -> tuple[Implementation, ...]:
    """One implementation per row."""
    return tuple(
        Implementation(function, "onnxruntime", f"onnxruntime.{name}", build, params)
        for function, params, name, build in ROWS
    )
