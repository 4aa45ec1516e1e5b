"""The share of results breaking the contract that the ledger explains, and what else it would let through.

    python benchmarks/explanations.py [--backend torch:cpu]... [--mode eager] [--format bfloat16]...
                                      [--function silu]... [--sample 65536] [--seed 7]

For every catalogued implementation, order and format: of the results that break the contract ``stable``, the share
that the deviations of the ledger explain (``engine.ledger``), result by result. All inputs of 16-bit formats, a fixed
sample of wider ones.

Then blindness: the results are replaced by 0, NaN, inf, 2 y, -y and y (1 + 2^-6), at all inputs in turn. Of the
replacements that break the contract, the share that would pass as known. It is counted where the ledger lists
anything for the cell: elsewhere nothing is let through.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradproof.backends import get_backend
from gradproof.engine.ledger.explained import Explainer
from gradproof.engine.ledger.ledger import Ledger
from gradproof.engine.properties.installed import ledger_directories
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.oracles import oracle_of
from gradproof.engine.subject.probe import Probe
from gradproof.engine.surroundings.environment import surroundings
from gradproof.errors import Unsupported
from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.functions import Function
from gradproof.oracle import Reference
from gradproof.strategies import landmark_bits, stratified

REPLACEMENTS = ("0", "NaN", "inf", "2 y", "-y", "y (1 + 2^-6)")


@dataclass
class Tally:
    """Counts over cells: results that break the contract, those explained, and, of cells that the ledger is about,
    replacements that break it and those accepted.
    """

    cells: int = 0
    broken: int = 0
    explained: int = 0
    replaced: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REPLACEMENTS, 0))
    accepted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REPLACEMENTS, 0))


@dataclass(frozen=True)
class Subject:
    """One cell: an implementation at these inputs, with the true values and what is known to be wrong."""

    probe: Probe
    order: int
    bits: Any
    reference: Reference
    explainer: Explainer

    @property
    def fmt(self) -> Format:
        """The format."""
        return self.probe.format

    def failing(self, got: Any) -> Any:
        """Where ``got`` breaks the contract, flushing excused."""
        return self.probe.judge(self.bits, got, self.order, self.reference).failing

    def explained(self, got: Any, rows: Any) -> Any:
        """Which of the results in these rows the ledger explains."""
        return self.explainer.results(self.probe, self.order, self.bits[rows], got[rows])


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
    ledger, selection = Ledger.read(ledger_directories()), Selection()
    for backend_id in asked.backend or ("torch:cpu", "jax:cpu"):
        backend, here = get_backend(backend_id), surroundings([backend_id])
        for implementation in backend.catalogue():
            function = implementation.specification
            if (asked.function and function.name not in asked.function) or function.rounds_to:
                continue
            for fmt in (FORMATS[name] for name in asked.format or ("float64", "float32", "float16", "bfloat16")):
                bits = inputs(function, fmt, asked.sample, asked.seed)
                references = oracle_of(function).references(bits, fmt)
                for order in range(3):
                    task = Task(function, implementation, backend_id, asked.mode, fmt.name, order, "accuracy")
                    explainer = Explainer("accuracy", ledger.about(task, here))
                    yield Subject(Probe(task, selection), order, bits, references[order], explainer)


def blindness(subject: Subject, got: Any, tally: Tally) -> list[float]:
    """The shares of replaced results, in percent, that are explained of those that break the contract."""
    fmt, y = subject.fmt, fa.values(got, subject.fmt)
    with np.errstate(all="ignore"):
        made = (np.zeros_like(y), y + np.nan, np.copysign(np.inf, y), 2 * y, -y, y * (1 + 2.0**-6))
    shares = []
    for name, value in zip(REPLACEMENTS, made, strict=True):
        other = fa.round_values(value, fmt)
        z = fa.values(other, fmt)
        replaced = subject.failing(other) & (z != y) & ~(np.isnan(z) & np.isnan(y))
        accepted = subject.explained(other, np.flatnonzero(replaced)).sum()
        tally.replaced[name] += int(replaced.sum())
        tally.accepted[name] += int(accepted)
        shares.append(100 * accepted / max(replaced.sum(), 1))
    return shares


def measured(subject: Subject, tally: Tally) -> None:
    """Judge one cell, count it, and print its line if it breaks the contract."""
    label, fmt, order = subject.probe.function.label, subject.fmt, subject.order
    try:
        got = subject.probe.evaluate(subject.bits, order)
    except Unsupported:
        return
    rows = np.flatnonzero(subject.failing(got))
    tally.cells += 1
    if not rows.size and not subject.explainer.formulas(order):
        return
    held = subject.explained(got, rows)
    tally.broken += rows.size
    tally.explained += int(held.sum())
    shares = blindness(subject, got, tally)
    left = rows[~held]
    open_ = ", ".join(fmt.decimal(int(subject.bits[i])) for i in left[:: max(1, left.size // 3)][:4])
    share = f"{100 * held.mean():.5g} %" if rows.size else "-"
    row = [subject.probe.backend.id, label, fmt.name, order, rows.size, share]
    print(f"| {' | '.join(map(str, row))} | {' '.join(f'{s:.2g}' for s in shares)} | {open_} |", flush=True)


def summary(sums: dict[tuple[str, str, int], Tally]) -> None:
    """The sums by backend, format and order."""
    print("\n| backend | format | order | cells | broken | explained | " + " | ".join(REPLACEMENTS) + " |")
    print("|---|---|---|---:|---:|---:|" + "---:|" * len(REPLACEMENTS))
    for (backend_id, fmt, order), tally in sums.items():
        shares = [f"{100 * tally.accepted[n] / max(tally.replaced[n], 1):.3g} %" for n in REPLACEMENTS]
        explained = f"{100 * tally.explained / tally.broken:.6g} %" if tally.broken else "-"
        print(f"| {' | '.join(map(str, (backend_id, fmt, order, tally.cells, tally.broken, explained, *shares)))} |")


def main() -> None:
    """Print one line per cell that breaks the contract, then the sums."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for option in ("backend", "format", "function"):
        parser.add_argument(f"--{option}", action="append")
    parser.add_argument("--mode", default="eager")
    parser.add_argument("--sample", type=int, default=1 << 16)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    sums: dict[tuple[str, str, int], Tally] = defaultdict(Tally)
    print("| backend | function | format | order | broken | explained | accepted, % | not explained |")
    print("|---|---|---|---:|---:|---:|---|---|")
    for subject in subjects(asked):
        measured(subject, sums[subject.probe.backend.id, subject.fmt.name, subject.order])
    summary(sums)


if __name__ == "__main__":
    main()
