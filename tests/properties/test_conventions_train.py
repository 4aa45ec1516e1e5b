"""conventions-train: choices that leak, that are ignored, answers that change between calls, and right functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import count
from typing import Any

import numpy as np
import pytest

from gradproof.backends.numpy.space import NumpySpace
from gradproof.engine.properties.installed import properties
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.functions import get_function
from gradproof_properties.networks import trajectories
from gradproof_properties.networks.conventions_train import _kinks
from gradproof_properties.networks.forced_step import Forced
from gradproof_properties.networks.trajectories import (
    HIDDEN,
    INPUTS,
    ROWS,
    KinkChoice,
    Network,
    Training,
    TrainingRun,
    beside,
    draw,
    hits,
)
from gradproof_properties.networks.two_layer import two_layer
from tests.properties.stubs import Offer
from tests.properties.subjects import QUICK, Call, exact, outcome, reference, task, verdict

CLAIM = "conventions-train"
FORMATS = ("float64", "float32", "float16", "bfloat16")
DTYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16}


def judged(function: str, calls: list[Call], fmt: str = "float32", **more: Any) -> Any:
    return verdict(CLAIM, function, calls, fmt, 1, **more)


def spaces(kind: Callable[..., NumpySpace]) -> Any:
    """A backend's ``space`` that yields ``kind``, made anew for each block."""

    @contextmanager
    def space(self: Any, fmt: Format, threads: int | None = 1) -> Iterator[NumpySpace]:
        yield kind(self.numpy, fmt, np.dtype(DTYPES[fmt.name]))

    return space


# -- faults of the choice itself ------------------------------------------------------------------------


class Wide(NumpySpace):
    """Takes everything near the kink for the kink."""

    reach = 0.1

    def derivative(self, implementation: Any, x: Any, order: int = 1) -> Any:
        self.seen = x
        return super().derivative(implementation, x, order)

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return np.where(np.abs(self.seen) < self.reach, a, b)


class Close(Wide):
    """Takes what is next to the kink for the kink."""

    reach = 2.0**-14


class Ignorant(NumpySpace):
    """Never asks what was chosen."""

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return b


class Halving(NumpySpace):
    """Scales the chosen slope down."""

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return np.where(condition, a * a.dtype.type(0.5), b)


class Deaf(NumpySpace):
    """Chooses for every second unit only."""

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        chosen = np.array(condition)
        chosen[:, ::2] = False
        return np.where(chosen, a, b)


class Unbalanced(NumpySpace):
    """Products that are never exactly 0."""

    def matmul(self, a: Any, b: Any) -> Any:
        return super().matmul(a, b) + a.dtype.type(2.0**-14)


class Careless(NumpySpace):
    """Square roots that come out differently from call to call."""

    calls = count()

    def sqrt(self, a: Any) -> Any:
        return np.sqrt(a) * a.dtype.type(1 + 2.0**-5 * (next(self.calls) % 2))


class Rateless(NumpySpace):
    """Loses the learning rate of gradient descent and momentum."""

    def number(self, value: float) -> Any:
        return super().number(0.0 if value == 1e-2 else value)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Wide, "gradient descent, step 1: the gradient depends on the convention although no pre-activation"),
        (Close, "just beside the kink, step 1: the gradient depends on the convention although no pre-activation"),
        (Ignorant, "the difference of a bias weight's gradients"),
        (Halving, "the difference of a bias weight's gradients"),
        (Deaf, "the difference of a bias weight's gradients"),
        (Unbalanced, "give another pre-activation"),
        (Careless, "part in a parameter whose gradient is the same"),
        (Careless, "adam, step 1: a parameter depends on the convention although all gradients have been the same"),
        (Rateless, "do not part where two ulps or more are due"),
    ],
)
@pytest.mark.parametrize("fmt", ["float32", "float16"])
def test_a_wrong_way_of_choosing_fails(kind: Any, says: str, fmt: str, offer: Offer) -> None:
    backend = offer(kind.__name__.lower(), space=spaces(kind))
    probe = Probe(task(CLAIM, "relu", exact("relu", 2), fmt, 1, backend=backend), QUICK)
    found = properties()[CLAIM].check(probe, 1).violations
    assert any(says in one.explanation for one in found), [one.explanation for one in found]


def test_the_same_space_without_a_fault_passes(offer: Offer) -> None:
    backend = offer("plain", space=spaces(NumpySpace))
    assert judged("relu", exact("relu", 2), backend=backend).status == "pass"
    backend = offer("ignorant", space=spaces(Ignorant))
    assert judged("relu", exact("relu", 2), backend=backend).status == "fail"


