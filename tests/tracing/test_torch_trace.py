"""Traces in PyTorch: the operations are found, and the one that matters is marked."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from gradproof.backends import get_backend  # noqa: E402  after the skip
from gradproof.backends.implementation import Implementation  # noqa: E402
from gradproof.formats import get_format  # noqa: E402
from gradproof.tracing.analysis import rows  # noqa: E402
from tests.tracing import written  # noqa: E402


def traced(
    call: Any, function: str, at: float, order: int, fmt: str = "float32", due: Fraction | None = None
) -> list[dict[str, Any]]:
    bits = get_format(fmt).round(Fraction(at))
    implementation = Implementation(function, "torch", "mine", call, user=True)
    found = rows(get_backend("torch:cpu").trace(implementation, bits, get_format(fmt), order), due)
    assert found is not None
    return [dataclasses.asdict(row) for row in found]


def marked(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    (*none, last) = [row for row in found if row["marked"]] or [None]
    assert not none
    return last


@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
def test_the_backward_of_a_division_that_underflows_is_marked(fmt: str) -> None:
    row = marked(traced(written.quotient_silu, "silu", -60, 1, fmt))
    assert row is not None
    assert (row["operation"], row["phase"], row["part_of"]) == ("aten::div", "backward", "DivBackward0")
    assert row["result"]["decimal"] == "-0.0"
    assert row["exact"].startswith("-4.6005888")
    assert (row["line"]["file"], row["line"]["text"]) == ("written.py", "return x / (1 + torch.exp(-x))")


def test_what_overflows_is_marked_where_the_result_is_nan() -> None:
    found = traced(written.quotient_silu, "silu", -89, 1)
    row = marked(found)
    assert row is not None
    assert (row["operation"], row["local"], row["result"]["decimal"]) == ("aten::exp", None, "inf")
    assert found[-1]["result"]["decimal"].endswith("nan")


def test_a_subtraction_that_magnifies_what_it_is_handed_is_marked() -> None:
    row = marked(traced(written.saved_sigmoid, "sigmoid", 15, 1))
    assert row is not None
    assert (row["operation"], row["local"]) == ("aten::rsub", 0.0)
    assert row["amplification"] > 1e6
    assert row["line"]["text"] == "return g * (s * (1 - s))"


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("at", [-3.0, -0.5, 0.75, 1.0])
def test_nothing_is_marked_where_the_result_is_right(order: int, at: float) -> None:
    found = traced(written.product_silu, "silu", at, order)
    assert marked(found) is None
    assert all(row["local"] <= 2 for row in found)
    assert {row["phase"] for row in found} == set(("forward", "backward", "second backward")[: order + 1])


def test_a_formula_that_is_another_one_is_no_operations_fault() -> None:
    due = Fraction(0.4621171572600097585)  # tanh(1/2)
    found = traced(written.off_by_one_percent, "tanh", 0.5, 0, "float64", due)
    assert marked(found) is None
    assert found[-1]["accumulated"] <= 2


def test_what_writes_in_place_is_followed() -> None:
    found = traced(written.in_place, "expm1", 1e-6, 0)
    assert [row["operation"] for row in found] == ["aten::exp", "aten::sub_"]
    row = marked(found)
    assert row is not None
    assert (row["operation"], row["exact"][:8]) == ("aten::sub_", "1.000000")


def test_a_custom_kernel_is_one_operation_that_says_so() -> None:
    found = traced(written.by_custom_kernel, "tanh", 0.5, 0)
    assert [(row["operation"], row["kind"]) for row in found] == [
        ("gradproof_tests::doubled", "custom kernel"),
        ("aten::div", "operation"),
        ("aten::tanh", "operation"),
    ]
    assert [row["exact"] for row in found] == [None, None, None]


def test_a_framework_function_is_one_operation_with_its_mathematics() -> None:
    (row,) = traced(written.fused, "silu", -5, 0)
    assert (row["operation"], row["kind"]) == ("aten::silu", "framework function")
    assert row["local"] <= 1


def test_a_view_as_another_type_is_no_number_of_the_first() -> None:
    def seen_as_integer(x: Any) -> Any:
        return torch.where(x.view(torch.int32) > 0, x * x, -x)

    found = traced(seen_as_integer, "relu", 3.0, 0)
    product = next(row for row in found if row["operation"] == "aten::mul")
    assert [o["decimal"] for o in product["operands"]] == ["3.0", "3.0"]
    assert product["exact"] == "9.0"


def test_phases_are_those_of_the_passes() -> None:
    found = traced(written.quotient_silu, "silu", 0.5, 2)
    phases = [row["phase"] for row in found]
    assert phases == sorted(phases, key=["forward", "backward", "second backward"].index)
    assert {row["line"]["text"] for row in found} == {"return x / (1 + torch.exp(-x))"}
