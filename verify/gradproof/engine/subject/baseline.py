"""The framework's own function at the inputs where a user's fails: what one would have without it."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from gradproof.backends.base import Implementation
from gradproof.engine.subject.probe import Probe
from gradproof.errors import GradproofError
from gradproof.formats.arrays import Bits, Floats
from gradproof.results.model import exact_params

MOST: Final = 4096
"""Inputs that are compared; more are thinned out evenly."""
ALIKE: Final = 2.0
"""Worst errors within this factor count as the same."""


def baseline(probe: Probe, order: int, bits: Bits, errors: Floats) -> Literal["same", "worse", "better"] | None:
    """How a user's implementation does beside the framework's own at ``bits``, by the worst error over the bound.

    ``errors`` are the user's there, inf for a wrong class. None for a framework's own function, where the backend
    offers none, and where that one cannot be asked for f^(order).
    """
    own = _own(probe)
    if own is None:
        return None
    chosen = np.unique(np.linspace(0, bits.size - 1, min(bits.size, MOST)).astype(np.int64))
    try:
        got = probe.evaluate_other(own, bits[chosen], order)
    except GradproofError:
        return None
    theirs = np.nan_to_num(probe.judge(bits[chosen], got, order).magnitude, nan=0.0, posinf=np.inf).max()
    ours = errors[chosen].max()
    if ours == theirs or theirs / ALIKE <= ours <= theirs * ALIKE:
        return "same"
    return "worse" if ours > theirs else "better"


def own_results(probe: Probe, order: int, bits: Bits, size: int) -> Bits | None:
    """Bits of the framework's own f^(order) at ``bits``, asked for in a call of ``size`` inputs; None as above."""
    own = _own(probe)
    if own is None or not bits.size:
        return None
    try:
        return probe.evaluate_other(own, np.resize(bits, max(size, bits.size)), order)[: bits.size]
    except GradproofError:
        return None


def _own(probe: Probe) -> Implementation | None:
    """The backend's own implementation of the function with these parameters."""
    if not probe.implementation.user:
        return None
    wanted = probe.function.name, exact_params(probe.function.params), probe.function.identity
    for other in probe.backend.catalogue():
        meant = other.specification
        if (meant.name, exact_params(meant.params), meant.identity) == wanted:
            return other
    return None
