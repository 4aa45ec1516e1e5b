"""Cells that once passed and are wrong: whether a run with any seed says so, and shows the place.

    python benchmarks/false_passes.py [--seed 1]... [--profile default]

An audit with formulas of its own found these 17 cells among the passes of runs that tried 2,048 inputs of each. Each is
judged anew with every seed (1 to 20 by default): it is found where its verdict is ``fail`` or ``known`` and an interval
of its certificate overlaps the place where the audit saw it wrong. Printed is, for each cell, with how many seeds it is
found, and the least and the greatest of their worst errors; the exit status is the number of cells and seeds that miss,
at most 100.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass, field
from typing import Final

import gradproof


@dataclass
class Place:
    """Where implementations of one function are wrong: between ``low`` and ``high``, or between their negatives."""

    function: str
    backend: str
    format: str
    order: int
    low: float
    high: float
    what: str
    modes: tuple[str, ...] = ("eager",)
    properties: tuple[str, ...] = ("accuracy",)
    found: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """By mode and property: of each seed that found it, the worst error over the bound."""
    missed: dict[tuple[str, str], list[str]] = field(default_factory=dict)


_BOTH: Final = ("eager", "compiled")
_ZERO: Final = "0 where a normal number is due"
PLACES: Final = (
    Place("hardswish", "torch", "float64", 0, 3e307, 1.7976931348623157e308, "inf: x (x + 3) overflows"),
    Place("softplus", "jax", "float64", 1, 16.0, 34.6, "over the bound at half of the inputs", _BOTH),
    Place("logsigmoid", "jax", "float64", 1, -34.6, -16.0, "the same", _BOTH),
    Place("erf", "jax", "float64", 1, 26.6157, 26.618, _ZERO, _BOTH, ("accuracy", "saturation")),
    Place("erfc", "jax", "float64", 1, 26.6157, 26.618, _ZERO, _BOTH, ("accuracy", "saturation")),
    Place("erfc", "jax", "float32", 1, 9.3453, 9.3519, _ZERO, _BOTH, ("accuracy", "saturation")),
)
"""Found in 2026-11 on torch 2.13 and jax 0.10.2, on x86 processors."""


def _visit(place: Place, seed: int, profile: str) -> None:
    result = gradproof.run(
        place.function, backend=place.backend, format=place.format, order=place.order, property=place.properties,
        mode=place.modes, profile=profile, seed=seed, jobs=0,
    )  # fmt: skip
    seen = set()
    for cell in result.cells:
        key = cell.mode, cell.property
        seen.add(key)
        certificate = cell.certificate
        shown = certificate is not None and any(
            _overlap(place, float.fromhex(part.lo.hex), float.fromhex(part.hi.hex)) for part in certificate.region
        )
        if cell.status in ("fail", "known") and shown:
            place.found.setdefault(key, []).append(cell.magnitude or 0.0)
        else:
            place.missed.setdefault(key, []).append(f"seed {seed}: {cell.status}{'' if shown else ', elsewhere'}")
    for mode in place.modes:
        for name in place.properties:
            if (mode, name) not in seen:
                place.missed.setdefault((mode, name), []).append(f"seed {seed}: no such cell")


def _overlap(place: Place, low: float, high: float) -> bool:
    return any(a <= high and low <= b for a, b in ((place.low, place.high), (-place.high, -place.low)))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, action="append", default=[])
    parser.add_argument("--profile", default="default")
    options = parser.parse_args()
    seeds = options.seed or list(range(1, 21))
    started = time.process_time()
    for seed in seeds:
        for place in PLACES:
            _visit(place, seed, options.profile)
    misses = 0
    print("| cell | wrong between | how | found with seeds | error over bound, least and greatest |")
    print("| --- | --- | --- | ---: | --- |")
    for place in PLACES:
        for mode in place.modes:
            for name in place.properties:
                key = mode, name
                worst = place.found.get(key, [])
                cell = f"{place.function} {place.backend} {mode} {place.format} order {place.order} {name}"
                errors = f"{min(worst):.3g}, {max(worst):.3g}" if worst else "-"
                where = f"{place.low:g}, {place.high:g}"
                print(f"| {cell} | {where} | {place.what} | {len(worst)} of {len(seeds)} | {errors} |")
                misses += len(place.missed.get(key, []))
    for place in PLACES:
        for (mode, name), lines in place.missed.items():
            print(f"missed: {place.function} {place.backend} {mode} {place.format} {name}: {'; '.join(lines)}")
    cells = sum(len(place.modes) * len(place.properties) for place in PLACES)
    print(f"{cells} cells, {len(seeds)} seeds, profile {options.profile}: {misses} missed; "
          f"{math.ceil(time.process_time() - started)} CPU s")  # fmt: skip
    return min(misses, 100)


if __name__ == "__main__":
    sys.exit(main())
