"""Evidence by the million: f^(n) at inputs all over the line, judged by the models of the sweeps.

What the models decide is added up; what they leave open goes to the oracle. Of the inputs that fail a part is handed
on, spread evenly over them, with the ends of every run of them and the gravest. Where deviations are known they are
held against these, and those that are not explained are handed on as well.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.engine.subject.probe import Probe
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Ints
from gradproof.oracle.crossings import crossings
from gradproof.oracle.pair_models import JUDGED
from gradproof.oracle.reference import Reference
from gradproof.oracle.taylor_models import OPEN
from gradproof.strategies import landmark_ordinals
from gradproof.strategies.progressions import Progression, around, chunks, denser, spread, towards
from gradproof.sweep.judging import codes
from gradproof.sweep.judging.collect import Collected
from gradproof.sweep.judging.modelled import Modelled, PairModelled, compiled_loop, pair_models_of

HANDED_ON: Final = 1 << 12
"""Failing inputs of one cell that are handed on at most, beside the ends of their runs."""
EXPLAINED: Final = 1 << 17
"""Failing inputs of one chunk that are held against the known deviations at most, in a microsecond or two each: half a
chunk of float64, an eighth of one of float32, evenly chosen; and the first of each run of infinities and NaN."""
NEW: Final = 1 << 11
"""Failing inputs beside these that are handed on at most, of those that no known deviation explains."""
ASKED: Final = 1 << 14
"""Inputs of one chunk on which the models' word is in doubt and that go to the oracle at most; what would be more is
thinned evenly, and not counted."""
ASKED_OPEN: Final = 1 << 11
"""Inputs of one chunk of float64 where there is no model, which the oracle judges in some 0.3 ms each: eight binades
have 256 of them each. More are thinned and not counted in the same way."""
FIRST: Final = 4096
"""Inputs by which the time is measured that a user's implementation takes for each."""
CHUNK: Final = {32: 1 << 20, 64: 1 << 18}
"""Inputs of one call, by the width of the format: few shapes for those that compile for each."""

Mask = npt.NDArray[np.bool_]


