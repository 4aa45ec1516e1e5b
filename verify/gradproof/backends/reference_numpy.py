"""NumPy implementations of our own: each catalogued function with f' and f'', accurate in every format.

float64 is computed in careful formulas (``reference_smooth``, ``reference_pieces``). The narrower formats are
computed there too and rounded once. They are what the numpy backend offers in its catalogue, since NumPy
has neither activation functions nor derivatives, and what the other backends can be compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import numpy as np

from gradproof.backends import reference_pieces as pieces
from gradproof.backends import reference_smooth as smooth
from gradproof.errors import UsageError
from gradproof.formats import get_format
from gradproof.formats.arrays import round_values

Kernel = Callable[..., np.ndarray[Any, np.dtype[np.float64]]]


class Reference:
    """One function: call it for f, ``first`` for f' and ``second`` for f''.

    All three take an array of any shape in float64, float32, float16 or ``ml_dtypes.bfloat16`` and the
    function's parameters by keyword, and return an array of the same shape and dtype. Infinities give the
    limits, a NaN gives a NaN; a kink gives an element of the Clarke interval.
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


relu = Reference("relu", (pieces.relu, pieces.relu_1, pieces.zero))
leaky_relu = Reference("leaky_relu", (pieces.leaky_relu, pieces.leaky_relu_1, pieces.zero), negative_slope=0.01)
prelu = Reference("prelu", (pieces.prelu, pieces.prelu_1, pieces.zero), weight=0.25)
relu6 = Reference("relu6", (pieces.relu6, pieces.relu6_1, pieces.zero))
hardtanh = Reference("hardtanh", (pieces.hardtanh, pieces.hardtanh_1, pieces.zero), min=-1.0, max=1.0)
elu = Reference("elu", (pieces.elu, pieces.elu_1, pieces.elu_2), alpha=1.0)
selu = Reference("selu", (pieces.selu, pieces.selu_1, pieces.selu_2))
gelu = Reference("gelu", (smooth.gelu, smooth.gelu_1, smooth.gelu_2))
gelu_tanh = Reference("gelu_tanh", (smooth.gelu_tanh, smooth.gelu_tanh_1, smooth.gelu_tanh_2))
silu = Reference("silu", (smooth.silu, smooth.silu_1, smooth.silu_2))
softplus = Reference("softplus", (smooth.softplus, smooth.softplus_1, smooth.softplus_2), beta=1.0)
sigmoid = Reference("sigmoid", (smooth.sigmoid, smooth.sigmoid_1, smooth.sigmoid_2))
logsigmoid = Reference("logsigmoid", (smooth.logsigmoid, smooth.logsigmoid_1, smooth.logsigmoid_2))
tanh = Reference("tanh", (smooth.tanh, smooth.tanh_1, smooth.tanh_2))

REFERENCES: Final[dict[str, Reference]] = {
    r.__name__: r
    for r in (
        relu, leaky_relu, prelu, relu6, hardtanh, elu, selu, gelu, gelu_tanh,
        silu, softplus, sigmoid, logsigmoid, tanh,
    )
}  # fmt: skip
"""Every implementation by the name of its function."""
