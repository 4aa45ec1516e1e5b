"""consistency on PyTorch: strides, threads, in place, vmap, AD paths, cotangents; and its own functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from gradproof.backends.layouts import LAYOUTS
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger
from gradproof.engine.properties.installed import properties
from gradproof.engine.subject.probe import Probe
from gradproof.results.model import Cell
from tests.properties.subjects import NOWHERE, QUICK, task

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


def judged(call: Any, function: str = "silu", order: int = 0, fmt: str = "float32", **variants: Any) -> Cell:
    made = task("consistency", function, [call], fmt, order, backend="torch:cpu")
    made = replace(made, implementation=replace(made.implementation, variants=variants))
    return decide(made, QUICK, Ledger(), NOWHERE)[0]


def failing(cell: Cell) -> set[str]:
    rows = {way: row for way, row in cell.measured["ways"].items() if isinstance(row, dict)}
    return {way for way, row in rows.items() if row.get("failing") or "fault" in row}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + torch.exp(-x))


def ignoring_strides(x: Any) -> Any:
    """Reads the memory behind its argument as if it were contiguous."""
    steps, step = [], 1
    for length in reversed(x.shape):
        steps.insert(0, step)
        step *= length
    return torch.relu(torch.as_strided(x, x.shape, steps))


def by_two_threads(x: Any) -> Any:
    y = torch.relu(x)
    if torch.get_num_threads() > 1 and x.numel() > 1 << 16:
        y[x.numel() // 2 :] *= 1.5
    return y


def test_a_kernel_that_ignores_strides_reads_the_poison() -> None:
    cell = judged(ignoring_strides, "relu")
    assert cell.status == "fail"
    assert {"strided", "transposed", "broadcast"} == failing(cell)


def test_a_gradient_that_ignores_strides_fails_too() -> None:
    assert "strided" in failing(judged(ignoring_strides, "relu", 1))


def test_an_answer_of_the_second_thread_alone_fails() -> None:
    assert failing(judged(by_two_threads, "relu")) == {"large"}


def with_a_later_half(y: Any, later: str) -> Any:
    """``y`` with one of its halves off by a last bit, or with NaNs of the other sign."""
    half = y.numel() // 2
    if later == "a last bit":
        above = torch.nextafter(y[half:], torch.full_like(y[half:], torch.inf))
        y[half:] = torch.where(torch.isfinite(above), above, y[half:])  # an infinity would be of a wrong class
    else:
        y[half:] = torch.where(torch.isnan(y[half:]), -y[half:], y[half:])
    return y


@pytest.mark.parametrize("later", ["a last bit", "the sign of NaN"])
def test_a_gross_fault_of_one_thread_is_seen_whatever_the_other_has(later: str) -> None:
    def threaded(x: Any) -> Any:
        y = torch.relu(x)
        if x.numel() > 1 << 16:
            y[: x.numel() // 2] = torch.where(torch.isnan(x) | (x > 0), -1e6, y)[: x.numel() // 2]
            y = with_a_later_half(y, later)
        return y

    cell = judged(threaded, "relu")
    assert (cell.status, failing(cell)) == ("fail", {"large"})
    row = cell.measured["ways"]["large"]
    assert row["n"] == 1 << 17
    assert row["failing"] > 400  # about half of 1,024 inputs


def test_last_bits_of_one_thread_pass_and_every_element_counts() -> None:
    def threaded(x: Any) -> Any:
        y = torch.relu(x)
        return with_a_later_half(y, "a last bit") if x.numel() > 1 << 16 else y

    cell = judged(threaded, "relu")
    assert cell.status == "pass", cell.reason
    row = cell.measured["ways"]["large"]
    assert row["n"] == 1 << 17
    assert row["different"] > 400
    assert cell.evidence.n > 1 << 17


def test_right_functions_pass_in_every_way_there_is() -> None:
    for order in (0, 1, 2):
        cell = judged(torch.relu, "relu", order, **{"in-place": torch.relu_})
        assert (cell.status, cell.reason) == ("pass", "")
        assert set(LAYOUTS) - {"contiguous", "broadcast", "out"} <= set(cell.measured["ways"])
        assert ("forward mode" in cell.measured["ways"]) == (order > 0)


def test_wrong_variants_fail() -> None:
    variants = {"in-place": lambda x: x.mul_(2).relu_(), "out": lambda x, out: torch.relu(x)}
    cell = judged(torch.relu, "relu", **variants)
    assert failing(cell) == {"in-place", "out"}
    cut_off = {"in-place": lambda x: x.copy_(torch.relu(x.detach()))}
    assert failing(judged(torch.relu, "relu", 0, **cut_off)) == set()
    assert failing(judged(torch.relu, "relu", 1, **cut_off)) == {"in-place"}


class Slope(torch.autograd.Function):
    """relu by hand, with 0 at 0; the tests spoil one of its rules."""

    generate_vmap_rule = False

    @staticmethod
    def forward(x: Any) -> Any:
        return x.clamp_min(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        return torch.where(ctx.saved_tensors[0] > 0, cotangent, 0 * cotangent)

    @staticmethod
    def jvp(ctx: Any, tangent: Any) -> Any:
        return tangent * (ctx.saved_tensors[0] > 0)

    @classmethod
    def vmap(cls, info: Any, in_dims: Any, x: Any) -> Any:
        return cls.apply(x), in_dims[0]


class Forgetful(Slope):
    """A backward pass that returns the slope and forgets what came in."""

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        return (ctx.saved_tensors[0] > 0).to(cotangent.dtype)


class Absolute(Slope):
    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        return cotangent.abs() * (ctx.saved_tensors[0] > 0)


class Mean(Slope):
    """A backward pass that hands every element the mean of what came in."""

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        return cotangent.mean() * (ctx.saved_tensors[0] > 0)


class Normalised(Slope):
    """Divides by the cotangent: NaN for 0."""

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        return cotangent * (cotangent / cotangent) * (ctx.saved_tensors[0] > 0)


class Squared(Slope):
    """Overflows for a large cotangent, and underflows for a small one."""

    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        return cotangent.pow(3) / cotangent.pow(2).clamp_min(1e-38) * (ctx.saved_tensors[0] > 0)


class ForgetfulAtTheKink(Slope):
    @staticmethod
    def backward(ctx: Any, cotangent: Any) -> Any:
        (x,) = ctx.saved_tensors
        return torch.where(x == 0, torch.full_like(x, 0.5), cotangent * (x > 0))


@pytest.mark.parametrize("fmt", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (Slope, ()),
        (Forgetful, (0.0, -3.0, "tiny", "huge", "turns")),
        (Absolute, (-3.0,)),
        (Normalised, (0.0,)),
        (ForgetfulAtTheKink, (0.0, -3.0, "tiny", "huge", "turns")),
        (Mean, ("turns",)),
    ],
)
def test_the_vjp_is_linear_in_the_cotangent(rule: Any, wrong: tuple[Any, ...], fmt: str) -> None:
    cell = judged(rule.apply, "relu", 1, fmt)
    rows = dict(zip((0.0, -3.0, "tiny", "huge", "turns"), cell.measured["ways"]["cotangents"], strict=True))
    assert tuple(c for c, row in rows.items() if row["failing"]) == wrong
    assert all(row["n"] > 100 for row in rows.values())
    assert cell.status == ("fail" if wrong else "pass")
    assert not wrong or "the vjp of cotangent" in cell.reason


class Mistaken(Slope):
    """The slope is off by 2^20 at 1.5 alone; with ``faulty`` what comes back for -3 is off by 1 from 1 to 2."""

    faulty = False

    @classmethod
    def backward(cls, ctx: Any, cotangent: Any) -> Any:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        slope = (x > 0) + 2.0**20 * (x == 1.5)
        return cotangent * slope + 1.0 * ((x > 1) & (x < 2) & (cotangent == -3) & cls.faulty)


def test_a_wrong_slope_at_one_input_hides_no_vjp_at_others() -> None:
    class Faulty(Mistaken):
        faulty = True

    witness = 0x3FC00000  # 1.5
    for rule, wrong in ((Mistaken, False), (Faulty, True)):
        made = task("consistency", "relu", [rule.apply], "float32", 1, backend="torch:cpu")
        found = properties()["consistency"].check(Probe(made, QUICK, (witness,)), 1)
        rows = found.measured["ways"]["cotangents"]
        assert [bool(row["failing"]) for row in rows] == [False, wrong, False, False, False]
        assert [row["not_judged"] for row in rows] == [0, 1, 1, 1, 1]
        assert any("vjp" in v.explanation for v in found.violations) == wrong


def test_a_vjp_that_squares_the_cotangent_overflows() -> None:
    rows = judged(Squared.apply, "relu", 1).measured["ways"]["cotangents"]
    assert [bool(row["failing"]) for row in rows] == [False, False, True, True, False]


def test_reverse_and_forward_mode_that_differ_off_the_kink_fail() -> None:
    class Steeper(Slope):
        @staticmethod
        def jvp(ctx: Any, tangent: Any) -> Any:
            return tangent * (ctx.saved_tensors[0] > 0) * 1.5

    class OtherConvention(Slope):
        @staticmethod
        def jvp(ctx: Any, tangent: Any) -> Any:
            return tangent * (ctx.saved_tensors[0] >= 0)

    assert failing(judged(Steeper.apply, "relu", 1)) == {"forward mode"}
    # At the kink it is for kink-convention to say.
    assert judged(OtherConvention.apply, "relu", 1).status == "pass"


def test_a_wrong_rule_for_vmap_fails_and_a_missing_one_is_noted() -> None:
    class Doubled(Slope):
        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            return 2 * torch.relu(x), in_dims[0]

    class Without(Slope):
        vmap = torch.autograd.Function.vmap

    assert failing(judged(Doubled.apply, "relu")) == {"vmap"}
    cell = judged(Without.apply, "relu")
    assert cell.status == "pass"
    assert "vmap" in cell.measured["not_offered"]


def test_pytorchs_gelu_of_infinity_is_told_apart_by_the_oracle() -> None:
    # pytorch#185770: contiguous float32 gives NaN, strided and float64 give infinity.
    cell = judged(torch.nn.functional.gelu, "gelu")
    infinite = torch.full((16,), torch.inf)
    same = bool(torch.isnan(torch.nn.functional.gelu(infinite)[0]) == torch.isnan(
        torch.nn.functional.gelu(torch.stack([infinite, infinite], 1)[:, 0])[0]
    ))  # fmt: skip
    assert same or (cell.status == "fail" and "inf" in cell.reason)


def test_autocast_is_judged_and_compared_with_eager() -> None:
    def relu(x: Any) -> Any:
        return torch.relu(x.reshape(-1, 1) @ torch.ones(1, 1, dtype=x.dtype)).reshape(x.shape)  # a product is lowered

    cells = {}
    for call in (relu, torch.relu):
        made = task("consistency", "relu", [call], "float32", backend="torch:cpu", mode="autocast")
        cells[call] = decide(made, QUICK, Ledger(), NOWHERE)[0]
    assert failing(cells[relu]) == {"autocast"}
    assert cells[relu].reason.endswith("autocast breaks the contract, eager keeps it")
    assert cells[torch.relu].status == "pass"


def test_a_users_function_without_a_second_derivative_is_unsupported_as_ever() -> None:
    class Once(Slope):
        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, cotangent: Any) -> Any:
            return cotangent * (ctx.saved_tensors[0] > 0)

    assert judged(Once.apply, "relu", 2).status == "unsupported"


@pytest.mark.parametrize("fmt", ["float64", "float32", "float16"])
def test_gradients_that_overflow_are_compared_without_a_warning(fmt: str) -> None:
    # exp' is infinite from some input on, and so is what is due there. Warnings are errors here.
    assert judged(torch.exp, "exp", 1, fmt).status == "pass"
