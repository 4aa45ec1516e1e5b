"""The catalogued functions: one definition each, parameters named as in torch.nn.functional."""

from __future__ import annotations

from typing import Final

from gradproof.functions.catalogue import conversions, frameworks, piecewise, primitives, smooth
from gradproof.functions.function import Function

CATALOGUE: Final[tuple[Function, ...]] = (
    piecewise.RELU, piecewise.LEAKY_RELU, piecewise.PRELU, piecewise.RELU6, piecewise.THRESHOLD, piecewise.MAXIMUM0,
    piecewise.CLAMP, piecewise.ABS, piecewise.HARDTANH, piecewise.HARDSIGMOID, piecewise.HARDSWISH,
    piecewise.HARDSHRINK, piecewise.SOFTSHRINK,
    smooth.ELU, smooth.SELU, smooth.CELU, smooth.GELU, smooth.GELU_TANH, smooth.QUICK_GELU, smooth.SILU, smooth.MISH,
    smooth.SIGMOID, smooth.LOGSIGMOID, smooth.SOFTPLUS, frameworks.SOFTPLUS_THRESHOLD, smooth.TANH, smooth.TANHSHRINK,
    smooth.SOFTSIGN, smooth.SQUAREPLUS,
    primitives.EXP, primitives.EXPM1, primitives.LOG1P, primitives.ERF, primitives.ERFC,
    *conversions.CONVERSIONS,
)  # fmt: skip
"""Every catalogued function with its default parameters, in the order reports show them."""
