"""What computes the results that fail: a formula of the library, or another function; and a formula that would do.

Each is a tested statement. A formula explains where the interval of what it may give, in the format's own arithmetic,
encloses the result; another function where its exact value is met within the contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np

from gradproof.engine.ledger.explained import subnormals
from gradproof.engine.subject.oracles import oracle_of
from gradproof.engine.subject.probe import Probe
from gradproof.errors import GradproofError, Unsupported, UsageError
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.formulas.formula import Formula, evaluate
from gradproof.formulas.registry import formulas_of
from gradproof.formulas.worst import worst_error
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.measure import judge
from gradproof.measure.conversion import faults
from gradproof.results.model import Advice, Explanation

MOST: Final = 4096
MOST_OF_FRAMEWORK: Final = 1024
"""Failing inputs that are compared, of a user's function and of a framework's own; more are thinned out evenly."""
FEW: Final = 64
"""Of these at most so many are compared with other functions and their formulas first."""
ENOUGH: Final = 0.95
"""Share of the failing results that an explanation must hold."""
FEWEST: Final = 8
"""Failing inputs that it takes to say that another function was computed."""


def explanations(
    probe: Probe,
    order: int,
    bits: Bits,
    got: Bits,
    *,
    ordinary: bool,
    suspect: str | None = None,
    listed: Sequence[Formula] = (),
) -> list[Explanation]:
    """What gives ``got`` at ``bits``, where f^(order) fails: the narrowest first, empty where nothing known does.

    ``ordinary``: inputs of the bulk or the tail, at which a user's results are compared with the other catalogued
    functions and their formulas too, first of all with their exact values. ``suspect`` names a function that other
    results of the implementation were found to be. ``listed`` are the formulas of known deviations: where there are
    some no others are tried.
    """
    if probe.target is not None:
        return _second_rounding(probe, bits, got)
    if not _catalogued(probe.function):
        return []
    bits, got = _thinned(MOST if probe.implementation.user else MOST_OF_FRAMEWORK, bits, got)
    tried = ordinary and probe.implementation.user and bits.size >= FEWEST and _vary(probe, got)
    if tried and (other := _other_function(probe, order, *_thinned(FEW, bits, got))) is not None:
        return [other]
    if suspect in _names() and (other := _as_other(probe, order, bits, got, get_function(suspect))) is not None:
        return [other]
    formulas = [f for f in listed if f.order == order and f.applies_to(probe.format)]
    formulas = formulas or list(_formulas(probe.function, order, probe.format))
    own = _enclosing(probe, order, bits, got, formulas, probe.function.params)
    found = [Explanation(f.id, f.text, share) for f, share in own]
    return found or (_other_formulas(probe, order, bits, got) if tried else [])


def _second_rounding(probe: Probe, bits: Bits, got: Bits) -> list[Explanation]:
    """That a conversion rounds twice, where a format between the two gives its results."""
    assert probe.target is not None
    found, between = faults(bits, got, probe.format, probe.target)
    share = float(np.mean(found == "twice"))
    return [Explanation(f"through/{between}", f"it rounds to {between} first", share)] if share >= ENOUGH else []


def _thinned(most: int, *arrays: Bits) -> tuple[Bits, ...]:
    size = arrays[0].size
    chosen = np.unique(np.linspace(0, size - 1, min(size, most)).astype(np.int64))
    return tuple(a[chosen] for a in arrays)


def _vary(probe: Probe, got: Bits) -> bool:
    """Whether results are told apart at all: that most are 0, or one number, speaks for no function."""
    values = fa.values(got, probe.format)
    others = values[np.isfinite(values) & (values != 0)]
    return others.size >= got.size / 2 and np.unique(others).size >= FEWEST


def _enclosing(
    probe: Probe, order: int, bits: Bits, got: Bits, formulas: Iterable[Formula], params: Mapping[str, Any]
) -> list[tuple[Formula, float]]:
    """The formulas that enclose enough, with their shares; among like shares the narrowest first."""
    fmt, values = probe.format, fa.values(got, probe.format)
    flushing = subnormals(probe)
    found: list[tuple[float, float, Formula]] = []
    for formula in formulas:
        try:
            possible = evaluate(formula, bits, fmt, params, flushing)
        except GradproofError:
            continue
        share = float(np.mean(possible.holds(values)))
        if share < ENOUGH:
            continue
        with np.errstate(all="ignore"):
            width = np.nan_to_num((possible.high - possible.low) / np.abs(possible.high), nan=0.0, posinf=2.0)
        found.append((-round(share, 2), float(np.mean(np.clip(width, 0.0, 2.0))), formula))
    shares = sorted(found, key=lambda row: row[:2])
    return [(formula, -share) for share, _, formula in shares]


def _other_function(probe: Probe, order: int, bits: Bits, got: Bits) -> Explanation | None:
    """The catalogued function whose exact values these are, within the contract, if there is one."""
    fmt = probe.format
    for other in _others(probe.function):
        try:
            reference = oracle_of(other).references(bits, fmt)[order]
        except (Unsupported, UsageError):
            continue
        judged = judge(bits, got, reference, fmt, order, probe.contract, 1.0)
        share = float(np.mean(judged.judged & ~judged.failing))
        if share >= ENOUGH:
            return Explanation(other.name, f"it computes {other.label}", round(share, 6))
    return None


def _as_other(probe: Probe, order: int, bits: Bits, got: Bits, other: Function) -> Explanation | None:
    """Another function, where one of its formulas encloses the results."""
    few, results = _thinned(FEW, bits, got)
    formulas = _formulas(other, order, probe.format)
    likely = [f for f, _ in _enclosing(probe, order, few, results, formulas, other.params)]
    for formula, share in _enclosing(probe, order, bits, got, likely, other.params):
        return Explanation(other.name, f"it computes {other.label} as {formula.text}", share)
    return None


def _other_formulas(probe: Probe, order: int, bits: Bits, got: Bits) -> list[Explanation]:
    """The other catalogued functions of which a formula encloses the results."""
    told = (_as_other(probe, order, bits, got, other) for other in _others(probe.function))
    first = next(filter(None, told), None)
    return [] if first is None else [first]


def _names() -> frozenset[str]:
    return frozenset(f.name for f in CATALOGUE)


def _others(function: Function) -> list[Function]:
    return [f for f in CATALOGUE if f.name != function.name and f.rounds_to is None]


def advice(probe: Probe, order: int) -> Advice | None:
    """The formula of f^(order) with the least worst error that keeps the contract in the format; None without one."""
    if not _catalogued(probe.function):
        return None
    params = tuple(sorted(probe.function.params.items()))
    return _best(probe.function.name, params, order, probe.format.name)


@lru_cache(maxsize=256)
def _best(name: str, params: tuple[tuple[str, object], ...], order: int, format_name: str) -> Advice | None:
    fmt, given = get_format(format_name), dict(params)
    function = get_function(name, given)  # type: ignore[arg-type]
    worst = [worst_error(f, fmt, given) for f in _formulas(function, order, fmt)]  # type: ignore[arg-type]
    kept = [w for w in worst if w.keeps_contract]
    if not kept:
        return None
    least = min(kept, key=lambda w: w.error)
    return Advice(f"{least.formula.text} [{least.formula.id}]", float(f"{least.error:.4g}"))


def _formulas(function: Function, order: int, fmt: Format) -> Iterable[Formula]:
    return [f for f in formulas_of(function.name, (order,)) if f.applies_to(fmt)]


def _catalogued(function: Function) -> bool:
    """Whether a function is the library's own of that name."""
    try:
        return get_function(function.name, function.params).identity == function.identity
    except GradproofError:
        return False
