"""smooth-descent: faults of f' that one step of descent shows, losses whose flat direction moves, and right ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradproof.backends.numpy.space import NumpySpace
from gradproof.engine.request.selection import Selection
from gradproof.engine.subject.probe import Probe
from gradproof.formats import Format, get_format
from gradproof_properties.networks import flat_direction
from gradproof_properties.networks.smooth_descent import PULLS, RATES, SmoothDescent, Steps
from tests.properties.stubs import Offer
from tests.properties.subjects import (
    Call,
    Exact,
    between,
    everywhere,
    exact,
    outcome,
    reference,
    replaced,
    task,
    verdict,
)

CLAIM = "smooth-descent"
FORMATS = ("float64", "float32", "float16", "bfloat16")


def judge(function: str, calls: list[Call], fmt: str, **more: Any) -> Any:
    return verdict(CLAIM, function, calls, fmt, 1, **more)


# -- faults of f' ------------------------------------------------------------------------------------------


def logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def silu_prime(x: Any) -> Any:
    return logistic(x) * (1 + x * (1 - logistic(x)))


def stepped(x: Any) -> Any:
    """silu' in steps of 1/4: right at one point in each, and no L bounds its jumps."""
    return silu_prime(np.floor(x * 4) / 4)


FAULTS: dict[str, tuple[str, Call]] = {
    "no jump": ("relu", replaced(Exact("relu", 1), everywhere, lambda x: 0 * x + 0.5)),
    "half the jump": ("abs", replaced(Exact("abs", 1), lambda x: x < 0, lambda x: 0 * x)),
    "a jump that is smoothed": ("relu", replaced(Exact("relu", 1), everywhere, lambda x: logistic(4 * x))),
    "a jump at 1/4": ("relu", replaced(Exact("relu", 1), between(0, 0.25), lambda x: 0 * x)),
    "a jump the wrong way": ("leaky_relu", replaced(Exact("leaky_relu", 1), everywhere, lambda x: (x < 0) * 1.0)),
    "a second jump": ("hardtanh", replaced(Exact("hardtanh", 1), between(-0.5, 0.5), lambda x: 0 * x)),
    "steps in a smooth derivative": ("silu", replaced(Exact("silu", 1), everywhere, stepped)),
    "a gap in a smooth derivative": ("tanh", replaced(Exact("tanh", 1), lambda x: x > 1, lambda x: 0 * x)),
    "the slope of alpha 2": ("elu", replaced(Exact("elu", 1), lambda x: x < 0, lambda x: 2 * np.exp(x))),
    "three times the gradient": ("tanh", replaced(Exact("tanh", 1), everywhere, lambda x: 3 / np.cosh(x) ** 2)),
    "NaN from 2 on": ("silu", replaced(Exact("silu", 1), lambda x: x > 2, lambda x: x * np.nan)),
    "infinite from 2 on": ("silu", replaced(Exact("silu", 1), lambda x: x > 2, lambda x: x * np.inf)),
}


@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_derivative_fails(fault: str, fmt: str) -> None:
    function, slope = FAULTS[fault]
    cell = judge(function, [Exact(function), slope], fmt)
    assert cell.status == "fail"
    assert (cell.severity == "wrong-class") == ("NaN" in fault or "infinite" in fault)
    assert cell.certificate is not None


@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
def test_a_loss_that_does_not_fall_fails(fmt: str) -> None:
    # The gradient is right; the loss has a step of 1 in it, up or down, that no parabola explains.
    value = replaced(Exact("softplus"), lambda x: np.abs(x) > 1, lambda x: np.logaddexp(0, x) - 1)
    cell = judge("softplus", [value, Exact("softplus", 1)], fmt)
    assert cell.status == "fail"
    assert "above the tangent" in str(cell.certificate)


@pytest.mark.parametrize(("error", "status"), [(2.0**-21, "pass"), (2.0**-18, "fail")])
def test_errors_that_training_does_not_feel_are_left_to_accuracy(error: float, status: str) -> None:
    # float32: training allows tanh' 8 2^-24 = 2^-21 at either end of a step.
    slope = replaced(Exact("tanh", 1), lambda x: x > 7.5, lambda x: 1 / np.cosh(x) ** 2 + error)
    assert judge("tanh", [Exact("tanh"), slope], "float32").status == status


# -- faults of a backend -----------------------------------------------------------------------------------


def stub(offer: Offer, name: str, matmul: Callable[[Any, Any], Any]) -> str:
    """A backend like NumPy's whose products are ``matmul``'s."""

    class Space(NumpySpace):
        def matmul(self, a: Any, b: Any) -> Any:
            return matmul(a, b).astype(a.dtype)

    @contextmanager
    def space(self: Any, fmt: Format, threads: int | None = 1) -> Iterator[Any]:
        yield Space(self.numpy, fmt, np.dtype(fmt.name))

    return offer(name, space=space)


