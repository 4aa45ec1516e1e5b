"""bias: what cuts is seen in every function, and what rounds, or errs without taking sides, is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.backends.base import Implementation
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger
from gradproof.engine.request.task import Task
from gradproof.engine.subject.oracles import oracle_of
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.measure.bias import rounded_way
from gradproof_properties.values.bias import Bias, one_sided
from tests.properties.subjects import NOWHERE, QUICK, Exact, outcome, verdict

Round = Callable[[Any, np.random.Generator], Any]
"""From values in units of the format's ulp, all positive, to whole numbers."""
RIGHT: dict[str, Round] = {
    "to nearest, ties to even": lambda k, rng: np.rint(k),
    "faithful, by a coin": lambda k, rng: np.floor(k) + (rng.random(k.size) < 0.5) * (k != np.floor(k)),
    "to nearest after an error of a third": lambda k, rng: np.rint(k + rng.uniform(-1 / 3, 1 / 3, k.size)),
    "some ulps off at random": lambda k, rng: np.rint(k + 3 * rng.standard_normal(k.size)),
    "two ulps too low": lambda k, rng: np.rint(k) - 2,
}
WRONG: dict[str, Round] = {"towards zero": lambda k, rng: np.floor(k), "away from zero": lambda k, rng: np.ceil(k)}


def computed(function: Function, fmt: Format, order: int, how: Round, seed: int = 0) -> list[Any]:
    """The parts found one-sided of a kernel that computes in float32 and rounds to ``fmt`` by ``how``."""
    bits = fa.all_bits(fmt)
    bits = bits[fa.is_finite(bits, fmt)]
    bits = bits[np.argsort(fa.ordinals(bits, fmt), kind="stable")]
    reference = oracle_of(function).references(bits, fmt)[order]
    with np.errstate(all="ignore"):
        y = reference.values.astype(np.float32).astype(np.float64)
        size = np.abs(y)
        quantum = fa.quantum_exponents(size, fmt).astype(np.int32)
        k = how(np.ldexp(size, -quantum), np.random.default_rng(seed))
        got = fa.round_values(np.copysign(np.ldexp(np.nan_to_num(k), quantum), y), fmt)
    return list(one_sided(fa.values(bits, fmt), reference.rounded, rounded_way(got, reference, fmt)))


def judged() -> list[tuple[Function, int]]:
    claim = Bias()
    return [(f, order) for f in CATALOGUE for order in (0, 1) if claim.concerns(f, order)]


def test_the_claim_is_about_every_function_that_rounds_at_all() -> None:
    about = {(f.name, order) for f, order in judged()}
    exact = {"relu", "maximum0", "abs", "relu6", "clamp", "hardtanh", "threshold", "hardshrink", "prelu"}
    assert {name for name, _ in about} == {f.name for f in CATALOGUE if f.kind == "value"} - exact
    assert ("leaky_relu", 1) not in about, "a constant is rounded once"


@pytest.mark.parametrize("fmt", ["float16", "bfloat16"])
def test_a_kernel_that_cuts_at_the_end_is_seen_in_every_function_and_derivative(fmt: str) -> None:
    unseen = [(f.label, n) for f, n in judged() if not computed(f, get_format(fmt), n, WRONG["towards zero"])]
    assert unseen == []


@pytest.mark.parametrize("how", [name for name in RIGHT if "third" not in name])
@pytest.mark.parametrize("fmt", ["float16", "bfloat16"])
def test_no_other_kernel_of_the_catalogue_is_said_to_cut(fmt: str, how: str) -> None:
    seen = [(f.label, n) for f, n in judged() if computed(f, get_format(fmt), n, RIGHT[how])]
    assert seen == []


@pytest.mark.parametrize("how", RIGHT)
def test_right_kernels_are_silent_whatever_the_seed(how: str) -> None:
    for name in ("gelu", "tanh"):
        for seed in range(10):
            assert computed(get_function(name, {}), get_format("bfloat16"), 0, RIGHT[how], seed) == []


def test_rounding_upwards_and_downwards_are_seen_in_each_sign_by_itself() -> None:
    """tanh: towards +infinity is away from zero on the right and towards zero on the left."""
    for how, upwards in (("towards zero", False), ("away from zero", True)):
        found = computed(get_function("tanh", {}), get_format("bfloat16"), 0, WRONG[how])
        assert {part.upwards for part in found} == {upwards}
        assert len(found) >= 2


