"""What P(w.x + b = 0) is: counted exactly on integer lattices, from the density at 0 and the spacing otherwise.

Everything here is rational arithmetic, but ``share_that_depends``, which is float64 to some 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product

import numpy as np

from gradproof.extend import Format, Ints

# -- integers, where sums are exact ------------------------------------------------------------------------


@lru_cache(maxsize=16)
def totients(k: int) -> Ints:
    """Euler's phi(0), ..., phi(k), with phi(0) = 0."""
    totient = np.arange(k + 1, dtype=np.int64)
    for prime in range(2, k + 1):
        if totient[prime] == prime:
            totient[prime::prime] -= totient[prime::prime] // prime
    return totient


@lru_cache(maxsize=16)
def equal_products(k: int) -> int:
    """Number of (a, b, c, d) in [1, k]^4 with a b = c d.

    Write a/c = d/b = p/q in lowest terms: a = p s, c = q s, d = p t, b = q t with s, t <= k / max(p, q). Of the
    coprime pairs with maximum m there are 2 phi(m) (one for m = 1), so the count is
    k^2 + sum over m >= 2 of 2 phi(m) floor(k/m)^2 (Hardy, Wright, sections 5.5 and 16.2, for phi).
    """
    totient = totients(k)
    m = np.arange(2, k + 1, dtype=np.int64)
    per = (k // m) ** 2
    # Partial sums in Python integers: k^4 exceeds 64 bits.
    terms = 2 * totient[2:].astype(object) * per.astype(object) if k > 1 << 14 else 2 * totient[2:] * per
    return k * k + int(terms.sum())


def probability_without_bias(k: int) -> Fraction:
    """P(w1 x1 + w2 x2 = 0) for four independent integers uniform on [-k, k].

    A product is 0 for 4k + 1 of the (2k + 1)^2 pairs. Otherwise both are not, of equal size and opposite sign:
    8 of the 16 sign patterns.
    """
    return Fraction((4 * k + 1) ** 2 + 8 * equal_products(k), (2 * k + 1) ** 4)


def probability_with_bias(k: int) -> Fraction:
    """P(w.x + b = 0) with b uniform on the integers of [-2k^2, 2k^2]: whatever w.x is, one b cancels it."""
    return Fraction(1, 4 * k * k + 1)


@lru_cache(maxsize=16)
def share_that_depends(k: int, batch: int) -> float:
    """P(some x of a batch, not 0 itself, has w1 x1 + w2 x2 = 0), all integers uniform on [-k, k].

    Such an x makes the gradient by w, which is x times f'(0) times a cotangent, depend on f'(0). For w = t (p, q) in
    lowest terms with m = max(|p|, |q|) the x are the multiples of (q, -p), 2 floor(k/m) without 0. There are 8 phi(m)
    such (p, q), signs included; each stands for floor(k/m) values of w. For w = 0 it is every x but 0.
    """
    points = float(2 * k + 1) ** 2
    m = np.arange(1, k + 1, dtype=np.int64)
    per = (k // m).astype(np.float64)
    hit = -np.expm1(batch * np.log1p(-2 * per / points))
    of_zero = -math.expm1(-batch * math.log(points))
    return (float((8 * totients(k)[1:] * per * hit).sum()) + of_zero) / points


# -- sums that are rounded ---------------------------------------------------------------------------------


def probability_within(bound: Fraction, halves: Sequence[Fraction]) -> Fraction:
    """P(|s| <= bound) for s the sum of independent uniform variables on [-a, a], one for each a > 0 of ``halves``.

    With n of them, P(s <= t) is the sum over the 2^n signs e of (prod e) max(t + e.a, 0)^n / (n! prod 2a) (Feller,
    *An introduction to probability theory and its applications* II, section I.9, for equal a).
    """
    if bound < 0:
        return Fraction(0)
    if bound >= sum(halves):
        return Fraction(1)
    n = len(halves)
    below = Fraction(0)
    for signs in product((-1, 1), repeat=n):
        reach = bound + sum(s * a for s, a in zip(signs, halves, strict=True))
        if reach > 0:
            below += math.prod(signs) * reach**n
    return 2 * below / (math.factorial(n) * math.prod(2 * a for a in halves)) - 1


@dataclass(frozen=True)
class PreActivation:
    """One pre-activation w.x + b: weights uniform on the multiples of ``spacing`` up to ``reach`` of them, the bias
    on those of ``bias_spacing`` up to ``bias_reach``, the inputs one of ``rows`` (their nonzero entries only).

    From ``settled`` on every rounded sum w.x is a multiple of ``bias_spacing``.
    """

    rows: tuple[tuple[Fraction, ...], ...]
    spacing: Fraction
    reach: int
    bias_spacing: Fraction
    bias_reach: int
    settled: Fraction = Fraction(0)

    @property
    def bound(self) -> Fraction:
        """The largest bias."""
        return self.bias_spacing * self.bias_reach

    @property
    def predicted(self) -> Fraction:
        """Density of w.x + b at 0 times the spacing of the bias, weights and bias taken as continuous.

        The density is P(|w.x| <= B) / 2B: that of the sum averaged over where the bias may cancel it.
        """
        inside = [probability_within(self.bound, self._halves(row)) for row in self.rows]
        return sum(inside, Fraction(0)) / (len(self.rows) * (2 * self.bias_reach + 1))

    def band(self, fmt: Format, *, flushes: bool) -> tuple[Fraction, Fraction]:
        """Bounds of P(z = 0), whatever the order in which ``fmt`` or a wider format sums the products.

        A rounded sum s is cancelled by exactly one bias of 2 bias_reach + 1 if it is a multiple of their spacing and
        no larger than B, else by none. It is certainly such a multiple from ``settled`` on. So P(z = 0) (2 J + 1)
        lies between P(settled <= |s| <= B) and P(|s| <= B), and |s| is known to the rounding errors: (1 + u)^(n + 2)
        for n products, u = 2^-p (Higham, *Accuracy and stability of numerical algorithms*, section 4.2), and one least
        normal number for each operation that may underflow. Weights on a lattice are continuous ones moved by half
        its spacing at most. Where results are flushed, every bias closer than the least normal number to s gives 0.
        """
        least, most = Fraction(0), Fraction(0)
        u = Fraction(1, 1 << fmt.precision)
        for row in self.rows:
            n, halves = len(row), self._halves(row)
            slack = sum(row) * self.spacing / 2 + (2 * n + 1) * fmt.min_normal
            slack += ((1 + u) ** (n + 2) - 1) * sum(row) * self.spacing * self.reach
            inner = probability_within(self.settled + slack, halves) if self.settled else Fraction(0)
            least += max(Fraction(0), probability_within(self.bound - slack, halves) - inner)
            most += probability_within(self.bound + slack, halves)
        cancelling = 1 + math.floor(2 * fmt.min_normal / self.bias_spacing) if flushes else 1
        due = len(self.rows) * (2 * self.bias_reach + 1)
        return least / due, min(Fraction(1), cancelling * most / due)

    def _halves(self, row: tuple[Fraction, ...]) -> list[Fraction]:
        # A uniform integer of [-K, K] is a uniform real of (-K - 1/2, K + 1/2), rounded.
        return [x * self.spacing * (self.reach + Fraction(1, 2)) for x in row]
