"""One training step in which every pre-activation is exactly at a kink: what the choice of f' there must change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from gradproof.extend import STABLE, Bits, Floats, Probe
from gradproof_properties.flushing import least
from gradproof_properties.networks.trajectories import HIDDEN, INPUTS, ROWS, Data, Gradient, KinkChoice, same

NAMES: Final = ("left", "mean", "right")
"""The conventions: both one-sided derivatives and their mean; 0, 1/2 and 1 for ReLU."""
ROUNDINGS: Final = 2 * (ROWS + 3)
"""Roundings of a bias weight's gradient: cotangent, product with v, with f', and the sum over rows; twice, for formats
in which a backend may round twice."""
FORWARD_ROUNDINGS: Final = 2 * (HIDDEN + 2)
"""Roundings of a residual: the products with v, their sum, the target; twice."""


@dataclass(frozen=True)
class Kink:
    """A kink that the format holds: f there, and the bits of the three conventions."""

    at: Fraction
    value: Fraction
    slopes: tuple[int, int, int]

    def choices(self, shift: Fraction = Fraction(0)) -> list[KinkChoice]:
        """The conventions as choices."""
        return [KinkChoice(self.at, slope, shift) for slope in self.slopes]


class Forced:
    """What the oracle says about one step from a batch in which every pre-activation is exactly at the kink.

    With h = f(k) in every unit, the residual of row r is e_r = f(k) sum(v) - t_r, and f' = s gives the bias weight of
    unit u the gradient 2 s v_u sum(e_r): in exact rational arithmetic, from the bits of v and t.
    """

    def __init__(self, probe: Probe, kink: Kink, shift: Fraction, data: Data) -> None:
        self.fmt = fmt = probe.format
        self.kink, self.shift = kink, shift
        self._slopes = [fmt.value(bits) for bits in kink.slopes]
        self._v = [fmt.value(int(bits)) for bits in data.start[-1]]
        targets = [fmt.value(int(bits)) for bits in data.t.ravel()]
        value = kink.value + shift
        residuals = [value * sum(self._v) - target for target in targets]
        self._sum = sum(residuals, Fraction(0))
        unit = Fraction(1, 1 << fmt.precision)
        self._least = Fraction(least(probe))
        width = sum(abs(v) for v in self._v)
        forward = FORWARD_ROUNDINGS * unit * (abs(value) * width + max(map(abs, targets)))
        forward += width * (self._room(probe) + FORWARD_ROUNDINGS * self._least)
        self._error = ROUNDINGS * unit * sum(map(abs, residuals)) + 2 * ROWS * forward

    def _room(self, probe: Probe) -> Fraction:
        """What the contract allows the implementation's f(k)."""
        quantum = [Fraction(2) ** self.fmt.quantum_exponent(x) for x in (self.kink.value, self.kink.at)]
        steepest = max(map(abs, self._slopes))
        return Fraction(STABLE.bound(0, self.fmt)) * (quantum[0] + steepest * quantum[1]) + self._least

    def difference(self, i: int, unit: int) -> tuple[Fraction, Fraction]:
        """Gradient under convention i less that under i + 1 of a unit's bias weight, and what roundings can add."""
        s, t = self._slopes[i], self._slopes[i + 1]
        due = 2 * (s - t) * self._v[unit] * self._sum
        room = 2 * (abs(s) + abs(t)) * abs(self._v[unit]) * self._error + 2 * ROUNDINGS * self._least
        return due, room

    def compared(self, i: int, first: Bits, second: Bits) -> tuple[Floats, str]:
        """Error over room of each unit's difference between conventions i and i + 1, and the worst in words."""
        ratios, texts = [], []
        for unit, (a, b) in enumerate(zip(first, second, strict=True)):
            due, room = self.difference(i, unit)
            if not (self.fmt.is_finite(int(a)) and self.fmt.is_finite(int(b))):
                ratios.append(np.inf)
                texts.append("is not a number")
                continue
            got = self.fmt.value(int(a)) - self.fmt.value(int(b))
            ratios.append(float(abs(got - due) / room))
            texts.append(f"is {float(got):.6g}, due is {float(due):.6g}")
        worst = int(np.argmax(ratios))
        between = f"{NAMES[i]} and {NAMES[i + 1]}"
        return np.array(ratios), f"the difference of a bias weight's gradients under f' = {between} {texts[worst]}"

    def must_part(self, i: int, rate: Fraction) -> Any:
        """Units whose bias weight must differ after p - rate g: by more than two ulps, roundings allowed for."""
        found = []
        for unit in range(HIDDEN):
            due, room = self.difference(i, unit)
            steps = [abs(2 * s * self._v[unit] * self._sum) * rate for s in self._slopes]
            quantum = Fraction(2) ** self.fmt.quantum_exponent(abs(self.kink.at + self.shift) + max(steps))
            found.append(rate * (abs(due) - room) * Fraction(63, 64) > 2 * quantum + 2 * self._least)
        return np.array(found)

    def named(self, native: Bits, found: Sequence[Gradient]) -> str:
        """Which convention has the gradient that the implementation's own f' gives; else the f' it amounts to."""
        for name, (_, gradient, _) in zip(NAMES, found, strict=True):
            if same(native, gradient, self.fmt).all():
                return name
        largest = max(range(HIDDEN), key=lambda unit: abs(self._v[unit]))
        whole = 2 * self._v[largest] * self._sum
        if not whole or not self.fmt.is_finite(int(native[INPUTS, largest])):
            return "not a number"
        slope = self.fmt.value(int(native[INPUTS, largest])) / whole
        jump = abs(self._slopes[0] - self._slopes[-1])
        near = [name for name, s in zip(NAMES, self._slopes, strict=True) if abs(slope - s) <= jump / 100]
        return f"{near[0]}, rounded otherwise" if near else f"{float(slope):.3g}"
