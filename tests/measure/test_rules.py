"""The rules of measurement, one test each: what counts as an error, how large it is, and what is excused."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradproof.errors import UsageError
from gradproof.formats import BFLOAT16, DEFAULT_FORMATS, FLOAT16, FLOAT32, FLOAT64, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.functions import get_function
from gradproof.measure import CONTRACTS, NO_FLUSHING, Contract, Flushing, Judgement, get_contract, judge
from gradproof.oracle import Certified, Dyadic, Oracle
from tests.measure.references import bits, reference

FAITHFUL, STABLE, TRAINING = (CONTRACTS[name] for name in ("faithful", "stable", "training"))
each_format = pytest.mark.parametrize("fmt", [FORMATS[name] for name in DEFAULT_FORMATS], ids=lambda fmt: fmt.name)


def judged(
    fmt: Format,
    got: Any,
    expected: Any,
    x: Any = 1,
    slope: float = 0.0,
    order: int = 0,
    contract: Contract = STABLE,
    scale: float = 1.0,
    flushing: Flushing = NO_FLUSHING,
) -> Judgement:
    """The judgement of one result; ``got`` and ``x`` as ``bits`` takes them."""
    return judge(bits(fmt, x), bits(fmt, got), reference(fmt, [expected], slope), fmt, order, contract, scale, flushing)


@each_format
def test_a_correct_rounding_is_wrong_by_half_an_ulp_at_most(fmt: Format) -> None:
    third = Fraction(1, 3)
    nearest = fmt.value(fmt.round(third))
    result = judged(fmt, nearest, third)
    assert result.u[0] == pytest.approx(float(abs(nearest - third) / Fraction(2) ** (-2 - fmt.precision + 1)))
    assert result.u[0] <= 0.5
    assert not result.failing[0]


@each_format
def test_the_quantum_is_that_of_the_unrounded_value(fmt: Format) -> None:
    # A hair below 1 the quantum is half of what it is at 1, to which the value rounds.
    below = 1 - Fraction(1, 2**60)
    below_that = fmt.value(fmt.from_ordinal(fmt.ordinal(fmt.round(Fraction(1))) - 4))
    assert judged(fmt, below_that, below).u[0] == pytest.approx(4, abs=0.01)
    assert judged(fmt, below_that, 1).u[0] == 2


@each_format
def test_subnormals_and_zero_share_the_least_quantum(fmt: Format) -> None:
    unit = fmt.min_subnormal
    assert judged(fmt, 3 * unit, 0).u[0] == 3
    assert judged(fmt, 3 * unit, unit / 4).u[0] == 2.75
    assert judged(fmt, 0, fmt.min_normal).u[0] == 2 ** (fmt.precision - 1)


@each_format
def test_an_expected_overflow_is_right_as_infinity_and_wrong_as_anything_smaller(fmt: Format) -> None:
    at = fmt.overflow_threshold
    assert judged(fmt, "inf", at).u[0] == 0
    assert judged(fmt, "inf", at * 10**40).u[0] == 0
    assert judged(fmt, "-inf", -at).u[0] == 0
    assert judged(fmt, fmt.max_value, at).u[0] == 0.5
    assert judged(fmt, fmt.max_value, at, contract=FAITHFUL).failing[0] == np.False_
    assert judged(fmt, fmt.max_value, at * 2**20, contract=STABLE).failing[0]
    assert judged(fmt, "-inf", at).mismatch[0]


@each_format
def test_a_spurious_overflow_is_measured_at_the_next_power_of_two(fmt: Format) -> None:
    # max = 2^(e_max+1) - q: infinity counts as one ulp more than max, in float64 as well.
    assert judged(fmt, "inf", fmt.max_value).u[0] == 1
    below = fmt.overflow_threshold - fmt.max_value / 2**90
    assert judged(fmt, "inf", below).u[0] == pytest.approx(0.5, abs=1e-6)
    half = fmt.max_value / 2
    assert judged(fmt, "-inf", -half).u[0] == pytest.approx(2.0**fmt.precision, rel=0.01)
    result = judged(fmt, "inf", half)
    assert not result.mismatch[0]
    assert result.failing[0]


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda c: c.name)
@each_format
def test_an_infinity_in_place_of_a_number_is_a_wrong_class_whatever_its_distance(
    fmt: Format, contract: Contract
) -> None:
    scale = float(fmt.max_value)
    for y in (fmt.max_value, fmt.overflow_threshold - fmt.max_value / 2**90, fmt.max_value / 2, Fraction(0)):
        for sign in (1, -1):
            result = judged(fmt, "inf" if sign > 0 else "-inf", sign * y, contract=contract, scale=scale)
            assert (result.failing[0], result.felt[0], result.wrong_class[0]) == (True, True, True)
            assert math.isfinite(result.u[0])
            assert result.magnitude[0] > 1
    # What rounds to an infinity is right as one, and the greatest number there is no infinity.
    for got in ("inf", fmt.max_value):
        result = judged(fmt, got, fmt.overflow_threshold, contract=contract, scale=scale)
        assert (result.failing[0], result.wrong_class[0]) == (False, False)


def test_an_infinity_that_is_right_but_for_rounding_the_input_is_wrong_all_the_same() -> None:
    # One ulp of x moves y by 2^20 of its own: any number so far off holds, the infinity next to y does not.
    y = FLOAT32.max_value
    assert not judged(FLOAT32, y - 2**17 * Fraction(2) ** 104, y, slope=2.0**147).failing[0]
    result = judged(FLOAT32, "inf", y, slope=2.0**147)
    assert result.m[0] < 1e-5
    assert (result.failing[0], result.wrong_class[0]) == (True, True)


@each_format
def test_at_a_pole_of_either_sign_both_infinities_are_right_and_nothing_else_is(fmt: Format) -> None:
    for got in ("inf", "-inf"):
        result = judged(fmt, got, "pole", x="-0", order=1)
        assert (result.u[0], result.judged[0], result.failing[0]) == (0, True, False)
    for got in ("nan", 0, fmt.max_value):
        assert judged(fmt, got, "pole", x="-0", order=1).mismatch[0]


@each_format
def test_an_infinity_of_the_wrong_sign_is_a_mismatch(fmt: Format) -> None:
    result = judged(fmt, "-inf", 1)
    assert (result.u[0], result.mismatch[0], result.failing[0]) == (math.inf, True, True)


@each_format
def test_a_one_sided_nan_is_an_infinite_error_and_never_filtered_out(fmt: Format) -> None:
    for expected in (1, 0, fmt.max_value, "inf", "-inf"):
        for contract in CONTRACTS.values():
            result = judged(fmt, "nan", expected, contract=contract)
            assert (result.u[0], result.m[0], result.magnitude[0]) == (math.inf,) * 3
            assert (result.mismatch[0], result.failing[0], result.felt[0]) == (True, True, True)
    for got in (1, 0, "inf"):
        assert judged(fmt, got, "nan", x="nan").mismatch[0]


@each_format
def test_a_nan_where_a_nan_is_due_is_no_error(fmt: Format) -> None:
    result = judged(fmt, "nan", "nan", x="nan")
    assert (result.u[0], result.m[0], result.absolute[0]) == (0, 0, 0)
    assert result.judged[0]
    assert not result.failing[0]
    assert not result.mismatch[0]


@each_format
def test_a_nan_is_felt_even_where_the_function_grows_without_bound(fmt: Format) -> None:
    assert judged(fmt, "nan", 1, scale=math.inf).felt[0]


@each_format
def test_an_infinite_limit_must_be_met_exactly(fmt: Format) -> None:
    assert judged(fmt, "inf", "inf", x="inf").u[0] == 0
    for wrong in ("-inf", fmt.max_value, "nan"):
        assert judged(fmt, wrong, "inf", x="inf").mismatch[0]


@each_format
def test_the_sign_of_zero_does_not_count(fmt: Format) -> None:
    for got in ("0", "-0"):
        for expected in (0, fmt.min_subnormal / 8, -fmt.min_subnormal / 8):
            result = judged(fmt, got, expected)
            assert result.u[0] <= 0.125
            assert not result.mismatch[0]
            assert not result.failing[0]


@each_format
def test_conventions_and_undecided_values_are_never_judged(fmt: Format) -> None:
    for expected, undecided in (("undefined", False), ("undecided", True)):
        for got in (1, "nan", "inf"):
            result = judged(fmt, got, expected)
            assert math.isnan(result.u[0])
            assert math.isnan(result.m[0])
            assert (result.judged[0], result.undecided[0]) == (False, undecided)
            flags = (result.failing, result.mismatch, result.felt, result.excused)
            assert [bool(flag[0]) for flag in flags] == [False] * 4


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda c: c.name)
@pytest.mark.parametrize("kind", ["undefined", "undecided"])
def test_what_is_not_judged_does_not_fail_where_the_derivative_is_0_throughout(kind: str, contract: Contract) -> None:
    # relu'' at a NaN: sup|f''| is 0, the unit of the training contract.
    result = judged(FLOAT32, "nan", kind, x="nan", order=2, contract=contract, scale=0.0)
    assert not result.failing[0]
    assert math.isnan(result.magnitude[0])
    assert judged(FLOAT32, 1, 0, order=2, contract=contract, scale=0.0).failing[0]


@each_format
def test_the_mixed_error_forgives_what_rounding_the_input_would_do(fmt: Format) -> None:
    # y = 2^-6 with slope 4 at x = 1: one input ulp moves y by 4 q(1), which is 256 q(y).
    y, unit = Fraction(1, 64), Fraction(2) ** (-6 - fmt.precision + 1)
    result = judged(fmt, y + 4 * unit, y, slope=4.0)
    assert result.u[0] == 4
    assert result.m[0] == pytest.approx(4 / 257)


@each_format
def test_a_tail_that_collapses_to_zero_fails_the_mixed_error_all_the_same(fmt: Format) -> None:
    # e^x at x = -9: slope equals value; q(x) = 2^(3-p+1) forgives some ulps, not all 2^(p-1) of them.
    y = Fraction(math.exp(-9))
    result = judged(fmt, 0, y, x=-9, slope=float(y))
    assert result.m[0] > STABLE.bound(0, fmt)
    assert result.failing[0]


def test_a_root_at_a_large_input_is_measured_by_the_effect_of_an_input_ulp() -> None:
    # x - 2^52 at x = 2^52: y = 0, q(y) = 2^-1074 and q(x) = 1; 5 is five input ulps, and u beyond float64.
    result = judged(FLOAT64, 5, 0, x=2**52, slope=1.0)
    assert result.m[0] == 5
    assert math.isfinite(result.u[0])
    assert not result.mismatch[0]
    assert result.failing[0]


def test_a_huge_slope_does_not_forgive_a_lost_overflow() -> None:
    # e^1000 has a slope beyond float64: 0 in place of infinity stays a failure.
    y = Fraction(math.e) ** 1000
    result = judged(FLOAT64, 0, y, x=1000, slope=float(np.finfo(np.float64).max))
    assert result.m[0] > 4
    assert result.failing[0]


@each_format
def test_the_faithful_contract_fails_at_one_ulp_and_the_others_pass_at_their_bound(fmt: Format) -> None:
    one_ulp = 1 + Fraction(2) ** (1 - fmt.precision)
    assert judged(fmt, one_ulp, 1, contract=FAITHFUL).failing[0]
    assert not judged(fmt, one_ulp, 1 + Fraction(2) ** (-10 - fmt.precision), contract=FAITHFUL).failing[0]
    for order in (0, 1, 2):
        bound = {0: 4, 1: 8, 2: 8}[order] if fmt.width > 16 else {0: 2, 1: 4, 2: 4}[order]
        assert STABLE.bound(order, fmt) == bound
        at = 1 + bound * Fraction(2) ** (1 - fmt.precision)
        beyond = at + Fraction(2) ** (1 - fmt.precision)
        assert not judged(fmt, at, 1, order=order).failing[0]
        assert judged(fmt, beyond, 1, order=order).failing[0]
        assert judged(fmt, at, 1, order=order).magnitude[0] == 1


@each_format
def test_the_training_contract_is_eight_roundings_of_the_largest_value(fmt: Format) -> None:
    room = 8 * Fraction(2) ** -fmt.precision * 2
    for y in (Fraction(1, 8), Fraction(0)):
        assert not judged(fmt, y + room, y, contract=TRAINING, scale=2.0).failing[0]
        over = fmt.value(fmt.round(y + room) + 1)
        assert judged(fmt, over, y, contract=TRAINING, scale=2.0).failing[0]


@each_format
def test_the_training_contract_of_a_function_that_is_zero_fails_on_anything_else(fmt: Format) -> None:
    assert not judged(fmt, 0, 0, contract=TRAINING, scale=0.0).failing[0]
    assert judged(fmt, fmt.min_normal, 0, contract=TRAINING, scale=0.0).failing[0]


@each_format
def test_felt_tells_a_failure_that_training_notices_from_one_it_cannot(fmt: Format) -> None:
    tiny = fmt.min_normal * 2
    unfelt = judged(fmt, 0, tiny)
    assert unfelt.failing[0]
    assert not unfelt.felt[0]
    assert judged(fmt, Fraction(1, 2), 1).felt[0]
    assert not judged(fmt, 1, 1).felt[0], "nothing failed"


def test_an_unknown_contract_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        get_contract("strict")
    assert str(caught.value) == "unknown contract 'strict'; expected one of faithful, stable, training"


FTZ = Flushing(results=True, inputs=False)


@each_format
def test_a_subnormal_result_that_was_flushed_goes_to_the_second_column(fmt: Format) -> None:
    y = fmt.min_normal * Fraction(3, 4)
    plain, flushed = judged(fmt, 0, y), judged(fmt, 0, y, flushing=FTZ)
    assert plain.failing[0]
    assert not plain.excused[0]
    assert (flushed.failing[0], flushed.excused[0], flushed.felt[0]) == (False, True, False)
    assert flushed.u[0] == plain.u[0] > 4, "the first column is not touched"
    assert (flushed.u_flushed[0], plain.u_flushed[0]) == (0, plain.u[0])


@each_format
def test_a_normal_result_that_became_zero_is_never_excused(fmt: Format) -> None:
    daz = Flushing(results=True, inputs=True, low=0.0, high=0.0)
    for y in (fmt.min_normal, fmt.min_normal * 3, Fraction(1, 4)):
        for flushing in (FTZ, daz):
            result = judged(fmt, 0, y, flushing=flushing)
            assert result.failing[0]
            assert not result.excused[0]
            assert result.u_flushed[0] == result.u[0]


@each_format
def test_flushing_excuses_zero_and_no_other_wrong_result(fmt: Format) -> None:
    y = fmt.min_normal * Fraction(3, 4)
    for got in (fmt.min_normal / 4, -fmt.min_normal, "nan"):
        result = judged(fmt, got, y, flushing=FTZ)
        assert result.failing[0]
        assert not result.excused[0]


@each_format
def test_a_subnormal_input_may_be_read_as_zero_where_the_backend_does_so(fmt: Format) -> None:
    # relu' at a positive subnormal: 1 is due; read as 0, anything between 0 and 1 is the kink's convention.
    daz = Flushing.of(False, True, Oracle(get_function("relu")).certified(0, fmt, 1))
    assert (daz.low, daz.high) == (0, 1)
    for got in (0, Fraction(1, 2)):
        assert judged(fmt, got, 1, x=fmt.min_subnormal, order=1, flushing=daz).excused[0]
        assert judged(fmt, got, 1, x=fmt.min_subnormal, order=1).failing[0]
        assert judged(fmt, got, 1, x=fmt.min_normal, order=1, flushing=daz).failing[0], (
            "a normal input is read as it is"
        )
    assert judged(fmt, -1, 1, x=fmt.min_subnormal, order=1, flushing=daz).failing[0]


@pytest.mark.parametrize(
    ("contract", "scale", "off", "excused"),
    [
        (STABLE, 1, 8, True), (STABLE, 1, 9, False),  # quanta of f'(0), which the input moves no further
        (FAITHFUL, 1, 1, False), (FAITHFUL, 1, 0, True),
        (TRAINING, 4, 32, True), (TRAINING, 4, 33, False),  # 2^-p of the scale, and a quantum of 1/2 is 2^-p
        (TRAINING, 0.25, 2, True), (TRAINING, 0.25, 3, False),
    ],
)  # fmt: skip
def test_an_input_read_as_zero_is_excused_within_the_contract_in_its_own_unit(
    contract: Contract, scale: float, off: int, excused: bool
) -> None:
    daz = Flushing(results=False, inputs=True, low=0.5, high=0.5)
    for sign in (1, -1):
        got = Fraction(1, 2) + sign * off * Fraction(1, 2**FLOAT32.precision)
        result = judged(FLOAT32, got, 3, x=FLOAT32.min_subnormal, order=1, contract=contract, scale=scale, flushing=daz)
        assert (result.excused[0], result.failing[0]) == (excused, not excused)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda c: c.name)
@pytest.mark.parametrize("order", [0, 1, 2])
@each_format
def test_the_room_is_the_largest_error_that_does_not_fail(fmt: Format, order: int, contract: Contract) -> None:
    slope, scale = 3.0, 0.125
    x, y = Fraction(1, 2), Fraction(5, 4)
    q = [float(Fraction(2) ** fmt.quantum_exponent(v)) for v in (y, x)]
    room = float(contract.room(order, fmt, q[0], slope * q[1], scale))
    exact_room = Fraction(contract.bound(order, fmt)) * {
        "u": Fraction(q[0]), "m": Fraction(q[0]) + 3 * Fraction(q[1]), "abs": Fraction(1, 8 * 2**fmt.precision),
    }[contract.metric]  # fmt: skip
    assert room == pytest.approx(float(exact_room), rel=1e-15)
    assert (room < exact_room) == contract.strict
    # The reference carries the error: the result is a number of the format.
    for error, failing in ((exact_room, contract.strict), (exact_room * Fraction(1025, 1024), True),
                           (exact_room * Fraction(1023, 1024), False)):  # fmt: skip
        got = judged(fmt, y, y + error / 2**20 * 2**20, x, slope, order, contract, scale)
        assert bool(got.failing[0]) == failing


def test_the_room_of_arrays_is_taken_row_by_row() -> None:
    quantum, moved, scale = np.array([1.0, 2.0]), np.array([3.0, 5.0]), np.array([7.0, 11.0])
    assert STABLE.room(0, FLOAT32, quantum, moved, scale).tolist() == [16, 28]
    assert TRAINING.room(0, FLOAT32, quantum, moved, scale).tolist() == [56 * 2.0**-24, 88 * 2.0**-24]
    assert FAITHFUL.room(0, FLOAT32, quantum, moved, scale).tolist() == [1 - 2.0**-53, 2 - 2.0**-52]


def test_an_input_read_as_zero_may_meet_an_infinity_there() -> None:
    # ln: f(0) = -inf. ln(2^-149) = -103.3, and beyond the domain NaN is due; read as 0, both are -inf.
    at_zero = Certified("infinite", FLOAT32.infinity_bits | FLOAT32.sign_bit, infinity=-math.inf)
    daz = Flushing.of(False, True, at_zero)
    tiny, logarithm = FLOAT32.min_subnormal, Fraction(math.log(2.0**-149))
    for contract in CONTRACTS.values():
        for x, y in ((tiny, logarithm), (-tiny, "nan")):
            result = judged(FLOAT32, "-inf", y, x=x, contract=contract, flushing=daz)
            assert (result.excused[0], result.failing[0], result.u_flushed[0]) == (True, False, 0)
            assert judged(FLOAT32, "-inf", y, x=x, contract=contract).failing[0]
            for wrong in ("inf", 0, 5, -FLOAT32.max_value):
                assert judged(FLOAT32, wrong, y, x=x, contract=contract, flushing=daz).failing[0]
    assert judged(FLOAT32, "-inf", "nan", x=-FLOAT32.min_normal, flushing=daz).failing[0], "a normal input is read"
    assert judged(FLOAT32, "-inf", Fraction(-87), x=FLOAT32.min_normal, flushing=daz).failing[0]


def test_an_input_read_as_the_zero_outside_the_domain_may_meet_either_infinity() -> None:
    # 1/x on (0, inf): read as -0 a negative subnormal input gives -inf, a positive one +inf alone.
    limit = Certified("infinite", FLOAT32.infinity_bits, infinity=math.inf)
    daz = Flushing.of(False, True, limit, replace(limit, kind="pole"))
    for got in ("inf", "-inf"):
        assert judged(FLOAT32, got, "nan", x=-FLOAT32.min_subnormal, flushing=daz).excused[0]
    assert judged(FLOAT32, "inf", Fraction(2) ** 127, x=Fraction(1, 2**127), flushing=daz).excused[0]
    assert judged(FLOAT32, "-inf", Fraction(2) ** 127, x=Fraction(1, 2**127), flushing=daz).failing[0]


def test_an_input_read_as_a_kink_with_an_infinite_side_may_meet_anything_in_between() -> None:
    # sqrt(relu(x)): f' is 0 on the left of 0 and grows without bound on the right.
    zero = Dyadic(0, 0)
    daz = Flushing.of(False, True, Certified("undefined", FLOAT32.nan_bits, lower=zero))
    slope = Fraction(2) ** 63
    for got in (0, 1, "inf"):
        assert judged(FLOAT32, got, slope, x=FLOAT32.min_subnormal, order=1, flushing=daz).excused[0]
    for got in (-1, "-inf", "nan"):
        assert judged(FLOAT32, got, slope, x=FLOAT32.min_subnormal, order=1, flushing=daz).failing[0]


DAZ = Flushing(results=False, inputs=True, low=0.0, high=0.0)
BOTH = Flushing(results=True, inputs=True, low=0.0, high=0.0)


@each_format
def test_a_subnormal_result_is_read_as_zero_where_the_backend_does_so(fmt: Format) -> None:
    # relu6 at -x, returned unchanged; a sum that is 0 but for what was lost on the way.
    largest = fmt.min_normal - fmt.min_subnormal
    for got in (largest, -largest):
        for flushing in (DAZ, BOTH):
            result = judged(fmt, got, 0, flushing=flushing)
            assert (result.failing[0], result.excused[0], result.u_flushed[0]) == (False, True, 0)
        for flushing in (NO_FLUSHING, FTZ):
            assert judged(fmt, got, 0, flushing=flushing).failing[0]
    # Where the exact value is tiny as well, what flushes it makes both the same 0.
    half, least = fmt.min_normal / 2, fmt.min_subnormal * 9
    assert judged(fmt, -half, half, flushing=BOTH).excused[0]
    assert judged(fmt, -half, half, flushing=DAZ).failing[0], "0 is no right answer where results keep"
    assert judged(fmt, least, 0, flushing=DAZ).excused[0]


@each_format
def test_a_subnormal_result_in_place_of_a_normal_one_is_never_excused(fmt: Format) -> None:
    for y in (fmt.min_normal, -3 * fmt.min_normal, Fraction(1, 4)):
        for got in (fmt.min_normal / 2, -fmt.min_normal / 2):
            for flushing in (DAZ, BOTH):
                result = judged(fmt, got, y, flushing=flushing)
                assert (result.failing[0], result.excused[0]) == (True, False)
                assert result.u_flushed[0] == result.u[0]
    for due in ("nan", "inf"):
        assert judged(fmt, fmt.min_normal / 2, due, flushing=BOTH).failing[0]


@each_format
def test_a_normal_result_in_place_of_zero_is_not_excused_by_reading_it(fmt: Format) -> None:
    for flushing in (DAZ, BOTH):
        assert judged(fmt, fmt.min_normal, 0, flushing=flushing).failing[0]


def test_what_lies_a_hair_below_the_least_normal_number_may_be_flushed() -> None:
    # celu with alpha = 2 at -2^e_min: |2 expm1(x / 2)| = 2^e_min (1 - 2^e_min / 4 + ...) is tiny, its rounding is not.
    for fmt in (FLOAT64, FLOAT32, FLOAT16, BFLOAT16):
        x = -fmt.min_normal
        y = x + x * x / 4 + x**3 / 24  # alternating: between two partial sums
        assert -fmt.min_normal < x + x * x / 4 + x**3 / 24 < y + x**4
        at, more = (bits(fmt, v) for v in (x, x - fmt.min_subnormal))
        oracle = Oracle(get_function("celu", {"alpha": 2}))
        zero = bits(fmt, 0)
        for inputs, excused in ((at, True), (more, False)):
            due = oracle.references(inputs, fmt)[0]
            result = judge(inputs, zero, due, fmt, 0, STABLE, 1.0, FTZ)
            assert (result.excused[0], result.failing[0]) == (excused, not excused)
        # The identity there is the least normal number itself.
        relu = Oracle(get_function("relu")).references(bits(fmt, -x), fmt)[0]
        assert judge(bits(fmt, -x), zero, relu, fmt, 0, STABLE, 1.0, FTZ).failing[0]


def test_a_slope_below_float64_still_counts() -> None:
    # softsign' = (1 + x)^-2 at 1.3e117: the next derivative is 1e-351, and an ulp of x moves f' by almost 4 ulps.
    x = Fraction(2) ** 389 * 65 / 64
    y, slope = 1 / (1 + x) ** 2, 2 / (1 + x) ** 3
    quantum, x_quantum = (Fraction(2) ** FLOAT64.quantum_exponent(v) for v in (y, x))
    inputs = bits(FLOAT64, x)
    due = Oracle(get_function("softsign")).references(inputs, FLOAT64)[1]
    for ulps in (20, 50):
        got = FLOAT64.round(y) + ulps
        error = abs(FLOAT64.value(got) - y)
        m = error / (quantum + slope * x_quantum)
        result = judge(inputs, np.array([got], np.uint64), due, FLOAT64, 1, STABLE, 1.0)
        assert result.u[0] == pytest.approx(float(error / quantum), rel=1e-3)
        assert result.m[0] == pytest.approx(float(m), rel=1e-2)
        assert bool(result.failing[0]) == (m > 8)
    assert float(20 * quantum / (quantum + slope * x_quantum)) == pytest.approx(4.15, abs=0.01)


def test_without_a_value_at_zero_an_input_read_as_zero_excuses_nothing() -> None:
    unknown = Flushing(results=False, inputs=True)
    assert judged(FLOAT32, 0, 1, x=FLOAT32.min_subnormal, flushing=unknown).failing[0]


def test_rows_are_judged_apart() -> None:
    got = bits(FLOAT32, 1, "nan", 0, 2, "inf")
    expected = reference(FLOAT32, [1, 1, "undefined", 1, Fraction(2) ** 300])
    result = judge(bits(FLOAT32, 1, 1, 0, 1, 1), got, expected, FLOAT32, 0, STABLE, np.ones(5))
    assert result.failing.tolist() == [False, True, False, True, False]
    assert result.judged.tolist() == [True, True, False, True, True]


def test_an_empty_batch_is_judged_to_nothing() -> None:
    none = np.array([], np.uint16)
    result = judge(none, none, reference(FLOAT16, []), FLOAT16, 0, STABLE, 1.0)
    assert result.u.size == result.failing.size == 0


def test_sixteen_bit_values_of_a_correct_implementation_pass_every_contract() -> None:
    for fmt in (FLOAT16, BFLOAT16):
        everything = fa.all_bits(fmt)
        oracle = Oracle(get_function("silu"))
        for order, expected in enumerate(oracle.references(everything, fmt)):
            for contract in CONTRACTS.values():
                result = judge(everything, expected.rounded, expected, fmt, order, contract, 1.0)
                assert not result.failing.any()
                assert np.nanmax(result.u) <= 0.5 + 2.0**-10
