"""Do the two oracle routes agree? mpmath's values against arb's enclosures, at least 100,000 inputs a function.

    python benchmarks/oracle_agreement.py [--points N] [--processes P] [--function NAME ...]

For every catalogued function, half of the inputs are float64 and half float32: landmarks with their neighbours,
an even spread over all ordinals, and numbers of ordinary size. Orders 0, 1 and 2 are compared. Prints a Markdown
table (progress goes to the error stream) and exits with 1 if any input disagrees.

A *gap* is the distance of mpmath's value from arb's enclosure, in float64 quanta of the value; 0 when it lies
inside. arb's precision is doubled until the enclosure is narrower than 2^-10 quanta; mpmath's until the gap is
below 2^-8 quanta, as the oracle does it. Past 16,384 bits the first is undecided, the second a disagreement.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import numpy as np

from gradproof.formats import FLOAT32, FLOAT64, Format
from gradproof.formats import arrays as fa
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.oracle import Dyadic, arb_route, mpmath_route
from gradproof.oracle.certify import AGREEMENT, GUARD_BITS, PRECISION_CAP, RESOLUTION
from gradproof.strategies import landmark_bits

ORDERS = 3
CHUNKS = 20
NEIGHBOURS = 64
"""Neighbours of a landmark on either side that count as structured inputs."""


@dataclass
class Tally:
    """What came of some inputs of one function."""

    inputs: int = 0
    compared: int = 0
    outside: int = 0
    """Comparisons in which mpmath's value lies outside the enclosure at all (within the tolerance)."""
    again: int = 0
    """Comparisons for which mpmath needed more precision than arb."""
    undecided: int = 0
    worst: list[float] = field(default_factory=lambda: [0.0] * ORDERS)
    """Largest accepted gap by order, in float64 quanta."""
    bits: int = 0
    """Highest working precision used."""
    seconds: float = 0.0
    """Processor time."""
    disagreements: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add the counts of another chunk."""
        for name in ("inputs", "compared", "outside", "again", "undecided", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.worst = [max(a, b) for a, b in zip(self.worst, other.worst, strict=True)]
        self.bits = max(self.bits, other.bits)
        self.disagreements += other.disagreements


def inputs(function: Function, fmt: Format, count: int, seed: int) -> fa.Bits:
    """``count`` different finite inputs: a third ordinary, up to a fifth structured, the rest over all ordinals."""
    rng = np.random.default_rng([seed, fmt.width])
    marks = landmark_bits(function, fmt, NEIGHBOURS)
    marks = rng.permutation(marks[fa.is_finite(marks, fmt)])[: count // 5]
    scales = np.concatenate([rng.normal(0, 2, count // 6), rng.uniform(-100, 100, count // 6)])
    chosen = np.unique(np.concatenate([marks, fa.round_values(scales, fmt)]))
    while chosen.size < count:
        more = rng.integers(-fmt.max_bits, fmt.max_bits, count - chosen.size, endpoint=True)
        chosen = np.unique(np.concatenate([chosen, fa.from_ordinals(more, fmt)]))
    return rng.permutation(chosen)


def compare(name: str, fmt: Format, bits: list[int]) -> Tally:
    """Compare the routes of one catalogued function at ``bits``."""
    function, tally, began = get_function(name), Tally(), time.process_time()
    for pattern in bits:
        x = fmt.value(pattern)
        piece = function.piece_at(x)
        tally.inputs += 1
        enclosures, precision = narrow_enclosures(function, piece, x)
        tally.bits = max(tally.bits, precision)
        gaps = list(gaps_of(function, piece, x, enclosures, precision))
        for order in range(ORDERS):
            if enclosures[order] is None:
                tally.undecided += 1
                continue
            tally.compared += 1
            first, accepted, used = settled(function, piece, x, enclosures, precision, order, gaps[order])
            tally.again += first > 2.0**-AGREEMENT
            tally.bits = max(tally.bits, used)
            if accepted > 2.0**-AGREEMENT:
                where = f"{name}, order {order}, x = {float(x).hex()}"
                tally.disagreements.append(f"{where}: {accepted:.3g} quanta apart")
            tally.outside += accepted > 0
            tally.worst[order] = max(tally.worst[order], accepted)
    tally.seconds = time.process_time() - began
    return tally


Enclosures = list[tuple[Dyadic, Dyadic] | None]


def narrow_enclosures(function: Function, piece: int, x: Fraction) -> tuple[Enclosures, int]:
    """arb's enclosures at the first precision at which all are narrow; None for one that never is."""
    precision = FLOAT64.precision + GUARD_BITS
    while True:
        found = arb_route.enclosures(function, piece, x, precision)[:ORDERS]
        narrow = [ends is not None and width(ends) < 2.0**-RESOLUTION for ends in found]
        if all(narrow):
            return found, precision
        if 2 * precision > PRECISION_CAP:
            return [ends if ok else None for ends, ok in zip(found, narrow, strict=True)], precision
        precision *= 2


