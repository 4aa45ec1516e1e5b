"""Results of an implementation at some inputs: those that fail, those beside them, and some from all over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gradproof.engine.subject.probe import Probe
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits

MOST: Final = 4096
"""Results of a user's function that are compared; more are thinned out evenly."""
MOST_RIGHT: Final = 512
"""Results that keep the contract, compared with what a formula may give."""
LARGE_PART: Final = 0.5
"""Share of f's own results that must be wrong to ask what f is, where a derivative fails."""
FEWEST: Final = 8
"""Results that it takes to tell one function, or one format, from another."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FailingResults:
    """Failing inputs of one cluster and what came out; ``ordinary``: of the bulk or the tail."""

    bits: Bits
    got: Bits
    ordinary: bool


@dataclass(frozen=True)
class Neighbours:
    """Inputs beside the failing ones, what came out, and whether it keeps the contract."""

    bits: Bits
    got: Bits
    right: Mask


def thinned(most: int, *arrays: Bits) -> tuple[Bits, ...]:
    """At most so many elements of arrays of one length, the same ones of each, evenly spread."""
    size = arrays[0].size
    chosen = np.unique(np.linspace(0, size - 1, min(size, most)).astype(np.int64))
    return tuple(a[chosen] for a in arrays)


def vary(probe: Probe, got: Bits) -> bool:
    """Whether results are told apart at all: that most are 0, or one number, speaks for no function."""
    values = fa.values(got, probe.format)
    others = values[np.isfinite(values) & (values != 0)]
    return others.size >= got.size / 2 and np.unique(others).size >= FEWEST


def right_results(probe: Probe, order: int, held: Bits) -> FailingResults:
    """Some finite inputs at which f^(order) keeps the contract, with the results."""
    (some,) = thinned(MOST_RIGHT, held[fa.is_finite(held, probe.format)])
    got = probe.evaluate(some, order) if some.size else some
    keeps = ~probe.judge(some, got, order).failing if some.size else np.zeros(0, bool)
    return FailingResults(some[keeps], got[keeps], ordinary=True)


def looked_at(probe: Probe, order: int, bits: Bits) -> Neighbours:
    """Finite inputs with what comes out there."""
    bits = bits[fa.is_finite(bits, probe.format)]
    got = probe.evaluate(bits, order)
    return Neighbours(bits, got, ~probe.judge(bits, got, order).failing)


def results_anywhere(probe: Probe, order: int) -> Bits:
    """Results from all over the format."""
    base = probe.base_points
    (some,) = thinned(MOST_RIGHT, base[fa.is_finite(base, probe.format)])
    return probe.evaluate(some, order)
