"""block-scaling: right quantizers pass in every element format, and each wrong one is told."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gradproof.backends.base import Implementation
from gradproof.engine.declared import implementations, roundings
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger
from gradproof.engine.request.task import Task
from gradproof.errors import UsageError
from gradproof.formats import get_format
from gradproof.functions.roundings import block_exponents, blocks
from gradproof.results.model import Cell
from tests.properties.subjects import NOWHERE, QUICK

ELEMENTS = ("float8_e4m3fn", "float8_e5m2", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn")
E_MAX = {"float8_e4m3fn": 8, "float8_e5m2": 15, "float6_e2m3fn": 2, "float6_e3m2fn": 4, "float4_e2m1fn": 2}
"""Exponents of the greatest numbers: OCP MX specification 1.0, table 1."""
GREATEST = {"float8_e4m3fn": 448, "float8_e5m2": 57344, "float6_e2m3fn": 7.5, "float6_e3m2fn": 28, "float4_e2m1fn": 6}


def floor_rule(amax: Any, element: str) -> Any:
    """floor(log2 amax) - e_max, by the exponent of the number and not by a logarithm."""
    return np.frexp(amax)[1] - 1 - E_MAX[element]


def quantizer(
    element: str,
    *,
    block: int = 32,
    rule: Callable[[Any, str], Any] = floor_rule,
    convert: Callable[[Any, str], Any] | None = None,
    nan: str = "block",
) -> Callable[[Any], Any]:
    """A quantizer by ml_dtypes' casts, with a part of it exchanged."""

    def narrow(v: Any, name: str) -> Any:
        # float32 holds all of v that matters: numbers of at most 24 bits over a power of two.
        return v.astype(np.float32).astype(getattr(ml_dtypes, name)).astype(np.float64)

    def call(x: Any) -> Any:
        rows = x.reshape(-1, block).astype(np.float64)
        finite = np.where(np.isfinite(rows), rows, 0.0)
        amax = np.abs(finite).max(axis=1)
        s = np.clip(rule(np.where(amax > 0, amax, 1.0), element), -127, 127)[:, None].astype(np.int32)
        with np.errstate(all="ignore"):
            v = np.clip(np.ldexp(finite, -s), -GREATEST[element], GREATEST[element])
            y = np.ldexp((convert or narrow)(v, element), s)
            if nan == "block":
                y[~np.isfinite(rows).all(axis=1)] = np.nan
            elif nan == "element":
                y[np.isnan(rows)] = np.nan
            return y.reshape(x.shape).astype(x.dtype)

    return call


def verdict(call: Callable[[Any], Any], element: str, fmt: str = "float32", **more: Any) -> Cell:
    (made,) = implementations.collect(
        lambda: roundings.quantizes_blocks(element, backend="numpy", name="mine:q", **more)(call) and None
    )
    assert isinstance(made, Implementation)
    task = Task(made.specification, made, "numpy:cpu", "eager", fmt, 0, "block-scaling")
    return decide(task, QUICK, Ledger(), NOWHERE)[0]


@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("element", ELEMENTS)
def test_a_quantizer_by_the_specification_passes(element: str, fmt: str) -> None:
    cell = verdict(quantizer(element), element, fmt)
    assert cell.status == "pass", cell.reason
    assert cell.measured["nan"] == cell.measured["infinity"] == "block is NaN"
    assert cell.u_max == 0.5


def test_a_nan_may_stay_in_its_element_and_may_not_get_lost() -> None:
    cell = verdict(quantizer("float8_e4m3fn", nan="element"), "float8_e4m3fn")
    assert (cell.status, cell.measured["nan"]) == ("pass", "element is NaN")
    lost = verdict(quantizer("float8_e4m3fn", nan="nowhere"), "float8_e4m3fn")
    assert (lost.status, lost.measured["nan"]) == ("fail", "number")
    assert "leaves no NaN" in lost.reason


