"""Layouts: what the implementation is shown in each, and that the answers come back in the order of the inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradproof.backends import get_backend, registry
from gradproof.backends.base import Call, Implementation
from gradproof.backends.layouts import ALL_TAILS, LAYOUTS, LONGEST_TAIL, copies, poison, tails
from gradproof.errors import Unsupported
from gradproof.formats import FORMATS
from gradproof.formats import arrays as fa

FLOAT32 = FORMATS["float32"]
INPUTS = np.arange(1, 301, dtype=np.float32)
BACKENDS = ("numpy", "torch", "jax")


def negative(x: Any) -> Any:
    return -x


def evaluated(backend: str, layout: str, call: Callable[[Any], Any] = negative, order: int = 0, **more: Any) -> Any:
    pytest.importorskip(backend)
    made = get_backend(backend)
    derivatives = (lambda x: -x / x,) if backend == "numpy" else ()
    implementation = Implementation("any", backend, "mine:f", call, derivatives=derivatives, user=True, **more)
    path = made.paths(implementation)[0]
    if layout not in made.layouts(implementation, FLOAT32, order):
        pytest.skip(f"{backend} offers no {layout}")
    bits = INPUTS.view(np.uint32)[: 0 if layout == "empty" else None]
    got = made.evaluate(implementation, bits, FLOAT32, Call(order, path=path, layout=layout))
    assert got.shape == bits.shape
    return fa.values(got, FLOAT32)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in ("in-place", "out", "empty")])
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_layout_answers_in_the_order_of_the_inputs(backend: str, layout: str) -> None:
    np.testing.assert_array_equal(evaluated(backend, layout), -INPUTS)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in ("in-place", "out", "empty", "broadcast")])
@pytest.mark.parametrize("backend", BACKENDS)
def test_derivatives_come_back_from_every_layout(backend: str, layout: str) -> None:
    np.testing.assert_array_equal(evaluated(backend, layout, order=1), -np.ones(INPUTS.size))


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_array_is_shown_to_the_implementation(backend: str, order: int) -> None:
    seen = []

    def noting(x: Any) -> Any:
        seen.append(tuple(x.shape))
        return -x

    assert evaluated(backend, "empty", noting, order).shape == (0,)
    assert set(seen) == ({(0,)} if not (backend == "numpy" and order) else set())


def test_what_the_layouts_show() -> None:
    shown: dict[str, list[Any]] = {}
    for layout in ("strided", "offset", "transposed", "broadcast", "scalar", "tail", "batched"):
        shown[layout] = []
        evaluated("numpy", layout, lambda x, layout=layout: shown[layout].append(x) or -x)
    (strided,), (offset,), (transposed,) = shown["strided"], shown["offset"], shown["transposed"]
    (broadcast,), (batched,) = shown["broadcast"], shown["batched"]
    assert strided.strides == (8,)
    between = np.lib.stride_tricks.as_strided(strided, (strided.size * 2 - 1,), (4,))[1::2]
    assert not np.isin(between, INPUTS).any()
    assert np.isnan(between[0])
    assert offset.flags.c_contiguous
    assert (offset.ctypes.data - offset.base.ctypes.data) % 8 == 4
    assert transposed.flags.f_contiguous
    assert not transposed.flags.c_contiguous
    assert broadcast.strides[1] == 0
    assert batched.ndim == 2
    assert {x.shape for x in shown["scalar"]} == {()}
    assert [x.size for x in shown["tail"]][:3] == [1, 2, 3]


def test_what_is_written_comes_from_where_it_is_written() -> None:
    def out(x: Any, out: Any) -> None:
        out[...] = -x

    def in_place(x: Any) -> None:
        x *= -1

    for layout, variant in (("out", out), ("in-place", in_place)):
        np.testing.assert_array_equal(evaluated("numpy", layout, variants={layout: variant}), -INPUTS)
        np.testing.assert_array_equal(evaluated("numpy", layout, np.negative), -INPUTS)  # a ufunc has both
    torch = pytest.importorskip("torch")
    for layout, variant in (("out", torch.neg), ("in-place", torch.neg_)):
        np.testing.assert_array_equal(evaluated("torch", layout, variants={layout: variant}), -INPUTS)


def test_pytorchs_variants_are_those_of_their_functions() -> None:
    pytest.importorskip("torch")
    made = get_backend("torch")
    bits = fa.round_values(np.linspace(0.125, 3, 64), FLOAT32)
    tried = 0
    for implementation in (i for i in made.catalogue() if i.variants):
        first = fa.values(made.evaluate(implementation, bits, FLOAT32, Call()), FLOAT32)
        for name in implementation.variants:
            got = made.evaluate(implementation, bits, FLOAT32, Call(layout=name))
            np.testing.assert_allclose(fa.values(got, FLOAT32), first, rtol=1e-6)
            tried += 1
    assert tried >= 30


def test_a_vmap_that_cannot_be_is_unsupported() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(Unsupported, match="under vmap"):
        evaluated("torch", "vmap", lambda x: -x if float(x.sum()) > 0 else x * -1)
    assert torch.get_num_threads() >= 1


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_cotangent_scales_the_gradient(backend: str) -> None:
    pytest.importorskip(backend)
    made = get_backend(backend)
    implementation = Implementation("any", backend, "mine:f", negative, user=True)
    for c in (0.0, -3.0, 2.0**-126, 2.0**63):
        got = made.evaluate(implementation, INPUTS.view(np.uint32), FLOAT32, Call(1, cotangent=c))
        np.testing.assert_array_equal(fa.values(got, FLOAT32), -c * np.ones(INPUTS.size))


def test_a_backend_offers_the_contiguous_layout_unless_it_says_more() -> None:
    for name, kind in registry.available_backends().items():
        assert kind.takes_cotangents == (name in ("torch", "jax"))
    numpy = get_backend("numpy")
    assert super(type(numpy), numpy).layouts(numpy.catalogue()[0], FLOAT32, 0) == ("contiguous",)


def test_short_arrays_have_every_length_and_every_input_once() -> None:
    cuts = tails(ALL_TAILS + 5)
    assert [c.stop - c.start for c in cuts] == [*range(1, LONGEST_TAIL + 1), 1, 2, 2]
    np.testing.assert_array_equal(np.concatenate([np.arange(ALL_TAILS + 5)[c] for c in cuts]), np.arange(ALL_TAILS + 5))


def test_copies_and_poison() -> None:
    many, which = copies(np.arange(7, dtype=np.uint32), 20)
    np.testing.assert_array_equal(many, which)
    assert many.size == 20
    values = fa.values(poison(4, FLOAT32), FLOAT32)
    assert np.isnan(values[[0, 3]]).all()
    assert np.abs(values[1]) == np.abs(values[2]) == float(FLOAT32.max_value)
