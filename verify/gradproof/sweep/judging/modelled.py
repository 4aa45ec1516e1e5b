"""Results of one sign by Taylor models: what the loops need, gathered once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradproof.backends.arrays import Array, Arrays
from gradproof.formats import FLOAT64
from gradproof.formats.arrays import Bits
from gradproof.measure import Flushing
from gradproof.measure.contracts import TRAINING
from gradproof.oracle.models import float32_models, float64_models
from gradproof.oracle.pair_models import PairModels
from gradproof.oracle.reference import Reference
from gradproof.oracle.taylor_models import TaylorModels, taylor_models
from gradproof.strategies import landmark_ordinals
from gradproof.sweep.judging import loop_constants
from gradproof.sweep.judging.arrays import ArrayLoop
from gradproof.sweep.judging.collect import Collected

if TYPE_CHECKING:
    from gradproof.engine.subject.probe import Probe

Marks = npt.NDArray[np.uint8]


class Modelled:
    """The finite float32 magnitudes of one sign, 0 left out, on their way through the loop.

    It is the compiled one; array code on the device of ``arrays`` where they are given, and array code by NumPy where
    Numba is not installed. ``models`` are made for the whole side where none are given.
    """

    def __init__(
        self,
        probe: Probe,
        order: int,
        found: Collected,
        *,
        negative: bool,
        models: TaylorModels | None = None,
        arrays: Arrays | None = None,
    ) -> None:
        self._order = order
        self._found = found
        self._limits = limits(probe, order, negative=negative)
        self._envelopes = found.half(negative=negative)
        if models is None:
            models = float32_models(probe.function, probe.format, order, negative=negative)
        self._loop = compiled_loop() if arrays is None else None
        if self._loop is None:
            self._arrays = ArrayLoop(arrays or Arrays(), models, self._limits, self._order, found, negative=negative)
        self.models = models
        self.slack = models.slack
        self._starts = models.start
        self._models = _sealed(
            models.start, models.stop, models.kind, models.centre, models.scale, models.coefficients, models.low,
            models.error, models.quantum,
        )  # fmt: skip

    @classmethod
    def between(
        cls, probe: Probe, order: int, found: Collected, first: int, last: int, *, negative: bool,
        arrays: Arrays | None = None,
    ) -> Modelled:  # fmt: skip
        """With models of the magnitudes ``first`` to ``last`` alone."""
        models = taylor_models(probe.function, probe.format, order, negative=negative, first=first, last=last)
        return cls(probe, order, found, negative=negative, models=models, arrays=arrays)

    def judge(self, magnitude: int, got: Bits, marks: Marks, stride: int = 1) -> None:
        """Judge the results at every ``stride``-th magnitude from ``magnitude`` on, and write their marks."""
        if self._loop is None:
            if stride != 1:
                raise ValueError("array code judges consecutive magnitudes")
            marks[:] = self._arrays.sweep(got.view(np.float32), magnitude)
            return
        found = self._found
        run = int(np.searchsorted(self._starts, magnitude, side="right")) - 1
        self._loop.sweep(
            got.view(np.float32), magnitude, stride, found.shift, run, *self._models, self._limits, self._order, marks,
            found.best, found.where, found.counts, found.above, found.below, found.mixed, found.absolute,
            *self._envelopes,
        )  # fmt: skip

    def nearer(self, magnitude: int, one: Bits, other: Bits, sides: Marks) -> None:
        """Which of two results at each magnitude from ``magnitude`` on is nearer, where they differ (``codes.NEARER``
        and the like); where that is not known OPEN.
        """
        pair = one.view(np.float32), other.view(np.float32)
        if self._loop is None:
            sides[:] = self._arrays.nearer(*pair, magnitude)
            return
        run = int(np.searchsorted(self._starts, magnitude, side="right")) - 1
        _, *models, _ = self._models
        self._loop.nearer(*pair, magnitude, run, *models, self._limits, sides)

    def nearer_on_device(self, magnitude: int, one: Array, other: Array) -> Array:
        """The same for float32 results on the device, also where they agree; the answers (uint8) are there too."""
        return self._arrays.nearer(one, other, magnitude)

    def on_device(self, magnitude: int, got: Array) -> Array:
        """The same for float32 results on the device of the ``arrays`` given; their marks (uint8) are there too."""
        return self._arrays.sweep(got, magnitude)


class PairModelled:
    """The same for float64, by the compiled loop alone."""

    def __init__(self, probe: Probe, order: int, found: Collected, *, negative: bool) -> None:
        models = pair_models_of(probe, negative=negative)
        self._starts = models.start
        arrays = _sealed(
            models.stop, models.centre, models.scale, models.kind, models.coefficients, models.low, models.exponent,
            models.leading,
        )  # fmt: skip
        self._models = (*arrays, limits(probe, order, negative=negative), order)
        self._found = found
        self._negative = negative
        self._envelopes = found.half(negative=negative)
        self._loop: Callable[..., Any] = pair_loop().sweep_pairs  # type: ignore[union-attr]

    def judge(self, magnitude: int, got: Bits, marks: Marks, stride: int = 1) -> None:
        """Judge the results at every ``stride``-th magnitude from ``magnitude`` on, and write their marks."""
        found = self._found
        run = int(np.searchsorted(self._starts, magnitude, side="right")) - 1
        self._loop(
            got.view(np.float64), magnitude, stride, self._negative, found.shift, run, *self._models, marks,
            found.best, found.where, found.counts, found.above, found.below, found.mixed, found.absolute,
            *self._envelopes,
        )  # fmt: skip


def pair_models_of(probe: Probe, *, negative: bool) -> PairModels:
    """The float64 models of a probe's function, with runs about its landmarks."""
    return float64_models(probe.oracle, landmark_ordinals(probe.function, FLOAT64), negative=negative)


