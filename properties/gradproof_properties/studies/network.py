"""A ReLU network at its initialisation, over any backend's arrays: pre-activations, and the first layer's gradient.

The bias is a column of the weights (``column``): every layer gets a constant 1 beside its inputs and hands it on, so
one matrix product adds the bias before its one rounding to the format. ``torch.nn.functional.linear`` gives the same
bits on 16-bit CPU tensors. With ``added`` the product is rounded first and the bias added to that, as ``x @ w + b`` is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from gradproof.extend import FLOAT32, Array, Bits, Floats, Format, Ints, Space
from gradproof.extend import arrays as fa

CLASSES: Final = 10
BIASES: Final = ("column", "added")


@dataclass(frozen=True)
class Parameters:
    """One linear layer: weights of shape (outputs, inputs) and biases of shape (outputs,), exact in the format."""

    weights: Floats
    biases: Floats


def drawn(seed: Sequence[int], inputs: int, outputs: int, fmt: Format) -> Parameters:
    """``torch.nn.Linear``'s initial parameters: uniform(-a, a), a = 1/sqrt(inputs), weights and biases alike.

    As torch draws them: k 2^-24 (2a) - a, k of 24 random bits, rounded to float32 once (by a fused multiply-add); in
    float64 k 2^-53 of 53 bits. Narrower formats round the float32 numbers, as ``.half()`` and ``.bfloat16()`` do.
    """
    rng = np.random.default_rng([*seed, inputs, outputs])
    dtype, bits = ("float64", 53) if fmt.name == "float64" else ("float32", FLOAT32.precision)
    bound = float(np.full((), 1 / math.sqrt(inputs), dtype))

    def uniform(*shape: int) -> Floats:
        unit = np.ldexp(rng.integers(0, 1 << bits, shape).astype(np.float64), -bits)
        exact = unit * (2 * bound) - bound  # of 24 bits by 24: no rounding in float64
        return fa.values(fa.round_values(exact.astype(dtype).astype(np.float64), fmt), fmt)

    return Parameters(uniform(outputs, inputs), uniform(outputs))


@dataclass(frozen=True)
class Layer:
    """A linear layer on the backend. ``bias`` is None where it is a column of ``weights``."""

    weights: Array
    bias: Array | None


def layer(space: Space, parameters: Parameters, bias: str, *, last: bool = False) -> Layer:
    """The parameters as arrays. With ``column`` a hidden layer has one more output, the constant 1."""
    fmt = space.format
    if bias == "added":
        return Layer(
            space.array(fa.round_values(parameters.weights, fmt)), space.array(fa.round_values(parameters.biases, fmt))
        )
    table = np.concatenate([parameters.weights, parameters.biases[:, None]], axis=1)
    if not last:
        table = np.concatenate([table, np.eye(1, table.shape[1], table.shape[1] - 1)])
    return Layer(space.array(fa.round_values(table, fmt)), None)


def inputs(values: Bits, fmt: Format, bias: str) -> Bits:
    """Rows of inputs, shape (rows, n), with the constant 1 beside them where the bias is a column."""
    if bias == "added":
        return values
    one = fa.round_values(np.ones((len(values), 1)), fmt)
    return np.concatenate([values, one], axis=1)


def pre_activations(space: Space, x: Array, layer: Layer) -> Array:
    """``x @ weights.T + bias``, shape (rows, outputs)."""
    z = space.matmul(x, layer.weights.T)
    return z if layer.bias is None else z + layer.bias


def relu(space: Space, z: Array) -> Array:
    """max(z, 0), which is exact in every format."""
    zero = space.zeros()
    return space.where(z > zero, z, zero)


def relu_pulled(space: Space, z: Array, cotangent: Array, at_zero: int) -> Array:
    """The cotangent of z: ``cotangent`` where z > 0, also where z == 0 if f'(0) = ``at_zero`` is 1, else 0."""
    zero = space.zeros()
    return space.where(z < zero, zero, cotangent) if at_zero else space.where(z > zero, cotangent, zero)


def first_layer_gradients(
    space: Space, x: Array, labels: Ints, hidden: Sequence[Layer], head: Layer
) -> tuple[Floats, Floats]:
    """The mean cross-entropy's gradient by the first layer's parameters, for f'(0) = 0 and for f'(0) = 1.

    Back-propagation in the format. What reaches the logits, softmax less the label over the number of rows, is computed
    in float64 from the logits and rounded once: it is the same for both, since ReLU's value does not depend on f'(0).
    """
    z, h = [], x
    for one in hidden:
        z.append(pre_activations(space, h, one))
        h = relu(space, z[-1])
    cotangent = _of_logits(space, pre_activations(space, h, head), labels)
    return _first(space, x, z, [*hidden, head], cotangent, 0), _first(space, x, z, [*hidden, head], cotangent, 1)


def _of_logits(space: Space, logits: Array, labels: Ints) -> Array:
    values = fa.values(space.bits(logits), space.format)
    likely = np.exp(values - values.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    likely[np.arange(len(labels)), labels] -= 1
    return space.array(fa.round_values(likely / len(labels), space.format))


def _first(
    space: Space, x: Array, z: Sequence[Array], layers: Sequence[Layer], cotangent: Array, at_zero: int
) -> Floats:
    """The gradient by the first layer's weights and biases, flattened."""
    for one, before in zip(reversed(layers[1:]), reversed(z), strict=True):
        cotangent = relu_pulled(space, before, space.matmul(cotangent, one.weights), at_zero)
    fmt = space.format
    by_weights = fa.values(space.bits(space.matmul(cotangent.T, x)), fmt)
    if layers[0].bias is None:
        return by_weights[:-1].ravel()  # the last output is the constant 1, which is no parameter's doing
    ones = space.array(fa.round_values(np.ones((x.shape[0], 1)), fmt))
    by_biases = fa.values(space.bits(space.matmul(cotangent.T, ones)), fmt)
    return np.concatenate([by_weights.ravel(), by_biases.ravel()])
