"""What a contract allows at each point as an absolute error: the rounding part of the finite-difference claims."""

from __future__ import annotations

import numpy as np

from gradproof.engine.probe import Probe
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.measure import Contract
from gradproof.measure.contracts import STABLE
from gradproof.oracle import Reference


def allowance(
    probe: Probe,
    bits: Bits,
    reference: Reference,
    order: int,
    contract: Contract = STABLE,
    flushes: bool | None = None,
) -> Floats:
    """Largest admissible |error| of f^(order) at ``bits``, in the units of f^(order), under the mixed metric.

    ``bound * (q(y) + |f^(order + 1)(x)| q(x))``; on a backend that flushes, plus the least normal number. ``flushes``
    says so where it is not the probe's traits that do.
    """
    fmt = probe.format
    quantum = np.ldexp(1.0, reference.quantum_exponents(fmt).astype(np.int32))
    x_quantum = np.ldexp(1.0, fa.quantum_exponents(fa.values(bits, fmt), fmt).astype(np.int32))
    room = contract.bound(order, fmt) * (quantum + reference.slope * x_quantum)
    if flushes is None:
        flushes = probe.traits.flushes_results or probe.traits.zeros_inputs
    if flushes:
        room = room + float(fmt.min_normal)
    return room
