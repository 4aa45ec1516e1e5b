"""fd-jump, on faults of its own kind: an undeclared kink, a discontinuity, noise, a kink that is missing or moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.properties.subjects import Call, Exact, between, everywhere, nudged, outcome, reference, replaced, verdict

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
