"""second-order, on derivatives handed in wrong, on right ones, and its exact Hessians against mpmath's differences."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.backends import get_backend
from gradproof.engine.subject.probe import Probe
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof_properties.networks.hessian_studies import HessianResult, NetworkStudy, UnitStudy
from gradproof_properties.networks.hessians import jets, networks
from gradproof_properties.networks.two_layer import two_layer
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
    task,
    verdict,
)

FORMATS = ("float64", "float32", "float16", "bfloat16")
CLAIM = "second-order"


def wrong(function: str, order: int, by: Callable[[Any], Any], low: float = -1e9, high: float = 1e9) -> list[Call]:
    """f, f', f'' with one of them replaced on [low, high]."""
    calls = exact(function)
    calls[order] = replaced(calls[order], between(low, high), by)
    return calls


FAULTS: dict[str, tuple[str, list[Call], str]] = {
    "f'' of another function": ("tanh", [*exact("tanh", 2), Exact("sigmoid", 2)], "error"),
    "f'' forgotten": ("gelu", wrong("gelu", 2, lambda x: 0 * x), "error"),
    "f'' of the wrong sign": ("silu", [*exact("silu", 2), lambda x: -Exact("silu", 2)(x)], "error"),
    "f'' NaN around 1": ("softplus", wrong("softplus", 2, lambda x: x * np.nan, 0.5, 1.5), "wrong-class"),
    "f' one half too large": ("elu", wrong("elu", 1, lambda x: 1.5 + 0 * x, 0, 9), "error"),
    "a unit that dies at 1": ("relu", wrong("relu", 1, lambda x: 0 * x, 1, 9), "lost-signal"),
    "all units dead": ("relu", wrong("relu", 1, lambda x: 0 * x), "lost-signal"),
    "a guard added to f''": ("relu", wrong("relu", 2, lambda x: 2.0**-14 + 0 * x), "wrong-class"),
    "f'' of a smoothed kink": ("relu", wrong("relu", 2, lambda x: 2 - 4 * abs(x), -0.5, 0.5), "wrong-class"),
}


@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_derivative_fails(fault: str, fmt: str) -> None:
    function, calls, severity = FAULTS[fault]
    cell = verdict(CLAIM, function, calls, fmt, 2)
    assert cell.status == "fail"
    assert cell.severity is not None
    assert cell.severity.endswith(severity), cell.reason  # a small or a large error, by the format


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["relu", "leaky_relu", "hardswish", "elu", "gelu", "tanh", "log1p", "hardshrink"])
def test_correctly_rounded_derivatives_pass(function: str, fmt: str) -> None:
    assert verdict(CLAIM, function, exact(function), fmt, 2).status == "pass"


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["prelu", "relu6", "softshrink", "selu", "mish", "softsign", "squareplus", "erf"])
def test_the_reference_implementations_pass(function: str, fmt: str) -> None:
    assert verdict(CLAIM, function, reference(function), fmt, 2).status == "pass"


@pytest.mark.parametrize(("ulps", "status"), [(2, "pass"), (4096, "fail")])
def test_a_second_derivative_has_the_room_of_the_contract_and_of_the_roundings(ulps: int, status: str) -> None:
    calls = [*exact("silu", 2), nudged(Exact("silu", 2), everywhere, ulps)]
    assert verdict(CLAIM, "silu", calls, "float32", 2).status == status


def test_newtons_step_on_a_linear_piece_that_is_a_number_is_a_lie() -> None:
    found = outcome(CLAIM, "relu", wrong("relu", 2, lambda x: 2.0**-14 + 0 * x), "float16", 2)
    (lie,) = (v for v in found.violations if "Newton" in v.explanation)
    # f'/f'' = 2^14 for x > 0 and 0 for x < 0: at every finite input but 0.
    assert len(lie) == 2 * 0x7BFF
    assert "is 16384, where there is none" in lie.explanation or "is 0, where there is none" in lie.explanation


def test_relu_has_no_newton_step_anywhere_and_no_second_derivative_terms() -> None:
    found = outcome(CLAIM, "relu", exact("relu"), "float16", 2)
    # f' = 1 on the right: infinite; f' = 0 on the left: 0/0.
    assert found.measured["newton"] == {"infinite": 0x7BFF, "nan": 0x7BFF}
    figures = found.measured["by hand"]
    assert figures["second_derivative_terms_due"] == 0
    assert 0 < figures["cross_terms_got"] == figures["cross_terms_due"]
    assert -1 <= figures["rmsprop_rank_correlation"] <= 1
    smooth = outcome(CLAIM, "tanh", exact("tanh"), "float16", 2).measured["by hand"]
    assert smooth["second_derivative_terms_due"] > 0.01


def test_without_a_second_derivative_there_is_no_verdict() -> None:
    assert verdict(CLAIM, "silu", exact("silu", 2), "float16", 2).status == "unsupported"


def test_formats_of_8_bits_are_unsupported() -> None:
    assert verdict(CLAIM, "silu", exact("silu"), "float8_e4m3fn", 2).status == "unsupported"


@pytest.mark.parametrize(
    ("due", "room", "counted", "fails"),
    [
        (1.0, 0.5, 1, True),
        (1.0, np.inf, 0, False),
        (np.inf, 1.0, 0, False),
        (1.0, np.nan, 0, False),
        (2.0, 0.0, 1, False),
    ],
)
def test_what_has_no_room_that_is_a_number_is_neither_counted_nor_passed(
    due: float, room: float, counted: int, fails: bool
) -> None:
    found = HessianResult(probe_of("relu"))
    two = fa.round_values(np.array([2.0]), found.probe.format)
    found.judge(two, two, np.array([due]), np.array([room]), lambda i: "it")
    assert (found.n, bool(found.violations)) == (counted, fails)
    assert np.isfinite(found.magnitude)


