"""What is particular to JAX: the 64-bit switch, tracing, commitment to a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradproof.backends import Call, Implementation, get_backend
from gradproof.backends.base import COMPILED_LENGTHS
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.formats import FORMATS
from gradproof.formats import arrays as fa

jax = pytest.importorskip("jax")
jnp = jax.numpy

FLOAT32, FLOAT64 = FORMATS["float32"], FORMATS["float64"]


def values(call: Any, order: int, path: str = "reverse", mode: str = "eager", fmt: Any = FLOAT32) -> Any:
    bits = fa.round_values(np.array([-2.0, -0.5, 0.25, 3.0]), fmt)
    implementation = Implementation("any", "jax", "mine:f", call, user=True)
    return fa.values(get_backend("jax").evaluate(implementation, bits, fmt, Call(order, mode, path)), fmt)


def cube(x: Any) -> Any:
    return x * x * x


@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("path", ["reverse", "forward"])
def test_orders_of_a_cube(mode: str, path: str) -> None:
    x = np.array([-2.0, -0.5, 0.25, 3.0])
    np.testing.assert_array_equal(values(cube, 1, path, mode), 3 * x * x)
    np.testing.assert_array_equal(values(cube, 2, path, mode), 6 * x)


@pytest.mark.parametrize("flag", [False, True])
def test_the_64_bit_switch_is_as_the_user_left_it(flag: bool) -> None:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", flag)
    try:
        third = values(lambda x: x / 3, 0, fmt=FLOAT64)
        np.testing.assert_array_equal(third, np.array([-2.0, -0.5, 0.25, 3.0]) / 3)
        with pytest.raises(ImplementationFault):
            values(lambda x: None, 0, fmt=FLOAT64)
        assert jax.config.jax_enable_x64 is flag
    finally:
        jax.config.update("jax_enable_x64", before)


def test_a_narrow_format_sees_the_jax_of_its_users() -> None:
    # With 64-bit types on, this constant would be float64 and so would the result.
    np.testing.assert_array_equal(values(lambda x: x * jnp.array([0.5]), 0), [-1.0, -0.25, 0.125, 1.5])


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("path", ["reverse", "forward"])
@pytest.mark.parametrize("call", [jnp.zeros_like, jax.lax.stop_gradient, jnp.sign], ids=lambda f: f.__name__)
def test_an_unconnected_output_has_derivative_zero(call: Any, path: str, order: int) -> None:
    np.testing.assert_array_equal(values(call, order, path), np.zeros(4))


@pytest.mark.parametrize("order", [0, 1])
def test_a_function_that_jit_cannot_trace_is_unsupported_there(order: int) -> None:
    def branching(x: Any) -> Any:
        return x if bool((x > 0).all()) else 2 * x

    np.testing.assert_array_equal(values(branching, 0), [-4.0, -1.0, 0.5, 6.0])
    with pytest.raises(Unsupported, match=r"mine:f.*TracerBoolConversionError"):
        values(branching, order, mode="compiled")


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_a_fault_inside_a_trace_is_still_a_fault(mode: str) -> None:
    def raising(x: Any) -> Any:
        raise ValueError("bad luck")

    with pytest.raises(ImplementationFault, match="mine:f raised ValueError: bad luck"):
        values(raising, 1, mode=mode)


def test_a_custom_vjp_has_no_forward_path() -> None:
    @jax.custom_vjp
    def doubled(x: Any) -> Any:
        return 2 * x

    doubled.defvjp(lambda x: (2 * x, None), lambda _, g: (2 * g,))
    np.testing.assert_array_equal(values(doubled, 1), [2.0] * 4)
    with pytest.raises(Unsupported, match="forward-mode"):
        values(doubled, 1, "forward")


def test_a_donated_input_is_a_write_into_it() -> None:
    with pytest.raises(ImplementationFault, match="donated") as caught:
        values(jax.jit(lambda x: x + 1, donate_argnums=0), 0)
    assert caught.value.kind == "wrote-input"


SMOOTH = ("gelu", "silu", "tanh", "mish", "squareplus", "exp", "expm1", "log1p", "erf", "erfc")


@pytest.mark.parametrize("name", SMOOTH)
def test_reverse_and_forward_agree_on_smooth_functions(name: str) -> None:
    bits = fa.round_values(np.linspace(-0.9 if name == "log1p" else -4, 4, 101), FLOAT64)
    made = get_backend("jax")
    (implementation,) = [i for i in made.catalogue() if i.function == name]
    for order in (1, 2):
        reverse, forward = (
            fa.values(made.evaluate(implementation, bits, FLOAT64, Call(order, "compiled", path)), FLOAT64)
            for path in made.paths(implementation)
        )
        np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-15)


def test_a_chain_calls_with_the_lengths_of_every_other_call() -> None:
    """JAX compiles each operation for each length; the results of the lanes added are left out."""
    seen: set[int] = set()

    def noted(x: Any) -> Any:
        seen.add(x.size)
        return 2 * x

    implementation = Implementation("any", "jax", "mine:noted", noted, user=True)
    bits = fa.round_values(np.array([[1.0], [-3.0]]), FLOAT32)
    inputs, derivatives = get_backend("jax").chain(implementation, [0.5, 4.0, 1.0], bits, FLOAT32)
    assert seen <= set(COMPILED_LENGTHS)
    assert [fa.values(i, FLOAT32).tolist() for i in inputs] == [[[0.5], [-1.5]], [[4.0], [-12.0]], [[8.0], [-24.0]]]
    assert [fa.values(d, FLOAT32).tolist() for d in derivatives] == [[[v], [v]] for v in (1.0, 8.0, 16.0)]


def test_a_chain_longer_than_one_call_keeps_its_rows_apart() -> None:
    start = np.arange(40_000) / 65536
    implementation = Implementation("any", "jax", "mine:square", lambda x: x * x, user=True)
    _, derivatives = get_backend("jax").chain(implementation, [1.0, 1.0], fa.round_values(start, FLOAT64), FLOAT64)
    np.testing.assert_array_equal(fa.values(derivatives[0], FLOAT64), 2 * start)
    np.testing.assert_array_equal(fa.values(derivatives[1], FLOAT64), 4 * start**3)


def test_jax_has_no_prelu_and_no_softplus_of_another_beta() -> None:
    from gradproof.backends.jax.catalogue import row

    assert row("prelu", {"weight": 0.25}) is None
    assert row("softplus", {"beta": 2.0}) is None
    assert row("hardtanh", {"min": -2.0, "max": 2.0}) is None
    assert "prelu" not in {i.function for i in get_backend("jax").catalogue()}
