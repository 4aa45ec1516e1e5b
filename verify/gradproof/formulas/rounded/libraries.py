"""Elementary functions of rounded intervals: within k ulps of the true value, as libraries document them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from gradproof.formats import FLOAT64
from gradproof.formulas.rounded.elementary import FUNCTIONS, Elementary
from gradproof.formulas.rounded.foundation import Foundation
from gradproof.formulas.rounded.intervals import Rounded
from gradproof.formulas.rounded.rounding import nearest, quantum

_SLOP: Final = 2.0**-20
"""Share of a quantum that covers float64's own roundings of k ulps."""


SETTLED: Final = 2.0**-11
"""Quanta within which of 0, of an end of its range or of its value at 0 a library gives that number itself."""


@dataclass(frozen=True)
class Room:
    """The error of one elementary function in one library: ``ulps`` of the true value, ``absolute`` beside that.

    ``flushes``: subnormal results may come back as anything from 0 up to what they are. ``ulps64`` holds in float64,
    where it is another. ``difference``: expm1 in a storage of float16 may be a stored e^x less 1 beyond 1/2.
    ``settles``: the |x| from which on a bounded function within 2^-11 quanta of its limit is that number exactly, and
    not some ulps short of it.
    """

    ulps: float | None = None
    absolute: float = 0.0
    flushes: bool = False
    ulps64: float | None = None
    difference: bool = False
    settles: float = 0.0


USUAL: Final = Room()
"""The k of ``elementary.FUNCTIONS``."""


class Libraries(Foundation):
    """exp, log, tanh, erf and the like, of ``elementary.FUNCTIONS``."""

    def elementary(self, name: str, a: Any, room: Room | None = None) -> Rounded:
        """A function of ``FUNCTIONS`` within ``room`` of the true value; by default what the context has for it."""
        function, a, room = FUNCTIONS[name], self.read(a), room or self.rooms.get(name, USUAL)
        self.asked[name] = self.room_of(name, room)
        ulps = self.asked[name].ulps or 0.0
        lone = (a.low == a.high) | (np.fmax(np.abs(a.low), np.abs(a.high)) < self._beside_zero)
        below = a.low < function.start
        start = a.low if not np.any(below) else np.where(below, function.start, a.low)

        def around(x: Any) -> tuple[Any, Any]:
            return self._around(function, x, ulps, room, lone)

        with np.errstate(invalid="ignore", over="ignore"):
            if function.shape == "bowl":
                size = self.abs(a)
                low, high = around(size.low)[0], around(size.high)[1]
            elif a.low is a.high:
                low, high = around(a.low)
            elif function.shape == "rises":
                low, high = around(start)[0], around(a.high)[1]
            else:
                low, high = around(a.high)[0], around(start)[1]
        low = np.where(low <= function.low, function.low, low)
        high = np.where(high >= function.high, function.high, high)
        if np.any(below):
            outside = a.high < function.start
            low, high = np.where(outside, np.nan, low), np.where(outside, np.nan, high)
        if room.flushes:
            low, high = self.flush(low, high, "either", self.arithmetic.kernel)
        return self.settled(low, high, a.nan | below)

    def room_of(self, name: str, room: Room) -> Room:
        """``room`` with the k that holds in the kernel's format."""
        stated = room.ulps64 if self.arithmetic.kernel == FLOAT64 and room.ulps64 is not None else room.ulps
        return replace(room, ulps=FUNCTIONS[name].ulps if stated is None else stated, ulps64=None)

    @property
    def _beside_zero(self) -> float:
        """Arguments below it leave a function at its value at 0, unless that is 0."""
        return SETTLED * 2.0**-self.arithmetic.kernel.precision

    def _around(self, function: Elementary, x: Any, ulps: float, room: Room, lone: Any) -> tuple[Any, Any]:
        """The least and the greatest number of the kernel's format that the library may give at x.

        Numbers within k quanta of the true value: since rounding to nearest is monotone and leaves numbers as they
        are, rounding the ends of that room loses none of them.
        """
        kernel, absolute = self.arithmetic.kernel, room.absolute
        x = np.asarray(x, np.float64)
        hi, lo, relative = function.at(x, kernel)
        # Of an interval's other values some may lie beyond a power of two, where quanta are larger.
        near = np.where(lone, 0.0, ulps * quantum(hi, kernel))
        unit = quantum(np.abs(hi) + near, kernel)
        margin = (ulps + _SLOP) * unit + relative * np.abs(hi) + absolute
        # Exact at 0, but not beside it: an interval that ends at 0 is no lone 0.
        exactly = np.isinf(hi) | np.isinf(x) | ((x == 0) & lone & (absolute == 0))
        low, high = (np.where(exactly, hi, hi + (lo + side * margin)) for side in (-1, 1))
        low, high = nearest(low, kernel), nearest(high, kernel)
        if function.at_zero == 0 and absolute == 0:
            negative = np.signbit(x)
            low, high = np.where(~negative & (low <= 0), 0.0, low), np.where(negative & (high >= 0), -0.0, high)
        far = np.abs(x) >= room.settles
        for end, where in ((function.low, far), (function.high, far), (function.at_zero, lone)):
            if np.isfinite(end) and (end != 0 or function.low == 0):
                settled = (np.abs((hi - end) + lo) <= SETTLED * float(quantum(end, kernel))) & where
                low, high = np.where(settled, end, low), np.where(settled, end, high)
        return low, high

    def exp(self, a: Any, room: Room | None = None) -> Rounded:
        """e^a; ``room`` as in ``elementary``, here and below."""
        return self.elementary("exp", a, room)

    def expm1(self, a: Any, room: Room | None = None) -> Rounded:
        """e^a - 1."""
        return self.elementary("expm1", a, room)

    def log(self, a: Any, room: Room | None = None) -> Rounded:
        """The natural logarithm."""
        return self.elementary("log", a, room)

    def log1p(self, a: Any, room: Room | None = None) -> Rounded:
        """log(1 + a)."""
        return self.elementary("log1p", a, room)

    def tanh(self, a: Any, room: Room | None = None) -> Rounded:
        """The hyperbolic tangent."""
        return self.elementary("tanh", a, room)

    def sigmoid(self, a: Any, room: Room | None = None) -> Rounded:
        """1 / (1 + e^-a)."""
        return self.elementary("sigmoid", a, room)

    def erf(self, a: Any, room: Room | None = None) -> Rounded:
        """The error function."""
        return self.elementary("erf", a, room)

    def erfc(self, a: Any, room: Room | None = None) -> Rounded:
        """1 - erf(a)."""
        return self.elementary("erfc", a, room)

    def sinh(self, a: Any, room: Room | None = None) -> Rounded:
        """The hyperbolic sine."""
        return self.elementary("sinh", a, room)

    def cosh(self, a: Any, room: Room | None = None) -> Rounded:
        """The hyperbolic cosine."""
        return self.elementary("cosh", a, room)
