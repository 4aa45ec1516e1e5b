"""Differentiation rules of PyTorch and JAX, operation by operation, as their sources compose them.

PyTorch 2.13: tools/autograd/derivatives.yaml and the kernels of ATen/native/cpu it names. JAX 0.10: the ``defjvp`` of
jax/_src/lax/lax.py and special.py, transposed. Orders of operations are theirs: they decide what overflows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gradproof.formulas.differentiation.tape import Pull

TWO_OVER_ROOT_PI: Final = 1.1283791670955126
"""2 / sqrt(pi) as a float64, as both hold it."""

Unary = Callable[[Any, Any, Any, Any], Any]
"""(m, c, x, y) -> the cotangent of x for y = f(x) with cotangent c."""


def _gauss(m: Any, x: Any) -> Any:
    """exp(-x^2), each step stored."""
    return m.stored(m.exp(m.negative(m.stored(m.power(x, 2)))))


def _tanh_kernel(m: Any, c: Any, y: Any) -> Any:
    """In float32 and stored once, or, for float16, with each step in float16."""
    return m.either(c * (1 - y * y), c * m.stored(1 - m.stored(y * y)))


def _sigmoid_kernel(m: Any, c: Any, y: Any) -> Any:
    """In the same way."""
    return m.either(c * (1 - y) * y, m.stored(c * m.stored(1 - y)) * y)


def tanh_backward(m: Any, c: Any, y: Any) -> Any:
    """c (1 - y^2), one kernel of PyTorch, and its double backward -2 y c d."""

    def by_y(m: Any, d: Any, c: Any, y: Any) -> Any:
        return m.multiply(d, m.stored(m.multiply(m.stored(m.multiply(-2, y)), c)))

    return m.call(_tanh_kernel, (lambda m, d, c, y: tanh_backward(m, d, y), by_y), c, y)


def sigmoid_backward(m: Any, c: Any, y: Any) -> Any:
    """c (1 - y) y, one kernel of PyTorch, and its double backward d c (1 - 2 y)."""

    def by_y(m: Any, d: Any, c: Any, y: Any) -> Any:
        return m.multiply(m.stored(m.multiply(d, c)), m.stored(m.add(m.stored(m.multiply(-2, y)), 1)))

    return m.call(_sigmoid_kernel, (lambda m, d, c, y: sigmoid_backward(m, d, y), by_y), c, y)


_TORCH: Final[dict[str, Unary]] = {
    "exp": lambda m, c, x, y: c * y,
    "expm1": lambda m, c, x, y: c * m.stored(y + 1),
    "log": lambda m, c, x, y: c / x,
    "log1p": lambda m, c, x, y: c / m.stored(x + 1),
    "tanh": lambda m, c, x, y: tanh_backward(m, c, y),
    "sigmoid": lambda m, c, x, y: sigmoid_backward(m, c, y),
    "erf": lambda m, c, x, y: m.stored(TWO_OVER_ROOT_PI * _gauss(m, x)) * c,
    "erfc": lambda m, c, x, y: m.stored(-TWO_OVER_ROOT_PI * _gauss(m, x)) * c,
    "sinh": lambda m, c, x, y: c * m.stored(m.cosh(x)),
    "cosh": lambda m, c, x, y: c * m.stored(m.sinh(x)),
    "sqrt": lambda m, c, x, y: c / m.stored(2 * y),
}


def _jax_tanh(m: Any, c: Any, x: Any, y: Any) -> Any:
    part = c * (1 - y)
    return part + part * y


_JAX: Final[dict[str, Unary]] = {
    "exp": lambda m, c, x, y: c * y,
    "expm1": lambda m, c, x, y: c * (y + 1),
    "log": lambda m, c, x, y: c / x,
    "log1p": lambda m, c, x, y: c / (x + 1),
    "tanh": _jax_tanh,
    "sigmoid": lambda m, c, x, y: c * (y * (1 - y)),
    "erf": lambda m, c, x, y: TWO_OVER_ROOT_PI * (c * m.exp(-m.power(x, 2))),
    "erfc": lambda m, c, x, y: -TWO_OVER_ROOT_PI * (c * m.exp(-m.power(x, 2))),
    "sinh": lambda m, c, x, y: c * m.cosh(x),
    "cosh": lambda m, c, x, y: c * m.sinh(x),
    "sqrt": lambda m, c, x, y: c * (0.5 / y),
}


class TorchRules:
    """PyTorch's eager mode: every operation is a kernel of its own, and its result is stored."""

    stores = True

    def quotient(self, m: Any, a: Any, b: Any, y: Any) -> tuple[Pull, Pull]:
        """c / b, and -c * ((a / b) / b): div_tensor_other_grad."""
        return lambda c: c / b, lambda c: m.negative(c) * m.stored(m.stored(m.divide(a, b)) / b)

    def pushed_quotient(self, m: Any, a: Any, b: Any, y: Any, tangents: tuple[Any, Any]) -> Any:
        """(a' - b' y) / b."""
        left, right = tangents
        if right is None:
            return m.stored(left / b)
        part = m.stored(right * y)
        over = m.negative(part) if left is None else m.stored(m.subtract(left, part))
        return m.stored(over / b)

    def raised(self, m: Any, a: Any, n: int) -> Any:
        """One kernel, which stores a^2 on the way to a^3 in bfloat16, and does not in float16."""
        whole = m.stored(m.power(a, n))
        return whole if n == 2 else m.either(whole, m.stored(m.multiply(m.stored(m.power(a, n - 1)), a)))

    def power(self, m: Any, a: Any, n: int) -> Pull:
        """c * (n * a^(n - 1)): pow_backward."""
        return lambda c: c * m.stored(m.multiply(n, a if n == 2 else m.stored(m.power(a, n - 1))))

    def unary(self, m: Any, name: str, a: Any, y: Any) -> Pull:
        """As derivatives.yaml; sigmoid_backward and tanh_backward are one kernel each."""
        return lambda c: _TORCH[name](m, c, a, y)

    def pushed_unary(self, m: Any, name: str, a: Any, y: Any, tangent: Any) -> Any:
        """The same formulas, applied to the tangent."""
        return _TORCH[name](m, tangent, a, y)


