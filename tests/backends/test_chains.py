"""Chains: the inputs of each step and the reverse-mode derivative at each depth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradproof.backends import Implementation, get_backend
from gradproof.errors import Unsupported
from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa

BACKENDS = ("numpy", "torch", "jax")
FLOAT16 = FORMATS["float16"]
WEIGHTS = [0.5, 2.0, -1.0, 0.25]


def square(x: Any) -> Any:
    return x * x


def twice(x: Any) -> Any:
    return x + x


def implementation(backend: str, *, given: bool) -> Implementation:
    derivatives = (twice,) if given else ()
    return Implementation("any", backend, "mine:square", square, derivatives=derivatives, user=True)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS.keys())
def test_a_chain_of_squares_is_exact(backend: str, fmt: Format, given: bool) -> None:
    if backend == "torch" and fmt.width == 8:  # no kernel for scaling by a weight
        with pytest.raises(Unsupported, match="a chain in float8"):
            get_backend(backend).chain(implementation(backend, given=given), WEIGHTS, fa.all_bits(fmt), fmt)
        return
    if backend == "numpy" and not given:
        with pytest.raises(Unsupported, match="no derivative="):
            get_backend(backend).chain(implementation(backend, given=False), WEIGHTS, fa.all_bits(FLOAT16), fmt)
        return
    start = np.array([1.0, -2.0, 0.0])
    assert get_backend(backend).chain(implementation(backend, given=given), [], np.array([]), fmt) == ([], [])
    inputs, derivatives = get_backend(backend).chain(
        implementation(backend, given=given), WEIGHTS, fa.round_values(start, fmt), fmt
    )
    h, slope = start, np.ones(3)
    assert len(inputs) == len(derivatives) == len(WEIGHTS)
    for w, into, derivative in zip(WEIGHTS, inputs, derivatives, strict=True):
        np.testing.assert_array_equal(fa.values(into, fmt), w * h)
        slope = slope * 2 * (w * h) * w
        h = (w * h) ** 2
        np.testing.assert_array_equal(fa.values(derivative, fmt), slope)


@pytest.mark.parametrize("size", [17, 20_000], ids=["all steps in one vjp of JAX", "in two"])
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_chain_equals_differentiating_the_composed_function(backend: str, size: int) -> None:
    """One graph over three steps of sigmoid, against the row-wise pull-backs; same operations, same bits."""
    fmt = FORMATS["float32"]
    made = get_backend(backend)
    (sigmoid,) = [i for i in made.catalogue() if i.function == "sigmoid"]
    weights = [1.5, -0.75, 2.0]
    bits = fa.round_values(np.linspace(-3, 3, size), fmt)

    def composed(x: Any) -> Any:
        for w in weights:
            x = sigmoid.call(w * x)
        return x

    from gradproof.backends import Call

    whole = made.evaluate(Implementation("any", backend, "test:composed", composed), bits, fmt, Call(1))
    _, derivatives = made.chain(sigmoid, weights, bits, fmt)
    np.testing.assert_array_equal(derivatives[-1], whole)


def test_numpy_accumulates_in_the_format_from_the_last_step_back() -> None:
    """In float16 2^-14 * 2^-14 * 2^14 is 0 when multiplied from the left, and 2^-14 from the right."""
    fmt = FLOAT16
    slopes = {1.0: 2.0**14, 2.0: 2.0**-14, 3.0: 2.0**-14}

    def count(x: Any) -> Any:
        return x + x.dtype.type(1)

    def derivative(x: Any) -> Any:
        return np.array([slopes[float(v)] for v in x], x.dtype)

    stepped = Implementation("any", "numpy", "mine:count", count, derivatives=(derivative,), user=True)
    _, derivatives = get_backend("numpy").chain(stepped, [1.0, 1.0, 1.0], fa.round_values(np.array([1.0]), fmt), fmt)
    got = [float(fa.values(d, fmt)[0]) for d in derivatives]
    assert got == [2.0**14, 1.0, 0.0]
