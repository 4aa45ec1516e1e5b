"""Programs over a backend's arrays: values, gradients and Hessian-vector products against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradproof.backends import availability, get_backend
from gradproof.backends.base import Implementation
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.formats import arrays as fa
from gradproof.formats import get_format

BACKENDS = [
    pytest.param(name, marks=pytest.mark.skipif(not availability(name).available, reason=availability(name).reason))
    for name in ("numpy:cpu", "torch:cpu", "jax:cpu")
]
WITH_AD = BACKENDS[1:]
FORMATS = ("float64", "float32", "float16", "bfloat16")
X = [[1, 2], [-1, 3], [2, -2]]
W = [[1, -2], [3, 1]]


def implementation(backend: str, function: str) -> Implementation:
    return next(i for i in get_backend(backend).catalogue() if i.function == function)


def mine(call: Any) -> Implementation:
    return Implementation("relu", "torch", "mine:f", call, user=True)


def exact_gradient() -> list[list[Fraction]]:
    """dE/dW of E = sum relu(X W)^2, by hand: X^T (2 relu(XW))."""
    z = [[sum(Fraction(x) * W[k][j] for k, x in enumerate(row)) for j in range(2)] for row in X]
    h = [[max(v, Fraction(0)) for v in row] for row in z]
    return [[sum(2 * X[i][k] * h[i][j] for i in range(3)) for j in range(2)] for k in range(2)]


def exact_product(direction: list[list[int]]) -> list[list[Fraction]]:
    """The Hessian of the same E times a direction: X^T (2 [XW > 0] (X D))."""
    z = [[sum(x * W[k][j] for k, x in enumerate(row)) for j in range(2)] for row in X]
    d = [[sum(x * direction[k][j] for k, x in enumerate(row)) for j in range(2)] for row in X]
    return [[sum(Fraction(2 * X[i][k] * d[i][j]) for i in range(3) if z[i][j] > 0) for j in range(2)] for k in range(2)]


def program_of(space: Any, made: Implementation) -> Any:
    x = bits(space, X)

    def energy(arrays: Any) -> Any:
        h = space.apply(made, space.matmul(x, arrays[0]))
        return space.total(h * h)

    return energy


def bits(space: Any, rows: Any) -> Any:
    values = np.asarray(rows, np.float64)
    return space.array(fa.round_values(values.ravel(), space.format).reshape(values.shape))


def numbers(space: Any, array: Any) -> list[list[float]]:
    patterns = space.bits(array)
    found: list[list[float]] = fa.values(patterns.ravel(), space.format).reshape(patterns.shape).tolist()
    return found


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("fmt", FORMATS)
def test_operations_on_small_integers_are_exact(name: str, fmt: str) -> None:
    with get_backend(name).space(get_format(fmt)) as space:
        a, b = bits(space, X), bits(space, W)
        product = [[sum(x * W[k][j] for k, x in enumerate(row)) for j in range(2)] for row in X]
        assert numbers(space, space.matmul(a, b)) == product
        assert numbers(space, space.total(a)) == 5
        assert numbers(space, space.sqrt(a * a)) == [[abs(x) for x in row] for row in X]
        assert numbers(space, space.where(a < space.number(0), space.number(7), a)) == [[1, 2], [7, 3], [2, 7]]
        assert numbers(space, a.T) == [list(column) for column in zip(*X, strict=True)]
        assert numbers(space, a * space.number(0.5) - a / space.number(2)) == numbers(space, space.zeros(3, 2))
        assert space.zeros_in(a + bits(space, [[-1, 0], [1, 0], [0, 2]])) == 3
        for part in (space.matmul(a, b), space.total(a), a.T, a * space.number(0.1), space.sqrt(a)):
            assert space.bits(part).dtype == fa.storage(get_format(fmt))


@pytest.mark.parametrize("name", BACKENDS)
def test_functions_keep_the_shape_and_agree_with_evaluate(name: str) -> None:
    made, fmt = implementation(name, "silu"), get_format("float32")
    points = fa.round_values(np.linspace(-9, 9, 35), fmt)
    with get_backend(name).space(fmt) as space:
        x = space.array(points.reshape(5, 7))
        got = space.bits(space.apply(made, x)), space.bits(space.derivative(made, x))
    from gradproof.backends.base import Call

    path = get_backend(name).paths(made)[0]
    for order, patterns in enumerate(got):
        due = get_backend(name).evaluate(made, points, fmt, Call(order=order, path=path))
        assert (patterns.ravel() == due).all()


@pytest.mark.parametrize("name", WITH_AD)
@pytest.mark.parametrize("fmt", FORMATS)
def test_gradients_and_hessian_vector_products_are_exact_on_small_integers(name: str, fmt: str) -> None:
    direction = [[1, 2], [-1, 1]]
    with get_backend(name).space(get_format(fmt)) as space:
        energy = program_of(space, implementation(name, "relu"))
        value, (gradient,) = space.gradients(energy, [bits(space, W)])
        assert numbers(space, value) == 7**2 + 8**2 + 5**2
        assert numbers(space, gradient) == exact_gradient()
        assert space.ways == ("forward-over-reverse", "reverse-over-reverse")
        for way in space.ways:
            (product,) = space.hessian_vector(energy, [bits(space, W)], [bits(space, direction)], way)
            assert numbers(space, product) == exact_product(direction)


@pytest.mark.parametrize("name", WITH_AD)
def test_an_array_that_does_not_matter_has_derivative_zero(name: str) -> None:
    with get_backend(name).space(get_format("float32")) as space:
        energy = program_of(space, implementation(name, "relu"))
        arrays = [bits(space, W), bits(space, X)]
        assert numbers(space, space.gradients(energy, arrays)[1][1]) == [[0, 0]] * 3
        for way in space.ways:
            assert numbers(space, space.hessian_vector(energy, arrays, arrays, way)[1]) == [[0, 0]] * 3


@pytest.mark.parametrize("name", WITH_AD)
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, -3.0])
def test_a_convention_sets_the_derivative_at_the_kink_and_nowhere_else(name: str, slope: float) -> None:
    made = implementation(name, "leaky_relu")
    with get_backend(name).space(get_format("float64")) as space:
        x = bits(space, [-2, 0, 5e-324, -0.0, 3])
        kink, chosen = space.number(0.0), space.number(slope)
        with_it = lambda a: space.total(space.with_convention(made, a[0], kink, chosen))  # noqa: E731
        without = lambda a: space.total(space.apply(made, a[0]))  # noqa: E731
        value, (gradient,) = space.gradients(with_it, [x])
        own_value, (own,) = space.gradients(without, [x])
        assert numbers(space, value) == numbers(space, own_value)
        got, due = numbers(space, gradient), numbers(space, own)
        assert [got[1], got[3]] == [slope, slope]
        assert [got[0], got[4]] == [due[0], due[4]]
        tiny = slope if get_backend(name).traits(get_format("float64")).zeros_inputs else due[2]
        assert got[2] == tiny


def test_numpy_has_no_derivatives_of_programs() -> None:
    with get_backend("numpy:cpu").space(get_format("float32")) as space:
        assert space.ways == ()
        energy = program_of(space, implementation("numpy:cpu", "relu"))
        with pytest.raises(Unsupported, match="no AD"):
            space.gradients(energy, [bits(space, W)])


def test_faults_of_a_users_function_are_told() -> None:
    torch = pytest.importorskip("torch")

    class Wrong(torch.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            raise ValueError("no gradient today")

    def raising(x: Any) -> Any:
        raise KeyError("x")

    with get_backend("torch:cpu").space(get_format("float32")) as space:
        for call, kind, words in (
            (raising, "raised", "KeyError"),
            (lambda x: x[:-1], "wrong-shape", "shape"),
            (lambda x: x.double(), "wrong-format", "float64"),
            (Wrong.apply, "raised", "no gradient today"),
        ):
            with pytest.raises(ImplementationFault, match=words) as caught:
                space.gradients(program_of(space, mine(call)), [bits(space, W)])
            assert caught.value.kind == kind


def test_second_derivatives_that_are_refused_are_unsupported() -> None:
    torch = pytest.importorskip("torch")
    from torch.autograd.function import once_differentiable

    class Once(torch.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        @once_differentiable  # type: ignore[misc]
        def backward(ctx: Any, cotangent: Any) -> Any:
            return cotangent

    with get_backend("torch:cpu").space(get_format("float32")) as space:
        energy = program_of(space, mine(Once.apply))
        for way in space.ways:
            with pytest.raises(Unsupported):
                space.hessian_vector(energy, [bits(space, W)], [bits(space, W)], way)
        with pytest.raises(Unsupported, match="sideways"):
            space.hessian_vector(energy, [bits(space, W)], [bits(space, W)], "sideways")
