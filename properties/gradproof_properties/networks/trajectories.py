"""Training a two-layer network under several choices of f' at a kink, side by side and compared by bits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.extend import Array, Backend, Bits, Format, Probe, Space
from gradproof.extend import arrays as fa
from gradproof_properties.networks.optimisers import RULES, Optimisers, State
from gradproof_properties.networks.two_layer import TwoLayer, unit

ROWS: Final = 8
INPUTS: Final = 4
HIDDEN: Final = 8
"""The network: 4 inputs and the bias column, 8 hidden units, 1 output, 8 rows. One shape, so that a compiling backend
compiles once."""
PATIENCE: Final = 10.0
"""Seconds that one training may take; a slow callable's is cut short, and the record says so."""

UPDATE: Final = "a parameter"
"""What differs where an update does although the gradients do not."""

Gradient = tuple[Bits, Bits, Bits]
"""Bits of E (shape ()), of its gradient and of z (rows, hidden). Parameters and gradients have shape
(inputs + 2, hidden): w with the bias weights in its last row, then v transposed."""


@dataclass(frozen=True)
class Data:
    """Inputs of shape (rows, inputs + 1) with the bias column, targets (rows, 1) and starting parameters, as bits."""

    x: Bits
    t: Bits
    start: Bits


@dataclass(frozen=True)
class KinkChoice:
    """f' at a kink: the kink of f, what replaces f' there (bits), and how far the function is shifted.

    With a shift e the network computes f(z - e) + e: max(e, z) for ReLU. ``slope`` of None leaves f' as it is.
    """

    kink: Fraction
    slope: int | None
    shift: Fraction = Fraction(0)


class Network:
    """E and its gradients on the backend: by its AD, else by back-propagation written by hand.

    By hand on a backend without AD, and for a derivative that was handed in.
    """

    def __init__(self, probe: Probe, space: Space) -> None:
        self.space = space
        self._implementation = probe.implementation
        self._shifts = probe.function.name in SHIFTED
        self.by_hand = not space.ways or probe.paths == ("given",)
        self._action = self._handmade if self.by_hand else space.compiled(self._differentiated)
        self._scalars: dict[int, Array] = {}
        self._problem: tuple[Data, Array, Array] | None = None

    def gradient(self, data: Data, parameters: Bits, choice: KinkChoice) -> Gradient:
        """E, its gradient and z at ``parameters`` under a choice."""
        space = self.space
        fmt = space.format
        kink = fmt.nan_bits if choice.slope is None else fmt.round(choice.kink)
        scalars = [self._scalar(bits) for bits in (kink, choice.slope or 0, fmt.round(choice.shift))]
        if self._problem is None or self._problem[0] is not data:
            self._problem = data, space.array(data.x), space.array(data.t)
        w, v = space.array(parameters[:-1]), space.array(parameters[-1:].T)
        value, (of_w, of_v), z = self._action(w, v, *self._problem[1:], *scalars)
        return space.bits(value), np.concatenate([space.bits(of_w), space.bits(of_v).T]), space.bits(z)

    def _scalar(self, bits: int) -> Array:
        if bits not in self._scalars:
            self._scalars[bits] = self.space.array(np.array(bits, fa.storage(self.space.format)))
        return self._scalars[bits]

    def _differentiated(self, w: Array, v: Array, x: Array, t: Array, kink: Array, slope: Array, shift: Array) -> Any:
        def value(z: Array) -> Array:
            if not self._shifts:
                return self.space.with_convention(self._implementation, z, kink, slope)
            return self.space.with_convention(self._implementation, z - shift, kink, slope) + shift

        network = TwoLayer(self.space, replace(unit(self.space, self._implementation), value=value), x, t)
        error, gradient = self.space.gradients(network.program, [w, v])
        return error, gradient, self.space.matmul(x, w)

    def _handmade(self, w: Array, v: Array, x: Array, t: Array, kink: Array, slope: Array, shift: Array) -> Any:
        own = unit(self.space, self._implementation)

        def value(z: Array) -> Array:
            return own.value(z - shift) + shift if self._shifts else own.value(z)

        def derivative(z: Array) -> Array:
            inside = z - shift if self._shifts else z
            return self.space.where(inside == kink, slope, own.slope(inside))

        network = TwoLayer(self.space, replace(own, value=value, slope=derivative), x, t)
        error, gradient = network.gradients(w, v)
        return error, gradient, self.space.matmul(x, w)


