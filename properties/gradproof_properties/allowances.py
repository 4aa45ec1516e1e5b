"""What the cell's contract allows at each point as an absolute error: the rounding part of many claims."""

from __future__ import annotations

import numpy as np

from gradproof.extend import Bits, Contract, Floats, Probe, Reference
from gradproof.extend import arrays as fa
from gradproof_properties import flushing


def allowance(
    probe: Probe,
    bits: Bits,
    reference: Reference,
    order: int,
    contract: Contract | None = None,
    flushes: bool | None = None,
) -> Floats:
    """Largest admissible |error| of f^(order) at ``bits``, in the units of f^(order), under ``contract``.

    That is ``Contract.room``, by default of the probe's contract; for stable ``bound * (q(y) + |f^(order + 1)(x)|
    q(x))``. On a backend that flushes, plus the least normal number; ``flushes`` says so where it is not the probe's
    traits that do.
    """
    fmt = probe.format
    contract = probe.contract if contract is None else contract
    with np.errstate(over="ignore"):  # values and inputs beyond float64 have an infinite quantum
        quantum = np.ldexp(1.0, reference.quantum_exponents(fmt).astype(np.int32))
    # A supremum costs the oracle's work.
    scale = probe.scale(order, reference) if contract.metric == "abs" else 1.0
    moved = reference.moved(fa.quantum_exponents(fa.values(bits, fmt), fmt))
    with np.errstate(over="ignore", invalid="ignore"):
        room = contract.room(order, fmt, quantum, moved, scale)
    if flushes is None:
        flushes = flushing.flushes(probe.traits)
    return np.broadcast_to(room, quantum.shape) + (float(fmt.min_normal) if flushes else 0.0)
