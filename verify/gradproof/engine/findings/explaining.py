"""What computes the results that fail: a formula of the library, or another function; and a formula that would do.

Each is a tested statement. A formula explains where the interval of what it may give, in the format's own arithmetic,
encloses the result; another function where its exact value is met within the contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.engine.ledger.explained import subnormals
from gradproof.engine.subject.oracles import oracle_of
from gradproof.engine.subject.probe import Probe
from gradproof.errors import GradproofError, Unsupported, UsageError
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.formulas.formula import Formula, evaluate
from gradproof.formulas.registry import formulas_of
from gradproof.formulas.rounded import Subnormals
from gradproof.formulas.worst import worst_error
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.measure import judge
from gradproof.measure.conversion import faults
from gradproof.results.formatting import ORDINARY
from gradproof.results.model import Advice, Explanation

MOST: Final = 4096
MOST_OF_FRAMEWORK: Final = 1024
"""Failing inputs that are compared, of a user's function and of a framework's own; more are thinned out evenly."""
FEW: Final = 64
"""Of these at most so many are compared with other functions and their formulas first."""
ENOUGH: Final = 0.95
"""Share of the failing results that an explanation must hold."""
FEWEST: Final = 8
"""Failing inputs that it takes to say that another function, or in another format, was computed."""
MOST_RIGHT: Final = 512
"""FailingResults that keep the contract, compared with what a formula may give."""
GIVEN: Final = 0.9
"""Share of these that it must be able to give."""
LARGE_PART: Final = 0.5
"""Share of f's own results that must be wrong to ask which other function they are."""
NARROWER: Final = ("bfloat16", "float16", "float32")
"""Formats that a computation may have gone through, the narrowest significand first."""
COMPUTE: Final = "float32"
"""The format that 16-bit formats compute in."""
Mask = npt.NDArray[np.bool_]

IN: Final = "in/"
"""How the id of a format begins."""
BESIDE: Final = 65
"""Inputs tried beside each end of the failing ones."""
TO_THE_BIT: Final = 0.05
"""Share of the right results there that a formula must give to the last bit."""
AS_OFTEN: Final = 1 / 3
"""How often it must be right there, as a share of how often the implementation is."""
PER_BINADE: Final = 32
"""Inputs of each sign in a binade of ordinary sizes at which two functions are told apart."""
IN_NARROWER: Final = 4.0
"""Quanta of a narrower format that its results may be off."""


@dataclass(frozen=True)
class FailingResults:
    """Failing inputs of one cluster and what came out; ``ordinary``: of the bulk or the tail."""

    bits: Bits
    got: Bits
    ordinary: bool


@dataclass(frozen=True)
class Neighbours:
    """Inputs beside the failing ones, what came out, and whether it keeps the contract."""

    bits: Bits
    got: Bits
    right: Mask


def explanations(
    probe: Probe, order: int, clusters: Sequence[FailingResults], held: Bits, listed: Sequence[Formula] = ()
) -> list[list[Explanation]]:
    """For each cluster what gives its results where f^(order) fails: the likeliest first, none where nothing does.

    Of a user's implementation more is asked than that a formula encloses what fails. It must be able to give what is
    right, too, at ``held``, where f^(order) keeps the contract: a formula that is wrong where the implementation is
    right is not what it computes, nor one that is seldom right beside the failing inputs, where the implementation is.
    Those that give the most results to the last bit come first. And the results are compared with the other catalogued
    functions and their formulas, and with narrower formats. ``listed`` are the formulas of known deviations: where
    there are some no others are tried.
    """
    if probe.target is not None:
        return [_second_rounding(probe, c.bits, c.got) for c in clusters]
    if not _catalogued(probe.function):
        return [[] for _ in clusters]
    user = probe.implementation.user
    most = MOST if user else MOST_OF_FRAMEWORK
    seen = [replace(c, bits=b, got=g) for c in clusters for b, g in [_thinned(most, c.bits, c.got)]]
    formulas = [f for f in listed if f.order == order and f.applies_to(probe.format)]
    formulas = formulas or list(_formulas(probe.function, order, probe.format))
    if not user:
        params = probe.function.params
        found = (_enclosing(probe, order, c.bits, c.got, formulas, params) for c in seen)
        return [[Explanation(f.id, f.text, share) for f, share in own] for own in found]
    right = _right(probe, order, held)
    (tried,) = _thinned(MOST, probe.base_points)
    suspects = _suspects(probe, order, seen)
    told = [_of_users(probe, order, c, formulas, suspects, right, tried) for c in seen]
    return [[*why, *_narrower(probe, order, c, why, told)] for c, why in zip(seen, told, strict=True)]


