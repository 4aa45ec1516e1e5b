"""The inputs whose results lie closest to the middle of two neighbours: the hardest to round to nearest.

    python benchmarks/hardest_cases.py [--function NAME ...] [--keep N] [--float64 | --cases FILE ...]

For exp, expm1, log1p, tanh and erf, every float32 of magnitude 2^-30 or more is tried up to where the result is a
constant or overflows (tanh and erf, which are odd: the positive ones). float64 arithmetic sorts out the inputs whose
result may lie within 2^-18 quanta of the middle; arb then measures those. Prints, per function, the closest: the
input, the number of identical bits after the rounding bit, the correct rounding.

No such search is possible in float64. ``--float64`` tries the neighbours of short significands near 0, where a few
terms of the power series decide. ``--cases`` measures, for a single ``--function``, the float64 inputs that stand in
files, one hexadecimal number a line (``#`` starts a comment): V. Lefevre's lists and CORE-MATH's ``*.wc`` are such.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import flint
import numpy as np
import numpy.typing as npt

from gradproof.formats import FLOAT32, FLOAT64, Format
from gradproof.oracle import Dyadic

PRECISION: Final = 400
"""Bits with which arb measures a candidate: no case of these functions needs 150."""
NEAR: Final = 2.0**-18
"""Distance from the middle, in quanta, up to which float64 (2^-29 quanta of float32) names a candidate."""
CHUNK: Final = 1 << 20
LEAST: Final = 2.0**-30

Floats = npt.NDArray[np.float64]


class Search(NamedTuple):
    """A function and the intervals of float32 to be searched."""

    values: Callable[[Floats], Any]
    """Float64 values, within some ulps."""
    intervals: tuple[tuple[float, float], ...]


SEARCHES: Final = {
    "exp": Search(np.exp, ((LEAST, 88.73), (-103.98, -LEAST))),
    "expm1": Search(np.expm1, ((LEAST, 88.73), (-17.4, -LEAST))),
    "log1p": Search(np.log1p, ((LEAST, float(FLOAT32.max_value)), (-1 + 2.0**-24, -LEAST))),
    "tanh": Search(np.tanh, ((LEAST, 9.02),)),
    "erf": Search(np.frompyfunc(math.erf, 1, 1), ((LEAST, 3.93),)),
}


class Case(NamedTuple):
    """A hard case: ``identical`` is the number of equal bits that follow the rounding bit."""

    identical: int
    x: Fraction
    rounded: int
    """Bits of the correct rounding."""


def chunks(low: float, high: float) -> Iterator[Floats]:
    """All float32 of [low, high], which holds no 0, as float64."""
    ends = sorted(FLOAT32.round(Fraction(end)) for end in (low, high))
    for start in range(ends[0], ends[1] + 1, CHUNK):
        bits = np.arange(start, min(start + CHUNK, ends[1] + 1), dtype=np.uint32)
        yield bits.view(np.float32).astype(np.float64)


def candidates(search: Search) -> Iterator[float]:
    """Inputs whose float64 result lies near the middle of two float32."""
    for low, high in search.intervals:
        for x in chunks(low, high):
            y = np.asarray(search.values(x), dtype=np.float64)
            quantum = np.maximum(np.frexp(y)[1] - 1, FLOAT32.e_min) - (FLOAT32.precision - 1)
            units = np.ldexp(np.abs(y), -quantum)
            yield from x[np.abs(units - np.floor(units) - 0.5) <= NEAR].tolist()


def measured(name: str, x: Fraction, fmt: Format) -> Case | None:
    """How close f(x) comes to the middle of two neighbours; None where nothing is to be rounded."""
    flint.ctx.prec = PRECISION
    ball = getattr(flint.arb(flint.fmpq(x.numerator, x.denominator)), name)()
    value = Dyadic(*map(int, ball.mid().man_exp()))
    if not value.man or not fmt.e_min - fmt.precision - 1 <= value.exponent <= fmt.e_max:
        return None
    quantum = max(value.exponent, fmt.e_min) - fmt.precision + 1
    units = abs(value.fraction()) / Fraction(2) ** quantum
    distance = abs(units % 1 - Fraction(1, 2))
    if distance <= Fraction(2) ** (fmt.precision + 8 - PRECISION):
        return None
    return Case(identical_bits(distance), x, value.round(fmt))


def identical_bits(distance: Fraction) -> int:
    """Equal bits after the rounding bit, ``distance`` quanta (below 1/2) from the middle of two neighbours."""
    # The bits after the binary point are 0.1000...01 or 0.0111...10: the first is the rounding bit.
    bits = 0
    while distance * 2 ** (bits + 2) < 1:
        bits += 1
    return bits


def hardest(name: str, inputs: Iterator[Fraction], fmt: Format, keep: int) -> list[Case]:
    """The ``keep`` hardest of ``inputs``."""
    cases = {case for x in inputs if (case := measured(name, x, fmt))}
    return sorted(cases, key=lambda case: (-case.identical, case.x))[:keep]


def listed(files: list[Path]) -> Iterator[Fraction]:
    """The inputs in files of hexadecimal floats."""
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            words = line.partition("#")[0].replace(",", " ").split()
            if words and words[0].lstrip("+-").startswith("0x"):
                yield Fraction(float.fromhex(words[0]))


def near_short_significands() -> Iterator[Fraction]:
    """Float64 numbers within 24 neighbours of k/32 2^e, for 32 <= k < 64 and e from -56 to -15, of both signs."""
    for exponent in range(-56, -14):
        for k in range(32, 64):
            centre = FLOAT64.round(Fraction(k, 32) * Fraction(2) ** exponent)
            for bits in range(centre - 24, centre + 25):
                yield FLOAT64.value(bits)
                yield -FLOAT64.value(bits)


def main() -> int:
    """Search or measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--function", nargs="*", default=list(SEARCHES), choices=list(SEARCHES))
    parser.add_argument("--keep", type=int, default=8)
    parser.add_argument("--float64", action="store_true")
    parser.add_argument("--cases", nargs="+", type=Path)
    arguments = parser.parse_args()
    if arguments.cases and len(arguments.function) != 1:
        parser.error("--cases needs exactly one --function")
    fmt = FLOAT64 if arguments.cases or arguments.float64 else FLOAT32
    for name in arguments.function:
        if arguments.cases:
            inputs = listed(arguments.cases)
        elif arguments.float64:
            inputs = near_short_significands()
        else:
            inputs = (Fraction(x) for x in candidates(SEARCHES[name]))
        for case in hardest(name, inputs, fmt, arguments.keep):
            print(name, fmt.name, float(case.x).hex(), case.identical, fmt.hexfloat(case.rounded), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
