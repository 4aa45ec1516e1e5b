"""Where the exact values of f, f' and f'' leave the normal numbers of a format: signals are lost there."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Ints
from gradproof.oracle.oracle import Oracle
from gradproof.oracle.reference import FINITE

GRID: Final = 1025
"""Ordinals of each sign that are looked at first: of float64 two in each binade."""
PARTS: Final = 16
"""Parts into which each step between two of them is cut, again and again."""
MOST: Final = 64
"""Steps that are followed up for one order and sign: a derivative that oscillates has more."""


@lru_cache(maxsize=256)
def crossings(oracle: Oracle, fmt: Format) -> tuple[int, ...]:
    """The ordinals from which on a value rounds to a zero, a subnormal, a normal number or an infinity."""
    found: set[int] = set()
    for sign in (-1, 1):
        for order in range(3):
            steps = np.unique(np.linspace(1, fmt.max_bits, GRID).astype(np.int64))
            kinds = _kinds(oracle, fmt, order, sign * steps)
            change = np.flatnonzero(kinds[1:] != kinds[:-1])[:MOST]
            low, high = steps[change], steps[change + 1]
            while low.size and int((high - low).max()) > 1:
                inner = np.stack([low + (high - low) // PARTS * k + (high - low) % PARTS * k // PARTS for k in
                                  range(PARTS + 1)], axis=1)  # fmt: skip
                kinds = _kinds(oracle, fmt, order, sign * inner.ravel()).reshape(inner.shape)
                first = np.argmax(kinds[:, 1:] != kinds[:, :1], axis=1)
                rows = np.arange(low.size)
                low, high = inner[rows, first], inner[rows, first + 1]
            found.update((sign * high).tolist())
    return tuple(sorted(found))


def _kinds(oracle: Oracle, fmt: Format, order: int, ordinals: Ints) -> Ints:
    reference = oracle.references(fa.from_ordinals(ordinals, fmt), fmt)[order]
    size = fa.magnitudes(reference.rounded, fmt)
    edges = np.array([1, fmt.min_normal_bits, fmt.max_bits + 1], np.uint64)
    kinds: Ints = np.searchsorted(edges, size.astype(np.uint64), side="right")
    return np.where(reference.kind == FINITE, kinds, -1)
