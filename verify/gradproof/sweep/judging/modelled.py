"""One shard of float32 by Taylor models: what the loop needs, gathered once."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gradproof.backends.arrays import Array, Arrays
from gradproof.formats.arrays import Bits
from gradproof.measure import Flushing
from gradproof.measure.contracts import TRAINING
from gradproof.oracle.reference import Reference
from gradproof.oracle.taylor_models import taylor_models
from gradproof.sweep.judging import loop_constants
from gradproof.sweep.judging.arrays import ArrayLoop
from gradproof.sweep.judging.collect import ENVELOPE_BINS, Collected

if TYPE_CHECKING:
    from gradproof.sweep.judging.subject import Subject


class Modelled:
    """The finite magnitudes ``first`` to ``last`` of one sign, 0 left out, on their way through the loop.

    It is the compiled one; array code on the device of ``arrays`` where they are given, and array code by NumPy where
    Numba is not installed.
    """

    def __init__(
        self, subject: Subject, found: Collected, first: int, last: int, *, negative: bool, arrays: Arrays | None = None
    ) -> None:
        probe = subject.probe
        self._order = subject.order
        self._found = found
        self._limits = limits(subject, negative=negative)
        half = slice(ENVELOPE_BINS // 2 * negative, ENVELOPE_BINS // 2 * (1 + negative))
        self._envelopes = found.envelope[half], found.mixed_envelope[half]
        models = taylor_models(probe.function, probe.format, subject.order, negative=negative, first=first, last=last)
        self._loop = compiled_loop() if arrays is None else None
        if self._loop is None:
            self._arrays = ArrayLoop(arrays or Arrays(), models, self._limits, self._order, found, negative=negative)
        self.slack = models.slack
        self._starts = models.start
        self._models = (
            models.start, models.stop, models.kind, models.centre, models.scale, models.coefficients, models.low,
            models.error, models.quantum,
        )  # fmt: skip

    def judge(self, magnitude: int, got: Bits, marks: npt.NDArray[np.uint8]) -> None:
        """Judge the results at consecutive magnitudes from ``magnitude`` on, and write their marks."""
        if self._loop is None:
            marks[:] = self._arrays.sweep(got.view(np.float32), magnitude)
            return
        found = self._found
        run = int(np.searchsorted(self._starts, magnitude, side="right")) - 1
        self._loop.sweep(
            got.view(np.float32), magnitude, found.shift, run, *self._models, self._limits, self._order, marks,
            found.best, found.where, found.counts, found.above, found.below, found.mixed, found.absolute,
            *self._envelopes,
        )  # fmt: skip

    def on_device(self, magnitude: int, got: Array) -> Array:
        """The same for float32 results on the device of the ``arrays`` given; their marks (uint8) are there too."""
        return self._arrays.sweep(got, magnitude)


@cache
def compiled_loop() -> ModuleType | None:
    """The module ``loop``; None where Numba is not installed, or does not work here."""
    try:
        from gradproof.sweep.judging import loop
    except ImportError:
        return None
    return loop


def limits(subject: Subject, *, negative: bool) -> npt.NDArray[np.float64]:
    """The format, the contract, the unit of the training contract and what flushing excuses at inputs of one sign, as
    the loop reads them.
    """
    probe, order = subject.probe, subject.order
    fmt, contract = probe.format, probe.contract
    flushing: Flushing = probe.flushing(order)
    # Where f grows without bound the unit grows with it; beside 0 it is the rest of it.
    at_zero = Reference.empty(1, np.dtype(np.uint64))
    scale = float(np.max(probe.scale(order, at_zero)))
    rooms = [contract.room(order, fmt, q, 0.0, scale) for q in flushing.quanta(fmt)]
    values = np.zeros(loop_constants.N_LIMITS)
    values[loop_constants.PRECISION], values[loop_constants.E_MIN] = fmt.precision, fmt.e_min
    values[loop_constants.OVERFLOW] = float(fmt.overflow_threshold)
    values[loop_constants.BEYOND_FORMAT] = 2.0 ** (fmt.e_max + 1)
    values[loop_constants.METRIC], values[loop_constants.LIMIT] = (
        loop_constants.METRICS[contract.metric],
        contract.bound(order, fmt),
    )
    values[loop_constants.TRAINING_LIMIT] = TRAINING.bound(order, fmt)
    values[loop_constants.UNIT] = scale * 2.0**-fmt.precision
    values[loop_constants.UNBOUNDED] = 0.0 if subject.bounded else 2.0**-fmt.precision
    values[loop_constants.FLUSHES_RESULTS], values[loop_constants.FLUSHES_INPUTS] = flushing.results, flushing.inputs
    values[loop_constants.ZERO_LOW], values[loop_constants.ZERO_HIGH] = flushing.low, flushing.high
    values[loop_constants.ROOM_LOW], values[loop_constants.ROOM_HIGH] = (float(r) for r in rooms)
    values[loop_constants.EITHER_INFINITY] = flushing.pole == (-1 if negative else 1)
    values[loop_constants.MIN_NORMAL], values[loop_constants.MIN_NORMAL_BITS] = (
        float(fmt.min_normal),
        fmt.min_normal_bits,
    )
    asymptotes = [*subject.asymptotes, np.nan, np.nan]
    values[loop_constants.ASYMPTOTE_LEFT], values[loop_constants.ASYMPTOTE_RIGHT] = asymptotes[:2]
    return values
