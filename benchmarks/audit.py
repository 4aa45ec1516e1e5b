"""An audit of the passes in a results file, by code that shares nothing with the oracle.

Every ``pass`` of ``accuracy`` in float32 and float64 is tried again on ``--inputs`` inputs of the audit's own: 40 %
spread evenly over all ordinals, 30 % over the sizes 2^-12 to 2^10, the rest around where the function's value becomes
subnormal, overflows, rounds to 0, 1 or 2 or changes its sign, and around its kinks. The functions are written out in
``audit_formulas.py``, their derivatives as closed forms.

80-bit arithmetic estimates every error. mpmath has the last word on whatever the estimate finds above half of the
contract (the ``--gravest`` of them), and is asked about ``--exact`` more, evenly by their order on the line: at two
precisions, the lower raised until both agree. Where its error exceeds the estimate by more than 2^-5 of the contract,
the audit fails, rather than believe the estimate. Printed are each function's passes with their worst error, and every
cell over the contract with its worst input; the exit status is the number of such cells, at most 100.

    python benchmarks/audit.py results.json [--function silu]... [--backend torch:cpu]... [--inputs 100000] [--seed 7]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import mpmath
import numpy as np
from audit_formulas import FUNCTIONS, KINKS, Extended, Precise

from gradproof.backends import get_backend
from gradproof.backends.base import Call
from gradproof.errors import GradproofError
from gradproof.formats import get_format

BOUNDS: Final = (4.0, 8.0, 8.0)
"""The contract ``stable`` in these two formats, in units of m."""
TRUSTED: Final = 0.5
"""Shares of the bound up to which the estimate decides."""
AGREEMENT: Final = 2.0**-5
"""By how much mpmath's error may exceed the estimate, in bounds, where it is below twice the bound."""
OUT_OF_SIGHT: Final = mpmath.mpf(2) ** -2000
"""What is smaller need not be known: it is 0 in every format, by far."""
SCHEMA: Final = "gradproof-results/1"

Array = np.ndarray[Any, Any]
Number = np.longdouble
EXTENDED: Final = Extended()
PRECISE: Final = Precise()


@dataclass(frozen=True)
class Layout:
    """A binary format by its numbers, and its patterns as signed ordinals: neighbouring numbers differ by 1."""

    name: str
    kind: Any
    bits: Any
    precision: int
    least: int
    """Exponent of the least normal number."""
    greatest: int

    @property
    def width(self) -> int:
        """Bits of a number."""
        return int(8 * np.dtype(self.bits).itemsize)

    @property
    def top(self) -> int:
        """Ordinal of the greatest finite number."""
        return int(np.array(np.finfo(self.kind).max).view(self.bits))

    def patterns(self, ordinals: Array) -> Array:
        """Bit patterns of signed ordinals."""
        sign = np.where(ordinals < 0, self.bits(1) << self.bits(self.width - 1), self.bits(0))
        return np.abs(ordinals).astype(self.bits) | sign

    def numbers(self, ordinals: Array) -> Array:
        """Their values."""
        return self.patterns(ordinals).view(self.kind)

    def ordinal(self, value: float) -> int:
        """The ordinal of the number nearest to ``value``."""
        at = int(np.array(abs(value), self.kind).view(self.bits))
        return -at if value < 0 else at

    def quantum(self, values: Array) -> Array:
        """2^(exponent - p + 1), of subnormal values the least there is."""
        exponent = np.frexp(values)[1] - 1
        exponent = np.where(values == 0, self.least, np.maximum(exponent, self.least))
        return np.ldexp(Number(1), exponent - self.precision + 1)

    def exact_quantum(self, value: Any) -> Any:
        """The same of one mpf."""
        exponent = int(mpmath.frexp(value)[1]) - 1 if value else self.least
        return mpmath.mpf(2) ** (max(exponent, self.least) - self.precision + 1)

    @property
    def overflow(self) -> Fraction:
        """What rounds to infinity from here on."""
        return (2 - Fraction(1, 2**self.precision)) * 2**self.greatest


LAYOUTS: Final = {
    "float32": Layout("float32", np.float32, np.uint32, 24, -126, 127),
    "float64": Layout("float64", np.float64, np.uint64, 53, -1022, 1023),
}


