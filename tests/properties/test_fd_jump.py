"""fd-jump, on faults of its own kind: an undeclared kink, a discontinuity, noise, a kink that is missing or moved."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import gradproof as gp
from gradproof.engine.subject.probe import Probe
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.functions.registry import forget
from gradproof_properties.kinks.fd_jump import _around
from tests.properties.subjects import (
    QUICK,
    Call,
    Exact,
    between,
    everywhere,
    nudged,
    outcome,
    reference,
    replaced,
    task,
    verdict,
)

FORMATS = ("float32", "float16", "bfloat16")


def silu(x: Any) -> Any:
    return x / (1 + np.exp(-x))


def bent(kink: float, jump: float) -> Call:
    """silu with a jump of its slope at ``kink``, exact otherwise."""
    return replaced(Exact("silu"), between(kink, 1e30), lambda x: silu(x) + jump * (x - kink))


def stepped(place: float, height: float) -> Call:
    return replaced(Exact("silu"), between(place, 1e30), lambda x: silu(x) + height)


@pytest.mark.parametrize("kink", [-2.0, 0.0, 1.0, 1.03, 2.71, -5.3])
@pytest.mark.parametrize(("fmt", "jump"), [("float32", 0.01), ("float16", 0.75), ("bfloat16", 1.5)])
def test_an_undeclared_kink_is_found_on_the_grid_and_between_its_points(kink: float, fmt: str, jump: float) -> None:
    cell = verdict("fd-jump", "silu", [bent(kink, jump)], fmt)
    assert cell.status == "fail"
    if fmt == "float32":
        assert "look like a kink, the function has a smooth point there" in cell.reason
        assert cell.certificate is not None
        assert float(cell.certificate.input.decimal) == pytest.approx(kink, abs=2.0**-6)


@pytest.mark.parametrize("place", [0.0, 1.0, 2.71, -5.3])
@pytest.mark.parametrize(("fmt", "height"), [("float32", 0.001), ("float16", 0.5), ("bfloat16", 2.0)])
def test_a_step_at_a_threshold_is_found(place: float, fmt: str, height: float) -> None:
    cell = verdict("fd-jump", "silu", [stepped(place, height)], fmt)
    assert cell.status == "fail"
    if fmt == "float32":
        assert "look like a discontinuity" in cell.reason
        assert cell.certificate is not None
        assert float(cell.certificate.input.decimal) == pytest.approx(place, abs=2.0**-6)


def test_softplus_cut_off_at_a_low_threshold_is_a_discontinuity() -> None:
    cut = replaced(Exact("softplus"), between(5, 1e30), lambda x: x)  # softplus(5) - 5 = 0.0067
    cell = verdict("fd-jump", "softplus", [cut], "float32")
    assert cell.status == "fail"
    assert "look like a discontinuity" in cell.reason


def scattered(x: Any) -> Any:
    """A fixed pseudo-random sign for every input."""
    return np.where((x.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(63) == 0, -1.0, 1.0)


@pytest.mark.parametrize(("fmt", "size"), [("float32", 1e-4), ("float16", 0.05)])
def test_noise_is_found_and_called_noise(fmt: str, size: float) -> None:
    noisy = replaced(Exact("silu"), everywhere, lambda x: silu(x) * (1 + size * scattered(x)))
    cell = verdict("fd-jump", "silu", [noisy], fmt)
    assert cell.status == "fail"
    assert "look like noise" in cell.reason


@pytest.mark.parametrize("fmt", FORMATS)
def test_rounding_within_the_contract_is_no_noise(fmt: str) -> None:
    jittery = nudged(nudged(Exact("silu"), lambda x: scattered(x) > 0, 1), lambda x: scattered(3 * x) > 0, -1)
    cell = verdict("fd-jump", "silu", [jittery], fmt)
    assert cell.status == "pass"


AT_THE_KINK: dict[str, tuple[str, Call]] = {
    "missing": ("relu", replaced(Exact("relu"), everywhere, lambda x: x / 2 + np.sqrt(x * x / 4 + 0.25))),
    "moved": ("relu", replaced(Exact("relu"), everywhere, lambda x: np.maximum(x - 0.5, 0))),
    "the wrong slope on the left": ("leaky_relu", replaced(Exact("leaky_relu"), between(-1e30, 0), lambda x: 0.25 * x)),
    "the wrong slope on the right": ("prelu", replaced(Exact("prelu"), between(0, 1e30), lambda x: 1.5 * x)),
    "a gap beside it": ("relu", replaced(Exact("relu"), lambda x: x > 0, lambda x: x + 0.75)),
    "a wrong value at it": ("relu", replaced(Exact("relu"), lambda x: x == 0, lambda x: x + 0.5)),
}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("fault", AT_THE_KINK)
def test_a_declared_kink_that_is_not_what_it_should_be_fails(fault: str, fmt: str) -> None:
    function, call = AT_THE_KINK[fault]
    assert verdict("fd-jump", function, [call], fmt).status == "fail"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0.0, 2.0])
@pytest.mark.parametrize("fmt", FORMATS)
def test_a_result_that_is_no_number_fails_and_is_no_fault_of_the_check(bad: float, place: float, fmt: str) -> None:
    call = replaced(Exact("relu"), between(place, place), lambda x: bad + 0 * x)
    assert verdict("fd-jump", "relu", [call], fmt).status == "fail"


def test_another_smooth_function_is_smooth() -> None:
    # Wrong as a gelu, and accuracy says so; but its differences show no jump anywhere.
    assert verdict("fd-jump", "gelu", [Exact("gelu_tanh")], "float32").status == "pass"
    assert verdict("accuracy", "gelu", [Exact("gelu_tanh")], "float32").status == "fail"


@pytest.mark.parametrize("fmt", ["float64", *FORMATS])
def test_the_differences_at_a_kink_are_its_slopes_and_their_mean(fmt: str) -> None:
    measured = outcome("fd-jump", "relu", [Exact("relu")], fmt).measured
    row = measured["kinks"]["0"]
    assert (row["backward"], row["central_at_kink"], row["forward"]) == (0.0, 0.5, 1.0)
    assert measured["classes"]["kink"] == 1
    assert measured["classes"]["discontinuity"] == measured["classes"]["noise"] == 0
    assert measured["classes"]["smooth"] >= 8


@pytest.mark.parametrize(("fmt", "usual"), [("float32", 2.0**-8), ("float16", 2.0**-3), ("bfloat16", 2.0**-2)])
def test_a_dead_zone_that_only_small_steps_can_see_fails(fmt: str, usual: float) -> None:
    # The usual step, 2^(-p/3), looks at multiples of an eighth of itself, and sees nothing between 0 and the first.
    dead = replaced(Exact("relu"), between(1e-45, 0.99 * usual / 8), lambda x: 0 * x)
    cell = verdict("fd-jump", "relu", [dead], fmt)
    assert cell.status == "fail"
    assert outcome("fd-jump", "relu", [dead], fmt).measured["kinks"]["0"]["forward"] == 1.0


@pytest.mark.parametrize("fmt", ["float64", *FORMATS])
def test_slopes_and_their_mean_are_the_same_at_every_step(fmt: str) -> None:
    row = outcome("fd-jump", "leaky_relu", reference("leaky_relu"), fmt).measured["kinks"]["0"]
    assert len(row["finer"]) == 2
    for h, backward, central, forward in row["finer"]:
        assert h <= row["h"] / 16
        assert (backward, central, forward) == (pytest.approx(0.01, rel=0.01), pytest.approx(0.505, rel=0.01), 1.0)


@pytest.mark.parametrize("height", [0.5, 1e4, 1e7, 1e30])
@pytest.mark.parametrize(("function", "place"), [("tanh", 2.3), ("silu", -5.3), ("tanh", 0.0)])
@pytest.mark.parametrize("fmt", ["float64", "float32"])
def test_a_step_of_any_height_is_found(fmt: str, function: str, place: float, height: float) -> None:
    right = reference(function)[0]
    call = replaced(right, between(place, 1e300), lambda x: right(x) + height)
    assert verdict("fd-jump", function, [call], fmt).status == "fail"


@pytest.mark.parametrize("height", [1e4, 1e7, 1e30])
def test_a_step_of_any_height_at_a_declared_kink_is_found(height: float) -> None:
    call = replaced(Exact("relu"), lambda x: x > 4, lambda x: x + height)
    assert verdict("fd-jump", "relu", [call], "float32").status == "fail"
    at_it = replaced(Exact("relu"), lambda x: x > 0, lambda x: x + height)
    assert outcome("fd-jump", "relu", [at_it], "float32").measured["classes"]["kink"] == 0


def test_results_too_coarse_to_show_a_jump_are_noise() -> None:
    far = replaced(Exact("tanh"), everywhere, lambda x: 1e7 + np.tanh(x))
    measured = outcome("fd-jump", "tanh", [far], "float32").measured["classes"]
    right = outcome("fd-jump", "tanh", [Exact("tanh")], "float32").measured["classes"]
    assert measured["noise"] == right["smooth"] > 0


@pytest.mark.parametrize("contract", ["faithful", "stable", "training"])
@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["relu", "tanh", "gelu", "hardtanh"])
def test_correctly_rounded_results_pass_under_every_contract(function: str, fmt: str, contract: str) -> None:
    selection = replace(QUICK, contract=contract)
    assert verdict("fd-jump", function, [Exact(function)], fmt, 0, selection).status == "pass"


@pytest.mark.parametrize("contract", ["faithful", "stable", "training"])
def test_a_zero_that_is_right_has_no_noise_where_the_contract_leaves_no_room(contract: str) -> None:
    # A strict ulp of 0 is less than the least number of float64.
    assert (
        verdict("fd-jump", "relu", reference("relu"), "float64", 0, replace(QUICK, contract=contract)).status == "pass"
    )


@pytest.mark.parametrize("h", [Fraction(1, 4), Fraction(1, 2**8)])
def test_curvature_bends_the_line_by_what_is_allowed_and_by_no_less(h: Fraction) -> None:
    # elu is e^x - 1 on the left, with M = sup e^x = 1, and straight on the right, which bends the line by half M h.
    probe = Probe(task("fd-jump", "elu", reference("elu"), "float64"), QUICK)
    across = _around(probe, Fraction(0), h)
    assert across is not None
    off = np.abs(across.central(across.results.exact) - across.line)
    assert (off <= across.bend * (1 + 2.0**-40) + 2.0**-50).all()
    at = -1.0 + 2 * np.arange(17) / 16
    width = float(h)
    upper, lower = (at + 1) * width, (at - 1) * width
    due = (upper - np.expm1(lower)) / (2 * width)
    line = np.ones(17)
    assert off == pytest.approx(np.abs(due - line), abs=2.0**-40)
    assert across.bend == pytest.approx(width * (1 + at**2) / 2, rel=1e-6)
    assert off[0] >= 0.7 * across.bend[0]


def test_what_has_no_value_is_not_counted() -> None:
    # log1p ends at -1 and threshold's 1e39 lies beyond float32: nothing to judge at such a kink.
    params = {"threshold": 1e39}
    found = outcome("fd-jump", "threshold", reference("threshold", params), "float32", params=params)
    grid = sum(n for name, n in found.measured["classes"].items() if name != "undetermined")
    assert found.evidence.n == grid
    usual = outcome("fd-jump", "relu", [Exact("relu")], "float32")
    grid = sum(n for name, n in usual.measured["classes"].items() if name != "undetermined")
    assert usual.evidence.n == grid + 3 * (2 * 17 + 2)  # three steps


def test_a_certificate_holds_the_bits_that_came_back() -> None:
    steep = replaced(Exact("relu"), lambda x: x > 0, lambda x: 1.5 * x)
    fmt = get_format("float32")
    found = outcome("fd-jump", "relu", [steep], "float32").violations
    assert found
    for violation in found:
        x, got = fa.values(violation.bits, fmt), fa.values(violation.got, fmt)
        assert (got == np.float32(1.5) * np.maximum(x, 0)).all()


def test_results_that_are_all_no_numbers_leave_it_undecided_and_say_so() -> None:
    name = "fd_jump_test_big"  # right results overflow everywhere but at 0, and show nothing
    gp.function(name, oracle=lambda m, x: m.real(1e10) * m.tanh(x))
    try:
        cell = verdict("fd-jump", name, [lambda x: x * np.nan], "float16")
        assert cell.status == "undecided"
        assert cell.measured["undecided_why"] == "no result is a finite number"
        right = verdict("fd-jump", name, [Exact(name)], "float16")
        assert "undecided_why" not in right.measured
    finally:
        forget({name})
