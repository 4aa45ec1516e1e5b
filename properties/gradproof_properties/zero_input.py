"""zero-input: how often a pre-activation is exactly 0, predicted exactly and measured on the backend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from gradproof.backends import get_backend
from gradproof.engine.probe import Probe, oracle_of
from gradproof.engine.property import Outcome, Property, Violations
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.functions import Function
from gradproof.measure.severity import WRONG_BRANCH
from gradproof.results.model import Evidence
from gradproof_properties.binomial import two_sided_p

LEVEL = 1e-7
"""A right backend fails one of the four tests of a cell about four times in ten million runs."""
LARGEST_LATTICE = 1 << 20
"""Half-width of the integer lattice at most: the exact count sums Euler's totient up to it."""
BATCH = 256
"""Inputs per initialisation in the share of initialisations that meet a zero."""


@dataclass(frozen=True)
class Case:
    """One experiment: its exact probability of z = 0, the trials and the zeros among them."""

    name: str
    probability: Fraction
    trials: int
    zeros: int

    @property
    def p_value(self) -> float:
        """Two-sided exact binomial p-value of the zeros."""
        return two_sided_p(self.zeros, self.trials, float(self.probability))


class ZeroInput(Property):
    """P(w.x + b = 0) on the finest lattice the format computes exactly, against simulation."""

    id: ClassVar[str] = "zero-input"
    title: ClassVar[str] = "The input of the activation is rarely exactly zero"
    statement: ClassVar[str] = (
        "For weights and inputs uniform on the finest integer lattice on which the format computes w.x + b without "
        "rounding, the number of pre-activations that are exactly 0 follows the binomial law of the probability that "
        "counting predicts: without bias, with bias, and for an all-zero row of inputs with and without bias."
    )
    source: ClassVar[str] = "'the input of ReLU is rarely exactly zero'"
    orders: ClassVar[tuple[int, ...]] = (1,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)

    def applies(self, function: Function, order: int) -> bool:
        """Functions whose derivative jumps at 0: only there does an exact zero matter."""
        return 0 in function.kinks and oracle_of(function).jump(Fraction(0), 1) != 0

    def check(self, probe: Probe, order: int) -> Outcome:
        """Simulate on the backend (shared by the functions of one format) and test each case."""
        seed = int(np.random.default_rng([probe.budget.samples, probe.format.width]).integers(1 << 31))
        cases, share = simulate(probe.backend.id, probe.format.name, probe.budget.samples, seed)
        violations = [_violation(case, probe) for case in cases if case.p_value < LEVEL]
        measured: dict[str, Any] = {
            case.name: {
                "predicted": float(case.probability),
                "predicted_exact": str(case.probability),
                "measured": case.zeros / case.trials,
                "zeros": case.zeros,
                "trials": case.trials,
                "p_value": case.p_value,
            }
            for case in cases
        }
        measured["initialisations_that_meet_a_zero"] = share
        measured["lattice_half_width"] = lattice(probe.format)
        return Outcome(Evidence("sampled", sum(c.trials for c in cases)), violations, measured=measured)


def lattice(fmt: Format) -> int:
    """Half-width K: weights and inputs are integers in [-K, K], so |w.x + b| <= 4 K^2 <= 2^p is exact."""
    return min(math.isqrt(1 << (fmt.precision - 2)), LARGEST_LATTICE)


@lru_cache(maxsize=16)
def equal_products(k: int) -> int:
    """Number of (a, b, c, d) in [1, k]^4 with a b = c d.

    Write a/c = d/b = p/q in lowest terms: a = p s, c = q s, d = p t, b = q t with s, t <= k / max(p, q). Of the
    coprime pairs with maximum m there are 2 phi(m) (one for m = 1), so the count is
    k^2 + sum over m >= 2 of 2 phi(m) floor(k/m)^2 (Hardy, Wright, sections 5.5 and 16.2, for phi).
    """
    totient = np.arange(k + 1, dtype=np.int64)
    for prime in range(2, k + 1):
        if totient[prime] == prime:
            totient[prime::prime] -= totient[prime::prime] // prime
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


@lru_cache(maxsize=64)
def simulate(backend_id: str, fmt_name: str, samples: int, seed: int) -> tuple[tuple[Case, ...], float]:
    """The four cases on a backend, and the share of initialisations whose batch holds an exact zero."""
    backend, fmt = get_backend(backend_id), get_format(fmt_name)
    k = lattice(fmt)
    rng = np.random.default_rng(seed)

    def draw(limit: int, *shape: int) -> Bits:
        return fa.round_values(rng.integers(-limit, limit + 1, shape).astype(np.float64), fmt)

    def zeros(z: Bits) -> Any:
        return fa.magnitudes(z, fmt) == 0

    x, w, bias = draw(k, samples, 2), draw(k, samples, 2), draw(2 * k * k, samples)
    few = min(samples, 1 << 14)
    empty = np.zeros((few, 2), dtype=fa.storage(fmt))
    plain, biased = probability_without_bias(k), probability_with_bias(k)
    cases = (
        Case("without bias", plain, samples, int(zeros(backend.dot(x, w, None, fmt)).sum())),
        Case("with bias", biased, samples, int(zeros(backend.dot(x, w, bias, fmt)).sum())),
        Case("zero row, without bias", Fraction(1), few, int(zeros(backend.dot(empty, w[:few], None, fmt)).sum())),
        Case("zero row, with bias", biased, few, int(zeros(backend.dot(empty, w[:few], bias[:few], fmt)).sum())),
    )
    starts = samples // BATCH
    weights = np.repeat(w[:starts], BATCH, axis=0)
    hit = zeros(backend.dot(x[: starts * BATCH], weights, None, fmt)).reshape(starts, BATCH).any(axis=1)
    return cases, float(hit.mean())


def _violation(case: Case, probe: Probe) -> Violations:
    dtype = fa.storage(probe.format)
    zero = np.zeros(1, dtype)
    text = (
        f"{case.name}: {case.zeros} zeros in {case.trials} pre-activations where {float(case.probability):.3g} each "
        f"is due (p = {case.p_value:.2g})"
    )
    magnitude = np.array([max(1.0 + 1e-9, math.log(max(case.p_value, 1e-300)) / math.log(LEVEL))])
    return Violations(
        zero, zero, magnitude, np.array([WRONG_BRANCH], np.int8), np.array([True]), text, cause="statistics",
        pointwise=False,
    )  # fmt: skip
