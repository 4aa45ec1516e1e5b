"""kink-convention on PyTorch's AD: paths that disagree, a cotangent that is dropped, and right functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gradproof.results.model import Cell
from tests.properties.subjects import verdict

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def judged(
    call: Any, function: str = "relu", fmt: str = "float32", order: int = 1, claim: str = "kink-convention"
) -> Cell:
    return verdict(claim, function, [call], fmt, order, backend="torch:cpu")


class Half(torch.autograd.Function):
    """relu with 1/2 at 0 in both modes."""

    @staticmethod
    def forward(x: Any) -> Any:
        return x.clamp_min(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def slope(x: Any) -> Any:
        return torch.heaviside(x, torch.full_like(x, 0.5))

    @classmethod
    def backward(cls, ctx: Any, cotangent: Any) -> Any:
        return cotangent * cls.slope(ctx.saved_tensors[0])

    @classmethod
    def jvp(cls, ctx: Any, tangent: Any) -> Any:
        return tangent * cls.slope(ctx.saved_tensors[0])


class Disagreeing(Half):
    """1/2 in reverse mode, 1 in forward mode."""

    @staticmethod
    def jvp(ctx: Any, tangent: Any) -> Any:
        return tangent * (ctx.saved_tensors[0] >= 0).to(tangent.dtype)


class Forgetful(Half):
    """A backward pass that returns the slope and forgets what came in."""

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        return Half.slope(ctx.saved_tensors[0])


class Outside(Half):
    """A slope of 2 at 0."""

    @staticmethod
    def slope(x: Any) -> Any:
        return torch.heaviside(x, torch.full_like(x, 2.0))


@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
def test_a_choice_that_every_path_makes_passes(fmt: str) -> None:
    cell = judged(Half.apply, fmt=fmt)
    assert (cell.status, cell.reason) == ("pass", "")
    assert cell.measured["kinks"]["0"]["element"] == "midpoint"


@pytest.mark.parametrize("call", [torch.relu, lambda x: torch.where(x > 0, x, 0 * x), torch.nn.functional.relu6])
def test_pytorchs_own_functions_pass_as_a_users(call: Any) -> None:
    function = "relu6" if call is torch.nn.functional.relu6 else "relu"
    assert judged(call, function).status == "pass"


def test_reverse_and_forward_mode_that_disagree_fail() -> None:
    cell = judged(Disagreeing.apply)
    assert cell.status == "fail"
    assert "reverse 0.5" in cell.reason
    assert "forward 1" in cell.reason


def test_prelu_fails_as_long_as_its_two_modes_differ() -> None:
    # Seen in PyTorch 2.13: the reverse formula tests x > 0, the forward formula x >= 0.
    weight = torch.tensor(0.25)
    cell = judged(lambda x: torch.nn.functional.prelu(x, weight.to(x.dtype)), "prelu")
    readings = cell.measured["kinks"]["0"]
    assert (cell.status == "fail") == (readings["reverse"] != readings["forward"])


def test_a_dropped_cotangent_fails() -> None:
    cell = judged(Forgetful.apply)
    assert cell.status == "fail"
    assert "the vjp of cotangent" in cell.reason


def test_a_slope_outside_the_interval_fails() -> None:
    cell = judged(Outside.apply)
    assert cell.status == "fail"
    assert "outside the Clarke interval [0, 1]" in cell.reason


def test_a_dropped_cotangent_shows_in_a_chain_too() -> None:
    def forgetful_silu(x: Any) -> Any:
        return Sigmoidal.apply(x)

    assert judged(torch.nn.functional.silu, "silu", claim="underflow-noise").status == "pass"
    assert judged(forgetful_silu, "silu", claim="underflow-noise").status == "fail"


class Sigmoidal(torch.autograd.Function):
    """silu whose backward pass forgets the cotangent: right for one layer, wrong for two."""

    @staticmethod
    def forward(x: Any) -> Any:
        return torch.nn.functional.silu(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return s * (1 + x * (1 - s))
