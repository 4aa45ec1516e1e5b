"""One shard of float32 on the device that made its results: bit patterns, kernel, filter and reduction stay there.

What travels: the runs of equal marks other than OK, the results at undecided inputs, and the summary. The whole shard
is one call of the implementation, so that no result depends on how much memory is free; the filter goes through it in
chunks that do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof.backends.arrays import Array, Arrays
from gradproof.backends.base import Call
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.oracle.taylor_models import TaylorModels
from gradproof.sweep.judging import codes
from gradproof.sweep.judging.collect import FELT
from gradproof.sweep.judging.comparison import Comparison, differing
from gradproof.sweep.judging.shard_judge import PATIENCE, ShardJudge
from gradproof.sweep.judging.subject import Subject
from gradproof.sweep.plan import Shard

_MAGNITUDE = 0x7FFF_FFFF
_SIGN = -0x8000_0000


class DeviceShard(ShardJudge):
    """A shard whose backend works on its device; of any device, so that CPU tensors can stand for it."""

    def __init__(self, subject: Subject, shard: Shard, models: TaylorModels | None = None) -> None:
        self.arrays = subject.probe.backend.arrays()
        super().__init__(subject, shard, models)

    def _arrays(self) -> Arrays:
        return self.arrays

    def run(self) -> dict[str, Any]:
        """All of it at once."""
        lo, count = self.shard.lo, self.shard.points
        got = self._results(lo, count)
        due = self._results(lo ^ self.format.sign_bit, count) if self.subject.parity and self.negative else None
        before = None
        if self.sections and self._magnitude(lo):
            before = self._results(lo - 1, 1)
        with self.arrays.quiet():
            found = self._decided(got, self._marks(got))
        if self.comparison is not None:
            self._compare_there(self.comparison, got, found)
        with self.arrays.quiet():
            found = self._explained_on_host(got, found)
            found = self._turned(got, before, found)
            if due is not None:
                found = self._mirrored(got, due, found)
            self._tell(found)
        return self.answer()

    def _results(self, first: int, count: int) -> Array:
        probe = self.subject.probe
        call = Call(order=self.subject.order, mode=probe.mode, path=probe.paths[0])
        with probe.calling():
            return probe.backend.on_device(probe.implementation, first, count, self.format, call)

    # -- marks --------------------------------------------------------------------------------------------

    def _marks(self, got: Array) -> Array:
        """Those of finite inputs by models; of 0 and the infinity by the oracle; of NaNs by what they return."""
        xp, start, count = self.arrays, self._magnitude(self.shard.lo), self.shard.points
        infinity = self.format.infinity_bits
        places = {name: min(max(bits - start, 0), count) for name, bits in
                  (("one", 1), ("infinity", infinity), ("nan", infinity + 1))}  # fmt: skip
        parts = [self._alone(start, got[: places["one"]])]
        if self.modelled and places["infinity"] > places["one"]:
            inside = got[places["one"] : places["infinity"]]
            parts.append(self.modelled.on_device(start + places["one"], inside))
        parts.append(self._alone(start + places["infinity"], got[places["infinity"] : places["nan"]]))
        parts.append(self._of_nans(got[places["nan"] :]))
        return xp.concatenate([part for part in parts if part.shape[0]])

    def _alone(self, magnitude: int, got: Array) -> Array:
        """The oracle's mark of one result, or of none."""
        xp = self.arrays
        if not got.shape[0]:
            return xp.zeros(0, xp.uint8)
        bits = np.array([magnitude | (self.shard.lo & self.format.sign_bit)], fa.storage(self.format))
        return xp.array(self._judge(bits, self._bits(xp.host(got))))

    def _of_nans(self, got: Array) -> Array:
        xp = self.arrays
        if self.subject.order:
            return xp.zeros(got.shape[0], xp.uint8) + codes.UNJUDGED
        wrong = ~xp.isnan(got)
        self.found.counts[FELT] += xp.count(wrong)
        return xp.astype(wrong, xp.uint8) * codes.WRONG

    def _decided(self, got: Array, found: Array) -> Array:
        """Have the oracle decide what the models left to it, on the host."""
        xp = self.arrays
        rows = xp.flatnonzero(found == codes.PENDING)
        if not rows.size:
            return found
        decided = np.full(rows.size, codes.UNDECIDED, np.uint8)
        taken = rows[: max(PATIENCE - self.found.asked, 0)]
        self.found.asked += taken.size
        # In portions: the oracle holds much of each input.
        for portion in np.split(np.arange(taken.size), range(1 << 18, taken.size, 1 << 18)):
            bits = (self.shard.lo + taken[portion]).astype(fa.storage(self.format))
            decided[portion] = self._judge(bits, self._bits(xp.at(got, taken[portion])))
        return xp.put(found, rows, decided)

    def _explained_on_host(self, got: Array, found: Array) -> Array:
        """Flag the failing results that no known deviation explains, in portions."""
        xp = self.arrays
        if not any(explainer.deviations for explainer in self.subject.explainers.values()):
            return found
        rows = xp.flatnonzero((found == codes.OVER) | (found == codes.LOST) | (found == codes.WRONG))
        for portion in np.split(np.arange(rows.size), range(1 << 18, rows.size, 1 << 18)):
            chosen = rows[portion]
            marks = np.ascontiguousarray(xp.at(found, chosen)).astype(np.uint8)
            bits = (self.shard.lo + chosen).astype(fa.storage(self.format))
            self._explain(bits, self._bits(xp.at(got, chosen)), marks)
            found = xp.put(found, chosen, marks)
        return found

    def _bits(self, results: Any) -> Bits:
        bits: Bits = np.ascontiguousarray(results).view(fa.storage(self.format))
        return bits

    # -- the other mode -----------------------------------------------------------------------------------

    def _compare_there(self, comparison: Comparison, got: Array, found: Array) -> None:
        """Add what the other mode gives; what differs comes to the host."""
        xp, lo, count = self.arrays, self.shard.lo, self.shard.points
        other = self.other
        assert isinstance(other, DeviceShard)
        theirs = other._results(lo, count)
        with xp.quiet():
            nans = xp.isnan(got) & xp.isnan(theirs)
            unlike = xp.flatnonzero((got.view(xp.int32) != theirs.view(xp.int32)) & ~nans)
            if not unlike.size:
                return
            marks = other._decided(theirs, other._marks(theirs))
            sides = self._sides_there(got, theirs)
        mirrored = None
        for portion in np.split(unlike, range(PATIENCE, unlike.size, PATIENCE)):
            pair = self._bits(xp.at(got, portion)), self._bits(xp.at(theirs, portion))
            bits = (lo + portion).astype(fa.storage(self.format))
            rows, zeros = differing(*pair, self.format)
            lost = [np.zeros(zeros.size, bool)] * 2
            if zeros.size and self.subject.parity < 0:
                mirrored = mirrored or [judge._results(lo ^ self.format.sign_bit, count) for judge in (self, other)]
                lost = [r[zeros] == self._bits(xp.at(m, portion[zeros])) for r, m in zip(pair, mirrored, strict=True)]
            comparison.add_zeros(bits[zeros], (lost[0], lost[1]))
            results = pair[0][rows], pair[1][rows]
            at = portion[rows]
            seen = [np.ascontiguousarray(xp.at(values, at)).astype(np.uint8) for values in (found, marks, sides)]
            comparison.add(bits[rows], results, (seen[0], seen[1]), self._sides(bits[rows], results, seen[2]))

    def _sides_there(self, got: Array, theirs: Array) -> Array:
        """Which results are nearer by the models; OPEN where there are none."""
        xp, count = self.arrays, self.shard.points
        sides = xp.zeros(count, xp.uint8) + codes.OPEN
        start = self._magnitude(self.shard.lo)
        inside = slice(max(self.first - start, 0), min(max(self.last + 1 - start, 0), count))
        if self.modelled is None or inside.start >= inside.stop:
            return sides
        near = self.modelled.nearer_on_device(start + inside.start, got[inside], theirs[inside])
        return xp.put(sides, inside, near)

    # -- neighbours and mirror images ---------------------------------------------------------------------

    def _turned(self, got: Array, before: Array | None, found: Array) -> Array:
        """Flag results that turn against f's direction from the one before them in magnitude."""
        xp, start = self.arrays, self._magnitude(self.shard.lo)
        for low, high, way in self.sections:
            first, last = max(low - start, 0), min(high - start, self.shard.points - 1)
            if before is not None and low < start <= high:
                found = self._flag(found, slice(0, 1), self._turns(before, got[:1], way))
            if first < last:
                turned = self._turns(got[first:last], got[first + 1 : last + 1], way)
                if xp.any(turned):
                    found = self._flag(found, slice(first + 1, last + 1), turned)
        return found

    def _turns(self, one: Array, following: Array, way: int) -> Array:
        """By bits: a device may take subnormal numbers for 0 when it compares floats."""
        xp = self.arrays
        a, b = (_ordinals(xp, values) for values in (one, following))
        return (b < a if way > 0 else b > a) & ~(xp.isnan(one) | xp.isnan(following))

    def _flag(self, found: Array, rows: slice, turned: Array) -> Array:
        xp = self.arrays
        flagged = found[rows] | xp.astype(turned, xp.uint8) * codes.NON_MONOTONE
        return xp.put(found, rows, flagged)

    def _mirrored(self, got: Array, due: Array, found: Array) -> Array:
        """Flag results at -x that are not ``due`` to those at x, up to the sign that the symmetry asks for."""
        xp = self.arrays
        a, b = got.view(xp.int32), due.view(xp.int32)
        if self.subject.parity < 0:
            b = b ^ _SIGN
        zeros = ((a | b) & _MAGNITUDE) == 0
        other = (a != b) & ~zeros & ~(xp.isnan(got) & xp.isnan(due))
        return found | xp.astype(other, xp.uint8) * codes.ASYMMETRIC if xp.any(other) else found

    # -- telling ------------------------------------------------------------------------------------------

    def _tell(self, found: Array) -> None:
        """Bring the runs of equal marks to the host, unless all are OK."""
        xp = self.arrays
        if xp.any(found != codes.OK):
            starts = np.concatenate([[0], xp.flatnonzero(found[1:] != found[:-1]) + 1])
            self.found.mark_runs(self.shard.lo, starts, self.shard.points, xp.at(found, starts))


def _ordinals(xp: Arrays, values: Array) -> Array:
    """Integers in the order of float32 numbers; both zeros are 0."""
    bits = values.view(xp.int32)
    return xp.where(bits < 0, -(bits & _MAGNITUDE), bits)