def _of_users(
    probe: Probe,
    order: int,
    asked: FailingResults,
    formulas: Sequence[Formula],
    suspects: Sequence[Function],
    right: FailingResults,
    tried: Bits,
) -> list[Explanation]:
    """What gives the results of one cluster of a user's implementation."""
    bits, got = asked.bits, asked.got
    for other in suspects:
        told = _exactly(probe, order, bits, got, other) or _as_other(probe, order, bits, got, other)
        if told is not None:
            return [told]
    own = _enclosing(probe, order, bits, got, formulas, probe.function.params, right)
    if own:
        beside = _looked_at(probe, order, _beside(bits, probe.format) if probe.given is None else tried)
        own = [(f, share) for f, share in own if _agrees(probe, f, beside) and _as_often(probe, order, f, beside)]
    found = [Explanation(f.id, f.text, share) for f, share in own]
    if bits.size < FEWEST:
        return found
    varied = _vary(probe, got)
    found += _stored(probe, order, bits, got, got if varied else _anywhere(probe, order))
    return found or (_other_formulas(probe, order, bits, got) if asked.ordinary and varied else [])


def _beside(bits: Bits, fmt: Format) -> Bits:
    """Inputs up to twice and down to half of where failing ones end, on either side of 0."""
    x = fa.values(bits, fmt)
    x = x[np.isfinite(x) & (x != 0)]
    ends = [end for side in (x[x < 0], x[x > 0]) if side.size for end in (side.min(), side.max())]
    with np.errstate(over="ignore"):  # beside the greatest number
        near = np.outer(ends, np.exp2(np.linspace(-1, 1, BESIDE))).ravel()
    return np.unique(fa.round_values(near, fmt))


def _looked_at(probe: Probe, order: int, bits: Bits) -> Neighbours:
    """Finite inputs with what comes out there."""
    bits = bits[fa.is_finite(bits, probe.format)]
    got = probe.evaluate(bits, order)
    return Neighbours(bits, got, ~probe.judge(bits, got, order).failing)


def _agrees(probe: Probe, formula: Formula, beside: Neighbours) -> bool:
    """Whether a formula, correctly rounded, gives some of the right results beside the failing ones to the last bit."""
    values, first = np.unique(fa.values(beside.got[beside.right], probe.format), return_index=True)
    telling = (values != 0) & np.isfinite(values)  # where all has saturated any formula gives the same
    if telling.sum() < FEWEST:
        return True
    bits = beside.bits[beside.right][first[telling]]
    return _met_exactly(formula, bits, values[telling], probe.format, probe.function.params) >= TO_THE_BIT


def _as_often(probe: Probe, order: int, formula: Formula, beside: Neighbours) -> bool:
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


def _suspects(probe: Probe, order: int, clusters: Sequence[FailingResults]) -> list[Function]:
    """The other functions whose exact values some of the results are, or those of f at these inputs."""
    ordinary = [c for c in clusters if c.ordinary and c.bits.size >= FEWEST]
    few = [_thinned(FEW, c.bits, c.got) for c in ordinary if _vary(probe, c.got)]
    found = [_other_function(probe, order, bits, got) for bits, got in few]
    if order and not any(found):
        for asked in ordinary:
            (bits,) = _thinned(FEW, asked.bits)
            try:
                values = probe.evaluate(bits, 0)
            except GradproofError:
                continue
            if _vary(probe, values) and probe.judge(bits, values, 0).failing.mean() >= LARGE_PART:
                other = _other_function(probe, 0, bits, values)
                found.append(other if other is not None and _is_other(probe, order, other) else None)
    return list({f.name: f for f in found if f is not None}.values())


def _right(probe: Probe, order: int, held: Bits) -> FailingResults:
    """Some finite inputs at which f^(order) keeps the contract, with the results."""
    (some,) = _thinned(MOST_RIGHT, held[fa.is_finite(held, probe.format)])
    got = probe.evaluate(some, order) if some.size else some
    keeps = ~probe.judge(some, got, order).failing if some.size else np.zeros(0, bool)
    return FailingResults(some[keeps], got[keeps], ordinary=True)


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