@dataclass
class Bulk:
    """What came out on the inputs ``inputs``, ``widest_gap`` ordinals apart at most.

    ``found`` has what the models decided. ``bits`` and ``got`` are failing inputs among those, the inputs of the
    greatest errors, and some that flushing excuses; ``asked`` those that the oracle is to judge, with its references.
    """

    found: Collected
    inputs: int = 0
    widest_gap: int = 0
    bounded: bool = False
    """Whether it is fewer inputs than the profile says, since the implementation is slow."""
    failing: int = 0
    excused: int = 0
    conventions: int = 0
    """Inputs where nothing is due."""
    left_out: int = 0
    """Inputs that neither the models nor the oracle judged, for being too many."""
    compared: int = 0
    """Failing inputs whose results were held against the known deviations."""
    bits: list[Bits] = field(default_factory=list)
    got: list[Bits] = field(default_factory=list)
    new: list[tuple[Bits, Bits]] = field(default_factory=list)
    """Some of these, until they join the others."""
    asked: list[tuple[Bits, Bits, Reference]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every finite input was judged."""
        return self.widest_gap == 1 and not self.left_out

    def measured(self, fmt: Format, more: int) -> dict[str, Any]:
        """How much it rests on, for the reader; ``more`` inputs fail by the oracle's word."""
        gap = self.widest_gap
        rows: dict[str, Any] = {
            "inputs": self.inputs - self.left_out,
            "widest_gap": {"ordinals": str(gap), "relative": gap * 2.0 ** (1 - fmt.precision)},
        }
        if self.failing or more:
            rows["failing"] = self.failing + more
        if self.compared:
            rows["compared_with_known"] = self.compared + more
        if self.bounded:
            rows["bounded"] = "time"
        return rows

    @property
    def referred(self) -> int:
        """Inputs that the models left to the oracle."""
        return sum(bits.size for bits, _, _ in self.asked)

    @property
    def judged(self) -> int:
        """Inputs that the models decided."""
        return self.inputs - self.conventions - self.left_out - self.referred


_kept: OrderedDict[tuple[Any, ...], tuple[Any, Bulk | None]] = OrderedDict()
_KEPT: Final = 4


def bulk(probe: Probe, order: int) -> Bulk | None:
    """f^(order) at the inputs that the profile asks for; None where no models judge the format, no loop is here,
    results at some inputs are all there is, or they are enclosures (which sweeps judge in bulk).

    A framework's own functions are asked once: ``accuracy`` and ``saturation`` share the answer. A user's, which may
    have a state, are asked once by each probe.
    """
    width = probe.format.width
    if width not in CHUNK or probe.target is not None or compiled_loop() is None or probe.given is not None:
        return None
    if probe.backend.open_to(probe.implementation, probe.format):
        return None
    subject = probe if probe.implementation.user else probe.implementation
    selection = probe.selection
    key = (
        id(subject), probe.backend.id, probe.mode, probe.format.name, order, probe.contract, selection.profile,
        selection.seed, probe.known.ids if probe.known else (),
    )  # fmt: skip
    if key not in _kept:
        _kept[key] = subject, _walk(probe, order)
        if len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return _kept[key][1]


def _walk(probe: Probe, order: int) -> Bulk | None:
    fmt = probe.format
    count, bounded = _affordable(probe, order)
    if count < probe.budget.base(fmt.width):
        return None
    found = Collected(fmt, 0, fmt.max_bits)
    answer = Bulk(found, bounded=bounded)
    walk = spread(fmt, count, probe.seed)
    answer.widest_gap = max(one.stride for one in walk)
    if answer.widest_gap > 1:
        if fmt.width == 64 and probe.profile != "quick":
            walk += denser(fmt, count, probe.seed)
        found_at = _crossings(probe)
        walk += around(fmt, (*landmark_ordinals(probe.function, fmt), *found_at))
        walk += [one for at in found_at for one in towards(fmt, at)]
    sides = {negative: _side(probe, order, found, negative) for negative in (False, True)}
    for parts in chunks(walk, CHUNK[fmt.width]):
        _chunk(probe, order, parts, sides, answer)
    _thin(answer)
    _greatest(probe, order, answer)
    return answer


def _crossings(probe: Probe) -> tuple[int, ...]:
    if probe.format.width != 64:
        return crossings(probe.oracle, probe.format)
    return tuple(int(o) for negative in (False, True) for o in pair_models_of(probe, negative=negative).crossings)


def _side(probe: Probe, order: int, found: Collected, negative: bool) -> Modelled | PairModelled:
    if probe.format.width == 64:
        return PairModelled(probe, order, found, negative=negative)
    return Modelled(probe, order, found, negative=negative)


def _affordable(probe: Probe, order: int) -> tuple[int, bool]:
    """Inputs to try: what the profile says; fewer where a user's implementation is slow, and whether it is."""
    count = probe.budget.bulk(probe.format.width)
    if not probe.implementation.user:
        return count, False
    some = next(chunks(spread(probe.format, FIRST, probe.seed), FIRST))
    bits = _bits(some, probe.format)
    probe.evaluate(bits, order)  # the first call may compile
    started = time.perf_counter()
    probe.evaluate(bits, order)
    within = int(probe.budget.seconds / max(time.perf_counter() - started, 1e-9) * bits.size)
    if within >= count:
        return count, False
    return 1 << max(within, 1).bit_length() - 1, True


def _bits(parts: list[Progression], fmt: Format) -> Bits:
    return np.concatenate([part.bits(fmt) for part in parts])


def _chunk(
    probe: Probe, order: int, parts: list[Progression], sides: dict[bool, Modelled | PairModelled], answer: Bulk
) -> None:
    fmt = probe.format
    bits = _bits(parts, fmt)
    got = _evaluated(probe, order, bits)
    marks = np.zeros(bits.size, np.uint8)
    at = 0
    for part in parts:
        rows = slice(at, at + part.count)
        sides[part.negative].judge(part.start, got[rows], marks[rows], part.stride)
        at += part.count
    answer.inputs += bits.size
    open_, here = _open(probe, order, parts) if fmt.width == 64 else (np.empty(0, np.int64), np.empty(0, bool))
    if open_.size > ASKED_OPEN:
        some = _evenly(np.arange(open_.size), ASKED_OPEN)
        skipped = np.delete(open_, some)[np.delete(here, some)]
        answer.left_out += skipped.size
        marks[skipped] = codes.OK
        open_, here = open_[some], here[some]
    if here.any():
        # Asked about the same inputs for all orders, backends and modes, the oracle answers once.
        reference = probe.references(bits[open_])[order][here]
        answer.asked.append((bits[open_[here]], got[open_[here]], reference))
        marks[open_[here]] = codes.OK
    if not marks.any():
        return
    answer.conventions += int((marks == codes.UNJUDGED).sum())
    pending = np.flatnonzero(marks == codes.PENDING)
    if pending.size:
        taken = _evenly(pending, ASKED)
        answer.left_out += pending.size - taken.size
        reference = probe.oracle.references(bits[taken], fmt)[order]
        answer.asked.append((bits[taken], got[taken], reference))
    excused = np.flatnonzero(marks == codes.EXCUSED)
    if excused.size:
        answer.excused += excused.size
        _keep(answer, bits, got, _evenly(excused, 64))
    failing = (marks == codes.OVER) | (marks == codes.LOST) | (marks == codes.WRONG)
    answer.failing += int(failing.sum())
    _hold_against_known(probe, order, bits, got, np.flatnonzero(failing), answer)
    for mark in (codes.OVER, codes.LOST, codes.WRONG):
        wrong = np.flatnonzero(marks == mark)
        if wrong.size:
            _keep(answer, bits, got, _with_ends(wrong))


def _hold_against_known(probe: Probe, order: int, bits: Bits, got: Bits, rows: Ints, answer: Bulk) -> None:
    """Keep those of the failing ``rows`` that no known deviation explains."""
    if probe.known is None or not rows.size:
        return
    if rows.size > EXPLAINED:
        odd = rows[~fa.is_finite(got[rows], probe.format)]
        rows = np.union1d(_evenly(rows, EXPLAINED), odd[np.diff(odd, prepend=-2) > 1])
    answer.compared += rows.size
    new = rows[~probe.known.explain(order, bits[rows], got[rows])]
    if new.size:
        some = _evenly(new, NEW)
        answer.new.append((bits[some], got[some]))


def _evaluated(probe: Probe, order: int, bits: Bits) -> Bits:
    """f^(order) at ``bits``; of backends that compile for each shape in a call of full length."""
    size = CHUNK[probe.format.width]
    if not probe.backend.compiles_each_shape or bits.size == size:
        return probe.evaluate(bits, order)
    whole = np.concatenate([bits, np.repeat(bits[-1:], size - bits.size)])
    return probe.evaluate(whole, order)[: bits.size]


def _open(probe: Probe, order: int, parts: list[Progression]) -> tuple[Ints, Mask]:
    """Which inputs lie where some order has no model, and whether this one has none."""
    found, at = [], 0
    for part in parts:
        models = pair_models_of(probe, negative=part.negative)
        runs = np.flatnonzero((models.kind[:JUDGED] == OPEN).any(axis=0))
        low = np.maximum(-((part.start - models.start[runs]) // part.stride), 0)
        high = np.minimum(-((part.start - models.stop[runs]) // part.stride), part.count)
        own = models.kind[order, runs] == OPEN
        found += [(a + at, b + at, o) for a, b, o in zip(low, high, own, strict=True) if a < b]
        at += part.count
    if not found:
        return np.empty(0, np.int64), np.empty(0, bool)
    sizes = [b - a for a, b, _ in found]
    return np.concatenate([np.arange(a, b) for a, b, _ in found]), np.repeat([o for _, _, o in found], sizes)


def _keep(answer: Bulk, bits: Bits, got: Bits, rows: Ints) -> None:
    answer.bits.append(bits[rows])
    answer.got.append(got[rows])


def _evenly(rows: Ints, count: int) -> Ints:
    """``count`` of them, or all, spread evenly."""
    if rows.size <= count:
        return rows
    return rows[np.linspace(0, rows.size - 1, count).astype(np.int64)] if count else rows[:0]


def _with_ends(rows: Ints) -> Ints:
    """Some of the failing rows of a chunk: spread evenly over them, and the ends of their runs."""
    if rows.size <= HANDED_ON // 4:
        return rows
    ends = np.flatnonzero(np.diff(rows) > 1)
    firsts, lasts = np.concatenate([[0], ends + 1]), np.concatenate([ends, [rows.size - 1]])
    chosen = np.concatenate([_evenly(firsts, HANDED_ON // 8), _evenly(lasts, HANDED_ON // 8)])
    kept: Ints = rows[np.unique(np.concatenate([chosen, _evenly(np.arange(rows.size), HANDED_ON // 4)]))]
    return kept


def _thin(answer: Bulk) -> None:
    """Keep HANDED_ON of the failing inputs of all chunks, and NEW of those that nothing explains."""
    if answer.bits:
        bits, got = np.concatenate(answer.bits), np.concatenate(answer.got)
        rows = _evenly(np.arange(bits.size), HANDED_ON)
        answer.bits, answer.got = [bits[rows]], [got[rows]]
    if answer.new:
        bits, got = (np.concatenate(column) for column in zip(*answer.new, strict=True))
        _keep(answer, bits, got, _evenly(np.arange(bits.size), NEW))
        answer.new.clear()


def _greatest(probe: Probe, order: int, answer: Bulk) -> None:
    """Add the inputs of the greatest errors, of which the models know the magnitude alone."""
    found = answer.found
    magnitudes = [int(m) for m, value in zip(found.where, found.best, strict=True) if value > 0]
    patterns = sorted({m | sign for m in magnitudes for sign in (0, probe.format.sign_bit)})
    if patterns:
        bits = np.array(patterns, fa.storage(probe.format))
        answer.bits.append(bits)
        answer.got.append(probe.evaluate(bits, order))
