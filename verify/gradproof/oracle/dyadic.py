"""Dyadic rationals ``man * 2**exp`` with exponents of any size, and their rounding.

The oracle meets numbers such as exp(-1e300), whose exponent is itself a number of three hundred digits, so
nothing here ever expands a dyadic into a fraction without looking at its exponent first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from gradproof.formats import Format


@dataclass(frozen=True)
class Dyadic:
    """The real number ``man * 2**exp``."""

    man: int
    exp: int

    @classmethod
    def of(cls, value: Fraction) -> Dyadic:
        """A fraction whose denominator is a power of two, exactly."""
        shift = value.denominator.bit_length() - 1
        if value.denominator != 1 << shift:
            raise ValueError(f"{value} is not dyadic")
        return cls(value.numerator, -shift)

    @property
    def exponent(self) -> int:
        """``floor(log2 |value|)``; undefined (raises ValueError) for 0."""
        if not self.man:
            raise ValueError("zero has no exponent")
        return self.exp + self.man.bit_length() - 1

    def fraction(self) -> Fraction:
        """The exact rational; for exponents of ordinary size only."""
        return Fraction(self.man) * Fraction(2) ** self.exp

    def __neg__(self) -> Dyadic:
        return Dyadic(-self.man, self.exp)

    def __sub__(self, other: Dyadic) -> Dyadic:
        """Exact difference, unless one operand lies 2**20 bits below the other and cannot matter."""
        if not other.man:
            return self
        if not self.man:
            return -other
        if abs(self.exponent - other.exponent) > 1 << 20:
            return self if self.exponent > other.exponent else -other
        low = min(self.exp, other.exp)
        return Dyadic((self.man << (self.exp - low)) - (other.man << (other.exp - low)), low)

    def __float__(self) -> float:
        """Nearest float64 (a subnormal result may be rounded twice), overflowing to inf and underflowing to 0."""
        if not self.man:
            return 0.0
        if self.exponent > 1023:
            return -math.inf if self.man < 0 else math.inf
        if self.exponent < -1200:
            return -0.0 if self.man < 0 else 0.0
        excess = self.man.bit_length() - 64
        if excess <= 0:
            return math.ldexp(self.man, self.exp)
        # Keep 64 bits and a sticky one: enough for the rounding that float() then does.
        magnitude = abs(self.man)
        head = magnitude >> excess | bool(magnitude & ((1 << excess) - 1))
        try:
            return math.ldexp(-head if self.man < 0 else head, self.exp + excess)
        except OverflowError:  # within half an ulp of 2**1024
            return -math.inf if self.man < 0 else math.inf

    def round(self, fmt: Format) -> int:
        """The bits of the value in ``fmt``, rounded once (see ``Format.round``), in integers throughout."""
        if not self.man:
            return 0
        sign = fmt.sign_bit if self.man < 0 else 0
        exponent = self.exponent
        if exponent > fmt.e_max + 1:
            return sign | fmt.overflow_bits
        if exponent < fmt.e_min - fmt.precision - 1:
            return sign
        quantum = max(exponent, fmt.e_min) - fmt.precision + 1
        magnitude, shift = abs(self.man), quantum - self.exp
        if shift <= 0:
            units = magnitude << -shift
        else:
            units, rest = magnitude >> shift, magnitude & ((1 << shift) - 1)
            half = 1 << (shift - 1)
            units += rest > half or (rest == half and units & 1)
        base = (quantum - (fmt.e_min - fmt.precision + 1)) << (fmt.precision - 1)
        rounded = base + units
        return sign | (rounded if rounded <= fmt.max_bits else fmt.overflow_bits)

    def decimal(self, digits: int = 25) -> str:
        """Decimal text of ``digits`` significant digits, for certificates; sized for any exponent."""
        import mpmath

        context = mpmath.mp.clone()
        context.prec = max(128, self.man.bit_length())
        value = context.ldexp(context.mpf(self.man), self.exp)
        return str(context.nstr(value, digits, strip_zeros=True))


ZERO: Final = Dyadic(0, 0)
