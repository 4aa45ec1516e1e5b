"""Failing inputs of one order, sorted by where on the number line they lie: what findings are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.engine.findings.advice import advice
from gradproof.engine.findings.explaining import explanations
from gradproof.engine.findings.regions import spans, widen
from gradproof.engine.findings.results_at import FailingResults
from gradproof.engine.properties.property import Violations
from gradproof.engine.subject.baseline import baseline
from gradproof.engine.subject.probe import Probe
from gradproof.engine.subject.traces import trace
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.formulas.formula import Formula
from gradproof.measure.judge import Judgement
from gradproof.results.formatting import ORDINARY, finite_or_none
from gradproof.results.model import FINDING_KINDS, FailingInputs, WorstInput

MOST: Final = 4096
"""Failing inputs of a kind that are looked at for roots; more are thinned out evenly."""
MODELLED: Final = 32
"""Widest format whose results are judged in bulk without the oracle; of a wider one at most MOST are looked at."""
NEGLIGIBLE: Final = 2.0**-7
"""Share of sup|f^(n)| below which a value counts as the function's tail."""
BESIDE: Final = 2.0**-4
"""A root this close, relative to the input, makes its inputs those of a root."""
AT_KINK: Final = 4
"""Ordinals from a kink that still count as the kink."""
FEWEST: Final = 8
"""Failing inputs of the bulk that it takes to speak of a systematic error."""
LOST: Final = 0.5
"""A share of the value from which on it counts as lost."""
SPREAD: Final = 0.25
COMMON: Final = 0.8
"""An error is systematic if so many of the bulk's failing inputs are off by the same share within ``SPREAD`` of it."""

Mask = npt.NDArray[np.bool_]


def clusters(
    probe: Probe, order: int, found: Sequence[Violations], listed: Sequence[Formula] = ()
) -> list[FailingInputs]:
    """The inputs at which f^(order) itself is wrong, by kind, the kinds in the order of ``FINDING_KINDS``.

    * ``special``: NaN, the infinities, zeros, subnormal numbers, and numbers from a quarter of the greatest on.
    * ``kink``: within 4 ordinals of a breakpoint.
    * ``root``: f^(order) changes its sign within x/16, or within 2^-8.
    * ``bulk``: sizes from 2^-8 to 2^5 where |f^(order)|, or the error, is at least 2^-7 of the supremum of |f^(order)|
      or of what it reaches between -x and x; ``tail``: the rest.

    What is off by the share that the bulk has in common is one cluster. Where the bulk is wrong in a way that no
    formula explains, its continuation into the other kinds is not explained either.
    """
    rows = [(v.bits, v.got) for v in found if v.pointwise and v.bits.size and v.cause != "fault"]
    if not rows:
        return []
    every = np.concatenate([bits for bits, _ in rows])
    bits, first = np.unique(every, return_index=True)
    got = np.concatenate([g for _, g in rows])[first]
    if probe.format.width > MODELLED and bits.size > MOST:  # the oracle takes its time over each of these
        some = np.unique(np.linspace(0, bits.size - 1, MOST).astype(np.int64))
        bits, got = bits[some], got[some]
    judged = probe.judge(bits, got, order)
    wrong = judged.failing
    bits, got, judged = bits[wrong], got[wrong], judged[wrong]
    if not bits.size:
        return []
    held = probe.held_points(order)
    kinds, shares = _kinds(probe, order, bits, got), _shares(probe, order, bits, got)
    alike = _systematic(probe, order, bits, got, kinds, shares)
    parts = [("bulk", alike)] if alike.any() else []
    parts += [(kind, (kinds == number) & ~alike) for number, kind in enumerate(FINDING_KINDS)]
    parts = [(kind, here) for kind, here in parts if here.any()]
    asked = [FailingResults(bits[here], got[here], ordinary=kind in ("bulk", "tail")) for kind, here in parts]
    told = explanations(probe, order, asked, held, listed)
    made = [
        replace(
            _cluster(
                probe, order, kind, bits[here], got[here], judged[here], shares[here], np.append(held, bits[~here])
            ),
            systematic=here is alike,
            explanations=why,
        )
        for (kind, here), why in zip(parts, told, strict=True)
    ]
    return [c if c.kind == "bulk" else _not_continuing(c, made, probe.format) for c in made]


def _not_continuing(cluster: FailingInputs, made: Sequence[FailingInputs], fmt: Format) -> FailingInputs:
    """A cluster without explanations where it touches a part of the bulk that has none."""
    ours = _ends(cluster, fmt)
    theirs = [ends for c in made if c.kind == "bulk" and not c.explanations for ends in _ends(c, fmt)]
    touches = any(low <= b + 1 and a <= high + 1 for low, high in ours for a, b in theirs)
    return replace(cluster, explanations=[]) if touches else cluster


