"""smooth-descent: what one step of gradient descent does to the gradient, and to a direction that is flat.

Constant pulls stand for the rest of a loss: descent on f(x) + beta x steps left and right at every x, and its
gradients differ from those of f by beta, so that their changes are those of f'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gradproof.extend import (
    FINITE,
    LARGE,
    LARGE_ERROR,
    SMALL_ERROR,
    TRAINING,
    WRONG_BRANCH,
    WRONG_CLASS,
    Bits,
    Evidence,
    Floats,
    Format,
    Ints,
    Outcome,
    Probe,
    Property,
    Reference,
    Violations,
    turning_points,
)
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance
from gradproof_properties.kinks.differences import jump_of
from gradproof_properties.networks.flat_direction import DescentTrial, descend

Mask = npt.NDArray[np.bool_]

REACH = 8.0
"""Starts lie in [-8, 8], where activations live; ends within twice that."""
RATES = (2.0**-6, 2.0**-3, 1.0)
"""Learning rates."""
PULLS = (0.0, -3.0, 3.0)
"""The constant slopes of the rest of the loss."""
TILING = (2.0**-3, -3.0)
"""Rate and pull of the steps that cover [-8, 8]."""
NEAR = tuple(2.0**-j for j in range(1, 9))
"""Distances from a kink at which further starts lie, on either side."""
SETTLING_FROM, SETTLING_RATE, SETTLING_STEPS = 0.78125, 0.5, 16
"""A descent towards each minimum, measured in longer runs: distance of the start, learning rate, steps."""
NEIGHBOURS = 2
"""Ulps from a kink within which neither end of a step may lie."""
TALLEST = (REACH, 2.0)
"""The most that counts as sup|f| and sup|f'| over [-8, 8] for the training contract's bound: what activations have."""
SECTIONS = 4
"""Parts of a step over which |f''| is bounded one by one."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps x0 -> x1 on f(x) + pull x, shape (n,): what the implementation says at both ends, and what is due."""

    probe: Probe
    starts: Bits
    """The starts, each once."""
    origin: Ints
    """Index of each step's start."""
    rate: Floats
    pull: Floats
    slopes: Bits
    """f' at the starts."""

    @classmethod
    def taken(cls, probe: Probe) -> Steps:
        """The rates and pulls of every start, all of them beside the kinks."""
        starts, origin, rate, pull = _planned(probe)
        return cls(probe, starts, origin, rate, pull, probe.evaluate(starts, 1))

    @cached_property
    def start(self) -> Bits:
        """Where the steps start."""
        return self.starts[self.origin]

    @cached_property
    def got(self) -> Bits:
        """f' there."""
        return self.slopes[self.origin]

    @cached_property
    def end(self) -> Bits:
        """Where they end. A gradient that is no number leads nowhere; it is judged where it is."""
        fmt = self.probe.format
        slope = fa.values(self.got, fmt)
        with np.errstate(all="ignore"):
            end = fa.round_values(self.x0 - self.rate * (slope + self.pull), fmt)
        return np.where(np.isfinite(slope), end, self.start).astype(self.start.dtype)

    @cached_property
    def x0(self) -> Floats:
        """Where the steps start."""
        return fa.values(self.start, self.probe.format)

    @cached_property
    def x1(self) -> Floats:
        """Where they end."""
        return fa.values(self.end, self.probe.format)

    @cached_property
    def change(self) -> Floats:
        """f'(x1) - f'(x0) by the implementation; x1 = x0 where f'(x0) is no number."""
        before = fa.values(self.got, self.probe.format)
        with np.errstate(invalid="ignore"):
            difference: Floats = fa.values(self.probe.evaluate(self.end, 1), self.probe.format) - before
        return difference

    @cached_property
    def references(self) -> tuple[list[Reference], list[Reference]]:
        """References of orders 0 to 2 at the starts and at the ends."""
        at_starts = self.probe.references(self.starts)
        return [reference[self.origin] for reference in at_starts], self.probe.references(self.end)

    def rooms(self, order: int) -> tuple[Floats, Floats]:
        """Errors allowed to f^(order) at the starts and at the ends: the larger of what ``stable`` and training allow.

        The training contract's 8 2^-p sup|f^(n)| is how far an error can be felt; what is smaller is left to
        ``accuracy``. A supremum beyond TALLEST, as exp has it, counts as that, or as |f^(n)(x)| where that is more.
        """
        fmt = self.probe.format
        unit = TRAINING.bound(order, fmt) * 2.0**-fmt.precision
        rooms = []
        for bits, references in zip((self.start, self.end), self.references, strict=True):
            reference = references[order]
            with np.errstate(all="ignore"):
                scale = np.minimum(
                    self.probe.scale(order, reference), np.fmax(TALLEST[order], np.abs(reference.values))
                )
                rooms.append(np.maximum(allowance(self.probe, bits, reference, order), unit * scale))
        return rooms[0], rooms[1]

    @cached_property
    def known(self) -> Mask:
        """Steps whose ends have a finite f and f', lie not beyond twice the reach, and not next to a kink.

        At a kink f' is a convention; on which side its neighbours are, one rounding decides, and ``accuracy`` judges.
        """
        fmt = self.probe.format
        mask = np.abs(self.x1) <= 2 * REACH
        for at in self.references:
            for reference in at[:2]:
                mask &= (reference.kind == FINITE) & fa.is_finite(reference.rounded, fmt)
        if self.probe.traits.zeros_inputs:  # a subnormal read as 0 may stand on the other side of a kink
            least = float(fmt.min_normal)
            mask &= (np.abs(self.x0) >= least) & (np.abs(self.x1) >= least)
        for kink in self.probe.function.kinks:
            beside = NEIGHBOURS * 2.0 ** fmt.quantum_exponent(kink)
            mask &= (np.abs(self.x0 - float(kink)) > beside) & (np.abs(self.x1 - float(kink)) > beside)
        return mask

    @cached_property
    def _crossed(self) -> tuple[Floats, Floats, Mask]:
        """The jumps of f' on the way, sup |f''| times the length summed over the pieces, and who crosses a kink."""
        low, high = np.minimum(self.x0, self.x1), np.maximum(self.x0, self.x1)
        kinks = list(dict.fromkeys(self.probe.function.kinks))
        jump, across = np.zeros(low.size), np.zeros(low.size, bool)
        for kink in kinks:
            inside = (low < float(kink)) & (float(kink) < high)
            across |= inside
            jump[inside] += (np.sign(self.x1 - self.x0) * jump_of(self.probe, kink, 1))[inside]
        # Seams part pieces too: sup |f''| is asked for one piece at a time.
        edges = [-np.inf, *(float(b) for b in dict.fromkeys(self.probe.function.breaks)), np.inf]
        smooth = np.zeros(low.size)
        for left, right in pairwise(edges):
            a, b = np.maximum(low, left), np.minimum(high, right)
            lanes = np.flatnonzero((a < b) & self.known)
            if lanes.size:
                smooth[lanes] += self.probe.oracle.suprema(a[lanes], b[lanes], 2, SECTIONS) * (b - a)[lanes]
        return jump, smooth, across

    @property
    def jump(self) -> Floats:
        """The change of f' that is due to kinks."""
        return self._crossed[0]

    @property
    def smooth(self) -> Floats:
        """L times the step: the most that f' can change between kinks."""
        return self._crossed[1]

    @property
    def across(self) -> Mask:
        """Steps with a kink strictly between their ends."""
        return self._crossed[2]


