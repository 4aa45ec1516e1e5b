"""What a stand-alone script says: the framework's call of each function, and its mathematics in mpmath.

The formulas keep their digits in the tails as well: 1 - s(x) as s(-x), tanh' as sech squared, x - tanh(x) by its
series near 0, mish in terms of w = exp(x). ``s`` is the logistic function. The tests check them against the certified
oracle.
"""

from __future__ import annotations

from typing import Final

from gradproof.functions.catalogue.smooth import SELU_ALPHA, SELU_SCALE

TORCH: Final = {
    "relu": "torch.nn.functional.relu(x)",
    "leaky_relu": "torch.nn.functional.leaky_relu(x, negative_slope={negative_slope})",
    "prelu": "torch.nn.functional.prelu(x, torch.full((1,), {weight}, dtype=x.dtype, device=x.device))",
    "relu6": "torch.nn.functional.relu6(x)",
    "threshold": "torch.nn.functional.threshold(x, threshold={threshold}, value={value})",
    "maximum0": "torch.maximum(x, torch.zeros((), dtype=x.dtype, device=x.device))",
    "clamp": "torch.clamp(x, min={min}, max={max})",
    "abs": "torch.abs(x)",
    "hardtanh": "torch.nn.functional.hardtanh(x, min_val={min}, max_val={max})",
    "hardsigmoid": "torch.nn.functional.hardsigmoid(x)",
    "hardswish": "torch.nn.functional.hardswish(x)",
    "hardshrink": "torch.nn.functional.hardshrink(x, lambd={lambd})",
    "softshrink": "torch.nn.functional.softshrink(x, lambd={lambd})",
    "elu": "torch.nn.functional.elu(x, alpha={alpha})",
    "selu": "torch.nn.functional.selu(x)",
    "celu": "torch.nn.functional.celu(x, alpha={alpha})",
    "gelu": "torch.nn.functional.gelu(x)",
    "gelu_tanh": 'torch.nn.functional.gelu(x, approximate="tanh")',
    "silu": "torch.nn.functional.silu(x)",
    "mish": "torch.nn.functional.mish(x)",
    "softplus": "torch.nn.functional.softplus(x, beta={beta})",
    "softplus_threshold": "torch.nn.functional.softplus(x, beta={beta}, threshold={threshold})",
    "sigmoid": "torch.sigmoid(x)",
    "logsigmoid": "torch.nn.functional.logsigmoid(x)",
    "tanh": "torch.tanh(x)",
    "tanhshrink": "torch.nn.functional.tanhshrink(x)",
    "softsign": "torch.nn.functional.softsign(x)",
    "exp": "torch.exp(x)",
    "expm1": "torch.expm1(x)",
    "log1p": "torch.log1p(x)",
    "erf": "torch.erf(x)",
    "erfc": "torch.erfc(x)",
}
JAX: Final = {
    "relu": "jax.nn.relu(x)",
    "leaky_relu": "jax.nn.leaky_relu(x, negative_slope={negative_slope})",
    "relu6": "jax.nn.relu6(x)",
    "maximum0": "jnp.maximum(x, 0)",
    "clamp": "jnp.clip(x, {min}, {max})",
    "abs": "jnp.abs(x)",
    "hardtanh": "jax.nn.hard_tanh(x)",
    "hardsigmoid": "jax.nn.hard_sigmoid(x)",
    "hardswish": "jax.nn.hard_silu(x)",
    "elu": "jax.nn.elu(x, alpha={alpha})",
    "selu": "jax.nn.selu(x)",
    "celu": "jax.nn.celu(x, alpha={alpha})",
    "gelu": "jax.nn.gelu(x, approximate=False)",
    "gelu_tanh": "jax.nn.gelu(x, approximate=True)",
    "silu": "jax.nn.silu(x)",
    "mish": "jax.nn.mish(x)",
    "softplus": "jax.nn.softplus(x)",
    "sigmoid": "jax.nn.sigmoid(x)",
    "logsigmoid": "jax.nn.log_sigmoid(x)",
    "tanh": "jnp.tanh(x)",
    "softsign": "jax.nn.soft_sign(x)",
    "squareplus": "jax.nn.squareplus(x, b={b})",
    "exp": "jnp.exp(x)",
    "expm1": "jnp.expm1(x)",
    "log1p": "jnp.log1p(x)",
    "erf": "jax.scipy.special.erf(x)",
    "erfc": "jax.scipy.special.erfc(x)",
}
CALLS: Final = {"torch": TORCH, "jax": JAX}
"""Framework -> function -> its call on ``x``; NumPy has no activation functions of its own."""