def _ends(cluster: FailingInputs, fmt: Format) -> list[tuple[int, int]]:
    pairs = [[int(end, 16) for end in region] for region in cluster.regions]
    return [(fmt.ordinal(a), fmt.ordinal(b)) for a, b in pairs if not fmt.is_nan(a)]


def _systematic(probe: Probe, order: int, bits: Bits, got: Bits, kinds: npt.NDArray[np.int8], shares: Floats) -> Mask:
    """Where a result is off by the share that nearly all failing inputs of the bulk have in common; nowhere without.

    Errors of rounding have either sign, a factor has one.

    Elsewhere up to a quantum, which is all of a subnormal number's digits, or where such a share overflows.
    """
    bulk = shares[kinds == FINDING_KINDS.index("bulk")]
    none = np.zeros(shares.size, bool)
    if bulk.size < FEWEST:
        return none
    middle = float(np.median(bulk))
    if not 0 < abs(middle) < LOST or np.mean(np.abs(bulk - middle) <= SPREAD * abs(middle)) < COMMON:
        return none
    fmt = probe.format
    size, results = np.abs(probe.references(bits)[order].values), fa.values(got, fmt)
    with np.errstate(all="ignore"):
        rest = np.abs(shares - middle) * size - SPREAD * abs(middle) * size
        overflows = np.isinf(results) & (size * (1 + middle * (1 + SPREAD)) >= float(fmt.max_value))
    alike: Mask = (rest <= 2.0 ** (fmt.e_min - fmt.precision + 1)) | overflows
    return alike


def _shares(probe: Probe, order: int, bits: Bits, got: Bits) -> Floats:
    """(got - due) / due; NaN where nothing is due, infinite at roots and for results of another class."""
    due = probe.references(bits)[order].values
    with np.errstate(all="ignore"):
        shares: Floats = (fa.values(got, probe.format) - due) / due
    return shares


def _kinds(probe: Probe, order: int, bits: Bits, got: Bits) -> npt.NDArray[np.int8]:
    """The index in ``FINDING_KINDS`` of each input's kind."""
    fmt = probe.format
    x = fa.values(bits, fmt)
    size = np.abs(x)
    reference = probe.references(bits)[order]
    special = ~np.isfinite(x) | (size < 2.0**fmt.e_min) | (size >= float(fmt.max_value) / 4)
    kink = _near_kinks(probe, bits, ~special)
    root = np.zeros(bits.size, bool)
    rest = np.flatnonzero(~special & ~kink)
    root[rest] = _near_roots(probe, order, bits[rest])
    with np.errstate(invalid="ignore"):
        error = np.nan_to_num(np.abs(fa.values(got, fmt) - reference.values), nan=np.inf)
        scale = np.minimum(probe.scale(order, reference), _reached(probe, order, size))
        large = np.maximum(np.abs(reference.values), error) >= NEGLIGIBLE * scale
    bulk = (size >= ORDINARY[0]) & (size <= ORDINARY[1]) & large
    names = np.select(
        [special, kink, root, bulk],
        [FINDING_KINDS.index(name) for name in ("special", "kink", "root", "bulk")],
        FINDING_KINDS.index("tail"),
    )
    return names.astype(np.int8)


def _reached(probe: Probe, order: int, size: Floats) -> Floats:
    """What |f^(order)| reaches between -x and x for each size |x|: near a root that is little, and no tail.

    Seen on a grid of four inputs a binade.
    """
    least, greatest = (math.log2(end) for end in ORDINARY)
    steps = np.exp2(np.arange(least, greatest, 0.25))
    grid = np.concatenate([[0.0], steps])
    ends = [probe.references(fa.round_values(sign * grid, probe.format))[order].values for sign in (-1.0, 1.0)]
    reached: Floats = np.maximum.accumulate(np.fmax(*np.nan_to_num(np.abs(ends), nan=0.0)))
    at: Floats = reached[np.searchsorted(grid, size, side="right").clip(1) - 1]
    return at


def _near_kinks(probe: Probe, bits: Bits, finite: Mask) -> Mask:
    fmt = probe.format
    near = np.zeros(bits.size, bool)
    ordinals = np.zeros(bits.size, np.int64)
    ordinals[finite] = fa.ordinals(bits[finite], fmt)
    for kink in probe.function.kinks:
        at = fmt.ordinal(fmt.round(kink, saturate=True))
        near |= finite & (np.abs(ordinals - at) <= AT_KINK)
    return near


