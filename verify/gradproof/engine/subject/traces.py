"""The trace of a probe's implementation at one input: which operation loses what is lost."""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from typing import Final

from gradproof.engine.subject.probe import Probe
from gradproof.errors import GradproofError, OracleDisagreement
from gradproof.results.model import Traced
from gradproof.tracing import analysis

KEPT: Final = 64
"""Traces that are kept: several properties of one cell have the same worst input."""
LARGEST: Final = 1 << 16
"""Exponents of true values beyond which no fraction is made of them."""

_kept: OrderedDict[tuple[object, ...], tuple[object, list[Traced] | None]] = OrderedDict()


def trace(probe: Probe, order: int, bits: int) -> list[Traced] | None:
    """The operations of f^(order) at ``bits`` (``tracing.analysis.rows``), in the mode eager and by reverse AD.

    None in another mode, for conversions, and where the backend cannot watch them. A trace explains a verdict and must
    not cost one: what goes wrong in making it is no trace.
    """
    if probe.mode != "eager" or probe.target is not None:
        return None
    key = (id(probe.implementation), probe.backend.id, probe.format.name, order, bits)
    if key not in _kept:
        # Kept beside its trace, so that its id stays its own.
        _kept[key] = probe.implementation, _made(probe, order, bits)
        if len(_kept) > KEPT:
            _kept.popitem(last=False)
    return _kept[key][1]


def _made(probe: Probe, order: int, bits: int) -> list[Traced] | None:
    try:
        with probe.calling():
            recording = probe.backend.trace(probe.implementation, bits, probe.format, order)
        return analysis.rows(recording, _due(probe, order, bits))
    except OracleDisagreement:
        raise
    except GradproofError:  # no kernel, no derivative, or a fault that the cell's own call has told or will tell
        return None
    except Exception:  # a framework's inner structures change between releases
        return None


def _due(probe: Probe, order: int, bits: int) -> Fraction | None:
    """The true value, where it is one finite number of ordinary size."""
    due = probe.certified(bits, order)
    if due.kind != "finite":
        return None
    middle = due.midpoint
    return middle.fraction() if abs(middle.exp) < LARGEST else None
