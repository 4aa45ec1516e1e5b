"""What a sweep says of each single input: one byte, a mark and two flags."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.measure import Judgement
from gradproof.measure.severity import LOST_SIGNAL, WRONG_CLASS

OK, OVER, LOST, WRONG, EXCUSED, PENDING, UNJUDGED, UNDECIDED = range(8)
"""Within the contract; beyond it; beyond it and the signal lost; beyond it and of the wrong class (a NaN, an infinity,
a sign); excused by flushing; still to be decided by the oracle; a convention; undecided even by the oracle."""
NON_MONOTONE: Final = 16
"""Flag: the result turns against f's direction from its neighbour's."""
ASYMMETRIC: Final = 32
"""Flag: the result is not that at -x, up to the sign."""
UNEXPLAINED: Final = 64
"""Flag: a failing result that no known deviation explains, where there are some."""
CODE: Final = 15
"""Mask of the mark, without the flags."""

SAME, NEARER, FARTHER, ALIKE, OPEN = range(5)
"""Of two results: equal; the first is nearer to the exact value; the second is; both are as near; nothing is due, or
it is still to be found out."""

CLASS_OF: Final = {WRONG: "wrong-class", LOST: "lost-signal", OVER: "over-contract", EXCUSED: "excused",
                   UNDECIDED: "undecided"}  # fmt: skip
FLAGGED: Final = {NON_MONOTONE: "non-monotone", ASYMMETRIC: "asymmetric", UNEXPLAINED: "unexplained"}
FAILING_CODES: Final = (OVER, LOST, WRONG)


def codes_of(judgement: Judgement, severity: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """The marks of judged results of shape (n,); ``severity`` as ``measure.severity.classify`` gives it."""
    failing = np.select([severity == WRONG_CLASS, severity == LOST_SIGNAL], [WRONG, LOST], OVER)
    marks = np.where(judgement.failing, failing, np.where(judgement.excused, EXCUSED, OK))
    marks = np.where(judgement.judged, marks, UNJUDGED)
    return np.where(judgement.undecided, UNDECIDED, marks).astype(np.uint8)
