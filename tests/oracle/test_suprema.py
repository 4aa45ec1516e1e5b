"""Upper bounds of |f^(n)| over intervals: never below a value in them, and not far above the largest."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from gradproof.formats import FLOAT64
from gradproof.functions import Function, get_function
from gradproof.oracle import Oracle
from tests.oracle.samples import VARIANTS


def largest(f: Function, low: float, high: float, order: int) -> float:
    """Largest |f^(order)| at some points of [low, high], which holds no kink inside."""
    middle = Fraction(low) / 2 + Fraction(high) / 2
    piece, best = f.piece_at(middle), 0.0
    for k in range(9):
        x = Fraction(low) + (Fraction(high) - Fraction(low)) * k / 8
        value = Oracle(f).piece_value(piece, x, FLOAT64, order)
        best = max(best, abs(float(value.midpoint)))
    return best


@pytest.mark.parametrize("f", VARIANTS, ids=lambda f: f.label)
def test_suprema_bound_every_value_and_stay_close_on_narrow_intervals(f: Function) -> None:
    left, right = (float(end) for end in f.ends)
    cuts = [max(-30.0, left), *map(float, f.breaks), min(30.0, right)]
    rng = np.random.default_rng(9)
    lows, highs = [], []
    for a, b in pairwise(cuts):
        at = rng.uniform(a, b, 3)
        lows += at.tolist()
        highs += np.minimum(at + 2.0 ** rng.integers(-12, 1, 3), b).tolist()
    for order in (0, 1, 2):
        bounds = Oracle(f).suprema(np.array(lows), np.array(highs), order)
        for low, high, bound in zip(lows, highs, bounds.tolist(), strict=True):
            true = largest(f, low, high, order)
            assert true <= bound
            assert bound <= 1.5 * true + (1e-2 if high - low > 0.02 else 1e-9), (low, high, order)


@pytest.mark.parametrize(
    ("name", "order", "low", "high", "true"),
    [
        ("sigmoid", 1, -4, 4, 0.25),
        ("sigmoid", 2, -4, 4, 1 / (6 * math.sqrt(3))),
        ("tanh", 1, -4, 4, 1.0),
        ("tanh", 2, -4, 4, 4 / (3 * math.sqrt(3))),
        ("relu", 1, -1, 1, 1.0),
        ("relu6", 0, 5, 7, 6.0),
        ("selu", 1, -1, 1, 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717),
        ("gelu", 2, -2, 2, math.sqrt(2 / math.pi)),
    ],
)
def test_the_rigorous_supremum_is_the_known_extremum(name: str, order: int, low: int, high: int, true: float) -> None:
    # Extrema from the closed forms: sigma'' at tanh(x/2) = 1/sqrt(3), tanh'' at tanh x = 1/sqrt(3), gelu'' at 0.
    bound = Oracle(get_function(name)).supremum(Fraction(low), Fraction(high), order)
    assert true * (1 - 1e-15) <= bound <= 1.02 * true


def test_a_bound_is_narrowed_no_further_than_is_asked_and_stays_a_bound() -> None:
    oracle, four = Oracle(get_function("sigmoid")), (Fraction(-4), Fraction(4))
    whole = oracle.supremum(*four, 1)
    assert oracle.supremum(*four, 1, enough=0.2) == whole  # 1/4 is taken
    assert 0.25 <= oracle.supremum(*four, 1, enough=0.4) <= math.nextafter(0.4, 1)
    assert oracle.supremum(Fraction(800), Fraction(900), 1) <= 2 * math.ulp(0.0)  # e^-800 is less than any float64


def test_intervals_too_wide_for_float64_are_unbounded_rather_than_wrong() -> None:
    oracle = Oracle(get_function("sigmoid"))
    assert oracle.suprema(np.array([-1.7e308]), np.array([1.7e308]), 1).tolist() == [math.inf]
    point = oracle.suprema(np.array([0.0]), np.array([0.0]), 1)
    assert 0.25 <= point[0] <= 0.2500001
