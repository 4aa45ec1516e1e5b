"""The classifier of points: smooth, kink, discontinuity or noise, from gaps between slopes at shrinking steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from gradproof.engine.probe import Probe
from gradproof_properties.differences import gaps, step_near

WIDER = (1, 4, 16)
"""Multiples of the grid's stride that the classifier takes as its step, the first that rounding allows."""
STANDS_OUT = 0.125
"""A gap between slopes is looked for where rounding can make no larger one than this."""
SCATTERED = 0.25
"""Differences that are off at more than this share of the grid are noise, not so many discontinuities."""
CLASSES = ("smooth", "kink", "discontinuity", "noise", "undetermined")
SMOOTH, KINK, DISCONTINUITY, NOISE, UNDETERMINED = range(5)


@dataclass
class Look:
    """What the differences show at or near a point: its class, the gap over its bound, and where it is."""

    place: Fraction
    step: Fraction
    kind: int = UNDETERMINED
    ratio: float = 0.0
    trail: list[float] = field(default_factory=list)
    """The gaps followed so far, one per halving of the step."""


def jump_of(probe: Probe, kink: Fraction) -> float:
    """The jump of f' at a kink, 0 when it is no more than what certifying in float64 leaves open."""
    left, right = (float(v.midpoint) for v in probe.oracle.one_sided(kink, 1))
    return right - left if abs(right - left) > 2.0**-40 * max(abs(left), abs(right)) else 0.0


def at_kink(probe: Probe, kink: Fraction, stride: Fraction) -> Look:
    """Class of a declared kink from the gaps at two steps, less the curvature of the two sides.

    No gap, or one that shrinks with the step: smooth. One that stays: kink. One that grows like 1/step:
    discontinuity. Anything else: noise.
    """
    jump = jump_of(probe, kink)
    for step in sorted({step_near(probe, kink), *(stride * w for w in WIDER)}):
        found, bounds = gaps(probe, [kink, kink], [step, step / 4], jump)
        room = float(bounds.max())
        if room > STANDS_OUT or (jump and abs(jump) <= 2 * room):
            continue
        wide, narrow = np.abs(found)
        off = float(np.nan_to_num(np.abs(found - jump).max() / room, nan=np.inf))
        if wide <= room and narrow <= room:
            kind = SMOOTH
        elif abs(narrow - wide) <= 2 * room:
            kind = KINK
        else:
            kind = DISCONTINUITY if narrow >= 2 * wide else SMOOTH if narrow <= wide / 2 else NOISE
        return Look(kink, step, kind, off)
    return Look(kink, stride)


def between(probe: Probe, grid: list[Fraction], stride: Fraction) -> list[Look]:
    """Class of what lies within a stride of each grid point, none of them a kink.

    The step is at least the stride, so that an undeclared kink between two grid points opens a gap of half its
    jump or more at one of them. It is followed there by halving the step: a kink's gap lies between half its jump
    and all of it at every step, a discontinuity's doubles each time, and that of a smooth function with another
    curvature halves.
    """
    looks = [Look(c, stride) for c in grid]
    for widening in WIDER:
        open_ = [look for look in looks if look.kind == UNDETERMINED]
        if not open_:
            break
        for look in open_:
            look.step = stride * widening
        found, bounds = gaps(probe, [look.place for look in open_], [look.step for look in open_])
        for look, gap, bound in zip(open_, found, bounds, strict=True):
            if bound <= STANDS_OUT:
                look.ratio = float(np.nan_to_num(abs(gap) / bound, nan=np.inf))
                look.trail = [abs(float(gap))]
                look.kind = SMOOTH if look.ratio <= 1 else NOISE
    following = [look for look in looks if look.kind == NOISE and np.isfinite(look.ratio)]
    while following:
        following = _follow(probe, following)
    scattered = sum(look.kind in (DISCONTINUITY, NOISE) for look in looks) > SCATTERED * len(looks)
    for look in looks:
        if scattered and look.kind == DISCONTINUITY:
            look.kind = NOISE
    return looks


def _follow(probe: Probe, looks: list[Look]) -> list[Look]:
    """Halve the steps once and move to the larger gap; the looks that can be followed further."""
    nearby = [look.place + look.step / 2 * d for look in looks for d in (-1, 0, 1)]
    found, bounds = gaps(probe, nearby, [look.step / 2 for look in looks for _ in range(3)])
    further = []
    for i, look in enumerate(looks):
        gap, bound = np.abs(found[3 * i : 3 * i + 3]), bounds[3 * i : 3 * i + 3]
        if not (bound <= STANDS_OUT).all() or np.isnan(gap).any():
            look.kind = _trend(look.trail)
            continue
        best = int(np.argmax(gap / bound))
        look.step /= 2
        look.trail.append(float(gap[best]))
        if gap[best] <= bound[best]:
            look.kind = SMOOTH
            continue
        look.place = nearby[3 * i + best]
        further.append(look)
    return further


def _trend(trail: list[float]) -> int:
    """Class of a gap from its last three halvings (two at least): what the coarse steps mixed in has faded there."""
    span = min(3, len(trail) - 1)
    if span < 2:
        return NOISE
    growth = trail[-1] / trail[-1 - span]
    if growth >= 2.0 ** (span - 0.5):
        return DISCONTINUITY
    return KINK if growth >= 2.0 ** (0.5 - span) else SMOOTH
