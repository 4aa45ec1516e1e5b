"""Sigmoid and what is made of it: logsigmoid, softplus, silu, quick_gelu, mish."""

from __future__ import annotations

from typing import Any, Final

from gradproof.formulas.differentiation import gradient, pushforward
from gradproof.formulas.differentiation.rules import TORCH, sigmoid_backward
from gradproof.formulas.formula import Definition, Formula, compiled, composed, eager, kernel
from gradproof.formulas.library.parts import XLA, bell, branches, logaddexp, logistic, ratio, split, torch_sigmoid


def _softplus_prime(m: Any, x: Any, beta: Any, threshold: Any) -> Any:
    z = m.exp(x * beta)
    return m.where(x * beta > threshold, 1, z / (z + 1))


def _softplus_second(m: Any, x: Any, beta: Any, threshold: Any) -> Any:
    slope = sigmoid_backward(m, m.constant(1), torch_sigmoid(m, x * beta))
    # A product with the condition, which a NaN passes.
    return slope * m.where(x * beta < threshold, 1, 0) * beta


def _threshold(m: Any, x: Any, beta: Any, threshold: Any) -> Any:
    return m.where(x * beta > threshold, x, m.log1p(m.exp(x * beta)) / beta)


def _silu_prime(m: Any, x: Any) -> Any:
    s = torch_sigmoid(m, x)
    return s * (1 + x * (1 - s))


def _silu_second_jax(m: Any, x: Any) -> Any:
    s = ratio(m, x)
    rest = 1 - s
    return s * rest + ((1 + x * rest) - s * x) * (s * rest)


def _silu_prime_kernel(m: Any, x: Any) -> Any:
    s = ratio(m, x)
    return s * (1 + x * (1 - s))


def _silu_prime_stable(m: Any, x: Any) -> Any:
    return branches(m, x) + _near(m, x) * bell(m, x)


def _silu_second_stable(m: Any, x: Any) -> Any:
    return bell(m, x) * (2 - _near(m, x) * m.tanh(0.5 * x))


def _silu_tail(order: int, body: Definition) -> Definition:
    """The derivative of this order with x e^x, (1 + x) e^x or (2 + x) e^x for x < -40, each split in two factors."""

    def definition(m: Any, x: Any) -> Any:
        left = -abs(x) if order == 2 else x  # the second derivative is even
        z = m.maximum(left, -1600)
        return m.where(left < -40, split(m, left, z + order if order else z), body(m, x))

    return definition


def _near(m: Any, x: Any) -> Any:
    """x as far as e^-|x| is a number of any format: beyond, an infinity would meet a 0."""
    return m.minimum(m.maximum(x, -800), 800)


def _gated(m: Any, x: Any, z: Any) -> Any:
    """x sigmoid(z), 0 at -inf."""
    return m.maximum(x, -800) * branches(m, z)


def _logsigmoid_prime(m: Any, x: Any) -> Any:
    z = m.stored(m.exp(-abs(x)))
    return m.where(x < 0, 1 - z / (1 + z), z / (1 + z))


def _mish_prime(m: Any, x: Any) -> Any:
    t = m.tanh(m.log1p(m.exp(x)))
    return t + x * ratio(m, x) * (1 - t * t)


def _mish_composed(m: Any, x: Any) -> Any:
    t = m.tanh(m.log1p(m.exp(x)))
    return t + x * torch_sigmoid(m, x) * (1 - t * t)


def _mish_algebraic(m: Any, x: Any) -> Any:
    w = m.exp(m.minimum(x, 20))
    n = w * (w + 2)
    return m.where(x > 20, x, m.maximum(x, -800) * (n / (n + 2)))


def _mish_prime_algebraic(m: Any, x: Any) -> Any:
    # tanh(log(1 + w)) = n / (n + 2) with n = w (w + 2), and its derivative is 4 w (1 + w) / (n + 2)^2.
    w = m.exp(m.minimum(x, 20))
    n = w * (w + 2)
    return n / (n + 2) + m.maximum(m.minimum(x, 20), -800) * ((4 * w) * (1 + w) / ((n + 2) * (n + 2)))


