"""Exact Hessian-vector products of two-layer networks at exact weights, and what rounding may add to them.

Weights and data lie on a lattice so coarse that every pre-activation z is a number of the format, reached without a
rounding in any order of summation. f, f' and f'' at z are then the oracle's, and the rest is products and sums, done
in pairs of float64 (some 100 bits).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gradproof.extend import FINITE, Floats, Format, Probe, Reference, pairs
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance

REACH: Final = 8.0
"""Pre-activations stay below it in magnitude; with p bits they are multiples of 2^(3 - p)."""
NEAR: Final = 2.0
"""Pre-activations lie this close to 0 or to a kink ..."""
CLEAR: Final = 2.0**-4
"""... and no closer to any kink, or to an end of the domain."""
STEP: Final = 4.0
"""Inputs are multiples of 1/STEP."""
CANDIDATES: Final = 4096
LARGEST: Final = 300
"""Values of 2^300 and more are not handled: three of them, multiplied, leave float64."""
FACTOR_ROOM: Final = 2.0
"""Contract errors granted to each f' and f'' in a program: AD multiplies by a tangent and a cotangent inside the
derivative's own arithmetic, so that each of its roundings may come twice."""


class Pairs:
    """An array of unevaluated sums hi + lo, with as much of NumPy's manners as ``hessian_times`` needs."""

    def __init__(self, hi: Any, lo: Any = None) -> None:
        self.hi: Floats = np.asarray(hi)
        self.lo: Floats = np.zeros(self.hi.shape) if lo is None else np.asarray(lo)

    def __getitem__(self, index: Any) -> Pairs:
        return Pairs(self.hi[index], self.lo[index])

    def __add__(self, other: Pairs) -> Pairs:
        return Pairs(*pairs.add((self.hi, self.lo), (other.hi, other.lo)))

    def __mul__(self, other: Pairs) -> Pairs:
        return Pairs(*pairs.multiply((self.hi, self.lo), (other.hi, other.lo)))

    def __neg__(self) -> Pairs:
        return Pairs(-self.hi, -self.lo)

    def __abs__(self) -> Pairs:
        sign = np.where(self.hi < 0, -1.0, 1.0)
        return Pairs(self.hi * sign, self.lo * sign)

    def sum(self, axis: int) -> Pairs:
        """Sum over a negative ``axis``."""
        terms = [Pairs(np.take(self.hi, i, axis), np.take(self.lo, i, axis)) for i in range(self.hi.shape[axis])]
        return sum(terms[1:], start=terms[0])


@dataclass(frozen=True)
class Networks:
    """Networks of one format and one output each, of any leading shape.

    x has shape (..., rows, inputs + 1), t (..., rows), w (..., inputs + 1, hidden) and v (..., hidden).
    """

    x: Floats
    t: Floats
    w: Floats
    v: Floats

    @property
    def z(self) -> Floats:
        """The pre-activations x w, exactly, of shape (..., rows, hidden)."""
        return np.asarray(self.x @ self.w, np.float64)

    @property
    def roundings(self) -> int:
        """Roundings on the longest way from a weight to an entry of a Hessian-vector product.

        The sums over inputs, hidden units and rows, and eight products and sums of two terms between them.
        """
        rows, inputs = self.x.shape[-2:]
        return int(inputs + self.v.shape[-1] + rows + 8)


