"""Lone units under gradient descent: which are dead, by the oracle, and what the backend does with them.

A unit is z = w x + b, its error E = sum over a batch of (f(z) - t)^2. So dE/dw = sum 2 (f(z) - t) f'(z) x, and dE/db is
the same without x. It is 0 whatever t is where f'(z) = 0 for the whole batch: the unit is dead, and stays so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from gradproof.extend import FINITE, Array, Bits, Floats, Probe, Space
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance
from gradproof_properties.chains.exact_chain import Mask
from gradproof_properties.flushing import least

BATCH: Final = (0.5, 1.0, 1.5)
"""The inputs x, exact in every format."""
TARGET: Final = -8.0
"""The target t: far from f(z), so that it is f' alone which decides about the gradient."""
RATE: Final = 0.125
STEPS: Final = 3
UNITS: Final = 256
COMPILED_UNITS: Final = 65536
"""Units where each new shape is compiled: the length of which there are compiled operations already."""
MODERATE: Final = 2.0
"""The gradients of living units are held to their bounds where no |z| exceeds this: accuracy in the tails is another
claim's business. Whether there is a gradient at all is judged at every z."""
ROUNDINGS: Final = 12.0
"""Roundings per term: the residual, its double, the cotangent times f', times x, and two sums; each may be twice."""
_OWN: Final = 8 * 2.0**-53
"""Relative error of the terms calculated here, in float64."""


@dataclass
class Units:
    """What the backend did; arrays of shape (units,), of bits unless said otherwise.

    ``z`` holds one array per input of the batch. ``gradients`` and ``weights`` hold (w, b), ``weights`` before and
    after the first and the last step.
    """

    z: list[Bits]
    gradients: tuple[Bits, Bits]
    weights: list[tuple[Bits, Bits]]


def initial(probe: Probe, rng: np.random.Generator) -> tuple[Bits, Bits]:
    """Weights and biases, some of them such that a whole batch lies far on one side."""
    sign = np.where(np.arange(UNITS) % 2 == 0, 1.0, -1.0)
    w = sign * rng.uniform(0.25, 1.0, UNITS)
    b = sign * np.where(np.arange(UNITS) % 4 < 2, rng.uniform(0, 0.5, UNITS), rng.uniform(1, 8, UNITS))
    return fa.round_values(w, probe.format), fa.round_values(b, probe.format)


def descend(probe: Probe, w: Bits, b: Bits) -> Units:
    """``STEPS`` steps of gradient descent, by AD where the backend has it for the implementation."""
    size = COMPILED_UNITS if probe.backend.compiles_each_shape else UNITS
    with probe.space() as space:
        arrays = [space.array(np.resize(bits, size)) for bits in (w, b)]
        inputs = [space.array(fa.round_values(np.full(size, x), probe.format)) for x in BATCH]
        z = [space.bits(arrays[0] * x + arrays[1])[:UNITS] for x in inputs]
        rate = space.number(RATE)
        history = [arrays]
        first: Sequence[Array] = []
        descent = _gradient(probe, space, inputs)
        for _ in range(STEPS):
            gradient = descent(*history[-1])
            first = first or gradient
            history.append([a - rate * g for a, g in zip(history[-1], gradient, strict=True)])
        shown = [_pair(space, pair) for pair in (history[0], history[1], history[-1])]
        return Units(z, _pair(space, first), shown)


def _pair(space: Space, arrays: Sequence[Array]) -> tuple[Bits, Bits]:
    w, b = (space.bits(a)[:UNITS] for a in arrays)
    return w, b


def _gradient(probe: Probe, space: Space, inputs: Sequence[Array]) -> Callable[..., Sequence[Array]]:
    """(w, b) -> [dE/dw, dE/db], by AD; written by hand where there is none or the derivative was handed in."""
    implementation, target = probe.implementation, space.number(TARGET)

    def residual(w: Array, b: Array, x: Array) -> tuple[Array, Array]:
        z = w * x + b
        return z, space.apply(implementation, z) - target

    def error(arrays: Sequence[Array]) -> Array:
        parts = [residual(arrays[0], arrays[1], x)[1] for x in inputs]
        squares = [part * part for part in parts]
        return space.total(squares[0] + squares[1] + squares[2])

    def by_hand(w: Array, b: Array) -> Sequence[Array]:
        two = space.number(2.0)
        by_w = by_b = space.zeros(UNITS if not probe.backend.compiles_each_shape else COMPILED_UNITS)
        for x in inputs:
            z, rest = residual(w, b, x)
            delta = (two * rest) * space.derivative(implementation, z)
            by_w, by_b = by_w + delta * x, by_b + delta
        return [by_w, by_b]

    if not space.ways or "given" in probe.paths:
        return by_hand
    return space.compiled(lambda *arrays: space.gradients(error, arrays)[1])


@dataclass
class Due:
    """The oracle's word on each unit: arrays of shape (units,).

    ``dead``: f' is exactly 0 at every z of the batch. ``alive``: it is not, and every value is known. ``moderate``: no
    z is beyond MODERATE. ``gradients`` and ``bounds`` are dE/dw and dE/db with the largest error that the contract and
    the roundings explain.
    """

    dead: Mask
    alive: Mask
    moderate: Mask
    gradients: tuple[Floats, Floats]
    bounds: tuple[Floats, Floats]


def due(probe: Probe, z: Sequence[Bits]) -> Due:
    """What the oracle says at the backend's own z, one array of shape (units,) per input of the batch."""
    fmt = probe.format
    bits = np.concatenate(z)
    value, slope = probe.references(bits)[:2]
    shape = (len(z), z[0].size)
    known = ((value.kind == FINITE) & (slope.kind == FINITE)).reshape(shape)
    zero = _exactly_zero(probe, bits, (slope.kind == FINITE) & (slope.high == 0)).reshape(shape)
    moderate = np.abs(fa.values(bits, fmt)).reshape(shape).max(axis=0) <= MODERATE
    dead = known.all(axis=0) & zero.all(axis=0)
    alive = known.all(axis=0) & ~dead
    with np.errstate(all="ignore"):
        residual, rate = np.abs(value.values - TARGET), np.abs(slope.values)
        unit = 2.0**-fmt.precision
        wide = residual + allowance(probe, bits, value, 0)
        error = 2 * (wide * (rate + allowance(probe, bits, slope, 1)) * (1 + unit) ** ROUNDINGS - residual * rate)
        term = 2 * (value.values - TARGET) * slope.values
        error = (error + _OWN * np.abs(term)).reshape(shape)
        term = term.reshape(shape)
        x = np.array(BATCH)[:, None]
        floor = ROUNDINGS * len(z) * least(probe)
        gradients = (term * x).sum(axis=0), term.sum(axis=0)
        bounds = (error * x).sum(axis=0) + floor, error.sum(axis=0) + floor
    return Due(dead, alive, moderate, gradients, bounds)


def _exactly_zero(probe: Probe, bits: Bits, candidates: Mask) -> Mask:
    """Where f' is 0 by exact arithmetic, among the ``candidates``: the others may be small beyond every format."""
    zero = np.zeros(bits.size, bool)
    for i in np.flatnonzero(candidates):
        due = probe.oracle.certified(int(bits[i]), probe.format, 1, confirm=False)
        zero[i] = due.kind == "finite" and due.how == "exact" and due.midpoint.man == 0
    return zero
