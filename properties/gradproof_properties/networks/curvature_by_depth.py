"""curvature-by-depth: networks of a piecewise linear function approximate x^2 as Yarotsky's theorem says.

The exact networks are in ``sawtooth``; the networks of the backend are built here, over its own arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from gradproof.extend import (
    LARGE_ERROR,
    SMALL_ERROR,
    STABLE,
    WRONG_BRANCH,
    WRONG_CLASS,
    Bits,
    Evidence,
    Floats,
    Format,
    Function,
    Ints,
    Outcome,
    Probe,
    Property,
    Space,
    Unsupported,
    Violations,
    oracle_of,
)
from gradproof.extend import arrays as fa
from gradproof_properties.flushing import flushes
from gradproof_properties.networks.sawtooth import Hinge, Lattice, hinge, lattice, rounds_nothing

POINTS = 2048
"""Inputs in formats of more than 16 bits; a deep run's ``pairs`` may raise it. Every one of a 16-bit lattice."""
VACUOUS = 0.125
"""Half of the greatest x - x^2: a bound that reaches it says nothing about a network, and nothing is judged there."""
ROUNDINGS = 6.0
"""Half ulps of |weight x unit| in a layer: the weight's own, the product's, three in the sum, and one more where
a format's sums are rounded twice."""


@dataclass(frozen=True, eq=False)
class DepthRun:
    """What the backend made of one network: T^s(x) and f_s(x) for s = 0..depth, as bits of shape (points,)."""

    tents: list[Bits]
    networks: list[Bits]


