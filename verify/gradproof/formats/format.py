"""Binary floating-point formats: bits, exact values, ordinals, quanta and one correct rounding.

Notation (Goldberg 1991; Muller, INRIA RR-5504): ``p`` significand bits, ``e_min`` the least normal
exponent, ``e_max`` the greatest. A finite number is ``m * 2**(e - p + 1)`` with integer ``|m| < 2**p``.
Everything in this module is exact integer or rational arithmetic; arrays live in ``arrays``.

The 8-bit formats are those of the OCP 8-bit Floating Point Specification (OFP8), revision 1.0, 2023, after
Micikevicius et al., *FP8 formats for deep learning*, arXiv:2209.05433, 2022. E5M2 follows IEEE 754. E4M3 has no
infinity: it uses the top exponent for numbers up to 448, and magnitude 0x7f is its only NaN. What overflows it
becomes a NaN, or saturates to the greatest number (``satfinite``): OFP8 declares both. ml_dtypes and XLA convert to
NaN, PyTorch 2.13 saturates.

``fnuz`` are the formats of Graphcore and AMD (Noune et al., *8-bit numerical formats for deep neural networks*,
arXiv:2206.02915, 2022): no infinity, no -0, whose pattern is the only NaN, and a bias greater by one. The rest are
those of the OCP Microscaling Formats (MX) Specification 1.0, 2023: E2M1, E2M3 and E3M2 have neither infinities nor
NaNs, so that what overflows saturates; E8M0 is an exponent alone, the scale of a block: powers of two from 2^-127 to
2^127 and a NaN, without a sign and without a zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import floor
from typing import Final, Literal

from gradproof.errors import UsageError
from gradproof.spelling import FORMAT_NAMES, spelled, suggestion


@dataclass(frozen=True)
class Format:
    """An IEEE 754 style binary interchange format of at most 64 bits.

    ``precision`` counts the implicit bit. ``exponent_bits`` fixes ``bias = 2**(exponent_bits - 1) - 1`` and
    ``e_min = 1 - bias``. ``short`` is the name used in identifiers for people (``bf16``). Without
    ``has_infinity`` the top exponent holds numbers too, and of NaNs there is one, or none: ``nan`` says whether it is
    the last magnitude, or the pattern of -0 (the bias is then greater by one). A format that is not ``signed`` has no
    zero and no subnormal numbers either: ``e_min = -bias``.
    """

    name: str
    short: str
    width: int
    precision: int
    has_infinity: bool = True
    nan: Literal["last", "minus-zero", "none"] = "last"
    signed: bool = True

    @cached_property
    def exponent_bits(self) -> int:
        """Number of exponent bits: width minus sign minus stored significand bits."""
        return self.width - self.precision + (not self.signed)

    @cached_property
    def bias(self) -> int:
        """What the exponent field adds to the exponent: ``2**(exponent_bits - 1) - 1``, and 1 more without a -0."""
        return (1 << (self.exponent_bits - 1)) - 1 + (self.nan == "minus-zero")

    @cached_property
    def e_max(self) -> int:
        """Exponent of the greatest finite binade."""
        return (self.max_bits >> (self.precision - 1)) - self.bias

    @cached_property
    def e_min(self) -> int:
        """Exponent of the least normal binade."""
        return self.signed - self.bias

    @cached_property
    def sign_bit(self) -> int:
        """The bit that is set in negative numbers, the pattern of -0 where there is one; 0 in an unsigned format."""
        return 1 << (self.width - 1) if self.signed else 0

    @cached_property
    def magnitude_mask(self) -> int:
        """All bits of a pattern but its sign."""
        return (1 << self.width) - 1 - self.sign_bit

    @property
    def stored_bytes(self) -> int:
        """Bytes in which a pattern is stored: of less than 8 bits in one, as ml_dtypes keeps it."""
        return -(-self.width // 8)

    @property
    def has_nan(self) -> bool:
        """Whether there is a NaN."""
        return self.nan != "none"

    @property
    def has_minus_zero(self) -> bool:
        """Whether zeros have a sign."""
        return self.signed and self.nan != "minus-zero"

    @cached_property
    def infinity_bits(self) -> int:
        """Bit pattern of +infinity; UsageError for a format without one (see ``last_bits``)."""
        if not self.has_infinity:
            raise UsageError(f"{self.name} has no infinity; its greatest number is {self.bits_text(self.max_bits)}")
        return ((1 << self.exponent_bits) - 1) << (self.precision - 1)

    @cached_property
    def nan_bits(self) -> int:
        """Bit pattern of the canonical quiet NaN; UsageError for a format without one."""
        if not self.has_nan:
            raise UsageError(f"{self.name} has no NaN; its greatest number is {self.bits_text(self.max_bits)}")
        if self.has_infinity:
            return self.infinity_bits | (1 << (self.precision - 2))
        return self.sign_bit if self.nan == "minus-zero" else self.magnitude_mask

    @cached_property
    def max_bits(self) -> int:
        """Bit pattern of the greatest finite number."""
        if self.has_infinity:
            return self.infinity_bits - 1
        return self.magnitude_mask - 1 if self.nan == "last" else self.magnitude_mask

    @property
    def last_bits(self) -> int:
        """Bit pattern of the last place on the ordered line: +infinity, or the greatest number without one."""
        return self.infinity_bits if self.has_infinity else self.max_bits

    @property
    def overflow_bits(self) -> int:
        """Bit pattern of what a positive overflow gives: infinity, else a NaN, else the greatest number."""
        if self.has_infinity:
            return self.infinity_bits
        return self.nan_bits if self.has_nan else self.max_bits

    @property
    def undefined_bits(self) -> int:
        """Bit pattern of what a NaN is rounded to: a NaN, and +0 in a format without one, where any number will do."""
        return self.nan_bits if self.has_nan else 0

    @property
    def min_normal_bits(self) -> int:
        """Bit pattern of the least positive normal number."""
        return 1 << (self.precision - 1) if self.signed else 0

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
        """The middle between the greatest number and the next one, if there were one: where overflow begins.

        ``(2 - 2**-p) * 2**e_max`` in a format with infinity, and 464 in float8_e4m3fn.
        """
        return self.max_value + Fraction(2) ** (self.e_max - self.precision)

    def overflows(self, value: Fraction) -> bool:
        """Whether ``value`` rounds beyond the greatest number; the tie goes to the even pattern of the two.

        So it overflows where there is an infinity, and does not in float8_e4m3fn, whose 448 is even. Of one bit no
        significand is even: a tie goes away from zero (see ``round``).
        """
        magnitude = abs(value)
        up = self.max_bits % 2 == 1 or self.precision == 1
        return magnitude > self.overflow_threshold or (magnitude == self.overflow_threshold and up)

    @property
    def is_16_bit(self) -> bool:
        """Whether every input can be tried (65,536 bit patterns or fewer)."""
        return self.width <= 16

    def is_nan(self, bits: int) -> bool:
        """Whether ``bits`` encode a NaN."""
        return bits == self.sign_bit if self.nan == "minus-zero" else (bits & ~self.sign_bit) > self.last_bits

    def is_infinite(self, bits: int) -> bool:
        """Whether ``bits`` encode plus or minus infinity."""
        return self.has_infinity and (bits & ~self.sign_bit) == self.infinity_bits

    def is_finite(self, bits: int) -> bool:
        """Whether ``bits`` encode a finite number."""
        return (bits & ~self.sign_bit) <= self.max_bits and not self.is_nan(bits)

    def value(self, bits: int) -> Fraction:
        """The exact value of finite ``bits`` (both zeros give 0).

        Raises UsageError for infinities, NaNs and patterns wider than the format.
        """
        if not 0 <= bits < (1 << self.width):
            raise UsageError(f"expected a bit pattern of {self.width} bits for {self.name}, got {bits:#x}")
        magnitude = bits & self.magnitude_mask
        if not self.is_finite(bits):
            raise UsageError(f"expected a finite {self.name}, got bits {bits:#x}")
        field, fraction = divmod(magnitude, 1 << (self.precision - 1))
        if field or not self.signed:
            fraction += 1 << (self.precision - 1)
        scale = max(field - self.signed, 0) + self.e_min - self.precision + 1
        signed = -fraction if bits & self.sign_bit else fraction
        return Fraction(signed) * Fraction(2) ** scale

    def quantum_exponent(self, value: Fraction) -> int:
        """``log2`` of the quantum: ``max(floor(log2 |value|), e_min) - p + 1``; of 0: ``e_min - p + 1``."""
        if value == 0:
            return self.e_min - self.precision + 1
        return max(floor_log2(value), self.e_min) - self.precision + 1

    def round(self, value: Fraction, *, saturate: bool = False) -> int:
        """The bits of ``value`` rounded to nearest, ties to even, in a single rounding.

        Subnormals keep their fixed quantum; what overflows gives infinity, a NaN in a format without one, or the
        greatest number with ``saturate`` and where there is no NaN either. The result carries the sign of ``value``
        (plus for 0 itself, and for what becomes 0 where no zero has a sign). A significand of one bit is never even:
        ties go away from zero (IEEE 754-2019, section 4.3.1). An unsigned format has nothing for 0 and negative
        numbers, which give a NaN.
        """
        if not self.signed and value <= 0:
            return self.nan_bits
        sign = self.sign_bit if value < 0 else 0
        exponent = self.quantum_exponent(value)
        scaled = abs(value) / (Fraction(2) ** exponent)
        units = round(scaled)  # Python rounds a Fraction half to even
        if self.precision == 1:
            units = max(floor(scaled + Fraction(1, 2)), 1)
        # With the quantum fixed, a significand that reaches 2**p carries into the next binade by itself.
        base = (exponent - (self.e_min - self.precision + 1)) << (self.precision - 1)
        magnitude = base + units - (not self.signed)
        if magnitude > self.max_bits:
            over = self.max_bits if saturate else self.overflow_bits
            return over if self.nan == "minus-zero" and not saturate else sign | over
        return magnitude if not magnitude and not self.has_minus_zero else sign | magnitude

    def holds(self, value: Fraction) -> bool:
        """Whether ``value`` is a number of the format."""
        bits = self.round(value)
        return self.is_finite(bits) and self.value(bits) == value

    def same_number(self, bits: int, other: int) -> bool:
        """Whether two patterns are equal, or both zero."""
        return bits == other or (self.has_minus_zero and not (bits | other) & self.magnitude_mask)

    def ordinal(self, bits: int) -> int:
        """Position of ``bits`` on the ordered line of floats; +0 and -0 are both 0.

        Neighbouring numbers differ by 1. Raises UsageError for a NaN, which has no place on the line.
        """
        if self.is_nan(bits):
            raise UsageError(f"a NaN ({self.name} bits {bits:#x}) has no ordinal")
        magnitude = bits & self.magnitude_mask
        return -magnitude if bits & self.sign_bit else magnitude

    def from_ordinal(self, ordinal: int) -> int:
        """The bits at ``ordinal`` (0 gives +0), clamped to the ends of the line (``last_bits``)."""
        magnitude = min(abs(ordinal) if self.signed else max(ordinal, 0), self.last_bits)
        return magnitude | self.sign_bit if ordinal < 0 else magnitude

    def hexfloat(self, bits: int) -> str:
        """C99 hexadecimal text of ``bits`` (``nan``, ``inf`` for the specials); exact for every format."""
        if self.is_nan(bits):
            return "-nan" if bits & self.sign_bit and self.has_minus_zero else "nan"
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
        return f"0x{bits:0{-(-self.width // 4)}x}"

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


def wider_formats(fmt: Format) -> tuple[str, ...]:
    """Names of the formats of greater width in which functions are judged; they hold every number of ``fmt``."""
    return tuple(
        name
        for name, other in FORMATS.items()
        if other.width > fmt.width
        and other.precision >= fmt.precision
        and other.e_max >= fmt.e_max
        and other.min_subnormal <= fmt.min_subnormal
    )


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
FLOAT8_E4M3FN: Final = Format("float8_e4m3fn", "e4m3fn", 8, 4, has_infinity=False)
FLOAT8_E5M2: Final = Format("float8_e5m2", "e5m2", 8, 3)
FLOAT8_E4M3FNUZ: Final = Format("float8_e4m3fnuz", "e4m3fnuz", 8, 4, has_infinity=False, nan="minus-zero")
FLOAT8_E5M2FNUZ: Final = Format("float8_e5m2fnuz", "e5m2fnuz", 8, 3, has_infinity=False, nan="minus-zero")
FLOAT8_E8M0FNU: Final = Format("float8_e8m0fnu", "e8m0fnu", 8, 1, has_infinity=False, signed=False)
FLOAT6_E2M3FN: Final = Format("float6_e2m3fn", "e2m3fn", 6, 4, has_infinity=False, nan="none")
FLOAT6_E3M2FN: Final = Format("float6_e3m2fn", "e3m2fn", 6, 3, has_infinity=False, nan="none")
FLOAT4_E2M1FN: Final = Format("float4_e2m1fn", "e2m1fn", 4, 2, has_infinity=False, nan="none")

FORMATS: Final[dict[str, Format]] = {
    f.name: f for f in (FLOAT64, FLOAT32, FLOAT16, BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2)
}
"""The formats in which functions are judged by name, widest first. A further format is one more row."""

STORED_FORMATS: Final[dict[str, Format]] = {
    f.name: f for f in (FLOAT8_E4M3FNUZ, FLOAT8_E5M2FNUZ, FLOAT8_E8M0FNU, FLOAT6_E2M3FN, FLOAT6_E3M2FN, FLOAT4_E2M1FN)
}
"""The formats in which numbers are only stored, by name: conversions to them are judged, and nothing else."""

ALL_FORMATS: Final = FORMATS | STORED_FORMATS

SHORT_NAMES: Final = {f.short: f.name for f in ALL_FORMATS.values()}
SPELLINGS: Final = FORMAT_NAMES | SHORT_NAMES
"""What else formats are called, short names among it."""

DEFAULT_FORMATS: Final = ("float64", "float32", "float16", "bfloat16")
"""What a run covers when no format is named; the 8-bit formats are judged when they are asked for."""


def get_format(name: str) -> Format:
    """The format called ``name``, in any case or as others call it; UsageError with the known names otherwise.

    ``bf16``, ``half``, ``FP32``: see ``gradproof.spelling``.
    """
    return _meant(name, ALL_FORMATS)


def judged_format(name: str) -> Format:
    """``get_format`` for a format in which functions are to be judged; UsageError for one that only stores numbers."""
    stored = spelled(name, STORED_FORMATS, SPELLINGS)
    if isinstance(stored, str) and stored in STORED_FORMATS:
        raise UsageError(
            f"{stored} only stores numbers: conversions to it are judged (to_{stored}), functions in "
            f"{', '.join(FORMATS)}"
        )
    return _meant(name, FORMATS)


def _meant(name: str, known: dict[str, Format]) -> Format:
    found = spelled(name, known, SPELLINGS)
    try:
        return known[found]
    except (KeyError, TypeError):
        near = suggestion(name, known, SHORT_NAMES, least=0.78) if isinstance(name, str) else ""
        hint = f"; did you mean {near!r}?" if near else ""
        raise UsageError(f"unknown format {name!r}; expected one of {', '.join(known)}{hint}") from None
