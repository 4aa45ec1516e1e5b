"""The random numbers that callables draw: the same for every cell, whatever was called in the process before."""

from __future__ import annotations

import random
import sys

import numpy as np


def reset(seed: int) -> None:
    """Seed the generators that Python, NumPy and PyTorch share by the whole process."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  callables draw from this one
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)