SHIFTED: Final = ("relu", "maximum0")
"""The functions max(0, x), of which f(x - e) + e is max(e, x)."""

_compiled: dict[tuple[Backend, str], Optimisers] = {}


def optimisers(backend: Backend, space: Space) -> Optimisers:
    """All rules on a backend in a format; kept where they were compiled, since that takes longer than their use."""
    key = backend, space.format.name
    if key in _compiled:
        return _compiled[key]
    made = Optimisers(space)
    if made.compiled:
        _compiled[key] = made
    return made


def same(a: Bits, b: Bits, fmt: Format) -> npt.NDArray[np.bool_]:
    """Where two arrays of bits hold one number: the sign of a zero and the payload of a NaN do not count."""
    zero = (fa.magnitudes(a, fmt) == 0) & (fa.magnitudes(b, fmt) == 0)
    return np.asarray((a == b) | zero | (fa.is_nan(a, fmt) & fa.is_nan(b, fmt)))


def hits(z: Bits, choice: KinkChoice, fmt: Format, *, zeros_inputs: bool) -> npt.NDArray[np.bool_]:
    """Where a pre-activation is exactly at the kink; at 0 subnormal ones too where they are read as 0."""
    target = choice.kink + choice.shift
    if target:
        return np.asarray(z == fmt.round(target))
    return fa.magnitudes(z, fmt) < (fmt.min_normal_bits if zeros_inputs else 1)


@dataclass
class Difference:
    """Two choices that answered differently: the step, the arrays of both, and z there."""

    step: int
    what: str
    first: Bits
    second: Bits
    z: Bits
    parameters: Bits


@dataclass
class TrainingRun:
    """What one optimiser did under all choices."""

    steps: int = 0
    first_hit: int | None = None
    parted_at: int | None = None
    cut_short: bool = False
    """Whether PATIENCE ended it before all steps were done."""
    judged: int = 0
    """Gradients that were compared and not by an earlier rule in the same step, and comparisons of all parameters."""
    unexplained: Difference | None = None
    """The first difference between choices that nothing at the kink explains."""
    first: list[Gradient] = field(default_factory=list)
    """What the first step saw, one entry per choice; so are the others."""
    losses: list[int] = field(default_factory=list)
    parameters: list[Bits] = field(default_factory=list)


@dataclass
class _State:
    """One choice's side of the run: its parameters and the optimisers' state, one entry per rule."""

    parameters: list[Bits]
    state: tuple[State, ...]


class Training:
    """All optimisers under all choices, step by step."""

    def __init__(self, probe: Probe, space: Space, network: Network, choices: Sequence[KinkChoice]) -> None:
        self.space = space
        self.network = network
        self.choices = choices
        self._zeros_inputs = probe.traits.zeros_inputs
        self._optimisers = optimisers(probe.backend, space)

    def run(self, data: Data, steps: int) -> dict[str, TrainingRun]:
        """Train for ``steps`` steps, or until PATIENCE is spent; one Run per rule."""
        runs = [TrainingRun() for _ in RULES]
        sides = [
            _State([data.start] * len(RULES), self._optimisers.start(self.space, *data.start.shape))
            for _ in self.choices
        ]
        until = time.monotonic() + PATIENCE
        for step in range(steps):
            started = time.monotonic()
            gradients = self._gradients(data, sides)
            compared: set[bytes] = set()
            for rule, run in enumerate(runs):
                parameters = [side.parameters[rule] for side in sides]
                if run.parted_at is None and parameters[0].tobytes() not in compared:
                    compared.add(parameters[0].tobytes())
                    run.judged += len(self.choices) - 1
                self._compare(step, run, parameters, [g[rule] for g in gradients])
            self._advance(step, sides, gradients)
            for rule, run in enumerate(runs):
                self._compare_parameters(step, run, [side.parameters[rule] for side in sides], gradients[0][rule])
            # In the first step all rules stand at one point and share their gradients; in the next they may not.
            now = time.monotonic()
            if step + 1 < steps and now + len(RULES) * (now - started) > until:
                for run in runs:
                    run.cut_short = True
                break
        for rule, run in enumerate(runs):
            run.parameters = [side.parameters[rule] for side in sides]
        return dict(zip((rule.name for rule in RULES), runs, strict=True))

    def _gradients(self, data: Data, sides: Sequence[_State]) -> list[list[Gradient]]:
        """By choice and rule; rules that stand at the same parameters share one call."""
        found = []
        for choice, side in zip(self.choices, sides, strict=True):
            known: dict[bytes, Gradient] = {}
            for parameters in side.parameters:
                key = parameters.tobytes()
                if key not in known:
                    known[key] = self.network.gradient(data, parameters, choice)
            found.append([known[parameters.tobytes()] for parameters in side.parameters])
        return found

    def _compare(self, step: int, run: TrainingRun, parameters: list[Bits], found: list[Gradient]) -> None:
        fmt = self.space.format
        run.steps = step + 1
        run.first = run.first or found
        run.losses = [int(value) for value, _, _ in found]
        hit = any(
            hits(z, choice, fmt, zeros_inputs=self._zeros_inputs).any()
            for choice, (_, _, z) in zip(self.choices, found, strict=True)
        )
        if hit and run.first_hit is None:
            run.first_hit = step
        if run.parted_at is not None:
            return
        difference = differing(found, parameters, fmt, step)
        if difference is not None:
            run.parted_at = step
            # Whatever was at the kink, E and z do not depend on f' at one and the same set of parameters.
            if run.first_hit is None or difference.what != "the gradient":
                run.unexplained = difference

    def _compare_parameters(self, step: int, run: TrainingRun, parameters: list[Bits], found: Gradient) -> None:
        """After an update by gradients that have been the same under all choices, so are the parameters."""
        if run.parted_at is not None:
            return
        run.judged += len(parameters) - 1
        for other in parameters[1:]:
            if not same(parameters[0], other, self.space.format).all():
                run.parted_at = step
                run.unexplained = Difference(step, UPDATE, parameters[0], other, found[2], parameters[0])
                return

    def _advance(self, step: int, sides: Sequence[_State], gradients: list[list[Gradient]]) -> None:
        """One update of every side, each calculated for itself."""
        varying = self._optimisers.varying(self.space, step + 1)
        for side, found in zip(sides, gradients, strict=True):
            arrays = [self.space.array(p) for p in side.parameters], [self.space.array(g) for _, g, _ in found]
            parameters, side.state = self._optimisers.advance(*arrays, side.state, varying)
            side.parameters = [self.space.bits(p) for p in parameters]


