"""Exact binomial tests, in floating point of the log probabilities."""

from __future__ import annotations

import math


def band_p(successes: int, trials: int, least: float, most: float) -> float:
    """The greatest two-sided p-value of ``successes`` under any probability of [least, most].

    It is twice the smaller tail, at most 1. Exact probabilities 0 and 1 leave no doubt: p is 1 or 0.
    Both tails are monotone in the probability, so that the upper one is greatest at ``most`` and the lower one at
    ``least``: a value below a level rejects the whole band at that level.
    """
    return min(1.0, 2 * min(tail(successes, trials, most, 1), tail(successes, trials, least, -1)))


def tail(successes: int, trials: int, probability: float, direction: int) -> float:
    """P(X >= successes) of Binomial(trials, probability) for direction 1, P(X <= successes) for -1.

    Summed outward from ``successes`` until the terms no longer count (relative 1e-17), from the side that does not
    hold the mode; log factorials by ``math.lgamma``.
    """
    if probability <= 0 or probability >= 1:
        certain = trials if probability >= 1 else 0
        return 1.0 if (certain - successes) * direction >= 0 else 0.0
    mode = math.floor((trials + 1) * probability)
    if (direction > 0 and successes <= mode) or (direction < 0 and successes >= mode):
        return 1.0 - _outward(successes - direction, trials, probability, -direction)
    return _outward(successes, trials, probability, direction)


def _outward(k: int, n: int, p: float, direction: int) -> float:
    if not 0 <= k <= n:
        return 0.0
    log_term = (
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
    )
    ratio = p / (1 - p)
    total = term = 1.0
    while 0 <= k + direction <= n:
        term *= (n - k) / (k + 1) * ratio if direction > 0 else k / (n - k + 1) / ratio
        k += direction
        total += term
        if term < 1e-17 * total:
            break
    return min(1.0, total * math.exp(log_term)) if log_term > -700 else 0.0
