"""What all operations of the rounded context share: inputs, constants, and the rounding of every result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

import numpy as np

from gradproof.formats import FLOAT32, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.formulas.rounded.arithmetic import Arithmetic, Subnormals
from gradproof.formulas.rounded.intervals import Rounded
from gradproof.formulas.rounded.rounding import flushed, greatest, has_subnormal, least, nearest
from gradproof.functions.function import exact

_PI: Final = Fraction(884279719003555, 2**48)
"""The float64 nearest to pi, which rounds to the nearest number of narrower formats too."""


class Foundation:
    """Inputs, constants and rounding of one ``Arithmetic``."""

    def __init__(self, arithmetic: Arithmetic, rooms: Mapping[str, Any] | None = None) -> None:
        self.arithmetic = arithmetic
        self.rooms = rooms or {}
        self.asked: dict[str, Any] = {}
        self.compute = arithmetic.compute

    # -- inputs and constants --------------------------------------------------------------------------

    def variable(self, bits: Bits) -> Rounded:
        """The inputs with these patterns of the storage format, exactly."""
        x = fa.values(bits, self.arithmetic.storage)
        return Rounded(self, x, x, np.isnan(x))

    def real(self, value: Any) -> Rounded:
        """A number, decimal text or fraction, rounded to nearest in the format of constants."""
        return self._constant(value, self.arithmetic.literals or self.compute)

    def f32(self, value: Any) -> Rounded:
        """A constant that the kernel holds in float32, whatever it computes in."""
        narrow = self._constant(value, FLOAT32).low
        return self._point(nearest(narrow, self.compute))

    def constant(self, value: Any) -> Rounded:
        """What an operand that is no expression stands for; infinities too."""
        if isinstance(value, Rounded):
            return value
        return self._point(np.float64(value)) if value in (np.inf, -np.inf) else self.real(value)

    def _constant(self, value: Any, fmt: Format) -> Rounded:
        if isinstance(value, float) and value == 0:
            return self._point(np.float64(value))  # with its sign
        return self._point(_held(value, fmt))

    def _point(self, value: Any) -> Rounded:
        return Rounded(self, value, value)

    @property
    def pi(self) -> Rounded:
        """Pi in the compute format."""
        return self.real(_PI)

    # -- rounding --------------------------------------------------------------------------------------

    def settled(self, low: Any, high: Any, nan: Any, product: tuple[Any, Any] | None = None) -> Rounded:
        """Ends as the arithmetic leaves them: rounded, perhaps stored, perhaps flushed."""
        point = low is high
        low = nearest(low, self.compute)
        high = low if point else nearest(high, self.compute)
        low, high = self.flush(low, high, self.arithmetic.results, self.compute)
        if self.arithmetic.spills and self.compute != self.arithmetic.storage:
            stored = self._stored(low, high)
            low, high = least(low, stored[0]), greatest(high, stored[1])
        return Rounded(self, low, high, nan, product)

    def flush(self, low: Any, high: Any, how: Subnormals, fmt: Format) -> tuple[Any, Any]:
        """Two ends with what becomes of the subnormal numbers of ``fmt``."""
        if how == "kept":
            return low, high
        if not (has_subnormal(low, fmt) or (low is not high and has_subnormal(high, fmt))):
            return low, high  # a point stays one
        zero = flushed(low, fmt)
        zeros = zero, zero if low is high else flushed(high, fmt)
        return zeros if how == "flushed" else (least(low, zeros[0]), greatest(high, zeros[1]))

    def read(self, value: Any) -> Rounded:
        """An operand: a number is rounded to the compute format, a subnormal may be read as zero."""
        operand = self.constant(value)
        if self.arithmetic.inputs == "kept":
            return operand
        low, high = self.flush(operand.low, operand.high, self.arithmetic.inputs, self.compute)
        return Rounded(self, low, high, operand.nan, operand.product)

    def _stored(self, low: Any, high: Any) -> tuple[Any, Any]:
        storage = self.arithmetic.storage
        kept = nearest(low, storage)
        kept = kept, kept if low is high else nearest(high, storage)
        # Conversions flush where they are a processor's own, which those to a format of its exponents may be.
        return self.flush(*kept, self.arithmetic.results if storage.e_min == self.compute.e_min else "kept", storage)

    def stored(self, value: Any) -> Rounded:
        """``value`` rounded to the storage format, as a tensor between two kernels is."""
        v = self.constant(value)
        low, high = self._stored(v.low, v.high)
        return Rounded(self, low, high, v.nan)

    def narrowed(self, value: Any, name: str) -> Rounded:
        """``value`` rounded to the format of this name, as a cast to it does; subnormal numbers are kept."""
        v = self.constant(value)
        low = nearest(v.low, FORMATS[name])
        return Rounded(self, low, low if v.low is v.high else nearest(v.high, FORMATS[name]), v.nan)

    def call(self, kernel: Callable[..., Any], partials: Any, *operands: Any) -> Any:
        """``kernel(m, *operands)``; what a tape does with its ``partials`` is of no concern here."""
        return kernel(self, *operands)

    # -- exact operations ------------------------------------------------------------------------------

    def negative(self, a: Any) -> Rounded:
        """-a, exact."""
        a = self.constant(a)
        low = -a.high
        product = None if a.product is None else (-a.product[1], -a.product[0])
        return Rounded(self, low, low if a.low is a.high else -a.low, a.nan, product)

    def abs(self, a: Any) -> Rounded:
        """|a|, exact."""
        a = self.constant(a)
        low = np.abs(a.low)
        if a.low is a.high:
            return Rounded(self, low, low, a.nan)
        high = np.abs(a.high)
        return Rounded(self, np.where((a.low < 0) & (a.high > 0), 0.0, np.fmin(low, high)), np.fmax(low, high), a.nan)


@lru_cache(maxsize=1024)
def _held(value: Any, fmt: Format) -> Any:
    """``value`` rounded to ``fmt``, as a float64 scalar."""
    return fa.values(np.array(fmt.round(exact(value)), fa.storage(fmt)), fmt)[()]


def either_flag(a: Any, b: Any) -> Any:
    """Where one of two NaN flags is up; False where none ever is."""
    return a if b is False else b if a is False else a | b


def has_zero(a: Rounded) -> Any:
    """Where a may be a zero."""
    return (a.low <= 0) & (a.high >= 0)


def has_infinity(a: Rounded) -> Any:
    """Where a may be an infinity."""
    return np.isinf(a.low) | np.isinf(a.high)
