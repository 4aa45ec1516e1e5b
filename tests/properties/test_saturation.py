"""saturation, on faults of its own kind: too early, past the asymptote, turning back, never there."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
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
    exact,
    nudged,
    outcome,
    replaced,
    verdict,
)

FLOAT16 = get_format("float16")


def one(x: Any) -> Any:
    return 1 + 0 * x


def last_tanh_away_from_one(bound: float) -> float:
    """The largest float16 x at which returning 1 for tanh(x) exceeds ``bound`` in the mixed error."""
    for ordinal in range(FLOAT16.ordinal(bits_of("float16", 8)), 0, -1):
        x = FLOAT16.value(FLOAT16.from_ordinal(ordinal))
        with mpmath.workprec(100):
            y = mpmath.tanh(mpmath.mpf(x.numerator) / x.denominator)
            slope = float(1 - y * y)
            error = float(1 - y)
        if error / (2.0**-11 + slope * 2.0 ** FLOAT16.quantum_exponent(x)) > bound:
            return float(x)
    raise AssertionError("tanh is nowhere that far from 1")


def test_clamping_one_input_too_early_fails_and_one_later_does_not() -> None:
    x = last_tanh_away_from_one(2.0)
    after = float(FLOAT16.value(bits_of("float16", x) + 1))
    late = replaced(Exact("tanh"), between(after, 65504), one)
    assert verdict("saturation", "tanh", [late]).status == "pass"
    early = replaced(Exact("tanh"), between(x, 65504), one)
    cell = verdict("saturation", "tanh", [early])
    assert (cell.status, cell.severity) == ("fail", "lost-signal")
    assert cell.certificate is not None
    assert cell.certificate.cause == "early-saturation"
    assert float(cell.certificate.input.decimal) == x


@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("x", [32, 1024, 60160])
def test_one_ulp_past_the_asymptote_fails_however_far_out(fmt: str, x: int) -> None:
    # In float64 tanh(32) is 1: that a result lies past it cannot be told from the difference.
    past = bits_of(fmt, 1) + 1
    call = answering(Exact("tanh"), {bits_of(fmt, x): past})
    (found,) = outcome("saturation", "tanh", [call], fmt, witnesses=(bits_of(fmt, x),)).violations
    assert found.got.tolist() == [past]
    assert "past the limit" in found.explanation


PAST: dict[str, tuple[str, int, Call]] = {
    "the constant arm of hardtanh": ("hardtanh", 0, nudged(Exact("hardtanh"), between(2, 60000), 1)),
    "a positive gelu of a large negative input": ("gelu", 0, nudged(Exact("gelu"), between(-1000, -50), 1)),
    "a negative sigmoid": ("sigmoid", 0, nudged(Exact("sigmoid"), between(-60000, -2000), -1)),
    "a negative derivative of tanh": ("tanh", 1, nudged(Exact("tanh", 1), between(100, 60000), -1)),
    "a derivative of softplus above 1": ("softplus", 1, nudged(Exact("softplus", 1), between(50, 60000), 1)),
}


@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("fault", PAST)
def test_a_result_on_the_wrong_side_of_the_limit_is_of_the_wrong_class(fault: str, fmt: str) -> None:
    function, order, call = PAST[fault]
    calls = exact(function)
    calls[order] = call
    cell = verdict("saturation", function, calls, fmt, order)
    assert (cell.status, cell.severity) == ("fail", "wrong-class")
    assert "past the limit" in cell.reason


def rounded_sigmoid(x: Any) -> Any:
    """s (1 - s) of a sigmoid that was rounded first."""
    s = (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)
    return s * (1 - s)


LOST: dict[str, tuple[str, int, Call, str]] = {
    "s (1 - s)": ("sigmoid", 1, rounded_sigmoid, "lost-signal"),
    "1 - y^2": ("tanh", 1, lambda x: 1 - np.tanh(x.astype(np.float64)).astype(x.dtype) ** 2, "lost-signal"),
    "turning back": ("tanh", 0, replaced(Exact("tanh"), between(4, 5), lambda x: 0.97 * np.tanh(x)), "large-error"),
    "collapsing far out": ("tanh", 0, replaced(Exact("tanh"), between(1000, 1e30), lambda x: 0 * x), "large-error"),
    "another asymptote": (
        "sigmoid", 0, replaced(Exact("sigmoid"), between(6, 1e30), lambda x: 0.98 + 0 * x), "large-error",
    ),
    "NaN in the tail": (
        "elu", 1, replaced(Exact("elu", 1), between(-1e30, -1000), lambda x: x * np.nan), "wrong-class",
    ),
    "infinite in the tail": (
        "relu", 0, replaced(Exact("relu"), between(-1e30, -10), lambda x: x * np.inf), "large-error",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fmt", ["float32", "float16"])
@pytest.mark.parametrize("fault", LOST)
def test_a_tail_that_loses_its_way_fails(fault: str, fmt: str) -> None:
    function, order, call, severity = LOST[fault]
    calls = exact(function)
    calls[order] = call
    cell = verdict("saturation", function, calls, fmt, order)
    assert (cell.status, cell.severity) == ("fail", severity)


@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
def test_a_slide_away_from_the_limit_fails_however_gentle(fmt: str) -> None:
    # sigmoid should rise from 0.88 to 0.95 on [2, 3] and loses 0.03 instead, less than an ulp from float to float.
    call = replaced(Exact("sigmoid"), between(2, 3), lambda x: 0.881 - 0.03 * (x - 2))
    cell = verdict("saturation", "sigmoid", [call], fmt)
    assert cell.status == "fail"
    assert "turns back" in cell.reason
    assert verdict("saturation", "sigmoid", [Exact("sigmoid")], fmt).status == "pass"


def test_an_error_far_from_the_tail_is_left_to_accuracy() -> None:
    call = nudged(Exact("gelu"), between(-0.5, -0.25), 40)  # gelu falls until -0.75 and then rises to its limit
    cell = verdict("saturation", "gelu", [call])
    fmt = get_format("float16")
    wrong = fmt.round(Fraction(1, 2)) - fmt.round(Fraction(1, 4)) + 1
    assert (cell.status, cell.measured["left_to_accuracy"]) == ("pass", wrong)
    assert cell.magnitude is not None
    assert cell.magnitude < 1, "another claim's errors are not shown as this one's"
    assert verdict("accuracy", "gelu", [call]).status == "fail"


AT_THE_ROOT = {"lost": lambda x: 0 * x, "of the other sign": lambda x: 1e-4 + 0 * x}
"""What may stand for silu' about its root, -1.2784645; beyond it silu' reaches -0.0998 before it returns to 0."""


@pytest.mark.parametrize("fault", AT_THE_ROOT)
def test_an_error_beside_a_root_is_left_to_accuracy_whatever_is_tried_there(fault: str) -> None:
    calls = exact("silu")
    calls[1] = replaced(Exact("silu", 1), between(-1.2795, -1.2775), AT_THE_ROOT[fault])
    tried = tuple(bits_of("float32", x) for x in (-1.2790, -1.2785, -1.2784, -1.2780))
    found = outcome("saturation", "silu", calls, "float32", 1, witnesses=tried)
    assert (found.violations, found.measured["left_to_accuracy"] >= len(tried)) == ([], True)
    assert outcome("accuracy", "silu", calls, "float32", 1, witnesses=tried).violations
    calls[1] = replaced(Exact("silu", 1), between(-20, -19), AT_THE_ROOT[fault])
    assert outcome("saturation", "silu", calls, "float32", 1, witnesses=tried).violations


@pytest.mark.parametrize("fmt_name", ["float32", "float16", "bfloat16"])
def test_the_onset_is_where_the_last_half_ulp_below_one_is_used_up(fmt_name: str) -> None:
    fmt = get_format(fmt_name)
    with mpmath.workprec(200):
        # tanh rounds to 1 from 1 - 2^-(p+1) on, half of the spacing below 1.
        least = mpmath.atanh(1 - mpmath.mpf(2) ** -(fmt.precision + 1))
    near = fa.values(fa.from_ordinals(fmt.ordinal(bits_of(fmt_name, float(least))) + np.arange(-1, 2), fmt), fmt)
    onset = min(float(x) for x in near if x >= least)
    measured = verdict("saturation", "tanh", [Exact("tanh")], fmt_name).measured["right"]
    assert float(measured["oracle_onset"]) == float(measured["measured_onset"]) == onset
    assert measured["ordinals_apart"] == "0"
    assert measured["limit"] == "1.0"
