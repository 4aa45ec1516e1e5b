"""Functions that jump, end or overflow: taylor, fd-jump, kink-convention, saturation and underflow-noise, both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from tests.properties.subjects import (
    Call,
    Exact,
    answering,
    between,
    bits_of,
    everywhere,
    exact,
    nudged,
    outcome,
    reference,
    replaced,
    verdict,
)

FORMATS = ("float64", "float32", "float16", "bfloat16")
JUMPS: list[tuple[str, dict[str, Any]]] = [
    ("threshold", {}),
    ("threshold", {"threshold": -1.0, "value": 20.0}),
    ("hardshrink", {}),
    ("softplus_threshold", {"beta": 2.0, "threshold": 3.0}),
]
LINEAR: list[tuple[str, dict[str, Any]]] = [("leaky_relu", {"negative_slope": 1e30}), ("prelu", {"weight": 1e-100})]
each_jump = pytest.mark.parametrize(("function", "params"), JUMPS, ids=lambda v: v if isinstance(v, str) else repr(v))


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("claim", "order"), [("taylor", 1), ("fd-jump", 0), ("kink-convention", 1)])
@each_jump
def test_a_right_discontinuity_passes(function: str, params: dict[str, Any], claim: str, order: int, fmt: str) -> None:
    assert verdict(claim, function, reference(function, params), fmt, order, params=params).status == "pass"
    if fmt != "float64":
        assert verdict(claim, function, exact(function, 3, params), fmt, order, params=params).status == "pass"


def shifted(function: str, low: float, high: float, by: float, params: dict[str, Any] | None = None) -> Call:
    """f, off by ``by`` in [low, high]."""
    right = Exact(function, 0, params)
    return replaced(right, between(low, high), lambda x: right(x) + by)


FAULTS: dict[str, tuple[str, Call]] = {
    "no jump": ("threshold", replaced(Exact("threshold"), everywhere, lambda x: np.maximum(x - 1, 0.0))),
    "half the jump": ("threshold", replaced(Exact("threshold"), between(-1e30, 1), lambda x: 0.5 + 0 * x)),
    "a jump elsewhere": ("threshold", replaced(Exact("threshold"), between(1, 2), lambda x: 0 * x)),
    "the other side's value": ("threshold", replaced(Exact("threshold"), between(1, 1), lambda x: x)),
    "a jump the wrong way": ("hardshrink", replaced(Exact("hardshrink"), lambda x: x > 0.5, lambda x: x - 1.0)),
    "a soft shrink": ("hardshrink", Exact("softshrink")),
    "one jump of two": ("hardshrink", replaced(Exact("hardshrink"), between(-1e30, 0), lambda x: x)),
    "no threshold": ("softplus_threshold", Exact("softplus")),
}


@pytest.mark.parametrize(
    ("fault", "fmt"),
    # The jump of softplus_threshold, 2e-9 at 20, is below the resolution of float32.
    [(fault, fmt) for fault in FAULTS for fmt in ("float64", "float32") if (fault, fmt) != ("no threshold", "float32")],
)
@pytest.mark.parametrize("claim", ["taylor", "fd-jump"])
def test_a_discontinuity_that_is_not_what_it_should_be_fails(fault: str, claim: str, fmt: str) -> None:
    function, value = FAULTS[fault]
    calls = [value, Exact(function, 1)]
    assert verdict(claim, function, calls, fmt, int(claim == "taylor")).status == "fail"


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_classifier_names_declared_discontinuities(fmt: str) -> None:
    measured = outcome("fd-jump", "hardshrink", exact("hardshrink", 1), fmt).measured
    assert measured["classes"]["discontinuity"] == 2
    assert measured["classes"]["kink"] == measured["classes"]["noise"] == 0
    assert [row["jump"] for row in measured["kinks"].values()] == [0.5, 0.5]


def test_a_smooth_or_continuous_stand_in_is_called_what_it_looks_like() -> None:
    for value, looks in ((lambda x: np.maximum(x - 1, 0.0), "a kink"), (lambda x: 0 * x, "a kink")):
        call = replaced(Exact("threshold"), everywhere, value)
        outcome_ = outcome("fd-jump", "threshold", [call], "float32")
        text = " ".join(v.explanation for v in outcome_.violations)
        assert "the function has a discontinuity there" in text
        assert looks in text or "smooth" in text


def test_a_jump_below_the_resolution_of_the_format_is_not_judged() -> None:
    # log1p(e^-20) = 2.06e-9: 10^6 ulps of 20 in float64, a thousandth of one in float32.
    assert (
        outcome("fd-jump", "softplus_threshold", exact("softplus_threshold", 1), "float64").measured["classes"][
            "discontinuity"
        ]
        == 1
    )
    narrow = outcome("fd-jump", "softplus_threshold", exact("softplus_threshold", 1), "float32").measured["classes"]
    assert narrow["discontinuity"] == narrow["kink"] == 0
    assert narrow["undetermined"] >= 1


def test_a_step_that_ends_at_the_discontinuity_is_judged_from_both_sides() -> None:
    for bad in (0.25, 1.0):  # f(1) is 0: neither the mean nor the value of the right side
        calls = [answering(Exact("threshold"), {bits_of("bfloat16", 1.0): bits_of("bfloat16", bad)})]
        assert verdict("taylor", "threshold", [*calls, Exact("threshold", 1)], "bfloat16", 1).status == "fail"


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("function", "params"), LINEAR, ids=["huge", "tiny"])
def test_slopes_of_very_different_size_meet_at_a_kink(function: str, params: dict[str, Any], fmt: str) -> None:
    assert verdict("fd-jump", function, reference(function, params), fmt, params=params).status == "pass"


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("claim", "order"), [("taylor", 1), ("fd-jump", 0), ("underflow-noise", 1), ("saturation", 1)])
@pytest.mark.parametrize("function", ["log1p", "exp", "expm1"])
def test_the_end_of_a_domain_and_an_overflow_are_no_faults(function: str, claim: str, order: int, fmt: str) -> None:
    assert verdict(claim, function, reference(function), fmt, order).status == "pass"


@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("claim", "function", "order", "fault"),
    [
        ("taylor", "log1p", 1, lambda x: 1.5 / (1 + x)),
        ("taylor", "exp", 1, lambda x: 1.5 * np.exp(x)),
        ("underflow-noise", "exp", 1, lambda x: 1.5 * np.exp(x)),
        ("underflow-noise", "log1p", 1, lambda x: 1.5 / (1 + x)),
        ("fd-jump", "log1p", 0, lambda x: np.log1p(x) + 2 * np.maximum(x - 1, 0)),
        ("fd-jump", "exp", 0, lambda x: np.exp(x) + 8 * np.maximum(x + 1, 0)),
    ],
)
def test_inside_the_domain_and_below_the_overflow_faults_still_show(
    claim: str, function: str, order: int, fault: Any, fmt: str
) -> None:
    calls = exact(function, 2)
    calls[order] = replaced(calls[order], between(-0.99, 10), fault)
    assert verdict(claim, function, calls, fmt, order).status == "fail"


def test_a_product_that_overflows_where_none_is_due_fails() -> None:
    calls = [Exact("exp"), replaced(Exact("exp", 1), between(0.5, 3), lambda x: x * np.inf)]
    assert verdict("underflow-noise", "exp", calls, "float32", 1).status == "fail"


def test_a_function_may_cross_its_limit_before_it_settles() -> None:
    # hardswish' is 1 at 3/2, 3/2 just below 3 and 1 beyond.
    near = [bits_of("float64", v) for v in (1.5, np.nextafter(1.5, 2), np.nextafter(1.5, 1))]
    found = outcome("saturation", "hardswish", reference("hardswish"), "float64", 1, tuple(near))
    assert found.violations == []
    up = nudged(Exact("hardswish", 1), lambda x: x > 3, 20)
    assert verdict("saturation", "hardswish", [Exact("hardswish"), up], "float32", 1).status == "fail"


def test_a_limit_that_the_format_cannot_hold_is_skipped() -> None:
    found = outcome("saturation", "elu", reference("elu", {"alpha": 1e30}), "float16", 0, params={"alpha": 1e30})
    assert found.measured == {"left": {"skipped": "the format does not hold the limit"}}
    assert found.evidence.n == 0


def test_a_slope_beyond_the_format_may_be_infinite_at_the_kink() -> None:
    params = {"negative_slope": 1e30}
    calls = reference("leaky_relu", params)
    assert verdict("kink-convention", "leaky_relu", calls, "float16", 1, params=params).status == "pass"
    for wrong in (-np.inf, 0.5):
        calls[1] = answering(
            Exact("leaky_relu", 1, params),
            dict.fromkeys((0, 0x8000), int(fa.round_values(np.array([wrong]), get_format("float16"))[0])),
        )
        assert verdict("kink-convention", "leaky_relu", calls, "float16", 1, params=params).status == "fail"