def test_values_beyond_float64s_products_are_not_known() -> None:
    probe = Probe(task(CLAIM, "exp", exact("exp"), "float64", 2), QUICK)
    known = jets(probe, np.array([200.0, 400.0, 709.0, -745.0])).known
    assert known.tolist() == [True, False, False, True]  # e^200 < 2^300 < e^400


# -- the oracle, by a second route --------------------------------------------------------------------------


def probe_of(function: str, fmt: str = "float64") -> Probe:
    return Probe(task(CLAIM, function, reference(function), fmt, 2), QUICK)


TRANSFER: dict[str, Callable[[Any], Any]] = {
    "relu": lambda z: z if z > 0 else 0 * z,
    "tanh": mpmath.tanh,
    "gelu": lambda z: z * mpmath.ncdf(z),
}


@pytest.mark.parametrize("function", TRANSFER)
def test_the_exact_hessian_is_that_of_mpmaths_differences(function: str) -> None:
    f = TRANSFER[function]
    study = NetworkStudy.drawn(probe_of(function), np.random.default_rng(7))
    x, t = study.nets.x[1], study.nets.t[1]
    start = [*study.nets.w[1].ravel(), *study.nets.v[1]]
    inputs, hidden = study.nets.w[1].shape

    def error(*weights: Any) -> Any:
        total = mpmath.mpf(0)
        for row, target in zip(x, t, strict=True):
            z = [sum(row[i] * weights[i * hidden + j] for i in range(inputs)) for j in range(hidden)]
            y = sum(f(z[j]) * weights[inputs * hidden + j] for j in range(hidden))
            total += (y - target) ** 2
        return total

    count = len(start)
    with mpmath.workdps(40):
        at = [mpmath.mpf(float(a)) for a in start]
        for i, j in ((0, 0), (0, 1), (0, 6), (2, 2), (1, 7), (6, 7), (4, 5), (7, 7)):
            orders = [0] * count
            orders[i] += 1
            orders[j] += 1
            due = mpmath.diff(error, tuple(at), tuple(orders))
            for got in (study.due[1, i, j], study.due[1, j, i]):
                assert abs(mpmath.mpf(float(got)) - due) <= mpmath.mpf(2) ** -50 * (1 + abs(due))
    # A product with a direction is the sum of the columns, each taken that often.
    columns = np.concatenate([study.along_w[1].reshape(-1, inputs * hidden), study.along_v[1]], axis=1)
    np.testing.assert_allclose(study.due[1], columns @ study.due[1, :count], rtol=0, atol=1e-13)


def test_a_lone_relu_has_2_x_squared_where_it_is_alive_and_0_elsewhere() -> None:
    study = UnitStudy.drawn(probe_of("relu"), np.random.default_rng(7), 64)
    x, alive = study.units.x[:, 0, 0], study.z > 0
    assert 0 < alive.sum() < alive.size
    np.testing.assert_array_equal(study.due.by_w[:, 0, 0], np.where(alive, 2 * x * x, 0))


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["relu6", "hardswish", "log1p", "tanh"])
def test_pre_activations_are_exact_and_keep_off_the_kinks(function: str, fmt: str) -> None:
    probe = probe_of(function, fmt)
    nets = networks(probe, np.random.default_rng(3), 16, 4, 2, 2)
    np.testing.assert_array_equal(fa.values(fa.round_values(nets.z, probe.format), probe.format), nets.z)
    for g, r, j in np.ndindex(nets.z.shape):
        terms = [Fraction(float(a)) * Fraction(float(b)) for a, b in zip(nets.x[g, r], nets.w[g, :, j], strict=True)]
        assert sum(terms) == Fraction(float(nets.z[g, r, j]))
        for last in range(1, 4):  # partial sums need no rounding either
            partial = float(sum(terms[:last]))
            assert float(fa.values(fa.round_values(np.array([partial]), probe.format), probe.format)[0]) == partial
    for kink in probe.function.kinks:
        assert np.abs(nets.z - float(kink)).min() >= 2**-4
    assert nets.z.min() > probe.function.ends[0]


def test_back_propagation_by_hand_is_the_gradient() -> None:
    fmt = get_format("float64")
    rng = np.random.default_rng(5)
    numbers = [rng.normal(size=shape) for shape in ((5, 3), (5, 2), (3, 4), (4, 2))]
    (made,) = (i for i in get_backend("numpy:cpu").catalogue() if i.function == "tanh")
    with get_backend("numpy:cpu").space(fmt) as space:
        x, t, w, v = (space.array(fa.round_values(a, fmt)) for a in numbers)
        network = two_layer(space, made, x, t)
        value, (by_w, by_v) = network.gradients(w, v)
        assert value == pytest.approx(network.program([w, v]))
        for at, gradient in ((w, by_w), (v, by_v)):
            for index in np.ndindex(at.shape):
                ends = []
                for sign in (-1, 1):
                    moved = at.copy()
                    moved[index] += sign * 2.0**-17
                    ends.append(network.program([moved, v] if at is w else [w, moved]))
                assert gradient[index] == pytest.approx((ends[1] - ends[0]) / 2.0**-16, rel=1e-6, abs=1e-8)
