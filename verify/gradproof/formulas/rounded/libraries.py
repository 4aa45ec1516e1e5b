"""Elementary functions of rounded intervals: within k ulps of the true value, as libraries document them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from gradproof.formulas.rounded.basis import Basis
from gradproof.formulas.rounded.elementary import FUNCTIONS, Elementary
from gradproof.formulas.rounded.intervals import Rounded
from gradproof.formulas.rounded.rounding import nearest, quantum

_SLOP: Final = 2.0**-20
"""Share of a quantum that covers float64's own roundings of k ulps."""


class Libraries(Basis):
    """exp, log, tanh, erf and the like, of ``elementary.FUNCTIONS``."""

    def elementary(
        self, name: str, a: Any, *, ulps: float | None = None, absolute: float = 0.0, flushes: bool = False
    ) -> Rounded:
        """A function of ``FUNCTIONS`` within ``ulps`` ulps of the true value, or ``absolute`` beside that.

        ``flushes``: a library that gives anything between 0 and a subnormal result.
        """
        function, a = FUNCTIONS[name], self.read(a)
        room = (function.ulps if ulps is None else ulps), absolute
        lone = a.low == a.high
        below = a.low < function.start
        start = a.low if not np.any(below) else np.where(below, function.start, a.low)
        with np.errstate(invalid="ignore", over="ignore"):
            if function.shape == "bowl":
                size = self.abs(a)
                (low, _), (_, high) = (
                    self._around(function, size.low, room, lone),
                    self._around(function, size.high, room, lone),
                )
            elif a.low is a.high:
                low, high = self._around(function, a.low, room, lone)
            else:
                ends = self._around(function, start, room, lone), self._around(function, a.high, room, lone)
                (low, _), (_, high) = ends if function.shape == "rises" else ends[::-1]
        low = np.where(low <= function.low, function.low, low)
        high = np.where(high >= function.high, function.high, high)
        if np.any(below):
            outside = a.high < function.start
            low, high = np.where(outside, np.nan, low), np.where(outside, np.nan, high)
        if flushes:
            low, high = self.flush(low, high, "either", self.arithmetic.kernel)
        return self.settled(low, high, a.nan | below)

    def _around(self, function: Elementary, x: Any, room: tuple[float, float], lone: Any) -> tuple[Any, Any]:
        """The least and the greatest number of the kernel's format that the library may give at x.

        Numbers within k quanta of the true value: since rounding to nearest is monotone and leaves numbers as they
        are, rounding the ends of that room loses none of them.
        """
        kernel = self.arithmetic.kernel
        x = np.asarray(x, np.float64)
        hi, lo, relative = function.at(x, kernel)
        unit = quantum(np.abs(hi) + room[0] * quantum(hi, kernel), kernel)
        margin = (room[0] + _SLOP) * unit + relative * np.abs(hi) + room[1]
        # Exact at 0, but not beside it: an interval that ends at 0 is no lone 0.
        exactly = np.isinf(hi) | np.isinf(x) | ((x == 0) & lone & (room[1] == 0))
        low, high = (np.where(exactly, hi, hi + (lo + side * margin)) for side in (-1, 1))
        low, high = nearest(low, kernel), nearest(high, kernel)
        if function.signed and room[1] == 0:
            negative = np.signbit(x)
            low, high = np.where(~negative & (low <= 0), 0.0, low), np.where(negative & (high >= 0), -0.0, high)
        return low, high

    def exp(self, a: Any, **room: Any) -> Rounded:
        """e^a; ``room`` as in ``elementary``, here and below."""
        return self.elementary("exp", a, **room)

    def expm1(self, a: Any, **room: Any) -> Rounded:
        """e^a - 1."""
        return self.elementary("expm1", a, **room)

    def log(self, a: Any, **room: Any) -> Rounded:
        """The natural logarithm."""
        return self.elementary("log", a, **room)

    def log1p(self, a: Any, **room: Any) -> Rounded:
        """log(1 + a)."""
        return self.elementary("log1p", a, **room)

    def tanh(self, a: Any, **room: Any) -> Rounded:
        """The hyperbolic tangent."""
        return self.elementary("tanh", a, **room)

    def sigmoid(self, a: Any, **room: Any) -> Rounded:
        """1 / (1 + e^-a)."""
        return self.elementary("sigmoid", a, **room)

    def erf(self, a: Any, **room: Any) -> Rounded:
        """The error function."""
        return self.elementary("erf", a, **room)

    def erfc(self, a: Any, **room: Any) -> Rounded:
        """1 - erf(a)."""
        return self.elementary("erfc", a, **room)

    def sinh(self, a: Any, **room: Any) -> Rounded:
        """The hyperbolic sine."""
        return self.elementary("sinh", a, **room)

    def cosh(self, a: Any, **room: Any) -> Rounded:
        """The hyperbolic cosine."""
        return self.elementary("cosh", a, **room)
