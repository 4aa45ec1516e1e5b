"""Exact confidence intervals of a share and of a rate."""

from __future__ import annotations

import math
from collections.abc import Callable

from gradproof_properties.chance.binomial import tail

CONFIDENCE = 0.95


def share_interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper-Pearson interval of a binomial share (Biometrika 26, 1934): it holds it at least that often.

    Without trials it is (0, 1).
    """
    if trials == 0:
        return 0.0, 1.0
    alpha = (1 - confidence) / 2
    share = successes / trials
    least = _crossing(lambda p: tail(successes, trials, p, 1) - alpha, 0.0, share) if successes else 0.0
    most = _crossing(lambda p: alpha - tail(successes, trials, p, -1), share, 1.0) if successes < trials else 1.0
    return least, most


def rate_interval(events: int, exposure: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Garwood's interval of the rate of a Poisson process (Biometrika 28, 1936), in events per unit of exposure.

    Without exposure it is (0, inf).
    """
    if exposure == 0:
        return 0.0, math.inf
    alpha = (1 - confidence) / 2
    least = _crossing(lambda m: poisson_tail(events, m, 1) - alpha, 0.0, float(events)) if events else 0.0
    # P(X <= k) < exp(-(m - k)^2 / 2m) (Chernoff) is far below any alpha of use at this mean.
    beyond = 2 * events + 100.0
    most = _crossing(lambda m: alpha - poisson_tail(events, m, -1), float(events), beyond)
    return least / exposure, most / exposure


def poisson_tail(events: int, mean: float, direction: int) -> float:
    """P(X >= events) for direction 1, P(X <= events) for -1, of a Poisson variable.

    Summed outward from ``events`` until the terms no longer count (relative 1e-17), from the side away from the mean.
    """
    if mean == 0:
        return 1.0 if direction < 0 or events == 0 else 0.0
    if (events - mean) * direction < 0:
        other = events - direction
        return 1.0 - poisson_tail(other, mean, -direction) if other >= 0 else 1.0
    total = term = 1.0
    k = events
    while (direction > 0 or k > 0) and term >= 1e-17 * total:
        term *= mean / (k + 1) if direction > 0 else k / mean
        k += direction
        total += term
    return min(1.0, total * math.exp(events * math.log(mean) - mean - math.lgamma(events + 1)))


def _crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that rises from below 0 to above crosses it, by bisection to the last bit."""
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return middle
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