class JaxRules:
    """JAX's rules; what of their operations is fused or stored is up to XLA."""

    stores = False

    def quotient(self, m: Any, a: Any, b: Any, y: Any) -> tuple[Pull, Pull]:
        """c / b, and (-c * a) * b^-2, whose square may overflow."""
        return lambda c: c / b, lambda c: m.multiply(m.negative(c), a) * m.power(b, -2)

    def pushed_quotient(self, m: Any, a: Any, b: Any, y: Any, tangents: tuple[Any, Any]) -> Any:
        """The sum of what both operands contribute."""
        pulls = self.quotient(m, a, b, y)
        return m.total([pull(t) for pull, t in zip(pulls, tangents, strict=True) if t is not None], stores=False)

    def raised(self, m: Any, a: Any, n: int) -> Any:
        """integer_pow: products, and a reciprocal."""
        return m.power(a, n)

    def power(self, m: Any, a: Any, n: int) -> Pull:
        """c * (n * a^(n - 1))."""
        return lambda c: c * m.multiply(n, a if n == 2 else m.power(a, n - 1))

    def unary(self, m: Any, name: str, a: Any, y: Any) -> Pull:
        """As lax.py and special.py."""
        return lambda c: _JAX[name](m, c, a, y)

    def pushed_unary(self, m: Any, name: str, a: Any, y: Any, tangent: Any) -> Any:
        """The same, but for tanh: (t + t y) (1 - y)."""
        if name == "tanh":
            return m.multiply(m.add(tangent, m.multiply(tangent, y)), m.subtract(1, y))
        return _JAX[name](m, tangent, a, y)


TORCH: Final = TorchRules()
JAX: Final = JaxRules()
