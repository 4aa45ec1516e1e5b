"""Arithmetic of rounded intervals: + - * / and sqrt, each rounded once, and the NaNs of invalid operations."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any, Final

import numpy as np

from gradproof.formulas.rounded.foundation import Foundation, either_flag, has_infinity, has_zero
from gradproof.formulas.rounded.intervals import Rounded
from gradproof.formulas.rounded.rounding import greatest, least

_ALL_ORDERS: Final = 4


class Operations(Foundation):
    """The basic operations of IEEE 754-2019, 5.4.1, and what ``a * a`` and ``a / a`` know of their operands."""

    def add(self, a: Any, b: Any) -> Rounded:
        """a + b; with contraction also fused with a product on either side."""
        a, b = self.read(a), self.read(b)
        found = self._sum((a.low, a.high), (b.low, b.high), either_flag(a.nan, b.nan))
        if self.arithmetic.contraction:
            for term, other in ((a, b), (b, a)):
                if term.product is not None:
                    fused = self._sum(term.product, (other.low, other.high), found.nan, outward=True)
                    found = Rounded(self, least(found.low, fused.low), greatest(found.high, fused.high), fused.nan)
        return found

    def _sum(self, a: tuple[Any, Any], b: tuple[Any, Any], nan: Any, *, outward: bool = False) -> Rounded:
        with np.errstate(invalid="ignore", over="ignore"):
            low = a[0] + b[0]
            high = low if a[0] is a[1] and b[0] is b[1] else a[1] + b[1]
        if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
            nan = nan | ((a[1] == np.inf) & (b[0] == -np.inf)) | ((a[0] == -np.inf) & (b[1] == np.inf))
            # inf - inf at one end: what other results there are lie at the infinity of the other end.
            low, high = (low, low) if low is high else (_first(low, high), _first(high, low))
        if outward:
            low, high = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
        return self.settled(low, high, nan)

    def total(self, terms: Sequence[Any], stores: bool) -> Rounded:
        """The sum of some terms, one after the other in whatever order; with ``stores`` each partial sum is stored.

        The hull over all orders of up to four terms, which is all that reverse mode brings together here; of more,
        over each of them being the last.
        """
        if len(terms) == 1:
            return self.constant(terms[0])
        orders = permutations(terms) if len(terms) <= _ALL_ORDERS else (_last(terms, i) for i in range(len(terms)))
        sums = []
        for order in orders:
            found = order[0]
            for term in order[1:]:
                found = self.add(found, term)
                found = self.stored(found) if stores else found
            sums.append(found)
        low, high = least(*(s.low for s in sums)), greatest(*(s.high for s in sums))
        return Rounded(self, low, high, np.logical_or.reduce(np.broadcast_arrays(*(s.nan for s in sums))))

    def subtract(self, a: Any, b: Any) -> Rounded:
        """a - b, which is a + (-b)."""
        return self.add(a, self.negative(b))

    def multiply(self, a: Any, b: Any) -> Rounded:
        """a b; a square where both are one value."""
        same = a is b
        a, b = self.read(a), self.read(b)
        nan = either_flag(a.nan, b.nan)
        for one, other in ((a, b), (b, a)):
            if np.ndim(one.low) == 0 and one.low == one.high == 1 and not same:
                # Compilers drop such a factor, and may fuse what is left.
                return self.settled(other.low, other.high, nan, other.product)
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            if same:
                return self._square(a)
            if a.low is a.high and b.low is b.high:
                low = high = a.low * b.low
            elif a.low is a.high or b.low is b.high:
                point, other = (a, b) if a.low is a.high else (b, a)
                ends = point.low * other.low, point.low * other.high
                low, high = least(*ends), greatest(*ends)
            else:
                four = a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high
                low, high = least(*four), greatest(*four)
        if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
            nan = nan | (has_zero(a) & has_infinity(b)) | (has_infinity(a) & has_zero(b))
        return self.settled(low, high, nan, self._unrounded(low, high))

    def _square(self, a: Rounded) -> Rounded:
        size = self.abs(a)
        low = size.low * size.low
        high = low if size.low is size.high else size.high * size.high
        return self.settled(low, high, a.nan, self._unrounded(low, high))

    def _unrounded(self, low: Any, high: Any) -> tuple[Any, Any] | None:
        """The ends of a product before it is rounded: float64 holds those of narrower formats exactly."""
        if not self.arithmetic.contraction:
            return None
        if 2 * self.compute.precision <= 53:
            return low, high
        return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)

    def divide(self, a: Any, b: Any) -> Rounded:
        """a / b; a divisor that may be a zero of either sign gives both infinities."""
        if a is b:
            return self._by_itself(self.read(a))
        a, b = self.read(a), self.read(b)
        found = self._quotient(a, b)
        if not (self.arithmetic.reciprocals and np.ndim(b.low) == 0 and b.low == b.high and 0 < np.abs(b.low) < np.inf):
            return found
        product = self.multiply(a, self.real(1 / Fraction(float(b.low))))
        low, high = least(found.low, product.low), greatest(found.high, product.high)
        return Rounded(self, low, high, found.nan | product.nan)

    def _quotient(self, a: Rounded, b: Rounded) -> Rounded:
        nan = either_flag(a.nan, b.nan)
        with np.errstate(invalid="ignore", over="ignore", under="ignore", divide="ignore"):
            if a.low is a.high and b.low is b.high:
                low = high = a.low / b.low
            else:
                corners: tuple[Any, ...] = _quotients(a, b.low, b.high)
                crossing = np.signbit(b.low) & ~np.signbit(b.high)
                if np.any(crossing):
                    below, above = np.where(crossing, -0.0, b.high), np.where(crossing, 0.0, b.low)
                    corners = _quotients(a, b.low, below) + _quotients(a, above, b.high)
                low, high = least(*corners), greatest(*corners)
        nan = nan | (has_zero(a) & has_zero(b)) | (has_infinity(a) & has_infinity(b))
        return self.settled(low, high, nan)

    def _by_itself(self, a: Rounded) -> Rounded:
        """a / a, which is 1 where it is a number."""
        nan = a.nan | has_zero(a) | has_infinity(a)
        never = a.only_nan | ((a.low == a.high) & ((a.low == 0) | np.isinf(a.low)))
        one = np.where(never, np.nan, 1.0)
        return Rounded(self, one, one, nan)

    def sqrt(self, a: Any) -> Rounded:
        """The square root, correctly rounded."""
        a = self.read(a)
        with np.errstate(invalid="ignore"):
            high = np.sqrt(a.high)
            low = high if a.low is a.high else np.where(a.high >= 0, np.sqrt(np.where(a.low < 0, -0.0, a.low)), np.nan)
        return self.settled(low, high, a.nan | (a.low < 0))

    def power(self, a: Any, n: int) -> Rounded:
        """a^n for an integer n: products from the left, and their reciprocal where n is negative."""
        if n < 0:
            return self.divide(1, self.power(a, -n))
        product = self.constant(a)
        for step in range(1, n):
            product = self.multiply(a, a) if step == 1 else self.multiply(product, a)
        return product if n else self.real(1)


def _last(terms: Sequence[Any], i: int) -> tuple[Any, ...]:
    return (*terms[:i], *terms[i + 1 :], terms[i])


def _first(a: Any, b: Any) -> Any:
    return np.where(np.isnan(a), b, a)


def _quotients(a: Rounded, low: Any, high: Any) -> tuple[Any, ...]:
    if a.low is a.high:
        return a.low / low, a.low / high
    return a.low / low, a.low / high, a.high / low, a.high / high
