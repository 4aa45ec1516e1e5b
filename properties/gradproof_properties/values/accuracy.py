"""accuracy: the error of f, f', f'' at every finite input stays within the contract."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradproof.extend import Bits, Outcome, Pointwise, Probe, Property, batches, bulk, search
from gradproof.extend import arrays as fa

MISMATCH_SCORE = 64.0
"""What a class mismatch is worth to the search, in doublings of the error."""


class Accuracy(Property):
    """Errors u, m and absolute of one order, against the certified value."""

    id: ClassVar[str] = "accuracy"
    title: ClassVar[str] = "Values and derivatives are as accurate as promised"
    statement: ClassVar[str] = (
        "At every finite input the error of f^(n) stays within the contract; 16-bit formats on every bit pattern, "
        "wider ones on millions spread evenly over all ordinals (float32 8.4 million, float64 256 in every binade, in "
        "the default profile), the neighbourhoods of landmarks and of where values leave the normal numbers, and a "
        "search that climbs on the error."
    )
    source: ClassVar[str] = "the accuracy contracts of gradproof"
    orders: ClassVar[tuple[int, ...]] = (0, 1, 2)
    tries_witnesses: ClassVar[bool] = True

    def check(self, probe: Probe, order: int) -> Outcome:
        """Judge the witnesses, millions of inputs by the models, then search where the format cannot be exhausted."""
        probe.require(order)
        points = Pointwise(probe, order)
        if probe.witnesses:
            points.add(np.array(probe.witnesses, dtype=fa.storage(probe.format)))
        found = bulk(probe, order)
        if found:
            points.add_bulk(found)
        base = probe.base_points
        points.add(base[fa.is_finite(base, probe.format)])
        if not probe.format.is_16_bit and probe.given is None:

            def visit(bits: Bits) -> float:
                finite = bits[fa.is_finite(bits, probe.format)]
                if not finite.size:
                    return 0.0
                return score(points.add(finite).magnitude)

            search(
                batches(probe.function, probe.format, probe.batch_size),
                visit,
                examples=probe.budget.examples,
                seed_=probe.seed,  # one seed for all orders and backends: they share the oracle's work
            )
        return points.outcome(exhaustive=probe.format.is_16_bit and probe.given is None)


def score(magnitude: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """What the search climbs: ``log2(1 + worst error over bound)``, capped for class mismatches."""
    worst = float(np.nanmax(magnitude, initial=0.0))
    return min(float(np.log2(1.0 + worst)), MISMATCH_SCORE) if np.isfinite(worst) else MISMATCH_SCORE
