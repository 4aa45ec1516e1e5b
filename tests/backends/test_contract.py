"""An implementation that breaks its contract is told so, by kind and in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradproof.backends import Call, Implementation, get_backend
from gradproof.engine.declared.implementations import declaration
from gradproof.errors import ImplementationFault, OracleDisagreement, Unsupported, UsageError
from gradproof.formats import FORMATS
from gradproof.formats import arrays as fa

BACKENDS = ("numpy", "torch", "jax")
FLOAT32 = FORMATS["float32"]


def evaluate(backend: str, call: Callable[[Any], Any], order: int = 0, *, user: bool = True, **more: Any) -> Any:
    implementation = Implementation("any", backend, "mine:wrong", call, user=user, **more)
    bits = fa.round_values(np.array([-1.0, 0.5, np.nan]), FLOAT32)
    return get_backend(backend).evaluate(implementation, bits, FLOAT32, Call(order))


def fault(backend: str, call: Callable[[Any], Any], order: int = 0) -> ImplementationFault:
    with pytest.raises(ImplementationFault) as caught:
        evaluate(backend, call, order)
    return caught.value


def halved(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.astype(np.float16)
    return x.half() if hasattr(x, "half") else x.astype("float16")


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: None, "wrong-type", ["returned a NoneType", "expected a"]),
        (lambda x: 1.0, "wrong-type", ["returned a float"]),
        (lambda x: x[:-1], "wrong-shape", ["expected (", "returned shape ("]),
        (lambda x: x.sum(), "wrong-shape", ["returned shape ()"]),
        (halved, "wrong-format", ["float16", "expected", "float32"]),
    ],
    ids=["none", "scalar", "short", "sum", "half"],
)
def test_a_wrong_result_is_named(
    backend: str, call: Callable[[Any], Any], kind: str, words: list[str], order: int
) -> None:
    error = fault(backend, call, order)
    assert error.kind == kind
    assert all(word in str(error) for word in ["mine:wrong", *words])


@pytest.mark.parametrize(("backend", "mode"), [*((name, "eager") for name in BACKENDS), ("jax", "compiled")])
def test_a_conversion_may_return_its_target_format(backend: str, mode: str) -> None:
    x = [1.0, 1.0625, -0.0, 2.0**-24, np.inf, np.nan, 65504.0, 65520.0]  # 1.0625 is exact, 65520 the tie to infinity
    bits = fa.round_values(np.array(x), FLOAT32)
    one = declaration("to_float16", backend=backend)(halved)
    got = fa.values(get_backend(backend).evaluate(one, bits, FLOAT32, Call(mode=mode)), FLOAT32)
    np.testing.assert_array_equal(got, [*x[:-1], np.inf])
    assert np.signbit(got[2])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_conversion_into_another_format_than_its_target_is_told_both_that_are_right(backend: str) -> None:
    one = declaration("to_bfloat16", backend=backend)(halved)
    with pytest.raises(ImplementationFault, match=r"float16, expected \S*float32 or \S*bfloat16") as caught:
        get_backend(backend).evaluate(one, fa.round_values(np.array([1.0]), FLOAT32), FLOAT32, Call())
    assert caught.value.kind == "wrong-format"


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda x: None, "wrong-type"),
        (lambda x: x.tolist(), "wrong-type"),
        (lambda x: x[:-1], "wrong-shape"),
        (lambda x: x[:, None], "wrong-shape"),
        (halved, "wrong-format"),
        (lambda x: x.astype(">f4"), "wrong-format"),
        (lambda x: x.view(np.int32), "wrong-format"),
    ],
)
def test_a_wrong_numpy_result_is_named(call: Callable[[Any], Any], kind: str) -> None:
    assert fault("numpy", call).kind == kind


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("error", [ValueError, NotImplementedError, SystemExit, RecursionError])
def test_an_exception_of_a_users_callable_is_its_fault(backend: str, error: type[BaseException], order: int) -> None:
    def raising(x: Any) -> Any:
        raise error("out of\nluck")

    words = f"mine:wrong raised {error.__name__}: out of luck"
    with pytest.raises(ImplementationFault, match=words) as caught:
        evaluate(backend, raising, order, derivatives=(raising,) if backend == "numpy" else ())
    assert caught.value.kind == "raised"


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_interrupt_passes_through(backend: str) -> None:
    def raising(x: Any) -> Any:
        raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        evaluate(backend, raising)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("error", [UsageError, Unsupported, OracleDisagreement])
def test_an_error_of_our_own_type_that_a_callable_raises_is_its_fault(backend: str, error: type[Exception]) -> None:
    def raising(x: Any) -> Any:
        raise error("stop")

    with pytest.raises(ImplementationFault, match=f"raised {error.__name__}: stop") as caught:
        evaluate(backend, raising)
    assert caught.value.kind == "raised"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_kernel_that_a_framework_lacks_is_unsupported(backend: str) -> None:
    def lacking(x: Any) -> Any:
        raise NotImplementedError("\"elu\" not implemented for 'Half'")

    with pytest.raises(Unsupported, match="not implemented for 'Half'"):
        evaluate(backend, lacking, user=False)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_frameworks_other_exceptions_are_faults(backend: str) -> None:
    def broken(x: Any) -> Any:
        raise IndexError("internal")

    with pytest.raises(ImplementationFault, match="IndexError: internal"):
        evaluate(backend, broken, user=False)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_format_not_claimed_is_unsupported(backend: str) -> None:
    with pytest.raises(Unsupported, match="claims float64, float16 only, not float32"):
        evaluate(backend, lambda x: x, formats=("float64", "float16"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_derivatives_handed_in_are_the_ones_evaluated(backend: str) -> None:
    def seven(x: Any) -> Any:
        return x * 0 + 7

    bits = fa.round_values(np.array([-1.0, 0.5]), FLOAT32)
    implementation = Implementation("any", backend, "mine:given", lambda x: x, derivatives=(seven,), user=True)
    made = get_backend(backend)
    assert made.paths(implementation) == ("given",)
    got = made.evaluate(implementation, bits, FLOAT32, Call(1, path="given"))
    np.testing.assert_array_equal(fa.values(got, FLOAT32), [7.0, 7.0])
    with pytest.raises(Unsupported, match="covers order 1 only"):
        made.evaluate(implementation, bits, FLOAT32, Call(2, path="given"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wrong_derivative_handed_in_is_named_as_that(backend: str) -> None:
    with pytest.raises(ImplementationFault, match="derivative 1 of mine:wrong returned shape") as caught:
        evaluate(backend, lambda x: x, 1, derivatives=(lambda x: x[:-1],))
    assert caught.value.kind == "wrong-shape"


def test_numpy_without_a_derivative_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="no derivative= was handed in"):
        evaluate("numpy", lambda x: x, order=1)


def test_numpy_sees_a_write_into_the_input() -> None:
    def in_place(x: Any) -> Any:
        return np.maximum(x, 0, out=x)

    error = fault("numpy", in_place)
    assert error.kind == "wrote-input"
    assert "element 0 was 0xbf800000, is 0x0 after the call" in str(error)


def test_a_nan_rewritten_with_another_payload_is_a_write() -> None:
    def requieted(x: Any) -> Any:
        x.view(np.uint32)[2] ^= 1
        return x.copy()

    assert fault("numpy", requieted).kind == "wrote-input"


def test_numpy_warnings_of_the_implementation_stay_inside() -> None:
    def noisy(x: Any) -> Any:
        return np.exp(x * np.float32(1e30)) - np.exp(x * np.float32(1e30))

    bits = fa.round_values(np.array([1.0]), FLOAT32)
    implementation = Implementation("any", "numpy", "mine:noisy", noisy, user=True)
    got = get_backend("numpy").evaluate(implementation, bits, FLOAT32, Call())
    assert fa.is_nan(got, FLOAT32).all()
