"""Which failures the deviations in force explain: result by result, and by experiment where results are related."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gradproof.engine.ledger.deviation import LEAST_SCALE, UNCHANGED, UNDERFLOW, Deviation
from gradproof.engine.properties.property import Violations
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import KnownResults, Probe
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.formats.arrays import Bits, Ints
from gradproof.formulas.formula import Formula, encloses
from gradproof.formulas.registry import get_formula
from gradproof.formulas.rounded import Subnormals
from gradproof.measure.conversion import converted
from gradproof.results.formatting import digits, figure
from gradproof.results.model import LedgerState

Mask = npt.NDArray[np.bool_]

NONE = -1


def subnormals(probe: Probe) -> Subnormals:
    """What the probe's backend makes of subnormal numbers, for the evaluation of formulas.

    A framework's kernels convert to bfloat16 with the processor's instructions, which flush, where there are some.
    """
    traits = probe.traits
    converts = probe.format.name == "bfloat16" and not probe.implementation.user
    flushes = traits.flushes_results or traits.zeros_inputs or converts
    return "either" if flushes else "kept"


def known_results(task: Task, selection: Selection, deviations: list[Deviation]) -> KnownResults | None:
    """What the ``deviations`` give of the cell's implementation, input by input; None where none gives results."""
    giving = [d for d in deviations if d.formulas or d.through]
    if not giving:
        return None
    probe, explainer = Probe(task, selection), Explainer(task.property, giving)
    return KnownResults(tuple(d.id for d in giving), partial(explainer.results, probe))


class Explainer:
    """The ``deviations`` that may explain results of one implementation, in the cells of one claim.

    ``used`` counts the results that each explained.
    """

    def __init__(self, claim: str, deviations: list[Deviation]) -> None:
        self.claim = claim
        self.deviations = deviations
        self.related = [d for d in deviations if claim in d.relations]
        """Those whose results are taken out of the claim's relation even where they keep the contract."""
        self.used: Counter[str] = Counter()

    def formulas(self, order: int) -> list[Formula]:
        """The formulas of this order that the deviations list."""
        every = [get_formula(formula) for d in self.deviations for formula in d.formulas]
        return [formula for formula in every if formula.order == order]

    def results(self, probe: Probe, order: int, bits: Bits, got: Bits) -> Mask:
        """Which of the results f^(order)(``bits``) = ``got``, of shape (n,), a formula or a second rounding gives."""
        explained: Mask = self._owners(probe, order, bits, got, self.deviations) != NONE
        return explained

    def unrelated(self, probe: Probe, order: int, bits: Bits, got: Bits) -> Mask:
        """Which of the results the deviations give that make the claim's relation fail."""
        explained: Mask = self._owners(probe, order, bits, got, self.related) != NONE
        return explained

    def _owners(self, probe: Probe, order: int, bits: Bits, got: Bits, deviations: list[Deviation]) -> Ints:
        owners = np.full(bits.size, NONE, np.int64)
        for i, deviation in enumerate(deviations):
            for explains in _of_results(deviation, probe, order):
                _give(owners, i, explains, bits, got)
        self._count(owners, deviations)
        return owners

    def violations(self, probe: Probe, order: int, found: Violations) -> Ints:
        """The index in ``deviations`` of the one that explains each row of ``found`` by itself; NONE without one."""
        owners = np.full(len(found), NONE, np.int64)
        if found.pointwise and found.cause != "fault":
            owners = self._owners(probe, order, found.bits, found.got, self.deviations)
        for i, deviation in enumerate(self.deviations):
            if not deviation.orders or order in deviation.orders:
                _give(owners, i, partial(_at, deviation, probe), found.bits, found.got)
            for fence in deviation.fences:
                if fence.covers(self.claim, probe.format.name, order):
                    _give(owners, i, partial(fence.admits, fmt=probe.format), found.bits, found.magnitude)
        self._count(owners, self.deviations)
        return owners

    def _count(self, owners: Ints, deviations: list[Deviation]) -> None:
        for i, n in zip(*np.unique(owners[owners != NONE], return_counts=True), strict=True):
            self.used[deviations[i].id] += int(n)


