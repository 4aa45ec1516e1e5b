"""What a sweep covers: targets, ranges of bit patterns, and the shards that they are cut into.

A range is cut at fixed places, whatever the number of workers: so its result does not depend on who did which part,
nor on interruptions. Nothing here imports NumPy or a framework, and everything can be pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any, Final

from gradproof.errors import UsageError
from gradproof.formats import Format, get_format

SHARD_BITS: Final = 24
"""log2 of the patterns of a shard: 256 shards in float32, a second or less each."""
EXHAUSTIBLE: Final = 1 << 36
"""The most patterns that one sweep goes through: 16 times float32, some hours on one machine."""

Params = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Target:
    """One implementation in one format and mode, and the order of the derivative to sweep."""

    function: str
    """Its name; which function is meant by it, ``definition`` says."""
    params: Params
    """Parameters of the function by name, in the order of the names: ints, floats and text."""
    implementation: str
    backend: str
    """With its device: ``torch:cpu``."""
    mode: str
    format: str
    order: int
    contract: str
    file: str | None = None
    """The user's Python file that registers the implementation; None for a framework's own."""
    definition: str | None = None
    """``Function.digest`` of the function that is meant, its parameters bound: None where it cannot be told."""
    against: str | None = None
    """Another mode, whose results are compared with those that are judged; None for no comparison."""

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that it takes: the one that is judged, and the other."""
        return (self.mode,) if self.against is None else (self.mode, self.against)

    @property
    def id(self) -> str:
        """Identifier for people, as those of cells but for ``against``: ``silu-torch-cpu-float32-order0``."""
        parts = [self.function, *(f"{name}={value!r}" for name, value in self.params)]
        parts += self.backend.split(":")
        if self.mode != "eager":
            parts.append(self.mode)
        if self.against is not None:
            parts += ["against", self.against]
        return "-".join([*parts, self.format, f"order{self.order}"])

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it; ``from_json`` reads it back."""
        return {**asdict(self), "params": dict(self.params)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Target:
        """What ``to_json`` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        known = {field.name: data[field.name] for field in fields(cls)}
        return cls(**{**known, "params": params(data["params"])})


@dataclass(frozen=True)
class Shard:
    """The bit patterns ``lo`` to ``hi`` of a target's format, both included, all of one sign."""

    target: Target
    index: int
    """Its number among the shards of the target's range."""
    lo: int
    hi: int

    @property
    def points(self) -> int:
        """How many bit patterns it holds."""
        return self.hi - self.lo + 1


def params(given: Mapping[str, Any]) -> Params:
    """Parameters, as a function holds them, in the order of their names."""
    return tuple(sorted(given.items()))


def partition(fmt: Format, first: int, last: int) -> list[tuple[int, int]]:
    """The patterns ``first`` to ``last`` cut at multiples of ``2**SHARD_BITS``, or of one sign in narrower formats.

    Pairs (lo, hi), both included, in the order of the unsigned patterns. Raises UsageError for patterns that are not
    of the format, and for more than EXHAUSTIBLE.
    """
    _check(fmt, first, last)
    size = 1 << min(SHARD_BITS, fmt.width - 1)
    starts = range(first - first % size, last + 1, size)
    return [(max(first, start), min(last, start + size - 1)) for start in starts]


def whole(fmt: Format) -> tuple[int, int]:
    """First and last bit pattern of the format; NaNs are among them."""
    return 0, (1 << fmt.width) - 1


def exhaustible(fmt: Format) -> bool:
    """Whether every bit pattern of the format can be tried."""
    return 1 << fmt.width <= EXHAUSTIBLE


@dataclass(frozen=True)
class PatternRange:
    """The bit patterns ``first`` to ``last``, both included, but for those of ``gap``.

    Numbers on both sides of 0 are two runs of patterns, +0 upwards and -0 downwards, with a gap between them.
    """

    first: int
    last: int
    gap: tuple[int, int] | None = None

    @property
    def points(self) -> int:
        """How many bit patterns there are."""
        return self.last - self.first + 1 - (self.gap[1] - self.gap[0] + 1 if self.gap else 0)

    @property
    def parts(self) -> list[tuple[int, int]]:
        """The runs of patterns, in their order."""
        if self.gap is None:
            return [(self.first, self.last)]
        return [(self.first, self.gap[0] - 1), (self.gap[1] + 1, self.last)]


