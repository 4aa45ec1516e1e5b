"""What a backend writes down of one call: operations on numbers, in order, without a judgement."""

from __future__ import annotations

import inspect
import linecache
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

from gradproof.formats import FORMATS
from gradproof.results.model import SourceLine

__all__ = [
    "PHASES", "SAME", "Datum", "Kind", "Phase", "Recording", "SourceLine", "Step", "constant", "datum", "source_file",
    "source_line",
]  # fmt: skip

Phase = Literal["forward", "backward", "second backward"]
PHASES: Final[tuple[Phase, ...]] = ("forward", "backward", "second backward")
"""Of the calculation: of the value, of the first derivative, of the second; indexed by how often it was derived."""
SAME: Final = "same"
"""The rule of what only rounds its operand to another format."""

Kind = Literal["operation", "framework function", "custom kernel"]
"""Arithmetic; a function of the framework's own in one kernel; a kernel of which nothing is known."""


@dataclass(frozen=True)
class Datum:
    """A number on the way: in a format with its ``bits``, or a constant of the code's.

    ``number`` is its exact value: a float for an infinity or NaN, None where it is not one number (an array of others).
    """

    text: str
    number: Fraction | float | None
    format: str | None = None
    bits: str | None = None


@dataclass(frozen=True)
class Step:
    """One operation. ``operands`` are indices of earlier steps, or constants, as its ``rule`` takes them.

    ``rule`` names its mathematics (``shadow.RULES``); None for an operation of which that is not known. ``part_of`` is
    the node of the graph of derivatives that it belongs to, such as DivBackward0.
    """

    name: str
    rule: str | None
    phase: Phase
    operands: tuple[int | Datum, ...]
    result: Datum
    line: SourceLine | None = None
    part_of: str | None = None
    kind: Kind = "operation"


@dataclass
class Recording:
    """The operations of one call. Step 0 is the input; ``output`` is the index of the result, None where unknown."""

    steps: list[Step] = field(default_factory=list)
    output: int | None = None

    def add(self, step: Step) -> int:
        """Append a step; its index."""
        self.steps.append(step)
        return len(self.steps) - 1


def datum(bits: int, fmt: str) -> Datum:
    """The number with these bits in the format called ``fmt``."""
    known = FORMATS[fmt]
    number: Fraction | float
    if known.is_nan(bits):
        number = math.nan
    elif known.is_infinite(bits):
        number = -math.inf if bits & known.sign_bit else math.inf
    else:
        number = known.value(bits)
    return Datum(known.decimal(bits), number, fmt, known.bits_text(bits))


def constant(value: float | None) -> Datum:
    """A constant of Python's, a truth value or an integer; None for what is not one number."""
    if value is None:
        return Datum("an array", None)
    if isinstance(value, float) and not math.isfinite(value):
        return Datum(str(value), value)
    return Datum(str(value), Fraction(value))


def source_file(call: Any, given: str | None) -> str | None:
    """The file of a callable's code, as its frames name it; else the file it was ``given`` in."""
    inner = inspect.unwrap(call)
    code = getattr(inner, "__code__", None) or getattr(getattr(type(inner), "forward", None), "__code__", None)
    return code.co_filename if code is not None else given


def source_line(frames: Iterable[tuple[str, int]], file: str | None) -> SourceLine | None:
    """The line of the first of ``frames`` (file and line number, the innermost first) that lies in ``file``."""
    for name, number in frames:
        if file is not None and name == file:
            return SourceLine(Path(name).name, number, linecache.getline(name, number).strip())
    return None
