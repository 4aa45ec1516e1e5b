"""The worst error of a formula over all inputs of a 16-bit format, proven; of a wider one over a sample, at least.

At each input the formula may give anything between two ends. The error |g - y| is a convex function of g, so the larger
error of the two ends bounds that of every result between them. Where a NaN may come and none is due it is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.formulas.formula import Formula, Mask, evaluate
from gradproof.formulas.rounded import Subnormals
from gradproof.functions import Function
from gradproof.functions.function import Exact
from gradproof.measure.contracts import STABLE, Contract
from gradproof.measure.judge import judge
from gradproof.oracle import Oracle, Reference
from gradproof.strategies import landmark_bits, stratified

SAMPLE: Final = 1 << 14
"""Inputs of a sample, one in each equal stretch of ordinals; landmarks and ordinary numbers come on top."""
SEED: Final = 0
ORDINARY: Final = 8
"""log2 of the magnitudes that get as many inputs again: 2^-8 to 2^8, where most inputs of a network lie."""

KEPT: Final = 8
"""Pairs of a function and a format whose references stay in memory, some 7 MB each."""

Evidence = Literal["proven", "sampled"]
Interval = tuple[int, int]


@dataclass(frozen=True)
class WorstError:
    """The largest error of one formula in one format, in units of the contract (1 is its bound).

    ``bits`` is the input it is reached at. ``evidence``: ``proven`` where all inputs were tried, so that no correct
    implementation of the formula does worse; ``sampled`` where the true worst is at least this. ``keeps`` are the
    longest runs of inputs at which the formula keeps the contract whatever its roundings, as pairs of bit patterns in
    increasing order of the numbers; of a sample, between inputs tried.
    """

    formula: Formula
    format: Format
    error: float
    bits: int
    evidence: Evidence
    inputs: int
    broken: int
    """Inputs, of those tried, at which some result may break the contract."""
    keeps: tuple[Interval, ...]

    @property
    def keeps_contract(self) -> bool:
        """Whether no input tried may break the contract."""
        return self.error <= 1.0


def worst_error(
    formula: Formula,
    fmt: Format,
    params: Mapping[str, Exact] | None = None,
    contract: Contract = STABLE,
    subnormals: Subnormals = "kept",
) -> WorstError:
    """How badly a correct implementation of ``formula`` can do in ``fmt`` under a contract of metric u or m."""
    function = formula.specification(params)
    bits, references = _reference(function, fmt)
    error = errors(formula, bits, fmt, references[formula.order], params, contract, subnormals)
    worst = int(np.argmax(error))
    return WorstError(
        formula,
        fmt,
        float(error[worst]),
        int(bits[worst]),
        "proven" if fmt.is_16_bit else "sampled",
        bits.size,
        int(np.count_nonzero(error > 1.0)),
        _runs(bits, error <= 1.0),
    )


def errors(
    formula: Formula,
    bits: Bits,
    fmt: Format,
    reference: Reference,
    params: Mapping[str, Exact] | None = None,
    contract: Contract = STABLE,
    subnormals: Subnormals = "kept",
) -> Floats:
    """The largest error that the formula may have at each of ``bits``, in units of the contract, shape (n,).

    0 where nothing is judged (a convention, or an undecided value).
    """
    found = evaluate(formula, bits, fmt, params, subnormals)
    ends = (found.low, found.high) if np.any(found.low != found.high) else (found.low,)
    judged = [judge(bits, fa.round_values(end, fmt), reference, fmt, formula.order, contract, 1.0) for end in ends]
    with np.errstate(invalid="ignore"):
        error = np.nan_to_num(np.maximum.reduce([j.magnitude for j in judged]), nan=0.0, posinf=math.inf)
    due = fa.is_nan(reference.rounded, fmt)
    flagged = found.nan & judged[0].judged & ~due
    largest: Floats = np.where(flagged, math.inf, error)
    return largest


def sample(function: Function, fmt: Format) -> Bits:
    """The inputs that stand for a format, sorted by value: all but the NaNs of 16 bits, a fixed sample of more."""
    if fmt.is_16_bit:
        bits = fa.all_bits(fmt)
    else:
        rng = np.random.default_rng([SEED, fmt.width])
        size = np.exp2(rng.uniform(-ORDINARY, ORDINARY, SAMPLE)) * rng.choice([-1.0, 1.0], SAMPLE)
        parts = [stratified(fmt, SAMPLE, SEED), landmark_bits(function, fmt), fa.round_values(size, fmt)]
        bits = np.unique(np.concatenate(parts))
    bits = bits[~fa.is_nan(bits, fmt)]
    order = np.lexsort((~fa.signs(bits, fmt), fa.ordinals(bits, fmt)))
    ordered: Bits = bits[order]
    return ordered


_kept: dict[tuple[str, str], tuple[Bits, list[Reference]]] = {}


def _reference(function: Function, fmt: Format) -> tuple[Bits, list[Reference]]:
    """Inputs and their references of orders 0 to 2; the last few stay in memory for the formulas that follow."""
    key = function.identity, fmt.name
    if key not in _kept:
        while len(_kept) >= KEPT:
            del _kept[next(iter(_kept))]
        bits = sample(function, fmt)
        _kept[key] = bits, Oracle(function).references(bits, fmt)
    return _kept[key]


def _runs(bits: Bits, kept: Mask) -> tuple[Interval, ...]:
    """The runs of inputs, in order, where ``kept``; the longest first."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2] - 1
    longest = np.argsort(starts - ends, kind="stable")
    return tuple((int(bits[starts[i]]), int(bits[ends[i]])) for i in longest)
