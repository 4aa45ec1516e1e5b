"""accuracy, on faults of its own kind: one result too far away, a binade, a constant, a format too narrow."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.backends.base import Traits
from gradproof.engine.subject.probe import Probe
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


@pytest.mark.parametrize("fmt", ["float64", "float32", "float16", "bfloat16"])
def test_an_infinity_in_place_of_a_number_fails_however_near_to_it(fmt: str) -> None:
    # (x + |x|) / 2 overflows on the whole top binade, whose last numbers are an ulp or two from 2^(e_max + 1).
    def half_the_sum(x: Any) -> Any:
        with np.errstate(over="ignore"):
            return ((x + np.abs(x)) / x.dtype.type(2)).astype(x.dtype)

    cell = verdict("accuracy", "relu", [half_the_sum], fmt)
    assert (cell.status, cell.severity, cell.felt) == ("fail", "wrong-class", True)
    assert cell.certificate is not None
    assert cell.certificate.got is not None
    assert cell.certificate.got.decimal == "inf"
    top = get_format(fmt)
    last = answering(exact("relu")[0], {top.max_bits: top.infinity_bits})
    assert verdict("accuracy", "relu", [last], fmt).severity == "wrong-class"


@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
def test_errors_that_flushing_excuses_stand_beside_those_that_count(fmt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # silu whose larger subnormal results are 0, and one other result three ulps off: that is what there is to see.
    monkeypatch.setattr(Probe, "traits", Traits(flushes_results=True, zeros_inputs=False))
    f = get_format(fmt)
    least = float(f.min_normal)

    def flushed(x: Any) -> Any:
        y = nudged(Exact("silu"), between(1, 1), 3)(x)
        size = np.abs(y.astype(np.float64))
        small = (size >= least / 2) & (size < least) & (np.abs(x.astype(np.float64)) < 1)
        return np.where(small, 0, y).astype(x.dtype)

    cell = verdict("accuracy", "silu", [flushed], fmt)
    assert cell.status == "pass"
    assert cell.excused > 0
    assert cell.worst_bits == f.bits_text(bits_of(fmt, 1))
    assert cell.u_max is not None
    assert 2.5 <= cell.u_max <= 3.5
    assert cell.magnitude is not None
    assert cell.magnitude < 1
    assert cell.curve is not None
    assert cell.curve.quantiles[-1] == pytest.approx(cell.u_max)
    aside = cell.measured["excused"]
    assert aside["u_max"] > 2.0 ** (f.precision - 2)
    assert aside["magnitude"] > 1
    assert least / 2 < aside["abs_max"] < least
    # A normal result that became 0 counts.
    lost = replaced(flushed, between(2, 4), lambda x: 0.0)
    assert verdict("accuracy", "silu", [lost], fmt).severity == "lost-signal"


def test_inputs_that_are_left_to_convention_are_counted() -> None:
    at_zeros = verdict("accuracy", "relu", exact("relu"), "float16", 1)
    assert (at_zeros.status, at_zeros.measured["conventions"]) == ("pass", 2)
    # log1p' beyond its domain: every finite number below -1.
    f = get_format("float16")
    beyond = verdict("accuracy", "log1p", exact("log1p"), "float16", 1)
    assert beyond.measured["conventions"] == f.max_bits - f.round(Fraction(1))
    assert "conventions" not in verdict("accuracy", "log1p", exact("log1p"), "float16", 0).measured
