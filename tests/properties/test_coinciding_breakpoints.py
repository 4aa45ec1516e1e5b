"""Parameters at which breakpoints coincide: the piece of no length between them has no slope to offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gradproof.results.model import Cell
from tests.properties.subjects import verdict

BACKENDS = ("torch:cpu", "jax:cpu")


def _torch(function: str, params: dict[str, float]) -> Callable[[Any], Any]:
    from gradproof.backends.torch import catalogue

    made = catalogue.row(function, params)
    assert made is not None
    return made.call


def _jax(function: str, params: dict[str, float]) -> Callable[[Any], Any]:
    import jax
    import jax.numpy as jnp

    return {
        # As their documentation has them; jax.nn has neither shrinkage nor a hardtanh with ends.
        "hardshrink": lambda x: jnp.where(jnp.abs(x) <= params["lambd"], 0 * x, x),
        "softshrink": lambda x: jnp.sign(x) * jax.nn.relu(jnp.abs(x) - params["lambd"]),
        "hardtanh": lambda x: jnp.where(
            x > params["max"], params["max"], jnp.where(x < params["min"], params["min"], x)
        ),
        "clamp": lambda x: jnp.clip(x, params["min"], params["max"]),
    }[function]


SUBJECTS = [
    ("hardshrink", {"lambd": 0.0}),
    ("softshrink", {"lambd": 0.0}),
    ("hardtanh", {"min": 0.0, "max": 0.0}),
    ("clamp", {"min": 0.0, "max": 0.0}),
    ("clamp", {"min": 1.0, "max": 1.0}),
]


def judged(claim: str, call: Callable[[Any], Any], function: str, params: dict[str, float], backend: str) -> Cell:
    return verdict(claim, function, [call], "bfloat16", 1, params=params, backend=backend)


def due(params: dict[str, float]) -> float:
    """f' everywhere: shrinkage by nothing is the identity, and between equal ends there is a constant."""
    return 1.0 if "lambd" in params else 0.0


def derivative_at(point: float, call: Callable[[Any], Any], backend: str) -> float:
    if backend == "torch:cpu":
        import torch

        x = torch.tensor([point], dtype=torch.bfloat16, requires_grad=True)
        (found,) = torch.autograd.grad(call(x).sum(), x)
        return float(found)
    import jax

    return float(jax.grad(lambda x: call(x).sum())(jax.numpy.full((1,), point, jax.numpy.bfloat16))[0])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("function", "params"), SUBJECTS)
def test_what_a_framework_returns_there_is_right_or_wrong(
    function: str, params: dict[str, float], backend: str
) -> None:
    call = (_torch if backend == "torch:cpu" else _jax)(function, params)
    point = params.get("max", 0.0)
    right = derivative_at(point, call, backend) == due(params)
    for claim in ("accuracy", "kink-convention"):
        cell = judged(claim, call, function, params, backend)
        assert cell.status == ("pass" if right else "fail"), claim
        if not right:
            assert cell.certificate is not None
            assert cell.certificate.input is not None
            assert float(cell.certificate.input.decimal) == point


@pytest.mark.framework("torch")
@pytest.mark.parametrize(("function", "params"), SUBJECTS)
def test_the_clarke_interval_is_one_number(function: str, params: dict[str, float]) -> None:
    import torch

    point = params.get("max", 0.0)
    inner = _torch(function, params)

    class Given(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return inner(x)

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            (x,) = ctx.saved_tensors
            return cotangent * torch.where(x == point, at_point, due(params)).to(x.dtype)

    at_point = due(params)
    assert judged("accuracy", Given.apply, function, params, "torch:cpu").status == "pass"
    at_point = 0.5
    cell = judged("kink-convention", Given.apply, function, params, "torch:cpu")
    number = f"{due(params):g}"
    assert (cell.status, f"outside the Clarke interval [{number}, {number}]" in cell.reason) == ("fail", True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_slope_that_is_one_throughout_is_no_convention(backend: str) -> None:
    # leaky_relu with slope 1 is the identity, its pieces agree: f'(0) = 1, and nothing else will do.
    if backend == "torch:cpu":
        import torch

        right: Callable[[Any], Any] = torch.nn.LeakyReLU(1.0)
        wrong: Callable[[Any], Any] = lambda x: torch.relu(x) - torch.relu(-x)  # noqa: E731  0 at 0
    else:
        import jax

        right = lambda x: jax.nn.leaky_relu(x, 1.0)  # noqa: E731
        wrong = lambda x: jax.nn.relu(x) - jax.nn.relu(-x)  # noqa: E731
    params = {"negative_slope": 1.0}
    assert judged("accuracy", right, "leaky_relu", params, backend).status == "pass"
    assert judged("accuracy", wrong, "leaky_relu", params, backend).status == "fail"


def test_between_0_and_0_no_sign_is_owed_to_a_zero() -> None:
    from tests.properties.subjects import exact, replaced

    ends = {"min": 0.0, "max": 0.0}
    positive = replaced(exact("clamp", params=ends)[0], lambda x: x == 0, lambda x: 0.0)
    assert verdict("special-values", "clamp", [positive], "float16", 0, params=ends).status == "pass"
    ends = {"min": -1.0, "max": 1.0}
    positive = replaced(exact("clamp", params=ends)[0], lambda x: x == 0, lambda x: 0.0)
    assert verdict("special-values", "clamp", [positive], "float16", 0, params=ends).status == "fail"
