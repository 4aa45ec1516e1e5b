"""Exact intervals, against published tables, their defining tails and their coverage."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest

from gradproof_properties.chance.intervals import poisson_tail, rate_interval, share_interval


@pytest.mark.parametrize(
    ("successes", "trials", "due"),
    [
        # Clopper, Pearson 1934; 0.025^(1/n) and the like have closed forms.
        (0, 10, (0.0, 1 - 0.025**0.1)),
        (10, 10, (0.025**0.1, 1.0)),
        (5, 10, (0.1871, 0.8129)),
        (1, 20, (0.0013, 0.2487)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_shares_have_the_tabled_interval(successes: int, trials: int, due: tuple[float, float]) -> None:
    assert share_interval(successes, trials) == pytest.approx(due, abs=5e-5)


@pytest.mark.parametrize(
    ("events", "due"),
    [
        (0, (0.0, 3.6889)),
        (1, (0.0253, 5.5716)),
        (3, (0.6187, 8.7673)),
        (10, (4.7954, 18.3904)),
        (50, (37.1110, 65.9188)),
    ],
)
def test_rates_have_the_tabled_interval(events: int, due: tuple[float, float]) -> None:
    assert rate_interval(events, 1) == pytest.approx(due, abs=5e-4)
    assert rate_interval(events, 2e9) == pytest.approx(tuple(end / 2e9 for end in due), rel=1e-3, abs=1e-13)


def test_without_exposure_any_rate_is_possible() -> None:
    assert rate_interval(0, 0) == (0.0, math.inf)


@pytest.mark.parametrize(("successes", "trials"), [(3, 17), (60, 100), (999, 1000)])
def test_the_ends_of_a_share_are_quantiles_of_the_beta_distribution(successes: int, trials: int) -> None:
    low, high = share_interval(successes, trials)
    with mpmath.workdps(30):
        above = mpmath.betainc(successes, trials - successes + 1, 0, low, regularized=True)
        below = mpmath.betainc(successes + 1, trials - successes, high, 1, regularized=True)
    assert float(above) == pytest.approx(0.025, rel=1e-9)
    assert float(below) == pytest.approx(0.025, rel=1e-9)


@pytest.mark.parametrize("share", [Fraction(1, 50), Fraction(1, 3), Fraction(19, 20)])
def test_the_interval_covers_the_share_at_least_as_often_as_it_says(share: Fraction) -> None:
    trials = 40
    covered = Fraction(0)
    for k in range(trials + 1):
        low, high = share_interval(k, trials)
        if low <= share <= high:
            covered += math.comb(trials, k) * share**k * (1 - share) ** (trials - k)
    assert covered >= Fraction(95, 100)


@pytest.mark.parametrize("mean", [0.01, 1.0, 7.5, 300.0])
@pytest.mark.parametrize("events", [0, 1, 2, 9, 310])
def test_tails_are_the_incomplete_gamma_function(events: int, mean: float) -> None:
    with mpmath.workdps(30):
        at_most = mpmath.gammainc(events + 1, mean, mpmath.inf, regularized=True)
        at_least = mpmath.gammainc(events, 0, mean, regularized=True) if events else mpmath.mpf(1)
    assert poisson_tail(events, mean, -1) == pytest.approx(float(at_most), rel=1e-9, abs=1e-300)
    assert poisson_tail(events, mean, 1) == pytest.approx(float(at_least), rel=1e-9, abs=1e-15)
