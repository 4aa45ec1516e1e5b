"""How grave a failure is, for sorting: the classes of ``results.model.SEVERITIES``, worst first."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.measure.judge import Judgement
from gradproof.oracle import Reference
from gradproof.oracle.reference import FINITE
from gradproof.results.model import SEVERITIES

WRONG_CLASS, LOST_SIGNAL, WRONG_BRANCH, LARGE_ERROR, SMALL_ERROR, FAULT = range(len(SEVERITIES))

LARGE: Final = 100.0
"""Error over bound from which a finite error counts as large."""


def classify(
    got: Bits, reference: Reference, judgement: Judgement, fmt: Format, saturated_at: tuple[float, ...] = ()
) -> npt.NDArray[np.int8]:
    """Index into SEVERITIES for every row (meaningful where ``judgement.failing``).

    ``saturated_at`` are the finite limits of f^(n): a result that equals one of them, or is zero, although
    the exact value is a normal number far from it, has lost its signal.
    """
    g = fa.values(got, fmt)
    severity = np.where(judgement.magnitude >= LARGE, LARGE_ERROR, SMALL_ERROR).astype(np.int8)
    normal = (reference.kind == FINITE) & (reference.exponent > fmt.e_min) & (reference.high != 0)
    saturated = g == 0
    for limit in saturated_at:
        saturated |= g == limit
    severity[saturated & normal] = LOST_SIGNAL
    opposite = (reference.kind == FINITE) & (np.sign(np.nan_to_num(g)) * np.sign(reference.high) < 0)
    severity[judgement.wrong_class | opposite] = WRONG_CLASS
    return severity
