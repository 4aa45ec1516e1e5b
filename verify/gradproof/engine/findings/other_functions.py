"""Whether what fails is another function of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from gradproof.engine.findings.enclosing import ENOUGH, enclosing, known_formulas
from gradproof.engine.findings.results_at import FEWEST, LARGE_PART, MOST, FailingResults, thinned, vary
from gradproof.engine.subject.oracles import oracle_of
from gradproof.engine.subject.probe import Probe
from gradproof.errors import GradproofError, Unsupported, UsageError
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.measure import judge
from gradproof.results.formatting import ORDINARY
from gradproof.results.model import Explanation

FEW: Final = 64
"""Of the failing inputs at most so many are compared with other functions and their formulas first."""
PER_BINADE: Final = 32
"""Inputs of each sign in a binade of ordinary sizes at which two functions are told apart."""


def suspects(probe: Probe, order: int, clusters: Sequence[FailingResults]) -> list[Function]:
    """The other functions whose exact values some of the results are, or those of f at these inputs."""
    ordinary = [c for c in clusters if c.ordinary and c.bits.size >= FEWEST]
    few = [thinned(FEW, c.bits, c.got) for c in ordinary if vary(probe, c.got)]
    found = [_other_function(probe, order, bits, got) for bits, got in few]
    if order and not any(found):
        for asked in ordinary:
            (bits,) = thinned(FEW, asked.bits)
            try:
                values = probe.evaluate(bits, 0)
            except GradproofError:
                continue
            if vary(probe, values) and probe.judge(bits, values, 0).failing.mean() >= LARGE_PART:
                other = _other_function(probe, 0, bits, values)
                found.append(other if other is not None and _is_other(probe, order, other) else None)
    return list({f.name: f for f in found if f is not None}.values())


def _other_function(probe: Probe, order: int, bits: Bits, got: Bits) -> Function | None:
    """The catalogued function whose exact values these are, within the contract, and all that differ from f's."""
    others = (f for f in _others(probe.function) if _exactly(probe, order, bits, got, f))
    return next((f for f in others if _is_other(probe, order, f)), None)


def _is_other(probe: Probe, order: int, other: Function) -> bool:
    """Whether the results are another function's at the ordinary inputs where it is told from f.

    That is where the true values differ by more than the contract. Far out many functions are x, 0 or 1, and what is
    wrong there may be like any of them; where nothing tells the two apart the other one is not what is computed.
    """
    bits = _ordinary(probe)
    try:
        theirs = oracle_of(other).references(bits, probe.format)[order]
    except (Unsupported, UsageError):
        return False
    bits = bits[probe.judge(bits, theirs.rounded, order).failing]
    if bits.size < FEWEST:
        return False
    try:
        got = probe.evaluate(bits, order)
    except GradproofError:
        return False
    return computes(probe, order, bits, got, other) is not None


def _ordinary(probe: Probe) -> Bits:
    """Inputs of ordinary sizes, as many in each binade; of results at some inputs those that there are."""
    fmt = probe.format
    if probe.given is not None:
        sizes = np.abs(fa.values(probe.given, fmt))
        (some,) = thinned(MOST, probe.given[(sizes >= ORDINARY[0]) & (sizes <= ORDINARY[1])])
        return some
    least, greatest = np.log2(ORDINARY)
    steps = np.exp2(np.linspace(least, greatest, int((greatest - least) * PER_BINADE) + 1))
    return np.unique(fa.round_values(np.concatenate([-steps, steps]), fmt))


def computes(probe: Probe, order: int, bits: Bits, got: Bits, other: Function) -> Explanation | None:
    """That the results are another function's: its exact values, or what one of its formulas may give."""
    return _exactly(probe, order, bits, got, other) or _as_other(probe, order, bits, got, other)


def _exactly(probe: Probe, order: int, bits: Bits, got: Bits, other: Function) -> Explanation | None:
    """Another function, where its exact values are met within the contract."""
    try:
        reference = oracle_of(other).references(bits, probe.format)[order]
    except (Unsupported, UsageError):
        return None
    judged = judge(bits, got, reference, probe.format, order, probe.contract, 1.0)
    share = float(np.mean(judged.judged & ~judged.failing))
    return Explanation(other.name, f"it computes {other.label}", round(share, 6)) if share >= ENOUGH else None


def _as_other(probe: Probe, order: int, bits: Bits, got: Bits, other: Function) -> Explanation | None:
    """Another function, where one of its formulas encloses the results."""
    few, results = thinned(FEW, bits, got)
    formulas = known_formulas(other, order, probe.format)
    likely = [f for f, _ in enclosing(probe, order, few, results, formulas, other.params)]
    for formula, share in enclosing(probe, order, bits, got, likely, other.params):
        return Explanation(other.name, f"it computes {other.label} as {formula.text}", share)
    return None


def other_formulas(probe: Probe, order: int, bits: Bits, got: Bits) -> list[Explanation]:
    """The other catalogued functions of which a formula encloses the results."""
    told = ((other, _as_other(probe, order, bits, got, other)) for other in _others(probe.function))
    first = next((why for other, why in told if why is not None and _is_other(probe, order, other)), None)
    return [] if first is None else [first]


def _others(function: Function) -> list[Function]:
    """The other catalogued functions, with the parameters that they share with ``function`` as it has them first."""
    others = [f for f in CATALOGUE if f.name != function.name and f.rounds_to is None]
    alike = [
        get_function(f.name, function.params)
        for f in others
        if f.params and set(f.params) == set(function.params) and dict(f.params) != dict(function.params)
    ]
    defaults = [f for f in CATALOGUE if f.name == function.name and dict(f.params) != dict(function.params)]
    return [*alike, *others, *defaults]


def is_catalogued(function: Function) -> bool:
    """Whether a function is the library's own of that name."""
    try:
        return get_function(function.name, function.params).identity == function.identity
    except GradproofError:
        return False
