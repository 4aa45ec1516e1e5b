"""Error curves: the envelope of u over ordinals, its histogram and quantiles (see ``results.model.Curve``)."""

from __future__ import annotations

import base64
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.results.formatting import finite_or_none
from gradproof.results.model import Curve

BINS: Final = 512
EMPTY: Final = 254
MISMATCH: Final = 255
HISTOGRAM_EDGES: Final = (0.5, 1.0, *(2.0**k for k in range(1, 13)))
QUANTILES: Final = (0.5, 0.9, 0.99, 1.0)


class Counted(Protocol):
    """Errors that were added up: the greatest of parts of the line, and how many there are of each size."""

    def tops(self) -> tuple[Bits, Floats]:
        """A bit pattern in each part that has errors, and the greatest u there."""

    def sizes(self) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Sizes of u in growing order, each the least of its bin, and how many errors there are of each."""


def curve(bits: Bits, u: Floats, judged: npt.NDArray[np.bool_], fmt: Format, more: Counted | None = None) -> Curve:
    """The envelope by maximum of ``u`` (ulps, inf for a mismatch) over all ordinals of the format."""
    limit = fmt.last_bits
    chosen = judged & ~np.isnan(u) & ~fa.is_nan(bits, fmt)
    ordinals, errors = fa.ordinals(bits[chosen], fmt), u[chosen]
    weights = np.ones(errors.size, np.int64)
    tops = errors
    if more is not None:
        places, greatest = more.tops()
        ordinals, tops = np.concatenate([ordinals, fa.ordinals(places, fmt)]), np.concatenate([errors, greatest])
        sizes, counts_of = more.sizes()
        errors, weights = np.concatenate([errors, sizes]), np.concatenate([weights, counts_of])
    # Integer arithmetic: float64 ordinals do not fit a float64, and counted from -infinity not even an int64.
    width = -(-(2 * limit + 1) // BINS)
    from_left = ordinals.astype(np.uint64) + np.uint64(limit)
    index = (from_left // np.uint64(width)).astype(np.int64)
    envelope = np.full(BINS, -1.0)
    np.maximum.at(envelope, index, tops)
    with np.errstate(invalid="ignore", over="ignore"):
        levels = np.minimum(np.rint(8 * np.log2(1 + np.maximum(envelope, 0))), 253)
    levels = np.where(np.isinf(envelope), MISMATCH, np.where(envelope < 0, EMPTY, levels))
    # Every bin holds its upper edge: u = 1/2 is a correct rounding.
    bins = np.searchsorted(np.array(HISTOGRAM_EDGES), errors, side="left")
    counts = np.bincount(bins, weights, len(HISTOGRAM_EDGES) + 1).astype(np.int64).tolist() if errors.size else []
    quantiles = [finite_or_none(q) for q in _quantiles(errors, weights, tops)] if errors.size else []
    return Curve(
        lo=str(-limit),
        hi=str(limit),
        bins=base64.b64encode(levels.astype(np.uint8).tobytes()).decode(),
        histogram=counts,
        quantiles=quantiles,
    )


def _quantiles(errors: Floats, weights: npt.NDArray[np.int64], tops: Floats) -> list[float]:
    """QUANTILES of ``errors`` that occur ``weights`` times, each an error that occurs; the last one of ``tops``."""
    order = np.argsort(errors)
    upto = np.cumsum(weights[order])
    ranks = np.floor(np.array(QUANTILES[:-1]) * (upto[-1] - 1))
    return [*errors[order][np.searchsorted(upto, ranks, side="right")].tolist(), float(tops.max())]