def networks(probe: Probe, rng: np.random.Generator, count: int, rows: int, inputs: int, hidden: int) -> Networks:
    """``count`` networks with the same data, drawn; fewer, or none, where the function's domain leaves no room."""
    x = np.concatenate([_lattice(rng, 1 / STEP, 1.0, (rows, inputs)), np.ones((rows, 1))], axis=1)
    columns = _columns(probe, rng, np.broadcast_to(x, (CANDIDATES, rows, inputs + 1)))[1]
    count = min(count, len(columns) // hidden)
    w = columns[: count * hidden].reshape(count, hidden, inputs + 1).swapaxes(1, 2)
    x = np.broadcast_to(x, (count, *x.shape))
    return Networks(x, _lattice(rng, 1 / 8, 1.0, (count, rows)), w, _lattice(rng, 1 / 4, 1.0, (count, hidden)))


def lone_units(probe: Probe, rng: np.random.Generator, count: int) -> Networks:
    """At most ``count`` units of one input and a bias, each with its own data and an output weight of 1."""
    x = np.stack([_lattice(rng, 1 / STEP, 1.0, (CANDIDATES, 1)), np.ones((CANDIDATES, 1))], axis=-1)
    kept, w = _columns(probe, rng, x)
    kept, w = kept[:count], w[:count]
    return Networks(x[kept], _lattice(rng, 1 / 8, 1.0, (len(kept), 1)), w[..., None], np.ones((len(kept), 1)))


def _lattice(rng: np.random.Generator, step: float, reach: float, shape: tuple[int, ...]) -> Floats:
    """Multiples of ``step`` of magnitude up to ``reach``, none 0."""
    most = round(reach / step)
    return np.asarray(rng.integers(1, most, shape, endpoint=True) * rng.choice([-step, step], shape), np.float64)


def _columns(probe: Probe, rng: np.random.Generator, x: Floats) -> tuple[Any, Floats]:
    """Weights for x of shape (CANDIDATES, rows, inputs): which candidates are kept, and theirs.

    Kept are those whose pre-activations keep their distance from kinks and from the domain's ends.
    """
    function = probe.function
    step = REACH * STEP * 2.0**-probe.format.precision
    low, high = (float(end) for end in function.ends)
    kinks = [float(k) for k in function.kinks]
    centres = [k for k in kinks if abs(k) <= REACH - NEAR] + ([0.0] if low < 0 < high else [])
    w = _lattice(rng, step, 1.0, (x.shape[0], x.shape[2]))
    centre = np.round(rng.choice(centres or [0.0], x.shape[0]) / step) * step
    w[:, -1] += centre
    z = np.einsum("cri,ci->cr", x, w)
    fine = (np.abs(z - centre[:, None]) <= NEAR) & (z > low + CLEAR) & (z < high - CLEAR)
    fine &= np.einsum("cri,ci->cr", np.abs(x), np.abs(w)) < REACH  # partial sums are exact too
    for kink in kinks:
        fine &= np.abs(z - kink) >= CLEAR
    kept = np.flatnonzero(fine.all(axis=1))
    return kept, w[kept]


@dataclass(frozen=True)
class Jets:
    """f, f' and f'' at the pre-activations of some networks, with what a right implementation may miss them by."""

    exact: tuple[Pairs, Pairs, Pairs]
    room: tuple[Floats, Floats, Floats]
    known: Any
    """Where the oracle knows all three, and float64 has room for their products; shape of z."""


def jets(probe: Probe, z: Floats) -> Jets:
    """The oracle's answers at z, which holds numbers of the format."""
    bits = fa.round_values(z.ravel(), probe.format)
    references = probe.references(bits)
    known = np.logical_and.reduce([(r.kind == FINITE) & (r.exponent <= LARGEST) for r in references]).reshape(z.shape)
    exact = tuple(_pairs(r, z.shape) for r in references)
    room = [
        np.where(known, allowance(probe, bits, r, order).reshape(z.shape), 0.0) for order, r in enumerate(references)
    ]
    return Jets(exact, (room[0], FACTOR_ROOM * room[1], FACTOR_ROOM * room[2]), known)  # type: ignore[arg-type]


def _pairs(reference: Reference, shape: tuple[int, ...]) -> Pairs:
    """Values of binary exponents up to LARGEST; what lies below float64 is 0."""
    exponent = np.clip(reference.exponent, -1200, LARGEST).astype(np.int32)
    parts = (np.ldexp(part, exponent).reshape(shape) for part in (reference.high, reference.low))
    return Pairs(*parts)


@dataclass(frozen=True)
class HessianProduct:
    """A Hessian times directions, due and allowed: ``by_w`` (..., inputs + 1, hidden), ``by_v`` (..., hidden)."""

    by_w: Floats
    by_v: Floats
    room_w: Floats
    room_v: Floats


def without_curvature(nets: Networks, f: Jets, along_w: Floats, along_v: Floats) -> tuple[Floats, Floats]:
    """What the Hessian times directions would be if f'' were 0."""
    value, slope, curvature = f.exact
    data = [Pairs(a) for a in (nets.x, -nets.t, nets.v, along_w, along_v)]
    by_w, by_v = _product(data, (value, slope, Pairs(np.zeros(curvature.hi.shape))))
    return by_w.hi, by_v.hi


def hessian_times(
    nets: Networks, f: Jets, along_w: Floats, along_v: Floats, fmt: Format, least: float
) -> HessianProduct:
    """The exact Hessian of E = sum((f(x w) v - t)^2) times directions, and the most that a right answer is off.

    The answer is a sum of products of weights, data and values of f, f' and f''. However it is arranged, each product
    meets at most ``nets.roundings`` = k roundings, so that with M the sum of their magnitudes the error is at most
    (1 + k u / (1 - k u)) M(|f| + room) - M(|f|) (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
    lemma 3.1), and what underflows on the way is 64 times ``least`` at most. The room is infinite where a partial sum
    may overflow.
    """
    data = [Pairs(a) for a in (nets.x, -nets.t, nets.v, along_w, along_v)]
    due = [a.hi for a in _product(data, f.exact)]
    sizes = [abs(a) for a in data]
    ideal = [a.hi for a in _product(sizes, [abs(a) for a in f.exact])]
    widest = [a.hi for a in _product(sizes, [abs(a) + Pairs(r) for a, r in zip(f.exact, f.room, strict=True)])]
    unit = nets.roundings * 2.0**-fmt.precision
    growth = 1 + unit / (1 - unit)
    room = [growth * most - usual + 64 * least for most, usual in zip(widest, ideal, strict=True)]
    # No factor lessens what another made overflow: with those below 1 as 1, these sums exceed every partial one.
    with np.errstate(over="ignore", invalid="ignore"):
        tall = _product(
            [_at_least_1(a) for a in sizes],
            [_at_least_1(abs(a) + Pairs(r)) for a, r in zip(f.exact, f.room, strict=True)],
        )
        room = [np.where(growth * t.hi <= float(fmt.max_value), r, np.inf) for t, r in zip(tall, room, strict=True)]
    return HessianProduct(due[0], due[1], room[0], room[1])


def _at_least_1(size: Pairs) -> Pairs:
    return Pairs(np.maximum(size.hi, 1.0))


def _product(data: Sequence[Pairs], f: Sequence[Pairs]) -> list[Pairs]:
    """The derivative of E's gradient along a direction, written out; the last axes are rows, inputs, hidden units."""
    x, minus_t, v, along_w, along_v = data
    value, slope, curvature = f
    v, along_v = v[..., None, :], along_v[..., None, :]
    residual = (value * v).sum(-1) + minus_t
    r_z = (x[..., :, :, None] * along_w[..., None, :, :]).sum(-2)
    r_y = (slope * r_z * v + value * along_v).sum(-1)
    by_z = r_y[..., None] * v * slope + residual[..., None] * (along_v * slope + v * curvature * r_z)
    by_w = (x[..., :, :, None] * by_z[..., :, None, :]).sum(-3)
    by_v = (r_y[..., None] * value + residual[..., None] * slope * r_z).sum(-2)
    return [by_w + by_w, by_v + by_v]
