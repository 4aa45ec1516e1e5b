"""accuracy, on faults of its own kind: one result too far away, a binade, a constant, a format too narrow."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.formats import get_format
from tests.properties.subjects import (
    QUICK,
    Call,
    Exact,
    answering,
    between,
    bits_of,
    everywhere,
    exact,
    nudged,
    outcome,
    replaced,
    verdict,
)


def first_failing_nudge(fmt_name: str, x: float, bound: float) -> int:
    """Ulps by which sigmoid(x) must be moved up to exceed ``bound`` in the mixed error, by its definition."""
    fmt = get_format(fmt_name)
    with mpmath.workprec(200):
        y = 1 / (1 + mpmath.exp(-mpmath.mpf(x)))
        value = Fraction(mpmath.nstr(y, 50))
        slope = float(y * (1 - y))
    rounded = fmt.round(value)
    unit = 2.0 ** fmt.quantum_exponent(value) + slope * 2.0 ** fmt.quantum_exponent(Fraction(x))
    ulps = 1
    while float(fmt.value(rounded + ulps) - value) / unit <= bound:
        ulps += 1
    return ulps


@pytest.mark.parametrize(("fmt", "bound"), [("float16", 2.0), ("bfloat16", 2.0)])
def test_one_result_of_65536_fails_when_it_exceeds_the_contract_and_not_before(fmt: str, bound: float) -> None:
    ulps = first_failing_nudge(fmt, 0.75, bound)
    here = between(0.75, 0.75)
    assert verdict("accuracy", "sigmoid", [nudged(Exact("sigmoid"), here, ulps - 1)], fmt).status == "pass"
    cell = verdict("accuracy", "sigmoid", [nudged(Exact("sigmoid"), here, ulps)], fmt)
    assert cell.status == "fail"
    assert cell.evidence.kind == "exhaustive"
    assert cell.certificate is not None
    assert cell.worst_bits == cell.certificate.input.bits == get_format(fmt).bits_text(bits_of(fmt, 0.75))
    assert [(i.lo.decimal, i.hi.decimal) for i in cell.certificate.region] == [("0.75", "0.75")]


def test_one_ulp_everywhere_is_within_the_contract_and_no_faithful_rounding() -> None:
    calls = [nudged(Exact("tanh"), between(0.25, 60000), -1)]
    assert verdict("accuracy", "tanh", calls).status == "pass"
    assert verdict("accuracy", "tanh", calls, selection=replace(QUICK, contract="faithful")).status == "fail"


@pytest.mark.parametrize("order", [0, 1, 2])
def test_sixteen_ulps_in_one_binade_of_float32_are_found_and_the_region_is_that_binade(order: int) -> None:
    calls = exact("sigmoid")
    calls[order] = nudged(calls[order], between(-0.25, -0.125), 128)
    cell = verdict("accuracy", "sigmoid", calls, "float32", order)
    assert cell.status == "fail"
    assert cell.certificate is not None
    assert [(i.lo.decimal, i.hi.decimal) for i in cell.certificate.region] == [("-0.25", "-0.125")]


def test_a_single_float32_input_is_found_when_it_is_a_witness() -> None:
    bits = bits_of("float32", Fraction("1.2345678806304932"))
    calls = [nudged(Exact("tanh"), lambda x: x == 1.2345678806304932, 64)]
    assert outcome("accuracy", "tanh", calls, "float32").violations == []
    (found,) = outcome("accuracy", "tanh", calls, "float32", witnesses=(bits,)).violations
    assert found.bits.tolist() == [bits]


def gelu_tanh_with(constant: float) -> Call:
    def call(x: Any) -> Any:
        wide = x.astype(np.float64)
        return (wide / (1 + np.exp(-2 * constant * (wide + 0.044715 * wide**3)))).astype(x.dtype)

    return call


@pytest.mark.parametrize(
    ("constant", "status"), [(0.7978845608028654, "pass"), (0.79788, "fail")], ids=["sqrt(2/pi)", "five digits of it"]
)
def test_a_constant_cut_to_five_digits_fails(constant: float, status: str) -> None:
    right = Exact("gelu_tanh")
    call = replaced(right, between(-2, 2), gelu_tanh_with(constant))
    assert verdict("accuracy", "gelu_tanh", [call], "float32").status == status


def test_a_narrower_intermediate_fails() -> None:
    def narrow(x: Any) -> Any:
        with np.errstate(over="ignore"):
            return np.tanh(x.astype(np.float32)).astype(x.dtype)

    assert verdict("accuracy", "tanh", [narrow], "float64").status == "fail"
    assert verdict("accuracy", "tanh", [narrow], "float16").status == "pass"


FAULTS: dict[str, tuple[str, int, Call, str]] = {
    "a NaN at one input": ("tanh", 0, answering(Exact("tanh"), {bits_of("float16", 2): 0x7E00}), "wrong-class"),
    "an infinity at one input": ("tanh", 0, answering(Exact("tanh"), {bits_of("float16", 2): 0x7C00}), "wrong-class"),
    "the sign": ("gelu", 0, replaced(Exact("gelu"), between(-1, -0.5), lambda x: 0.2 + 0 * x), "wrong-class"),
    "a result that became zero": (
        "sigmoid",
        0,
        replaced(Exact("sigmoid"), between(-9.5, -9), lambda x: 0 * x),
        "lost-signal",
    ),
    "the derivative of another function": ("silu", 1, Exact("sigmoid"), "wrong-class"),
    "no second derivative": ("tanh", 2, replaced(Exact("tanh", 2), everywhere, lambda x: 0 * x), "lost-signal"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_result_fails_with_its_severity(fault: str) -> None:
    function, order, call, severity = FAULTS[fault]
    calls = exact(function)
    calls[order] = call
    cell = verdict("accuracy", function, calls, "float16", order)
    assert (cell.status, cell.severity) == ("fail", severity)


def test_an_order_without_a_derivative_is_unsupported_and_not_passed() -> None:
    assert verdict("accuracy", "tanh", [Exact("tanh")], "float16", 1).status == "unsupported"
