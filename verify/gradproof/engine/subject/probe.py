"""What a property sees: one implementation in one format and mode, with the oracle beside it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from gradproof.backends import get_backend, namespaces
from gradproof.backends.base import Backend, Call, Implementation, Traits
from gradproof.backends.process_state import state_kept
from gradproof.backends.space import Space
from gradproof.engine.request.selection import Budget, Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.oracles import oracle_of, references_kept
from gradproof.engine.subject.tabulated import answered
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.execution.timelimit import time_limit
from gradproof.formats import BFLOAT16, Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.functions import Function
from gradproof.measure import Contract, Flushing, Judgement, get_contract, judge
from gradproof.measure.causes import probable_cause
from gradproof.measure.conversion import (
    PLAIN,
    SATURATING_WIDTH,
    Conventions,
    Negative,
    converted,
    fault_text,
    faults,
    judge_conversion,
)
from gradproof.measure.flushing import SeenFlushing, seen_flushing
from gradproof.oracle import Certified, Oracle, Reference
from gradproof.strategies import conversion_bits, landmark_bits, stratified

EARLY = "early-saturation"
INWARDS = 63 / 64
"""Steps, by which an input is multiplied, in which a saturated tail is gone back to where it begins."""
MOST_GIVEN = 1 << 24
"""Inputs that are judged one by one of those that are given; sweeps go through more (``sweep.recorded``)."""
SUPREMUM_POINTS = 512
"""Values whose largest stands for a supremum; they may cost a second each."""


@dataclass(frozen=True)
class KnownResults:
    """What known deviations, of these ``ids``, give: ``explain(order, bits, got)`` says which of n results."""

    ids: tuple[str, ...]
    explain: Callable[[int, Bits, Bits], npt.NDArray[np.bool_]]


class Probe:
    """One subject under test. Everything a property needs; nothing about verdicts.

    ``witnesses`` are inputs that failed before; pointwise claims try them. ``known`` are results that need not be told
    one by one. Of inputs that are given ``most`` are looked at. Where results are not settled (``Backend.open_to``),
    each is the possible one that is farthest from the exact value, or the ``nearest``.
    """

    def __init__(
        self,
        task: Task,
        selection: Selection,
        witnesses: tuple[int, ...] = (),
        *,
        known: KnownResults | None = None,
        most: int = MOST_GIVEN,
        nearest: bool = False,
    ) -> None:
        self.function: Function = task.function
        self.implementation: Implementation = task.implementation
        self.backend: Backend = get_backend(task.backend)
        self.mode: str = task.mode
        self.format: Format = get_format(task.format)
        rounds_to = task.function.rounds_to
        self.target: Format | None = None if rounds_to is None else get_format(rounds_to)
        self.contract: Contract = task.implementation.terms or get_contract(task.contract or selection.contract)
        self.budget: Budget = selection.budget
        self.profile: str = selection.profile
        self.oracle: Oracle = oracle_of(task.function)
        self.witnesses = witnesses
        self.known = known
        self._most = most
        self._nearest = nearest
        self.selection = selection
        namespaces.accept()
        self.seed = zlib.crc32(f"{selection.seed}/{task.function.label}/{task.format}".encode())

    # -- the implementation ----------------------------------------------------------------------------

    def evaluate(self, bits: Bits, order: int = 0, path: str | None = None) -> Bits:
        """Bits of the implementation's f^(order) at ``bits``; by its first AD path unless one is named.

        Raises Unsupported or ImplementationFault as the backend does; a user's callable that exceeds the
        time limit is a fault.
        """
        return self.evaluate_other(self.implementation, bits, order, path)

    def evaluate_other(
        self, implementation: Implementation, bits: Bits, order: int = 0, path: str | None = None
    ) -> Bits:
        """The same for another implementation on the same backend, format and mode."""
        return self._asked(implementation, self.format, bits, order, path)

    def in_format(self, fmt: Format, bits: Bits, order: int = 0) -> Bits:
        """What the implementation gives in another format than its cell's, claimed or not, as bits of that format."""
        return self._asked(replace(self.implementation, formats=None), fmt, bits, order, None)

    def _asked(self, implementation: Implementation, fmt: Format, bits: Bits, order: int, path: str | None) -> Bits:
        call = Call(order=order, mode=self.mode, path=path or self.paths[0])

        def ask(bits: Bits) -> Bits:
            if fmt is self.format and self.backend.open_to(implementation, fmt):
                return self._one_of(*self.backend.enclosure(implementation, bits, fmt, call), bits, order)
            return self.backend.evaluate(implementation, bits, fmt, call)

        with self.calling(implementation):
            return answered(implementation, self.backend.id, fmt, call, bits, ask)

    def _one_of(self, low: Bits, high: Bits, bits: Bits, order: int) -> Bits:
        """Of the results between two ends the one that this probe looks at."""
        flat, *ends = (np.ravel(array) for array in (bits, low, high))
        reference = self.references(flat)[order]
        errors = [np.nan_to_num(self.judge(flat, end, order, reference).magnitude, nan=-1.0) for end in ends]
        if not self._nearest:
            return np.where(errors[1] > errors[0], ends[1], ends[0]).reshape(bits.shape)
        between = fa.values(ends[0], self.format) <= reference.values
        between &= reference.values <= fa.values(ends[1], self.format)
        nearer = np.where(errors[1] < errors[0], ends[1], ends[0])
        return np.where(between & (ends[0] != ends[1]), reference.rounded, nearer).reshape(bits.shape)

    @contextmanager
    def calling(self, implementation: Implementation | None = None) -> Iterator[None]:
        """Around calls of an implementation (the probe's own by default) through the backend itself.

        One of a user's is held to the time limit, and to leaving the process as it was; else it is a fault.
        """
        subject = implementation or self.implementation
        if not subject.user:
            yield
            return
        with state_kept(subject, self.backend.settings), time_limit(self.selection.time_limit, subject.name):
            yield

    @contextmanager
    def space(self) -> Iterator[Space]:
        """The backend's own arrays in the cell's format, for programs over networks of the implementation.

        A user's implementation that exceeds the time limit inside the block is a fault.
        """
        with self.calling(), self.backend.space(self.format) as space:
            yield space

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The AD paths of the implementation."""
        return self.backend.paths(self.implementation)

    def has_derivative(self, order: int) -> bool:
        """Whether f^(order) can be asked for at all."""
        if order == 0 or "given" not in self.paths:
            return True
        return order <= len(self.implementation.derivatives)

    def require(self, order: int) -> None:
        """Raise Unsupported where f^(order) cannot be asked for."""
        if not self.has_derivative(order):
            raise Unsupported(f"the backend has no AD and no derivative of order {order} was handed in")

    @cached_property
    def traits(self) -> Traits:
        """FTZ and DAZ in this format: of the implementation where they are declared, else of its backend."""
        return self._traits(self.format)

    def _traits(self, fmt: Format) -> Traits:
        declared = self.implementation.traits
        if declared is None and self.backend.probes_traits:
            return self.backend.traits(fmt)
        return declared or Traits(self.seen_flushing.results, self.seen_flushing.inputs)

    @cached_property
    def seen_flushing(self) -> SeenFlushing:
        """What the implementation's results show about its device, by the lowest order that it has."""
        bits = self.base_points
        bits = bits[np.unique(np.linspace(0, bits.size - 1, min(bits.size, 1 << 16)).astype(np.int64))]
        for order in (0, 1, 2):
            try:
                got = self.evaluate(bits, order) if self.has_derivative(order) else None
            except Unsupported:
                continue
            if got is not None:
                exact = self.target is not None
                due = fa.values(bits, self.format) if exact else self.references(bits)[order].values
                return seen_flushing(bits, got, due, self.format, self.target or self.format)
        return SeenFlushing()

    # -- the oracle ------------------------------------------------------------------------------------

    def references(self, bits: Bits) -> list[Reference]:
        """References of orders 0, 1, 2 at ``bits``; kept for the other orders, backends and modes."""
        digest = hashlib.blake2b(np.ascontiguousarray(bits).tobytes(), digest_size=16).digest()
        key = (self.function.identity, self.format.name, digest)
        return references_kept.at(key, lambda: self.oracle.references(bits, self.format))

    def certified(self, bits: int, order: int) -> Certified:
        """The oracle's answer at one input; of a conversion the exact number with the bits of its one rounding."""
        due = self.oracle.certified(bits, self.format, order)
        if self.target is None or order:
            return due
        inputs = np.array([bits], fa.storage(self.format))
        rounded = converted(inputs, self.format, self.target, self.conventions)
        return replace(due, bits=int(rounded[0]))

    def cause(self, bits: int, got: int, order: int, due: Certified, u: float) -> str:
        """The probable cause of one failure: of a conversion in words, else one of ``results.model.CAUSES``."""
        if self.target is None:
            cause = probable_cause(self.oracle, self.format, order, bits, got, due, u)
            return EARLY if cause == "flush" and self._saturated_before(bits, order) else cause
        dtype = fa.storage(self.format)
        found, between = faults(np.array([bits], dtype), np.array([got], dtype), self.format, self.target)
        return fault_text(str(found[0]), self.target, between)

    def _saturated_before(self, bits: int, order: int) -> bool:
        """Whether the zero at ``bits`` goes on from where normal numbers are due: not for being subnormal."""
        fmt = self.format
        if not fmt.is_finite(bits):
            return False
        inwards = float(fmt.value(bits)) * INWARDS ** np.arange(1, 65, dtype=np.float64)
        near = fa.round_by_quantum(np.asarray(inwards, np.float64), fmt)
        normal = np.abs(self.references(near)[order].values) >= 2 * float(fmt.min_normal)
        if not normal.any():
            return False
        at = int(near[np.flatnonzero(normal)[0]])
        point = np.array([at], near.dtype)
        try:
            got = self.evaluate(point, order)
        except (ImplementationFault, Unsupported):
            return False
        u = float(self.judge(point, got, order).u[0])
        return probable_cause(self.oracle, fmt, order, at, int(got[0]), self.certified(at, order), u) == EARLY

    def judge(self, bits: Bits, got: Bits, order: int, reference: Reference | None = None) -> Judgement:
        """Errors of ``got`` = f^(order)(``bits``) under the cell's contract and the backend's traits.

        A conversion is held to correct rounding, without a reference.
        """
        if self.target is not None and order == 0:
            return judge_conversion(bits, got, self.format, self.target, self.conventions, flushing=self._converting)
        reference = self.references(bits)[order] if reference is None else reference
        return judge(
            bits, got, reference, self.format, order, self.contract, self.scale(order, reference), self.flushing(order)
        )

    @lru_cache(maxsize=8)  # noqa: B019  a probe lives as long as its cells
    def flushing(self, order: int) -> Flushing:
        """The backend's flushing, with f^(order)(0) for inputs read as zero."""
        traits = self.traits
        if not (traits.flushes_results or traits.zeros_inputs):
            return Flushing(results=False, inputs=False)
        zeros = (self.oracle.certified(bits, self.format, order) for bits in (0, self.format.sign_bit))
        return Flushing.of(traits.flushes_results, traits.zeros_inputs, *zeros)

    @cached_property
    def conventions(self) -> Conventions:
        """What a conversion makes of a number far beyond its target, and of a negative one if that is unsigned."""
        target = self.target
        if target is None or target.width > SATURATING_WIDTH:
            return PLAIN
        beyond = min(4 * float(target.max_value), float(self.format.max_value))
        probes = np.array([beyond, -2.0])
        got = fa.values(self.evaluate(fa.round_by_quantum(probes, self.format)), self.format)
        negative: Negative = "nan" if np.isnan(got[1]) else "magnitude" if got[1] == 2 else "least"
        return Conventions(bool(np.isfinite(got[0])), "nan" if target.signed else negative)

    @cached_property
    def _converting(self) -> Flushing:
        """What the backend flushes on the way: results in the target, inputs in the source format."""
        assert self.target is not None
        return Flushing(self._traits(self.target).flushes_results, self.traits.zeros_inputs)

    @lru_cache(maxsize=8)  # noqa: B019  a probe lives as long as its cells
    def asymptotes(self, order: int) -> tuple[float, ...]:
        """The finite limits of f^(order) at the infinities."""
        limits = (self.function.limit(side, order) for side in ("left", "right"))
        return tuple(float(v) for v in limits if isinstance(v, Fraction))

    def scale(self, order: int, reference: Reference) -> Floats | float:
        """sup|f^(order)|, the unit of the training contract.

        For a derivative that is bounded, its supremum over [-32, 32]; where |f| grows without bound, the
        larger of that over [-8, 8] and |f(x)| itself.
        """
        bounded = len(self.asymptotes(order)) == 2
        reach = 32 if bounded else 8
        largest = _supremum(self.oracle, order, reach)
        if bounded:
            return largest
        values = np.abs(reference.values)
        return np.where(np.isfinite(values), np.maximum(values, largest), largest)

    # -- points ----------------------------------------------------------------------------------------

    @cached_property
    def given(self) -> Bits | None:
        """The only inputs at which the implementation can be asked, ``most`` of them; None where it can at any."""
        inputs = self.implementation.inputs
        return None if inputs is None or inputs.complete else inputs.some(self._most)

    @cached_property
    def base_points(self) -> Bits:
        """The inputs every pointwise claim tries: those that are ``given``; every bit pattern of a 16-bit format;
        otherwise an even spread over all ordinals and landmarks with their neighbours. Of a conversion
        ``conversion_bits``.
        """
        if self.given is not None:
            return self.given
        if self.target is not None:
            return conversion_bits(self.format, self.target, self.budget.base_32, self.seed)
        if self.format.is_16_bit:
            return fa.all_bits(self.format)
        count = self.budget.base(self.format.width)
        spread = stratified(self.format, count, self.seed)
        near = landmark_bits(self.function, self.format, radius=8 if count > 4096 else 2)
        # Exactly ``count`` inputs: compiling backends pay for every other length. The strata given up for the
        # landmarks are spread evenly.
        given_up = np.linspace(0, spread.size - 1, min(near.size, spread.size // 2)).astype(np.int64)
        return np.concatenate([near[: spread.size // 2], np.delete(spread, given_up)])

    @lru_cache(maxsize=8)  # noqa: B019  a probe lives as long as its cells
    def held_points(self, order: int) -> Bits:
        """The base points at which f^(order) is right, and the infinities: they part the regions of failing inputs."""
        base = self.base_points[~fa.is_nan(self.base_points, self.format)]
        try:
            right = ~self.judge(base, self.evaluate(base, order), order).failing
            return base[right | ~fa.is_finite(base, self.format)]
        except (ImplementationFault, Unsupported):  # a callable that fails now and then
            return base[:0]

    @property
    def batch_size(self) -> int:
        """Inputs per Hypothesis example."""
        return self.budget.batch_32 if self.format.width <= 32 else self.budget.batch_64


@lru_cache(maxsize=256)
def _supremum(oracle: Oracle, order: int, reach: int) -> float:
    """sup|f^(order)| over [-reach, reach]: arb's bound; where arb has none, the largest of some values there."""
    bound = oracle.supremum(Fraction(-reach), Fraction(reach), order)
    if bound < np.inf:
        return bound
    bits = fa.all_bits(BFLOAT16)
    inside = bits[np.abs(np.nan_to_num(fa.values(bits, BFLOAT16), nan=np.inf)) <= reach]
    some = inside[:: max(1, inside.size // SUPREMUM_POINTS)]
    values = np.abs(oracle.references(some, BFLOAT16)[order].values)
    return float(np.nanmax(values, initial=0.0))
