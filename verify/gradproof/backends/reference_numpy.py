"""NumPy implementations of our own: each catalogued function with f' and f'', accurate in every format.

float64 is computed in careful formulas (the other ``reference_`` modules). The narrower formats are computed
there too and rounded once. They are what the numpy backend offers in its catalogue, since NumPy has neither
activation functions nor derivatives, and what the other backends can be compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import numpy as np

from gradproof.backends.reference import algebraic, gated, primitives, smooth
from gradproof.backends.reference import elu as exponential
from gradproof.backends.reference import piecewise as pieces
from gradproof.errors import UsageError
from gradproof.formats import get_format
from gradproof.formats.arrays import round_values

Kernel = Callable[..., np.ndarray[Any, np.dtype[np.float64]]]


class ReferenceKernel:
    """One function: call it for f, ``first`` for f' and ``second`` for f''.

    All three take an array of any shape in float64, float32, float16 or a format of ``ml_dtypes`` (bfloat16,
    float8_e4m3fn, float8_e5m2) and the function's parameters by keyword, and return an array of the same shape
    and dtype. Infinities give the limits, a NaN gives a NaN; a kink gives an element of the Clarke interval.
    """

    def __init__(self, name: str, kernels: tuple[Kernel, Kernel, Kernel], **defaults: float) -> None:
        self.__name__ = name
        self.__qualname__ = name
        self._kernels = kernels
        self.defaults: Final = defaults

    def __call__(self, x: Any, **params: Any) -> Any:
        """f(x)."""
        return self._rounded(0, x, params)

    def first(self, x: Any, **params: Any) -> Any:
        """f'(x)."""
        return self._rounded(1, x, params)

    def second(self, x: Any, **params: Any) -> Any:
        """f''(x)."""
        return self._rounded(2, x, params)

    def _rounded(self, order: int, x: Any, params: dict[str, Any]) -> Any:
        if not isinstance(x, np.ndarray):
            raise UsageError(f"{self.__name__} expects a NumPy array, got {type(x).__name__}")
        unknown = set(params) - set(self.defaults)
        if unknown:
            raise UsageError(f"{self.__name__} has no parameter {', '.join(sorted(unknown))}")
        fmt = get_format(x.dtype.name)
        given = {name: float(Fraction(value)) for name, value in (self.defaults | params).items()}
        with np.errstate(all="ignore"):
            y = np.asarray(self._kernels[order](x.astype(np.float64), **given), np.float64)
        return round_values(y, fmt).view(x.dtype)


relu = ReferenceKernel("relu", (pieces.relu, pieces.relu_1, pieces.zero))
leaky_relu = ReferenceKernel("leaky_relu", (pieces.leaky_relu, pieces.leaky_relu_1, pieces.zero), negative_slope=0.01)
prelu = ReferenceKernel("prelu", (pieces.prelu, pieces.prelu_1, pieces.zero), weight=0.25)
relu6 = ReferenceKernel("relu6", (pieces.relu6, pieces.relu6_1, pieces.zero))
threshold = ReferenceKernel("threshold", (pieces.threshold, pieces.threshold_1, pieces.zero), threshold=1.0, value=0.0)
maximum0 = ReferenceKernel("maximum0", (pieces.relu, pieces.maximum0_1, pieces.zero))
clamp = ReferenceKernel("clamp", (pieces.hardtanh, pieces.hardtanh_1, pieces.zero), min=-1.0, max=1.0)
abs = ReferenceKernel("abs", (np.abs, pieces.absolute_1, pieces.zero))  # noqa: A001  named as the function
hardtanh = ReferenceKernel("hardtanh", (pieces.hardtanh, pieces.hardtanh_1, pieces.zero), min=-1.0, max=1.0)
hardsigmoid = ReferenceKernel("hardsigmoid", (pieces.hardsigmoid, pieces.hardsigmoid_1, pieces.zero))
hardswish = ReferenceKernel("hardswish", (pieces.hardswish, pieces.hardswish_1, pieces.hardswish_2))
hardshrink = ReferenceKernel("hardshrink", (pieces.hardshrink, pieces.shrink_1, pieces.zero), lambd=0.5)
softshrink = ReferenceKernel("softshrink", (pieces.softshrink, pieces.shrink_1, pieces.zero), lambd=0.5)
elu = ReferenceKernel("elu", (exponential.elu, exponential.elu_1, exponential.elu_2), alpha=1.0)
selu = ReferenceKernel("selu", (exponential.selu, exponential.selu_1, exponential.selu_2))
celu = ReferenceKernel("celu", (exponential.celu, exponential.celu_1, exponential.celu_2), alpha=1.0)
gelu = ReferenceKernel("gelu", (gated.gelu, gated.gelu_1, gated.gelu_2))
gelu_tanh = ReferenceKernel("gelu_tanh", (gated.gelu_tanh, gated.gelu_tanh_1, gated.gelu_tanh_2))
quick_gelu = ReferenceKernel("quick_gelu", (gated.quick_gelu, gated.quick_gelu_1, gated.quick_gelu_2))
silu = ReferenceKernel("silu", (gated.silu, gated.silu_1, gated.silu_2))
mish = ReferenceKernel("mish", (gated.mish, gated.mish_1, gated.mish_2))
sigmoid = ReferenceKernel("sigmoid", (smooth.sigmoid, smooth.sigmoid_1, smooth.sigmoid_2))
logsigmoid = ReferenceKernel("logsigmoid", (smooth.logsigmoid, smooth.logsigmoid_1, smooth.logsigmoid_2))
softplus = ReferenceKernel("softplus", (smooth.softplus, smooth.softplus_1, smooth.softplus_2), beta=1.0)
softplus_threshold = ReferenceKernel(
    "softplus_threshold",
    (smooth.softplus_threshold, smooth.softplus_threshold_1, smooth.softplus_threshold_2),
    beta=1.0,
    threshold=20.0,
)
tanh = ReferenceKernel("tanh", (smooth.tanh, smooth.tanh_1, smooth.tanh_2))
tanhshrink = ReferenceKernel("tanhshrink", (smooth.tanhshrink, smooth.tanhshrink_1, smooth.tanhshrink_2))
softsign = ReferenceKernel("softsign", (algebraic.softsign, algebraic.softsign_1, algebraic.softsign_2))
squareplus = ReferenceKernel(
    "squareplus", (algebraic.squareplus, algebraic.squareplus_1, algebraic.squareplus_2), b=4.0
)
exp = ReferenceKernel("exp", (primitives.exp, primitives.exp, primitives.exp))
expm1 = ReferenceKernel("expm1", (primitives.expm1, primitives.exp, primitives.exp))
log1p = ReferenceKernel("log1p", (primitives.log1p, primitives.log1p_1, primitives.log1p_2))
erf = ReferenceKernel("erf", (primitives.erf, primitives.erf_1, primitives.erf_2))
erfc = ReferenceKernel("erfc", (primitives.erfc, primitives.erfc_1, primitives.erfc_2))

REFERENCES: Final[dict[str, ReferenceKernel]] = {
    r.__name__: r
    for r in (
        relu, leaky_relu, prelu, relu6, threshold, maximum0, clamp, abs, hardtanh, hardsigmoid, hardswish,
        hardshrink, softshrink, elu, selu, celu, gelu, gelu_tanh, quick_gelu, silu, mish, sigmoid, logsigmoid,
        softplus, softplus_threshold, tanh, tanhshrink, softsign, squareplus, exp, expm1, log1p, erf, erfc,
    )
}  # fmt: skip
"""Every implementation by the name of its function."""
