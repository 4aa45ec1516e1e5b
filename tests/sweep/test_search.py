"""The guided search: it finds seeded faults that random search misses, and never claims more than was measured."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradproof.backends.base import Implementation
from gradproof.backends.numpy.catalogue import row
from gradproof.errors import ImplementationFault, Unsupported, UsageError
from gradproof.formats import BFLOAT16, FLOAT32, FLOAT64, Format
from gradproof.formats import arrays as fa
from gradproof.functions import Function, get_function
from gradproof.oracle import Oracle, Reference
from gradproof.sweep.guided import starting_points
from gradproof.sweep.guided.hill_climb import HillClimb
from gradproof.sweep.guided.parameter_search import catalogued, guided_over_parameters
from gradproof.sweep.guided.search import BATCH, SearchResult, guided

CPU = "numpy:cpu"
Call = Callable[[Any], Any]


def mine(function: str, *calls: Call, **params: float) -> Implementation:
    """f, f', ... handed in by a user."""
    return Implementation(function, "numpy", "mine:subject", calls[0], params, tuple(calls[1:]), user=True)


def leaky(x: Any) -> Any:
    """One product, which IEEE 754 rounds correctly."""
    return np.where(x > 0, x, x.dtype.type(0.01) * x)


def up(y: Any, where: Any, ulps: int) -> Any:
    """``y`` moved away from zero by so many numbers at ``where``."""
    pattern = y.view(fa.storage(FLOAT64 if y.dtype == np.float64 else FLOAT32))
    return np.where(where, pattern + np.asarray(ulps).astype(pattern.dtype), pattern).view(y.dtype)


def found(implementation: Implementation, points: int = 4 * BATCH, fmt: Format = FLOAT64, **more: Any) -> SearchResult:
    """The answer for an implementation of a function with its default parameters."""
    return guided(
        get_function(implementation.function),
        CPU,
        implementation,
        fmt,
        **{"order": 0, "points": points, "seed": 5, **more},
    )


def test_a_fault_in_a_4096th_of_one_binade_is_found() -> None:
    reference = row("exp", {})
    assert reference is not None
    spot = 0.8137

    def faulty(x: Any) -> Any:
        return up(reference.call(x), (x >= spot) & (x <= spot * (1 + 2.0**-12)), 50)

    points = 1 << 18
    answer = found(mine("exp", faulty), points, seed=6)
    # The window is 2^-12 spot / (1/2) of its binade: of as many random inputs 0.026 are expected there.
    assert points / (2 * 2046) * 2.0**-12 * spot / 0.5 < 0.03
    assert answer.error > 49
    assert answer.finite is not None
    assert spot <= float(FLOAT64.value(answer.finite.bits)) <= spot * (1 + 2.0**-12)


def test_the_error_is_that_of_the_bits_it_names() -> None:
    def third(x: Any) -> Any:
        return up(leaky(x), (x < -1) & (x > -1.5), 7)

    answer = found(mine("leaky_relu", third))
    worst = answer.worst
    assert worst is not None
    exact = Fraction(0.01) * FLOAT64.value(worst.bits)
    got = FLOAT64.value(worst.got)
    quantum = Fraction(2) ** FLOAT64.quantum_exponent(exact)
    assert worst.u == pytest.approx(float(abs(got - exact) / quantum), rel=1e-3)
    assert worst.absolute == pytest.approx(float(abs(got - exact)), rel=1e-3)
    input_quantum = Fraction(2) ** FLOAT64.quantum_exponent(FLOAT64.value(worst.bits))
    assert worst.m == pytest.approx(float(abs(got - exact) / (quantum + Fraction(0.01) * input_quantum)), rel=1e-3)
    assert worst.expected == FLOAT64.round(exact)
    assert 6.5 <= answer.error == worst.u <= 7.5


def test_what_is_correctly_rounded_stays_within_half_an_ulp() -> None:
    answer = found(mine("leaky_relu", leaky), 8 * BATCH)
    assert 0.49 < answer.error <= 0.5
    assert "at least 0." in answer.statement
    assert "seed 5" in answer.statement
    assert answer.mismatched is None
    assert answer.mismatches == 0


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    answer = found(mine("relu", lambda x: np.maximum(x, 0)))
    assert answer.worst is None
    assert answer.error == 0.0
    assert answer.points == answer.budget


def test_climbing_reaches_the_top_of_a_peak_that_no_start_meets() -> None:
    spot = -1.2345678912345

    def peaked(x: Any) -> Any:
        with np.errstate(all="ignore"):
            away = np.abs(x - spot) / 2.0**-52
            ulps = np.where(np.isfinite(away), 2 * (52 - np.log2(np.minimum(away + 1, 2.0**52))), 0)
        return up(leaky(x), x < 0, ulps.astype(np.int64))

    answer = found(mine("leaky_relu", peaked), 16 * BATCH)
    assert answer.finite is not None
    at = FLOAT64.ordinal(answer.finite.bits)
    assert abs(at - FLOAT64.ordinal(FLOAT64.round(Fraction(spot)))) < 64
    assert answer.error > 2 * (52 - 6)


