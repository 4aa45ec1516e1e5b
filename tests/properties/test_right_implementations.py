"""Every claim stays silent on implementations that are right: correctly rounded ones, and the reference ones."""

from __future__ import annotations

import pytest

from gradproof.engine.properties.installed import properties
from gradproof.functions import get_function
from tests.properties.subjects import Call, exact, reference, verdict

CLAIMS = (
    "accuracy",
    "special-values",
    "saturation",
    "kink-convention",
    "taylor",
    "fd-jump",
    "shape",
    "underflow-noise",
    "vanishing",
    "consistency",
    "conventions-train",
    "curvature-by-depth",
    "second-order",
    "smooth-descent",
)
"""Without zero-input, which asks the backend and not the implementation; it has tests of its own."""
CORRECTLY_ROUNDED = [
    (function, fmt)
    for function in ("relu", "hardtanh", "elu", "gelu", "tanh", "threshold", "log1p", "exp")
    for fmt in ("float32", "float16", "bfloat16")
]
REFERENCES = [
    *((f, "float16") for f in ("leaky_relu", "relu6", "selu", "silu", "softplus", "sigmoid", "celu", "mish", "erf")),
    *((f, "bfloat16") for f in ("maximum0", "abs", "clamp", "hardsigmoid", "softshrink", "quick_gelu", "squareplus")),
    *((f, "float32") for f in ("prelu", "selu", "gelu_tanh", "softplus", "logsigmoid", "softsign", "erfc", "expm1")),
    *((f, "float64") for f in ("relu6", "sigmoid", "hardswish", "hardshrink", "softplus_threshold", "tanhshrink")),
]


def not_passed(function: str, fmt: str, calls: list[Call]) -> dict[tuple[str, int], str]:
    """Claims and orders that are not passed, with the reason."""
    spec = get_function(function)
    cells = {
        (claim, order): verdict(claim, function, calls, fmt, order)
        for claim in CLAIMS
        for order in properties()[claim].orders
        if properties()[claim].applies(spec, order)
    }
    assert len(cells) >= 8
    return {key: f"{cell.status}: {cell.reason}" for key, cell in cells.items() if cell.status != "pass"}


@pytest.mark.parametrize(("function", "fmt"), CORRECTLY_ROUNDED)
def test_correctly_rounded_results_pass_every_claim(function: str, fmt: str) -> None:
    assert not_passed(function, fmt, exact(function)) == {}


@pytest.mark.parametrize(("function", "fmt"), REFERENCES)
def test_the_reference_implementations_pass_every_claim(function: str, fmt: str) -> None:
    assert not_passed(function, fmt, reference(function)) == {}


@pytest.mark.parametrize("function", ["relu", "elu"])
def test_either_end_of_the_clarke_interval_passes_every_claim(function: str) -> None:
    assert not_passed(function, "bfloat16", exact(function, side="right")) == {}


@pytest.mark.parametrize("reach", [0.0625, 0.5])
@pytest.mark.parametrize("claim", ["taylor", "fd-jump", "kink-convention", "accuracy"])
def test_two_kinks_close_together_are_no_fault(claim: str, reach: float) -> None:
    params = {"min": -reach, "max": reach}
    order = properties()[claim].orders[0]
    for fmt in ("float32", "float16", "bfloat16"):
        assert verdict(claim, "hardtanh", reference("hardtanh", params), fmt, order, params=params).status == "pass"
