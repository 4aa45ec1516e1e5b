"""Comparisons of rounded intervals, and choices by them: the hull of both branches where a condition is undecided."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof.formulas.rounded.foundation import Foundation, either_flag, has_zero
from gradproof.formulas.rounded.intervals import Condition, Rounded
from gradproof.formulas.rounded.rounding import greatest, least


class Choices(Foundation):
    """Comparisons, where, minimum and maximum, signs."""

    def less(self, a: Any, b: Any) -> Condition:
        """a < b: false where either is a NaN."""
        a, b = self.read(a), self.read(b)
        return Condition(a.low < b.high, (a.high >= b.low) | a.nan | b.nan)

    def at_most(self, a: Any, b: Any) -> Condition:
        """a <= b."""
        a, b = self.read(a), self.read(b)
        return Condition(a.low <= b.high, (a.high > b.low) | a.nan | b.nan)

    def where(self, condition: Condition, a: Any, b: Any) -> Rounded:
        """a where the condition holds, else b; the hull of both where it is undecided."""
        a, b = self.constant(a), self.constant(b)
        yes, no = condition.holds, condition.fails
        nan = (yes & a.nan) | (no & b.nan)
        if a.low is a.high and b.low is b.high and not np.any(yes & no):
            low = np.where(yes, a.low, b.low)
            return Rounded(self, low, low, nan)
        low = np.where(yes & no, least(a.low, b.low), np.where(yes, a.low, b.low))
        return Rounded(self, low, np.where(yes & no, greatest(a.high, b.high), np.where(yes, a.high, b.high)), nan)

    def either(self, a: Any, b: Any) -> Rounded:
        """One of two results, whichever code is used."""
        a, b = self.constant(a), self.constant(b)
        return Rounded(self, least(a.low, b.low), greatest(a.high, b.high), a.nan | b.nan)

    def maximum(self, a: Any, b: Any) -> Rounded:
        """The greater of two, NaN if one of them is; of two zeros either."""
        a, b = self.read(a), self.read(b)
        nan = either_flag(a.nan, b.nan)
        low, high = np.maximum(a.low, b.low), np.maximum(a.high, b.high)
        return Rounded(self, _zeros(low, -0.0, a, b), _zeros(high, 0.0, a, b), nan)

    def minimum(self, a: Any, b: Any) -> Rounded:
        """The less of two, NaN if one of them is; of two zeros either."""
        return self.negative(self.maximum(self.negative(a), self.negative(b)))

    def sign(self, a: Any) -> Rounded:
        """-1, 1, or a zero as it is."""
        a = self.read(a)
        low = np.where(a.low == 0, a.low, np.sign(a.low))
        return Rounded(self, low, low if a.low is a.high else np.where(a.high == 0, a.high, np.sign(a.high)), a.nan)

    def copysign(self, a: Any, b: Any) -> Rounded:
        """|a| with the sign of b; that of a NaN may be either."""
        size, b = self.abs(a), self.read(b)
        negative, positive = np.signbit(b.low) | b.nan, ~np.signbit(b.high) | b.nan
        low = np.where(negative, -size.high, size.low)
        return Rounded(self, low, np.where(positive, size.high, -size.low), size.nan)


def _zeros(end: Any, zero: float, a: Rounded, b: Rounded) -> Any:
    """``end`` with zeros made ``zero`` where both operands may be one."""
    return np.where((end == 0) & has_zero(a) & has_zero(b), zero, end)