def test_a_nan_is_worst_of_all_and_the_largest_finite_error_is_told_beside_it() -> None:
    def broken(x: Any) -> Any:
        return np.where((x > 3) & (x < 3.5), np.nan, up(leaky(x), x < -100, 9))

    answer = found(mine("leaky_relu", broken))
    assert answer.mismatches > 0
    assert answer.worst == answer.mismatched
    assert "wrong class" in answer.statement
    assert answer.error == np.inf
    assert answer.mismatched is not None
    assert 3 < float(FLOAT64.value(answer.mismatched.bits)) < 3.5
    assert FLOAT64.is_nan(answer.mismatched.got)
    assert answer.finite is not None
    assert 8.5 <= answer.finite.error <= 9.5


def test_the_same_seed_gives_the_same_answer_and_the_answer_can_be_sent() -> None:
    implementation = row("tanh", {})
    assert implementation is not None
    first, again, other = (found(implementation, 3 * BATCH, order=1, seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert first.worst != other.worst
    assert pickle.loads(pickle.dumps(first)) == first


@pytest.mark.parametrize("points", [1, 100, BATCH + 1, 3 * BATCH])
def test_the_budget_is_what_the_oracle_is_asked(points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    whole = Oracle.references

    def counted(self: Oracle, bits: fa.Bits, fmt: Format) -> list[Reference]:
        asked.append(bits.size)
        return whole(self, bits, fmt)

    monkeypatch.setattr(Oracle, "references", counted)
    lengths = []

    def watched(x: Any) -> Any:
        lengths.append(x.size)
        return leaky(x)

    answer = found(mine("leaky_relu", watched), points)
    assert sum(asked) == answer.points == answer.budget == points
    assert set(lengths) == {BATCH}


def test_an_absolute_error_counts_in_units_of_the_greatest_value() -> None:
    # 7 quanta of [1/2, 1) are 7 of 2^-53 sup|tanh'|; in the tails 1 - tanh(x)^2 loses all bits of small numbers.
    implementation = mine("tanh", np.tanh, lambda x: np.where(np.abs(x) < 1e-9, 1 - 7 * 2.0**-53, 1 - np.tanh(x) ** 2))
    answer = found(implementation, 2 * BATCH, order=1, metric="abs")
    assert answer.worst is not None
    assert 6.8 < answer.error <= 7
    assert answer.worst.absolute == pytest.approx(7 * 2.0**-53, rel=1e-6)
    assert found(implementation, 2 * BATCH, order=1, metric="u").error > 1e6


def test_the_mixed_error_is_searched_for_in_its_own_units() -> None:
    answer = found(mine("leaky_relu", lambda x: up(leaky(x), x < 0, 8)), 2 * BATCH, metric="m")
    worst = answer.worst
    assert worst is not None
    assert answer.error == worst.m
    # |g - y| / (q(y) + 0.01 q(x)) with |g - y| at most 8.5 q(y), and q(x) = q(y) among the subnormal numbers alone.
    assert worst.m == pytest.approx(8.5 / 1.01, rel=0.01)


def test_faults_of_an_implementation_pass_through() -> None:
    def raising(x: Any) -> Any:
        raise ValueError("no")

    with pytest.raises(ImplementationFault, match="no"):
        found(mine("leaky_relu", raising))
    with pytest.raises(Unsupported):
        found(mine("leaky_relu", leaky), order=1)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"points": 0}, "points >= 1"),
        ({"metric": "ulp"}, "metric='u', 'm' or 'abs', got 'ulp'"),
    ],
)
def test_what_cannot_be_searched_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        found(mine("leaky_relu", leaky), **more)


def test_a_conversion_is_refused() -> None:
    with pytest.raises(UsageError, match="conversion"):
        found(mine("to_float16", lambda x: x))


# -- starts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", [FLOAT64, FLOAT32, BFLOAT16], ids=lambda fmt: fmt.name)
def test_every_binade_of_both_signs_gets_the_same_number_of_points_evenly_spread(fmt: Format) -> None:
    binades = starting_points.Binades(fmt, 3)
    assert binades.count == 2 * (2**fmt.exponent_bits - 1)
    each = 8
    regions = np.tile(np.arange(binades.count), each)
    at = np.concatenate([binades.draw(part) for part in np.array_split(regions, 3)])
    assert (np.abs(at) <= fmt.max_bits).all()
    lows = [fmt.value(fmt.from_ordinal(int(o))) for o in at[binades.fields - 1 :: binades.count]]
    assert {v >= Fraction(2) ** fmt.e_max for v in lows} == {True}  # the last positive binade
    assert (np.bincount(binades.of(at), minlength=binades.count)[1:] == each).sum() >= binades.count - 3
    width = 1 << (fmt.precision - 1)
    inside = np.sort(np.abs(at[binades.of(at) == 5]) % width) / width
    assert np.diff(inside).max() < 2.7 / each  # Weyl's sequence: random points leave larger gaps


