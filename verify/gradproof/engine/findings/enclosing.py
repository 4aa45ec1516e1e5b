"""Formulas that may give the results that fail, and give those that are right, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from gradproof.engine.findings.results_at import FEWEST, FailingResults, Neighbours
from gradproof.engine.ledger.explained import subnormals
from gradproof.engine.subject.probe import Probe
from gradproof.errors import GradproofError
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.formulas.formula import Formula, evaluate
from gradproof.formulas.registry import formulas_of
from gradproof.formulas.rounded import Subnormals
from gradproof.functions import Function

ENOUGH: Final = 0.95
"""Share of the failing results that an explanation must hold."""
GIVEN: Final = 0.9
"""Share of the results that keep the contract that it must be able to give."""
BESIDE: Final = 65
"""Inputs tried beside each end of the failing ones."""
TO_THE_BIT: Final = 0.05
"""Share of the right results there that a formula must give to the last bit."""
AS_OFTEN: Final = 1 / 3
"""How often it must be right there, as a share of how often the implementation is."""


def enclosing(
    probe: Probe,
    order: int,
    bits: Bits,
    got: Bits,
    formulas: Iterable[Formula],
    params: Mapping[str, Any],
    right: FailingResults | None = None,
) -> list[tuple[Formula, float]]:
    """The formulas that enclose enough, with their shares, the likeliest first.

    Among like shares those that give most results with elementary functions rounded correctly, then the narrowest.
    Of ``right`` results a formula must be able to give most.
    """
    fmt, values = probe.format, fa.values(got, probe.format)
    flushing = subnormals(probe)
    found: list[tuple[float, float, float, Formula]] = []
    for formula in formulas:
        try:
            possible = evaluate(formula, bits, fmt, params, flushing)
            share = float(np.mean(possible.holds(values)))
            if share < ENOUGH or not _gives(formula, right, fmt, params, flushing):
                continue
            exact = 0.0 if right is None else _met_exactly(formula, bits, values, fmt, params)
        except GradproofError:
            continue
        with np.errstate(all="ignore"):
            width = np.nan_to_num((possible.high - possible.low) / np.abs(possible.high), nan=0.0, posinf=2.0)
        found.append((-round(share, 2), -round(exact, 1), float(np.mean(np.clip(width, 0.0, 2.0))), formula))
    shares = sorted(found, key=lambda row: row[:3])
    return [(formula, -share) for share, _, _, formula in shares]


def _gives(
    formula: Formula, right: FailingResults | None, fmt: Format, params: Mapping[str, Any], flushing: Subnormals
) -> bool:
    """Whether a formula may give most of the results that are right."""
    if right is None or not right.bits.size:
        return True
    possible = evaluate(formula, right.bits, fmt, params, flushing)
    return float(np.mean(possible.holds(fa.values(right.got, fmt)))) >= GIVEN


def _met_exactly(formula: Formula, bits: Bits, values: Floats, fmt: Format, params: Mapping[str, Any]) -> float:
    """The share of results that the formula gives where each of its operations is correctly rounded."""
    possible = evaluate(formula, bits, fmt, params, ideal=True)
    return float(np.mean(possible.holds(values)))


def inputs_beside(bits: Bits, fmt: Format) -> Bits:
    """Inputs up to twice and down to half of where failing ones end, on either side of 0."""
    x = fa.values(bits, fmt)
    x = x[np.isfinite(x) & (x != 0)]
    ends = [end for side in (x[x < 0], x[x > 0]) if side.size for end in (side.min(), side.max())]
    with np.errstate(over="ignore"):  # beside the greatest number
        near = np.outer(ends, np.exp2(np.linspace(-1, 1, BESIDE))).ravel()
    return np.unique(fa.round_values(near, fmt))


def agrees(probe: Probe, formula: Formula, beside: Neighbours) -> bool:
    """Whether a formula, correctly rounded, gives some of the right results beside the failing ones to the last bit."""
    values, first = np.unique(fa.values(beside.got[beside.right], probe.format), return_index=True)
    telling = (values != 0) & np.isfinite(values)  # where all has saturated any formula gives the same
    if telling.sum() < FEWEST:
        return True
    bits = beside.bits[beside.right][first[telling]]
    return _met_exactly(formula, bits, values[telling], probe.format, probe.function.params) >= TO_THE_BIT


def as_often(probe: Probe, order: int, formula: Formula, beside: Neighbours) -> bool:
    """Whether a formula is right beside the failing inputs about as often as the implementation is.

    Where its digits cancel it may give much, and so encloses what is right; but that is not what it gives mostly.
    """
    values, first = np.unique(probe.references(beside.bits)[order].values, return_index=True)
    telling = first[(values != 0) & np.isfinite(values)]
    right = int(beside.right[telling].sum())
    if right < FEWEST:
        return True
    return float(_chances(probe, order, formula, beside.bits[telling]).sum()) >= AS_OFTEN * right


def _chances(probe: Probe, order: int, formula: Formula, bits: Bits) -> Floats:
    """The share of what a formula may give, its elementary functions correctly rounded, that keeps the contract."""
    fmt, reference = probe.format, probe.references(bits)[order]
    possible = evaluate(formula, bits, fmt, probe.function.params, subnormals(probe), ideal=True)
    with np.errstate(all="ignore"):
        ends = [(end, probe.judge(bits, fa.round_values(end, fmt), order)) for end in (possible.low, possible.high)]
        low, high = (np.where(end < reference.values, -judged.magnitude, judged.magnitude) for end, judged in ends)
        share = (np.minimum(high, 1.0) - np.maximum(low, -1.0)) / (high - low)
    one = possible.low == possible.high
    chances: Floats = np.where(one, ~ends[0][1].failing, np.nan_to_num(np.clip(share, 0.0, 1.0), nan=0.0))
    return chances


def known_formulas(function: Function, order: int, fmt: Format) -> list[Formula]:
    """The formulas of the library that write f^(order) in a format."""
    return [f for f in formulas_of(function.name, (order,)) if f.applies_to(fmt)]