def _give(owners: Ints, i: int, explains: Callable[..., Mask], *columns: Any) -> None:
    """Give the rows without an owner for which ``explains`` holds, of the same rows of ``columns``, to ``i``."""
    rows = np.flatnonzero(owners == NONE)
    if rows.size:
        owners[rows[explains(*(column[rows] for column in columns))]] = i


def _of_results(deviation: Deviation, probe: Probe, order: int) -> Iterator[Callable[[Bits, Bits], Mask]]:
    """What tells of inputs and results, of shape (n,), whether the deviation gives them."""
    if deviation.through:
        yield partial(_through, deviation, probe)
    for formula in map(get_formula, deviation.formulas):
        about = (formula.function, formula.order) == (probe.function.name, order)
        if about and formula.applies_to(probe.format):
            yield partial(
                encloses, formula, fmt=probe.format, params=probe.implementation.params, subnormals=subnormals(probe)
            )


def _at(deviation: Deviation, probe: Probe, bits: Bits, got: Bits) -> Mask:
    fmt = probe.format
    x = fa.values(bits, fmt)
    match deviation.at:
        case "kinks":
            kinks = [fmt.round(kink, saturate=True) for kink in probe.function.kinks]
            return np.isin(x, fa.values(np.array(kinks, fa.storage(fmt)), fmt))
        case "zeros":
            zeros: Mask = (x == 0) & (fa.magnitudes(got, fmt) == 0)
            return zeros
        case "nan":
            return np.isnan(x)
    return np.zeros(bits.size, bool)


def _through(deviation: Deviation, probe: Probe, bits: Bits, got: Bits) -> Mask:
    """Where a conversion rounded twice, through a format that the deviation names, or handed its input back."""
    explained = np.zeros(bits.size, bool)
    source, target = probe.format, probe.target
    if target is None:
        return explained
    for name in deviation.through:
        if name == UNCHANGED:
            explained |= got == bits
        elif name == LEAST_SCALE:
            size, least = np.abs(fa.values(bits, source)), float(target.min_subnormal)
            between = (size > least) & (size < 2 * least) & (not target.signed)
            explained |= between & (fa.values(got, source) == 2 * least)
        elif name == UNDERFLOW:
            below = (np.abs(fa.values(bits, source)) < float(target.min_subnormal)) & (not target.signed)
            explained |= below & fa.is_nan(got, source)
        elif source.width > get_format(name).width >= target.width:
            once = converted(bits, source, get_format(name))
            explained |= fa.same(got, converted(once, source, target, probe.conventions), source)
    return explained


def states_of(explainer: Explainer, probe: Probe, task: Task, found: list[Violations]) -> list[LedgerState]:
    """What became of the deviations of one cell, whose failures ``found`` were held against them.

    Of a framework's those are told that explain some. Those that an author declares are ``seen``, ``grown`` where what
    fails is beyond them, or ``gone``.
    """
    if not task.implementation.user:
        return [LedgerState(name, name, "seen") for name in explainer.used]
    bits = np.concatenate([np.empty(0, fa.storage(probe.format)), *(v.bits for v in found)])
    magnitude = np.concatenate([np.empty(0), *(v.magnitude for v in found)])
    admitted = np.zeros(bits.size, bool)
    for fence in (f for d in explainer.deviations for f in d.fences):
        admitted |= fence.admits(bits, magnitude, probe.format)
    states = []
    for deviation in explainer.deviations:
        (fence,) = deviation.fences
        inside = fence.holds(bits, probe.format)
        above = inside & ~admitted
        state, detail = "seen", ""
        if above.any():
            worst = float(magnitude[above].max())
            state = "grown"
            detail = f"error over bound {figure(worst, digits(worst, fence.ceiling))} above {figure(fence.ceiling)}"
        elif not inside.any():
            state, detail = "gone", "no longer shows; remove the declaration"
        elif not admitted.all():
            stray = int(bits[int(np.argmax(~admitted))])
            state, detail = "grown", f"fails outside the region, at {probe.format.bits_text(stray)}"
        entry = f"{deviation.id}: {task.cell('not-run').id}"
        states.append(LedgerState(entry, deviation.id, state, detail))  # type: ignore[arg-type]
    return states