def shards(target: Target, first: int, last: int, gap: tuple[int, int] | None = None) -> list[Shard]:
    """The shards of one target over a range of bit patterns, but for those of ``gap``; errors as ``partition``."""
    fmt = get_format(target.format)
    blocks = [block for part in PatternRange(first, last, gap).parts for block in partition(fmt, *part)]
    return [Shard(target, index, lo, hi) for index, (lo, hi) in enumerate(blocks)]


def parse_range(text: str, fmt: Format) -> tuple[int, int]:
    """``LO..HI`` as two patterns of ``fmt``: hexadecimal with 0x, or decimal; both ends are included.

    Raises UsageError for any other text, for patterns wider than the format, ends in the wrong order, and more
    patterns than EXHAUSTIBLE.
    """
    low, dots, high = text.partition("..")
    if not dots:
        raise UsageError(
            f"expected --bits LO..HI, such as 0x0..{fmt.bits_text(fmt.max_bits)} for {fmt.name}, got {text!r}"
        )
    first, last = (fmt.parse_bits(end.strip()) for end in (low, high))
    _check(fmt, first, last)
    return first, last


def parse_numbers(text: str, fmt: Format) -> PatternRange:
    """``LO..HI`` in numbers: every float of ``fmt`` from one to the other, ends included where they are floats.

    Numbers are decimal (-8, 1e-3), hexadecimal floats (0x1p-126), or inf. 0 is +0, below which -0 lies. Raises
    UsageError for other text, ends in the wrong order, no float between them, and more patterns than EXHAUSTIBLE.
    """
    low, dots, high = (part.strip() for part in text.partition(".."))
    if not dots:
        raise UsageError(f"expected --range LO..HI in numbers, such as -8..8, got {text!r}")
    ends = _number(low, fmt, up=True), _number(high, fmt, up=False)
    sign = fmt.sign_bit
    lowest, highest = (fmt.ordinal(bits) - bool(bits & sign) for bits in ends)
    if lowest > highest:
        raise UsageError(f"expected a range of numbers of {fmt.name} from the lower to the higher one, got {text!r}")
    first, last = ends
    if first & sign and last & sign:
        span = PatternRange(last, first)
    elif first & sign:
        span = PatternRange(0, first, (last + 1, sign - 1) if last + 1 < sign else None)
    else:
        span = PatternRange(first, last)
    if span.points > EXHAUSTIBLE:
        raise UsageError(
            f"expected at most 2**{EXHAUSTIBLE.bit_length() - 1} numbers in one sweep, got {span.points:,} ({text}); "
            "name a narrower range"
        )
    return span


def _number(text: str, fmt: Format, *, up: bool) -> int:
    """The bits of a number, rounded up or down to one of the format."""
    named = text.casefold().lstrip("+-")
    negative = text.startswith("-")
    if named in ("inf", "infinity"):
        if not fmt.has_infinity:
            raise UsageError(f"{fmt.name} has no infinity; its greatest number is {fmt.decimal(fmt.max_bits)}")
        return fmt.infinity_bits | (fmt.sign_bit if negative else 0)
    try:
        value = Fraction(float.fromhex(text)) if "0x" in named else Fraction(text)
    except (ValueError, OverflowError, ZeroDivisionError):
        raise UsageError(f"expected a number in --range, such as -8, 1e-3 or 0x1p-126, got {text!r}") from None
    bits = fmt.round(value, saturate=True)
    if value == 0:
        return fmt.sign_bit if negative else 0
    exact = fmt.value(bits)
    beyond = exact < value if up else exact > value
    return fmt.from_ordinal(fmt.ordinal(bits) + (1 if up else -1)) if beyond else bits


def _check(fmt: Format, first: int, last: int) -> None:
    if not 0 <= first <= last < 1 << fmt.width:
        raise UsageError(
            f"expected bit patterns of {fmt.name} from 0x0 to {fmt.bits_text((1 << fmt.width) - 1)}, the lower one "
            f"first, got {first:#x}..{last:#x}"
        )
    if last - first >= EXHAUSTIBLE:
        raise UsageError(
            f"expected at most 2**{EXHAUSTIBLE.bit_length() - 1} bit patterns in one sweep, got "
            f"{last - first + 1:,} ({first:#x}..{last:#x}); name a narrower range"
        )