@dataclass
class Question:
    """f^(order) of one function with its parameters in one format: inputs and what is due there."""

    name: str
    params: dict[str, Fraction]
    layout: Layout
    order: int
    count: int
    asked: int
    seed: int

    @cached_property
    def _jet(self) -> Any:
        return FUNCTIONS[self.name]

    @cached_property
    def _extended_params(self) -> dict[str, Any]:
        return {k: EXTENDED.real(v) for k, v in self.params.items()}

    @cached_property
    def kinks(self) -> list[Fraction]:
        """Where no derivative is due."""
        return [Fraction(k) for k in KINKS.get(self.name, lambda p: ())(self.params)]

    def estimated(self, ordinals: Array) -> tuple[Array, Array]:
        """f^(order) and f^(order + 1) in 80 bits."""
        x = self.layout.numbers(ordinals).astype(Number)
        with np.errstate(all="ignore"):
            jet = self._jet(EXTENDED, x, self._extended_params)
        return jet[self.order], jet[self.order + 1]

    @cached_property
    def ordinals(self) -> Array:
        """The inputs in ascending order, each once, without kinks and what lies outside the domain."""
        rng = np.random.default_rng((self.seed, self.order, self.layout.width))
        layout = self.layout
        low, high = layout.ordinal(2.0**-12), layout.ordinal(2.0**10)
        drawn = self.count * 13 // 10  # some are drawn twice, some are no inputs
        wide = rng.integers(0, layout.top, drawn * 4 // 10, endpoint=True)
        usual = rng.integers(low, high, drawn * 3 // 10)
        some = np.concatenate([wide, usual]) * rng.choice([-1, 1], wide.size + usual.size)
        edges = self._edges(np.unique(some))
        rest = drawn - some.size
        reach = layout.precision - 7  # up to a 64th of a binade away
        near = np.exp2(rng.uniform(0, reach, rest)).astype(np.int64) * rng.choice([-1, 1], rest)
        near += edges[rng.integers(0, edges.size, rest)] if edges.size else rng.integers(low, high, rest)
        found = np.unique(np.clip(np.concatenate([some, near]), -layout.top, layout.top))
        found = found[self._due(found)]
        return found if found.size <= self.count else np.sort(rng.choice(found, self.count, replace=False))

    def _due(self, ordinals: Array) -> Array:
        x = self.layout.numbers(ordinals)
        due = np.ones(x.size, bool)
        for kink in self.kinks:
            due &= x != float(kink)
        return due & (x > -1) if self.name == "log1p" else due

    def _edges(self, ordinals: Array) -> Array:
        """The ordinals beside which the class of the result changes, by bisection, and the kinks."""
        ordinals = ordinals[self._due(ordinals)]
        left, right = ordinals[:-1], ordinals[1:]
        kinds = self._kinds(ordinals)
        change = np.flatnonzero(kinds[:-1] != kinds[1:])
        left, right, start = left[change], right[change], kinds[:-1][change]
        while left.size and (right - left > 1).any():
            middle = left + (right - left) // 2
            same = self._kinds(middle) == start
            left, right = np.where(same, middle, left), np.where(same, right, middle)
        kinks = np.array([self.layout.ordinal(float(k)) for k in self.kinks], np.int64)
        return np.unique(np.concatenate([left, kinks]))[:4096]

    def _kinds(self, ordinals: Array) -> Array:
        y, slope = self.estimated(ordinals)
        layout, size = self.layout, np.abs(y)
        tiny = np.ldexp(Number(1), layout.least)
        steps = (tiny * 2.0**-layout.precision, tiny, np.ldexp(Number(1), layout.greatest))
        kinds = sum((size >= step).astype(np.int64) for step in steps)
        for n, constant in enumerate((1, 2)):
            kinds = kinds + (4 << n) * (np.abs(size - constant) < 2.0 ** -(layout.precision + 1))
        steep = np.abs(slope) < tiny
        return kinds + 16 * np.sign(y).astype(np.int64) + 64 * steep

    @cached_property
    def numbers(self) -> Array:
        """The inputs."""
        return self.layout.numbers(self.ordinals)

    @cached_property
    def due(self) -> tuple[Array, Array, Array, Array]:
        """f^(order), the size of f^(order + 1) and q(y) + |f^(order + 1)| q(x), in 80 bits; where infinity is due."""
        y, slope = self.estimated(self.ordinals)
        with np.errstate(all="ignore"):
            # Which of two quanta is right beside a power of 2 these 64 bits cannot tell: the smaller one, for safety.
            below = y * (1 - Number(2) ** -58)
            unit = self.layout.quantum(below) + np.abs(slope) * self.layout.quantum(self.numbers.astype(Number))
        limit = Number(self.layout.overflow.numerator)
        return y, np.abs(slope), unit, np.abs(y) >= limit

    def exact(self, row: int) -> Any:
        """f^(order) at one input by mpmath, at a precision at which another of 100 bits more says the same."""
        x, precision = float(self.numbers[row]), 200
        while True:
            values = []
            for bits in (precision, precision + 100):
                mpmath.mp.prec = bits
                params = {k: PRECISE.real(v) for k, v in self.params.items()}
                values.append(self._jet(PRECISE, mpmath.mpf(x), params)[self.order])
            a, b = values
            if abs(a - b) <= abs(b) * mpmath.mpf(2) ** -150 or max(abs(a), abs(b)) < OUT_OF_SIGHT:
                return b
            precision *= 2
            if precision > 20_000:
                raise ArithmeticError(f"{self.name}, order {self.order}: no agreement at {x!r}")

    @cached_property
    def sample(self) -> Array:
        """The rows about which mpmath is asked whatever the estimate says."""
        return np.unique(np.linspace(0, self.ordinals.size - 1, min(self.asked, self.ordinals.size)).astype(int))

    @cached_property
    def answers(self) -> dict[int, Any]:
        """What mpmath said, by row; it grows."""
        return {int(row): self.exact(int(row)) for row in self.sample}

    def errors(self, got: Array, flushes: bool, zeros: bool) -> Array:
        """m over the bound of every result, by the estimate: inf for a result of another class."""
        y, _, unit, infinite = self.due
        tiny = np.ldexp(Number(1), self.layout.least)
        with np.errstate(all="ignore"):
            m = np.abs(got.astype(Number) - y) / unit / BOUNDS[self.order]
        wrong = np.where(infinite, got != np.copysign(np.inf, y), ~np.isfinite(got))
        m = np.where(wrong, np.inf, np.where(infinite, 0, m))
        excused = np.zeros(m.size, bool)
        if flushes:
            excused |= (got == 0) & (np.abs(y) < tiny)
        if zeros:
            excused |= np.abs(self.numbers) < float(tiny)
        return np.where(excused, 0, m)

    def verdict(self, row: int, got: float) -> float:
        """m over the bound of one result, by mpmath."""
        if row not in self.answers:
            self.answers[row] = self.exact(row)
        mpmath.mp.prec = 300
        y = self.answers[row]
        limit = mpmath.mpf(self.layout.overflow.numerator)
        if abs(y) >= limit:
            return 0.0 if got == (np.inf if y > 0 else -np.inf) else float("inf")
        if not np.isfinite(got):
            return float("inf")
        fraction, exponent = np.frexp(self.due[1][row])  # a float64 may not hold it
        steep = mpmath.ldexp(mpmath.mpf(float(fraction)), int(exponent))
        unit = self.layout.exact_quantum(y) + steep * self.layout.exact_quantum(mpmath.mpf(float(self.numbers[row])))
        return float(abs(mpmath.mpf(got) - y) / unit / BOUNDS[self.order])


@dataclass(frozen=True)
class Outcome:
    """Of one cell: its worst m in bounds with the input, and by how much mpmath's word exceeds the estimate at most."""

    worst: float
    bits: str
    x: float
    got: float
    over: int
    """Inputs that the estimate finds over the bound."""
    inputs: int
    asked: int
    missed: float


def judged(question: Question, got: Array, flushes: bool, zeros: bool, gravest: int) -> Outcome:
    """The verdict on one cell's results."""
    errors = question.errors(got, flushes, zeros)
    order = np.argsort(-np.where(np.isnan(errors), np.inf, errors), kind="stable")
    doubtful = order[: max(gravest, 1)]
    doubtful = doubtful[(errors[doubtful] > TRUSTED) | (np.arange(doubtful.size) < 16)]
    worst, at, missed = 0.0, int(order[0]), 0.0
    tiny = mpmath.mpf(2) ** question.layout.least
    rows = np.unique(np.concatenate([doubtful, question.sample]))
    for row in map(int, rows):
        if errors[row] == 0 and (flushes or zeros):  # what flushing excuses
            continue
        m = question.verdict(row, float(got[row]))
        if np.isfinite(m) and m < 2:
            missed = max(missed, m - float(errors[row]))
        if flushes and got[row] == 0 and abs(question.answers[row]) < tiny:
            continue
        if m > worst:
            worst, at = m, row
    bits = int(question.layout.patterns(question.ordinals[at : at + 1])[0])
    where = f"{bits:#0{question.layout.width // 4 + 2}x}"
    over = int((errors > 1).sum())
    return Outcome(worst, where, float(question.numbers[at]), float(got[at]), over, got.size, rows.size, missed)


def passes(results: dict[str, Any], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The cells to audit."""
    for cell in results["cells"]:
        if cell["property"] != "accuracy" or cell["status"] != "pass" or cell["format"] not in LAYOUTS:
            continue
        backend = f"{cell['backend']}:{cell['device']}"
        if options.function and cell["function"] not in options.function:
            continue
        if options.backend and backend not in options.backend:
            continue
        yield cell


def results_of(cell: dict[str, Any], question: Question) -> tuple[Array, bool, bool]:
    """What the implementation returns, and whether its backend flushes results and zeroes inputs."""
    backend = get_backend(f"{cell['backend']}:{cell['device']}")
    own = next(
        i for i in backend.catalogue()
        if i.name == cell["implementation"] and i.specification.name == cell["function"]
        and {k: str(v) for k, v in i.specification.params.items()} == {k: str(v) for k, v in cell["params"].items()}
    )  # fmt: skip
    fmt = get_format(cell["format"])
    call = Call(order=cell["order"], mode=cell["mode"], path=backend.paths(own)[0])
    patterns = question.layout.patterns(question.ordinals)
    whole = np.concatenate([patterns, np.repeat(patterns[-1:], question.count - patterns.size)])
    got = backend.evaluate(own, whole, fmt, call)[: patterns.size].view(question.layout.kind)
    traits = backend.traits(fmt)
    return got, traits.flushes_results, traits.zeros_inputs


def told(name: str, worst: list[float]) -> str:
    """What came out for one function's cells."""
    return f"{name}: {len(worst)} passes, at worst {max(worst):.3g} times the bound"


def main() -> int:
    """Print what each function comes to, and the cells over the contract."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("--function", action="append", default=[])
    parser.add_argument("--backend", action="append", default=[])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--exact", type=int, default=1_000)
    parser.add_argument("--gravest", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # float32 and 80-bit numbers overflow on purpose
    results = json.loads(Path(options.results).read_text("utf-8"))
    if results.get("schema") != SCHEMA:
        parser.error(f"expected a results file of schema {SCHEMA}, got {results.get('schema')!r}")
    groups: dict[tuple[str, str, str, int], list[dict[str, Any]]] = defaultdict(list)
    for cell in passes(results, options):
        key = cell["function"], json.dumps(cell["params"], sort_keys=True), cell["format"], cell["order"]
        groups[key].append(cell)
    left = sorted({name for name, *_ in groups if name not in FUNCTIONS})
    seen = over = inputs = asked = 0
    missed, started = 0.0, time.process_time()
    names = list(dict.fromkeys(name for name, *_ in groups))
    worst: dict[str, list[float]] = defaultdict(list)
    for (name, params, fmt, order), cells in sorted(groups.items(), key=lambda group: names.index(group[0][0])):
        if name not in FUNCTIONS:
            continue
        if name not in worst and worst:
            print(told(*list(worst.items())[-1]), flush=True)
        exact = {k: Fraction(v) for k, v in json.loads(params).items()}
        question = Question(name, exact, LAYOUTS[fmt], order, options.inputs, options.exact, options.seed)
        for cell in cells:
            where = " ".join(str(cell[k]) for k in ("function", "params", "backend", "mode", "format", "order"))
            try:
                outcome = judged(question, *results_of(cell, question), options.gravest)
            except GradproofError as error:
                print(f"{where}: not audited: {error}", flush=True)
                continue
            seen, inputs, asked = seen + 1, inputs + outcome.inputs, asked + outcome.asked
            missed = max(missed, outcome.missed)
            worst[name].append(outcome.worst)
            if outcome.missed > AGREEMENT:
                print(f"{where}: mpmath's word exceeds the estimate by {outcome.missed:.3g} bounds", flush=True)
            if outcome.worst > 1 or outcome.missed > AGREEMENT:
                over += 1
                at = f"{outcome.bits} = {outcome.x!r}, got {outcome.got!r}"
                many = f"{outcome.over} of {outcome.inputs} inputs over it"
                print(f"{where}: {outcome.worst:.4g} times the bound at {at}; {many}", flush=True)
    if worst:
        print(told(*list(worst.items())[-1]))
    print(f"{seen} passes audited on {inputs} inputs, {asked} of them by mpmath: {over} over the contract")
    print(
        f"mpmath's word exceeds the estimate by {missed:.2g} bounds at most; {time.process_time() - started:.0f} CPU s"
    )
    print(f"not written out here: {', '.join(left) or 'none'}")
    return min(over, 100)


if __name__ == "__main__":
    sys.exit(main())