@pytest.mark.parametrize(("what", "wrong"), [("z", True), ("E", True), ("the gradient", False)])
def test_after_a_hit_the_choice_explains_a_difference_of_the_gradient_alone(what: str, wrong: bool) -> None:
    probe = Probe(task(CLAIM, "relu", exact("relu", 2), "float32", 1), QUICK)
    choices = [KinkChoice(Fraction(0), slope) for slope in (0, probe.format.round(Fraction(1)))]
    with probe.space() as space:
        training = Training(probe, space, Network(probe, space), choices)
        data = draw(np.random.default_rng(1), probe.format, Fraction(0), zero_rows=ROWS)
        first = training.network.gradient(data, data.start, choices[0])  # every pre-activation is 0
        second = [part.copy() for part in first]
        second[("E", "the gradient", "z").index(what)][...] += 1
        run = TrainingRun()
        training._compare(0, run, [data.start] * 2, [first, tuple(second)])
    assert (run.first_hit, run.parted_at) == (0, 0)
    assert (run.unexplained is not None) is wrong


def test_gradients_that_rules_share_count_once() -> None:
    probe = Probe(task(CLAIM, "relu", exact("relu", 2), "float32", 1), QUICK)
    choices = [KinkChoice(Fraction(0), slope) for slope in (0, probe.format.round(Fraction(1)))]
    with probe.space() as space:
        runs = Training(probe, space, Network(probe, space), choices).run(
            draw(np.random.default_rng(1), probe.format, None), 3
        )
    assert all(run.first_hit is None and run.steps == 3 for run in runs.values())
    # One gradient in the first step, five in the second, since momentum starts as gradient descent does, then six; the
    # parameters of six rules after each.
    assert sum(run.judged for run in runs.values()) == 1 + 5 + 6 + 3 * 6


def test_a_training_that_is_cut_short_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cut_short" not in outcome(CLAIM, "relu", exact("relu", 2), "float32", 1).measured["natural"]["adam"]
    monkeypatch.setattr(trajectories, "PATIENCE", 0.0)
    row = outcome(CLAIM, "relu", exact("relu", 2), "float32", 1).measured["natural"]["adam"]
    assert (row["steps"], row["cut_short"]) == (1, True)


def test_another_pre_activation_is_certified_by_what_came_back(offer: Offer) -> None:
    backend = offer("unbalanced", space=spaces(Unbalanced))
    found = outcome(CLAIM, "relu", exact("relu", 2), "float32", 1, backend=backend).violations
    (shifted,) = (one for one in found if one.explanation.startswith("zero inputs and a bias of 0 "))
    assert not shifted.bits.any()
    assert (shifted.got.view(np.float32) != 0).all()


# -- faults of implementations --------------------------------------------------------------------------


def changing(call: Call, period: int, factor: float) -> Call:
    """``call`` whose every ``period``-th answer is scaled."""
    calls = count(1)

    def other(x: Any) -> Any:
        y = call(x)
        return y * y.dtype.type(factor) if next(calls) % period == 0 else y

    return other


@pytest.mark.parametrize("fmt", ["float64", "float32", "float16"])
@pytest.mark.parametrize("factor", [1 + 2.0**-8, float("nan")])
def test_a_derivative_that_changes_between_calls_fails(factor: float, fmt: str) -> None:
    value, slope = exact("leaky_relu", 2)
    cell = judged("leaky_relu", [value, changing(slope, 5, factor)], fmt)
    assert cell.status == "fail"
    assert cell.severity == ("wrong-class" if np.isnan(factor) else "wrong-branch")


def test_a_value_that_changes_between_calls_is_told_apart_from_the_choice() -> None:
    value, slope = exact("abs", 2)
    found = outcome(CLAIM, "abs", [changing(value, 2, 1.25), slope], "float32", 1).violations
    assert any("although f' does not enter it" in one.explanation for one in found)
    assert any("one and the same convention gives two answers" in one.explanation for one in found)


def test_a_value_at_the_kink_far_from_the_oracle_changes_the_cotangent() -> None:
    # relu6(6) = 5: the residuals of the forced step, and with them the difference due, are others.
    value, slope = exact("relu6", 2)
    lowered: Call = lambda x: np.where(x == 6, 5, value(x)).astype(x.dtype)  # noqa: E731
    assert judged("relu6", [lowered, slope]).status == "fail"
    assert judged("relu6", [value, slope]).status == "pass"


