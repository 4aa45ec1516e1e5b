"""second-order: second derivatives of units and of networks, Hessian-vector products, and Newton's step."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from gradproof.extend import (
    FORWARD_OVER_REVERSE,
    WRONG_CLASS,
    Evidence,
    Floats,
    Outcome,
    Probe,
    Property,
    Space,
    Unsupported,
    Violations,
    linear_pieces,
)
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance
from gradproof_properties.networks.hessian_studies import BY_HAND, HessianResult, NetworkStudy, UnitStudy


class SecondOrder(Property):
    """Second derivatives where they are used: in a unit, a network, a Hessian-vector product and Newton's step."""

    id: ClassVar[str] = "second-order"
    title: ClassVar[str] = "Second derivatives of units and networks are the Hessian's"
    statement: ClassVar[str] = (
        "Where a piece of f is linear, f'' is exactly 0 and Newton's step f'/f'' is infinite or NaN, never a number. A "
        "lone unit's E = (f(w x + b) - t)^2 has d2E/dw2 = 2 x^2 (f'^2 + (f - t) f''), for a ReLU 2 x^2 [w x + b > 0]; "
        "every entry of a small two-layer network's Hessian, cross terms between units included, and its product with "
        "a random direction, by forward-over-reverse and by reverse-over-reverse, lie within the contract's errors of "
        "f, f' and f'' and the counted roundings of the exact ones."
    )
    source: ClassVar[str] = "second-order methods and ReLU; Pearlmutter, Neural Computation 6 (1994), for the products"
    orders: ClassVar[tuple[int, ...]] = (2,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    quick_compiled_formats: ClassVar[tuple[str, ...] | None] = ("float32", "bfloat16")
    same_in_every_profile: ClassVar[bool] = False

    def check(self, probe: Probe, order: int) -> Outcome:
        """Judge linear pieces, lone units and networks; Unsupported without f'', and in formats of 8 bits."""
        probe.require(2)
        if probe.format.width < 16:
            raise Unsupported("networks with exact pre-activations need a format of 16 bits or more")
        found = HessianResult(probe)
        rng = np.random.default_rng(probe.seed)
        networks = NetworkStudy.drawn(probe, rng)
        units = UnitStudy.drawn(probe, rng, networks.pre_activations)
        with probe.space() as space:
            _linear_pieces(probe, space, found)
            if not _hurried(probe):
                _newton(probe, space, units, found)
            ways = _ways(probe, space)
            refused = units.judge(space, ways, found)
            refused |= networks.judge(space, [way for way in ways if way not in refused], found)
        if len(refused) == len(ways):
            raise refused[ways[0]]
        found.measured["ways"] = [way for way in ways if way not in refused]
        undecided = int((~networks.known).sum()) + int((~units.known).sum())
        return Outcome(
            Evidence("sampled", found.n), found.violations, undecided,
            magnitude=found.magnitude, measured=found.measured,
        )  # fmt: skip


def _hurried(probe: Probe) -> bool:
    """Whether programs are dear: where every one is compiled, the quick profile affords few."""
    return probe.profile == "quick" and probe.backend.compiles_each_shape


def _ways(probe: Probe, space: Space) -> tuple[str, ...]:
    """The ways to a Hessian-vector product that are tried: all that the backend has, else the one by hand.

    In a hurry forward-over-reverse in float32, and by hand in other formats: f, f' and f'' are then asked for as
    accuracy does, with nothing more to compile.
    """
    if probe.paths == ("given",) or not space.ways:
        return (BY_HAND,)
    if _hurried(probe):
        return (FORWARD_OVER_REVERSE,) if probe.format.name == "float32" else (BY_HAND,)
    return space.ways


def _linear_pieces(probe: Probe, space: Space, found: HessianResult) -> None:
    """f'' is 0 inside every linear piece, and Newton's step f'/f'' no number."""
    fmt, base = probe.format, probe.base_points
    x = fa.values(base, fmt)
    inside = _inside_linear_pieces(probe, x)
    if probe.traits.zeros_inputs:  # a subnormal read as 0 may stand on the other side of a kink
        inside &= np.abs(x) >= float(fmt.min_normal)
    if not inside.any():
        return
    # All base points are asked for, as in other claims: compiling backends pay for every other length.
    second = probe.evaluate(base, 2)[inside]
    least = np.full(second.size, float(fmt.min_subnormal) / 2)
    bits, x = base[inside], x[inside]
    found.judge(
        bits, second, np.zeros(x.size), least, lambda i: f"f''({float(x[i])!r}) on a linear piece", pointwise=True
    )
    first = probe.evaluate(base, 1)[inside]
    step = space.bits(space.array(first) / space.array(second))
    values = fa.values(step, fmt)
    found.n += x.size
    found.measured["newton"] = {"infinite": int(np.isinf(values).sum()), "nan": int(np.isnan(values).sum())}
    lie = np.isfinite(values)
    if lie.any():
        i = int(np.flatnonzero(lie)[0])
        text = (
            f"Newton's step f'/f'' at x = {float(x[i])!r}, on a linear piece, is {values[i]:.6g}, where there is none"
        )
        count = int(lie.sum())
        found.magnitude = np.inf
        found.violations.append(
            Violations(
                bits[lie],
                step[lie],
                np.full(count, np.inf),
                np.full(count, WRONG_CLASS, np.int8),
                np.ones(count, bool),
                text,
                pointwise=False,
            )
        )


def _inside_linear_pieces(probe: Probe, x: Floats) -> Any:
    """Where x lies inside a piece on which f'' is 0 throughout."""
    function = probe.function
    ends = [function.ends[0], *function.breaks, function.ends[1]]
    inside = np.zeros(x.size, bool)
    for linear, (low, high) in zip(linear_pieces(function), pairwise(ends), strict=True):
        if linear:
            inside |= (x > float(low)) & (x < float(high)) & np.isfinite(x)
    return inside


def _newton(probe: Probe, space: Space, units: UnitStudy, found: HessianResult) -> None:
    """Where f'' is known not to be 0, Newton's step is f'/f'' within their errors.

    Derivatives that break the contract themselves are left to accuracy.
    """
    bits = fa.round_values(units.z, probe.format)
    if not bits.size:
        return
    references = probe.references(bits)[1:]
    rooms = [allowance(probe, bits, reference, order) for order, reference in enumerate(references, start=1)]
    parts = [probe.evaluate(bits, order) for order in (1, 2)]
    slope, curvature = (reference.values for reference in references)
    with np.errstate(invalid="ignore"):
        sure = np.abs(curvature) > 2 * rooms[1]
        for part, reference, room in zip(parts, references, rooms, strict=True):
            sure &= np.abs(fa.values(part, probe.format) - reference.values) <= room
    if not sure.any():
        return
    z, slope, curvature, room_1, room_2 = (a[sure] for a in (units.z, slope, curvature, *rooms))
    step = slope / curvature
    room = (room_1 + np.abs(step) * room_2) / (np.abs(curvature) - room_2)
    room += 4 * 2.0**-probe.format.precision * np.abs(step) + 4 * float(probe.format.min_normal)
    got = space.bits(space.array(parts[0][sure]) / space.array(parts[1][sure]))
    found.judge(bits[sure], got, step, room, lambda i: f"Newton's step f'/f'' at x = {float(z[i])!r}")
