"""What the catalogue declares (limits, shape, symmetry, range, jumps, domain) against the oracle's own values."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from gradproof.formats import BFLOAT16, FLOAT64
from gradproof.formats import arrays as fa
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.functions.function import Side, exact
from gradproof.oracle import Oracle, arb_route

AWKWARD: list[tuple[str, dict[str, Any]]] = [
    ("leaky_relu", {"negative_slope": 0}),
    ("leaky_relu", {"negative_slope": 1}),
    ("leaky_relu", {"negative_slope": "-0.1"}),
    ("leaky_relu", {"negative_slope": "1e-100"}),
    ("leaky_relu", {"negative_slope": 3}),
    ("leaky_relu", {"negative_slope": 1e30}),
    ("prelu", {"weight": 3}),
    ("prelu", {"weight": 0}),
    ("prelu", {"weight": 1}),
    ("prelu", {"weight": -2}),
    ("threshold", {"threshold": -1, "value": 20}),
    ("threshold", {"threshold": "0.1", "value": "0.1"}),
    ("threshold", {"threshold": 0, "value": "-1e-20"}),
    ("threshold", {"threshold": 5, "value": -7}),
    ("clamp", {"min": 2, "max": 2}),
    ("clamp", {"min": 0, "max": 0}),
    ("clamp", {"min": "-1e30", "max": "0.1"}),
    ("hardtanh", {"min": "-0.1", "max": "1e-20"}),
    ("hardtanh", {"min": 2, "max": 2}),
    ("hardtanh", {"min": 5, "max": 7}),
    ("hardshrink", {"lambd": 0}),
    ("hardshrink", {"lambd": "1/3"}),
    ("softshrink", {"lambd": 0}),
    ("softshrink", {"lambd": "1e-20"}),
    ("softshrink", {"lambd": 6}),
    ("elu", {"alpha": 0}),
    ("elu", {"alpha": "-2.5"}),
    ("elu", {"alpha": "1/3"}),
    ("elu", {"alpha": 1e30}),
    ("elu", {"alpha": -1e30}),
    ("celu", {"alpha": "-0.3"}),
    ("celu", {"alpha": "1/3"}),
    ("celu", {"alpha": 1e30}),
    ("celu", {"alpha": -1e30}),
    ("celu", {"alpha": 1e-30}),
    ("softplus", {"beta": 1e-6}),
    ("softplus", {"beta": 50}),
    ("softplus", {"beta": 1e-30}),
    ("softplus", {"beta": 1e30}),
    ("softplus_threshold", {"beta": "0.1", "threshold": "0.7"}),
    ("softplus_threshold", {"beta": 1e-30, "threshold": 20}),
    ("softplus_threshold", {"beta": 1e30, "threshold": 20}),
    ("softplus_threshold", {"threshold": 0}),
    ("squareplus", {"b": 1e-30}),
    ("squareplus", {"b": 1e30}),
    ("squareplus", {"b": "1/3"}),
]
FUNCTIONS = [*(f for f in CATALOGUE if f.rounds_to is None), *(get_function(name, params) for name, params in AWKWARD)]
each_function = pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.label)


def sample(f: Function, count: int = 300) -> list[Fraction]:
    """Sorted inputs in the domain: bfloat16 numbers of every size, and the neighbourhoods of kinks, turns and ends."""
    rng = np.random.default_rng(5)
    random = rng.integers(-BFLOAT16.max_bits, BFLOAT16.max_bits, count, endpoint=True)
    dense = fa.ordinals(fa.round_values(np.linspace(-12, 12, count), BFLOAT16), BFLOAT16)
    xs = {BFLOAT16.value(BFLOAT16.from_ordinal(int(o))) for o in [*random, *dense, 0]}
    special = [*f.kinks, *(e for turn in turns(f) for e in turn), *(e for e in f.ends if isinstance(e, Fraction))]
    for point in special:
        xs |= {point, point - Fraction(1, 1 << 60), point + Fraction(1, 1 << 60)}
    low, high = f.ends
    return sorted(x for x in xs if low < x < high)


def turns(f: Function) -> list[tuple[Fraction, Fraction]]:
    """The declared turns as brackets, points as brackets of no width."""
    brackets: list[Any] = []
    for turn in f.turns:
        low, high = turn if isinstance(turn, tuple) else (turn, turn)
        brackets.append(tuple(exact(e(f.exact_params) if callable(e) else e) for e in (low, high)))
    return brackets


def enclosed(f: Function, x: Fraction, order: int) -> tuple[Fraction, Fraction]:
    answer = Oracle(f)._at(x, FLOAT64, confirm=())[order]
    ends = answer.lower, answer.upper
    if answer.kind == "undecided":  # x - tanh(x) at 1.4e16 is a tie but for e^-3e16: enclosed, though not rounded
        ends = arb_route.enclosures(f, f.piece_at(x), x, 256)[order] or (None, None)
    assert ends[0] is not None
    assert ends[1] is not None
    return _fraction(ends[0]), _fraction(ends[1])


def _fraction(value: Any) -> Fraction:
    """The exact value, or a stand-in of its sign where it is below 2^-5000 or above 2^5000."""
    if value.man and abs(value.exponent) > 5000:
        return Fraction(2) ** (5000 if value.exponent > 0 else -5000) * (1 if value.man > 0 else -1)
    return value.fraction()


def towards(f: Function, side: Side) -> list[Fraction]:
    """Three inputs on the way to that end of the domain."""
    end = f.ends[0 if side == "left" else 1]
    inward = 1 if side == "left" else -1
    if isinstance(end, Fraction):
        return [end + inward * Fraction(1, 10**k) for k in (9, 40, 250)]
    return [-inward * Fraction(10) ** k for k in (9, 40, 250)]


@each_function
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_declared_limits_are_where_the_oracle_goes(f: Function, side: Side, order: int) -> None:
    limit = f.limit(side, order)
    assert limit is not None, "every catalogued function declares its limits"
    distances = []
    for x in towards(f, side):
        low, high = enclosed(f, x, order)
        if isinstance(limit, float):
            assert low > 0 if limit > 0 else high < 0
            distances.append(min(abs(low), abs(high)))
        else:
            distances.append(max(abs(low - limit), abs(high - limit)))
    if isinstance(limit, float):  # a logarithm takes its time; where 2^5000 stands in for more, no growth shows
        assert all(b > 2 * a or a == b == 2**5000 for a, b in pairwise(distances))
    else:
        assert distances[0] >= distances[-1]
        assert distances[-1] <= (abs(limit) / 2**60 if limit else Fraction(1, 10**200))


@each_function
def test_limits_answer_for_the_ends_of_the_domain(f: Function) -> None:
    oracle = Oracle(f)
    for side, end in zip(("left", "right"), f.ends, strict=True):
        bits = FLOAT64.round(end) if isinstance(end, Fraction) else FLOAT64.infinity_bits
        bits |= FLOAT64.sign_bit if side == "left" else 0
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


@pytest.mark.parametrize("f", [f for f in FUNCTIONS if isinstance(f.ends[0], Fraction)], ids=lambda f: f.label)
def test_beyond_the_domain_there_is_no_number(f: Function) -> None:
    assert isinstance(f.ends[0], Fraction)
    assert all(f.ends[0] < kink < f.ends[1] for kink in f.kinks)
    beyond = FLOAT64.from_ordinal(FLOAT64.ordinal(FLOAT64.round(f.ends[0])) - 1)
    for bits in (beyond, FLOAT64.infinity_bits | FLOAT64.sign_bit):
        assert [Oracle(f).certified(bits, FLOAT64, order).kind for order in (0, 1)] == ["nan", "undefined"]


def test_the_logarithm_alone_has_an_end_to_its_domain() -> None:
    bounded = {f.name for f in FUNCTIONS if f.ends != (-math.inf, math.inf)}
    assert bounded == {"log1p"}


@pytest.mark.parametrize("f", [f for f in FUNCTIONS if f.directions is not None], ids=lambda f: f.label)
def test_declared_directions_hold_between_the_turns(f: Function) -> None:
    assert f.directions is not None
    brackets = turns(f)
    assert len(f.directions) == len(brackets) + 1
    assert f.directions == (1,) or not f.monotone
    starts = [-math.inf, *(high for _, high in brackets)]
    stops = [*(low for low, _ in brackets), math.inf]
    points = sample(f)
    for direction, start, stop in zip(f.directions, starts, stops, strict=True):
        section = [x for x in points if start <= x <= stop]
        # A discontinuity may give its value to either side, so only inner points count where one ends a section.
        jumps = {x for x in (start, stop) if x in f.kinks and jump_at(f, x)}  # type: ignore[arg-type]
        values = [(x, enclosed(f, x, 0)) for x in section if x not in jumps]
        for (x, (low, high)), (z, (low_z, high_z)) in pairwise(values):
            assert high_z >= low if direction > 0 else low_z <= high, (float(x), float(z))


def test_every_function_of_the_catalogue_declares_its_directions() -> None:
    assert [f.name for f in FUNCTIONS if f.directions is None] == []


@pytest.mark.parametrize("f", [f for f in FUNCTIONS if f.turns], ids=lambda f: f.label)
def test_each_turn_is_one_change_of_sign_of_the_derivative(f: Function) -> None:
    assert f.directions is not None
    oracle = Oracle(f)
    for (low, high), before, after in zip(turns(f), f.directions, f.directions[1:], strict=False):
        if low in f.kinks:
            left, right = (v.midpoint.fraction() for v in oracle.one_sided(low, 1))
            assert jump_at(f, low) or (left * before > 0 and right * after > 0)
            continue
        assert before == -after
        piece = f.piece_at((low + high) / 2)
        assert f.piece_at(low) == f.piece_at(high) == piece
        if low == high:
            assert enclosed(f, low, 1) == (0, 0)
        else:
            assert min(before * e for e in enclosed(f, low, 1)) > 0
            assert min(after * e for e in enclosed(f, high, 1)) > 0
        # f'' of one sign on the whole bracket: f' has no second root there.
        curvature = arb_route.enclosures_over(f, piece, low, high, 200)[2]
        assert curvature is not None
        assert min(after * float(e) for e in curvature) > 0


@pytest.mark.parametrize("f", [f for f in FUNCTIONS if f.monotone], ids=lambda f: f.label)
def test_declared_monotone_functions_never_fall(f: Function) -> None:
    highest = Fraction(-(2**6000))
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
        if isinstance(end, float):
            assert end in (f.limit("left", 0), f.limit("right", 0))
        else:
            assert abs(reached - end) <= max(abs(end), 1) / 10**4


@each_function
def test_odd_and_even_functions_are_declared_and_no_others(f: Function) -> None:
    oracle = Oracle(f)
    mirrored = [
        [BFLOAT16.ordinal(oracle.certified(BFLOAT16.round(z), BFLOAT16, 0).bits) for z in (x, -x)]
        for x in sample(f, 60)
        if x > 0 and -x > f.ends[0]
    ]
    odd, even = all(right == -left for right, left in mirrored), all(right == left for right, left in mirrored)
    constant = len({ordinal for pair in mirrored for ordinal in pair}) == 1
    assert f.odd == odd or constant  # the constant 0 is both, and may be declared neither
    assert f.even == even or constant


def jump_at(f: Function, kink: Fraction) -> Fraction:
    """What the function's definition makes of the jump of f at a breakpoint, right less left."""
    p = f.exact_params
    if f.name == "threshold":
        return p["threshold"] - p["value"]
    if f.name == "hardshrink":
        return p["lambd"]
    if f.name == "softplus_threshold":
        with mp.workdps(40):
            gap = mp.log1p(mp.exp(-mp.mpf(p["threshold"].numerator) / p["threshold"].denominator))
        return -Fraction(mp.nstr(gap, 40)) / p["beta"]
    return Fraction(0)