def test_landmarks_hold_kinks_parameters_and_the_branches_of_implementations() -> None:
    function = get_function("softplus_threshold", {"beta": 4.0, "threshold": 10.0})
    at = set(starting_points.landmarks(function, FLOAT64).tolist())
    for point in (0.5, 1.0, 20.0, 2.5, 5.0, 4.0, 10.0, 2.0**-52, 52 * np.log(2)):
        for sign in (1, -1):
            assert FLOAT64.ordinal(FLOAT64.round(Fraction(sign * point))) in at, point
    clamp = set(starting_points.landmarks(get_function("clamp", {"min": -0.3, "max": 7.0}), FLOAT32).tolist())
    for kink in (-0.3, 7.0):
        here = FLOAT32.ordinal(FLOAT32.round(Fraction(kink)))
        assert {here - 1, here, here + 1} <= clamp
    assert max(abs(o) for o in at) == FLOAT64.max_bits


def test_powers_of_two_come_with_their_neighbours_those_next_to_1_first() -> None:
    at = starting_points.powers(FLOAT32, 18)
    values = {float(FLOAT32.value(FLOAT32.from_ordinal(int(o)))) for o in at}
    one = np.float32(1)
    for sign in (1, -1):
        for point in (one, np.nextafter(one, np.float32(2)), np.nextafter(one, np.float32(0))):
            assert sign * float(point) in values
    assert {0.5, -0.5, 2.0, -2.0} <= values
    assert starting_points.powers(FLOAT64, 10**6).size == 3 * 2 * 2046


def test_edges_lie_between_neighbours_whose_state_changes() -> None:
    at = np.array([50, 0, 10, 30, 31])
    states = np.array([[1, 5], [0, 5], [0, 5], [0, 6], [1, 6]])
    low, high = starting_points.changes(at, states)
    assert (low.tolist(), high.tolist()) == ([10, 31], [30, 50])  # 30 and 31 are neighbours already
    inside = starting_points.between(np.array([0, -10]), np.array([2, 1 << 60]), 8, np.random.default_rng(0))
    assert (inside[0] == 1).all()
    assert (np.diff(inside[1]) > 0).all()
    assert -10 < inside[1].min() < inside[1].max() < 1 << 60


def test_the_root_of_a_derivative_is_closed_in_on() -> None:
    implementation = row("silu", {})
    assert implementation is not None
    answer = found(implementation, 8 * BATCH, order=1)
    # silu' = 0 at x = -1.2784645427610738 (the minimum of silu; Wolfram's -1 - W(1/e)).
    assert answer.worst is not None
    assert float(FLOAT64.value(answer.worst.bits)) == pytest.approx(-1.2784645427610738, rel=1e-12)
    assert answer.worst.u > 1e3


