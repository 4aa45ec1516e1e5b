"""Binary floating-point formats: bits, exact values, ordinals, quanta and one correct rounding.

Notation (Goldberg 1991; Muller, INRIA RR-5504): ``p`` significand bits, ``e_min`` the least normal
exponent, ``e_max`` the greatest. A finite number is ``m * 2**(e - p + 1)`` with integer ``|m| < 2**p``.
Everything in this module is exact integer or rational arithmetic; arrays live in ``arrays``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final

from gradproof.errors import UsageError


@dataclass(frozen=True)
class Format:
    """An IEEE 754 style binary interchange format of at most 64 bits.

    ``precision`` counts the implicit bit. ``exponent_bits`` fixes ``e_max = 2**(exponent_bits - 1) - 1``
    and ``e_min = 1 - e_max``. ``short`` is the name used in identifiers for people (``bf16``).
    """

    name: str
    short: str
    width: int
    precision: int

    @cached_property
    def exponent_bits(self) -> int:
        """Number of exponent bits: width minus sign minus stored significand bits."""
        return self.width - self.precision

    @cached_property
    def e_max(self) -> int:
        """Exponent of the greatest finite binade."""
        return (1 << (self.exponent_bits - 1)) - 1

    @cached_property
    def e_min(self) -> int:
        """Exponent of the least normal binade."""
        return 1 - self.e_max

    @cached_property
    def sign_bit(self) -> int:
        """Bit pattern of -0."""
        return 1 << (self.width - 1)

    @cached_property
    def infinity_bits(self) -> int:
        """Bit pattern of +infinity."""
        return ((1 << self.exponent_bits) - 1) << (self.precision - 1)

    @property
    def nan_bits(self) -> int:
        """Bit pattern of the canonical quiet NaN."""
        return self.infinity_bits | (1 << (self.precision - 2))

    @property
    def max_bits(self) -> int:
        """Bit pattern of the greatest finite number."""
        return self.infinity_bits - 1

    @property
    def min_normal_bits(self) -> int:
        """Bit pattern of the least positive normal number."""
        return 1 << (self.precision - 1)

    @cached_property
    def max_value(self) -> Fraction:
        """The greatest finite number."""
        return self.value(self.max_bits)

    @cached_property
    def min_normal(self) -> Fraction:
        """The least positive normal number, ``2**e_min``."""
        return Fraction(2) ** self.e_min

    @cached_property
    def min_subnormal(self) -> Fraction:
        """The least positive number, ``2**(e_min - p + 1)``; the quantum of zero."""
        return Fraction(2) ** (self.e_min - self.precision + 1)

    @cached_property
    def overflow_threshold(self) -> Fraction:
        """The least real that rounds to infinity: ``(2 - 2**-p) * 2**e_max``."""
        return (2 - Fraction(1, 1 << self.precision)) * Fraction(2) ** self.e_max

    @property
    def is_16_bit(self) -> bool:
        """Whether every input can be tried (65,536 bit patterns or fewer)."""
        return self.width <= 16

    def is_nan(self, bits: int) -> bool:
        """Whether ``bits`` encode a NaN."""
        return (bits & ~self.sign_bit) > self.infinity_bits

    def is_infinite(self, bits: int) -> bool:
        """Whether ``bits`` encode plus or minus infinity."""
        return (bits & ~self.sign_bit) == self.infinity_bits

    def is_finite(self, bits: int) -> bool:
        """Whether ``bits`` encode a finite number."""
        return (bits & ~self.sign_bit) < self.infinity_bits

    def is_subnormal(self, bits: int) -> bool:
        """Whether ``bits`` encode a nonzero number below the least normal one."""
        return 0 < (bits & ~self.sign_bit) < self.min_normal_bits

    def value(self, bits: int) -> Fraction:
        """The exact value of finite ``bits`` (both zeros give 0).

        Raises UsageError for infinities, NaNs and patterns wider than the format.
        """
        if not 0 <= bits < (1 << self.width):
            raise UsageError(f"expected a bit pattern of {self.width} bits for {self.name}, got {bits:#x}")
        magnitude = bits & (self.sign_bit - 1)
        if magnitude >= self.infinity_bits:
            raise UsageError(f"expected a finite {self.name}, got bits {bits:#x}")
        field, fraction = divmod(magnitude, 1 << (self.precision - 1))
        if field:
            fraction += 1 << (self.precision - 1)
        scale = max(field, 1) - 1 + self.e_min - self.precision + 1
        signed = -fraction if bits & self.sign_bit else fraction
        return Fraction(signed) * Fraction(2) ** scale

    def quantum_exponent(self, value: Fraction) -> int:
        """``log2`` of the quantum: ``max(floor(log2 |value|), e_min) - p + 1``; of 0: ``e_min - p + 1``."""
        if value == 0:
            return self.e_min - self.precision + 1
        return max(floor_log2(value), self.e_min) - self.precision + 1

    def round(self, value: Fraction) -> int:
        """The bits of ``value`` rounded to nearest, ties to even, in a single rounding.

        Subnormals keep their fixed quantum; ``|value| >= overflow_threshold`` gives infinity.
        A result of zero carries the sign of ``value`` (plus for 0 itself).
        """
        sign = self.sign_bit if value < 0 else 0
        exponent = self.quantum_exponent(value)
        scaled = abs(value) / (Fraction(2) ** exponent)
        units = round(scaled)  # Python rounds a Fraction half to even
        # With the quantum fixed, a significand that reaches 2**p carries into the next binade by itself.
        base = (exponent - (self.e_min - self.precision + 1)) << (self.precision - 1)
        return sign | min(base + units, self.infinity_bits)

    def ordinal(self, bits: int) -> int:
        """Position of ``bits`` on the ordered line of floats; +0 and -0 are both 0.

        Neighbouring numbers differ by 1. Raises UsageError for a NaN, which has no place on the line.
        """
        if self.is_nan(bits):
            raise UsageError(f"a NaN ({self.name} bits {bits:#x}) has no ordinal")
        magnitude = bits & (self.sign_bit - 1)
        return -magnitude if bits & self.sign_bit else magnitude

    def from_ordinal(self, ordinal: int) -> int:
        """The bits at ``ordinal`` (0 gives +0), clamped to the infinities."""
        magnitude = min(abs(ordinal), self.infinity_bits)
        return magnitude | self.sign_bit if ordinal < 0 else magnitude

    def hexfloat(self, bits: int) -> str:
        """C99 hexadecimal text of ``bits`` (``nan``, ``inf`` for the specials); exact for every format."""
        if self.is_nan(bits):
            return "-nan" if bits & self.sign_bit else "nan"
        if self.is_infinite(bits):
            return "-inf" if bits & self.sign_bit else "inf"
        value = float(self.value(bits))  # exact: no format here is wider than float64
        return (-value if value == 0 and bits & self.sign_bit else value).hex()

    def decimal(self, bits: int) -> str:
        """Shortest decimal text that reads back as the float64 of the same value."""
        if not self.is_finite(bits):
            return self.hexfloat(bits)
        value = float(self.value(bits))
        return repr(-0.0 if value == 0 and bits & self.sign_bit else value)

    def bits_text(self, bits: int) -> str:
        """``bits`` as zero-padded hexadecimal, as commands and certificates print them."""
        return f"0x{bits:0{self.width // 4}x}"

    def parse_bits(self, text: str) -> int:
        """Read a bit pattern such as ``0xc2b0``.

        Raises UsageError for text that is no integer or does not fit the format.
        """
        try:
            bits = int(text, 0)
        except ValueError:
            bits = -1
        if not 0 <= bits < (1 << self.width):
            raise UsageError(
                f"expected a bit pattern of {self.width} bits for {self.name}, "
                f"such as {self.bits_text(self.max_bits)}, got {text!r}"
            )
        return bits


def floor_log2(value: Fraction) -> int:
    """``floor(log2 |value|)`` of a nonzero rational, exactly."""
    numerator, denominator = abs(value.numerator), value.denominator
    estimate = numerator.bit_length() - denominator.bit_length()
    if estimate >= 0:
        return estimate if numerator >= denominator << estimate else estimate - 1
    return estimate if numerator << -estimate >= denominator else estimate - 1


FLOAT64: Final = Format("float64", "f64", 64, 53)
FLOAT32: Final = Format("float32", "f32", 32, 24)
FLOAT16: Final = Format("float16", "f16", 16, 11)
BFLOAT16: Final = Format("bfloat16", "bf16", 16, 8)

FORMATS: Final[dict[str, Format]] = {f.name: f for f in (FLOAT64, FLOAT32, FLOAT16, BFLOAT16)}
"""The formats by name, widest first. A further format is one more row."""


def get_format(name: str) -> Format:
    """The format called ``name``; UsageError with the known names otherwise."""
    try:
        return FORMATS[name]
    except KeyError:
        known = ", ".join(FORMATS)
        raise UsageError(f"unknown format {name!r}; expected one of {known}") from None
