"""What a stand-alone script says: the framework's call of each function, and its mathematics in mpmath.

The formulas are written to be exact to working precision in the tails as well: 1 - s(x) as s(-x), tanh' as
sech squared. ``s`` is the logistic function. They are checked against the certified oracle by the tests.
"""

from __future__ import annotations

from typing import Final

from gradproof.functions.catalogue import SELU_ALPHA, SELU_SCALE

TORCH: Final = {
    "relu": "torch.nn.functional.relu(x)",
    "leaky_relu": "torch.nn.functional.leaky_relu(x, negative_slope={negative_slope})",
    "prelu": "torch.nn.functional.prelu(x, torch.full((1,), {weight}, dtype=x.dtype, device=x.device))",
    "relu6": "torch.nn.functional.relu6(x)",
    "hardtanh": "torch.nn.functional.hardtanh(x, min_val={min}, max_val={max})",
    "elu": "torch.nn.functional.elu(x, alpha={alpha})",
    "selu": "torch.nn.functional.selu(x)",
    "gelu": "torch.nn.functional.gelu(x)",
    "gelu_tanh": 'torch.nn.functional.gelu(x, approximate="tanh")',
    "silu": "torch.nn.functional.silu(x)",
    "softplus": "torch.nn.functional.softplus(x, beta={beta})",
    "sigmoid": "torch.sigmoid(x)",
    "logsigmoid": "torch.nn.functional.logsigmoid(x)",
    "tanh": "torch.tanh(x)",
}
JAX: Final = {
    "relu": "jax.nn.relu(x)",
    "leaky_relu": "jax.nn.leaky_relu(x, negative_slope={negative_slope})",
    "relu6": "jax.nn.relu6(x)",
    "hardtanh": "jax.nn.hard_tanh(x)",
    "elu": "jax.nn.elu(x, alpha={alpha})",
    "selu": "jax.nn.selu(x)",
    "gelu": "jax.nn.gelu(x, approximate=False)",
    "gelu_tanh": "jax.nn.gelu(x, approximate=True)",
    "silu": "jax.nn.silu(x)",
    "softplus": "jax.nn.softplus(x)",
    "sigmoid": "jax.nn.sigmoid(x)",
    "logsigmoid": "jax.nn.log_sigmoid(x)",
    "tanh": "jnp.tanh(x)",
}
CALLS: Final = {"torch": TORCH, "jax": JAX}
"""Framework -> function -> its call on ``x``; NumPy has no activation functions of its own."""

_Z: Final = "z = mp.sqrt(2 / mp.pi) * (x + c * x**3); dz = mp.sqrt(2 / mp.pi) * (1 + 3 * c * x**2)"
_C: Final = 'c = mp.mpf("0.044715")'
_PHI: Final = "phi = mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)"
_CDF: Final = "cdf = mp.erfc(-x / mp.sqrt(2)) / 2"
_SELU: Final = f'scale = mp.mpf("{SELU_SCALE}"); alpha = mp.mpf("{SELU_ALPHA}")'

FORMULAS: Final[dict[str, tuple[tuple[str, ...], tuple[str, str, str]]]] = {
    "relu": ((), ("x if x > 0 else mp.mpf(0)", "mp.mpf(x > 0)", "mp.mpf(0)")),
    "leaky_relu": (
        (),
        ("x if x > 0 else negative_slope * x", "mp.mpf(1) if x > 0 else negative_slope", "mp.mpf(0)"),
    ),
    "prelu": ((), ("x if x > 0 else weight * x", "mp.mpf(1) if x > 0 else weight", "mp.mpf(0)")),
    "relu6": ((), ("max(mp.mpf(0), min(x, mp.mpf(6)))", "mp.mpf(0 < x < 6)", "mp.mpf(0)")),
    "hardtanh": ((), ("max(min_, min(x, max_))", "mp.mpf(min_ < x < max_)", "mp.mpf(0)")),
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
    "gelu": ((_PHI, _CDF), ("x * cdf", "cdf + x * phi", "phi * (2 - x * x)")),
    "gelu_tanh": (
        (_C, _Z, "p, q = s(2 * z), s(-2 * z)", "dp = 2 * dz * p * q"),
        (
            "x * p",
            "p + x * dp",
            "2 * dp + x * (2 * mp.sqrt(2 / mp.pi) * 6 * c * x * p * q + 2 * dz * dp * (q - p))",
        ),
    ),
    "silu": (
        ("p, q = s(x), s(-x)",),
        ("x * p", "p + x * p * q", "p * q * (2 + x * (q - p))"),
    ),
    "softplus": (
        ("t = beta * x", "p, q = s(t), s(-t)"),
        ("(max(t, mp.mpf(0)) + mp.log1p(mp.exp(-abs(t)))) / beta", "p", "beta * p * q"),
    ),
    "sigmoid": (("p, q = s(x), s(-x)",), ("p", "p * q", "p * q * (q - p)")),
    "logsigmoid": (
        ("p, q = s(x), s(-x)",),
        ("min(x, mp.mpf(0)) - mp.log1p(mp.exp(-abs(x)))", "q", "-p * q"),
    ),
    "tanh": ((), ("mp.tanh(x)", "mp.sech(x) ** 2", "-2 * mp.tanh(x) * mp.sech(x) ** 2")),
}
"""Function -> (statements, (f, f', f'')) over ``x``, the parameters, ``mp`` and ``s``."""

LOGISTIC: Final = "1 / (1 + mp.exp(-x)) if x >= 0 else mp.exp(x) / (1 + mp.exp(x))"
