"""One shard of an implementation whose results are not settled, only enclosed (``Backend.enclosure``).

The error grows away from the exact value on either side, so all that lies between two results which keep the contract
keeps it too, and all fails where an end fails towards which the exact value lies. Anything else is undecided: some of
the possible results keep the contract, or may.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.sweep.judging import codes, shard_summary
from gradproof.sweep.judging.shard_judge import CHUNK, Marks, ShardJudge
from gradproof.sweep.judging.subject import Subject
from gradproof.sweep.plan import Shard

LOW, HIGH = range(2)


class EnclosureEnd(ShardJudge):
    """The lower or the upper ends of the enclosures."""

    def __init__(self, subject: Subject, shard: Shard, end: int) -> None:
        super().__init__(subject, shard)
        self._end = end

    def results(self, bits: Bits) -> Bits:
        """The ends at any patterns."""
        return self.subject.enclosure(bits)[self._end]


class EnclosedShard:
    """One shard on its way: both ends are judged, and the marks put together.

    Greatest errors and envelopes are those of the farther ends, as far as these are numbers; histograms and ``felt``
    count either end. The order of neighbours and symmetry are not looked at: results that are possible one by one need
    not be possible together.
    """

    def __init__(self, subject: Subject, shard: Shard) -> None:
        self.subject = subject
        self.shard = shard
        self._ends = EnclosureEnd(subject, shard, LOW), EnclosureEnd(subject, shard, HIGH)
        self._judged = self._wrong = 0

    def run(self) -> dict[str, Any]:
        """All of it, chunk by chunk."""
        low, high = self._ends
        fmt = low.format
        for start in range(self.shard.lo, self.shard.hi + 1, CHUNK):
            bits = np.arange(start, min(start + CHUNK, self.shard.hi + 1), dtype=fa.storage(fmt))
            ends = self.subject.enclosure(bits)
            marks = low.marks(bits, ends[LOW]), high.marks(bits, ends[HIGH])
            found = self._joined(bits, ends, marks)
            wrong = fa.is_finite(bits, fmt) & (found == codes.WRONG)
            decided = fa.is_finite(bits, fmt) & ~np.isin(found, (codes.UNDECIDED, codes.UNJUDGED, codes.WRONG))
            self._judged += int(decided.sum())
            self._wrong += int(wrong.sum())
            low.found.mark(bits, found)
        return shard_summary.both_ends(low.answer(), high.answer(), self._judged, self._wrong)

    def _joined(self, bits: Bits, ends: tuple[Bits, Bits], marks: tuple[Marks, Marks]) -> Marks:
        """What holds of every result between the ends."""
        low, high = marks
        if not (low.any() or high.any()):
            return low
        failing = [np.isin(m, codes.FAILING_CODES) for m in marks]
        one = ends[LOW] == ends[HIGH]
        beyond = failing[LOW] & failing[HIGH] & ~one
        if rows := np.flatnonzero(beyond).tolist():
            beyond[rows] = self._outside(bits[rows], ends[LOW][rows], ends[HIGH][rows])
        found = np.where(failing[LOW] & failing[HIGH], np.minimum(low, high), np.maximum(low, high))
        open_ = (low == codes.UNDECIDED) | (high == codes.UNDECIDED) | failing[LOW] | failing[HIGH]
        found = np.where(open_ & ~beyond, codes.UNDECIDED, found)
        return np.where(one, low, found).astype(np.uint8)

    def _outside(self, bits: Bits, low: Bits, high: Bits) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Where the exact value lies on one side of all possible results, which are known to be far from it."""
        fmt = self._ends[LOW].format
        exact = self.subject.judge(bits, low)[0].values
        outside: np.ndarray[tuple[int], np.dtype[np.bool_]] = (fa.values(low, fmt) > exact) | (
            fa.values(high, fmt) < exact
        )
        return outside
