"""Quotients, roots and straight pieces: softsign, squareplus, hard sigmoids, clamps and the ReLU family."""

from __future__ import annotations

from typing import Any, Final

from gradproof.formulas.formula import Definition, Formula, compiled, composed, eager, forward, kernel


def _softsign(m: Any, x: Any) -> Any:
    return x / (abs(x) + 1)


def _squareplus(m: Any, x: Any, b: Any) -> Any:
    return 0.5 * (x + m.sqrt(x * x + b))


def _squareplus_prime_jax(m: Any, x: Any, b: Any) -> Any:
    root = 1 / m.sqrt(m.power(x, 2) + b)
    root = m.either(root * (1 - RSQRT), root * (1 + RSQRT))
    return 0.5 + 0.5 * (x * root)


def _squareplus_stable(m: Any, x: Any, b: Any) -> Any:
    # b / (2 (sqrt(x^2 + b) - x)) for x < 0; beyond 2^40 the root is |x|, and x^2 must not overflow.
    size = abs(x)
    root = m.where(size > 2.0**40, size, m.sqrt((lambda z: z * z)(m.minimum(size, 2.0**40)) + b))
    return m.where(x > 0, 0.5 * (x + root), 0.5 * (b / (root - x)))


def _relu6(m: Any, x: Any) -> Any:
    return m.minimum(m.maximum(x, 0), 6)


def _hardswish_prime(m: Any, x: Any) -> Any:
    return m.where(x <= -3, 0, m.where(x < 3, x / 3 + 0.5, 1))


def _inside(m: Any, x: Any) -> Any:
    return (x > -3) & (x < 3)


def _pieces(function: str, text: str, definition: Definition) -> tuple[Formula, ...]:
    """What is exact but for one rounding, whoever calculates it."""
    return eager(function, "pieces", text, definition, "torch, jax, user code")


def _clamp(m: Any, x: Any, min: Any, max: Any) -> Any:
    return m.where(x <= min, min, m.where(x >= max, max, x))


def _prelu_of(m: Any, x: Any, weight: Any) -> Any:
    return m.where(x > 0, x, x * m.narrowed(weight, "bfloat16"))


RSQRT: Final = 2.0**-22 + 2.0**-23
"""Relative error of XLA's reciprocal square root in float32, the processor's estimate and a step of Newton's: 2^-22,
and 2^-23 for the roundings of the root and of the quotient that it is counted from.
"""