def with_decay(a: Any, b: Any) -> Any:
    """What a forgotten weight decay makes of the gradient."""
    return a @ b + b * b.dtype.type(2.0**-6)


def coarse(a: Any, b: Any) -> Any:
    """Factors cut to half their bits."""
    return a @ (b.astype(np.float32).view(np.uint32) >> 14 << 14).astype(np.uint32).view(np.float32)


def crosstalk(a: Any, b: Any) -> Any:
    """Rows that leak into each other, on the axes alone."""
    return a @ b + (b[::-1] * b.dtype.type(2.0**-10) if a[0, 1] == 0 else 0 * b)


def unlike(a: Any, b: Any) -> Any:
    """Another off-diagonal element than asked for, which only the diagonal direction can see."""
    return a @ b * (1 if a[0, 1] == 0 else 1.125)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (with_decay, "which the loss does not depend on"),
        (crosstalk, "which the loss does not depend on"),
        (coarse, "is due"),
        (unlike, "flat along u - v"),
    ],
)
def test_a_flat_direction_that_moves_fails(fault: Callable[[Any, Any], Any], text: str, offer: Offer) -> None:
    cell = judge("relu", exact("relu", 2), "float32", backend=stub(offer, fault.__name__, fault))
    assert cell.status == "fail"
    assert text in str(cell.certificate)


def test_without_programs_the_flat_direction_is_said_not_to_be_offered(offer: Offer) -> None:
    with_programs, without = (
        outcome(CLAIM, "relu", exact("relu", 2), "float32", 1, backend=backend)
        for backend in (stub(offer, "plain", lambda a, b: a @ b), offer("no-programs"))
    )
    assert without.measured["flat_direction"] == "not offered"
    assert all(row["judged"] > 0 for row in with_programs.measured["flat_direction"].values())
    assert without.evidence.n == with_programs.evidence.n  # the functions of a format share the quadratics


def test_a_stub_without_a_fault_passes(offer: Offer) -> None:
    assert judge("relu", exact("relu", 2), "float32", backend=stub(offer, "plain", lambda a, b: a @ b)).status == "pass"


@pytest.mark.parametrize("fmt", FORMATS)
def test_u_follows_its_power_and_v_keeps_its_bits(fmt: str) -> None:
    form = get_format(fmt)
    trials = {t.name: t for t in flat_direction.descend("numpy:cpu", fmt, 7)}
    assert len(trials) == len(flat_direction.RATES) + 1
    assert all(t.error is None and t.judged > 0 for t in trials.values())
    assert trials["eta a = 1"].after["largest_u"] == 0
    assert trials["eta a = 2"].after["largest_u"] >= 1
    halved = trials["eta a = 0.5"].after["largest_u"] * 2**flat_direction.STEPS
    assert 1 <= halved <= 4
    assert trials["eta a = 2.5"].after["largest_u"] == pytest.approx(
        trials["eta a = 2"].after["largest_u"] * 1.5**flat_direction.STEPS, rel=40 * 2.0**-form.precision
    )


@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
@pytest.mark.parametrize("rate", flat_direction.RATES)
def test_the_roundings_of_a_correctly_rounded_descent_are_within_their_count(rate: Fraction, fmt: str) -> None:
    form = get_format(fmt)
    u = form.round(Fraction(1618, 1000))
    row, wrong = [u], list[int]()
    for _ in range(flat_direction.STEPS):
        step = form.value(form.round(rate * form.value(row[-1])))
        row.append(form.round(form.value(row[-1]) - step))
    assert flat_direction._first_wrong(rate, row, form) is None
    wrong = [*row[:3], form.from_ordinal(form.ordinal(row[3]) + 40), *row[4:]]
    assert flat_direction._first_wrong(rate, wrong, form) is not None


# -- what the steps are held to ----------------------------------------------------------------------------


def steps_of(function: str, fmt: str, calls: list[Call] | None = None, **params: Any) -> Steps:
    selection = Selection(profile="quick", jobs=0, use_ledger=False)
    made = calls or exact(function, 2, params)
    return Steps.taken(Probe(task(CLAIM, function, made, fmt, 1, params), selection))


@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
def test_steps_go_down_their_own_loss(fmt: str) -> None:
    steps = steps_of("silu", fmt)
    due = steps.x0 - steps.rate * (silu_prime(steps.x0) + steps.pull)
    assert np.allclose(steps.x1, due, rtol=0, atol=32 * 2.0 ** -get_format(fmt).precision)
    assert set(zip(steps.rate, steps.pull, strict=True)) == {(r, p) for r in RATES for p in PULLS}


@pytest.mark.parametrize(
    ("function", "jump"), [("relu", 1), ("abs", 2), ("leaky_relu", 0.99), ("prelu", 0.75), ("elu", 0)]
)
def test_the_jump_that_is_due_follows_the_direction_of_the_step(function: str, jump: float) -> None:
    steps = steps_of(function, "float32")
    right = steps.across & (steps.x1 > steps.x0) & (np.abs(steps.x0) < 0.4) & (np.abs(steps.x1) < 0.4)
    left = steps.across & (steps.x1 < steps.x0) & (np.abs(steps.x0) < 0.4) & (np.abs(steps.x1) < 0.4)
    assert right.any()
    assert left.any()
    assert np.allclose(steps.jump[right], jump)
    assert np.allclose(steps.jump[left], -jump)


