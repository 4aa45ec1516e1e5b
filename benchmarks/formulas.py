"""How much of what frameworks get wrong do formulas explain, and what else would they let through?

    python benchmarks/formulas.py [--backend torch:cpu]... [--format bfloat16]... [--function silu]... [--sample 65536]

For every catalogued implementation, order and format: of the results that break the contract ``stable``, the share that
the formula of the library enclosing most of them encloses. All inputs of 16-bit formats, a fixed sample of wider ones.

Then blindness: at random inputs the results are replaced by 0, NaN, inf, 2 y, -y and y (1 + 2^-6). Of the replacements
that break the contract, the share that the same formula encloses, so that they would pass as known. It is counted where
the implementation breaks the contract at all: elsewhere nothing needs an explanation.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradproof.backends import get_backend
from gradproof.backends.base import Call, Implementation
from gradproof.errors import GradproofError
from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.formulas.formula import Formula, PossibleResults, evaluate
from gradproof.formulas.registry import formulas_of
from gradproof.functions import Function
from gradproof.measure.contracts import STABLE
from gradproof.measure.judge import Flushing, judge
from gradproof.oracle import Oracle, Reference
from gradproof.strategies import landmark_bits, stratified

REPLACEMENTS = ("0", "NaN", "inf", "2 y", "-y", "y (1 + 2^-6)")


@dataclass
class Tally:
    """Counts over cells: results that break the contract, those enclosed, and the same of replacements."""

    cells: int = 0
    broken: int = 0
    enclosed: int = 0
    replaced: dict[str, int] | None = None
    accepted: dict[str, int] | None = None

    def __post_init__(self) -> None:
        self.replaced = dict.fromkeys(REPLACEMENTS, 0)
        self.accepted = dict.fromkeys(REPLACEMENTS, 0)


@dataclass(frozen=True)
class Subject:
    """One cell: an implementation at these inputs, with the true values."""

    implementation: Implementation
    fmt: Format
    order: int
    bits: Any
    reference: Reference
    flushing: Flushing

    def failing(self, got: Any) -> Any:
        """Where ``got`` breaks the contract, flushing excused."""
        return judge(self.bits, got, self.reference, self.fmt, self.order, STABLE, 1.0, self.flushing).failing


def inputs(function: Function, fmt: Format, sample: int) -> Any:
    """All patterns of 16 bits, or a fixed sample: even in ordinals, dense among ordinary numbers, landmarks."""
    if fmt.is_16_bit:
        return fa.all_bits(fmt)
    rng = np.random.default_rng(7)
    size = np.exp2(rng.uniform(-10, 10, sample)) * rng.choice([-1.0, 1.0], sample)
    parts = [stratified(fmt, sample, 7), fa.round_values(size, fmt), landmark_bits(function, fmt, 64)]
    return np.unique(np.concatenate(parts))


def best(subject: Subject, got: Any, rows: Any, formulas: list[Formula], subnormals: Any) -> tuple[str, Any, Any]:
    """The id of the formula that encloses most of the results at ``rows``, its enclosure, and which rows it encloses."""
    found: tuple[str, PossibleResults | None, Any] = ("-", None, np.zeros(rows.size, bool))
    values = fa.values(got, subject.fmt)
    for formula in formulas:
        enclosure = evaluate(formula, subject.bits, subject.fmt, subject.implementation.params, subnormals)
        held = enclosure.holds(values)[rows]
        tighter = found[1] is None or _width(enclosure) < _width(found[1])
        if held.sum() > found[2].sum() or (held.sum() == found[2].sum() and held.any() and tighter):
            found = formula.id, enclosure, held
    return found


def _width(enclosure: PossibleResults) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.count_nonzero(enclosure.low != enclosure.high) + np.count_nonzero(enclosure.nan))


def blindness(subject: Subject, got: Any, enclosure: PossibleResults, tally: Tally) -> dict[str, tuple[int, int]]:
    """Of the replaced results that break the contract, how many there are and how many are enclosed."""
    fmt, y = subject.fmt, fa.values(got, subject.fmt)
    with np.errstate(all="ignore"):
        made = (0 * y, y + np.nan, np.copysign(np.inf, y), 2 * y, -y, y * (1 + 2.0**-6))
        made = (np.zeros_like(y), *made[1:])
    counts = {}
    for name, value in zip(REPLACEMENTS, made, strict=True):
        other = fa.round_values(value, fmt)
        rows = subject.failing(other) & (fa.magnitudes(other, fmt) != fa.magnitudes(got, fmt))
        rows |= subject.failing(other) & (fa.signs(other, fmt) != fa.signs(got, fmt)) & (y != 0)
        rows &= ~(fa.is_nan(other, fmt) & fa.is_nan(got, fmt))
        held = enclosure.holds(fa.values(other, fmt)) & rows
        counts[name] = int(rows.sum()), int(held.sum())
        assert tally.replaced is not None and tally.accepted is not None
        tally.replaced[name] += counts[name][0]
        tally.accepted[name] += counts[name][1]
    return counts


def main() -> None:
    """Print one line per cell that breaks the contract, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for option in ("backend", "format", "function"):
        parser.add_argument(f"--{option}", action="append")
    parser.add_argument("--sample", type=int, default=1 << 16)
    asked = parser.parse_args()
    sums: dict[tuple[str, str, int], Tally] = defaultdict(Tally)
    print("| backend | function | format | order | broken | enclosed | formula | accepted of replaced |")
    print("|---|---|---|---|---:|---:|---|---:|")
    for backend_id in asked.backend or ("torch:cpu", "jax:cpu"):
        backend = get_backend(backend_id)
        for implementation in backend.catalogue():
            function = implementation.specification
            if (asked.function and function.name not in asked.function) or function.rounds_to:
                continue
            for fmt in (FORMATS[name] for name in asked.format or ("float32", "float16", "bfloat16")):
                bits = inputs(function, fmt, asked.sample)
                oracle = Oracle(function)
                references = oracle.references(bits, fmt)
                traits = backend.traits(fmt)
                flushes = traits.flushes_results or traits.zeros_inputs
                for order in range(3):
                    zeros = [oracle.certified(z, fmt, order) for z in (0, fmt.sign_bit)]
                    flushing = Flushing.of(traits.flushes_results, traits.zeros_inputs, *zeros)
                    subject = Subject(implementation, fmt, order, bits, references[order], flushing)
                    try:
                        got = backend.evaluate(implementation, bits, fmt, Call(order=order))
                    except GradproofError as why:
                        print(f"| {backend_id} | {function.label} | {fmt.name} | {order} | {why} | | | |")
                        continue
                    rows = np.flatnonzero(subject.failing(got))
                    tally = sums[backend_id, fmt.name, order]
                    tally.cells += 1
                    if not rows.size:
                        continue
                    known = [f for f in formulas_of(function.name, (order,)) if f.applies_to(fmt)]
                    subnormals = "either" if flushes or fmt.name == "bfloat16" else "kept"
                    name, enclosure, held = best(subject, got, rows, known, subnormals)
                    tally.broken += rows.size
                    tally.enclosed += int(held.sum())
                    share = "-"
                    if enclosure is not None:
                        counts = blindness(subject, got, enclosure, tally)
                        share = " ".join(f"{100 * b / max(a, 1):.2g}" for a, b in counts.values())
                    left = [fmt.decimal(int(bits[i])) for i in rows[~held][:: max(1, int((~held).sum()) // 3)][:4]]
                    print(
                        f"| {backend_id} | {function.label} | {fmt.name} | {order} | {rows.size} | "
                        f"{100 * held.mean():.4g} % | {name} | {share} | {' '.join(left)}",
                        flush=True,
                    )
    summary(sums)


def summary(sums: dict[tuple[str, str, int], Tally]) -> None:
    """The sums by backend, format and order."""
    print("\n| backend | format | order | cells | broken | enclosed | " + " | ".join(REPLACEMENTS) + " |")
    print("|---|---|---|---:|---:|---:|" + "---:|" * len(REPLACEMENTS))
    for (backend_id, fmt, order), tally in sums.items():
        assert tally.replaced is not None and tally.accepted is not None
        shares = [f"{100 * tally.accepted[n] / max(tally.replaced[n], 1):.3g} %" for n in REPLACEMENTS]
        enclosed = f"{100 * tally.enclosed / tally.broken:.4g} %" if tally.broken else "-"
        print(
            f"| {backend_id} | {fmt} | {order} | {tally.cells} | {tally.broken} | {enclosed} | {' | '.join(shares)} |"
        )


if __name__ == "__main__":
    main()
