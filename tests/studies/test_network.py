"""The network's arithmetic: parameters as torch draws them, and gradients against automatic differentiation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gradproof.backends import get_backend
from gradproof.formats import FLOAT64, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Floats
from gradproof_properties.studies import network
from gradproof_properties.studies.network import Parameters, drawn


@pytest.mark.framework("torch")
@pytest.mark.parametrize("inputs", [784, 256, 10])
def test_torch_draws_from_the_same_lattice(inputs: int) -> None:
    import torch

    torch.manual_seed(1)
    theirs = torch.nn.Linear(inputs, 200).bias.detach().numpy()
    bound = np.float32(inputs**-0.5)
    k = np.rint((theirs.astype(np.float64) + bound) / (2 * np.float64(bound)) * 2.0**24)
    assert (k < 2**24).all()
    once = (k * 2.0**-24 * (2 * np.float64(bound)) - np.float64(bound)).astype(np.float32)
    twice = (k * 2.0**-24).astype(np.float32) * (bound + bound) - bound  # where the compiler fuses nothing
    assert np.array_equal(theirs, once) or np.array_equal(theirs, twice)
    ours = drawn([1, 2, 3], inputs, 200, get_format("float32")).biases
    k = np.rint((ours + bound) / (2 * np.float64(bound)) * 2.0**24)
    assert np.array_equal(ours, (k * 2.0**-24 * (2 * np.float64(bound)) - np.float64(bound)).astype(np.float32))
    assert np.abs(ours).max() <= bound
    assert ours.std() == pytest.approx(theirs.std(), rel=0.2)


def test_parameters_are_multiples_of_the_lattice_and_halves_are_rounded() -> None:
    wide = drawn([7], 256, 4, get_format("float32"))
    assert np.array_equal(np.rint(wide.weights * 2.0**27), wide.weights * 2.0**27)  # 2^-24 of 2/16
    for name in ("float16", "bfloat16"):
        fmt = get_format(name)
        narrow = drawn([7], 256, 4, fmt)
        assert np.array_equal(fa.round_values(wide.weights, fmt), fa.round_values(narrow.weights, fmt))
    other = drawn([8], 256, 4, get_format("float32"))
    assert not np.array_equal(wide.weights, other.weights)


def integers(rng: np.random.Generator, inputs: int, outputs: int) -> Parameters:
    """Parameters on integers, so that pre-activations are often exactly 0."""
    return Parameters(
        rng.integers(-2, 3, (outputs, inputs)).astype(np.float64), rng.integers(-1, 2, outputs).astype(np.float64)
    )


def made(space: Any, parameters: list[Parameters], bias: str) -> tuple[list[network.Layer], network.Layer]:
    *hidden, head = (network.layer(space, p, bias, last=i + 1 == len(parameters)) for i, p in enumerate(parameters))
    return hidden, head


def by_autograd(x: Floats, labels: Any, parameters: list[Parameters], at_zero: int) -> Floats:
    import torch

    first = [torch.tensor(a, requires_grad=True) for a in (parameters[0].weights, parameters[0].biases)]
    h = torch.tensor(x)
    for i, p in enumerate(parameters):
        w, b = first if i == 0 else (torch.tensor(p.weights), torch.tensor(p.biases))
        h = torch.nn.functional.linear(h, w, b)
        if i + 1 < len(parameters):
            h = torch.where(h >= 0, h, 0.0) if at_zero else torch.relu(h)
    torch.nn.functional.cross_entropy(h, torch.tensor(labels)).backward()
    weights, biases = (p.grad.numpy() for p in first)
    return np.concatenate([weights, biases[:, None]], axis=1)


@pytest.mark.framework("torch")
@pytest.mark.parametrize("bias", network.BIASES)
@pytest.mark.parametrize("backend", ["numpy:cpu", "torch:cpu", "jax:cpu"])
@pytest.mark.parametrize("depth", [1, 3])
def test_the_gradients_are_those_of_automatic_differentiation(backend: str, bias: str, depth: int) -> None:
    rng = np.random.default_rng(depth)
    sizes = [5, *[4] * depth, 3]
    parameters = [integers(rng, i, o) for i, o in pairwise(sizes)]
    x, labels = rng.integers(0, 3, (6, 5)).astype(np.float64), rng.integers(0, 3, 6)
    with get_backend(backend).space(FLOAT64) as space:
        hidden, head = made(space, parameters, bias)
        array = space.array(network.inputs(fa.round_values(x, FLOAT64), FLOAT64, bias))
        got = network.first_layer_gradients(space, array, labels, hidden, head)
    due = [by_autograd(x, labels, parameters, at_zero) for at_zero in (0, 1)]
    assert not np.allclose(*due)
    for ours, theirs in zip(got, due, strict=True):
        shaped = (
            ours.reshape(theirs.shape)
            if bias == "column"
            else np.concatenate([ours[:20].reshape(4, 5), ours[20:].reshape(4, 1)], axis=1)
        )
        assert np.allclose(shaped, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.framework("torch")
@pytest.mark.parametrize("fmt", ["float16", "bfloat16"])
def test_a_bias_in_the_column_is_what_torchs_linear_does_in_16_bits(fmt: str) -> None:
    import torch

    kind = get_format(fmt)
    p = drawn([4], 256, 64, kind)
    x = np.random.default_rng(1).uniform(0, 1, (32, 256))
    with get_backend("torch:cpu").space(kind) as space:
        layer = network.layer(space, p, "column")
        z = network.pre_activations(space, space.array(network.inputs(fa.round_values(x, kind), kind, "column")), layer)
        got = fa.values(space.bits(z), kind)
    t = [torch.tensor(a, dtype=getattr(torch, fmt)) for a in (x, p.weights, p.biases)]
    due = torch.nn.functional.linear(t[0], t[1], t[2]).to(torch.float64).numpy()
    assert np.array_equal(got[:, :-1], due)
    assert (got[:, -1] == 1).all()
