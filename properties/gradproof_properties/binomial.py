"""An exact two-sided binomial test, in floating point of the log probabilities."""

from __future__ import annotations

import math


def two_sided_p(successes: int, trials: int, probability: float) -> float:
    """Twice the smaller tail of Binomial(trials, probability) at ``successes``, at most 1.

    The tail is summed outward from the observation until its terms no longer count (relative 1e-17); log
    factorials by ``math.lgamma``. Exact probabilities 0 and 1 leave no doubt: p is 1 or 0.
    """
    if probability <= 0 or probability >= 1:
        certain = trials if probability >= 1 else 0
        return 1.0 if successes == certain else 0.0
    upper = _tail(successes, trials, probability, 1)
    lower = _tail(successes, trials, probability, -1)
    return min(1.0, 2 * min(upper, lower))


def _tail(k: int, n: int, p: float, direction: int) -> float:
    """P(X >= k) for direction 1, P(X <= k) for -1; from the side that does not hold the mode when it can."""
    mode = math.floor((n + 1) * p)
    if (direction > 0 and k <= mode) or (direction < 0 and k >= mode):
        return 1.0 - _outward(k - direction, n, p, -direction)
    return _outward(k, n, p, direction)


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