class SmoothDescent(Property):
    """The change of f' over a step of gradient descent: the jumps it crosses, and L times the step at most."""

    id: ClassVar[str] = "smooth-descent"
    title: ClassVar[str] = "A descent step changes a smooth gradient by at most L times the step, a kink by its jump"
    statement: ClassVar[str] = (
        "For x1 = x0 - eta (f'(x0) + beta) from x0 in [-8, 8]: where no kink lies between them, |f'(x1) - f'(x0)| <= L "
        "|x1 - x0| with L = sup |f''| over the step, and f(x1) <= f(x0) + f'(x0)(x1 - x0) + L (x1 - x0)^2 / 2, which "
        "for beta = 0 is a descent by eta (1 - L eta / 2) f'(x0)^2 at least; across kinks f'(x1) - f'(x0) is the sum "
        "of their jumps, within the same bound. Each holds within the errors of f and f' that the contract allows or "
        "that training does not feel. Where the backend offers programs, gradient descent on a u^2 / 2 over (u, v) "
        "leaves every bit of v as it was, and multiplies u by 1 - eta a within counted roundings; the functions of a "
        "format share these runs, which do not count among a function's points."
    )
    source: ClassVar[str] = (
        "'why smoothness helps descent'; the descent lemma (Nesterov, Introductory Lectures on Convex Optimization, "
        "2004, Lemma 1.2.3)"
    )
    orders: ClassVar[tuple[int, ...]] = (1,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    same_in_every_profile: ClassVar[bool] = False

    def check(self, probe: Probe, order: int) -> Outcome:
        """Steps from [-8, 8] and from beside the kinks; then the quadratics (shared by the functions of a format)."""
        probe.require(1)
        steps = Steps.taken(probe)
        changed, lowered = _changes(steps), _descents(steps)
        trials = descend(probe.backend.id, probe.format.name, probe.selection.seed)
        found = [v for judgement in (changed, lowered) for v in judgement.violations(steps)]
        found += [_failed(trial, probe.format) for trial in trials if trial.error is not None]
        n = int(changed.judged.sum()) + int(lowered.judged.sum())
        worst = max(changed.worst, lowered.worst)
        evidence = Evidence("sampled", n) if n else Evidence("none", 0)
        return Outcome(
            evidence, found, magnitude=worst if n else None, measured=_measured(steps, changed, lowered, trials)
        )


def _planned(probe: Probe) -> tuple[Bits, Ints, Floats, Floats]:
    """Starts, and for each step the index of its start, its rate and its pull.

    Equally spaced starts in [-8, 8], one step of TILING from each: where |f'| <= 2 and starts are 1/8 apart these
    cover the line without a gap. A second step takes the other rates and pulls in turn. Starts at NEAR on either side
    of a kink and the witnesses take all of them.
    """
    count = max(probe.budget.pairs // 2, int(2 * REACH / TILING[0]))
    offset = np.random.default_rng(probe.seed).random()
    spread = -REACH + 2 * REACH * (np.arange(count) + offset) / count
    near = [
        float(kink + side * Fraction(d))
        for kink in dict.fromkeys(probe.function.kinks) if abs(kink) <= 2 * REACH
        for d in NEAR for side in (-1, 1)
    ]  # fmt: skip
    named = np.array(probe.witnesses, fa.storage(probe.format))
    named = named[np.abs(np.nan_to_num(fa.values(named, probe.format), nan=np.inf)) <= 2 * REACH]
    every = [(rate, pull) for rate in RATES for pull in PULLS]
    others = [pair for pair in every if pair != TILING]
    plan = [(i, *pair) for i in range(count) for pair in (TILING, others[i % len(others)])]
    plan += [(count + i, *pair) for i in range(len(near) + named.size) for pair in every]
    origin, rate, pull = np.array(plan).T
    starts = np.concatenate([fa.round_values(np.concatenate([spread, np.array(near)]), probe.format), named])
    return starts, origin.astype(np.int64), rate, pull


@dataclass(frozen=True, eq=False)
class DescentErrors:
    """Error over bound of one claim at every step, who was judged, and a sentence about a step."""

    ratio: Floats
    judged: Mask
    sentence: Callable[[int], str]

    @property
    def worst(self) -> float:
        """The largest error over bound."""
        return float(self.ratio[self.judged].max(initial=0.0))

    def violations(self, steps: Steps) -> list[Violations]:
        """The steps that fail, if any."""
        wrong = self.judged & ~(self.ratio <= 1)
        if not wrong.any():
            return []
        worst = int(np.argmax(np.where(wrong, self.ratio, -1.0)))
        ratio = self.ratio[wrong]
        grade = np.where(ratio >= LARGE, LARGE_ERROR, SMALL_ERROR)
        grade = np.where(steps.across[wrong], WRONG_BRANCH, grade)
        severity = np.where(np.isfinite(ratio), grade, WRONG_CLASS).astype(np.int8)
        return [
            Violations(
                steps.start[wrong], steps.got[wrong], ratio, severity, np.ones(ratio.size, bool), self.sentence(worst),
                pointwise=False,
            )
        ]  # fmt: skip


def _changes(steps: Steps) -> DescentErrors:
    """|f'(x1) - f'(x0) - jumps| over L |x1 - x0| and the contract's room."""
    bound = steps.smooth * (1 + 2.0**-50) + sum(steps.rooms(1))  # L, the step and the change are float64 themselves
    with np.errstate(all="ignore"):
        ratio = np.where(np.isfinite(steps.change), np.abs(steps.change - steps.jump) / bound, np.inf)

    def sentence(i: int) -> str:
        kink = "across a kink" if steps.across[i] else "without a kink between"
        return (
            f"from {steps.x0[i]:.9g} to {steps.x1[i]:.9g}, {kink}, f' changes by {steps.change[i]:.6g} where "
            f"{steps.jump[i]:.6g} +- {bound[i]:.3g} is due"
        )

    return DescentErrors(ratio, steps.known & np.isfinite(bound) & np.isfinite(steps.jump), sentence)


def _descents(steps: Steps) -> DescentErrors:
    """f(x1) - f(x0) - f'(x0) (x1 - x0), where positive, over L (x1 - x0)^2 / 2 and the room; without kinks between."""
    fmt = steps.probe.format
    bits = np.concatenate([steps.start, steps.end])
    before, after = fa.values(steps.probe.evaluate(bits, 0), fmt).reshape(2, -1)
    slope, step = fa.values(steps.got, fmt), steps.x1 - steps.x0
    with np.errstate(all="ignore"):
        above = after - before - slope * step
        bound = steps.smooth * np.abs(step) / 2 + sum(steps.rooms(0)) + steps.rooms(1)[0] * np.abs(step)
        bound = bound + 2.0**-51 * (np.abs(after) + np.abs(before) + np.abs(slope * step))
        ratio = np.where(np.isfinite(above), above / bound, np.inf)

    def sentence(i: int) -> str:
        return (
            f"the step from {steps.x0[i]:.9g} to {steps.x1[i]:.9g} ends {above[i]:.6g} above the tangent, where "
            f"L (x1 - x0)^2 / 2 and the errors allowed make {bound[i]:.3g}"
        )

    return DescentErrors(ratio, steps.known & ~steps.across & np.isfinite(bound), sentence)


def _failed(trial: DescentTrial, fmt: Format) -> Violations:
    dtype = fa.storage(fmt)
    return Violations(
        np.array([trial.start], dtype), np.array([trial.got], dtype), np.array([max(trial.magnitude, 1.0 + 1e-9)]),
        np.array([LARGE_ERROR], np.int8), np.array([True]), trial.error or "", pointwise=False,
    )  # fmt: skip


def _measured(
    steps: Steps, changed: DescentErrors, lowered: DescentErrors, trials: tuple[DescentTrial, ...]
) -> dict[str, Any]:
    across = changed.judged & steps.across
    row: dict[str, Any] = {
        "steps_off_kinks": int((changed.judged & ~steps.across).sum()),
        "steps_across_a_kink": int(across.sum()),
        "worst_change": _number(changed.worst),
        "worst_descent": _number(lowered.worst),
        "flat_direction": {trial.name: {"judged": trial.judged, **trial.after} for trial in trials} or "not offered",
    }
    if across.any():
        clear = across & (steps.smooth + sum(steps.rooms(1)) < np.abs(steps.jump) / 2)
        row["steps_at_which_the_jump_is_beyond_doubt"] = int(clear.sum())
    if steps.probe.profile != "quick" and steps.probe.function.turns:
        row["settling"] = _settling(steps.probe)
    return row


def _settling(probe: Probe) -> list[dict[str, Any]]:
    """How long the steps of a descent towards every turn are, at one rate.

    At a kink the step stays the rate times the slope, however near the minimum is; at a smooth minimum it shrinks.
    """
    fmt = probe.format
    turns = [float(low + high) / 2 for low, high in turning_points(probe.function) if abs(low) <= REACH]
    x = fa.round_values(np.array(turns) + SETTLING_FROM, fmt)
    places = [fa.values(x, fmt)]
    with np.errstate(all="ignore"):
        for _ in range(SETTLING_STEPS):
            x = fa.round_values(places[-1] - SETTLING_RATE * fa.values(probe.evaluate(x, 1), fmt), fmt)
            places.append(fa.values(x, fmt))
        moves = np.abs(np.diff(np.array(places), axis=0))
    return [
        {"turn": turn, "rate": SETTLING_RATE, "first_step": _number(moves[0, i]), "last_step": _number(moves[-1, i])}
        for i, turn in enumerate(turns)
    ]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