def _near_roots(probe: Probe, order: int, bits: Bits) -> Mask:
    """Whether f^(order) changes its sign beside each finite input; of many, those between two where it does."""
    if not bits.size:
        return np.zeros(0, bool)
    fmt = probe.format
    x = fa.values(bits, fmt)
    chosen = np.unique(np.linspace(0, bits.size - 1, min(bits.size, MOST)).astype(np.int64))
    reach = np.maximum(np.abs(x[chosen]) * BESIDE, ORDINARY[0])
    ends = _coarse(np.concatenate([x[chosen] - reach, x[chosen] + reach]))
    looked, where = np.unique(fa.round_values(ends, fmt), return_inverse=True)
    signs = np.sign(probe.references(looked)[order].high)[where]
    flips = signs[: chosen.size] * signs[chosen.size :] < 0
    after = np.searchsorted(chosen, np.arange(bits.size)).clip(max=chosen.size - 1)
    before = np.searchsorted(chosen, np.arange(bits.size), side="right").clip(min=1) - 1
    answer: Mask = flips[after] & flips[before]
    return answer


def _coarse(values: Floats) -> Floats:
    """To the nearest numbers of 6 bits, which many inputs share: the oracle is asked once for all of them."""
    mantissa, exponent = np.frexp(values)
    rounded: Floats = np.ldexp(np.rint(mantissa * 64) / 64, exponent)
    return rounded


def _cluster(
    probe: Probe, order: int, kind: str, bits: Bits, got: Bits, judged: Judgement, shares: Floats, others: Bits
) -> FailingInputs:
    """The cluster of some failing inputs; ``others`` are those that part its intervals."""
    fmt = probe.format
    # An infinite error is the gravest; among equals the input of the least size is the simplest to think about.
    size = np.nan_to_num(np.abs(fa.values(bits, fmt)), nan=np.inf)
    errors = np.nan_to_num(judged.magnitude, nan=0.0, posinf=np.inf)
    worst = int(np.lexsort((size, -errors))[0])
    due = probe.certified(int(bits[worst]), order)
    intervals = _intervals(probe, order, bits, others)
    regions = [[fmt.bits_text(fmt.from_ordinal(end)) for end in ends] for ends in intervals]
    regions += [[fmt.bits_text(int(nan))] * 2 for nan in bits[fa.is_nan(bits, fmt)][:1]]
    return FailingInputs(
        kind=kind,
        regions=regions,
        inputs=int(bits.size),
        worst=WorstInput(
            fmt.name, order, fmt.bits_text(int(bits[worst])), fmt.bits_text(int(got[worst])),
            fmt.bits_text(due.bits) if due.kind in ("finite", "infinite", "nan") else None,
            finite_or_none(judged.u[worst]), finite_or_none(judged.m[worst]),
        ),
        magnitude=finite_or_none(float(errors.max())),
        share=_median(shares),
        systematic=False,
        felt=bool(judged.felt.any()),
        baseline=baseline(probe, order, bits, errors),
        advice=advice(probe, order, bits) if probe.implementation.user else None,
        trace=trace(probe, order, int(bits[worst])) if probe.implementation.user else None,
    )  # fmt: skip


def _intervals(probe: Probe, order: int, bits: Bits, held: Bits) -> list[tuple[int, int]]:
    """Runs of failing ordinals with none of ``held`` between; of a user's implementation as far as they reach."""
    fmt = probe.format
    numbers = bits[~fa.is_nan(bits, fmt)]
    if not numbers.size:
        return []
    tried = fa.ordinals(held[~fa.is_nan(held, fmt)], fmt)
    found = spans(tried, fa.ordinals(numbers, fmt))
    if probe.implementation.user and not fmt.is_16_bit:  # of 16 bits all are known
        found = [widen(span, tried, fmt, lambda more: _fails(probe, order, more)) for span in found]
    return [(s.low, s.high) for s in found]


def _fails(probe: Probe, order: int, bits: Bits) -> Mask:
    """Where f^(order) breaks the contract; nowhere for a callable that fails now and then."""
    try:
        return probe.judge(bits, probe.evaluate(bits, order), order).failing
    except (ImplementationFault, Unsupported):
        return np.zeros(bits.size, bool)


def _median(shares: Floats) -> float | None:
    """The median of their sizes; None where it is infinite or unknown."""
    known = np.abs(shares[~np.isnan(shares)])
    return finite_or_none(float(np.median(known))) if known.size else None
