"""fd-jump: what finite differences see at a kink, and where they see one."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from gradproof.engine.probe import Probe
from gradproof.engine.property import Outcome, Property, Violations
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.measure.contracts import STABLE
from gradproof.measure.severity import LARGE_ERROR, WRONG_BRANCH
from gradproof.oracle.reference import FINITE
from gradproof.results.model import Evidence
from gradproof_properties.allowances import allowance

GRID_REACH = 8
"""The classifier looks at [-8, 8], where every catalogued kink with its default parameters lies."""
STEPS_ACROSS = 8
"""Positions on either side of a kink at which the central difference is taken."""
WIDER = (1, 4, 16)
"""Multiples of the grid's stride that the classifier takes as its step, the first that rounding allows."""
STANDS_OUT = 0.125
"""A gap between slopes is looked for where rounding can make no larger one than this."""
SCATTERED = 0.25
"""Differences that are off at more than this share of the grid are noise, not so many discontinuities."""
CLASSES = ("smooth", "kink", "discontinuity", "noise", "undetermined")
SMOOTH, KINK, DISCONTINUITY, NOISE, UNDETERMINED = range(5)
LOOKS = ("a smooth point", "a kink", "a discontinuity", "noise")


class FiniteDifferenceJump(Property):
    """Central differences run linearly from slope to slope across a kink; a classifier finds exactly the kinks."""

    id: ClassVar[str] = "fd-jump"
    title: ClassVar[str] = "Finite differences jump at the declared kinks and nowhere else"
    statement: ClassVar[str] = (
        "Across a kink the central difference of width 2h runs linearly from the left to the right slope, is their "
        "mean at the kink, and the one-sided differences give the two slopes, within curvature and rounding bounds. "
        "A classifier {smooth, kink, discontinuity, noise} run over [-8, 8] finds a kink where the function declares "
        "one, and only there."
    )
    source: ClassVar[str] = "'very near 0 you get many jumps'"
    orders: ClassVar[tuple[int, ...]] = (0,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)

    def check(self, probe: Probe, order: int) -> Outcome:
        """Differences across every kink, then the classifier over the grid."""
        violations: list[Violations] = []
        judged = 0
        measured: dict[str, Any] = {"kinks": {}}
        for kink in dict.fromkeys(probe.function.kinks):
            n, found, row = _across(probe, kink)
            judged += n
            violations += found
            measured["kinks"][f"{float(kink):g}"] = row
        n, found, counts = _classify_grid(probe)
        judged += n
        measured["classes"] = counts
        return Outcome(Evidence("sampled", judged), violations + found, measured=measured)


