"""Hypothesis strategies over bit patterns, a batch at a time.

A batch is described by a few integers (which Hypothesis mutates, shrinks and steers by ``target``) and expanded
to many inputs, so that one call of a kernel serves one example. Shapes of a batch: a binade, sampled evenly;
the neighbourhood of a landmark, at a scale drawn log-uniformly in ordinals; a window anywhere on the line.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.functions import Function
from gradproof.strategies.landmarks import landmark_ordinals


def stratified(fmt: Format, count: int, seed: int) -> Bits:
    """``count`` inputs spread evenly over all finite ordinals of both signs, one at random in each stratum.

    For a 16-bit format: every bit pattern. ``count`` must be a power of two.
    """
    if fmt.is_16_bit:
        return fa.all_bits(fmt)
    rng = np.random.default_rng([seed, fmt.width])
    finite = fmt.last_bits
    edges = np.linspace(0, finite, count // 2 + 1).astype(np.int64)
    low, high = edges[:-1], np.maximum(edges[1:] - 1, edges[:-1])
    positive = rng.integers(low, high, endpoint=True)
    negative = -rng.integers(low, high, endpoint=True)
    return fa.from_ordinals(np.concatenate([negative[::-1], positive]), fmt)


def batches(function: Function, fmt: Format, size: int) -> st.SearchStrategy[Bits]:
    """Strategy for arrays of ``size`` finite or infinite inputs (never NaN) worth trying on ``function``."""
    landmarks = landmark_ordinals(function, fmt)
    return st.one_of(
        st.builds(
            lambda e, negative, seed: _binade(fmt, e, negative, seed, size),
            st.integers(0, (1 << fmt.exponent_bits) - 2),
            st.booleans(),
            _SEEDS,
        ),
        st.builds(
            lambda o, scale, seed: _around(fmt, o, scale, seed, size),
            st.sampled_from(landmarks),
            st.integers(0, fmt.precision + 4),
            _SEEDS,
        ),
        st.builds(
            lambda o, scale, seed: _around(fmt, o, scale, seed, size),
            st.integers(-fmt.last_bits, fmt.last_bits),
            st.integers(4, fmt.precision + 2),
            _SEEDS,
        ),
    )


_SEEDS = st.integers(0, 2**16 - 1)


def _binade(fmt: Format, exponent: int, negative: bool, seed: int, size: int) -> Bits:
    width = 1 << (fmt.precision - 1)
    low = exponent * width
    return _spread(fmt, low, low + width - 1, seed, size, negative)


def _around(fmt: Format, ordinal: int, scale: int, seed: int, size: int) -> Bits:
    reach = max(1 << scale, size // 2)
    limit = fmt.last_bits
    return _spread(fmt, max(ordinal - reach, -limit), min(ordinal + reach, limit), seed, size, False)


def _spread(fmt: Format, low: int, high: int, seed: int, size: int, negative: bool) -> Bits:
    """``size`` ordinals of [low, high], one per equal stratum, both ends included."""
    rng = np.random.default_rng(seed)
    offsets = (np.arange(size) + rng.random(size)) / size
    inner = low + np.floor(offsets * float(high - low)).astype(np.int64)
    ordinals = np.clip(inner, low, high)
    ordinals[0], ordinals[-1] = low, high
    return fa.from_ordinals(-ordinals if negative else ordinals, fmt)
