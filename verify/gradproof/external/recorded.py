"""Results from a file as a callable of the backend ``bits``."""

from __future__ import annotations

from typing import Final

import numpy as np

from gradproof.errors import Unsupported, UsageError
from gradproof.external.inputs import Inputs, ListedInputs, RangeInputs
from gradproof.external.vector_files import VectorFile
from gradproof.formats.arrays import Bits

READ_AT_ONCE: Final = 1 << 12
"""Consecutive inputs from which on results are read in one piece, and not each for itself."""


class RecordedResults:
    """The results in ``file``, one for each of ``inputs``, in the same order.

    Raises UsageError where there are fewer or more, and where one input has two results.
    """

    def __init__(self, inputs: Inputs, file: VectorFile) -> None:
        if file.count != inputs.count:
            raise UsageError(
                f"expected {inputs.count:,} results in {file.path}, one for each input, got {file.count:,}"
                f"{': it is cut off, or belongs to other inputs' if file.count < inputs.count else ''}"
            )
        self.inputs = inputs
        self.file = file
        if isinstance(inputs, ListedInputs):
            _check_repeated(inputs, file)

    def __call__(self, bits: Bits) -> Bits:
        """The results at ``bits``, of shape (n,); Unsupported for an input at which there is none."""
        inside = self.inputs.holds(bits)
        if not inside.all():
            missing = int(bits[int(np.argmin(inside))])
            raise Unsupported(f"{self.file.path.name} holds no result for {self.inputs.format.bits_text(missing)}")
        first = int(bits[0])
        if isinstance(self.inputs, RangeInputs) and bits.size >= READ_AT_ONCE and _consecutive(bits):
            return self.file.read(first - self.inputs.first, bits.size)
        return self.file.at(self.inputs.positions(bits))


class NotRecorded:
    """In place of f^(order), of which there are no results."""

    def __init__(self, order: int) -> None:
        self.order = order

    def __call__(self, bits: Bits) -> Bits:
        """Unsupported."""
        raise Unsupported(f"there are no results of order {self.order} among those that were handed in")


def _consecutive(bits: Bits) -> bool:
    return int(bits[-1]) - int(bits[0]) == bits.size - 1 and bool((np.diff(bits) == 1).all())


def _check_repeated(inputs: ListedInputs, file: VectorFile) -> None:
    again, first = inputs.repeated()
    differ = np.flatnonzero(file.at(again) != file.at(first))
    if differ.size:
        one, other = int(first[differ[0]]), int(again[differ[0]])
        at = inputs.format.bits_text(int(inputs.bits[one]))
        ours, theirs = (file.format.bits_text(int(file.at(np.array([i]))[0])) for i in (one, other))
        raise UsageError(
            f"expected one result for each input, got two for {at}: {ours} as number {one} of {file.path} and {theirs} "
            f"as number {other}, and {differ.size - 1} more; the device does not repeat itself, or rows are mixed up"
        )
