"""The exact binomial test, against sums of exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from gradproof_properties.chance.binomial import band_p


def exactly(successes: int, trials: int, p: Fraction) -> Fraction:
    """Twice the smaller tail, at most 1, term by term."""
    terms = [math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(trials + 1)]
    assert sum(terms) == 1
    return min(Fraction(1), 2 * min(sum(terms[: successes + 1]), sum(terms[successes:])))


@pytest.mark.parametrize("trials", [1, 2, 17, 60])
@pytest.mark.parametrize("p", [Fraction(1, 1000), Fraction(1, 7), Fraction(1, 2), Fraction(9, 10)])
def test_every_count_has_its_exact_probability(trials: int, p: Fraction) -> None:
    for successes in range(trials + 1):
        due = float(exactly(successes, trials, p))
        assert band_p(successes, trials, float(p), float(p)) == pytest.approx(due, rel=1e-9, abs=1e-300)


def test_what_is_certain_leaves_no_doubt() -> None:
    assert [band_p(n, 5, 1.0, 1.0) for n in (4, 5)] == [0.0, 1.0]
    assert [band_p(n, 5, 0.0, 0.0) for n in (0, 1)] == [1.0, 0.0]


def test_far_tails_of_many_trials_keep_their_size() -> None:
    # Poisson limit: for np = 1 and k = 12 of n = 10^6, P(X >= k) is e^-1 / k! (1 + 1/13 + ...) within 1e-4.
    n, k = 10**6, 12
    tail = math.exp(-1) * sum(1 / math.factorial(j) for j in range(k, k + 20))
    assert band_p(k, n, 1 / n, 1 / n) == pytest.approx(2 * tail, rel=2e-4)
