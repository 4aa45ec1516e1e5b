"""What a backend's flushing of subnormal numbers takes away, asked in one way."""

from __future__ import annotations

from gradproof.extend import Format, Probe, Traits


def flushes(traits: Traits) -> bool:
    """Whether subnormal numbers are flushed anywhere: as results (FTZ) or as inputs (DAZ)."""
    return traits.flushes_results or traits.zeros_inputs


def least_of(fmt: Format, traits: Traits) -> float:
    """The most that an operation may lose by underflow: the least normal number where subnormal ones are flushed."""
    return float(fmt.min_normal if flushes(traits) else fmt.min_subnormal)


def least(probe: Probe) -> float:
    """``least_of`` the probe's format on its backend."""
    return least_of(probe.format, probe.traits)