FORMULAS: Final[tuple[Formula, ...]] = (
    *eager(
        "sigmoid", "torch", "1 / (1 + e^-x)", torch_sigmoid, "torch.sigmoid",
        texts={1: "(1 - s) s", 2: "(1 - 2 s) (1 - s) s"},
    ),
    *kernel("sigmoid", "torch-forward", 2, "((1 - s) s)' by torch's forward mode",
            pushforward(gradient(torch_sigmoid, TORCH), TORCH), "torch.sigmoid, forward over reverse mode"),
    *kernel("sigmoid", "reciprocal", 0, "1 / (1 + e^-x)", ratio, "kernels, textbooks"),
    *composed("sigmoid", "product", 1, "s (1 - s), s = sigmoid(x) by whatever library",
              lambda m, x: (lambda s: s * (1 - s))(m.stored(m.sigmoid(x))), "user code"),
    *eager("sigmoid", "quotient", "e^x / (1 + e^x)", lambda m, x: m.exp(x) / (1 + m.exp(x)), "textbooks"),
    *compiled("sigmoid", "jax", "1 / (1 + e^-x)", logistic, "jax.nn.sigmoid", rooms=XLA,
              texts={1: "s (1 - s)"}),
    *kernel("sigmoid", "branches", 0, "1 / (1 + t) or t / (1 + t), t = e^-|x|", branches, "numerically minded code"),
    *kernel("sigmoid", "bell", 1, "t / (1 + t)^2, t = e^-|x|", bell, "no overflow, no difference"),
    *kernel("sigmoid", "bell", 2, "-tanh(x / 2) t / (1 + t)^2, t = e^-|x|",
            lambda m, x: -m.tanh(0.5 * x) * bell(m, x), "no overflow, no difference"),
    *kernel("logsigmoid", "torch", 0, "min(x, 0) - log1p(e^-|x|)",
            lambda m, x: m.minimum(x, 0) - m.log1p(m.exp(-abs(x))), "torch.nn.functional.logsigmoid"),
    *kernel("logsigmoid", "torch", 1, "1 - z / (1 + z) for x < 0, else z / (1 + z), z = e^-|x|", _logsigmoid_prime,
            "torch.nn.functional.logsigmoid"),
    *composed("logsigmoid", "torch", 2, "(s - 1) s", lambda m, x: (lambda s: (s - 1) * s)(torch_sigmoid(m, x)),
            "torch.nn.functional.logsigmoid"),
    *eager("logsigmoid", "logarithm", "log(sigmoid(x))", lambda m, x: m.log(torch_sigmoid(m, x)), "textbooks"),
    *compiled("logsigmoid", "jax", "-logaddexp(-x, 0)", lambda m, x: -logaddexp(m, -x), "jax.nn.log_sigmoid",
              rooms=XLA, texts={1: "e^(-x - logaddexp(-x, 0))"}),
    *kernel("logsigmoid", "branches", 1, "sigmoid(-x) by branches", lambda m, x: branches(m, -x), "no overflow"),
    *kernel("logsigmoid", "bell", 2, "-t / (1 + t)^2, t = e^-|x|", lambda m, x: -bell(m, x), "no difference"),
    *(
        formula
        for function in ("softplus", "softplus_threshold")
        for formula in (
            *kernel(function, "torch", 0, "x where beta x > threshold, else log1p(e^(beta x)) / beta",
                    lambda m, x, beta, threshold=20: _threshold(m, x, beta, threshold), "torch.nn.functional.softplus"),
            *kernel(function, "torch", 1, "1 where beta x > threshold, else z / (z + 1), z = e^(beta x)",
                    lambda m, x, beta, threshold=20: _softplus_prime(m, x, beta, threshold),
                    "torch.nn.functional.softplus"),
            *composed(function, "torch", 2, "(1 - s) s beta, s = sigmoid(beta x), 0 beyond the threshold",
                    lambda m, x, beta, threshold=20: _softplus_second(m, x, beta, threshold),
                    "torch.nn.functional.softplus"),
        )
    ),
    *eager("softplus", "logarithm", "log(1 + e^(beta x)) / beta",
           lambda m, x, beta: m.log(1 + m.exp(beta * x)) / beta, "textbooks"),
    *eager("softplus", "log1p", "log1p(e^(beta x)) / beta",
           lambda m, x, beta: m.log1p(m.exp(beta * x)) / beta, "textbooks"),
    *compiled("softplus", "jax", "logaddexp(beta x, 0) / beta",
              lambda m, x, beta: logaddexp(m, x * beta) / beta, "jax.nn.softplus", rooms=XLA,
              texts={1: "e^(x - logaddexp(x, 0))"}),
    *kernel("softplus", "stable", 0, "(max(z, 0) + log1p(e^-|z|)) / beta, z = beta x",
            lambda m, x, beta: (m.maximum(beta * x, 0) + m.log1p(m.exp(-abs(beta * x)))) / beta, "no overflow"),
    *kernel("softplus", "branches", 1, "sigmoid(beta x) by branches", lambda m, x, beta: branches(m, beta * x),
            "no overflow"),
    *kernel("softplus", "bell", 2, "beta t / (1 + t)^2, t = e^-|beta x|",
            lambda m, x, beta: beta * bell(m, beta * x), "no overflow, no difference"),
    *kernel("silu", "torch", 0, "x / (1 + e^-x)", lambda m, x: x / (1 + m.exp(-x)), "torch.nn.functional.silu"),
    *kernel("silu", "torch", 1, "s (1 + x (1 - s)), s = 1 / (1 + e^-x)", _silu_prime_kernel,
            "torch.nn.functional.silu", style="fused"),
    *kernel("silu", "torch-forward", 2, "(s (1 + x (1 - s)))' by torch's forward mode",
            pushforward(_silu_prime, TORCH), "torch.nn.functional.silu, forward over reverse mode"),
    *kernel("silu", "torch", 2, "(s (1 + x (1 - s)))' by torch's rules", gradient(_silu_prime, TORCH),
            "torch.nn.functional.silu"),
    *eager("silu", "quotient", "x / (1 + e^-x)", lambda m, x: x / (1 + m.exp(-x)), "textbooks, user code"),
    *eager("silu", "product", "x sigmoid(x)", lambda m, x: x * torch_sigmoid(m, x), "user code"),
    *compiled("silu", "jax", "x / (1 + e^-x)", lambda m, x: x * logistic(m, x), "jax.nn.silu", rooms=XLA),
    *kernel("silu", "jax-steps", 2, "s r + ((1 + x r) - s x) (s r), r = 1 - s, s = 1 / (1 + e^-x)", _silu_second_jax,
            "jax.nn.silu", style="loose", rooms=XLA),
    *kernel("silu", "branches", 0, "max(x, -800) sigmoid(x) by branches", lambda m, x: _gated(m, x, x), "no overflow"),
    *kernel("silu", "bell", 1, "sigmoid(x) + x t / (1 + t)^2, t = e^-|x|", _silu_prime_stable, "no difference"),
    *kernel("silu", "bell", 2, "(2 - x tanh(x / 2)) t / (1 + t)^2, t = e^-|x|", _silu_second_stable,
            "no difference in the tails"),
    *kernel("silu", "split", 0, "x sigmoid(x) by branches; (x h) h, h = e^(x/2), for x < -40",
            _silu_tail(0, lambda m, x: _gated(m, x, x)), "no subnormal number on the way"),
    *kernel("silu", "split", 1, "sigmoid(x) + x t / (1 + t)^2, t = e^-|x|; ((1 + x) h) h, h = e^(x/2), for x < -40",
            _silu_tail(1, _silu_prime_stable), "no subnormal number on the way"),
    *kernel("silu", "split", 2, "(2 - x tanh(x/2)) t / (1 + t)^2, t = e^-|x|; beyond 40 (2 - |x|) h h, h = e^(-|x|/2)",
            _silu_tail(2, _silu_second_stable), "no subnormal number on the way"),
    *kernel("silu", "float64", 0, "x / (1 + e^-x), computed in float64", lambda m, x: x / (1 + m.exp(-x)),
            "careful code for narrow formats", compute="float64"),
    *eager("quick_gelu", "product", "x sigmoid(1.702 x)", lambda m, x: x * torch_sigmoid(m, 1.702 * x), "transformers"),
    *compiled("quick_gelu", "jax", "x / (1 + e^(-1.702 x))", lambda m, x: x * logistic(m, 1.702 * x), "user code",
              rooms=XLA),
    *kernel("quick_gelu", "branches", 0, "max(x, -800) sigmoid(1.702 x) by branches",
            lambda m, x: _gated(m, x, m.real("1.702") * x), "no overflow"),
    *kernel("quick_gelu", "bell", 1, "sigmoid(z) + z t / (1 + t)^2, z = 1.702 x, t = e^-|z|",
            lambda m, x: _silu_prime_stable(m, m.real("1.702") * x), "no difference"),
    *kernel("quick_gelu", "bell", 2, "1.702 (2 - z tanh(z / 2)) t / (1 + t)^2, z = 1.702 x, t = e^-|z|",
            lambda m, x: m.real("1.702") * _silu_second_stable(m, m.real("1.702") * x), "no difference in the tails"),
    *kernel("mish", "torch", 0, "x tanh(log1p(e^x))", lambda m, x: x * m.tanh(m.log1p(m.exp(x))),
            "torch.nn.functional.mish"),
    *kernel("mish", "torch", 1, "t + x s (1 - t^2), t = tanh(log1p(e^x)), s = 1 / (1 + e^-x)", _mish_prime,
            "torch.nn.functional.mish"),
    *kernel("mish", "torch-forward", 2, "(t + x s (1 - t^2))' by torch's forward mode",
            pushforward(_mish_composed, TORCH), "torch.nn.functional.mish, forward over reverse mode"),
    *kernel("mish", "torch", 2, "(t + x s (1 - t^2))' by torch's rules", gradient(_mish_composed, TORCH),
            "torch.nn.functional.mish"),
    *eager("mish", "logarithm", "x tanh(log(1 + e^x))", lambda m, x: x * m.tanh(m.log(1 + m.exp(x))), "textbooks"),
    *compiled("mish", "jax", "x tanh(logaddexp(x, 0))", lambda m, x: x * m.tanh(logaddexp(m, x)), "jax.nn.mish",
              rooms=XLA),
    *kernel("mish", "algebraic", 0, "x n / (n + 2), n = e^x (e^x + 2); x beyond 20", _mish_algebraic, "kernels"),
    *kernel("mish", "algebraic", 1, "n / (n + 2) + 4 x w (1 + w) / (n + 2)^2, w = e^x, n = w (w + 2)",
            _mish_prime_algebraic, "kernels"),
)  # fmt: skip
