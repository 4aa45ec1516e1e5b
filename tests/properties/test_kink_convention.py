"""kink-convention, on faults of its own kind: outside the Clarke interval, two answers, a cotangent that is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gradproof.backends.base import Call, Implementation
from gradproof.backends.numpy.backend import NumpyBackend
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.functions import function, piecewise
from gradproof.functions.registry import forget
from gradproof.oracle import Certified, Oracle
from tests.properties.stubs import Offer
from tests.properties.subjects import QUICK, Exact, answering, bits_of, exact, nudged, outcome, replaced, verdict


def at_zero(value: float) -> Any:
    """relu' with ``value`` at both zeros."""
    return replaced(Exact("relu", 1), lambda x: x == 0, lambda x: value + 0 * x)


@pytest.mark.parametrize("value", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
def test_any_element_of_the_clarke_interval_passes(value: float, fmt: str) -> None:
    cell = verdict("kink-convention", "relu", [Exact("relu"), at_zero(value)], fmt, 1)
    assert cell.status == "pass"
    element = {0.0: "min-norm", 0.25: "interior", 0.5: "midpoint", 1.0: "upper end"}
    assert cell.measured["kinks"]["0"]["element"] == element[value]


@pytest.mark.parametrize(
    ("value", "severity"),
    [(2.0, "wrong-branch"), (-0.5, "wrong-branch"), (np.inf, "wrong-branch"), (np.nan, "wrong-class")],
)
@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
def test_a_derivative_outside_the_interval_fails(value: float, severity: str, fmt: str) -> None:
    cell = verdict("kink-convention", "relu", [Exact("relu"), at_zero(value)], fmt, 1)
    assert (cell.status, cell.severity) == ("fail", severity)
    assert "outside the Clarke interval [0, 1]" in cell.reason


@pytest.fixture
def root_relu() -> Iterator[str]:
    """sqrt(relu(x)): f' is 0 on the left of 0, and grows without bound on the right."""
    function("root_relu", piecewise(lambda m, x: 0 * x, 0, lambda m, x: m.sqrt(x)))
    yield "root_relu"
    forget(["root_relu"])


def root_slope(at_zero: float) -> Any:
    def slope(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.where(x > 0, 0.5 / np.sqrt(x), np.where(x == 0, at_zero, 0)).astype(x.dtype)

    return slope


@pytest.mark.parametrize(("value", "element"), [(0.0, "min-norm"), (0.5, "interior"), (np.inf, "upper end")])
@pytest.mark.parametrize("fmt", ["float64", "float32", "bfloat16"])
def test_any_number_beyond_the_finite_end_of_an_open_interval_passes(
    value: float, element: str, fmt: str, root_relu: str
) -> None:
    cell = verdict("kink-convention", root_relu, [Exact(root_relu), root_slope(value)], fmt, 1)
    assert cell.status == "pass"
    assert cell.measured["kinks"]["0"]["clarke"] == ["0.0", "inf"]
    assert cell.measured["kinks"]["0"]["element"] == element


@pytest.mark.parametrize("value", [np.nan, -0.5, -np.inf])
@pytest.mark.parametrize("fmt", ["float64", "float32", "bfloat16"])
def test_what_is_not_in_an_open_interval_fails(value: float, fmt: str, root_relu: str) -> None:
    cell = verdict("kink-convention", root_relu, [Exact(root_relu), root_slope(value)], fmt, 1)
    assert cell.status == "fail"
    assert "outside the Clarke interval [0, inf]" in cell.reason


@pytest.mark.parametrize(("ulps", "status"), [(4, "pass"), (5, "fail")])
def test_the_ends_of_the_interval_have_the_room_of_the_contract(ulps: int, status: str) -> None:
    derivative = nudged(Exact("relu", 1, side="right"), lambda x: x == 0, ulps)  # the contract allows 4 in float16
    assert verdict("kink-convention", "relu", [Exact("relu"), derivative], "float16", 1).status == status


def test_two_zeros_with_two_derivatives_fail() -> None:
    derivative = answering(Exact("relu", 1), {get_format("float16").sign_bit: bits_of("float16", 1)})
    cell = verdict("kink-convention", "relu", [Exact("relu"), derivative], "float16", 1)
    assert cell.status == "fail"
    assert cell.reason == "one function, several derivatives at the kink: given 0, given at -0 1"


@pytest.mark.parametrize("kink", [0, 6])
def test_every_kink_is_looked_at(kink: int) -> None:
    derivative = replaced(Exact("relu6", 1), lambda x: x == kink, lambda x: 1.5 + 0 * x)
    cell = verdict("kink-convention", "relu6", [Exact("relu6"), derivative], "bfloat16", 1)
    assert (cell.status, cell.certificate and float(cell.certificate.input.decimal)) == ("fail", kink)


def test_the_second_derivative_has_an_interval_too() -> None:
    calls = exact("elu")  # elu(1)'' is 1 on the left of 0 and 0 on the right
    assert verdict("kink-convention", "elu", calls, "float16", 2).status == "pass"
    calls[2] = replaced(calls[2], lambda x: x == 0, lambda x: 1.25 + 0 * x)
    assert verdict("kink-convention", "elu", calls, "float16", 2).status == "fail"


def test_a_kink_that_the_format_does_not_hold_is_named_and_not_judged() -> None:
    params = {"min": "-0.1", "max": 1}
    cell = verdict("kink-convention", "hardtanh", exact("hardtanh", params=params), "float16", 1, params=params)
    assert cell.status == "pass"
    assert "does not hold" in cell.measured["kinks"]["-0.1"]["skipped"]


def paths(self: Any, implementation: Implementation) -> tuple[str, ...]:
    return ("reverse", "forward")


def two_ways(self: Any, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
    """Reverse mode is the first derivative handed in, forward mode the second; a scaled call scales both."""
    given = implementation.derivatives[1 if call.path == "forward" else 0]
    three = np.full(256, 3, np.float16)
    factor = float(implementation.call(three)[0]) / 3  # relu(3) = 3
    subject = Implementation("relu", "numpy", "mine:way", lambda x: given(x) * x.dtype.type(factor))
    return NumpyBackend().evaluate(subject, bits, fmt, Call())


def dropped(self: Any, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
    """A backward pass that forgets the cotangent."""
    subject = Implementation("relu", "numpy", "mine:way", implementation.derivatives[0])
    return NumpyBackend().evaluate(subject, bits, fmt, Call())


def test_reverse_and_forward_mode_must_agree(offer: Offer) -> None:
    backend = offer("twoways", paths=paths, evaluate=two_ways)
    agreeing = [Exact("relu"), at_zero(0.5), at_zero(0.5)]
    assert verdict("kink-convention", "relu", agreeing, "float16", 1, backend=backend).status == "pass"
    differing = [Exact("relu"), at_zero(0.0), at_zero(1.0)]
    cell = verdict("kink-convention", "relu", differing, "float16", 1, backend=backend)
    assert cell.status == "fail"
    assert cell.reason.endswith("reverse 0, reverse at -0 0, forward 1, forward at -0 1")


def test_a_vjp_that_forgets_the_cotangent_fails(offer: Offer) -> None:
    backend = offer("forgetful", paths=paths, evaluate=dropped)
    cell = verdict("kink-convention", "relu", [Exact("relu"), at_zero(1.0)], "float16", 1, backend=backend)
    assert cell.status == "fail"
    texts = [v.explanation for v in outcome(
        "kink-convention", "relu", [Exact("relu"), at_zero(1.0)], "float16", 1, backend=backend
    ).violations]  # fmt: skip
    assert "the vjp of cotangent -1 is 1, not -1 times that of 1 (1)" in texts


def test_formulations_are_compared_for_a_framework_and_not_for_a_user(offer: Offer) -> None:
    other = Implementation("relu", "written", "written.maximum", Exact("relu"), derivatives=(at_zero(0.5),))
    backend = offer("written", formulations=lambda self, function, params: [other])
    calls = [Exact("relu"), at_zero(0.0)]
    assert verdict("kink-convention", "relu", calls, "float16", 1, backend=backend).status == "pass"
    cell = verdict("kink-convention", "relu", calls, "float16", 1, backend=backend, user=False)
    assert cell.status == "fail"
    assert "written.maximum 0.5" in cell.reason


@pytest.mark.parametrize("kink", [0, 6])
def test_the_cotangent_is_followed_at_every_kink(kink: int, offer: Offer) -> None:
    def evaluate(self: Any, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """The cotangent is forgotten at one kink only."""
        at = fa.values(bits, fmt) == kink
        return np.where(
            at, dropped(self, implementation, bits, fmt, call), two_ways(self, implementation, bits, fmt, call)
        )

    backend = offer("forgetful", paths=paths, evaluate=evaluate)
    calls = [Exact("relu6"), Exact("relu6", 1, side="right"), Exact("relu6", 1, side="right")]
    if kink == 6:
        calls[1:] = [Exact("relu6", 1), Exact("relu6", 1)]
    found = outcome("kink-convention", "relu6", calls, "float16", 1, backend=backend).violations
    assert {float(fa.values(v.bits, get_format("float16"))[0]) for v in found} == {kink}
    assert all("the vjp of cotangent" in v.explanation for v in found)


@pytest.mark.parametrize("contract", ["stable", "faithful", "training"])
def test_the_ends_have_the_room_of_the_contract_of_the_cell(contract: str) -> None:
    selection = dataclasses.replace(QUICK, contract=contract)
    allowed = {"stable": 4, "faithful": 0, "training": 4}[contract]  # 8 units of 2^-11, whose ulp at 1 is 2^-10
    for ulps in (allowed, allowed + 1):
        derivative = nudged(Exact("relu", 1, side="right"), lambda x: x == 0, ulps)
        cell = verdict("kink-convention", "relu", [Exact("relu"), derivative], "float16", 1, selection)
        assert cell.status == ("pass" if ulps == allowed else "fail")


def test_an_interval_that_is_not_certified_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Oracle, "certified", lambda self, bits, fmt, order: Certified("undecided", fmt.nan_bits, how="undecided")
    )
    calls = [Exact("relu"), at_zero(0.5)]
    cell = verdict("kink-convention", "relu", calls, "float16", 1)
    assert cell.status == "undecided"
    assert cell.reason == (
        "the oracle could not certify 2 value(s), the first at 0.0; if the pieces agree there, declare up to which "
        "derivative: smooth={0.0: 1}"
    )
    assert outcome("kink-convention", "relu", calls, "float16", 1).evidence.n == 0
    # Two answers are two answers, a number and a NaN among them.
    for other in (1.0, np.nan):
        derivative = answering(
            at_zero(0.5), {0x8000: int(fa.round_values(np.array([other]), get_format("float16"))[0])}
        )
        cell = verdict("kink-convention", "relu", [Exact("relu"), derivative], "float16", 1)
        assert cell.status == "fail"
        assert "several derivatives" in cell.reason