@pytest.mark.parametrize("fmt", [FLOAT64, FLOAT32], ids=lambda fmt: fmt.name)
def test_results_near_a_middle_are_hard_to_round(fmt: Format) -> None:
    slope = 0.3183098861837907
    function = get_function("leaky_relu", {"negative_slope": slope})
    bits = fa.round_values(-np.random.default_rng(0).uniform(0.5, 2.0, 500), fmt)
    distances = []
    for pattern in bits.tolist():
        exact = Fraction(slope) * fmt.value(pattern)
        scaled = exact / Fraction(2) ** fmt.quantum_exponent(exact)
        distances.append(abs(scaled - (scaled.numerator // scaled.denominator) - Fraction(1, 2)))
    nearest = sorted(range(500), key=lambda i: distances[i])[:5]
    reference = Oracle(function).references(bits, fmt)[0]
    assert starting_points.hard_to_round(reference, fmt, 5).tolist() == nearest
    near = starting_points.around(np.array([100, 102]), fmt)
    assert near.tolist() == [97, 98, 99, 101, 103, 104, 105]


# -- climbing --------------------------------------------------------------------------------------------


def test_the_best_of_every_region_are_kept_and_not_the_best_of_all() -> None:
    climber = HillClimb(starting_points.Binades(FLOAT64, 0), np.random.default_rng(0))
    strong = np.arange(1 << 60, (1 << 60) + 1000)
    weak = np.array([1 << 53, -(1 << 54)])
    climber.add(
        np.concatenate([strong, weak]), np.concatenate([np.full(1000, 50.0), [0.5, 0.4]]), np.zeros(1002, np.int64)
    )
    assert set(weak.tolist()) <= set(climber.at.tolist())
    assert climber.leaders()[:3].tolist() == [int(climber.leaders()[0]), 1 << 53, -(1 << 54)]


def test_children_lie_at_every_scale_and_what_is_tried_in_vain_gives_way() -> None:
    climber = HillClimb(starting_points.Binades(FLOAT64, 0), np.random.default_rng(0))
    at = np.array([1 << 55, 1 << 60])  # as the pool orders them, by region
    climber.add(at, np.array([1.9, 2.0]), np.array([starting_points.EDGE, starting_points.HARD]))
    leading = []
    for round_ in range(40):
        tried, origin, parents = climber.propose(BATCH)
        children = parents >= 0
        distance = np.abs(tried - at[np.maximum(parents, 0)])[children]
        if round_ == 0:
            shares = [(parents[children] == i).mean() for i in (0, 1)]
            assert shares[1] > 0.6
            octaves = np.bincount(np.floor(np.log2(np.maximum(distance, 1))).astype(int), minlength=53)
            assert (octaves[:53] > 5).all()
            assert set(origin[children]) == {starting_points.EDGE, starting_points.HARD}
        leading.append(float((parents[children] == 1).mean()))
        climber.add(tried, np.zeros(BATCH), origin, parents)
    # In vain both: neither rules for long, and over the rounds they share.
    assert sum(leading) == pytest.approx(20, abs=8)


# -- families --------------------------------------------------------------------------------------------


def test_a_fault_of_some_parameters_only_is_found_with_its_parameter() -> None:
    def make(function: Function) -> Implementation:
        slope = float(function.params["negative_slope"])  # type: ignore[arg-type]

        def call(x: Any) -> Any:
            return up(np.where(x > 0, x, slope * x), (x < 0) & (x > -1e300) & (slope > 0.5), round(8 * slope))

        return mine("leaky_relu", call, negative_slope=slope)

    function = get_function("leaky_relu")
    answer = guided_over_parameters(function, CPU, make, FLOAT64, 0, points=8 * BATCH, seed=1, bindings=8)
    slope = float(answer.params["negative_slope"])
    assert 0.5 < slope <= 0.01 * 2**8
    assert abs(answer.error - round(8 * slope)) <= 1
    assert slope > 2  # the fault grows with the slope: climbed
    assert answer.points == answer.budget == 8 * BATCH
    assert answer.bindings > 8
    assert answer.worst is not None
    assert guided_over_parameters(function, CPU, make, FLOAT64, 0, points=8 * BATCH, seed=1, bindings=8) == answer
    assert guided(function, CPU, make(function), FLOAT64, 0, points=8 * BATCH, seed=1).error <= 0.5


def test_parameters_stay_within_bounds_and_where_the_function_admits_them() -> None:
    seen = []

    def make(function: Function) -> Implementation:
        seen.append(dict(function.params))
        ends = [float(function.params[name]) for name in ("min", "max")]  # type: ignore[arg-type]
        return mine("clamp", lambda x: np.minimum(np.maximum(x, ends[0]), ends[1]), min=ends[0], max=ends[1])

    guided_over_parameters(
        get_function("clamp"), CPU, make, FLOAT64, 0, points=2 * BATCH, bindings=8,
        bounds={"min": (0.5, 4.0), "max": (1.0, 8.0)},
    )  # fmt: skip
    tried = seen[1:]
    assert len({tuple(p.values()) for p in tried}) == len(tried) >= 8
    assert all(0.5 <= p["min"] <= 4 and 1 <= p["max"] <= 8 and p["min"] <= p["max"] for p in tried)
    assert min(p["max"] for p in tried) < 2.5
    assert max(p["max"] for p in tried) > 3.0


def test_a_catalogue_takes_parameters_and_says_what_it_lacks() -> None:
    made = catalogued(CPU)(get_function("elu", {"alpha": 3.0}))
    assert made.call(np.array([-800.0]))[0] == -3.0
    with pytest.raises(Unsupported, match="has no nothing"):
        catalogued(CPU)(Function("nothing", (lambda m, x: x,)))


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("tanh", {}, "has no parameters"),
        ("elu", {"parameters": ("beta",)}, "no parameter 'beta'; it takes 'alpha'"),
        ("elu", {"bounds": {"alpha": (2.0, 1.0)}}, "bounds of 'alpha'"),
    ],
)
def test_a_family_without_such_parameters_is_refused(name: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        guided_over_parameters(get_function(name), CPU, catalogued(CPU), FLOAT64, 0, points=100, **more)
