"""What the catalogue declares (limits, monotony, symmetry, range, continuity) against the oracle's own values."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradproof.formats import BFLOAT16, FLOAT64
from gradproof.formats import arrays as fa
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.functions.function import Side
from gradproof.oracle import Oracle

AWKWARD: list[tuple[str, dict[str, Any]]] = [
    ("leaky_relu", {"negative_slope": 0}),
    ("leaky_relu", {"negative_slope": 1}),
    ("leaky_relu", {"negative_slope": "-0.1"}),
    ("leaky_relu", {"negative_slope": "1e-100"}),
    ("prelu", {"weight": 3}),
    ("hardtanh", {"min": "-0.1", "max": "1e-20"}),
    ("hardtanh", {"min": 2, "max": 2}),
    ("hardtanh", {"min": 5, "max": 7}),
    ("elu", {"alpha": 0}),
    ("elu", {"alpha": "-2.5"}),
    ("elu", {"alpha": "1/3"}),
    ("softplus", {"beta": 1e-6}),
    ("softplus", {"beta": 50}),
]
FUNCTIONS = [*CATALOGUE, *(get_function(name, params) for name, params in AWKWARD)]
each_function = pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.label)


def sample(f: Function, count: int = 300) -> list[Fraction]:
    """Sorted inputs: bfloat16 numbers of every size, and the neighbourhood of every kink."""
    rng = np.random.default_rng(5)
    random = rng.integers(-BFLOAT16.max_bits, BFLOAT16.max_bits, count, endpoint=True)
    dense = fa.ordinals(fa.round_values(np.linspace(-12, 12, count), BFLOAT16), BFLOAT16)
    xs = {BFLOAT16.value(BFLOAT16.from_ordinal(int(o))) for o in [*random, *dense, 0]}
    for kink in f.kinks:
        xs |= {kink, kink - Fraction(1, 1 << 60), kink + Fraction(1, 1 << 60)}
    return sorted(xs)


def enclosed(f: Function, x: Fraction, order: int) -> tuple[Fraction, Fraction]:
    answer = Oracle(f)._at(x, FLOAT64, confirm=())[order]
    assert answer.lower is not None
    assert answer.upper is not None
    return _fraction(answer.lower), _fraction(answer.upper)


def _fraction(value: Any) -> Fraction:
    tiny = value.man and value.exponent < -5000
    return Fraction(1 if value.man > 0 else -1, 1 << 5000) if tiny else value.fraction()


@each_function
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_declared_limits_are_where_the_oracle_goes(f: Function, side: Side, order: int) -> None:
    sign = -1 if side == "left" else 1
    limit = f.limit(side, order)
    assert limit is not None, "every catalogued function declares its limits"
    distances = []
    for x in (Fraction(10) ** 9, Fraction(10) ** 40, Fraction(10) ** 250):
        low, high = enclosed(f, sign * x, order)
        if isinstance(limit, float):
            assert math.copysign(1, limit) * (low if limit > 0 else high) > 0
            distances.append(-min(abs(low), abs(high)))
        else:
            distances.append(max(abs(low - limit), abs(high - limit)))
    assert distances[0] >= distances[-1]
    if isinstance(limit, float):
        assert -distances[-1] > Fraction(10) ** 100
    else:
        assert distances[-1] <= (abs(limit) / 2**60 if limit else Fraction(1, 10**240))


@each_function
def test_limits_answer_for_the_infinities(f: Function) -> None:
    oracle = Oracle(f)
    for side, bits in (("left", FLOAT64.infinity_bits | FLOAT64.sign_bit), ("right", FLOAT64.infinity_bits)):
        for order in (0, 1, 2):
            limit = f.limit(side, order)  # type: ignore[arg-type]
            answer = oracle.certified(bits, FLOAT64, order)
            if isinstance(limit, float):
                assert answer.kind == "infinite"
                assert answer.bits == FLOAT64.infinity_bits | (FLOAT64.sign_bit if limit < 0 else 0)
            else:
                assert answer.kind == "finite"
                assert limit is not None
                assert answer.bits == FLOAT64.round(limit)
                error = abs(answer.midpoint.fraction() - limit)
                assert error <= Fraction(2) ** FLOAT64.quantum_exponent(limit) / 2**100


@pytest.mark.parametrize("f", [f for f in FUNCTIONS if f.monotone], ids=lambda f: f.label)
def test_declared_monotone_functions_never_fall(f: Function) -> None:
    highest = Fraction(-(2**2000))
    for x in sample(f):
        low, high = enclosed(f, x, 0)
        assert high >= highest, x
        highest = max(highest, low)


@pytest.mark.parametrize("f", [f for f in FUNCTIONS if f.range is not None], ids=lambda f: f.label)
def test_declared_ranges_hold_every_value(f: Function) -> None:
    assert f.range is not None
    ends = [float(e) if isinstance(e, str) else Fraction(e) for e in f.range]
    seen = [enclosed(f, x, 0) for x in sample(f)]
    assert all(ends[0] <= high and low <= ends[1] for low, high in seen)
    # The declared ends are the best: values come close to both, or grow beyond every bound.
    lowest, highest = min(high for _, high in seen), max(low for low, _ in seen)
    for end, reached in zip(ends, (lowest, highest), strict=True):
        assert abs(reached) > 10**30 if end in (math.inf, -math.inf) else abs(reached - end) < Fraction(1, 10**4)


@each_function
def test_declared_odd_functions_are_odd(f: Function) -> None:
    oracle = Oracle(f)
    odd = all(
        oracle.certified(BFLOAT16.round(x), BFLOAT16, 0).bits ^ BFLOAT16.sign_bit
        == oracle.certified(BFLOAT16.round(-x), BFLOAT16, 0).bits
        for x in sample(f, 60)
        if x > 0
    )
    assert odd or not f.odd
    assert not f.even


@each_function
def test_neighbouring_pieces_meet_at_their_breakpoint(f: Function) -> None:
    for kink in f.kinks:
        left, right = Oracle(f).one_sided(kink, 0)
        assert (left.midpoint - right.midpoint).man == 0, f"{f.label} jumps at {kink}"
