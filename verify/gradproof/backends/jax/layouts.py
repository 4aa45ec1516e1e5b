"""Layouts of JAX: which shapes the inputs take. Imports NumPy alone.

Arrays of JAX have no strides that a user could choose, so only shape and length are left. Each shape is compiled anew;
``tail`` has two lengths for that reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from gradproof.backends.base import padded
from gradproof.backends.layouts import WIDTH
from gradproof.errors import Unsupported
from gradproof.formats.arrays import Bits

OFFERED: Final = ("contiguous", "scalar", "tail", "batched", "vmap", "large", "empty")
TAIL: Final = 37
"""Elements that no vector divides."""


def laid_out(evaluate: Callable[[Bits], Bits], bits: Bits, layout: str) -> Bits:
    """What ``evaluate`` answers for an array of bits of any shape, asked in another layout.

    ``bits`` has the shape (n,); the answer has n elements at least. Raises Unsupported for a layout not offered.
    """
    if layout == "contiguous":
        return evaluate(padded(bits, few_lengths=True))
    if layout in ("empty", "large"):
        return evaluate(bits)
    if layout == "scalar":
        return np.stack([evaluate(bits[i : i + 1].reshape(())) for i in range(bits.size)])
    if layout == "tail":
        return _tails(evaluate, bits)
    if layout == "batched":
        return evaluate(padded(bits).reshape(-1, WIDTH)).ravel()
    if layout == "vmap":
        return evaluate(padded(bits, few_lengths=True))  # batched, the operations are those of contiguous
    raise Unsupported(f"jax has no layout {layout!r}")


def _tails(evaluate: Callable[[Bits], Bits], bits: Bits) -> Bits:
    """The first input alone, the others in arrays of TAIL elements, padded with the last input."""
    lanes = np.concatenate([bits[1:], np.repeat(bits[-1:], -(bits.size - 1) % TAIL)])
    return np.concatenate([evaluate(part) for part in (bits[:1], *lanes.reshape(-1, TAIL))])
