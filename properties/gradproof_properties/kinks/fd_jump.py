"""fd-jump: what finite differences see at a kink, and where they see one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from gradproof.engine.probe import Probe
from gradproof.engine.property import Outcome, Property, Violations
from gradproof.formats.arrays import Bits, Floats
from gradproof.measure.severity import LARGE_ERROR, WRONG_BRANCH
from gradproof.results.model import Evidence
from gradproof_properties.kinks.classifier import (
    CLASSES,
    DISCONTINUITY,
    KINK,
    NOISE,
    SMOOTH,
    UNDETERMINED,
    Look,
    at_kink,
    between,
)
from gradproof_properties.kinks.differences import STEPS_ACROSS, bits_of, jump_of, results_at, step_near, value_is_right

GRID_REACH = 8
"""The classifier looks at [-8, 8], and at every declared kink wherever it lies."""
FINER = (Fraction(1), Fraction(1, 16), Fraction(1, 256))
"""Multiples of the usual step at which the differences across a kink are taken, where the format holds them."""
LOOKS = {SMOOTH: "a smooth point", KINK: "a kink", DISCONTINUITY: "a discontinuity", NOISE: "noise"}


class FiniteDifferenceJump(Property):
    """Central differences run from slope to slope across a kink; a classifier finds exactly the declared places."""

    id: ClassVar[str] = "fd-jump"
    title: ClassVar[str] = "Finite differences jump at the declared kinks and nowhere else"
    statement: ClassVar[str] = (
        "Across a kink the central difference of width 2h runs linearly from the left to the right slope, is their "
        "mean at the kink, and the one-sided differences give the two slopes, within curvature and rounding bounds. "
        "Across a discontinuity a jump J of f adds J / 2h to the line, and J / h to the one-sided difference that "
        "leads away from the value. So it is for steps that shrink by powers of sixteen, as far as the format holds "
        "them. A classifier {smooth, kink, discontinuity, noise} run over [-8, 8] and the "
        "declared places finds a kink or a discontinuity where the function declares one that the format can show, "
        "and only there. Where the function has no finite value nothing is judged."
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


def _across(probe: Probe, kink: Fraction) -> tuple[int, list[Violations], dict[str, Any]]:
    """Differences of several steps around one kink; the row of the usual step, and what the others saw."""
    h = step_near(probe, kink)
    apart = min((abs(k - kink) for k in probe.function.kinks if k != kink), default=None)
    judged, found, rows = 0, [], {}
    for factor in FINER:
        step = h * factor
        while apart is not None and 2 * step > apart:  # one kink at a time
            step /= 2
        if step in rows:
            continue
        n, violations, row = _across_with(probe, kink, step)
        rows[step] = row
        judged += n
        found += violations
    first, *others = rows.values()
    told = [[r["h"], r["backward"], r["central_at_kink"], r["forward"]] for r in others if "h" in r]
    return judged, found, first | ({"finer": told} if told else {})


def _across_with(probe: Probe, kink: Fraction, h: Fraction) -> tuple[int, list[Violations], dict[str, Any]]:
    fmt = probe.format
    height, right_value = jump_of(probe, kink, 0), value_is_right(probe.function, kink)
    left, right = (float(v.midpoint) for v in probe.oracle.one_sided(kink, 1))
    positions = [Fraction(i, STEPS_ACROSS) for i in range(-STEPS_ACROSS, STEPS_ACROSS + 1)]
    centres = [kink + t * h for t in positions]
    upper, lower = [c + h for c in centres], [c - h for c in centres]
    points = [*upper, *lower, kink]
    if not all(map(fmt.holds, points)):
        return 0, [], {"skipped": "the format holds no suitable step at this kink"}
    bits = bits_of(points, fmt)
    g, exact, room = results_at(probe, bits)
    n, width = len(centres), float(h)
    with np.errstate(invalid="ignore", over="ignore"):  # infinite results make differences that are no number
        central = (g[:n] - g[n : 2 * n]) / (2 * width)
        forward = (g[n // 2] - g[-1]) / width
        backward = (g[-1] - g[n + n // 2]) / width
    due = (exact[:n] - exact[n : 2 * n]) / (2 * width)
    rounding = (room[:n] + room[n : 2 * n]) / (2 * width) + 2.0**-50 * np.abs(due)
    curvature = float(
        probe.oracle.suprema(
            np.array([float(kink - 2 * h), float(kink)]), np.array([float(kink), float(kink + 2 * h)]), 2
        ).max()
    )
    # Weights that are exact: a slope of 1 beside one of 1e30 must come out as 1 at its end.
    line = np.array([float(1 + t) * right + float(1 - t) * left for t in positions]) / 2
    # At the ends of the range one of the two points is the kink itself, whose value is that of one side.
    spans = np.array([right_value if t == -1 else not right_value if t == 1 else True for t in positions])
    line = line + np.where(spans, height / (2 * width), 0.0)
    violations = []
    # Curvature on either side bends the line by at most M h (each one-sided secant by M h, averaged).
    for what, values, bound in (
        ("the central difference", np.abs(central - line), rounding + 2 * curvature * width),
        ("the central difference against the exact one", np.abs(central - due), rounding),
    ):
        wrong = ~(values <= bound) & np.isfinite(due)
        if wrong.any():
            violations.append(_violation(bits[:n], wrong, values / bound, f"{what} across {float(kink):g}"))
    middle = n // 2
    one_sided = (room[middle] + room[-1]) / width + curvature * width
    backward_room = (room[n + middle] + room[-1]) / width + curvature * width
    for what, value, slope, bound in (
        ("the forward difference", forward, right + (0.0 if right_value else height / width), one_sided),
        ("the backward difference", backward, left + (height / width if right_value else 0.0), backward_room),
    ):
        if not abs(value - slope) <= bound and np.isfinite(due[middle]):
            text = f"{what} at {float(kink):g} is {value:.6g} where {slope:.6g} is due"
            violations.append(_violation(bits[-1:], np.array([True]), np.array([abs(value - slope) / bound]), text))
    row = {
        "h": width, "left": left, "right": right, "central_at_kink": _plain(central[middle]),
        "backward": _plain(backward), "forward": _plain(forward),
    } | ({"jump": height} if height else {})  # fmt: skip
    return 2 * n + 2, violations, row


def _plain(value: float) -> float | None:
    """A number for the results file; None for what is none."""
    return float(value) if np.isfinite(value) else None


def _violation(bits: Bits, wrong: Any, ratio: Floats, text: str, severity: int = LARGE_ERROR) -> Violations:
    magnitude = np.maximum(np.nan_to_num(ratio[wrong], nan=np.inf), 1.0 + 1e-9)
    count = int(wrong.sum())
    return Violations(
        bits[wrong], bits[wrong], magnitude, np.full(count, severity, np.int8), np.ones(count, bool), text,
        pointwise=False,
    )  # fmt: skip


def _declared(probe: Probe, kink: Fraction) -> int:
    """What the function declares at one of its kinks."""
    return DISCONTINUITY if jump_of(probe, kink, 0) else KINK if jump_of(probe, kink, 1) else SMOOTH


def _classify_grid(probe: Probe) -> tuple[int, list[Violations], dict[str, int]]:
    """Class of every kink and grid point, compared with what the function declares."""
    fmt = probe.format
    kinks = [k for k in dict.fromkeys(probe.function.kinks) if fmt.holds(k)]
    stride = max(4 * step_near(probe, Fraction(GRID_REACH)), Fraction(1, 8))
    count = int(GRID_REACH / stride)
    grid = [c for c in (k * stride for k in range(-count, count + 1)) if c not in kinks]
    rows: list[Look] = [at_kink(probe, k, stride) for k in kinks] + between(probe, grid, stride)
    due = np.array([_declared(probe, k) for k in kinks] + [SMOOTH] * len(grid))
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
    bits = bits_of([row.place for row in rows], fmt)
    return int(judged.sum()), [_violation(bits, wrong, ratios, text, WRONG_BRANCH)], counts
