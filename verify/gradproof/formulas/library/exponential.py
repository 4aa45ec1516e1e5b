"""exp, expm1, log1p, tanh and what is made of them: tanhshrink, elu, selu, celu."""

from __future__ import annotations

from typing import Any, Final

from gradproof.formulas.differentiation import gradient, pushforward
from gradproof.formulas.differentiation.rules import TORCH
from gradproof.formulas.formula import Definition, Formula, compiled, eager, kernel
from gradproof.formulas.library.parts import XLA
from gradproof.functions.catalogue.smooth import SELU_ALPHA, SELU_SCALE

ALPHA: Final = float(SELU_ALPHA)
SCALE: Final = float(SELU_SCALE)


def _sech2(m: Any, x: Any) -> Any:
    t = m.exp(-2 * abs(x))
    return 4 * t / ((1 + t) * (1 + t))


def _by_exponentials(m: Any, x: Any) -> Any:
    t = m.exp(2 * x)
    return (t - 1) / (t + 1)


def _tanh(m: Any, x: Any) -> Any:
    return m.tanh(x)


def _tanhshrink(m: Any, x: Any) -> Any:
    return x - m.tanh(x)


def _elu_like(function: str, coefficient: Definition, inner: Definition, outer: Definition) -> tuple[Formula, ...]:
    """PyTorch's elu kernel, which selu and celu share: coefficients of the negative side, of x within, of x > 0.

    In place its backward is made from the result: b (y + a). The coefficients are ``lambda m, **params``.
    """

    def value(m: Any, x: Any, **p: Any) -> Any:
        return m.where(x <= 0, m.expm1(x * inner(m, **p)) * coefficient(m, **p), x * outer(m, **p))

    def prime(m: Any, x: Any, **p: Any) -> Any:
        a, b = coefficient(m, **p), inner(m, **p)
        return m.where(x <= 0, b * a * m.exp(x * b), outer(m, **p))

    def from_result(m: Any, x: Any, **p: Any) -> Any:
        y = m.stored(value(m, x, **p))
        return m.where(y <= 0, inner(m, **p) * (y + coefficient(m, **p)), outer(m, **p))

    def second_from_result(m: Any, x: Any, **p: Any) -> Any:
        y = m.stored(value(m, x, **p))
        b = inner(m, **p)
        return m.where(y < 0, m.stored(b * (y + coefficient(m, **p))) * b, 0)

    def second(m: Any, x: Any, **p: Any) -> Any:
        a, b = coefficient(m, **p), inner(m, **p)
        return m.where(x < 0, b * b * a * m.exp(x * b), 0)

    used = f"torch.nn.functional.{function}"
    return (
        *kernel(function, "torch", 0, "a expm1(b x) for x <= 0, else c x", value, used),
        *kernel(function, "torch", 1, "a b e^(b x) for x <= 0, else c", prime, used),
        *kernel(function, "result", 1, "b (y + a) for y <= 0, else c", from_result, f"{used}_ (in place)"),
        *kernel(function, "result", 2, "b^2 (y + a) for y < 0, else 0", second_from_result, f"{used}_ (in place)"),
        *kernel(function, "torch", 2, "a b^2 e^(b x) for x < 0, else 0", second, used),
    )


def _elu_jax(m: Any, x: Any, alpha: Any) -> Any:
    return m.where(x > 0, x, alpha * m.expm1(m.where(x > 0, 0, x)))


def _celu_jax(m: Any, x: Any, alpha: Any) -> Any:
    return m.maximum(x, 0) + alpha * m.expm1(m.minimum(x, 0) / alpha)


