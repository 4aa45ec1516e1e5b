"""Programs in NumPy: no AD, products and sums in the format."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof.backends.base import Backend, Implementation
from gradproof.backends.space import Array, Space
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage


class NumpySpace(Space):
    """NumPy arrays of one format."""

    def __init__(self, backend: Backend, fmt: Format, dtype: np.dtype[Any]) -> None:
        super().__init__(backend, fmt)
        self._dtype = dtype

    def array(self, bits: Bits) -> Array:
        """See the base class."""
        return np.array(bits, dtype=storage(self.format), order="C").view(self._dtype)

    def bits(self, array: Array) -> Bits:
        """See the base class."""
        return np.array(array, self._dtype, order="C").view(storage(self.format))

    def apply(self, implementation: Implementation, x: Array) -> Array:
        """See the base class."""
        return self.derivative(implementation, x, 0)

    def matmul(self, a: Array, b: Array) -> Array:
        """See the base class; ml_dtypes multiplies in float32, so its result is rounded once more."""
        return np.matmul(a, b).astype(self._dtype)

    def total(self, a: Array) -> Array:
        """See the base class; NumPy sums pairwise."""
        return np.asarray(np.sum(a, dtype=self._dtype))

    def sqrt(self, a: Array) -> Array:
        """See the base class."""
        return np.sqrt(a)

    def where(self, condition: Any, a: Array, b: Array) -> Array:
        """See the base class."""
        return np.where(condition, a, b)

    def zeros_in(self, a: Array) -> int:
        """See the base class."""
        return int(np.size(a) - np.count_nonzero(a))
