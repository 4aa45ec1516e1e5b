"""The error loop as array operations: the same marks and summaries as ``loop.sweep``, on a device or without Numba.

One implementation over ``backends.arrays.Arrays``: tensors and JAX arrays on CUDA, where neither inputs nor results
travel, and NumPy where Numba is not installed. Passes over whole arrays, all of float64; what ``loop`` examines input
by input goes through ``_examined`` for the whole array when any input needs it.

Errors differ from the loop's in the last bits, where one of the two contracts a product and a sum into one rounding;
the models' bounds allow for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.backends.arrays import Array, Arrays
from gradproof.oracle.taylor_models import BEYOND, BOUND, MODEL, NOWHERE, TERMS, VARIES, TaylorModels
from gradproof.sweep.judging import loop_constants as at
from gradproof.sweep.judging.codes import EXCUSED, FARTHER, LOST, NEARER, OK, OPEN, OVER, PENDING, UNJUDGED, WRONG
from gradproof.sweep.judging.collect import (
    ABOVE,
    ABS,
    ABSOLUTE_BINS,
    BELOW,
    COARSE_SHIFT,
    FELT,
    FINE_SHIFT,
    FIRST_COARSE,
    FIRST_FINE,
    JUDGED,
    MISMATCHED,
    RELATIVE_BINS,
    Collected,
    M,
    U,
)

_EXPONENT: Final = 0x7FF0_0000_0000_0000


@dataclass
class _ArrayErrors:
    """Arrays of shape (n,), or of shape (1,) where all n agree: signed errors in ulps, mixed errors, and what they are
    made of. ``y`` is the value, its quantum ``quantum``, ``moved`` what one quantum of the input moves it by; ``doubt``
    holds where the quantum is uncertain, None for nowhere.
    """

    s: Array
    m: Array
    y: Array
    rest: Array
    first: Array
    quantum: Array
    moved: Array
    error: Array
    doubt: Array | None


class ArrayLoop:
    """The models of finite magnitudes of one sign, on the device of ``arrays``, and what results there are held to.

    ``limits`` as ``modelled.limits`` gives them; ``found`` receives the summary of the sign ``negative``.
    """

    def __init__(
        self,
        arrays: Arrays,
        models: TaylorModels,
        limits: npt.NDArray[np.float64],
        order: int,
        found: Collected,
        *,
        negative: bool,
    ) -> None:
        self._arrays = arrays
        self._models = models
        self._limits = [float(value) for value in limits]
        self._order = order
        self._found = found
        self._envelopes = found.half(negative=negative)
        modelled = models.kind == MODEL
        varies = modelled & (models.quantum == VARIES)
        constant = np.where(modelled & ~varies, models.quantum, 0)
        self._varies = varies
        with arrays.quiet():
            self._kind = arrays.array(_powered(models.kind))
            self._centre = arrays.array(_powered(models.centre))
            self._scale, self._low, self._error = (
                arrays.array(_powered(column)) for column in (models.scale, models.low, models.error)
            )
            self._coefficients = [arrays.array(_powered(models.coefficients[:, k])) for k in range(TERMS)]
            # 0 where each value has its own quantum.
            self._quantum = arrays.array(_powered(np.where(varies, 0.0, np.ldexp(1.0, constant))))

    def sweep(self, got: Array, start: int) -> Array:
        """The marks (uint8) of float32 results at consecutive magnitudes from ``start`` on, on the device."""
        step = self._arrays.chunk
        with self._arrays.quiet():
            parts = [self._chunk(got[i : i + step], start + i) for i in range(0, got.shape[0], step)]
            return self._arrays.concatenate(parts)

    def nearer(self, one: Array, other: Array, start: int) -> Array:
        """As ``loop.nearer``, at every magnitude from ``start`` on, also where the two are the same (uint8)."""
        step = self._arrays.chunk
        with self._arrays.quiet():
            parts = [
                self._nearer(one[i : i + step], other[i : i + step], start + i) for i in range(0, one.shape[0], step)
            ]
            return self._arrays.concatenate(parts)

    def _nearer(self, one: Array, other: Array, start: int) -> Array:
        xp, count = self._arrays, int(one.shape[0])
        first, last = (np.searchsorted(self._models.start, [start, start + count - 1], side="right") - 1).tolist()
        pick = self._picker(first, last, start, count)
        a, b = xp.widened(one), xp.widened(other)
        errors = self._errors(a, xp.arange(start, start + count), pick, False)
        off, off_other = (abs((x - errors.first) - errors.rest) for x in (a, b))
        nan = xp.isnan(a) | xp.isnan(b)
        off, off_other = xp.where(nan, xp.isnan(a) * 1.0, off), xp.where(nan, xp.isnan(b) * 1.0, off_other)
        room = 2 * errors.error + at.BESIDE * (abs(errors.rest) + xp.where(off > off_other, off, off_other))
        sides = xp.where(off + room < off_other, NEARER, xp.where(off_other + room < off, FARTHER, OPEN))
        beyond = (xp.isinf(a) | xp.isinf(b)) & (abs(errors.y) > self._limits[at.OVERFLOW] / 2)
        return xp.astype(xp.where((pick(self._kind) == MODEL) & ~beyond, sides, OPEN), xp.uint8)

    # -- one chunk ----------------------------------------------------------------------------------------

    def _chunk(self, results: Array, start: int) -> Array:
        xp, count = self._arrays, int(results.shape[0])
        first, last = (np.searchsorted(self._models.start, [start, start + count - 1], side="right") - 1).tolist()
        kinds = np.unique(self._models.kind[first : last + 1])
        pick = self._picker(first, last, start, count)
        got = xp.widened(results)
        number = xp.arange(start, start + count)
        if MODEL not in kinds:
            marks, kept = self._unmodelled(got, number, pick)
            mismatched = xp.count(marks == WRONG)
            self._found.counts[FELT] += mismatched
            self._found.counts[MISMATCHED] += mismatched
            none = xp.zeros(count, xp.float64)
            self._add(start, none, none, none, kept, kept)
            return marks
        errors = self._errors(got, number, pick, bool(self._varies[first : last + 1].any()))
        suspicious = ~self._within(self._measure(errors))
        if errors.doubt is not None:
            suspicious = suspicious | errors.doubt
        if kinds.size == 1 and not xp.any(suspicious):
            self._add(start, errors.s, errors.m, errors.quantum, None, None)
            return xp.zeros(count, xp.uint8)
        marks, kept, within = self._examined(got, number, errors, pick, mixed=kinds.size > 1)
        self._add(start, errors.s, errors.m, errors.quantum, kept, within)
        return marks

    def _picker(self, first: int, last: int, start: int, count: int) -> Callable[[Array], Array]:
        """From a column of the models to its value at each input."""
        if first == last:
            run = self._arrays.array(np.array([first]))
            return lambda column: column[run]
        stops = np.minimum(self._models.stop[first : last + 1] - start, count)
        run = self._arrays.intervals(stops, count) + first
        return lambda column: column[run]

    def _errors(self, got: Array, number: Array, pick: Callable[[Array], Array], varying: bool) -> _ArrayErrors:
        xp = self._arrays
        scale = pick(self._scale)
        t = xp.astype(number - pick(self._centre), xp.float64) * scale
        column = pick(self._coefficients[TERMS - 1])
        rest, slope = column, (TERMS - 1) * column
        for k in range(TERMS - 2, 0, -1):
            column = pick(self._coefficients[k])
            rest = column + t * rest
            if k > 1:
                slope = k * column + t * slope
        slope = column + t * slope
        rest = pick(self._low) + t * rest
        first = pick(self._coefficients[0])
        y = first + rest
        quantum, doubt = pick(self._quantum), None
        if varying:
            quantum, doubt = self._quanta(y, quantum)
        moved = abs(slope * scale)
        gap = (got - first) - rest
        return _ArrayErrors(
            gap / quantum, abs(gap) / (quantum + moved), y, rest, first, quantum, moved, pick(self._error), doubt
        )

    def _quanta(self, y: Array, quantum: Array) -> tuple[Array, Array]:
        """The quantum of each value where ``quantum`` is 0, and where it is in doubt."""
        xp = self._arrays
        bits = y.view(xp.int64)
        least, shift = int(self._limits[at.E_MIN]) + 1023 << 52, int(self._limits[at.PRECISION]) - 1 << 52
        own = xp.clip(bits & _EXPONENT, least, None) - shift
        varies = quantum == 0.0
        near = ((bits - at.STEPS) ^ (bits + at.STEPS)) & _EXPONENT
        return xp.where(varies, own.view(xp.float64), quantum), varies & (near != 0)

    # -- what is not plain --------------------------------------------------------------------------------

    @property
    def _slack(self) -> float:
        return self._limits[at.LIMIT] * at.MARGIN + BOUND

    def _unit(self, y: Array) -> Array:
        """The unit of the training contract."""
        return self._arrays.clip(abs(y) * self._limits[at.UNBOUNDED], self._limits[at.UNIT], None)

    def _measure(self, errors: _ArrayErrors, gap: Array | None = None) -> Array:
        """The errors by the contract's metric; those of ``gap``, absolute errors of the same inputs, if it is given."""
        metric = self._limits[at.METRIC]
        if metric == at.METRICS["m"]:
            return errors.m if gap is None else gap / (errors.quantum + errors.moved)
        u = abs(errors.s) if gap is None else gap / errors.quantum
        return u if metric == at.METRICS["u"] else u * errors.quantum / self._unit(errors.y)

    def _within(self, measure: Array) -> Array:
        """Where an error is certainly within the contract."""
        return measure < self._limits[at.LIMIT] - self._slack

    def _beyond(self, measure: Array) -> Array:
        """Where it is certainly beyond."""
        return measure > self._limits[at.LIMIT] + self._slack

    def _examined(
        self, got: Array, number: Array, errors: _ArrayErrors, pick: Callable[[Array], Array], *, mixed: bool
    ) -> tuple[Array, Array, Array]:
        """Marks; where there is an error to be counted; and where the envelopes say something.

        ``errors`` get 0 wherever there is none or it is excused, and the errors of infinities.
        """
        xp, limits = self._arrays, self._limits
        size = abs(errors.y)
        infinite = xp.isinf(got)
        near = infinite & (abs(size - limits[at.OVERFLOW]) <= errors.error + size * 2.0**-50)
        if errors.doubt is not None:
            near = near | errors.doubt
        same_side = (errors.y == 0.0) | ((got > 0) == (errors.y > 0))
        beyond = size > limits[at.OVERFLOW]
        wrong = (xp.isnan(got) | (infinite & ~same_side)) & ~near
        gap = (xp.sign(got) * limits[at.BEYOND_FORMAT] - errors.first) - errors.rest
        spurious = infinite & same_side & ~beyond
        errors.s = xp.where(spurious, gap / errors.quantum, errors.s)
        errors.m = xp.where(spurious, abs(gap) / (errors.quantum + errors.moved), errors.m)
        right = infinite & same_side & beyond
        errors.s, errors.m = xp.where(right, 0.0, errors.s), xp.where(right, 0.0, errors.m)
        measure = self._measure(errors)
        failing = spurious | self._beyond(measure)
        between = near | ~(failing | self._within(measure))
        marks = xp.where(failing, self._failures(got, number, errors), OK)
        marks = xp.where(wrong, self._mismatches(got, number), xp.where(between, PENDING, marks))
        wrong = wrong & (marks == WRONG)
        kept = (marks != PENDING) & ~wrong
        too_much = spurious | (abs(errors.s) * errors.quantum > limits[at.TRAINING_LIMIT] * self._unit(errors.y))
        felt = wrong | (kept & failing & (marks != EXCUSED) & too_much)
        within = kept | ~kept
        if mixed:
            model = pick(self._kind) == MODEL
            others, known = self._unmodelled(got, number, pick)
            marks = xp.where(model, xp.astype(marks, xp.uint8), others)
            felt = (model & felt) | (~model & (marks == WRONG))
            wrong = (model & wrong) | (~model & (marks == WRONG))
            errors.s, errors.m = xp.where(model, errors.s, 0.0), xp.where(model, errors.m, 0.0)
            kept = xp.where(model, kept, known)
            within = model | kept
        counted = kept & (marks != EXCUSED)
        errors.s, errors.m = xp.where(counted, errors.s, 0.0), xp.where(counted, errors.m, 0.0)
        self._found.counts[FELT] += xp.count(felt)
        self._found.counts[MISMATCHED] += xp.count(wrong)
        return xp.astype(marks, xp.uint8), kept, within

    def _failures(self, got: Array, number: Array, errors: _ArrayErrors) -> Array:
        """The marks of results beyond the contract."""
        xp, limits = self._arrays, self._limits
        size, least = abs(errors.y), limits[at.MIN_NORMAL]
        zero = got == 0.0
        saturated = zero | (got == limits[at.ASYMPTOTE_LEFT]) | (got == limits[at.ASYMPTOTE_RIGHT])
        marks = xp.where(saturated & (size >= least), LOST, OVER)
        marks = xp.where(xp.isinf(got) | (got * xp.sign(errors.y) < 0.0), WRONG, marks)
        if limits[at.FLUSHES_INPUTS]:  # whatever comes next reads a subnormal result as 0
            measure = self._measure(errors, size)
            held = xp.where(self._within(measure), EXCUSED, xp.where(self._beyond(measure), marks, PENDING))
            subnormal = (abs(got) < least) & ~zero
            marks, zero = xp.where(subnormal, held, marks), zero | subnormal
        if limits[at.FLUSHES_RESULTS]:
            marks = xp.where(zero & (size < least), EXCUSED, marks)
        marks = xp.where((zero | saturated) & (abs(size - least) <= least * at.EDGE), PENDING, marks)
        return xp.where(self._read_as_zero(got, number), EXCUSED, marks)

    def _mismatches(self, got: Array, number: Array) -> Array:
        """The marks of NaNs and infinities where another class is due."""
        return self._arrays.where(self._read_as_zero(got, number), EXCUSED, WRONG)

    def _read_as_zero(self, got: Array, number: Array) -> Array:
        """Where an input is subnormal, read as 0, and the result right there."""
        limits = self._limits
        low, high = limits[at.ZERO_LOW] - limits[at.ROOM_LOW], limits[at.ZERO_HIGH] + limits[at.ROOM_HIGH]
        right = (low <= got) & (got <= high)
        if limits[at.EITHER_INFINITY]:
            right = right | self._arrays.isinf(got)
        return (number < int(limits[at.MIN_NORMAL_BITS] * limits[at.FLUSHES_INPUTS])) & right

    def _unmodelled(self, got: Array, number: Array, pick: Callable[[Array], Array]) -> tuple[Array, Array]:
        """Marks where there is no model, and where the result is right by them or excused; its error counts as 0."""
        xp = self._arrays
        kind = pick(self._kind)
        infinite = xp.isinf(got)
        same_side = (got > 0) == (pick(self._coefficients[0]) > 0)
        wrong = self._mismatches(got, number)
        beyond = xp.where(infinite & same_side, OK, xp.where(infinite | xp.isnan(got), wrong, PENDING))
        nowhere = UNJUDGED if self._order else xp.where(xp.isnan(got), OK, wrong)
        marks = xp.where(kind == NOWHERE, nowhere, xp.where(kind == BEYOND, beyond, PENDING))
        return xp.astype(marks, xp.uint8), (marks == OK) | (marks == EXCUSED)

    # -- adding up ----------------------------------------------------------------------------------------

    def _add(self, start: int, s: Array, m: Array, quantum: Array, kept: Array | None, within: Array | None) -> None:
        """Add errors, 0 where not ``kept`` (None: all are), to the summary."""
        xp, found = self._arrays, self._found
        count = int(s.shape[0])
        u = abs(s)
        absolute = u * quantum
        found.counts[JUDGED] += count if kept is None else xp.count(kept)
        relative = self._bins(u, FINE_SHIFT, FIRST_FINE, RELATIVE_BINS, kept)
        signed = relative + xp.where(s < 0.0, RELATIVE_BINS + 1, 0)
        sides = xp.bincount(signed, 2 * (RELATIVE_BINS + 1))
        found.above += sides[:RELATIVE_BINS]
        found.below += sides[RELATIVE_BINS + 1 : -1]
        found.mixed += xp.bincount(self._bins(m, FINE_SHIFT, FIRST_FINE, RELATIVE_BINS, kept), RELATIVE_BINS + 1)[:-1]
        found.absolute += xp.bincount(
            self._bins(absolute, COARSE_SHIFT, FIRST_COARSE, ABSOLUTE_BINS, kept), ABSOLUTE_BINS + 1
        )[:-1]
        for slot, values in ((U, u), (M, m), (ABS, absolute), (ABOVE, s), (BELOW, -s)):
            value, place = xp.peak(values)
            if value > found.best[slot]:
                found.best[slot], found.where[slot] = value, start + place
        self._raise(start, u, m, within)

    def _bins(self, values: Array, shift: int, first: int, count: int, kept: Array | None) -> Array:
        """The bin of each value in a histogram; the one behind the last where not ``kept``."""
        xp = self._arrays
        bins = xp.clip((values.view(xp.int64) >> shift) - first, 0, count - 1)
        return bins if kept is None else xp.where(kept, bins, count)

    def _raise(self, start: int, u: Array, m: Array, within: Array | None) -> None:
        """Lift the envelopes of u and m, bin by bin, where ``within`` (None: everywhere)."""
        xp, shift = self._arrays, self._found.shift
        stop = start + int(u.shape[0])
        for values, envelope in zip((u, m), self._envelopes, strict=True):
            seen = values if within is None else xp.where(within, values, -1.0)
            for bin_ in range(start >> shift, (stop - 1 >> shift) + 1):
                low, high = max((bin_ << shift) - start, 0), min((bin_ + 1 << shift) - start, stop - start)
                top = xp.top(seen[low:high])
                if top >= 0:
                    envelope[bin_] = max(envelope[bin_], np.float64(top).view(np.int64))


def _powered(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy of a column with its last value repeated up to a power of two: JAX compiles for each length."""
    length = 1 << (column.size - 1).bit_length()
    return np.concatenate([column, np.repeat(column[-1:], length - column.size)])
