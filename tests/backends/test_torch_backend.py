"""What is particular to PyTorch: graphs, threads, forward AD, torch.compile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradproof.backends import Call, Implementation, availability, get_backend
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.formats import FORMATS
from gradproof.formats import arrays as fa

torch = pytest.importorskip("torch")

FLOAT32 = FORMATS["float32"]
POINTS = fa.round_values(np.array([-2.0, -0.5, 0.25, 3.0]), FLOAT32)


def mine(call: Any, **more: Any) -> Implementation:
    return Implementation("any", "torch", "mine:f", call, user=True, **more)


def values(call: Any, order: int, path: str = "reverse", mode: str = "eager") -> Any:
    got = get_backend("torch").evaluate(mine(call), POINTS, FLOAT32, Call(order, mode, path))
    return fa.values(got, FLOAT32)


@pytest.mark.parametrize("path", ["reverse", "forward"])
def test_orders_of_a_cube(path: str) -> None:
    x = fa.values(POINTS, FLOAT32)
    np.testing.assert_array_equal(values(lambda t: t * t * t, 1, path), 3 * x * x)
    np.testing.assert_array_equal(values(lambda t: t * t * t, 2, path), 6 * x)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("path", ["reverse", "forward"])
@pytest.mark.parametrize(
    "call", [torch.zeros_like, lambda t: t.detach() * 2, torch.sign], ids=["constant", "detached", "step"]
)
def test_an_unconnected_output_has_derivative_zero(call: Any, path: str, order: int) -> None:
    np.testing.assert_array_equal(values(call, order, path), np.zeros(4))


def test_a_linear_function_has_second_derivative_zero() -> None:
    np.testing.assert_array_equal(values(lambda t: 3 * t, 2), np.zeros(4))


@pytest.mark.parametrize("path", ["reverse", "forward"])
def test_zeros_without_memory_have_bits(path: str) -> None:
    """Autograd's second derivative of abs is a ZeroTensor, which NumPy refuses."""
    np.testing.assert_array_equal(values(torch.abs, 2, path), np.zeros(4))


def test_bits_are_a_copy() -> None:
    from gradproof.backends.torch.tensors import bits_of

    tensor = torch.ones(4)
    bits = bits_of(tensor, FLOAT32)
    tensor.zero_()
    np.testing.assert_array_equal(fa.values(bits, FLOAT32), np.ones(4))


@pytest.mark.parametrize(("order", "path"), [(0, "reverse"), (1, "reverse"), (2, "reverse"), (1, "forward")])
def test_a_write_into_the_input_is_seen_at_every_order(order: int, path: str) -> None:
    with pytest.raises(ImplementationFault) as caught:
        values(lambda t: t.clamp_(min=0) * 1, order, path)
    assert caught.value.kind == "wrote-input"


def test_a_sparse_result_is_a_wrong_type() -> None:
    with pytest.raises(ImplementationFault, match="dense") as caught:
        values(lambda t: t.to_sparse(), 0)
    assert caught.value.kind == "wrong-type"


def test_a_result_on_another_device_is_named() -> None:
    with pytest.raises(ImplementationFault, match="expected cpu") as caught:
        values(lambda t: t.to("meta"), 0)
    assert caught.value.kind == "wrong-device"


def test_a_derivative_that_torch_lacks_is_unsupported_whoever_asks() -> None:
    with pytest.raises(Unsupported, match=r"second derivative of mine:f.*not implemented"):
        values(torch.nn.functional.hardsigmoid, 2)


class Square(torch.autograd.Function):
    """x^2 with a derivative that cannot be differentiated again and no rule for forward mode."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * cotangent


@pytest.mark.parametrize(("order", "path"), [(2, "reverse"), (1, "forward")])
def test_a_rule_the_user_left_out_is_unsupported_not_zero(order: int, path: str) -> None:
    np.testing.assert_array_equal(values(Square.apply, 1), [-4.0, -1.0, 0.5, 6.0])
    with pytest.raises(Unsupported):
        values(Square.apply, order, path)


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    seen = []

    def looking(t: Any) -> Any:
        seen.append(torch.get_num_threads())
        return t

    torch.set_num_threads(3)
    try:
        values(looking, 0)
        with pytest.raises(ImplementationFault):
            values(lambda t: None, 0)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


SMOOTH = (
    "gelu", "gelu_tanh", "silu", "softplus", "sigmoid", "logsigmoid", "tanh", "mish", "tanhshrink", "softsign",
    "exp", "expm1", "log1p", "erf", "erfc",
)  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_reverse_and_forward_agree_on_smooth_functions(name: str) -> None:
    fmt = FORMATS["float64"]
    bits = fa.round_values(np.linspace(-0.9 if name == "log1p" else -4, 4, 101), fmt)
    made = get_backend("torch")
    (implementation,) = [i for i in made.catalogue() if i.function == name]
    for order in (1, 2):
        reverse, forward = (
            fa.values(made.evaluate(implementation, bits, fmt, Call(order, path=path)), fmt)
            for path in made.paths(implementation)
        )
        np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-15)


def test_softplus_keeps_the_threshold_of_torch() -> None:
    (implementation,) = [i for i in get_backend("torch").catalogue() if i.function == "softplus"]
    assert implementation.params == {"beta": 1.0}
    x = torch.tensor([20.5], dtype=torch.float64)
    assert implementation.call(x).item() == 20.5


def test_compiled_forward_mode_is_refused_not_zero() -> None:
    with pytest.raises(Unsupported, match="no forward AD"):
        values(torch.tanh, 1, "forward", "compiled")


def test_an_unknown_mode_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="expected one of eager, compiled"):
        values(torch.tanh, 0, mode="scripted")


@pytest.mark.skipif(torch.version.cuda is not None, reason="this PyTorch is built with CUDA")
def test_a_build_without_cuda_says_so() -> None:
    state = availability("torch:cuda")
    assert not state.available
    assert "built without CUDA" in state.reason


def identity_by_a_matrix_product(t: Any) -> Any:
    return (t.reshape(-1, 1) @ torch.ones(1, 1, dtype=t.dtype)).reshape(t.shape)


def test_autocast_lowers_matrix_products_and_leaves_elementwise_functions() -> None:
    points = fa.round_values(np.array([1 + 2.0**-12, -3.3, 0.1]), FLOAT32)
    exact = fa.values(points, FLOAT32)

    def under(call: Any, order: int, mode: str) -> Any:
        got = get_backend("torch").evaluate(mine(call), points, FLOAT32, Call(order, mode))
        return fa.values(got, FLOAT32)

    lowered = under(identity_by_a_matrix_product, 0, "autocast")
    bfloat16 = FORMATS["bfloat16"]
    np.testing.assert_array_equal(lowered, fa.values(fa.round_values(exact, bfloat16), bfloat16))
    np.testing.assert_array_equal(under(identity_by_a_matrix_product, 0, "eager"), exact)
    for order in (0, 1, 2):
        np.testing.assert_array_equal(under(torch.tanh, order, "autocast"), under(torch.tanh, order, "eager"))


def test_autocast_ends_with_the_call_and_keeps_faults() -> None:
    values(torch.exp, 1, mode="autocast")
    assert not torch.is_autocast_enabled("cpu")
    with pytest.raises(ImplementationFault, match="int32"):
        values(lambda t: t.to(torch.int32), 0, mode="autocast")
