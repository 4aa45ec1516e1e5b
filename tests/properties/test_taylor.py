"""taylor, on faults of its own kind: a wrong slope, a kink in the wrong place, a jump that is missing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gradproof_properties.kinks.taylor import _expanded
from tests.properties.subjects import (
    QUICK,
    Call,
    Exact,
    between,
    everywhere,
    exact,
    nudged,
    outcome,
    reference,
    replaced,
    verdict,
)

FORMATS = ("float32", "float16", "bfloat16")


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("ulps", "status"), [(4, "pass"), (9, "fail")])
def test_a_slope_fails_by_what_a_long_step_can_show(ulps: int, status: str, fmt: str) -> None:
    # From x next to 0 to h in the same half line, relu's remainder is (slope - 1) h. Allowed are 2 (4) quanta of
    # h for the value, which is at most 4 (8) ulps of 1 times h with the mixed error's second term, and 4 (8) ulps
    # for the slope: an error of more than 8 (16) ulps must show.
    error = ulps * (2 if fmt == "float32" else 1)
    calls = [Exact("relu"), nudged(Exact("relu", 1), between(1e-37, 1e38), error)]
    assert verdict("taylor", "relu", calls, fmt, 1).status == status


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("low", [-16.0, -1.0, -0.125, 0.0625, 0.5, 4.0])
def test_a_wrong_slope_in_a_single_binade_of_ordinary_size_fails(low: float, fmt: str) -> None:
    high = low / 2 if low < 0 else 2 * low
    calls = [Exact("leaky_relu"), replaced(Exact("leaky_relu", 1), between(low, high), lambda x: 1.25 + 0 * x)]
    assert verdict("taylor", "leaky_relu", calls, fmt, 1).status == "fail"


def softened(x: np.ndarray) -> np.ndarray:
    return x / 2 + np.sqrt(x * x / 4 + 0.01)


FAULTS: dict[str, tuple[str, Call, Call]] = {
    "the value turns elsewhere": ("relu", replaced(Exact("relu"), between(0, 0.25), lambda x: 0 * x), Exact("relu", 1)),
    "the slope turns elsewhere": ("relu", Exact("relu"), replaced(Exact("relu", 1), between(0, 0.25), lambda x: 0 * x)),
    "no jump at all": ("leaky_relu", lambda x: x.copy(), np.ones_like),
    "a jump twice as large": (
        "prelu",
        replaced(Exact("prelu"), between(0, 1e30), lambda x: 1.75 * x),
        replaced(Exact("prelu", 1), between(0, 1e30), lambda x: 1.75 + 0 * x),
    ),
    "a soft corner": ("relu", replaced(Exact("relu"), everywhere, softened), Exact("relu", 1)),
    "the slope of another function": ("tanh", Exact("tanh"), Exact("sigmoid", 1)),
    "a slope of the wrong sign": (
        "silu",
        Exact("silu"),
        replaced(Exact("silu", 1), everywhere, lambda x: -1 / (1 + np.exp(-x))),
    ),
    "a factor of two": ("tanh", Exact("tanh"), replaced(Exact("tanh", 1), everywhere, lambda x: 2 / np.cosh(x) ** 2)),
}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_value_and_a_slope_that_do_not_belong_together_fail(fault: str, fmt: str) -> None:
    function, value, slope = FAULTS[fault]
    assert verdict("taylor", function, [value, slope], fmt, 1).status == "fail"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("fmt", FORMATS)
def test_a_result_that_is_no_number_is_never_filtered_out(bad: float, order: int, fmt: str) -> None:
    calls = exact("tanh", 2)
    calls[order] = replaced(calls[order], between(1, 1.5), lambda x: bad + 0 * x)
    cell = verdict("taylor", "tanh", calls, fmt, 1)
    assert (cell.status, cell.severity) == ("fail", "wrong-class")


@pytest.mark.parametrize("fmt", FORMATS)
def test_pairs_on_both_sides_of_a_kink_are_judged(fmt: str) -> None:
    measured = outcome("taylor", "hardtanh", exact("hardtanh", 2), fmt, 1).measured
    assert measured["pairs_across_a_kink"] >= 20
    assert measured["pairs_off_kinks"] >= 200


def test_the_explanation_names_both_points_as_plain_numbers() -> None:
    calls = [Exact("relu"), replaced(Exact("relu", 1), between(1, 2), lambda x: 3 + 0 * x)]
    reason = verdict("taylor", "relu", calls, "bfloat16", 1).reason
    x, h = (float(part.partition(" = ")[2]) for part in reason.partition(":")[0].split(", "))
    assert 1 <= x <= 2
    assert h != 0


def rounded_corner(width: float, left: float) -> tuple[Call, Call]:
    """relu (``left`` 0) or leaky_relu with a parabola in place of the corner, and its right derivative: C^1."""

    def value(x: np.ndarray) -> np.ndarray:
        return left * x + (1 - left) * (x + width) ** 2 / (4 * width)

    def slope(x: np.ndarray) -> np.ndarray:
        return left + (1 - left) * (x + width) / (2 * width)

    name = "relu" if not left else "leaky_relu"
    inside = between(-width, width)
    return replaced(Exact(name), inside, value), replaced(Exact(name, 1), inside, slope)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("width", [2.0**-3, 2.0**-7])
def test_a_corner_that_is_smooth_at_close_range_is_no_kink(width: float, fmt: str) -> None:
    # Value and slope belong together; what gives it away is the remainder, of second order in h for small h.
    cell = verdict("taylor", "relu", [*rounded_corner(width, 0.0)], fmt, 1)
    assert cell.status == "fail"


@pytest.mark.parametrize("fmt", ["float64", *FORMATS])
@pytest.mark.parametrize(
    ("function", "jumps"), [("relu", [1.0]), ("hardtanh", [1.0, -1.0]), ("softshrink", [-1.0, 1.0])]
)
def test_every_kink_is_crossed_in_both_directions_at_shrinking_steps(
    function: str, jumps: list[float], fmt: str
) -> None:
    measured = outcome("taylor", function, reference(function), fmt, 1).measured["across_each_kink"]
    assert len(measured) == len(jumps)
    for row, jump in zip(measured.values(), jumps, strict=True):
        assert min(row["rightward"], row["leftward"]) >= 3
        # First order: the remainder is 3/4 of the jump times h, whatever h is.
        assert row["h"][0] >= 16 * row["h"][1]
        assert row["remainder_over_h"] == [pytest.approx(0.75 * jump, rel=2.0**-5)] * 2


def test_the_remainder_of_elu_is_of_first_order_unless_alpha_is_1() -> None:
    rows = {
        alpha: outcome("taylor", "elu", reference("elu", {"alpha": alpha}), "float64", 1, params={"alpha": alpha})
        .measured["across_each_kink"]["0"]
        for alpha in (1.0, 2.0)
    }  # fmt: skip
    assert abs(rows[1.0]["remainder_over_h"][1]) <= rows[1.0]["h"][1]
    assert rows[2.0]["remainder_over_h"][1] == pytest.approx(-0.75, rel=1e-4)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("low", [-6.0, -2.5])
def test_a_slope_that_is_wrong_on_one_side_of_a_kink_fails(low: float, fmt: str) -> None:
    calls = [Exact("hardtanh"), replaced(Exact("hardtanh", 1), between(low, -1), lambda x: 0.5 + 0 * x)]
    assert verdict("taylor", "hardtanh", calls, fmt, 1).status == "fail"


@pytest.mark.parametrize("seed", range(2, 6))
@pytest.mark.parametrize("function", ["exp", "expm1"])
def test_right_results_next_to_the_overflow_pass_whatever_is_drawn(function: str, seed: int) -> None:
    cell = verdict("taylor", function, reference(function), "float64", 1, replace(QUICK, seed=seed))
    assert cell.status == "pass"


@pytest.mark.parametrize("h", [0.125, -0.125, 2.0**-20, 4.0])
def test_the_remainder_is_exact_enough_next_to_the_overflow(h: float) -> None:
    x = np.array([650.0, 690.0, 700.0, 705.0])
    z = x + h
    end, value, slope = np.exp(z), np.exp(x), np.nextafter(np.exp(x), 0)
    remainder, rounding = _expanded(end, value, slope, z, x)
    for i in range(x.size):
        given = (Fraction(float(v[i])) for v in (end, value, slope))
        exact = (lambda e, v, s, i=i: e - v - s * (Fraction(float(z[i])) - Fraction(float(x[i]))))(*given)
        assert abs(Fraction(float(remainder[i])) - exact) <= Fraction(float(rounding[i])) <= abs(exact) / 2**40


def test_a_wrong_slope_next_to_the_overflow_fails() -> None:
    calls = reference("exp")
    calls[1] = replaced(calls[1], between(692, 709), lambda x: 1.5 * np.exp(x))
    reasons = [verdict("taylor", "exp", calls, "float64", 1, replace(QUICK, seed=seed)) for seed in range(2, 5)]
    assert "fail" in {cell.status for cell in reasons}


@pytest.mark.parametrize("fmt", ["float64", *FORMATS])
@pytest.mark.parametrize(
    ("function", "params", "jumps"),
    [
        ("softshrink", {"lambd": 0.1}, [-1.0, 1.0]),
        ("softshrink", {"lambd": 1e-30}, [-1.0, 1.0]),
        ("hardtanh", {"min": -0.3, "max": 300.1}, [1.0, -1.0]),
    ],
)
def test_kinks_that_the_format_does_not_hold_are_crossed_too(
    function: str, params: dict[str, float], jumps: list[float], fmt: str
) -> None:
    rows = outcome("taylor", function, reference(function, params), fmt, 1, params=params).measured["across_each_kink"]
    for row, jump in zip(rows.values(), jumps, strict=True):
        if "skipped" in row:  # two kinks so close that no step of the format passes one alone
            assert params["lambd"] == 1e-30
            continue
        assert min(row["rightward"], row["leftward"]) >= 2
        assert row["remainder_over_h"] == [pytest.approx(0.75 * jump, rel=2.0**-3)] * 2


def test_a_kink_beyond_the_format_is_named_and_skipped() -> None:
    params = {"threshold": 1e39}
    rows = outcome("taylor", "threshold", reference("threshold", params), "float32", 1, params=params).measured
    assert rows["across_each_kink"] == {"1e+39": {"skipped": "the format holds no step across this kink"}}


@pytest.mark.parametrize("fmt", ["float64", *FORMATS])
def test_a_kink_at_the_wrong_place_shows_at_one_that_the_format_does_not_hold(fmt: str) -> None:
    params = {"lambd": 0.1}
    calls = exact("softshrink", 2, params)
    moved = replaced(calls[0], between(0.1, 0.5), lambda x: np.maximum(x - 0.125, 0))
    assert verdict("taylor", "softshrink", [moved, calls[1]], fmt, 1, params=params).status == "fail"


@pytest.mark.parametrize("contract", ["faithful", "stable", "training"])
@pytest.mark.parametrize(
    ("function", "params"), [("relu", {}), ("softshrink", {"lambd": 0.1}), ("hardtanh", {"min": -0.3, "max": 0.1})]
)
def test_right_straight_pieces_pass_under_every_contract(
    function: str, params: dict[str, float], contract: str
) -> None:
    selection = replace(QUICK, contract=contract)
    subjects = [("float64", reference(function, params)), ("float16", exact(function, 2, params))]
    for fmt, calls in subjects:
        assert verdict("taylor", function, calls, fmt, 1, selection, params=params).status == "pass"
