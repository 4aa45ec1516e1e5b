"""``Arrays`` of PyTorch, on any of its devices. Imports torch; only ``TorchBackend`` imports this module, and late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch

from gradproof.backends.arrays import Array, Arrays, chunk_for


@final
class TorchArrays(Arrays):
    """Tensors on ``device``."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(torch)
        self.device = device
        if device.type == "cuda":
            # What PyTorch holds for itself and does not use counts as free.
            held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
            self.chunk = chunk_for(torch.cuda.mem_get_info(device)[0] + held)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """No graph inside; PyTorch does not warn of infinities."""
        with torch.no_grad():
            yield

    def zeros(self, count: int, dtype: Any) -> Array:
        """As NumPy's."""
        return torch.zeros(count, dtype=dtype, device=self.device)

    def array(self, values: npt.NDArray[Any]) -> Array:
        """See the base class."""
        return torch.from_numpy(np.array(values)).to(self.device)

    def host(self, values: Array) -> npt.NDArray[Any]:
        """See the base class."""
        found: npt.NDArray[Any] = values.cpu().numpy()
        return found

    def astype(self, values: Array, dtype: Any) -> Array:
        """See the base class."""
        return values.to(dtype)

    def widened(self, values: Array) -> Array:
        """See the base class."""
        return values.to(torch.float64)

    def arange(self, start: int, stop: int) -> Array:
        """See the base class."""
        return torch.arange(start, stop, dtype=torch.int64, device=self.device)

    def intervals(self, stops: npt.NDArray[np.int64], count: int) -> Array:
        """See the base class."""
        return torch.searchsorted(self.array(stops), self.arange(0, count), right=True)

    def put(self, values: Array, at: Any, new: Any) -> Array:
        """See the base class."""
        if isinstance(at, slice):
            values[at] = new
        else:
            values[self.array(at)] = self.array(new)
        return values

    def flatnonzero(self, mask: Array) -> npt.NDArray[np.int64]:
        """See the base class."""
        return self.host(mask.nonzero().ravel())

    def bincount(self, values: Array, count: int) -> npt.NDArray[np.int64]:
        """See the base class."""
        return self.host(torch.bincount(values, minlength=count))
