"""References built by hand from exact fractions, for judging without an oracle."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from gradproof.formats import Format, floor_log2
from gradproof.formats import arrays as fa
from gradproof.oracle import Reference
from gradproof.oracle.reference import FINITE, INFINITE, NAN, POLE, UNDECIDED, UNDEFINED

SPECIAL = {
    "inf": INFINITE, "-inf": INFINITE, "pole": POLE, "nan": NAN, "undefined": UNDEFINED, "undecided": UNDECIDED,
}  # fmt: skip
Exact = Fraction | int | str


def reference(fmt: Format, values: Sequence[Exact], slopes: Sequence[float] | float = 0.0) -> Reference:
    """The exact ``values`` (numbers, or a key of SPECIAL) with ``slopes`` of the next derivative."""
    made = Reference.empty(len(values), fa.storage(fmt))
    made.slope[:], made.slope_exponent[:] = np.frexp(slopes)
    for i, value in enumerate(values):
        if isinstance(value, str):
            made.kind[i] = SPECIAL[value]
            signed = fmt.overflow_bits | (fmt.sign_bit if value == "-inf" else 0)
            made.rounded[i] = signed if value.endswith("inf") else fmt.nan_bits
            continue
        made.kind[i] = FINITE
        exact = Fraction(value)
        made.rounded[i] = fmt.round(exact)
        if exact:
            exponent = floor_log2(exact) + 1
            mantissa = exact / Fraction(2) ** exponent
            head = Fraction(int(abs(mantissa) * 2**53), 2**53) * (1 if exact > 0 else -1)
            made.high[i], made.low[i], made.exponent[i] = float(head), float(mantissa - head), exponent
    return made


def bits(fmt: Format, *values: Any) -> fa.Bits:
    """Bit patterns of numbers exact in the format; text goes through float (``"nan"``, ``"-inf"``, ``"-0"``)."""
    patterns = []
    for value in values:
        if isinstance(value, str):
            patterns.append(int(fa.round_values(np.array([float(value)]), fmt)[0]))
        else:
            pattern = fmt.round(Fraction(value))
            assert fmt.is_infinite(pattern) or fmt.value(pattern) == value
            patterns.append(pattern)
    return np.array(patterns, dtype=fa.storage(fmt))