FORMULAS: Final[tuple[Formula, ...]] = (
    *eager("softsign", "torch", "x / (|x| + 1)", _softsign, "torch.nn.functional.softsign"),
    *forward("softsign", "torch-forward", "x / (|x| + 1)", _softsign, "torch.nn.functional.softsign"),
    *compiled("softsign", "jax", "x / (|x| + 1)", _softsign, "jax.nn.soft_sign"),
    *kernel("softsign", "square", 1, "(1 / (1 + |x|))^2", lambda m, x: (lambda r: r * r)(1 / (1 + abs(x))),
            "no difference, no overflow"),
    *composed("softsign", "sum-squared", 1, "1 / (1 + |x|)^2", lambda m, x: (lambda t: 1 / (t * t))(1 + abs(x)),
              "textbooks"),
    *kernel("softsign", "cube", 2, "-2 sign(x) (1 / (1 + |x|))^3",
            lambda m, x: -2 * m.sign(x) * m.power(1 / (1 + abs(x)), 3), "no difference, no overflow"),
    *eager("squareplus", "root", "(x + sqrt(x^2 + b)) / 2", _squareplus, "user code"),
    *compiled("squareplus", "jax", "(x + sqrt(x^2 + b)) / 2",
              lambda m, x, b: 0.5 * (x + m.sqrt(m.power(x, 2) + b)), "jax.nn.squareplus"),
    *kernel("squareplus", "jax-rsqrt", 1, "1/2 + x r / 2, r = 1 / sqrt(x^2 + b) by an estimate and Newton's step",
            _squareplus_prime_jax, "jax.nn.squareplus under jit", style="loose", formats=("float32",)),
    *kernel("squareplus", "stable", 0, "b / (2 (sqrt(x^2 + b) - x)) for x < 0", _squareplus_stable,
            "no difference, no overflow"),
    *kernel("hardsigmoid", "torch", 0, "min(max(x + 3, 0), 6) / 6", lambda m, x: _relu6(m, x + 3) / 6,
            "torch.nn.functional.hardsigmoid"),
    *kernel("hardsigmoid", "torch", 1, "float32(1/6) inside (-3, 3), else 0",
            lambda m, x: m.where(_inside(m, x), m.f32("1/6"), 0), "torch.nn.functional.hardsigmoid"),
    *compiled("hardsigmoid", "jax", "relu6(x + 3) / 6", lambda m, x: _clamp(m, x + 3, 0, 6) / 6, "jax.nn.hard_sigmoid"),
    *kernel("hardsigmoid", "sixth", 1, "1/6 inside (-3, 3), else 0",
            lambda m, x: m.where(_inside(m, x), m.real("1/6"), 0), "kernels"),
    *kernel("hardswish", "torch", 0, "x min(max(x + 3, 0), 6) / 6", lambda m, x: x * _relu6(m, x + 3) / 6,
            "torch.nn.functional.hardswish"),
    *kernel("hardswish", "torch", 1, "0, x / 3 + 1/2 or 1", _hardswish_prime, "torch.nn.functional.hardswish"),
    *kernel("hardswish", "torch", 2, "1/3 inside (-3, 3), else 0",
            lambda m, x: m.where(_inside(m, x), m.real("1/3"), 0), "torch.nn.functional.hardswish"),
    *compiled("hardswish", "jax", "x (relu6(x + 3) / 6)", lambda m, x: x * (_clamp(m, x + 3, 0, 6) / 6),
              "jax.nn.hard_silu"),
    *kernel("hardswish", "pieces", 0, "0, x (x + 3) / 6 or x",
            lambda m, x: m.where(x <= -3, 0, m.where(x >= 3, x, _clamp(m, x, -3, 3) * ((x + 3) / 6))), "no overflow"),
    *_pieces("relu", "x for x > 0, else 0", lambda m, x: m.where(x > 0, x, 0)),
    *eager("relu", "mask", "x times 1 for x > 0, else 0", lambda m, x: x * m.where(x > 0, 1, 0), "user code"),
    *eager("relu", "mean", "(x + |x|) / 2", lambda m, x: (x + abs(x)) / 2, "user code"),
    *_pieces("maximum0", "max(x, 0)", lambda m, x: m.maximum(x, 0)),
    *_pieces("leaky_relu", "x for x > 0, else a x", lambda m, x, negative_slope: m.where(x > 0, x, x * negative_slope)),
    *_pieces("prelu", "x for x > 0, else a x", lambda m, x, weight: m.where(x > 0, x, x * weight)),
    *kernel("prelu", "bfloat16", 0, "x for x > 0, else a x, x and the result rounded to bfloat16",
            lambda m, x, weight: m.narrowed(_prelu_of(m, m.narrowed(x, "bfloat16"), weight), "bfloat16"),
            "torch.autocast", formats=("float32",)),
    *kernel("prelu", "bfloat16", 1, "1 for x > 0, else a, x rounded to bfloat16",
            lambda m, x, weight: m.where(m.narrowed(x, "bfloat16") > 0, 1, m.narrowed(weight, "bfloat16")),
            "torch.autocast", formats=("float32",)),
    *_pieces("relu6", "min(max(x, 0), 6)", lambda m, x: _clamp(m, x, 0, 6)),
    *_pieces("threshold", "x for x > threshold, else value",
             lambda m, x, threshold, value: m.where(x > threshold, x, value)),
    *_pieces("clamp", "min(max(x, low), high)", _clamp),
    *_pieces("hardtanh", "min(max(x, low), high)", _clamp),
    *_pieces("abs", "|x|", lambda m, x: abs(x)),
    *eager("abs", "root", "sqrt(x^2)", lambda m, x: m.sqrt(x * x), "user code"),
    *_pieces("hardshrink", "x for |x| > lambd, else 0", lambda m, x, lambd: m.where(abs(x) > lambd, x, 0)),
    *_pieces("softshrink", "x - lambd, 0 or x + lambd",
             lambda m, x, lambd: m.where(x > lambd, x - lambd, m.where(x < -lambd, x + lambd, 0))),
)  # fmt: skip