def ceil_rule(amax: Any, element: str) -> Any:
    """The least exponent under which the greatest magnitude does not saturate, in rational arithmetic."""
    found = []
    for a in amax:
        s = int(np.frexp(a)[1]) - 2 - E_MAX[element]
        while Fraction(a) > Fraction(GREATEST[element]) * Fraction(2) ** s:
            s += 1
        found.append(s)
    return np.array(found)


def test_another_rule_of_scales_is_right_where_it_is_declared_and_named_where_it_is_not() -> None:
    call = quantizer("float4_e2m1fn", rule=ceil_rule)
    assert verdict(call, "fp4", scale="ceil").status == "pass"
    undeclared = verdict(call, "fp4")
    assert undeclared.status == "fail"
    assert "the rule 'ceil'" in undeclared.reason
    assert "the rule 'floor'" in verdict(quantizer("float4_e2m1fn"), "fp4", scale="ceil").reason


def test_a_rule_of_ones_own_is_a_function_of_the_greatest_magnitudes() -> None:
    def rule(amax: Any, element: str = "") -> Any:
        return np.frexp(amax)[1] - 12

    assert verdict(quantizer("float8_e5m2", rule=rule), "e5m2", scale=rule).status == "pass"
    with pytest.raises(UsageError, match="one whole exponent for each of 3 blocks, got float64"):
        block_exponents(blocks(get_format("e5m2"), 32, lambda a: a / 3), np.array([1.0, 2.0, 4.0]))


def test_blocks_may_have_other_sizes() -> None:
    assert verdict(quantizer("float4_e2m1fn", block=16), "fp4", block=16).status == "pass"
    assert verdict(quantizer("float4_e2m1fn", block=16), "fp4", block=32).status == "fail"


def half_away(v: Any, name: str) -> Any:
    quantum = np.ldexp(1.0, np.maximum(np.frexp(v)[1] - 1, get_format(name).e_min) - get_format(name).precision + 1)
    with np.errstate(all="ignore"):
        return np.clip(np.copysign(np.floor(np.abs(v) / quantum + 0.5) * quantum, v), -GREATEST[name], GREATEST[name])


def cut(v: Any, name: str) -> Any:
    quantum = np.ldexp(1.0, np.maximum(np.frexp(v)[1] - 1, get_format(name).e_min) - get_format(name).precision + 1)
    return np.trunc(v / quantum) * quantum


def flushed(v: Any, name: str) -> Any:
    y = v.astype(np.float32).astype(getattr(ml_dtypes, name)).astype(np.float64)
    return np.where(np.abs(y) < float(get_format(name).min_normal), 0 * y, y)


@pytest.mark.parametrize("wrong", [half_away, cut, flushed], ids=lambda f: f.__name__)
@pytest.mark.parametrize("element", ELEMENTS)
def test_elements_that_are_rounded_otherwise_fail(element: str, wrong: Callable[[Any, str], Any]) -> None:
    cell = verdict(quantizer(element, convert=wrong), element)
    assert cell.status == "fail"
    assert "is nearest in" in cell.reason


def test_scales_that_are_off_by_one_below_a_power_of_two_fail() -> None:
    """floor(log2(amax)) in float32: just below a power of two the logarithm is rounded up to the next whole number."""

    def rule(amax: Any, element: str) -> Any:
        return np.floor(np.log2(amax.astype(np.float32))).astype(int) - E_MAX[element]

    cell = verdict(quantizer("float8_e4m3fn", rule=rule), "float8_e4m3fn")
    assert cell.status == "fail"


def test_declarations_are_checked_when_they_are_made() -> None:
    for given, words in (
        ({"block": 24}, "expected block= as a power of two"),
        ({"scale": "round"}, "expected scale= as 'floor', 'ceil' or a function"),
    ):
        with pytest.raises(UsageError, match=words):
            roundings.quantizes_blocks("fp4", backend="numpy", **given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="which holds scales"):
        roundings.quantizes_blocks("e8m0", backend="numpy")
