"""Which ids of gradproof's explanations tell a mechanism of the corpus.

The corpus was written without the library of formulas; this table came afterwards, from the formulas' definitions. A
way to write a function (``silu/quotient``) stands for all its orders. Several ids where several records of the library
are one formula in other arithmetic.
"""

from __future__ import annotations

from typing import Final

MECHANISMS: Final[dict[str, tuple[str, ...]]] = {
    "abs/root-of-square": ("abs/root",),
    "elu/exp-1": ("elu/difference",),
    "elu/where": ("elu/unmasked",),
    "elu/y+1": ("elu/result", "elu/jax", "elu/jax-eager", "elu/jax-forward"),
    "erfc/1-erf": ("erfc/difference",),
    "expm1/exp-1": ("expm1/difference",),
    "flushed": ("flushed", "exp/jax"),
    "gelu/1+erf": ("gelu/erf", "gelu/torch", "gelu/onednn"),
    "gelu_tanh/1+tanh": ("gelu_tanh/cube", "gelu_tanh/torch", "gelu_tanh/jax"),
    "log1p/log": ("log1p/logarithm",),
    "logsigmoid/log-sigmoid": ("logsigmoid/logarithm",),
    "mish/textbook": ("mish/logarithm",),
    "relu/mask": ("relu/mask",),
    "relu/mean": ("relu/mean",),
    "relu/nan": ("relu/pieces",),
    "selu/float32-constants": ("selu/float32-constants",),
    "sigmoid/(1-2s)": ("sigmoid/torch", "sigmoid/jax", "sigmoid/jax-eager"),
    "sigmoid/quotient": ("sigmoid/quotient",),
    "sigmoid/s(1-s)": ("sigmoid/product", "sigmoid/torch", "sigmoid/jax", "sigmoid/jax-eager", "sigmoid/jax-forward"),
    "sigmoid/textbook": ("sigmoid/reciprocal", "sigmoid/torch", "sigmoid/jax"),
    "silu/product": ("silu/product", "silu/torch", "silu/quotient", "silu/jax"),
    "silu/quotient": ("silu/quotient", "silu/torch", "silu/jax", "silu/jax-eager", "silu/jax-forward"),
    "softplus/textbook": ("softplus/logarithm",),
    "softplus_threshold": ("softplus_threshold", "softplus/torch"),
    "softsign/quotient": ("softsign/torch", "softsign/jax"),
    "softsign/square": ("softsign/sum-squared",),
    "squareplus/textbook": ("squareplus/root", "squareplus/jax"),
    "tanh/1-y2": ("tanh/torch", "tanh/jax", "tanh/jax-eager"),
    "tanh/exponential": ("tanh/reciprocal",),
    "tanh/exponentials": ("tanh/two-exponentials",),
    "tanh/sigmoid": ("tanh/sigmoid",),
    "tanhshrink/difference": ("tanhshrink/torch", "tanhshrink/jax"),
}