def test_a_step_across_two_kinks_makes_both_jumps() -> None:
    # hardshrink' falls from 1 to 0 at -lambd and rises back to 1 at lambd.
    steps = steps_of("hardshrink", "float32", lambd=0.125)
    both = (steps.x0 < -0.125) & (steps.x1 > 0.125)
    inside = (steps.x0 < -0.125) & (np.abs(steps.x1) < 0.125)
    assert both.any()
    assert inside.any()
    assert np.all(steps.jump[both] == 0)
    assert np.all(steps.jump[inside] == -1)


@pytest.mark.parametrize("function", ["relu", "tanh", "hardswish"])
def test_the_steps_leave_no_gap_between_minus_7_and_7(function: str) -> None:
    # hardswish' reaches 3/2, where steps to the right are shortest.
    steps = steps_of(function, "float32")
    edges = np.sort(np.unique(np.concatenate([steps.x0, steps.x1])))
    middles = (edges[1:] + edges[:-1]) / 2
    low, high = np.minimum(steps.x0, steps.x1), np.maximum(steps.x0, steps.x1)
    short = (high - low <= 0.5) & steps.known
    covered = ((low[short] <= middles[:, None]) & (middles[:, None] <= high[short])).any(axis=1)
    assert np.all(covered[np.abs(middles) < 7])


def test_l_times_the_step_is_an_upper_bound_and_not_much_more() -> None:
    steps = steps_of("tanh", "float64")
    exact_change = np.abs(1 / np.cosh(steps.x1) ** 2 - 1 / np.cosh(steps.x0) ** 2)
    short = steps.known & (np.abs(steps.x1 - steps.x0) > 0)
    assert np.all(exact_change[short] <= steps.smooth[short] * (1 + 2.0**-30) + 2.0**-50)
    grid = np.linspace(steps.x0[short], steps.x1[short], 201)
    steepest = np.abs(2 * np.tanh(grid) / np.cosh(grid) ** 2).max(axis=0)
    moved = np.abs(steps.x1 - steps.x0)[short]
    small = moved < 0.25
    assert np.all(steps.smooth[short][small] <= 1.5 * steepest[small] * moved[small] + 1e-3 * moved[small])


def test_a_step_that_ends_on_a_kink_is_a_convention_and_not_judged() -> None:
    steps = steps_of("relu", "float32")
    assert not np.any(steps.known & ((steps.x0 == 0) | (steps.x1 == 0)))


# -- right ones --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["relu", "abs", "elu", "gelu", "hardshrink", "log1p", "exp"])
def test_correctly_rounded_derivatives_pass(function: str, fmt: str) -> None:
    cell = judge(function, exact(function, 2), fmt)
    assert cell.status == "pass", cell.reason


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(
    ("function", "params"),
    [
        ("leaky_relu", {"negative_slope": -0.5}),
        ("elu", {"alpha": 2.0}),
        ("softshrink", {"lambd": 0.3}),
        ("threshold", {"threshold": 0.1, "value": -3.0}),
        ("clamp", {"min": -0.01, "max": 0.02}),
        ("softplus_threshold", {}),
        ("hardswish", {}),
        ("squareplus", {}),
    ],
)
def test_reference_implementations_pass(function: str, params: dict[str, Any], fmt: str) -> None:
    cell = judge(function, reference(function, params), fmt, params=params)
    assert cell.status == "pass", cell.reason


def test_without_a_derivative_there_is_no_verdict() -> None:
    assert judge("silu", [Exact("silu")], "float16").status == "unsupported"


# -- what is measured --------------------------------------------------------------------------------------


def test_jumps_are_told_from_curvature_in_every_format() -> None:
    for fmt in FORMATS:
        measured = outcome(CLAIM, "relu", exact("relu", 2), fmt, 1).measured
        assert measured["steps_at_which_the_jump_is_beyond_doubt"] == measured["steps_across_a_kink"] > 20


def test_descent_settles_in_a_smooth_valley_and_not_in_a_kink() -> None:
    default = Selection(profile="default", jobs=0, use_ledger=False)

    def settling(function: str) -> dict[str, Any]:
        probe = Probe(task(CLAIM, function, exact(function, 2), "float32", 1), default)
        row: dict[str, Any] = SmoothDescent().check(probe, 1).measured["settling"][-1]
        return row

    assert settling("abs")["last_step"] == settling("abs")["rate"] == 0.5
    smooth = settling("hardswish")
    # f'' is 1/3 at the minimum: each step is 5/6 of the one before.
    assert smooth["last_step"] / smooth["first_step"] == pytest.approx((5 / 6) ** 15, rel=1e-3)
