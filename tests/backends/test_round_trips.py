"""Bits in, bits out: what enters an implementation is what was asked for, and what leaves it is reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradproof.backends import Call, Implementation, get_backend
from gradproof.backends.base import COMPILED_LENGTHS, LANES, padded
from gradproof.errors import Unsupported
from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa

BACKENDS = ("numpy", "torch", "jax")


def identity(x: Any) -> Any:
    return x


def patterns(fmt: Format) -> fa.Bits:
    """Every 16-bit pattern; else NaNs of several payloads and both signs, infinities, edges and noise."""
    if fmt.is_16_bit:
        return fa.all_bits(fmt)
    payload_bits = np.arange(fmt.precision - 1)
    quiet = fmt.nan_bits | (1 << payload_bits.astype(np.uint64))
    signalling = fmt.infinity_bits | (1 << payload_bits[:-1].astype(np.uint64))
    edges = [0, 1, fmt.min_normal_bits - 1, fmt.min_normal_bits, fmt.max_bits, fmt.infinity_bits]
    noise = np.random.default_rng(7).integers(0, fmt.infinity_bits, 500, dtype=np.uint64)
    half = np.concatenate([quiet, signalling, np.array(edges, np.uint64), noise]).astype(fa.storage(fmt))
    return np.concatenate([half, half | fa.storage(fmt).type(fmt.sign_bit)])


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS.keys())
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_pattern_survives_the_identity(backend: str, fmt: Format) -> None:
    bits = patterns(fmt)
    implementation = Implementation("any", backend, "test:identity", identity, user=True)
    got = get_backend(backend).evaluate(implementation, bits, fmt, Call())
    np.testing.assert_array_equal(got, bits)
    assert got.dtype == bits.dtype


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(0,), (1,), (3,), (2, 5), (LANES,), (LANES + 1,)])
def test_the_padding_is_cut_off_again(backend: str, shape: tuple[int, ...]) -> None:
    seen: list[int] = []

    def negated(x: Any) -> Any:
        seen.append(x.shape[0])
        return -x

    fmt = FORMATS["float32"]
    bits = fa.round_values(np.arange(1.0, 1 + np.prod(shape)).reshape(shape), fmt)
    implementation = Implementation("any", backend, "test:negated", negated, user=True)
    got = get_backend(backend).evaluate(implementation, bits, fmt, Call())
    np.testing.assert_array_equal(fa.values(got, fmt), -fa.values(bits, fmt))
    assert got.shape == shape
    assert all(length % LANES == 0 for length in seen)
    assert bool(seen) == bool(bits.size)


def test_padding_repeats_the_last_element() -> None:
    out = padded(np.arange(300, dtype=np.uint16))
    assert out.size == 512
    assert (out[300:] == 299).all()


@pytest.mark.parametrize(("size", "length"), [(1, 65536), (65536, 65536), (65537, 131072)])
def test_compiled_calls_see_few_lengths(size: int, length: int) -> None:
    assert padded(np.zeros(size, np.uint32), few_lengths=True).size == length
    assert length in COMPILED_LENGTHS or length % COMPILED_LENGTHS[-1] == 0


def test_the_callers_bits_are_not_the_array_the_implementation_gets() -> None:
    fmt = FORMATS["float64"]
    bits = fa.round_values(np.linspace(-1, 1, LANES), fmt)
    before = bits.copy()
    implementation = Implementation("any", "numpy", "test:identity", identity, user=True)
    got = get_backend("numpy").evaluate(implementation, bits, fmt, Call())
    got[:] = 0
    np.testing.assert_array_equal(bits, before)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS.keys())
def test_a_dot_product_of_exact_numbers_is_exact(backend: str, fmt: Format) -> None:
    x = np.array([[1.0, 2.0, -3.0], [0.5, 0.0, 4.0]])
    w = np.array([[2.0, 0.25, 1.0], [-1.0, 8.0, 0.125]])
    bias = np.array([0.5, -0.25])
    to_bits = fa.round_values
    made = get_backend(backend)
    if backend == "torch" and fmt.width == 8:
        with pytest.raises(Unsupported, match="pre-activations in float8"):
            made.dot(to_bits(x, fmt), to_bits(w, fmt), None, fmt)
        return
    with_bias = made.dot(to_bits(x, fmt), to_bits(w, fmt), to_bits(bias, fmt), fmt)
    np.testing.assert_array_equal(fa.values(with_bias, fmt), [0.0, -0.25])
    without = made.dot(to_bits(x, fmt), to_bits(w, fmt), None, fmt)
    np.testing.assert_array_equal(fa.values(without, fmt), [-0.5, 0.0])