def step_near(probe: Probe, centre: Fraction) -> Fraction:
    """A power of two h for differences around ``centre``: large against rounding, small against curvature.

    Balances rounding (an ulp of f over h) with curvature (h) at about 2^(-p/3), and stays a multiple of
    STEPS_ACROSS quanta of the widest input, so that every input used is exact in the format.
    """
    fmt = probe.format
    h = Fraction(2) ** -(fmt.precision // 3)
    quantum = Fraction(2) ** (fmt.quantum_exponent(abs(centre) + 2 * h))
    return max(h, STEPS_ACROSS * quantum)


def _bits(points: list[Fraction], fmt: Format) -> Bits:
    return np.array([fmt.round(p) for p in points], dtype=fa.storage(fmt))


def _measure(probe: Probe, bits: Bits) -> tuple[Floats, Floats, Floats]:
    """Results, exact values and allowances of f at ``bits`` as float64."""
    reference = probe.references(bits)[0]
    exact = np.where(reference.kind == FINITE, reference.values, np.nan)
    return fa.values(probe.evaluate(bits, 0), probe.format), exact, allowance(probe, bits, reference, 0)


def _across(probe: Probe, kink: Fraction) -> tuple[int, list[Violations], dict[str, Any]]:
    fmt = probe.format
    h = step_near(probe, kink)
    apart = min((abs(k - kink) for k in probe.function.kinks if k != kink), default=2 * h)
    while 2 * h > apart:  # one kink at a time
        h /= 2
    left, right = (float(v.midpoint) for v in probe.oracle.one_sided(kink, 1))
    positions = [Fraction(i, STEPS_ACROSS) for i in range(-STEPS_ACROSS, STEPS_ACROSS + 1)]
    centres = [kink + t * h for t in positions]
    upper, lower = [c + h for c in centres], [c - h for c in centres]
    points = [*upper, *lower, kink]
    if any(fmt.value(fmt.round(p)) != p for p in points):
        return 0, [], {"skipped": "the format holds no suitable step at this kink"}
    bits = _bits(points, fmt)
    g, exact, room = _measure(probe, bits)
    n, width = len(centres), float(h)
    central = (g[:n] - g[n : 2 * n]) / (2 * width)
    due = (exact[:n] - exact[n : 2 * n]) / (2 * width)
    rounding = (room[:n] + room[n : 2 * n]) / (2 * width) + 2.0**-50 * np.abs(due)
    curvature = float(
        probe.oracle.suprema(
            np.array([float(kink - 2 * h), float(kink)]), np.array([float(kink), float(kink + 2 * h)]), 2
        ).max()
    )
    line = (left + right) / 2 + np.array([float(t) for t in positions]) * (right - left) / 2
    violations = []
    # Curvature on either side bends the line by at most M h (each one-sided secant by M h, averaged).
    for what, values, bound in (
        ("the central difference", np.abs(central - line), rounding + 2 * curvature * width),
        ("the central difference against the exact one", np.abs(central - due), rounding),
    ):
        wrong = ~(values <= bound)
        if wrong.any():
            violations.append(_violation(bits[:n], wrong, values / bound, f"{what} across {float(kink):g}"))
    middle = n // 2
    forward = (g[middle] - g[-1]) / width
    backward = (g[-1] - g[n + middle]) / width
    one_sided = (room[middle] + room[-1]) / width + curvature * width
    backward_room = (room[n + middle] + room[-1]) / width + curvature * width
    for what, value, slope, bound in (
        ("the forward difference", forward, right, one_sided),
        ("the backward difference", backward, left, backward_room),
    ):
        if not abs(value - slope) <= bound:
            text = f"{what} at {float(kink):g} is {value:.6g}, the slope {slope:.6g}"
            violations.append(
                _violation(bits[-1:], np.array([True]), np.array([abs(value - slope) / bound]), text)
            )
    row = {
        "h": width, "left": left, "right": right, "central_at_kink": float(central[middle]),
        "backward": float(backward), "forward": float(forward),
    }  # fmt: skip
    return 2 * n + 2, violations, row


def _violation(bits: Bits, wrong: Any, ratio: Floats, text: str, severity: int = LARGE_ERROR) -> Violations:
    magnitude = np.maximum(np.nan_to_num(ratio[wrong], nan=np.inf), 1.0 + 1e-9)
    count = int(wrong.sum())
    return Violations(
        bits[wrong], bits[wrong], magnitude, np.full(count, severity, np.int8), np.ones(count, bool), text,
        pointwise=False,
    )  # fmt: skip


def _classify_grid(probe: Probe) -> tuple[int, list[Violations], dict[str, int]]:
    """Class of every kink and grid point, compared with what the function declares."""
    fmt = probe.format
    kinks = [k for k in dict.fromkeys(probe.function.kinks) if fmt.value(fmt.round(k)) == k]
    stride = max(4 * step_near(probe, Fraction(GRID_REACH)), Fraction(1, 8))
    count = int(GRID_REACH / stride)
    grid = [c for c in (k * stride for k in range(-count, count + 1)) if c not in kinks]
    rows = [_at_kink(probe, k, stride) for k in kinks] + _between(probe, grid, stride)
    due = np.array([KINK if _jump(probe, k) else SMOOTH for k in kinks] + [SMOOTH] * len(grid))
    seen = np.array([row.kind for row in rows])
    judged = seen != UNDETERMINED
    wrong = judged & (seen != due)
    counts = {name: int((seen == i).sum()) for i, name in enumerate(CLASSES)}
    if not wrong.any():
        return int(judged.sum()), [], counts
    ratios = np.array([row.ratio for row in rows])
    worst = int(np.argmax(np.where(wrong, ratios, -1.0)))
    text = (
        f"at {float(rows[worst].place):g} the differences look like {LOOKS[int(seen[worst])]}, "
        f"the function has {LOOKS[int(due[worst])]} there"
    )
    bits = _bits([row.place for row in rows], fmt)
    return int(judged.sum()), [_violation(bits, wrong, ratios, text, WRONG_BRANCH)], counts


@dataclass
class _Look:
    """What the differences show at or near a point: its class, the gap over its bound, and where it is."""

    place: Fraction
    step: Fraction
    kind: int = UNDETERMINED
    ratio: float = 0.0
    trail: list[float] = field(default_factory=list)
    """The gaps followed so far, one per halving of the step."""


def _jump(probe: Probe, kink: Fraction) -> float:
    """The jump of f' at a kink, 0 when it is no more than what certifying in float64 leaves open."""
    left, right = (float(v.midpoint) for v in probe.oracle.one_sided(kink, 1))
    return right - left if abs(right - left) > 2.0**-40 * max(abs(left), abs(right)) else 0.0


def _at_kink(probe: Probe, kink: Fraction, stride: Fraction) -> _Look:
    """Class of a declared kink from the gaps at two steps, less the curvature of the two sides.

    No gap, or one that shrinks with the step: smooth. One that stays: kink. One that grows like 1/step:
    discontinuity. Anything else: noise.
    """
    jump = _jump(probe, kink)
    for step in sorted({step_near(probe, kink), *(stride * w for w in WIDER)}):
        gaps, bounds = _gaps(probe, [kink, kink], [step, step / 4], jump)
        room = float(bounds.max())
        if room > STANDS_OUT or (jump and abs(jump) <= 2 * room):
            continue
        wide, narrow = np.abs(gaps)
        off = float(np.nan_to_num(np.abs(gaps - jump).max() / room, nan=np.inf))
        if wide <= room and narrow <= room:
            kind = SMOOTH
        elif abs(narrow - wide) <= 2 * room:
            kind = KINK
        else:
            kind = DISCONTINUITY if narrow >= 2 * wide else SMOOTH if narrow <= wide / 2 else NOISE
        return _Look(kink, step, kind, off)
    return _Look(kink, stride)


def _between(probe: Probe, grid: list[Fraction], stride: Fraction) -> list[_Look]:
    """Class of what lies within a stride of each grid point, none of them a kink.

    The step is at least the stride, so that an undeclared kink between two grid points opens a gap of half its
    jump or more at one of them. It is followed there by halving the step: a kink's gap lies between half its jump
    and all of it at every step, a discontinuity's doubles each time, and that of a smooth function with another
    curvature halves.
    """
    looks = [_Look(c, stride) for c in grid]
    for widening in WIDER:
        open_ = [look for look in looks if look.kind == UNDETERMINED]
        if not open_:
            break
        for look in open_:
            look.step = stride * widening
        gaps, bounds = _gaps(probe, [look.place for look in open_], [look.step for look in open_])
        for look, gap, bound in zip(open_, gaps, bounds, strict=True):
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


def _follow(probe: Probe, looks: list[_Look]) -> list[_Look]:
    """Halve the steps once and move to the larger gap; the looks that can be followed further."""
    nearby = [look.place + look.step / 2 * d for look in looks for d in (-1, 0, 1)]
    gaps, bounds = _gaps(probe, nearby, [look.step / 2 for look in looks for _ in range(3)])
    further = []
    for i, look in enumerate(looks):
        gap, bound = np.abs(gaps[3 * i : 3 * i + 3]), bounds[3 * i : 3 * i + 3]
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


def _gaps(
    probe: Probe, centres: list[Fraction], steps: list[Fraction], jump: float = 0.0
) -> tuple[Floats, Floats]:
    """Forward minus backward slope at each centre, without what the function itself makes of it.

    What is left is ``jump`` (the declared jump of f' at the centres), within the bound that comes second: what
    the contract allows the results; inf where the format does not hold the points.
    """
    fmt = probe.format
    ends = [c + s for c, s in zip(centres, steps, strict=True)], [c - s for c, s in zip(centres, steps, strict=True)]
    points = [*ends[0], *ends[1], *centres]
    bits = [fmt.round(p) for p in points]
    held = np.array([fmt.value(b) == p for b, p in zip(bits, points, strict=True)])
    g, exact, room = _measure(probe, np.array(bits, dtype=fa.storage(fmt)))
    n, width = len(centres), np.array([float(s) for s in steps])

    def second(v: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            return ((v[:n] - v[2 * n :]) - (v[2 * n :] - v[n : 2 * n])) / width

    # A wrong result is as coarse as its own size makes it: that is no noise.
    own = np.ldexp(1.0, fa.quantum_exponents(g, fmt).astype(np.int32))
    room = np.maximum(room, STABLE.bound(0, fmt) * own) + 2.0**-50 * np.abs(exact)
    rounding = (room[:n] + room[n : 2 * n] + 2 * room[2 * n :]) / width
    rounding[~(held[:n] & held[n : 2 * n] & held[2 * n :])] = np.inf
    return second(g) - second(exact) + jump, rounding
