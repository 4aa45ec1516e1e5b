"""What share of the results that break the contract do formulas explain, and what else would they let through.

    python benchmarks/formulas.py [--backend torch:cpu]... [--format bfloat16]... [--function silu]...
                                  [--sample 65536] [--seed 7]

For every catalogued implementation, order and format: of the results that break the contract ``stable``, the share
enclosed by the formula of the library that encloses most of them (of several the one that encloses most of all results,
then the narrowest). All inputs of 16-bit formats, a fixed sample of wider ones.

Then blindness: the results are replaced by 0, NaN, inf, 2 y, -y and y (1 + 2^-6), at all inputs in turn. Of the
replacements that break the contract, the share that the same formula encloses, so that they would pass as known. It is
counted where the implementation breaks the contract at all: elsewhere nothing needs an explanation.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradproof.backends import get_backend
from gradproof.backends.base import Backend, Call, Implementation
from gradproof.errors import Unsupported
from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.formulas.formula import PossibleResults, evaluate
from gradproof.formulas.registry import formulas_of
from gradproof.functions import Function
from gradproof.measure.contracts import STABLE
from gradproof.measure.judge import Flushing, judge
from gradproof.oracle import Oracle, Reference
from gradproof.strategies import landmark_bits, stratified

REPLACEMENTS = ("0", "NaN", "inf", "2 y", "-y", "y (1 + 2^-6)")


@dataclass
class Tally:
    """Counts over cells: results that break the contract and those enclosed; of cells where some do, all results and
    those enclosed, and replacements that break it and those enclosed.
    """

    cells: int = 0
    broken: int = 0
    enclosed: int = 0
    results: int = 0
    held: int = 0
    replaced: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REPLACEMENTS, 0))
    accepted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REPLACEMENTS, 0))


@dataclass(frozen=True)
class Subject:
    """One cell: an implementation at these inputs, with the true values."""

    backend: Backend
    implementation: Implementation
    fmt: Format
    order: int
    bits: Any
    reference: Reference
    flushing: Flushing

    def failing(self, got: Any) -> Any:
        """Where ``got`` breaks the contract, flushing excused."""
        return judge(self.bits, got, self.reference, self.fmt, self.order, STABLE, 1.0, self.flushing).failing


def inputs(function: Function, fmt: Format, sample: int, seed: int) -> Any:
    """All patterns of 16 bits, or a fixed sample: even in ordinals, dense among ordinary numbers, landmarks."""
    if fmt.is_16_bit:
        return fa.all_bits(fmt)
    rng = np.random.default_rng(seed)
    size = np.exp2(rng.uniform(-10, 10, sample)) * rng.choice([-1.0, 1.0], sample)
    parts = [stratified(fmt, sample, seed), fa.round_values(size, fmt), landmark_bits(function, fmt, 64)]
    return np.unique(np.concatenate(parts))


def subjects(asked: argparse.Namespace) -> Iterator[Subject]:
    """The cells that were asked for, one after the other."""
    for backend_id in asked.backend or ("torch:cpu", "jax:cpu"):
        backend = get_backend(backend_id)
        for implementation in backend.catalogue():
            function = implementation.specification
            if (asked.function and function.name not in asked.function) or function.rounds_to:
                continue
            for fmt in (FORMATS[name] for name in asked.format or ("float32", "float16", "bfloat16")):
                bits = inputs(function, fmt, asked.sample, asked.seed)
                oracle, traits = Oracle(function), backend.traits(fmt)
                for order, reference in enumerate(oracle.references(bits, fmt)):
                    zeros = [oracle.certified(zero, fmt, order) for zero in (0, fmt.sign_bit)]
                    flushing = Flushing.of(traits.flushes_results, traits.zeros_inputs, *zeros)
                    yield Subject(backend, implementation, fmt, order, bits, reference, flushing)


def best(subject: Subject, got: Any, rows: Any) -> tuple[str, PossibleResults | None, Any]:
    """The id of the formula that encloses most results at ``rows``, what it may give, and which results it encloses."""
    fmt = subject.fmt
    # Conversions to bfloat16 may flush where the processor has instructions for them.
    flushes = subject.flushing.results or subject.flushing.inputs or fmt.name == "bfloat16"
    found: tuple[str, PossibleResults | None, Any] = ("-", None, np.zeros(got.size, bool))
    highest: tuple[float, ...] = (0, 0, -np.inf)
    for formula in formulas_of(subject.implementation.function, (subject.order,)):
        if formula.applies_to(fmt):
            params = subject.implementation.params
            results = evaluate(formula, subject.bits, fmt, params, "either" if flushes else "kept")
            held = results.holds(fa.values(got, fmt))
            score = int(held[rows].sum()), int(held.sum()), -width(results, fmt)
            if score[0] and score > highest:
                found, highest = (formula.id, results, held), score
    return found


def width(found: PossibleResults, fmt: Format) -> float:
    """log2 of how many results may be, summed over the inputs; a NaN beside a number counts as a format."""
    low, high = (fa.ordinals(fa.round_values(end, fmt), fmt).astype(float) for end in (found.low, found.high))
    number = ~np.isnan(found.low)
    return float(np.log2(1 + np.abs(high - low))[number].sum() + fmt.width * np.count_nonzero(found.nan & number))


def blindness(subject: Subject, got: Any, results: PossibleResults, tally: Tally) -> list[float]:
    """The shares of replaced results, in percent, that are enclosed of those that break the contract."""
    fmt, y = subject.fmt, fa.values(got, subject.fmt)
    with np.errstate(all="ignore"):
        made = (np.zeros_like(y), y + np.nan, np.copysign(np.inf, y), 2 * y, -y, y * (1 + 2.0**-6))
    shares = []
    for name, value in zip(REPLACEMENTS, made, strict=True):
        other = fa.round_values(value, fmt)
        z = fa.values(other, fmt)
        replaced = subject.failing(other) & (z != y) & ~(np.isnan(z) & np.isnan(y))
        accepted = results.holds(z) & replaced
        tally.replaced[name] += int(replaced.sum())
        tally.accepted[name] += int(accepted.sum())
        shares.append(100 * accepted.sum() / max(replaced.sum(), 1))
    return shares


def measured(subject: Subject, tally: Tally) -> None:
    """Judge one cell, count it, and print its line if it breaks the contract."""
    label, fmt, order = subject.implementation.specification.label, subject.fmt, subject.order
    try:
        got = subject.backend.evaluate(subject.implementation, subject.bits, fmt, Call(order=order))
    except Unsupported:
        return
    rows = np.flatnonzero(subject.failing(got))
    tally.cells += 1
    if not rows.size:
        return
    name, results, held = best(subject, got, rows)
    tally.broken += rows.size
    tally.enclosed += int(held[rows].sum())
    tally.results += got.size
    tally.held += int(held.sum())
    shares = blindness(subject, got, results, tally) if results is not None else []
    left = rows[~held[rows]]
    open_ = ", ".join(fmt.decimal(int(subject.bits[i])) for i in left[:: max(1, left.size // 3)][:4])
    row = [subject.backend.id, label, fmt.name, order, rows.size]
    row += [f"{100 * held[rows].mean():.4g} %", f"{100 * held.mean():.4g} %", name]
    print(f"| {' | '.join(map(str, row))} | {' '.join(f'{s:.2g}' for s in shares)} | {open_} |", flush=True)


def summary(sums: dict[tuple[str, str, int], Tally]) -> None:
    """The sums by backend, format and order."""
    print("\n| backend | format | order | cells | broken | enclosed | of all | " + " | ".join(REPLACEMENTS) + " |")
    print("|---|---|---|---:|---:|---:|---:|" + "---:|" * len(REPLACEMENTS))
    for (backend_id, fmt, order), tally in sums.items():
        shares = [f"{100 * tally.accepted[n] / max(tally.replaced[n], 1):.3g} %" for n in REPLACEMENTS]
        enclosed = f"{100 * tally.enclosed / tally.broken:.5g} %" if tally.broken else "-"
        of_all = f"{100 * tally.held / tally.results:.5g} %" if tally.results else "-"
        row = (backend_id, fmt, order, tally.cells, tally.broken, enclosed, of_all, *shares)
        print(f"| {' | '.join(map(str, row))} |")


def main() -> None:
    """Print one line per cell that breaks the contract, then the sums."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for option in ("backend", "format", "function"):
        parser.add_argument(f"--{option}", action="append")
    parser.add_argument("--sample", type=int, default=1 << 16)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    sums: dict[tuple[str, str, int], Tally] = defaultdict(Tally)
    print("| backend | function | format | order | broken | enclosed | of all | formula | accepted, % | not enclosed |")
    print("|---|---|---|---:|---:|---:|---:|---|---|---|")
    for subject in subjects(asked):
        measured(subject, sums[subject.backend.id, subject.fmt.name, subject.order])
    summary(sums)


if __name__ == "__main__":
    main()