class CurvatureByDepth(Property):
    """Yarotsky's networks for x^2 out of the implementation, against the exact ones at every depth."""

    id: ClassVar[str] = "curvature-by-depth"
    title: ClassVar[str] = "Networks of a piecewise linear function bend like x^2, four times closer with every layer"
    statement: ClassVar[str] = (
        "The network of depth m (Yarotsky 2017), three units of f a layer, is the piecewise linear interpolation of "
        "x^2 at k / 2^m: its error on [0, 1] is at most 2^(-2m-2), its pieces are 2^m. Where f's kink and slopes are "
        "such that a layer rounds nothing, the backend's network is bit for bit the exact one as long as the format "
        "holds its values (up to depth (p - 1) / 2 at the ends and middles of its pieces), and off by no more than the "
        "roundings counted since; other functions differ from it by the contract's errors of f and counted roundings. "
        "For functions with a kink between two affine pieces."
    )
    source: ClassVar[str] = (
        "'ReLU can represent curvature given enough layers'; Yarotsky, Error bounds for approximations with deep ReLU "
        "networks, Neural Networks 94, 2017, Proposition 2"
    )
    orders: ClassVar[tuple[int, ...]] = (0,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    same_in_every_profile: ClassVar[bool] = False

    def applies(self, function: Function, order: int) -> bool:
        """Functions with a kink, but no jump, between two affine pieces."""
        return hinge(oracle_of(function)) is not None

    def check(self, probe: Probe, order: int) -> Outcome:
        """Build the network layer by layer and compare every depth; then measure what ReLU's own weights would do."""
        kink = hinge(probe.oracle)
        points = lattice(probe.format, max(POINTS, 2 * probe.budget.pairs), probe.seed)
        if kink is None or points is None:
            raise Unsupported("the format is too short for a network of depth 1")
        if any(map(probe.format.overflows, kink.biases)):
            raise Unsupported(f"the kink at {float(kink.at):g} lies beyond {probe.format.name}")
        bits = fa.round_values(points.x, probe.format)
        with probe.space() as space:
            run = _built(space, probe, kink, kink.jump, points.depth, bits)
            other = None if kink.jump == 1 else _built(space, probe, kink, Fraction(1), points.depth, bits)
        exact = _bitwise(probe, kink, points)
        bounds = _bounds(probe, kink, points, run, exact)
        judged, found, worst = _compared(points, run, bounds, probe.format)
        counts, countable, wrong = _pieces(points, run, bounds, probe.format)
        measured = _measured(points, run, kink, exact, probe.format)
        measured |= {"pieces_by_depth": counts, "pieces_judged": countable}
        if other is not None:
            measured["with_relus_weights"] = _with_relus_weights(points, other, kink, probe.format)
        return Outcome(Evidence("sampled", judged), (found + wrong)[:1], magnitude=worst, measured=measured)


def _built(space: Space, probe: Probe, kink: Hinge, jump: Fraction, depth: int, bits: Bits) -> DepthRun:
    """The network on the backend's arrays, its output weights divided by ``jump`` (of the function's own: Yarotsky's).

    A layer is w = scale x + biases, units f(w), x' = units @ weights; the sum takes x' 4^-s on the way.
    """
    fmt = probe.format
    scale = space.number(float(kink.scale))
    biases = space.array(np.array([[fmt.round(b) for b in kink.biases]], fa.storage(fmt)))
    weights = space.array(np.array([[fmt.round(w)] for w in kink.weights(jump)], fa.storage(fmt)))
    tent = network = space.array(bits.reshape(-1, 1))
    run = DepthRun([bits], [bits])
    with np.errstate(all="ignore"):
        for s in range(1, depth + 1):
            tent = space.matmul(space.apply(probe.implementation, tent * scale + biases), weights)
            network = network - tent * space.number(0.25**s)
            run.tents.append(space.bits(tent).reshape(-1))
            run.networks.append(space.bits(network).reshape(-1))
    return run


def _bitwise(probe: Probe, kink: Hinge, points: Lattice) -> list[Any]:
    """At each depth, the inputs at which the network's value is due bit for bit."""
    none = np.zeros(points.k.size, bool)
    if not rounds_nothing(kink, probe.format, points.n):
        return [none] * (points.depth + 1)
    if not flushes(probe.traits):
        return points.exact
    least = float(probe.format.min_normal)
    return [e if 0.25**m * 2.0**-points.n >= least else none for m, e in enumerate(points.exact)]


def _bounds(probe: Probe, kink: Hinge, points: Lattice, run: DepthRun, exact: list[Any]) -> list[Floats]:
    """What the networks of depth 0, 1, ... may be off at each input: 0 where they are due bit for bit.

    T is Lipschitz with constant 2, so that the error of T^s(x) is at most e[s] = 2 e[s-1] + the error of layer s
    alone; the sum adds e[s] / 4^s and half an ulp of itself.
    """
    fmt = probe.format
    half_ulp = 2.0**-fmt.precision * (1 + 2.0**-6)
    least = float(fmt.min_normal) if flushes(probe.traits) else 0.0
    rounds = not rounds_nothing(kink, fmt, points.n)
    tent, total = np.zeros(points.k.size), np.zeros(points.k.size)
    bounds = [total]
    for s in range(1, points.depth + 1):
        if rounds:
            tent = 2 * tent + _layer_bound(probe, kink, fa.values(run.tents[s - 1], fmt))
        value = np.ldexp(points.networks[s].astype(np.float64), -2 * points.n)
        total = total + tent / 4.0**s
        total = np.where(exact[s], 0.0, total + half_ulp * (value + total) + 2 * least)
        bounds.append(total)
    return bounds


def _layer_bound(probe: Probe, kink: Hinge, tent: Floats) -> Floats:
    """What one layer may be off, given its input: the contract's errors of f, and roundings, weighted."""
    fmt = probe.format
    least = float(fmt.min_normal) if flushes(probe.traits) else 0.0
    left, right, at = float(kink.left), float(kink.right), float(kink.at)
    steepest = max(abs(left), abs(right))
    bound = np.zeros(tent.size)
    with np.errstate(all="ignore"):
        for bias, weight in zip(kink.biases, kink.weights(kink.jump), strict=True):
            w = float(kink.scale) * tent + float(bias)
            quantum = _quantum(np.abs(w), fmt)
            moved = quantum / 2 + float(abs(fmt.value(fmt.round(bias)) - bias))
            y = np.abs(float(kink.value) + (w - at) * np.where(w > at, right, left)) + steepest * moved
            slope = np.where(np.abs(w - at) <= 2 * moved, steepest, np.where(w > at, abs(right), abs(left)))
            # The allowance of gradproof_properties.allowances, with the slopes at hand.
            own = STABLE.bound(0, fmt) * (_quantum(y, fmt) + slope * quantum) + steepest * moved + least
            bound = bound + abs(float(weight)) * (own + ROUNDINGS * 2.0**-fmt.precision * (y + own)) + least
    return bound


def _quantum(values: Floats, fmt: Format) -> Floats:
    quantum: Floats = np.ldexp(1.0, fa.quantum_exponents(values, fmt).astype(np.int32))
    return quantum


def _compared(
    points: Lattice, run: DepthRun, bounds: list[Floats], fmt: Format
) -> tuple[int, list[Violations], float | None]:
    """Every depth against the exact network, and against x^2: values judged, the first depth that fails, the worst."""
    judged, worst = 0, None
    for m in range(1, points.depth + 1):
        got, bound = fa.values(run.networks[m], fmt), bounds[m]
        with np.errstate(invalid="ignore"):
            off, from_square = points.distance(got, points.networks[m]), points.distance(got, points.square)
            lanes = bound < VACUOUS  # and not where the bound is infinite or no number
            wrong = lanes & ~((off <= bound) & (from_square <= 4.0 ** -(m + 1) + bound))
        due = np.ldexp(points.networks[m].astype(np.float64), -2 * points.n)
        unit = np.maximum(bound, _quantum(np.maximum(due, 4.0**-points.n), fmt) / 2)
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = np.where(np.isfinite(off), off / unit, np.inf)
        judged += int(lanes.sum())
        if lanes.any():
            worst = max(worst or 0.0, float(ratio[lanes].max()))
        if wrong.any():
            return judged, [_violation(points, run, m, wrong, ratio, off, bound, fmt)], worst
    return judged, [], worst


def _violation(
    points: Lattice, run: DepthRun, m: int, wrong: Any, ratio: Floats, off: Floats, bound: Floats, fmt: Format
) -> Violations:
    got = fa.values(run.networks[m], fmt)
    i = int(np.argmax(np.where(wrong, ratio, -1.0)))
    due = float(np.ldexp(float(points.networks[m][i]), -2 * points.n))
    allowed = "bit for bit" if bound[i] == 0 else f"within {bound[i]:.3g}"
    text = f"the network of depth {m} gives {float(got[i])!r} at {float(points.x[i])!r}, where {due!r} is due {allowed}"
    felt = ~(off[wrong] <= 8 * 2.0**-fmt.precision)
    severity = np.where(felt, LARGE_ERROR, SMALL_ERROR)
    severity = np.where(np.isfinite(off[wrong]), severity, WRONG_CLASS).astype(np.int8)
    magnitude = np.maximum(ratio[wrong], 1.0 + 1e-9)
    inputs = run.networks[0][wrong]
    return Violations(inputs, run.networks[m][wrong], magnitude, severity, felt, text, pointwise=False)


def _pieces(
    points: Lattice, run: DepthRun, bounds: list[Floats], fmt: Format
) -> tuple[list[int], list[bool], list[Violations]]:
    """Pieces seen on the even grid at each depth, whether the bounds leave no doubt about them, and a wrong count.

    From one piece to the next the slope changes by 2^(1-m), so that the second difference over a step h is
    2^(1-m) h at a kink and 0 elsewhere; half of that tells them apart.
    """
    nodes = (1 << (points.pieces + 1)) + 1
    counts: list[int] = []
    sure: list[bool] = []
    found: list[Violations] = []
    for m in range(1, points.pieces + 1):
        due = 2.0 ** (1 - m) / (nodes - 1)
        g = fa.values(run.networks[m][:nodes], fmt)
        with np.errstate(invalid="ignore"):
            kinks = np.flatnonzero(~(np.abs(g[2:] - 2 * g[1:-1] + g[:-2]) <= due / 2)) + 1
        counts.append(int(kinks.size) + 1)
        sure.append(bool(4 * bounds[m][:nodes].max() < due / 2))
        if sure[-1] and counts[-1] != 1 << m:
            found.append(_miscounted(run, m, kinks, counts[-1]))
    return counts, sure, found


def _miscounted(run: DepthRun, m: int, kinks: Ints, count: int) -> Violations:
    at = kinks[:1] if kinks.size else np.array([0])
    text = f"the network of depth {m} has {count} linear pieces on [0, 1], where {1 << m} are due"
    return Violations(
        run.networks[0][at], run.networks[m][at], np.array([2.0]), np.array([WRONG_BRANCH], np.int8),
        np.array([True]), text, pointwise=False,
    )  # fmt: skip


def _measured(points: Lattice, run: DepthRun, kink: Hinge, exact: list[Any], fmt: Format) -> dict[str, Any]:
    """Errors against x^2 and against the exact network by depth, and where rounding takes over."""
    values = [fa.values(bits, fmt) for bits in run.networks]
    errors = [_greatest(points.distance(v, points.square)) for v in values]
    off = [points.distance(v, due) for v, due in zip(values, points.networks, strict=True)]
    row: dict[str, Any] = {
        "kink": float(kink.at), "left_slope": float(kink.left), "right_slope": float(kink.right),
        "depth": points.depth,
        "error_by_depth": errors[1:],
        "exact_error_by_depth": [4.0 ** -(m + 1) for m in range(1, points.depth + 1)],
        "rounding_by_depth_in_ulps_of_1": [_greatest(o * 2.0 ** (fmt.precision - 1)) for o in off[1:]],
        "rounding_takes_over_at": _takeover(errors),
    }  # fmt: skip
    if exact[0].any():
        due = [bool(exact[m][points.at_depth(m)].all()) for m in range(points.depth + 1)]
        seen = [bool((off[m][points.at_depth(m)] == 0).all()) for m in range(points.depth + 1)]
        row |= {
            "exact_through_depth": _through(seen), "exact_through_depth_due": _through(due),
            "rounding_takes_over_due": _takeover([_greatest(v) for v in _emulated(points, fmt)]),
        }  # fmt: skip
    return row


def _emulated(points: Lattice, fmt: Format) -> list[Floats]:
    """Errors against x^2 of networks whose only rounding is that of the sum, correct to the last bit."""
    tent = network = points.x
    errors = [points.distance(network, points.square)]
    for s in range(1, points.depth + 1):
        tent = 2 * np.minimum(tent, 1 - tent)
        network = fa.values(fa.round_values(network - tent / 4.0**s, fmt), fmt)
        errors.append(points.distance(network, points.square))
    return errors


def _with_relus_weights(points: Lattice, run: DepthRun, kink: Hinge, fmt: Format) -> dict[str, Any]:
    """The errors against x^2 when f stands in relu's place and the weights stay 2, -4, 2; measured and predicted.

    A layer is then J T, with J the jump of f', and depth no longer helps.
    """
    jump = float(kink.jump)
    tent = network = points.x
    due = []
    for s in range(1, points.depth + 1):
        tent = jump * np.maximum(2 * np.minimum(tent, 1 - tent), 0.0)
        network = network - tent / 4.0**s
        due.append(float(np.abs(network - points.x**2).max()))
    errors = [_greatest(points.distance(fa.values(b, fmt), points.square)) for b in run.networks[1:]]
    return {"error_by_depth": errors, "exact_error_by_depth": due}


def _greatest(values: Floats) -> float | None:
    """The maximum; None where one of them is no finite number, which JSON cannot hold."""
    largest = float(values.max())
    return largest if np.isfinite(largest) else None


def _takeover(errors: list[float | None]) -> int | None:
    """The first depth at which the error falls by less than half where a quarter is due; None if none does."""
    for m in range(1, len(errors)):
        before, now = errors[m - 1], errors[m]
        if before is None or now is None:
            return None
        if now > before / 2:
            return m
    return None


def _through(flags: list[bool]) -> int:
    """The last depth up to which all flags hold; flag 0, the input itself, does."""
    return flags.index(False) - 1 if False in flags else len(flags) - 1
