"""Probing whether a backend flushes subnormal numbers, by two multiplications whose answers are known.

Run on arrays long enough that a runtime splits them over its threads: some set the flush mode on worker
threads only, and an array that fits one thread would miss it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from gradproof.backends.base import Traits
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, magnitudes, storage

PROBE_SIZE: Final = 1 << 18
"""Elements of a probe; above the 2**15 (torch) and 2**16 (XLA) at which runtimes start to split work."""


def probe(multiply: Callable[[Bits, Bits], Bits], fmt: Format) -> Traits:
    """The traits seen by ``multiply``, an elementwise product over bit patterns of shape (PROBE_SIZE,).

    FTZ: the least normal number times 1/2 is a normal times a normal; only a flushed result is 0.
    DAZ: half the least normal number times 4 has a normal result; only an input read as zero gives 0.
    A format without subnormal numbers has nothing to flush.
    """
    if not fmt.signed:
        return Traits(flushes_results=False, zeros_inputs=False)
    half_least_normal = 1 << (fmt.precision - 2)
    product = multiply(_full(fmt.min_normal_bits, fmt), _full(_power_of_two(-1, fmt), fmt))
    flushes = bool(np.any(magnitudes(product, fmt) == 0))
    product = multiply(_full(half_least_normal, fmt), _full(_power_of_two(2, fmt), fmt))
    return Traits(flushes_results=flushes, zeros_inputs=bool(np.any(magnitudes(product, fmt) == 0)))


def _power_of_two(exponent: int, fmt: Format) -> int:
    return (exponent + fmt.bias) << (fmt.precision - 1)


def _full(bits: int, fmt: Format) -> Bits:
    return np.full(PROBE_SIZE, bits, dtype=storage(fmt))
