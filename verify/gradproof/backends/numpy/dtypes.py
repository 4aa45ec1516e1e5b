"""NumPy's dtypes of the formats, with those of ``ml_dtypes``."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof.errors import Unsupported
from gradproof.formats import Format


def dtype_of(fmt: Format) -> np.dtype[Any]:
    """NumPy's dtype for ``fmt``; Unsupported where it takes ml_dtypes and that is missing."""
    if fmt.name in ("float64", "float32", "float16"):
        return np.dtype(fmt.name)
    try:
        import ml_dtypes
    except ImportError:
        raise Unsupported(f"{fmt.name} on NumPy needs ml_dtypes; pip install ml_dtypes") from None
    kind: np.dtype[Any] = np.dtype(getattr(ml_dtypes, fmt.name))
    return kind