@each_function
def test_pieces_meet_or_jump_by_what_the_definition_says(f: Function) -> None:
    for kink in f.kinks:
        left, right = (v.midpoint.fraction() for v in Oracle(f).one_sided(kink, 0))
        due = jump_at(f, kink)
        if f.name == "hardshrink" and f.exact_params["lambd"] == 0:
            due = Fraction(0)
        size = max(abs(left), abs(right))
        assert abs(right - left - due) <= size / 2**60, f"{f.label} at {kink}"


@each_function
def test_at_a_jump_the_value_belongs_to_the_side_the_definition_names(f: Function) -> None:
    for kink in f.kinks:
        if not jump_at(f, kink):
            continue
        beside = Oracle(f).one_sided(kink, 0)
        low, high = enclosed(f, kink, 0)
        # x > threshold, |x| > lambd and beta x > threshold are strict: the breakpoint itself is not beyond.
        inner = beside[1] if f.name == "hardshrink" and kink < 0 else beside[0]
        assert low <= inner.midpoint.fraction() <= high


@each_function
def test_seams_join_pieces_that_are_one_function(f: Function) -> None:
    oracle = Oracle(f)
    for index in f.seams:
        for order in range(3):
            left, right = (oracle.piece_value(k, f.breaks[index], FLOAT64, order) for k in (index, index + 1))
            assert left.bits == right.bits