def _sealed(*arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """The arrays as none that can be written to: Numba compiles for either kind anew."""
    views = tuple(array.view() for array in arrays)
    for view in views:
        view.flags.writeable = False
    return views


@cache
def compiled_loop() -> ModuleType | None:
    """The module ``loop``; None where Numba is not installed, or does not work here."""
    try:
        from gradproof.sweep.judging import loop
    except ImportError:
        return None
    return loop


@cache
def pair_loop() -> ModuleType | None:
    """The module ``pair_loop``; None as ``compiled_loop``."""
    try:
        from gradproof.sweep.judging import pair_loop as loop
    except ImportError:
        return None
    return loop


def limits(probe: Probe, order: int, *, negative: bool) -> npt.NDArray[np.float64]:
    """The format, the contract, the unit of the training contract and what flushing excuses at inputs of one sign, as
    the loops read them.
    """
    fmt, contract = probe.format, probe.contract
    flushing: Flushing = probe.flushing(order)
    # Where f grows without bound the unit grows with it; beside 0 it is the rest of it.
    at_zero = Reference.empty(1, np.dtype(np.uint64))
    scale = float(np.max(probe.scale(order, at_zero)))
    rooms = [contract.room(order, fmt, q, 0.0, scale) for q in flushing.quanta(fmt)]
    values = np.zeros(loop_constants.N_LIMITS)
    values[loop_constants.PRECISION], values[loop_constants.E_MIN] = fmt.precision, fmt.e_min
    beyond = fmt.width == FLOAT64.width  # which float64 itself does not hold
    values[loop_constants.OVERFLOW] = sys.float_info.max if beyond else float(fmt.overflow_threshold)
    values[loop_constants.BEYOND_FORMAT] = sys.float_info.max if beyond else 2.0 ** (fmt.e_max + 1)
    values[loop_constants.METRIC], values[loop_constants.LIMIT] = (
        loop_constants.METRICS[contract.metric],
        contract.bound(order, fmt),
    )
    values[loop_constants.TRAINING_LIMIT] = TRAINING.bound(order, fmt)
    values[loop_constants.UNIT] = scale * 2.0**-fmt.precision
    asymptotes = probe.asymptotes(order)
    values[loop_constants.UNBOUNDED] = 0.0 if len(asymptotes) == 2 else 2.0**-fmt.precision
    values[loop_constants.FLUSHES_RESULTS], values[loop_constants.FLUSHES_INPUTS] = flushing.results, flushing.inputs
    values[loop_constants.ZERO_LOW], values[loop_constants.ZERO_HIGH] = flushing.low, flushing.high
    values[loop_constants.ROOM_LOW], values[loop_constants.ROOM_HIGH] = (float(r) for r in rooms)
    values[loop_constants.EITHER_INFINITY] = flushing.pole == (-1 if negative else 1)
    values[loop_constants.MIN_NORMAL], values[loop_constants.MIN_NORMAL_BITS] = (
        float(fmt.min_normal),
        fmt.min_normal_bits,
    )
    ends = [*asymptotes, np.nan, np.nan]
    values[loop_constants.ASYMPTOTE_LEFT], values[loop_constants.ASYMPTOTE_RIGHT] = ends[:2]
    return values