@pytest.mark.parametrize("slope_at_kink", [0.0, 1.0, 0.5, 7.0, float("nan")])
def test_the_implementations_own_choice_is_measured_and_never_fails(slope_at_kink: float) -> None:
    value, slope = exact("relu", 2)
    own: Call = lambda x: np.where(x == 0, slope_at_kink, slope(x)).astype(x.dtype)  # noqa: E731
    assert judged("relu", [value, own]).status == "pass"
    native = outcome(CLAIM, "relu", [value, own], "float32", 1).measured["kinks"]["0"]["native"]
    names = {0.0: "left", 0.5: "mean", 1.0: "right", 7.0: "7"}
    assert native == names.get(slope_at_kink, "not a number")


def test_without_a_derivative_there_is_no_verdict() -> None:
    assert judged("relu", exact("relu", 1)).status == "unsupported"


# -- right implementations ------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["relu", "relu6", "abs", "selu", "softshrink", "hardswish"])
def test_right_implementations_pass(function: str, fmt: str) -> None:
    assert judged(function, reference(function), fmt).status == "pass"
    assert judged(function, exact(function, 2, side="right"), fmt).status == "pass"


@pytest.mark.parametrize(
    ("function", "params", "applies"),
    [
        ("relu", {}, True),
        ("elu", {"alpha": 2.0}, True),
        ("elu", {"alpha": 1.0}, False),  # its slopes meet at 0
        ("hardshrink", {}, False),  # it jumps itself
        ("gelu", {}, False),
        ("hardtanh", {}, True),
    ],
)
def test_it_applies_where_a_continuous_function_has_a_kink(
    function: str, params: dict[str, Any], applies: bool
) -> None:
    assert properties()[CLAIM].applies(get_function(function, params), 1) is applies


# -- what is measured -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS)
def test_zero_input_and_zero_bias_part_the_trajectories_at_once_and_a_maximum_with_e_does_not(fmt: str) -> None:
    measured = outcome(CLAIM, "relu", exact("relu", 2), fmt, 1).measured
    assert measured["kinks"]["0"] == {"conventions": [0.0, 0.5, 1.0], "native": "left"}
    for row in measured["forced"].values():
        assert (row["first_hit"], row["parted_at"]) == (1, 1)
        assert row["apart"] > 0
    for row in measured["max(e, x)"]["zero input and bias"].values():
        assert (row["first_hit"], row["parted_at"], row["apart"]) == (None, None, 0.0)
        assert row["loss"]["left"] == row["loss"]["right"]
    assert list(measured["natural"]) == [
        "gradient descent", "momentum", "adam", "rmsprop", "adadelta", "adagrad",
    ]  # fmt: skip


def test_runs_repeat() -> None:
    first, second = (outcome(CLAIM, "selu", reference("selu"), "bfloat16", 1).measured for _ in range(2))
    assert first == second


def test_hits_are_exact_and_include_subnormal_numbers_where_they_are_read_as_zero() -> None:
    fmt = get_format("float32")
    z = np.array([0, fmt.sign_bit, 1, fmt.min_normal_bits, fmt.round(Fraction(1))], fa.storage(fmt))
    at_zero, at_one = KinkChoice(Fraction(0), 0), KinkChoice(Fraction(0), 0, Fraction(1))
    assert hits(z, at_zero, fmt, zeros_inputs=False).tolist() == [True, True, False, False, False]
    assert hits(z, at_zero, fmt, zeros_inputs=True).tolist() == [True, True, True, False, False]
    assert hits(z, at_one, fmt, zeros_inputs=True).tolist() == [False] * 4 + [True]


@pytest.mark.parametrize("flushes", [False, True])
@pytest.mark.parametrize("kink", [0, 1, -3, 0.5])
@pytest.mark.parametrize("fmt", FORMATS)
def test_beside_a_kink_means_close_on_both_sides_and_never_at_it(fmt: str, kink: float, flushes: bool) -> None:
    known = get_format(fmt)
    z = beside(Fraction(kink), known, flushes=flushes)
    values = fa.values(z, known)
    assert len(set(values)) == HIDDEN
    assert (values < kink).sum() == (values > kink).sum() == HIDDEN // 2
    assert np.abs(values - kink).max() <= 0.5 * max(1, abs(kink))
    assert not hits(z, KinkChoice(Fraction(kink), 0), known, zeros_inputs=flushes).any()
    assert hits(z, KinkChoice(Fraction(kink), 0), known, zeros_inputs=True).any() == (kink == 0 and not flushes)


