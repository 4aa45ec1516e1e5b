"""fd-jump: what finite differences see at a kink, and where they see one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from gradproof.extend import LARGE_ERROR, WRONG_BRANCH, Bits, Evidence, Floats, Outcome, Probe, Property, Violations
from gradproof.extend import arrays as fa
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
from gradproof_properties.kinks.differences import (
    NO_NUMBERS,
    NO_SLOPE,
    STEPS_ACROSS,
    Results,
    bits_of,
    jump_of,
    over,
    results_at,
    step_near,
    value_is_right,
)

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
        if not judged and _no_number(probe):
            measured["undecided_why"] = NO_NUMBERS
        return Outcome(Evidence("sampled", judged), violations + found, measured=measured)


def _no_number(probe: Probe) -> bool:
    """Whether no result on the multiples of 1/8 in [-8, 8] is a finite number."""
    bits = bits_of([Fraction(i, 8) for i in range(-8 * GRID_REACH, 8 * GRID_REACH + 1)], probe.format)
    return not fa.is_finite(probe.evaluate(bits), probe.format).any()


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
        across = _around(probe, kink, step)
        if isinstance(across, str):
            rows[step] = {"skipped": across}
            continue
        rows[step] = across.row()
        for n, violations in (_judge_line(across), _judge_sides(across)):
            judged += n
            found += violations
    first, *others = rows.values()
    shown = [[r["h"], r["backward"], r["central_at_kink"], r["forward"]] for r in others if "h" in r]
    return judged, found, first | ({"finer": shown} if shown else {})


@dataclass(frozen=True)
class _Across:
    """Differences of one width around one kink: at 2 STEPS_ACROSS + 1 positions, and the one-sided ones at the kink."""

    kink: Fraction
    h: float
    positions: Floats
    """The centres, in h from the kink: -1 to 1, shape (n,)."""
    slopes: tuple[float, float]
    """The one-sided derivatives, left and right."""
    height: float
    """The jump of f, at home on the right side where ``right_value``."""
    right_value: bool
    curvature: float
    """The supremum M of |f''| within 2 h of the kink, on either side of it."""
    bits: Bits
    """The upper ends of the n differences, the n lower ends, and the kink."""
    results: Results

    @property
    def upper(self) -> slice:
        """The upper ends among the results."""
        return slice(0, self.positions.size)

    @property
    def lower(self) -> slice:
        """The lower ends among the results."""
        return slice(self.positions.size, 2 * self.positions.size)

    @property
    def beside(self) -> tuple[int, int]:
        """The points h above and h below the kink among the results."""
        middle = self.positions.size // 2
        return middle, self.positions.size + middle

    def central(self, values: Floats) -> Floats:
        """The central differences of ``values``, given at ``bits``."""
        with np.errstate(invalid="ignore", over="ignore"):  # infinite results make differences that are no number
            difference: Floats = (values[self.upper] - values[self.lower]) / (2 * self.h)
        return difference

    def one_sided(self, values: Floats) -> tuple[float, float]:
        """The backward and the forward difference at the kink."""
        above, below = self.beside
        with np.errstate(invalid="ignore", over="ignore"):
            return float((values[-1] - values[below]) / self.h), float((values[above] - values[-1]) / self.h)

    @property
    def line(self) -> Floats:
        """What the central difference is but for curvature: from slope to slope, and what a jump of f adds."""
        left, right = self.slopes
        # Weights that are exact: a slope of 1 beside one of 1e30 must come out as 1 at its end.
        line = ((1 + self.positions) * right + (1 - self.positions) * left) / 2
        # At the ends of the range one of the two points is the kink itself, whose value is that of one side.
        short = self.positions == (1 if self.right_value else -1)
        return np.asarray(line + np.where(short, 0.0, self.height / (2 * self.h)))

    @property
    def bend(self) -> Floats:
        """The most that curvature takes the central differences off the line.

        M ((1 + t) h)^2 / 2 above the kink and M ((1 - t) h)^2 / 2 below it, over 2 h.
        """
        return np.asarray(self.curvature * self.h * (1 + self.positions**2) / 2)

    def row(self) -> dict[str, Any]:
        """For the reader: the step, the slopes due, and the differences at the kink."""
        backward, forward = self.one_sided(self.results.got)
        middle = float(self.central(self.results.got)[self.positions.size // 2])
        return {
            "h": self.h, "left": self.slopes[0], "right": self.slopes[1], "central_at_kink": _plain(middle),
            "backward": _plain(backward), "forward": _plain(forward),
        } | ({"jump": self.height} if self.height else {})  # fmt: skip


def _around(probe: Probe, kink: Fraction, h: Fraction) -> _Across | str:
    """The differences of width 2h around a kink; why there are none where the format or the slopes do not allow any."""
    positions = [Fraction(i, STEPS_ACROSS) for i in range(-STEPS_ACROSS, STEPS_ACROSS + 1)]
    points = [*(kink + t * h + h for t in positions), *(kink + t * h - h for t in positions), kink]
    if not all(map(probe.format.holds, points)):
        return "the format holds no suitable step at this kink"
    slopes = probe.oracle.one_sided(kink, 1)
    if any(slope.kind != "finite" for slope in slopes):
        return NO_SLOPE
    bits = bits_of(points, probe.format)
    left, right = (float(slope.midpoint) for slope in slopes)
    ends = np.array([float(kink - 2 * h), float(kink), float(kink + 2 * h)])
    curvature = float(probe.oracle.suprema(ends[:-1], ends[1:], 2).max())
    return _Across(
        kink, float(h), np.array([float(t) for t in positions]), (left, right), jump_of(probe, kink, 0),
        value_is_right(probe.function, kink), curvature, bits, results_at(probe, bits),
    )  # fmt: skip


def _judge_line(across: _Across) -> tuple[int, list[Violations]]:
    """The central differences against the line and against the exact ones: how many were judged, and failures."""
    results = across.results
    central, exact = across.central(results.got), across.central(results.exact)
    rounding = (results.room[across.upper] + results.room[across.lower]) / (2 * across.h) + 2.0**-50 * np.abs(exact)
    judged, violations = 0, []
    for what, due, bound in (
        ("the central difference", across.line, rounding + across.bend),
        ("the central difference against the exact one", exact, rounding),
    ):
        known = np.isfinite(exact) & np.isfinite(due) & np.isfinite(bound)
        with np.errstate(invalid="ignore"):
            off = np.abs(central - due)
        wrong = known & ~(off <= bound)
        judged += int(known.sum())
        if wrong.any():
            text = f"{what} across {float(across.kink):g}"
            ratio = over(off, np.where(known, bound, 1.0))
            got = results.bits[across.upper]
            violations.append(_violation(across.bits[across.upper], got, wrong, ratio, text))
    return judged, violations


def _judge_sides(across: _Across) -> tuple[int, list[Violations]]:
    """The one-sided differences at the kink against the two slopes: how many were judged, and failures."""
    results, leap = across.results, across.height / across.h
    judged, violations = 0, []
    for what, value, beside, slope in zip(
        ("backward", "forward"),
        across.one_sided(results.got),
        reversed(across.beside),
        (
            across.slopes[0] + (leap if across.right_value else 0),
            across.slopes[1] + (0 if across.right_value else leap),
        ),
        strict=True,
    ):
        bound = (results.room[beside] + results.room[-1]) / across.h + across.curvature * across.h / 2
        if not np.isfinite([results.exact[beside], results.exact[-1], slope, bound]).all():
            continue
        judged += 1
        if not abs(value - slope) <= bound:
            text = f"the {what} difference at {float(across.kink):g} is {value:.6g} where {slope:.6g} is due"
            ratio = over(np.array([value - slope]), np.array([bound]))
            violations.append(_violation(across.bits[-1:], results.bits[-1:], np.array([True]), ratio, text))
    return judged, violations


def _plain(value: float) -> float | None:
    """A number for the results file; None for what is none."""
    return float(value) if np.isfinite(value) else None


def _violation(bits: Bits, got: Bits, wrong: Any, ratio: Floats, text: str, severity: int = LARGE_ERROR) -> Violations:
    magnitude = np.maximum(np.nan_to_num(ratio[wrong], nan=np.inf), 1.0 + 1e-9)
    count = int(wrong.sum())
    return Violations(
        bits[wrong], got[wrong], magnitude, np.full(count, severity, np.int8), np.ones(count, bool), text,
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
    worst = int(np.argmax(np.where(wrong, np.nan_to_num(ratios, nan=np.inf), -1.0)))
    text = (
        f"at {float(rows[worst].place):g} the differences look like {LOOKS[int(seen[worst])]}, "
        f"the function has {LOOKS[int(due[worst])]} there"
    )
    bits = bits_of([row.place for row in rows], fmt)
    return int(judged.sum()), [_violation(bits, probe.evaluate(bits), wrong, ratios, text, WRONG_BRANCH)], counts
