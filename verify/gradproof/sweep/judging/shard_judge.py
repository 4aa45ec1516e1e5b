"""One shard judged chunk by chunk: by the models, by the oracle, and against neighbours and mirror images."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.backends.arrays import Arrays
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.measure.severity import classify
from gradproof.oracle.taylor_models import TaylorModels
from gradproof.sweep.judging import codes
from gradproof.sweep.judging.collect import FELT, Collected
from gradproof.sweep.judging.comparison import Comparison, arbitrated, differing
from gradproof.sweep.judging.modelled import Modelled
from gradproof.sweep.judging.subject import Subject
from gradproof.sweep.plan import Shard

CHUNK: Final = 1 << 18
"""Results asked of the backend at once: enough for a call to be cheap, few enough for a core's caches."""
PATIENCE: Final = 1 << 20
"""Inputs of one shard that go to the oracle where a model would do; the rest stays undecided."""

EXPLAINED: Final = 1 << 20
"""Failing results of one shard that are held against the known deviations one by one; of the rest one in THINNED."""
THINNED: Final = 61

ARBITRATED: Final = 1 << 16
"""Differences of one shard between two modes that the oracle arbitrates where a model would do; the rest stays
undecided."""

Marks = npt.NDArray[np.uint8]


class ShardJudge:
    """One shard on its way. Its patterns have one sign, so that they are magnitudes in growing order.

    ``models`` are those of the shard where somebody has made them already.
    """

    def __init__(self, subject: Subject, shard: Shard, models: TaylorModels | None = None) -> None:
        self.subject = subject
        self.shard = shard
        self.format = fmt = subject.probe.format
        self._explained = 0
        self.found = Collected(fmt, shard.lo, shard.hi)
        self.negative = bool(shard.lo & fmt.sign_bit)
        self.sections = subject.sections(negative=self.negative)
        self.first, self.last = max(self._magnitude(shard.lo), 1), min(self._magnitude(shard.hi), fmt.max_bits)
        """The magnitudes that models are for: finite and not 0."""
        self.modelled = None
        if fmt.width == 32 and self.first <= self.last:
            made = self._modelled(models)
            self.modelled, models = made, made.models
        self.comparison: Comparison | None = None
        if subject.other is not None:
            self.comparison = Comparison(fmt)
            self.other = type(self)(subject.other, shard, models)
            self._arbitrated = 0

    def _modelled(self, models: TaylorModels | None) -> Modelled:
        probe, order, negative, arrays = self.subject.probe, self.subject.order, self.negative, self._arrays()
        if models is not None:
            return Modelled(probe, order, self.found, negative=negative, models=models, arrays=arrays)
        return Modelled.between(
            probe, order, self.found, self.first, self.last, negative=negative, arrays=arrays
        )  # fmt: skip

    def _arrays(self) -> Arrays | None:
        """Operations where the results are; None for the host."""
        return None

    def run(self) -> dict[str, Any]:
        """All of it, chunk by chunk."""
        before = self._neighbour()
        for start in range(self.shard.lo, self.shard.hi + 1, CHUNK):
            stop = min(start + CHUNK, self.shard.hi + 1)
            before = self._chunk(np.arange(start, stop, dtype=fa.storage(self.format)), before)
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The summary, its greatest errors confirmed."""
        self._confirm()
        made = self.found.to_json(self.modelled.slack) if self.modelled else self.found.to_json()
        return made if self.comparison is None else {**made, "against": self.comparison.to_json()}

    def results(self, bits: Bits) -> Bits:
        """The results that are judged, at any patterns."""
        return self.subject.evaluate(bits)

    def _magnitude(self, bits: int) -> int:
        return bits & (self.format.sign_bit - 1)

    def _neighbour(self) -> Bits:
        """The result at the pattern before the first, where the order of the two can be checked."""
        if not self.sections or not self._magnitude(self.shard.lo) or not self.subject.holds(self.shard.lo - 1):
            return np.empty(0, fa.storage(self.format))
        return self.subject.evaluate(np.array([self.shard.lo - 1], fa.storage(self.format)))

    def _chunk(self, bits: Bits, before: Bits) -> Bits:
        """Judge consecutive patterns; ``before`` is the result at the one before them, and the answer their last."""
        got = self.results(bits)
        found = self.marks(bits, got)
        start = self._magnitude(int(bits[0]))
        if self.comparison is not None:
            self._compare(self.comparison, bits, got, found)
        self._explain(bits, got, found)
        self._order(start, got, before, found)
        self._symmetry(bits, got, found)
        self.found.mark(bits, found)
        return got[-1:]

    def marks(self, bits: Bits, got: Bits) -> Marks:
        """The marks of the results at consecutive patterns, each judged by itself; their errors are added up."""
        found = np.zeros(bits.size, np.uint8)
        start = self._magnitude(int(bits[0]))
        inside = self._inside(start)
        if self.modelled and got[inside].size:
            self.modelled.judge(start + inside.start, got[inside], found[inside])
        for rows in (slice(0, inside.start), slice(inside.stop, bits.size)):
            if bits[rows].size:
                found[rows] = self._judge(bits[rows], got[rows])
        self._decide(bits, got, found)
        return found

    def _inside(self, start: int) -> slice:
        """Which of the patterns from the magnitude ``start`` on models are for."""
        return slice(max(self.first - start, 0), max(self.last + 1 - start, 0)) if self.modelled else slice(0, 0)

    # -- by the oracle ------------------------------------------------------------------------------------

    def _judge(self, bits: Bits, got: Bits) -> Marks:
        """The marks of results that the oracle judges one by one; their errors are added up."""
        if fa.is_nan(bits, self.format).all():  # half a percent of all patterns, and nothing to ask the oracle
            if self.subject.order:
                return np.full(bits.size, codes.UNJUDGED, np.uint8)
            wrong = ~fa.is_nan(got, self.format)
            self.found.counts[FELT] += int(wrong.sum())
            return np.where(wrong, codes.WRONG, codes.OK).astype(np.uint8)
        reference, judgement = self.subject.judge(bits, got)
        self.found.judged(bits, got, reference, judgement)
        return codes.codes_of(judgement, classify(got, reference, judgement, self.format, self.subject.asymptotes))

    def _decide(self, bits: Bits, got: Bits, found: Marks) -> None:
        """Have the oracle decide what the models left to it."""
        rows = np.flatnonzero(found == codes.PENDING)
        taken = rows[: max(PATIENCE - self.found.asked, 0)]
        found[rows[taken.size :]] = codes.UNDECIDED
        if taken.size:
            self.found.asked += taken.size
            found[taken] = self._judge(bits[taken], got[taken])

    def _explain(self, bits: Bits, got: Bits, found: Marks) -> None:
        """Flag the failing results that no known deviation explains; of many, evenly chosen ones."""
        rows = np.flatnonzero(np.isin(found & codes.CODE, codes.FAILING_CODES))
        step = 1 if self._explained < EXPLAINED else THINNED
        rows = rows[::step]
        if rows.size:
            self._explained += rows.size
            found[rows[self.subject.unexplained(bits[rows], got[rows])]] |= codes.UNEXPLAINED

    def _confirm(self) -> None:
        """Have the oracle judge the inputs of the greatest errors, which models know within their bound."""
        candidates = self.found.candidates()
        if not candidates:
            return
        bits = np.array(list(candidates.values()), fa.storage(self.format))
        got = self.results(bits)
        _, judgement = self.subject.judge(bits, got, precise=True)
        for i, name in enumerate(candidates):
            error = judgement.unexcused({"m": judgement.m, "abs": judgement.absolute}.get(name, judgement.u))[i]
            self.found.confirm(name, float(error), int(bits[i]), int(got[i]))

    # -- the other mode -----------------------------------------------------------------------------------

    def _compare(self, comparison: Comparison, bits: Bits, got: Bits, found: Marks) -> None:
        """Add what the other mode gives at consecutive patterns; ``found`` are the marks of ``got``."""
        theirs = self.other.results(bits)
        rows, zeros = differing(got, theirs, self.format)
        if zeros.size:
            sign = fa.storage(self.format).type(self.format.sign_bit)
            lost = [np.zeros(zeros.size, bool)] * 2
            if self.subject.parity < 0:
                pairs = ((got, self.results(bits ^ sign)), (theirs, self.other.results(bits ^ sign)))
                lost = [result[zeros] == mirrored[zeros] for result, mirrored in pairs]
            comparison.add_zeros(bits[zeros], (lost[0], lost[1]))
        if not rows.size:
            return
        marks = self.other.marks(bits, theirs)
        sides = np.full(bits.size, codes.OPEN, np.uint8)
        start = self._magnitude(int(bits[0]))
        inside = self._inside(start)
        if self.modelled and got[inside].size:
            self.modelled.nearer(start + inside.start, got[inside], theirs[inside], sides[inside])
        pair = got[rows], theirs[rows]
        comparison.add(bits[rows], pair, (found[rows], marks[rows]), self._sides(bits[rows], pair, sides[rows]))

    def _sides(self, bits: Bits, results: tuple[Bits, Bits], sides: Marks) -> Marks:
        """``sides`` with what models left open decided: by the oracle, and at NaNs without."""
        nans = fa.is_nan(bits, self.format)
        if nans.any() and not self.subject.order:
            one, other = (fa.is_nan(r, self.format) for r in results)
            decided = np.where(one, codes.NEARER, np.where(other, codes.FARTHER, codes.ALIKE))
            sides = np.where(nans, decided, sides).astype(np.uint8)
        rows = np.flatnonzero((sides == codes.OPEN) & ~nans)[: max(ARBITRATED - self._arbitrated, 0)]
        if rows.size:
            self._arbitrated += rows.size
            pair = results[0][rows], results[1][rows]
            sides[rows] = arbitrated(bits[rows], pair, self.format, self.subject.references)
        return sides

    # -- neighbours and mirror images ---------------------------------------------------------------------

    def _order(self, start: int, got: Bits, before: Bits, found: Marks) -> None:
        """Flag results that turn against f's direction from the one before them in magnitude."""
        if not self.sections:
            return
        results = np.concatenate([before, got])
        values = results.view(np.float32) if self.format.width == 32 else fa.values(results, self.format)
        start -= before.size
        for low, high, way in self.sections:
            first, last = max(low - start, 0), min(high - start, values.size - 1)
            if first < last:
                one, following = values[first:last], values[first + 1 : last + 1]
                turned = following < one if way > 0 else following > one
                if turned.any():
                    found[np.flatnonzero(turned) + first + 1 - before.size] |= codes.NON_MONOTONE

    def _symmetry(self, bits: Bits, got: Bits, found: Marks) -> None:
        """Flag results at -x that are not those at x, up to the sign that the function's symmetry asks for."""
        if not self.subject.parity or not self.negative:
            return
        sign = fa.storage(self.format).type(self.format.sign_bit)
        if not self.subject.holds(*(bits[[0, -1]] ^ sign)):
            return
        due = self.subject.evaluate(bits ^ sign)
        if self.subject.parity < 0:
            due = due ^ sign
        rows = np.flatnonzero(got != due)
        if rows.size:
            a, b = got[rows], due[rows]
            zeros = (fa.magnitudes(a, self.format) == 0) & (fa.magnitudes(b, self.format) == 0)
            nans = fa.is_nan(a, self.format) & fa.is_nan(b, self.format)
            found[rows[~(zeros | nans)]] |= codes.ASYMMETRIC
