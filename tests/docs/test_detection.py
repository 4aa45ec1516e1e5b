"""docs/detection.md is what its record says, and the tools of its matrix flag what they should and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.faults import neighbours
from benchmarks.faults.record import DOCUMENT, RECORD
from benchmarks.faults.report import document
from gradproof.backends.base import Implementation
from gradproof.engine.declared.implementations import declaration

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")


def sloped(factor: float) -> Callable[[Any], Any]:
    """SiLU in PyTorch with its derivative times ``factor``; on the way back the value comes out right."""

    class Sloped(torch.autograd.Function):  # type: ignore[misc]
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Any) -> Any:
            return x.clone()

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None: ...

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * factor

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            return t * factor

    return lambda x: Sloped.apply(torch.nn.functional.silu(x))


def jax_silu(factor: float) -> Callable[[Any], Any]:
    """SiLU in JAX with its derivative times ``factor``."""
    silu = jax.custom_jvp(jax.nn.silu)
    silu.defjvp(lambda x, t: (jax.nn.silu(*x), factor * jax.jvp(jax.nn.silu, x, t)[1]))
    return silu  # type: ignore[no-any-return]


def flags(call: Callable[[Any], Any], backend: str, **more: Any) -> dict[str, bool]:
    made: Implementation = declaration("silu", backend=backend, formats=["float32"], name="it", **more)(call)
    return {tool: answer["flags"] for tool, answer in neighbours.answers(made, (0, 1, 2)).items()}


def test_the_page_is_made_of_its_record() -> None:
    assert DOCUMENT.read_text("utf-8") == document(json.loads(RECORD.read_text("utf-8")))


def test_a_right_implementation_is_flagged_by_no_tool() -> None:
    assert not any(flags(torch.nn.functional.silu, "torch:cpu").values())
    assert not any(flags(jax.nn.silu, "jax:cpu").values())


def test_a_wrong_derivative_is_flagged_by_all_that_look_at_it() -> None:
    assert flags(sloped(1.1), "torch:cpu") == {
        "torch gradcheck": True,
        "torch gradgradcheck": False,  # 1.1 f'' is the derivative of 1.1 f'
        "torch assert_close": True,
        "numpy assert_allclose": True,
        "mpmath, 4 ulp": False,
    }
    assert flags(jax_silu(1.1), "jax:cpu") == {
        "jax check_grads": True,
        "numpy assert_allclose": True,
        "mpmath, 4 ulp": False,
    }


def test_a_wrong_value_is_flagged_by_all_that_look_at_values() -> None:
    found = flags(lambda x: 1.01 * torch.nn.functional.silu(x), "torch:cpu")
    assert found["mpmath, 4 ulp"]
    assert found["torch assert_close"]
    assert not found["torch gradcheck"]  # the derivative is that of the value


def test_a_tool_is_not_asked_what_it_does_not_take() -> None:
    import numpy as np

    asked = flags(lambda x: x / (1 + np.exp(-x)), "numpy", derivative=lambda x: x)
    assert asked == {"torch assert_close": True, "numpy assert_allclose": True, "mpmath, 4 ulp": False}