def _narrower(
    probe: Probe, order: int, asked: FailingResults, why: Sequence[Explanation], told: Sequence[Sequence[Explanation]]
) -> list[Explanation]:
    """The formats that other clusters were found to be computed in, where these results are numbers of them, too."""
    ids = {e.id for all_ in told for e in all_ if e.id.startswith(IN)} - {e.id for e in why}
    return [e for name in sorted(ids) if (e := _in_format(probe, order, asked.bits, asked.got, name, about=False))]


def _anywhere(probe: Probe, order: int) -> Bits:
    """FailingResults from all over the format."""
    base = probe.base_points
    (some,) = _thinned(MOST_RIGHT, base[fa.is_finite(base, probe.format)])
    return probe.evaluate(some, order)


def _stored(probe: Probe, order: int, bits: Bits, got: Bits, varied: Bits) -> list[Explanation]:
    """The narrower formats that every result is a number of, and in which it is about right, or f is.

    ``varied`` are results that tell formats apart: 0 and 1 are numbers of all. They must be of it, too.
    """
    if not _vary(probe, varied):
        return []
    values = fa.values(varied, probe.format)
    names = [f"{IN}{name}" for name in NARROWER if get_format(name).precision < probe.format.precision]
    names = [name for name in names if np.mean(_numbers_of(name, values)) >= ENOUGH]
    found = [e for name in names if (e := _in_format(probe, order, bits, got, name))]
    if found or not order:
        return found
    try:
        values = probe.evaluate(bits, 0)
    except GradproofError:
        return []
    if not _vary(probe, values) or probe.judge(bits, values, 0).failing.mean() < LARGE_PART:
        return []
    return [
        e
        for name in names
        if _in_format(probe, 0, bits, values, name) and (e := _in_format(probe, order, bits, got, name, about=False))
    ]


def _in_format(probe: Probe, order: int, bits: Bits, got: Bits, name: str, *, about: bool = True) -> Explanation | None:
    """That nearly all results are numbers of a narrower format, and ``about`` right in it; None where they are not."""
    fmt, narrow = probe.format, get_format(name.removeprefix(IN))
    values, x = fa.values(got, fmt), fa.values(bits, fmt)
    references = probe.references(bits)
    y = references[order].values
    slope = np.abs(references[order + 1].values) if order + 1 < len(references) else np.zeros_like(y)
    with np.errstate(all="ignore"):
        held = _numbers_of(name, values)
        if about:
            room = IN_NARROWER * (_quantum(y, narrow) + slope * _quantum(x, narrow))
            beyond = np.maximum(np.abs(y), np.abs(x)) >= float(narrow.max_value) / 2
            held &= (np.abs(values - y) <= room) | (beyond & ~np.isfinite(values))
    share = float(np.mean(held))
    return Explanation(name, f"it computes in {narrow.name}", round(share, 6)) if share >= ENOUGH else None


def _numbers_of(name: str, values: Floats) -> Mask:
    """Which of some numbers are numbers of the format that an explanation names."""
    narrow = get_format(name.removeprefix(IN))
    same = fa.values(fa.round_values(values, narrow), narrow)
    held: Mask = (same == values) | (np.isnan(same) & np.isnan(values))
    return held


def _quantum(values: Floats, fmt: Format) -> Floats:
    """The distance of the numbers of a format around ``values``."""
    exponent = np.frexp(np.abs(values))[1] - 1
    quanta: Floats = np.exp2(np.maximum(exponent, fmt.e_min) - fmt.precision + 1.0)
    return quanta


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
    return (_exactly(probe, order, bits, got, other) or _as_other(probe, order, bits, got, other)) is not None


def _ordinary(probe: Probe) -> Bits:
    """Inputs of ordinary sizes, as many in each binade; of results at some inputs those that there are."""
    fmt = probe.format
    if probe.given is not None:
        sizes = np.abs(fa.values(probe.given, fmt))
        (some,) = _thinned(MOST, probe.given[(sizes >= ORDINARY[0]) & (sizes <= ORDINARY[1])])
        return some
    least, greatest = np.log2(ORDINARY)
    steps = np.exp2(np.linspace(least, greatest, int((greatest - least) * PER_BINADE) + 1))
    return np.unique(fa.round_values(np.concatenate([-steps, steps]), fmt))


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
    few, results = _thinned(FEW, bits, got)
    formulas = _formulas(other, order, probe.format)
    likely = [f for f, _ in _enclosing(probe, order, few, results, formulas, other.params)]
    for formula, share in _enclosing(probe, order, bits, got, likely, other.params):
        return Explanation(other.name, f"it computes {other.label} as {formula.text}", share)
    return None


