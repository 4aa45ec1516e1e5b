"""Elementary functions for the rounded context: true values at float64 arguments, their shapes, and usual errors.

A value is a pair hi + lo. For kernels in float32 NumPy's and libm's float64 functions do, whose error of some ulps is
2^-26 of a float32 ulp; for float64 the double-doubles of the oracle, whose relative error is below 2^-88.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gradproof.formats import FLOAT64, Format
from gradproof.formats.arrays import Floats
from gradproof.oracle import pairs

_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)


def _sigmoid(x: Floats) -> Floats:
    t = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, t) / (1.0 + t)


def _log(x: pairs.Pair) -> pairs.Pair:
    """log x with a small relative error beside 1 too, where x - 1 is exact."""
    far, near = pairs.log(x), pairs.log1p((x[0] - 1.0, x[1]))
    beside = (x[0] > 0.5) & (x[0] < 2.0)
    return np.where(beside, near[0], far[0]), np.where(beside, near[1], far[1])


@dataclass(frozen=True)
class Elementary:
    """One function: its value in float64, its shape, and the error of usual libraries.

    ``shape``: ``rises`` or ``falls`` on the domain, or ``bowl`` (even, falls up to 0 and rises from there). Results
    stay in [``low``, ``high``], arguments below ``start`` give NaN. ``ulps`` is the default k. ``at_zero`` is the value
    at 0, which is exact (ISO C, Annex F). A function that is 0 there is assumed to keep the sign of its argument.
    ``double`` is the function of double-doubles.
    """

    value: Callable[[Floats], Any]
    double: Callable[[pairs.Pair], pairs.Pair]
    ulps: float
    shape: str = "rises"
    low: float = -math.inf
    high: float = math.inf
    start: float = -math.inf
    at_zero: float = 0.0

    def at(self, x: Floats, fmt: Format) -> tuple[Floats, Floats, Floats]:
        """The value hi + lo at x, all of one shape, and a bound on its relative error."""
        with np.errstate(all="ignore"):
            plain = np.asarray(self.value(x), np.float64)
            if fmt != FLOAT64:
                return plain, np.zeros_like(plain), np.full_like(plain, 2.0**-49)
            hi, lo = self.double((x, np.zeros_like(x)))
            sound = np.isfinite(hi) & np.isfinite(lo) & (x != 0)
            # The double-doubles know no -0, no infinities, and not the last arguments of sinh and cosh.
            unsound = np.where(np.isfinite(plain), 2.0**-49, 0.0)
            return np.where(sound, hi, plain), np.where(sound, lo, 0.0), np.where(sound, 2.0**-86, unsound)


FUNCTIONS: Final[dict[str, Elementary]] = {
    "exp": Elementary(np.exp, pairs.exp, 2, low=0.0, at_zero=1.0),
    "expm1": Elementary(np.expm1, pairs.expm1, 2, low=-1.0),
    "log": Elementary(np.log, _log, 2, start=0.0, at_zero=-math.inf),
    "log1p": Elementary(np.log1p, pairs.log1p, 2, start=-1.0),
    "tanh": Elementary(np.tanh, pairs.tanh, 2, low=-1.0, high=1.0),
    "sigmoid": Elementary(_sigmoid, pairs.sigmoid, 3, low=0.0, high=1.0, at_zero=0.5),
    "erf": Elementary(_erf, pairs.erf, 2, low=-1.0, high=1.0),
    "erfc": Elementary(_erfc, pairs.erfc, 4, shape="falls", low=0.0, high=2.0, at_zero=1.0),
    "sinh": Elementary(np.sinh, pairs.sinh, 3),
    "cosh": Elementary(np.cosh, pairs.cosh, 2, shape="bowl", low=1.0, at_zero=1.0),
}
"""The functions by name, each with the k that documented bounds of usual libraries lie within (docs/formulas.md)."""