def width(ends: tuple[Dyadic, Dyadic]) -> float:
    """Width of an enclosure in float64 quanta."""
    return quanta(ends[1] - ends[0], ends[1])


def quanta(gap: Dyadic, value: Dyadic) -> float:
    """``gap`` in float64 quanta of ``value``."""
    if not gap.man:
        return 0.0
    exponent = max(value.exponent if value.man else FLOAT64.e_min, FLOAT64.e_min) - FLOAT64.precision + 1
    return float(Dyadic(gap.man, gap.exp - exponent))


def gaps_of(function: Function, piece: int, x: Fraction, enclosures: Enclosures, precision: int) -> Iterator[float]:
    """Gaps of mpmath's values at one precision; 0 where there is no enclosure."""
    values = mpmath_route.derivatives(function, piece, x, precision)
    for value, ends in zip(values, enclosures, strict=False):
        if ends is None:
            yield 0.0
        else:
            yield max(0.0, quanta(ends[0] - value, ends[0]), quanta(value - ends[1], ends[1]))


def settled(
    function: Function, piece: int, x: Fraction, enclosures: Enclosures, precision: int, order: int, first: float
) -> tuple[float, float, int]:
    """(first gap, accepted gap, precision of mpmath)."""
    gap = first
    while gap > 2.0**-AGREEMENT and 2 * precision <= PRECISION_CAP:
        precision *= 2
        gap = list(gaps_of(function, piece, x, enclosures, precision))[order]
    return first, gap, precision


def environment() -> str:
    """Processor and versions, for the record."""
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    packages = ", ".join(f"{p} {version(p)}" for p in ("mpmath", "python-flint", "numpy"))
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}"


def main() -> int:
    """Run the comparison; 1 if any input disagrees."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=100_000, help="inputs per function")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--function", nargs="*", default=[f.name for f in CATALOGUE])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.perf_counter()
    print(
        "| function | inputs | comparisons | largest gap: f | f' | f'' | outside | again | bits | undecided | CPU s |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    failures: list[str] = []
    processor = 0.0
    with ProcessPoolExecutor(arguments.processes) as pool:
        for name in arguments.function:
            total = Tally()
            jobs = []
            for fmt in (FLOAT64, FLOAT32):
                bits = inputs(get_function(name), fmt, -(-arguments.points // 2), arguments.seed)
                jobs += [pool.submit(compare, name, fmt, part.tolist()) for part in np.array_split(bits, CHUNKS)]
            for job in jobs:
                total.add(job.result())
            failures += total.disagreements
            processor += total.seconds
            gaps = " | ".join(f"{gap:.1e}" if gap else "0" for gap in total.worst)
            print(
                f"| {name} | {total.inputs} | {total.compared} | {gaps} | {total.outside} | {total.again} "
                f"| {total.bits} | {total.undecided} | {total.seconds:.0f} |",
                flush=True,
            )
            print(f"{name}: {len(total.disagreements)} disagreements", file=sys.stderr)
    print(f"\n{environment()}; {arguments.processes} processes.")
    print(f"{time.perf_counter() - began:.0f} s in all, {processor:.0f} s of processor time.")
    print(f"Disagreements: {len(failures)}.")
    for line in failures[:20]:
        print(f"- {line}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