# -- the prediction, by another route -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "f", "shift"),
    [
        ("relu", lambda z: np.maximum(z, 0), 0),
        ("relu", lambda z: np.maximum(z, 2.0**-10), Fraction(1, 1 << 10)),
        ("relu6", lambda z: np.clip(z, 0, 6), 0),
        ("softshrink", lambda z: np.sign(z) * np.maximum(np.abs(z) - 0.5, 0), 0),
        ("abs", np.abs, 0),
    ],
)
def test_the_predicted_difference_is_that_of_one_sided_differences_of_the_error(
    function: str, f: Any, shift: Any
) -> None:
    # f' = left and f' = right in the whole batch are the one-sided derivatives of E by a bias weight.
    spec = get_function(function)
    probe = Probe(task(CLAIM, function, exact(function, 2), "float64", 1), QUICK)
    for kink in _kinks(probe):
        data = draw(np.random.default_rng(3), probe.format, kink.at + shift, zero_rows=ROWS)
        x, t, start = (fa.values(a, probe.format) for a in (data.x, data.t, data.start))
        forced = Forced(probe, kink, Fraction(shift), data)

        def error(unit: int, step: float, x: Any = x, t: Any = t, start: Any = start) -> Any:
            w = start[:-1].copy()
            w[INPUTS, unit] += step
            return ((f(x @ w) @ start[-1:].T - t) ** 2).sum()

        h = 2.0**-16
        for unit in range(HIDDEN):
            left = (error(unit, 0) - error(unit, -h)) / h
            right = (error(unit, h) - error(unit, 0)) / h
            due = float(forced.difference(0, unit)[0] + forced.difference(1, unit)[0])
            assert left - right == pytest.approx(due, rel=1e-3, abs=1e-3)
            assert abs(due) > 0.01
    assert len(_kinks(probe)) == len(set(spec.kinks))


# -- the frameworks' AD ---------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_a_frameworks_own_relu_passes_and_its_choice_is_seen(framework: str) -> None:
    pytest.importorskip(framework)
    from gradproof.backends import get_backend

    backend = get_backend(f"{framework}:cpu")
    # relu'(0) = 0 by definition in both; torch.maximum splits the cotangent between equal arguments. JAX compiles anew
    # for each function and format, which takes long.
    due = [("relu", "float32", "left")]
    if framework == "torch":
        due += [("relu", "bfloat16", "left"), ("maximum0", "float32", "mean")]
    for function, fmt, native in due:
        implementation = next(i for i in backend.catalogue() if i.function == function)
        probe = Probe(Task(get_function(function), implementation, backend.id, "eager", fmt, 1, CLAIM), QUICK)
        found = properties()[CLAIM].check(probe, 1)
        assert found.violations == []
        assert found.measured["kinks"]["0"]["native"] == native


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_no_choice_means_the_gradients_of_the_plain_network(framework: str) -> None:
    pytest.importorskip(framework)
    from gradproof.backends import get_backend

    backend = get_backend(f"{framework}:cpu")
    implementation = next(i for i in backend.catalogue() if i.function == "leaky_relu")
    function = get_function("leaky_relu", implementation.params)
    probe = Probe(Task(function, implementation, backend.id, "eager", "float32", 1, CLAIM), QUICK)
    data = draw(np.random.default_rng(5), probe.format, Fraction(0), zero_rows=3)
    with probe.space() as space:
        _, gradient, _ = Network(probe, space).gradient(data, data.start, KinkChoice(Fraction(0), None))
        network = two_layer(space, implementation, space.array(data.x), space.array(data.t))
        weights = [space.array(data.start[:-1]), space.array(data.start[-1:].T)]
        of_w, of_v = space.gradients(network.program, weights)[1]
        due = np.concatenate([space.bits(of_w), space.bits(of_v).T]).view(np.float32)
    np.testing.assert_allclose(gradient.view(np.float32), due, rtol=1e-6, atol=1e-6)
    assert len(set(due[INPUTS])) == HIDDEN


def test_torch_ad_that_changes_between_calls_fails() -> None:
    torch = pytest.importorskip("torch")
    calls = count()

    class Moody(torch.autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.clamp_min(0)

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            (x,) = ctx.saved_tensors
            return cotangent * (x > 0) * (1 + 0.125 * (next(calls) % 3))

    cell = verdict(CLAIM, "relu", [Moody.apply], "float32", 1, backend="torch:cpu")
    assert (cell.status, cell.severity) == ("fail", "wrong-branch")
