"""What a finding about a user's own code says beside its numbers: faults that no single number shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradproof.engine.properties.property import Violations
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.errors import GradproofError
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits

REPEATED = ("accuracy", "special-values")
"""Claims whose violations are plain results: the same call can be made again."""
POINTS = 1024
"""Inputs that are tried again."""
CALLS = 2
"""Calls that are made again: two see what alternates."""
CUT_OFF = (
    "it is 0 at every input that was tried: is the result cut off from its input, by detach, item, no_grad, "
    "stop_gradient or a way through NumPy?"
)


def note(task: Task, probe: Probe, violations: Violations) -> str:
    """A clause about the callable that gave ``violations``, or nothing.

    It says when another call with the same inputs gives other bits, and when a derivative by AD is 0 at every input
    that was tried, and should not be.
    """
    if not task.implementation.user or task.property not in REPEATED or not violations.pointwise:
        return ""
    bits, got = violations.bits[:POINTS], violations.got[:POINTS]
    try:
        for _ in range(CALLS):
            again = probe.evaluate(bits, task.order)
            other = np.flatnonzero(_differ(got, again, probe.format))
            if other.size:
                return _unsteady(bits, got, again, int(other[0]), probe.format)
        derived = task.order and "given" not in probe.paths
        if derived and not np.any(fa.values(got, probe.format)) and _zero_everywhere(probe, task.order):
            return CUT_OFF
    except GradproofError as fault:
        return f"another call ended otherwise: {fault}"
    return ""


def _differ(one: Bits, other: Bits, fmt: Format) -> npt.NDArray[np.bool_]:
    """Where two results are different numbers; one NaN is as good as another."""
    both_nan = fa.is_nan(one, fmt) & fa.is_nan(other, fmt)
    return np.not_equal(one, other) & ~both_nan


def _unsteady(bits: Bits, got: Bits, again: Bits, at: int, fmt: Format) -> str:
    x, one, other = (fmt.bits_text(int(a[at])) for a in (bits, got, again))
    return (
        f"another call gave {other} and not {one} for the input {x}: it keeps state between calls, draws random "
        "numbers (a module in training mode?), or depends on the rest of the array"
    )


def _zero_everywhere(probe: Probe, order: int) -> bool:
    """Whether f^(order) comes out as 0 all over the format, while the exact values do not."""
    base = probe.base_points
    some = base[:: max(1, base.size // POINTS)]
    if np.any(fa.values(probe.evaluate(some, order), probe.format)):
        return False
    return bool(np.any(np.nan_to_num(probe.references(some)[order].values)))