def truncating(function: str, order: int = 0) -> Callable[[Any], Any]:
    """A bfloat16 kernel that computes in float32 (here: correctly) and keeps the upper half of the bits."""
    import ml_dtypes

    right = Exact(function, order)

    def call(x: Any) -> Any:
        wide = right(x.astype(np.float32)) if x.dtype == ml_dtypes.bfloat16 else right(x)
        return (wide.view(np.uint32) >> 16).astype(np.uint16).view(ml_dtypes.bfloat16)

    return call


@pytest.mark.parametrize("order", [0, 1])
def test_a_truncating_bfloat16_cast_keeps_the_accuracy_contract_and_fails_here(order: int) -> None:
    calls = [truncating("silu", n) for n in range(order + 1)]
    assert verdict("accuracy", "silu", calls, "bfloat16", order=order).status == "pass"
    cell = verdict("bias", "silu", calls, "bfloat16", order=order)
    assert (cell.status, cell.felt) == ("fail", False)
    assert "rounded towards zero" in cell.reason
    assert cell.measured["mean_error"] < -0.4 < cell.measured["mean_error_to_nearest"]
    assert cell.certificate is not None
    assert "--property bias" in cell.certificate.reproduce


@pytest.mark.parametrize("fmt", ["float64", "float32", "float16", "bfloat16"])
def test_correctly_rounded_results_pass_in_every_format(fmt: str) -> None:
    for order in (0, 1):
        cell = verdict("bias", "tanh", [Exact("tanh", n) for n in range(order + 1)], fmt, order=order)
        assert cell.status == "pass", cell.reason
        assert cell.measured["mean_error"] == pytest.approx(cell.measured["mean_error_to_nearest"], abs=1e-9)
        assert cell.evidence.kind == ("exhaustive" if fmt.endswith("16") else "sampled")


@pytest.mark.parametrize("fmt", ["float32", "float64"])
def test_what_is_one_ulp_too_low_everywhere_is_inaccurate_and_does_not_cut(fmt: str) -> None:
    right = Exact("tanh")
    found = outcome("bias", "tanh", [lambda x: np.nextafter(right(x), x.dtype.type(0))], fmt)
    assert found.measured["inexact"] > 1000
    assert not found.violations, "half of it is more than an ulp away"
    assert found.measured["mean_error"] < -0.9


@pytest.mark.parametrize("fmt", ["float32", "float64"])
def test_cutting_is_seen_in_samples(fmt: str) -> None:
    """The neighbour towards zero of the exact tanh, for float64 by mpmath."""

    def cut(x: Any) -> Any:
        near = np.tanh(x.astype(np.float64)).astype(x.dtype)
        with mpmath.workprec(120):
            sure = [mpmath.tanh(mpmath.mpf(float(v))) for v in x] if fmt == "float64" else np.tanh(x.astype(np.float64))
            over = np.array([abs(float(g)) > abs(y) for g, y in zip(near, sure, strict=True)])
            near = np.where(over, np.nextafter(near, x.dtype.type(0)), near)
            under = np.array(
                [abs(float(np.nextafter(g, x.dtype.type(2)))) <= abs(y) for g, y in zip(near, sure, strict=True)]
            )
        return np.where(under & (x > 0), np.nextafter(near, x.dtype.type(2)), near)

    (first, *_) = outcome("bias", "tanh", [cut], fmt).violations
    assert "rounded towards zero" in first.explanation


def test_one_branch_that_cuts_is_seen_where_it_is() -> None:
    import ml_dtypes

    cut, right = truncating("silu"), Exact("silu")

    def call(x: Any) -> Any:
        return np.where(x.astype(np.float32) >= 1, cut(x).view(np.uint16), right(x).view(np.uint16)).view(
            ml_dtypes.bfloat16
        )

    found = outcome("bias", "silu", [call], "bfloat16")
    (only,) = found.violations
    x = fa.values(only.bits, get_format("bfloat16"))
    assert x.min() >= 1
    assert "from 1.0 " in only.explanation


@pytest.mark.framework("torch")
def test_a_torch_kernel_that_cuts_is_seen_with_its_derivative() -> None:
    import torch

    class Cut(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return chopped(torch.sigmoid(x.float()))

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            s = torch.sigmoid(x.double())
            return chopped((grad.double() * s * (1 - s)).float())

    def chopped(y: Any) -> Any:
        return (y.view(torch.int32) >> 16).to(torch.int16).view(torch.bfloat16)

    made = Implementation("sigmoid", "torch", "mine:cut", Cut.apply, formats=("bfloat16",), user=True)
    for order in (0, 1):
        task = Task(get_function("sigmoid", {}), made, "torch:cpu", "eager", "bfloat16", order, "bias")
        cell, _ = decide(task, QUICK, Ledger(), NOWHERE)
        assert cell.status == "fail", (order, cell.reason)
