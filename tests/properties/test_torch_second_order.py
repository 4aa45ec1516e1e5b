"""second-order on PyTorch's AD: double backwards that are cut off, a wrong forward mode, and right functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gradproof.results.model import Cell
from tests.properties.subjects import verdict

torch = pytest.importorskip("torch")
FORMATS = ("float64", "float32", "float16", "bfloat16")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def judged(call: Any, function: str, fmt: str = "float32") -> Cell:
    return verdict("second-order", function, [call], fmt, 2, backend="torch:cpu")


class Constant(torch.autograd.Function):
    """tanh whose backward takes the slope for a constant: every f'' is 0, the cross terms stay."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = torch.tanh(x)
        ctx.slope = (1 - y * y).detach()
        return y

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:  # type: ignore[override]
        return cotangent * ctx.slope


class Cut(torch.autograd.Function):
    """relu whose backward is detached: f'' = 0 is right, and dE/dw has no second derivatives at all."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.alive = x > 0
        return x.clamp_min(0)

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:  # type: ignore[override]
        return (cotangent * ctx.alive).detach()


class Doubling(torch.autograd.Function):
    """relu with a right backward and a forward mode of twice the slope."""

    @staticmethod
    def forward(x: Any) -> Any:
        return x.clamp_min(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return cotangent * (x > 0)

    @staticmethod
    def jvp(ctx: Any, tangent: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * tangent * (x > 0)


def explanations(cell: Cell) -> str:
    return f"{cell.certificate} {cell.reason}"


def test_a_slope_that_is_constant_to_double_backward_fails() -> None:
    cell = judged(Constant.apply, "tanh")
    assert cell.status == "fail"


@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
def test_a_backward_that_is_cut_off_loses_cross_terms_though_f2_is_right(fmt: str) -> None:
    cell = judged(Cut.apply, "relu", fmt)
    assert (cell.status, cell.severity) == ("fail", "lost-signal")
    figures = cell.measured["reverse-over-reverse"]
    assert figures["cross_terms_got"] < figures["cross_terms_due"]
    assert figures["asymmetry"] > 1


def test_a_wrong_forward_mode_fails_and_names_the_way() -> None:
    cell = judged(Doubling.apply, "relu")
    assert cell.status == "fail"
    assert "forward-over-reverse" in explanations(cell)
    assert "reverse-over-reverse" not in explanations(cell)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["relu", "silu", "elu"])
def test_right_functions_pass_by_both_ways(function: str, fmt: str) -> None:
    cell = judged(getattr(torch.nn.functional, function), function, fmt)
    assert cell.status == "pass"
    assert cell.measured["ways"] == ["forward-over-reverse", "reverse-over-reverse"]


def test_one_way_is_enough_where_the_implementation_lacks_the_other() -> None:
    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.clamp_min(0)

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:  # type: ignore[override]
            (x,) = ctx.saved_tensors
            return cotangent * (x > 0)

    cell = judged(Reverse.apply, "relu")
    assert cell.status == "pass"
    assert cell.measured["ways"] == ["reverse-over-reverse"]