_Z: Final = "z = mp.sqrt(2 / mp.pi) * (x + c * x**3); dz = mp.sqrt(2 / mp.pi) * (1 + 3 * c * x**2)"
_C: Final = 'c = mp.mpf("0.044715")'
_PHI: Final = "phi = mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)"
_CDF: Final = "cdf = mp.erfc(min(-x, mp.ldexp(1, 500)) / mp.sqrt(2)) / 2"  # mpmath's erfc takes no larger number
_BELL: Final = "bell = 2 * mp.exp(-x * x) / mp.sqrt(mp.pi)"
_ROOT: Final = "r = mp.sqrt(x * x + b)"
_SELU: Final = f'scale = mp.mpf("{SELU_SCALE}"); alpha = mp.mpf("{SELU_ALPHA}")'

FORMULAS: Final[dict[str, tuple[tuple[str, ...], tuple[str, str, str]]]] = {
    "relu": ((), ("x if x > 0 else mp.mpf(0)", "mp.mpf(x > 0)", "mp.mpf(0)")),
    "leaky_relu": (
        (),
        ("x if x > 0 else negative_slope * x", "mp.mpf(1) if x > 0 else negative_slope", "mp.mpf(0)"),
    ),
    "prelu": ((), ("x if x > 0 else weight * x", "mp.mpf(1) if x > 0 else weight", "mp.mpf(0)")),
    "relu6": ((), ("max(mp.mpf(0), min(x, mp.mpf(6)))", "mp.mpf(0 < x < 6)", "mp.mpf(0)")),
    "threshold": ((), ("x if x > threshold else value", "mp.mpf(x > threshold)", "mp.mpf(0)")),
    "maximum0": ((), ("max(x, mp.mpf(0))", "mp.mpf(x > 0)", "mp.mpf(0)")),
    "clamp": ((), ("max(min_, min(x, max_))", "mp.mpf(min_ < x < max_)", "mp.mpf(0)")),
    "abs": ((), ("abs(x)", "mp.sign(x)", "mp.mpf(0)")),
    "hardtanh": ((), ("max(min_, min(x, max_))", "mp.mpf(min_ < x < max_)", "mp.mpf(0)")),
    "hardsigmoid": (
        (),
        ("max(mp.mpf(0), min(x + 3, mp.mpf(6))) / 6", "mp.mpf(-3 < x < 3) / 6", "mp.mpf(0)"),
    ),
    "hardswish": (
        (),
        (
            "x * max(mp.mpf(0), min(x + 3, mp.mpf(6))) / 6",
            "(2 * x + 3) / 6 if -3 < x < 3 else mp.mpf(x > 0)",
            "mp.mpf(-3 < x < 3) / 3",
        ),
    ),
    "hardshrink": ((), ("x if abs(x) > lambd else mp.mpf(0)", "mp.mpf(abs(x) > lambd)", "mp.mpf(0)")),
    "softshrink": (
        (),
        ("mp.sign(x) * max(abs(x) - lambd, mp.mpf(0))", "mp.mpf(abs(x) > lambd)", "mp.mpf(0)"),
    ),
    "elu": (
        (),
        (
            "x if x > 0 else alpha * mp.expm1(x)",
            "mp.mpf(1) if x > 0 else alpha * mp.exp(x)",
            "mp.mpf(0) if x > 0 else alpha * mp.exp(x)",
        ),
    ),
    "selu": (
        (_SELU,),
        (
            "scale * (x if x > 0 else alpha * mp.expm1(x))",
            "scale * (mp.mpf(1) if x > 0 else alpha * mp.exp(x))",
            "scale * (mp.mpf(0) if x > 0 else alpha * mp.exp(x))",
        ),
    ),
    "celu": (
        (),
        (
            "x if x > 0 else alpha * mp.expm1(x / alpha)",
            "mp.mpf(1) if x > 0 else mp.exp(x / alpha)",
            "mp.mpf(0) if x > 0 else mp.exp(x / alpha) / alpha",
        ),
    ),
    "gelu": ((_PHI, _CDF), ("x * cdf", "cdf + x * phi", "phi * (2 - x * x)")),
    "gelu_tanh": (
        (_C, _Z, "p, q = s(2 * z), s(-2 * z)", "dp = 2 * dz * p * q"),
        (
            "x * p",
            "p + x * dp",
            "2 * dp + x * (2 * mp.sqrt(2 / mp.pi) * 6 * c * x * p * q + 2 * dz * dp * (q - p))",
        ),
    ),
    "quick_gelu": (
        ('k = mp.mpf("1.702")', "p, q = s(k * x), s(-k * x)"),
        ("x * p", "p + k * x * p * q", "k * p * q * (2 + k * x * (q - p))"),
    ),
    "silu": (
        ("p, q = s(x), s(-x)",),
        ("x * p", "p + x * p * q", "p * q * (2 + x * (q - p))"),
    ),
    "mish": (
        (
            "w = mp.exp(x); d = w**2 + 2 * w + 2",
            "t = w * (w + 2) / d  # tanh(softplus(x))",
            "dt = 4 * w * (w + 1) / d**2",
        ),
        ("x * t", "t + x * dt", "2 * dt + x * 4 * w * (2 + 2 * w - 3 * w**2 - 2 * w**3) / d**3"),
    ),
    "softplus": (
        ("t = beta * x", "p, q = s(t), s(-t)"),
        ("(max(t, mp.mpf(0)) + mp.log1p(mp.exp(-abs(t)))) / beta", "p", "beta * p * q"),
    ),
    "softplus_threshold": (
        ("t = beta * x", "p, q = s(t), s(-t)"),
        (
            "x if t > threshold else (max(t, mp.mpf(0)) + mp.log1p(mp.exp(-abs(t)))) / beta",
            "mp.mpf(1) if t > threshold else p",
            "mp.mpf(0) if t > threshold else beta * p * q",
        ),
    ),
    "sigmoid": (("p, q = s(x), s(-x)",), ("p", "p * q", "-p * q * mp.tanh(x / 2)")),
    "logsigmoid": (
        ("p, q = s(x), s(-x)",),
        ("min(x, mp.mpf(0)) - mp.log1p(mp.exp(-abs(x)))", "q", "-p * q"),
    ),
    "tanh": ((), ("mp.tanh(x)", "mp.sech(x) ** 2", "-2 * mp.tanh(x) * mp.sech(x) ** 2")),
    "tanhshrink": (
        (),
        (
            "x - mp.tanh(x) if abs(x) > mp.ldexp(1, -100) else x**3 / 3 - 2 * x**5 / 15",
            "mp.tanh(x) ** 2",
            "2 * mp.tanh(x) * mp.sech(x) ** 2",
        ),
    ),
    "softsign": (
        ("d = 1 + abs(x)",),
        ("x / d", "1 / d**2", "-2 * mp.sign(x) / d**3"),
    ),
    "squareplus": (
        (_ROOT,),
        (
            "(x + r) / 2 if x > 0 else b / (r - x) / 2",
            "(x + r) / r / 2 if x > 0 else b / (r - x) / r / 2",
            "b / r**3 / 2",
        ),
    ),
    "exp": ((), ("mp.exp(x)", "mp.exp(x)", "mp.exp(x)")),
    "expm1": ((), ("mp.expm1(x)", "mp.exp(x)", "mp.exp(x)")),
    "log1p": ((), ("mp.log1p(x)", "1 / (1 + x)", "-1 / (1 + x) ** 2")),
    "erf": ((_BELL,), ("mp.erf(x)", "bell", "-2 * x * bell")),
    "erfc": ((_BELL,), ("mp.erfc(min(x, mp.ldexp(1, 500)))", "-bell", "2 * x * bell")),
}
"""Function -> (statements, (f, f', f'')) over ``x``, the parameters, ``mp`` and ``s``."""

LOGISTIC: Final = "1 / (1 + mp.exp(-x)) if x >= 0 else mp.exp(x) / (1 + mp.exp(x))"
