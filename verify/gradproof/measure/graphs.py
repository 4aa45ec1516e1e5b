"""What a report draws of f^(n): computed and due at the worst input of each of some intervals (``model.Graph``).

The intervals are narrow where networks compute and wide elsewhere, so that a few hundred bytes show a kink, a tail and
the ends of the format.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.results.model import Graph

MOST: Final = 1 << 17
"""Results that are looked at; of more, all that fail and an even spread of the others."""
STEPS: Final = 4
"""Levels of ``errors`` per doubling of the error over the bound."""
LEAST: Final = 2.0**-8
"""Errors over the bound far below this are all level 0."""
WRONG_CLASS: Final = 255


def _edges() -> Floats:
    """Upper ends of the intervals of |x|: three per binade from 1/4 to 64, fewer further out."""
    fine = [2.0**k * (1 + j / 3) for k in range(-2, 6) for j in range(3)]
    far = [2.0**k * (1 + j / 2) for k in range(6, 10) for j in range(2)]
    small = [2.0**k for k in (-120, -24, -12, *range(-8, -2))]
    return np.array([*small, *fine, *far, *(2.0**k for k in (10, 16, 32, 64, 128, 512))])


EDGES: Final = _edges()


def graph(
    bits: Bits, got: Bits, due: Bits, magnitude: Floats, fmt: Format, own: Callable[[Bits], Bits | None]
) -> Graph:
    """The graph of results ``got`` at finite inputs ``bits`` of shape (n,).

    ``due`` are the correctly rounded bits, ``magnitude`` errors over the bound: 0 where flushing excuses them, inf for
    a wrong class, NaN where nothing is judged. ``own`` gives the framework's own results, None where it has none.
    """
    kept = np.flatnonzero(~np.isnan(magnitude) & fa.is_finite(bits, fmt))
    if kept.size > MOST:
        failing = magnitude[kept] > 1
        kept = np.concatenate([kept[failing][-MOST:], kept[~failing][:: -(-kept.size // MOST)]])
    x = fa.values(bits[kept], fmt)
    index = np.searchsorted(EDGES, np.abs(x), side="right")
    index = np.where(fa.signs(bits[kept], fmt), -1 - index, index)
    # The last of each interval by error; of equal ones the last in the order of the inputs given.
    order = np.lexsort((magnitude[kept], index))
    last = np.flatnonzero(np.diff(index[order], append=EDGES.size + 1))
    rows = kept[order[last]]
    rows = rows[np.argsort(fa.values(bits[rows], fmt), kind="stable")]
    theirs = own(bits[rows])
    return Graph(
        inputs=packed(bits[rows]),
        got=packed(got[rows]),
        due=apart(got[rows], due[rows], fmt),
        errors=base64.b64encode(levels(magnitude[rows]).tobytes()).decode(),
        own=None if theirs is None else apart(got[rows], theirs, fmt),
    )


def levels(magnitude: Floats) -> npt.NDArray[np.uint8]:
    """Errors over the bound as one byte each (``Graph.errors``)."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.minimum(np.rint(STEPS * np.log2(1 + np.abs(magnitude) / LEAST)), WRONG_CLASS - 1)
    return np.where(np.isinf(magnitude), WRONG_CLASS, steps).astype(np.uint8)


def packed(bits: Bits) -> str:
    """Bit patterns as base64 of little-endian integers of the format's size."""
    return base64.b64encode(bits.astype(bits.dtype.newbyteorder("<")).tobytes()).decode()


def apart(got: Bits, other: Bits, fmt: Format) -> str:
    """By how many floats ``other`` lies above ``got``, between blanks.

    Beside a NaN: ``?`` where both are, else the bits of ``other`` in hexadecimal, since nothing lies above a NaN.
    """
    nans = zip(fa.is_nan(got, fmt), fa.is_nan(other, fmt), strict=True)
    steps = (int(b) - int(a) for a, b in zip(fa.ordinals(got, fmt), fa.ordinals(other, fmt), strict=True))
    columns = zip(steps, nans, other, strict=True)
    return " ".join(("?" if all(nan) else f"{int(b):#x}") if any(nan) else str(n) for n, nan, b in columns)