def _other_formulas(probe: Probe, order: int, bits: Bits, got: Bits) -> list[Explanation]:
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


def advice(probe: Probe, order: int, bits: Bits) -> Advice | None:
    """What would keep the contract where a user's f^(order) does not, at ``bits``; None where nothing is known.

    At the infinities alone that is what to return there. In a narrow format it is the same code in float32, where that
    was tried at every input and keeps the contract; else the formula with the least worst error that does.
    """
    numbers = bits[~fa.is_nan(bits, probe.format)]
    if not numbers.size:
        return None
    if not fa.is_finite(numbers, probe.format).any():
        return _at_infinities(probe, order, numbers)
    if (wider := _in_float32(probe, order)) is not None:
        return wider
    if not _catalogued(probe.function):
        return None
    params = tuple(sorted(probe.function.params.items()))
    return _best(probe.function.name, params, order, probe.format.name)


def _at_infinities(probe: Probe, order: int, bits: Bits) -> Advice | None:
    """What to return at ``bits``, which are infinities; None where that is no single number."""
    due = _due(probe, order, bits)
    return Advice(f"only infinities fail: {due}, told apart", 0.0, order, [probe.format.name]) if due else None


def _due(probe: Probe, order: int, bits: Bits) -> str:
    """``0.0 at -inf and 1.0 at inf``; empty where something is due that is no single number."""
    fmt = probe.format
    due = [(int(b), probe.certified(int(b), order)) for b in sorted(bits, reverse=True)]
    if any(value.kind not in ("finite", "infinite", "nan") for _, value in due):
        return ""
    return " and ".join(f"{fmt.decimal(value.bits)} at {fmt.decimal(at)}" for at, value in due)


def _in_float32(probe: Probe, order: int) -> Advice | None:
    """That the implementation keeps the contract at every input if it computes in float32 and its result is rounded.

    An experiment: it is called in float32 with the numbers of the narrow format. None where it cannot be, or does not.
    """
    fmt, wide = probe.format, get_format(COMPUTE)
    if not fmt.is_16_bit or probe.given is not None or probe.mode != "eager" or probe.target is not None:
        return None
    every = fa.all_bits(fmt)
    every = every[~fa.is_nan(every, fmt)]
    try:
        got = probe.in_format(wide, fa.round_values(fa.values(every, fmt), wide), order)
    except GradproofError:
        return None
    judged = probe.judge(every, fa.round_values(fa.values(got, wide), fmt), order)
    if judged.failing[fa.is_finite(every, fmt)].any():
        return None
    text = f"the same code in {wide.name}, rounded once at the end"
    if judged.failing.any():
        apart = _due(probe, order, every[judged.failing])
        if not apart:
            return None
        text += f", and {apart}"
    bound = float(np.max(judged.magnitude[judged.judged & ~judged.failing], initial=0.0))
    return Advice(text, float(f"{bound:.4g}"), order, [fmt.name])


@lru_cache(maxsize=256)
def _best(name: str, params: tuple[tuple[str, object], ...], order: int, format_name: str) -> Advice | None:
    fmt, given = get_format(format_name), dict(params)
    function = get_function(name, given)  # type: ignore[arg-type]
    worst = [worst_error(f, fmt, given) for f in _formulas(function, order, fmt)]  # type: ignore[arg-type]
    kept = [w for w in worst if w.keeps_contract]
    if not kept:
        return None
    least = min(kept, key=lambda w: w.error)
    text = f"{least.formula.text} [{least.formula.id}]"
    return Advice(text, float(f"{least.error:.4g}"), order, [fmt.name])


def _formulas(function: Function, order: int, fmt: Format) -> Iterable[Formula]:
    return [f for f in formulas_of(function.name, (order,)) if f.applies_to(fmt)]


def _catalogued(function: Function) -> bool:
    """Whether a function is the library's own of that name."""
    try:
        return get_function(function.name, function.params).identity == function.identity
    except GradproofError:
        return False
