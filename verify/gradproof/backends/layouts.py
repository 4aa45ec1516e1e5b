"""Layouts: the ways in which the same inputs can lie in memory and in the call. What every backend shares.

A backend that offers a layout (``Backend.layouts``) evaluates the same bits in it and returns the results in the order
of the inputs. Every array of ``contiguous`` is padded to whole vectors (see ``backends.base``); here some are not.
"""

from __future__ import annotations

from itertools import count
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage

CONTIGUOUS: Final = "contiguous"
LAYOUTS: Final = {
    CONTIGUOUS: "one fresh array of whole vectors",
    "strided": "every second element of a buffer whose other elements are poison (NaN and the largest number)",
    "offset": "part of a longer buffer, beginning at an odd element, with poison before and after",
    "transposed": "the transpose of a matrix",
    "broadcast": "each input repeated by a stride of 0",
    "scalar": "zero-dimensional, one call per input",
    "tail": "short arrays of 1, 2, 3, ... elements, so that inputs fall into the remainders of the vector loops",
    "batched": "a matrix",
    "vmap": "one at a time, batched by the framework's vmap",
    "large": "as many as are given, by more than one thread where the framework has threads",
    "in-place": "written into the input, by the variant of the function that does that",
    "out": "written into an array that is handed in and holds poison",
    "empty": "no elements: the shape (0,) has to come back",
}
"""Name -> how the inputs lie."""

UNPADDED: Final = ("scalar", "tail", "empty")
"""The layouts whose arrays are as long as they are; all others take whole vectors."""
WIDTH: Final = 16
"""Columns of a matrix: LANES is a multiple of it."""
LARGE: Final = 1 << 17
"""Elements that the runtimes split over their threads: above the 2**15 (torch) and 2**16 (XLA) at which they start."""
LONGEST_TAIL: Final = 64
"""Elements of two vectors of 512 bits in a 16-bit format."""
ALL_TAILS: Final = LONGEST_TAIL * (LONGEST_TAIL + 1) // 2
"""Inputs that make one short array of each length."""


def tails(size: int, longest: int = LONGEST_TAIL) -> list[slice]:
    """``size`` inputs cut into arrays of 1, 2, 3, ..., ``longest``, 1, 2, ... elements; the last may be shorter."""
    cuts: list[slice] = []
    start = 0
    for k in count():
        if start >= size:
            return cuts
        length = k % longest + 1
        cuts.append(slice(start, min(start + length, size)))
        start += length
    raise AssertionError  # count() does not end


def poison(size: int, fmt: Format) -> Bits:
    """``size`` elements that show wherever they are read: NaN, the largest number and its negative in turn."""
    return np.resize(np.array([fmt.nan_bits, fmt.max_bits, fmt.max_bits | fmt.sign_bit], storage(fmt)), size)


def copies(bits: Bits, size: int = LARGE) -> tuple[Bits, npt.NDArray[np.int64]]:
    """``size`` inputs made of repetitions of ``bits``, and which input each of them is."""
    which = np.resize(np.arange(bits.size), size)
    return bits[which], which
