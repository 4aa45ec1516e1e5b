"""``Arrays`` of JAX: NumPy's names in ``jax.numpy``. Imports jax; only ``JaxBackend`` imports this module, and late.

JAX compiles each operation for each shape, so shapes are few: tables are padded to powers of two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from gradproof.backends.arrays import Array, Arrays, chunk_for
from gradproof.backends.jax.calls import configured
from gradproof.formats import FLOAT64


@final
class JaxArrays(Arrays):
    """Arrays on ``device``, inside ``quiet``: JAX has 64-bit types in a context only."""

    chunk = 1 << 18

    def __init__(self, device: Any) -> None:
        super().__init__(jnp)
        self.device = device
        if device.platform != "cpu":
            memory = device.memory_stats() or {}
            self.chunk = chunk_for(memory.get("bytes_limit", 1 << 31) - memory.get("bytes_in_use", 0))

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """64-bit types on the device inside."""
        with configured(FLOAT64, self.device):
            yield

    def array(self, values: npt.NDArray[Any]) -> Array:
        """See the base class."""
        return jax.device_put(np.array(values), self.device)

    def widened(self, values: Array) -> Array:
        """See the base class. XLA may read a subnormal float32 as 0, so those go by their bits."""
        bits = values.view(jnp.int32)
        small = (bits & 0x007F_FFFF).astype(jnp.float64) * 2.0**-149
        subnormal = (bits & 0x7F80_0000) == 0
        return jnp.where(subnormal, jnp.where(bits < 0, -small, small), values.astype(jnp.float64))

    def intervals(self, stops: npt.NDArray[np.int64], count: int) -> Array:
        """See the base class."""
        return jnp.searchsorted(self.array(_padded(stops)), self.arange(0, count), side="right")

    def put(self, values: Array, at: Any, new: Any) -> Array:
        """See the base class."""
        if isinstance(at, slice):
            return values.at[at].set(new)
        return values.at[self.array(_padded(at))].set(self.array(_padded(new))) if at.size else values

    def at(self, values: Array, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """See the base class."""
        if not places.size:
            return np.empty(0, values.dtype)
        return self.host(values[self.array(_padded(places))])[: places.size]

    def flatnonzero(self, mask: Array) -> npt.NDArray[np.int64]:
        """See the base class."""
        count = self.count(mask)
        if not count:
            return np.empty(0, np.int64)
        places = jnp.flatnonzero(mask, size=min(_power(count), mask.size), fill_value=0)
        return np.asarray(places, np.int64)[:count]

    def bincount(self, values: Array, count: int) -> npt.NDArray[np.int64]:
        """See the base class."""
        return np.asarray(jnp.bincount(values, length=count), np.int64)


def _power(count: int) -> int:
    """The least power of two that is no less."""
    return 1 << (count - 1).bit_length()


def _padded(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``values`` with the last one repeated up to a power of two."""
    return np.concatenate([values, np.repeat(values[-1:], _power(values.size) - values.size)])
