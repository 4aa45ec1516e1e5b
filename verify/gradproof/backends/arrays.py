"""Elementwise work and reductions on a backend's own device, for what must not travel: array operations by few names.

``Arrays`` is NumPy's own, and serves every module that goes by the same names; ``torch.device_arrays`` and
``jax.device_arrays`` are the other two. Beside these names arrays are indexed, sliced, viewed as another dtype by
``view``, and calculated with by operators and Python's numbers, which are the same everywhere. Everything is float64
and int64 as written, so nothing here uses TF32 or reassociates.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

Array = Any
HELD: Final = 160
"""Bytes that judging one input holds at once at most, in temporaries of 8 bytes (149 by ``tracemalloc`` and NumPy)."""


class Arrays:
    """Operations on arrays of one device; ``module`` goes by NumPy's names."""

    chunk: int = 1 << 15
    """Elements to work on at once: on a processor few enough for its caches, on a device enough to keep it busy."""
    least: ClassVar[int] = 1 << 18
    most: ClassVar[int] = 1 << 24

    def __init__(self, module: Any = np) -> None:
        self.module = module
        self.float64, self.int64, self.int32, self.uint8 = module.float64, module.int64, module.int32, module.uint8
        self.where, self.isnan, self.isinf, self.sign = module.where, module.isnan, module.isinf, module.sign
        self.clip = module.clip

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """No warnings of infinities and NaNs inside, which are expected."""
        with np.errstate(all="ignore"):
            yield

    def zeros(self, count: int, dtype: Any) -> Array:
        """So many zeros."""
        return self.module.zeros(count, dtype=dtype)

    def array(self, values: npt.NDArray[Any]) -> Array:
        """A copy of ``values`` on the device."""
        return self.module.asarray(values)

    def host(self, values: Array) -> npt.NDArray[Any]:
        """``values`` as NumPy's array."""
        return np.asarray(values)

    def astype(self, values: Array, dtype: Any) -> Array:
        """``values`` in ``dtype``."""
        return values.astype(dtype)

    def widened(self, values: Array) -> Array:
        """float32 in float64, subnormal numbers included."""
        return values.astype(self.float64)

    def arange(self, start: int, stop: int) -> Array:
        """``start`` to ``stop - 1`` in int64."""
        return self.module.arange(start, stop, dtype=self.int64)

    def concatenate(self, parts: list[Array]) -> Array:
        """One-dimensional arrays in a row."""
        return parts[0] if len(parts) == 1 else self.module.concatenate(parts)

    def intervals(self, stops: npt.NDArray[np.int64], count: int) -> Array:
        """For each of 0 to ``count - 1`` which interval it lies in; interval i ends before ``stops[i]``."""
        return np.repeat(np.arange(stops.size), np.diff(stops, prepend=0))

    def put(self, values: Array, at: Any, new: Array) -> Array:
        """``values`` with ``new`` in the slice or at the places ``at``, both of the host; maybe the same array."""
        values[at] = new
        return values

    def at(self, values: Array, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The elements at ``places``, on the host."""
        return self.host(values[self.array(places)])

    def flatnonzero(self, mask: Array) -> npt.NDArray[np.int64]:
        """Where ``mask`` holds, on the host."""
        return np.asarray(self.module.flatnonzero(mask), np.int64)

    def bincount(self, values: Array, count: int) -> npt.NDArray[np.int64]:
        """How often each of 0 to ``count - 1`` occurs, on the host."""
        return np.asarray(self.module.bincount(values, minlength=count), np.int64)

    def peak(self, values: Array) -> tuple[float, int]:
        """The largest of ``values``, none of them NaN, and the first place where it is."""
        at = int(self.module.argmax(values))
        return float(values[at]), at

    def top(self, values: Array) -> float:
        """The largest of ``values``."""
        return float(values.max())

    def any(self, mask: Array) -> bool:
        """Whether ``mask`` holds anywhere."""
        return bool(mask.any())

    def count(self, mask: Array) -> int:
        """How often ``mask`` holds."""
        return int(mask.sum())


def chunk_for(free: int) -> int:
    """Elements at once for a device with so many bytes free: a power of two that takes an eighth of them at most."""
    return min(max(1 << max(free // (8 * HELD), 1).bit_length() - 1, Arrays.least), Arrays.most)