def differing(found: Sequence[Gradient], parameters: Sequence[Bits], fmt: Format, step: int) -> Difference | None:
    """The first of E, z and the gradient in which two choices differ at the parameters that both stand at."""
    for i in range(1, len(found)):
        for what, k in (("z", 2), ("E", 0), ("the gradient", 1)):
            if not same(found[0][k], found[i][k], fmt).all():
                return Difference(step, what, found[0][k], found[i][k], found[0][2], parameters[0])
    return None


def draw(rng: np.random.Generator, fmt: Format, bias: Fraction | Bits | None, *, zero_rows: int = 0) -> Data:
    """Random data and weights of moderate size, rounded to the format.

    The first ``zero_rows`` rows of inputs are 0 but for the bias column; ``bias`` replaces the bias weights, by one
    number or by bits of shape (hidden,), so that z is exactly ``bias`` in those rows.
    """
    inputs = rng.normal(size=(ROWS, INPUTS + 1))
    inputs[:, -1] = 1
    inputs[:zero_rows, :-1] = 0
    targets = rng.uniform(1, 2, (ROWS, 1))
    weights = rng.uniform(-1, 1, (INPUTS + 2, HIDDEN)) / np.sqrt(INPUTS + 1)
    x, t, start = (fa.round_values(a.ravel(), fmt).reshape(a.shape) for a in (inputs, targets, weights))
    if bias is not None:
        start[INPUTS] = fmt.round(bias) if isinstance(bias, Fraction) else bias
    return Data(x, t, start)


def beside(kink: Fraction, fmt: Format, *, flushes: bool) -> Bits:
    """Numbers close to a kink on both sides, of shape (hidden,), from its neighbours on.

    At 0 from the least number on, which is the least normal one on a backend that flushes.
    """
    if kink:
        at, ordinals = fmt.ordinal(fmt.round(kink)), [1, 2, 1 << fmt.precision // 2, 1 << fmt.precision - 2]
    else:
        least = fmt.min_normal if flushes else fmt.min_subnormal
        sizes = [least, Fraction(2) ** (fmt.e_min // 2), Fraction(1, 1 << 10), Fraction(1, 8)]
        at, ordinals = 0, [fmt.ordinal(fmt.round(size)) for size in sizes]
    both = [at + sign * far for far in ordinals for sign in (-1, 1)]
    return np.array([fmt.from_ordinal(ordinal) for ordinal in both], fa.storage(fmt))
