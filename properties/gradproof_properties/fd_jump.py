"""fd-jump: what finite differences see at a kink, and where they see one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from gradproof.engine.probe import Probe
from gradproof.engine.property import Outcome, Property, Violations
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.measure.severity import LARGE_ERROR, WRONG_BRANCH
from gradproof.oracle.reference import FINITE
from gradproof.results.model import Evidence
from gradproof_properties.allowances import allowance

GRID_REACH = 8
"""The classifier looks at [-8, 8], where every catalogued kink with its default parameters lies."""
STEPS_ACROSS = 8
"""Positions on either side of a kink at which the central difference is taken."""
WIDER = (1, 4, 16)
"""Multiples of the step that the classifier tries in turn."""
CLASSES = ("smooth", "kink", "discontinuity", "noise", "undetermined")
SMOOTH, KINK, DISCONTINUITY, NOISE, UNDETERMINED = range(5)


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
    """Class of every grid point, compared with what the oracle's own differences and kinks call for."""
    fmt = probe.format
    h = step_near(probe, Fraction(GRID_REACH))
    stride = max(h * 4, Fraction(1, 8))
    grid = [k * stride for k in range(-int(GRID_REACH / stride), int(GRID_REACH / stride) + 1)]
    kinks = [k for k in dict.fromkeys(probe.function.kinks) if fmt.value(fmt.round(k)) == k]
    near = [x for x in grid if x not in kinks and all(abs(x - k) > 2 * h for k in probe.function.kinks)]
    centres = [*near, *kinks]
    due, seen = np.full(len(centres), UNDETERMINED), np.full(len(centres), UNDETERMINED)
    bits = _bits(centres, fmt)
    # Where a step is too small for the format's rounding, a larger one may do, away from the kinks.
    for step in (h * scale for scale in WIDER):
        open_ = [
            i
            for i, c in enumerate(centres)
            if due[i] == UNDETERMINED and all(c == k or abs(c - k) > 2 * step for k in probe.function.kinks)
        ]
        if open_:
            chosen = [centres[i] for i in open_]
            due[open_] = classify(probe, chosen, step, exact=True)
            seen[open_] = classify(probe, chosen, step, exact=False)
    judged = (due != UNDETERMINED) & (due != NOISE)
    wrong = judged & (seen != due) & (seen != UNDETERMINED)
    counts = {name: int((seen == i).sum()) for i, name in enumerate(CLASSES)}
    if not wrong.any():
        return int((judged & (seen != UNDETERMINED)).sum()), [], counts
    first = int(np.argmax(wrong))
    text = (
        f"at {float(centres[first]):g} the differences look like a {CLASSES[int(seen[first])]}, "
        f"the function has a {CLASSES[int(due[first])]} point there"
    )
    return int(judged.sum()), [_violation(bits, wrong, np.full(wrong.size, 2.0), text, WRONG_BRANCH)], counts


def classify(probe: Probe, centres: list[Fraction], h: Fraction, *, exact: bool) -> Any:
    """Class of each centre from one-sided slopes at steps h and h/4.

    The gap J(s) between forward and backward slope at step s is compared with what rounding and curvature can
    make of it. No gap: smooth. A gap that stays as s shrinks: kink. One that grows like 1/s: discontinuity.
    Anything else: noise. Where the rounding part at h/4 exceeds an eighth, a point is undetermined.
    ``exact`` classifies the oracle's own values (with the same bounds) instead of the implementation's.
    """
    fmt = probe.format
    gaps, bounds = [], []
    for step in (h, h / 4):
        points = [*(c + step for c in centres), *(c - step for c in centres), *centres]
        held = np.array([fmt.value(fmt.round(p)) == p for p in points])
        g, due, room = _measure(probe, _bits(points, fmt))
        values = due if exact else g
        n, width = len(centres), float(step)
        up, down, at = values[:n], values[n : 2 * n], values[2 * n :]
        gaps.append((up - 2 * at + down) / width)
        rounding = (room[:n] + room[n : 2 * n] + 2 * room[2 * n :]) / width
        rounding[~(held[:n] & held[n : 2 * n] & held[2 * n :])] = np.inf
        bounds.append(rounding)
    low = np.array([float(c - h) for c in centres])
    high = np.array([float(c + h) for c in centres])
    at_centre = np.array([float(c) for c in centres])
    curvature = np.maximum(
        probe.oracle.suprema(low, at_centre, 2), probe.oracle.suprema(at_centre, high, 2)
    ) * float(h)
    wide, narrow = np.abs(gaps[0]), np.abs(gaps[1])
    classes = np.full(len(centres), NOISE)
    with np.errstate(invalid="ignore"):
        smooth = (wide <= bounds[0] + curvature) & (narrow <= bounds[1] + curvature / 4)
        stays = np.abs(narrow - wide) <= bounds[0] + bounds[1] + 1.25 * curvature
        grows = narrow >= 2 * wide
    classes[grows] = DISCONTINUITY
    classes[stays] = KINK
    classes[smooth] = SMOOTH
    classes[np.isnan(wide) | np.isnan(narrow)] = NOISE
    # A gap of 1/4 must stand out, or nothing is claimed.
    classes[~(bounds[1] + curvature <= 0.125)] = UNDETERMINED
    return classes
