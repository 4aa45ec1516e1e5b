"""One shard of float32 by Taylor models: what the compiled loop needs, gathered once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from gradproof.formats.arrays import Bits
from gradproof.measure import Flushing
from gradproof.measure.contracts import TRAINING
from gradproof.oracle.reference import Reference
from gradproof.oracle.taylor_models import taylor_models
from gradproof.sweep import loop
from gradproof.sweep.collect import ENVELOPE_BINS, Collected

if TYPE_CHECKING:
    from gradproof.sweep.work import Subject

METRICS: Final = {"u": 0.0, "m": 1.0, "abs": 2.0}


class Modelled:
    """The finite magnitudes ``first`` to ``last`` of one sign, 0 left out, on their way through the loop."""

    def __init__(self, subject: Subject, found: Collected, first: int, last: int, *, negative: bool) -> None:
        probe = subject.probe
        self._order = subject.order
        self._found = found
        self._limits = limits(subject)
        half = slice(ENVELOPE_BINS // 2 * negative, ENVELOPE_BINS // 2 * (1 + negative))
        self._envelopes = found.envelope[half], found.mixed_envelope[half]
        models = taylor_models(probe.function, probe.format, subject.order, negative=negative, first=first, last=last)
        self._starts = models.start
        self._models = (
            models.start, models.stop, models.kind, models.centre, models.scale, models.coefficients, models.low,
            models.error, models.quantum,
        )  # fmt: skip

    def judge(self, magnitude: int, got: Bits, marks: npt.NDArray[np.uint8]) -> None:
        """Judge the results at consecutive magnitudes from ``magnitude`` on, and write their marks."""
        found = self._found
        run = int(np.searchsorted(self._starts, magnitude, side="right")) - 1
        loop.sweep(
            got.view(np.float32), magnitude, found.shift, run, *self._models, self._limits, self._order, marks,
            found.best, found.where, found.counts, found.above, found.below, found.mixed, found.absolute,
            *self._envelopes,
        )  # fmt: skip


def limits(subject: Subject) -> npt.NDArray[np.float64]:
    """The format, the contract, the unit of the training contract and what flushing excuses, as the loop reads them."""
    probe, order = subject.probe, subject.order
    fmt, contract = probe.format, probe.contract
    flushing: Flushing = probe.flushing(order)
    # Where f grows without bound the unit grows with it; beside 0 it is the rest of it.
    at_zero = Reference.empty(1, np.dtype(np.uint64))
    scale = float(np.max(probe.scale(order, at_zero)))
    rooms = [contract.room(order, fmt, q, 0.0, scale) for q in flushing.quanta(fmt)]
    values = np.zeros(loop.N_LIMITS)
    values[loop.PRECISION], values[loop.E_MIN] = fmt.precision, fmt.e_min
    values[loop.OVERFLOW] = float(fmt.overflow_threshold)
    values[loop.BEYOND_FORMAT] = 2.0 ** (fmt.e_max + 1)
    values[loop.METRIC], values[loop.LIMIT] = METRICS[contract.metric], contract.bound(order, fmt)
    values[loop.TRAINING_LIMIT] = TRAINING.bound(order, fmt)
    values[loop.UNIT] = scale * 2.0**-fmt.precision
    values[loop.UNBOUNDED] = 0.0 if subject.bounded else 2.0**-fmt.precision
    values[loop.FLUSHES_RESULTS], values[loop.FLUSHES_INPUTS] = flushing.results, flushing.inputs
    values[loop.ZERO_LOW], values[loop.ZERO_HIGH] = flushing.low, flushing.high
    values[loop.ROOM_LOW], values[loop.ROOM_HIGH] = (float(r) for r in rooms)
    values[loop.MIN_NORMAL], values[loop.MIN_NORMAL_BITS] = float(fmt.min_normal), fmt.min_normal_bits
    asymptotes = [*subject.asymptotes, np.nan, np.nan]
    values[loop.ASYMPTOTE_LEFT], values[loop.ASYMPTOTE_RIGHT] = asymptotes[:2]
    return values