FORMULAS: Final[tuple[Formula, ...]] = (
    *eager("exp", "torch", "e^x", lambda m, x: m.exp(x), "torch.exp", texts={1: "y", 2: "y"}),
    *compiled("exp", "jax", "e^x", lambda m, x: m.exp(x), "jax.numpy.exp", rooms=XLA, texts={1: "y", 2: "y"}),
    *eager("expm1", "torch", "expm1(x)", lambda m, x: m.expm1(x), "torch.expm1", texts={1: "y + 1", 2: "y + 1"}),
    *compiled("expm1", "jax", "expm1(x)", lambda m, x: m.expm1(x), "jax.numpy.expm1", rooms=XLA,
              texts={1: "y + 1", 2: "y + 1"}),
    *kernel("expm1", "difference", 0, "e^x - 1", lambda m, x: m.exp(x) - 1, "torch.compile, textbooks"),
    *(f for n in (1, 2) for f in kernel("expm1", "exp", n, "e^x", lambda m, x: m.exp(x), "no difference")),
    *eager("log1p", "torch", "log1p(x)", lambda m, x: m.log1p(x), "torch.log1p", texts={1: "1 / (x + 1)"}),
    *compiled("log1p", "jax", "log1p(x)", lambda m, x: m.log1p(x), "jax.numpy.log1p", rooms=XLA,
              texts={1: "1 / (x + 1)"}),
    *kernel("log1p", "logarithm", 0, "log(1 + x)", lambda m, x: m.log(1 + x), "textbooks"),
    *eager("tanh", "torch", "tanh(x)", _tanh, "torch.tanh", texts={1: "1 - y^2", 2: "-2 y (1 - y^2)"}),
    *kernel("tanh", "torch-forward", 2, "(1 - y^2)' by torch's forward mode",
            pushforward(gradient(_tanh, TORCH), TORCH), "torch.tanh, forward over reverse mode"),
    *compiled("tanh", "jax", "tanh(x)", _tanh, "jax.numpy.tanh", rooms=XLA,
              texts={1: "(1 - y) + (1 - y) y"}),
    *kernel("tanh", "exponentials", 0, "(e^(2 x) - 1) / (e^(2 x) + 1)", _by_exponentials, "textbooks"),
    *eager("tanh", "two-exponentials", "(e^x - e^-x) / (e^x + e^-x)",
           lambda m, x: (m.exp(x) - m.exp(-x)) / (m.exp(x) + m.exp(-x)), "textbooks"),
    *eager("tanh", "reciprocal", "1 - 2 / (e^(2 x) + 1)", lambda m, x: 1 - 2 / (m.exp(2 * x) + 1), "textbooks"),
    *kernel("tanh", "sigmoid", 0, "2 sigmoid(2 x) - 1", lambda m, x: 2 * m.sigmoid(2 * x) - 1, "textbooks"),
    *kernel("tanh", "sech", 1, "4 t / (1 + t)^2, t = e^(-2 |x|)", _sech2, "no difference"),
    *kernel("tanh", "cosh", 1, "1 / cosh^2 x", lambda m, x: (lambda c: 1 / (c * c))(m.cosh(x)), "textbooks"),
    *kernel("tanh", "sech", 2, "-2 tanh(x) 4 t / (1 + t)^2, t = e^(-2 |x|)",
            lambda m, x: -2 * m.tanh(x) * _sech2(m, x), "no difference"),
    *eager("tanhshrink", "torch", "x - tanh(x)", _tanhshrink, "torch.nn.functional.tanhshrink"),
    *kernel("tanhshrink", "torch-forward", 2, "(x - tanh(x))'' by torch's forward mode",
            pushforward(gradient(_tanhshrink, TORCH), TORCH),
            "torch.nn.functional.tanhshrink, forward over reverse mode"),
    *compiled("tanhshrink", "jax", "x - tanh(x)", _tanhshrink, "user code", rooms=XLA),
    *kernel("tanhshrink", "square", 1, "tanh^2 x", lambda m, x: (lambda t: t * t)(m.tanh(x)), "no difference"),
    *kernel("tanhshrink", "sech", 2, "2 tanh(x) 4 t / (1 + t)^2, t = e^(-2 |x|)",
            lambda m, x: 2 * m.tanh(x) * _sech2(m, x), "no difference"),
    *kernel("tanhshrink", "float64", 0, "x - tanh(x), computed in float64", _tanhshrink,
            "careful code for narrow formats", compute="float64"),
    *_elu_like("elu", lambda m, alpha: m.real(alpha), lambda m, alpha: 1, lambda m, alpha: 1),
    *_elu_like("celu", lambda m, alpha: m.real(alpha), lambda m, alpha: m.real(1 / alpha), lambda m, alpha: 1),
    *_elu_like("selu", lambda m: m.real(ALPHA) * m.real(SCALE), lambda m: 1, lambda m: m.real(SCALE)),
    *compiled("elu", "jax", "x for x > 0, else alpha expm1(x)", _elu_jax, "jax.nn.elu", rooms=XLA,
              texts={1: "1 for x > 0, else alpha (expm1(x) + 1)", 2: "0 for x > 0, else alpha (expm1(x) + 1)"}),
    *compiled("celu", "jax", "max(x, 0) + alpha expm1(min(x, 0) / alpha)", _celu_jax, "jax.nn.celu", rooms=XLA,
              texts={1: "1 for x > 0, else expm1(x / alpha) + 1"}),
    *compiled("selu", "jax", "scale (x for x > 0, else alpha expm1(x))", lambda m, x: SCALE * _elu_jax(m, x, ALPHA),
              "jax.nn.selu", rooms=XLA),
    *kernel("elu", "difference", 0, "x for x > 0, else alpha (e^x - 1)",
            lambda m, x, alpha: m.where(x > 0, x, alpha * (m.exp(x) - 1)), "torch.compile, textbooks"),
    *eager("elu", "unmasked", "x for x > 0, else alpha expm1(x), of all x",
           lambda m, x, alpha: m.where(x > 0, x, alpha * m.expm1(x)), "user code"),
    *kernel("selu", "float32-constants", 0, "scale (x for x > 0, else alpha expm1(x)), constants in float32",
            lambda m, x: m.f32(SCALE) * m.where(x > 0, x, m.f32(ALPHA) * m.expm1(x)), "user code",
            formats=("float64",)),
    *kernel("selu", "difference", 0, "scale (x for x > 0, else alpha (e^x - 1))",
            lambda m, x: m.where(x > 0, SCALE * x, SCALE * ALPHA * (m.exp(x) - 1)), "torch.compile, textbooks"),
    *kernel("celu", "difference", 0, "x for x > 0, else alpha (e^(x / alpha) - 1)",
            lambda m, x, alpha: m.where(x > 0, x, alpha * (m.exp(x / alpha) - 1)), "torch.compile, textbooks"),
)  # fmt: skip
