"""What the compiled loop and the array code share: the places of ``modelled.limits``, and margins."""

from __future__ import annotations

from typing import Final

# The format, the contract, the unit of the training contract, and what flushing excuses.
(
    PRECISION, E_MIN, OVERFLOW, BEYOND_FORMAT, MIN_NORMAL, MIN_NORMAL_BITS, METRIC, LIMIT, TRAINING_LIMIT, UNIT,
    UNBOUNDED, FLUSHES_RESULTS, FLUSHES_INPUTS, ZERO_LOW, ZERO_HIGH, ROOM_LOW, ROOM_HIGH, EITHER_INFINITY,
    ASYMPTOTE_LEFT, ASYMPTOTE_RIGHT, N_LIMITS,
) = range(21)  # fmt: skip

METRICS: Final = {"u": 0.0, "m": 1.0, "abs": 2.0}
"""What stands at METRIC for a contract's metric."""
STEPS: Final = 1 << 10
"""Neighbours of a float64, 2^-42 of it: values this close to a power of two may have either quantum where quanta vary,
since the models' bound, BOUND quanta of a float32, can move them so far."""
MARGIN: Final = 2.0**-18
"""Relative distance from the contract's bound within which the oracle decides."""
BESIDE: Final = 2.0**-48
"""What the difference of a result and a value is off at most by rounding, of the two."""
EDGE: Final = 2.0**-40
"""Relative distance from the least normal number within which the oracle decides on which side of it a value lies:
what is flushed to 0 turns on that."""
