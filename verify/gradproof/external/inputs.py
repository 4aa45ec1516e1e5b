"""At which inputs there are results: a range of consecutive bit patterns, or a list of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.errors import UsageError
from gradproof.external.vector_files import VectorFile
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, Ints, all_bits, storage

MOST_LISTED: Final = 1 << 24
"""Inputs of a list; more can be judged where they are consecutive bit patterns."""
CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class RangeInputs:
    """The bit patterns ``first`` to ``last``, in the order of the unsigned patterns; the result of the first one comes
    first.
    """

    format: Format
    first: int
    last: int

    @property
    def count(self) -> int:
        """How many there are."""
        return self.last - self.first + 1

    @property
    def complete(self) -> bool:
        """Whether they are every bit pattern of the format."""
        return self.count == 1 << self.format.width

    def holds(self, bits: Bits) -> npt.NDArray[np.bool_]:
        """Which of ``bits`` are among them."""
        inside: npt.NDArray[np.bool_] = (bits >= self.first) & (bits <= self.last)
        return inside

    def positions(self, bits: Bits) -> Ints:
        """Where the results of ``bits``, which are all among them, lie."""
        return bits.astype(np.int64) - self.first

    def parts(self, size: int) -> Iterator[Bits]:
        """All of them, at most ``size`` at a time."""
        for start in range(self.first, self.last + 1, size):
            yield np.arange(start, min(start + size, self.last + 1), dtype=storage(self.format))

    def some(self, most: int) -> Bits:
        """Each of them, or ``most`` of them evenly chosen, in growing order."""
        dtype = storage(self.format)
        if self.count <= most:
            return np.arange(self.first, self.last + 1, dtype=dtype)
        steps = np.linspace(0, self.count - 1, most).astype(np.uint64)
        return (steps + np.uint64(self.first)).astype(dtype)


@dataclass(frozen=True, eq=False)
class ListedInputs:
    """Bit patterns in any order, ``bits`` of shape (n,)."""

    format: Format
    bits: Bits

    @property
    def count(self) -> int:
        """How many there are, repeated ones included."""
        return int(self.bits.size)

    @cached_property
    def complete(self) -> bool:
        """Whether they are every bit pattern of the format."""
        width = self.format.width
        return width <= 16 and self.count >= 1 << width and np.array_equal(np.unique(self.bits), all_bits(self.format))

    @cached_property
    def _sorted(self) -> tuple[Bits, Ints]:
        order = np.argsort(self.bits, kind="stable")
        return self.bits[order], order

    def holds(self, bits: Bits) -> npt.NDArray[np.bool_]:
        """Which of ``bits`` are among them."""
        ordered, _ = self._sorted
        at = np.minimum(np.searchsorted(ordered, bits), ordered.size - 1)
        inside: npt.NDArray[np.bool_] = ordered[at] == bits
        return inside

    def positions(self, bits: Bits) -> Ints:
        """Where the results of ``bits``, which are all among them, lie; of repeated ones the first."""
        ordered, order = self._sorted
        return order[np.searchsorted(ordered, bits)]

    def parts(self, size: int) -> Iterator[Bits]:
        """Each of them once, at most ``size`` at a time."""
        found = np.unique(self.bits)
        for start in range(0, found.size, size):
            yield found[start : start + size]

    def some(self, most: int) -> Bits:
        """Each of them once, or ``most`` of them evenly chosen, in growing order."""
        found = np.unique(self.bits)
        return found if found.size <= most else found[np.linspace(0, found.size - 1, most).astype(np.int64)]

    def repeated(self) -> tuple[Ints, Ints]:
        """Positions of inputs that occurred before, and where the same ones occurred first."""
        ordered, order = self._sorted
        again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
        first = order[np.searchsorted(ordered, ordered[again])]
        return order[again], first


Inputs = RangeInputs | ListedInputs


def inputs_in(file: VectorFile) -> Inputs:
    """The inputs that a file holds; consecutive ones as a range, whatever their number.

    Raises UsageError for none, and for more than MOST_LISTED that are not consecutive.
    """
    if not file.count:
        raise UsageError(f"expected inputs in {file.path}, got none")
    first = int(file.read(0, 1)[0])
    for start in range(0, file.count, CHUNK):
        part = file.read(start, min(CHUNK, file.count - start)).astype(np.uint64)
        if not np.array_equal(part, np.arange(first + start, first + start + part.size, dtype=np.uint64)):
            break
    else:
        return RangeInputs(file.format, first, first + file.count - 1)
    if file.count > MOST_LISTED:
        raise UsageError(
            f"expected at most {MOST_LISTED:,} inputs in {file.path}, or consecutive bit patterns of any number, got "
            f"{file.count:,} in another order; judge them in parts, and put these together with `gradproof combine`"
        )
    return ListedInputs(file.format, file.read(0, file.count))
