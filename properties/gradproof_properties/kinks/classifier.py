"""The classifier of points: smooth, kink, discontinuity or noise, from gaps between slopes at shrinking steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from gradproof.extend import Floats, Probe
from gradproof_properties.kinks.differences import gaps, jump_of, over, step_near, value_is_right

WIDER = (1, 4, 16)
"""Multiples of the grid's stride that the classifier takes as its step, the first that rounding allows."""
STANDS_OUT = 0.125
"""A gap between slopes is looked for where rounding can make no larger one than this."""
SCATTERED = 0.25
"""Differences that are off at so many places, as a share of the grid, are noise: no function has as many kinks."""
VARYING = 1.5
"""How much more than in proportion to the step the gap of a smooth function may keep."""
CLASSES = ("smooth", "kink", "discontinuity", "noise", "undetermined")
SMOOTH, KINK, DISCONTINUITY, NOISE, UNDETERMINED = range(5)


@dataclass
class Look:
    """What the differences show at or near a point: its class, the gap over its bound, and where it is."""

    place: Fraction
    step: Fraction
    kind: int = UNDETERMINED
    ratio: float = 0.0
    steps: list[Fraction] = field(default_factory=list)
    """The steps at which a gap was followed, coarse to fine."""


def at_kink(probe: Probe, k: Fraction, stride: Fraction) -> Look:
    """Class of a declared kink or discontinuity from the gaps at two steps, less the curvature of the two sides.

    No gap, or one that shrinks with the step: smooth. One that stays: kink. One that grows like 1/step:
    discontinuity. Anything else: noise, results too coarse to show what right ones would among it. Undetermined where
    no step makes what is declared stand out, and where a side has no finite slope.
    """
    jump, height = jump_of(probe, k, 1), jump_of(probe, k, 0)
    if not np.isfinite([jump, height]).all():
        return Look(k, stride)
    near = step_near(probe, k)
    # A discontinuity stands out the more the finer the step, from the kink beside it too.
    for step in sorted({near, *(stride * w for w in WIDER), *((near / 4, near / 16) if height else ())}):
        # f at the place itself is one side's value: the step shows in the difference towards the other.
        leap = height / float(step) * (-1.0 if value_is_right(probe.function, k) else 1.0)
        due = jump + leap * np.array([1.0, 4.0])
        seen = gaps(probe, [k, k], [step, step / 4], due)
        room, due_room = float(seen.bound.max()), float(seen.due_room.max())
        if not _stands_out(jump, leap, due_room):
            continue
        off = float(over(seen.found - due, np.full(2, room)).max())
        if not _stands_out(jump, leap, room):
            if not seen.coarse.any():
                continue
            kind, off = NOISE, room / due_room
        else:
            kind = _kind_at_kink(seen.found, room)
        return Look(k, step, kind, off)
    return Look(k, stride)


def _kind_at_kink(found: Floats, room: float) -> int:
    """Class of the gaps at a step and a quarter of it, each known to ``room``."""
    wide, narrow = np.abs(found)
    if not np.isfinite(found).all():
        return NOISE
    if wide <= room and narrow <= room:
        return SMOOTH
    if abs(narrow - wide) <= 2 * room:
        return KINK
    return DISCONTINUITY if narrow >= 2 * wide else SMOOTH if narrow <= wide / 2 else NOISE


def _stands_out(jump: float, leap: float, room: float) -> bool:
    """Whether gaps known to ``room`` show what is declared: a jump of the slope, or a leap of f over the step."""
    return _leaps(leap, jump, room) if leap else room <= STANDS_OUT and (not jump or abs(jump) > 2 * room)


def _leaps(leap: float, jump: float, room: float) -> bool:
    """Whether gaps of jump + leap and jump + 4 leap, each known to ``room``, tell a discontinuity from a kink."""
    return bool(abs(leap) >= 2 * abs(jump) + 2 * room)


def between(probe: Probe, grid: list[Fraction], stride: Fraction) -> list[Look]:
    """Class of what lies within a stride of each grid point, none of them a kink.

    The step is at least the stride, so that an undeclared kink between two grid points opens a gap of half its
    jump or more at one of them. Such a gap is followed by halving the step and classified at the place it leads to.
    """
    looks = [Look(c, stride) for c in grid]
    for widening in WIDER:
        open_ = [look for look in looks if look.kind == UNDETERMINED]
        if not open_:
            break
        for look in open_:
            look.step = stride * widening
        seen = gaps(probe, [look.place for look in open_], [look.step for look in open_])
        ratios = over(seen.found, seen.bound)
        for look, ratio, bound, room, coarse in zip(open_, ratios, seen.bound, seen.due_room, seen.coarse, strict=True):
            if bound <= STANDS_OUT:
                look.ratio = float(ratio)
                look.kind = SMOOTH if look.ratio <= 1 else NOISE
            elif room <= STANDS_OUT and coarse:  # too coarse to show a jump where right results would
                look.ratio, look.kind = float(over(np.asarray(bound), np.asarray(room))), NOISE
    rough = [look for look in looks if look.kind == NOISE and np.isfinite(look.ratio)]
    following = rough
    while following:
        following = _follow(probe, following)
    _name(probe, rough)
    rough = [look for look in looks if look.kind in (KINK, DISCONTINUITY, NOISE)]
    if len({round(look.place / stride) for look in rough}) > SCATTERED * len(looks):
        for look in rough:
            look.kind = NOISE
    return looks


def _follow(probe: Probe, looks: list[Look]) -> list[Look]:
    """Halve the steps once and move to the larger gap; the looks that can be followed further."""
    nearby = [look.place + look.step / 2 * d for look in looks for d in (-1, 0, 1)]
    seen = gaps(probe, nearby, [look.step / 2 for look in looks for _ in range(3)])
    further = []
    for i, look in enumerate(looks):
        look.steps.append(look.step)
        gap, bound = np.abs(seen.found[3 * i : 3 * i + 3]), seen.bound[3 * i : 3 * i + 3]
        if not (bound <= STANDS_OUT).all() or not np.isfinite(gap).all():
            continue
        best = int(np.argmax(over(gap, bound)))
        if gap[best] <= bound[best]:  # drowned in rounding, whatever it was
            look.kind = UNDETERMINED
            continue
        look.step /= 2
        look.place = nearby[3 * i + best]
        further.append(look)
    return further


def _name(probe: Probe, looks: list[Look]) -> None:
    """Classify each look from the gaps at its place, at all its steps together."""
    places = [look.place for look in looks for _ in look.steps]
    if not places:
        return
    seen = gaps(probe, places, [step for look in looks for step in look.steps])
    first = 0
    for look in looks:
        last = first + len(look.steps)
        kind = _kind(np.abs(seen.found[first:last]), seen.bound[first:last])
        look.kind = look.kind if kind is None else kind
        first = last


def _kind(gap: Floats, bound: Floats) -> int | None:
    """Class of the gaps at steps that halve one by one; None where one step is all there is.

    The gap of a smooth function with another curvature shrinks with the step (half as much again is allowed for
    a curvature that varies), a kink's at most doubles, a discontinuity's doubles with every halving. What rounding
    can explain decides nothing.
    """
    rough = None
    for fine in range(1, gap.size):
        for coarse in range(fine if gap.size == 2 else fine - 1):  # two halvings tell more than one
            least, most = gap[fine] - bound[fine], gap[coarse] + bound[coarse]
            if least > 2 * most:
                return DISCONTINUITY
            if least > VARYING * most * 2.0 ** (coarse - fine):
                rough = KINK
            elif rough is None:
                rough = SMOOTH
    return rough
