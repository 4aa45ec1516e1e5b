"""The update rules against torch.optim, and against what mathematics says about their first steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradproof.backends import get_backend
from gradproof.formats import get_format
from gradproof_properties.networks.optimisers import LINEAR, RULES, Optimisers

STEPS = 12
SHAPE = (3, 4)


def trained(gradients: Any, start: Any, fmt: str = "float64", backend: str = "numpy:cpu") -> dict[str, Any]:
    """Each rule's parameters after one step per gradient, all from ``start``."""
    with get_backend(backend).space(get_format(fmt)) as space:
        made = Optimisers(space)
        state = made.start(space, *start.shape)
        parameters = [start] * len(RULES)
        for step, g in enumerate(gradients, 1):
            parameters, state = made.advance(parameters, [g] * len(RULES), state, made.varying(space, step))
    return {rule.name: p for rule, p in zip(RULES, parameters, strict=True)}


def drawn(steps: int = STEPS) -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(steps, *SHAPE)), rng.normal(size=SHAPE)


def test_the_rules_are_those_of_torch_optim() -> None:
    torch = pytest.importorskip("torch")
    theirs: dict[str, Any] = {
        "gradient descent": lambda p: torch.optim.SGD(p, lr=1e-2),
        "momentum": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9),
        "adam": torch.optim.Adam,
        "rmsprop": torch.optim.RMSprop,
        "adadelta": torch.optim.Adadelta,
        "adagrad": torch.optim.Adagrad,
    }
    gradients, start = drawn()
    ours = trained(gradients, start)
    assert set(ours) == set(theirs)
    for name, make in theirs.items():
        p = torch.tensor(start, requires_grad=True)
        optimiser = make([p])
        for g in gradients:
            p.grad = torch.tensor(g)
            optimiser.step()
        np.testing.assert_allclose(ours[name], p.detach().numpy(), rtol=1e-13, atol=1e-14, err_msg=name)


def test_first_steps_in_closed_form() -> None:
    g = drawn(1)[0][0]
    size = np.abs(g)
    due = {
        "gradient descent": 1e-2 * g,
        "momentum": 1e-2 * g,
        "adam": 1e-3 * g / (size + 1e-8),
        "rmsprop": 1e-2 * g / (0.1 * size + 1e-8),
        "adadelta": g * np.sqrt(1e-6 / (0.1 * g**2 + 1e-6)),
        "adagrad": 1e-2 * g / (size + 1e-10),
    }
    for name, p in trained([g], np.zeros(SHAPE)).items():
        np.testing.assert_allclose(-p, due[name], rtol=1e-13, err_msg=name)


def test_a_constant_gradient_in_closed_form() -> None:
    g, n = np.full(SHAPE, 0.25), 9
    step = {name: -p for name, p in trained([g] * n, np.zeros(SHAPE)).items()}
    np.testing.assert_allclose(step["gradient descent"], 1e-2 * n * g, rtol=1e-12)
    np.testing.assert_allclose(step["momentum"], 1e-2 * g * sum((1 - 0.9**k) / 0.1 for k in range(1, n + 1)))
    np.testing.assert_allclose(step["adam"], 1e-3 * n, rtol=1e-6)  # the corrections undo the start at 0
    np.testing.assert_allclose(step["adagrad"], 1e-2 * sum(k**-0.5 for k in range(1, n + 1)), rtol=1e-6)


@pytest.mark.parametrize("fmt", ["float64", "float32", "float16"])
def test_a_gradient_of_zero_moves_nothing_and_makes_no_nan(fmt: str) -> None:
    dtype = np.dtype(fmt)
    start = np.ones(SHAPE, dtype)
    for name, p in trained([np.zeros(SHAPE, dtype)] * 3, start, fmt).items():
        assert p.dtype == dtype
        assert (p == start).all(), name


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_every_backend_takes_the_same_steps(framework: str) -> None:
    pytest.importorskip(framework)
    gradients, start = (a.astype(np.float32) for a in drawn(4))
    ours = trained(gradients, start, "float32")
    fmt = get_format("float32")
    with get_backend(f"{framework}:cpu").space(fmt) as space:
        theirs = trained(
            [space.array(g.view(np.uint32)) for g in gradients],
            space.array(start.view(np.uint32)), "float32", f"{framework}:cpu",
        )  # fmt: skip
        for name in ours:
            np.testing.assert_allclose(space.bits(theirs[name]).view(np.float32), ours[name], rtol=1e-5, atol=1e-6)


def test_the_linear_rules_are_linear() -> None:
    g, zero = drawn(1)[0], np.zeros(SHAPE)
    once, twice = trained(g, zero), trained(2 * g, zero)
    linear = [name for name in once if np.allclose(2 * once[name], twice[name], rtol=1e-9, atol=0)]
    assert tuple(linear) == LINEAR
