"""An implementation's results along the line of floats, in order, with what is due and what the contract allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gradproof.extend import (
    FINITE,
    TRAINING,
    Bits,
    Bracket,
    Floats,
    Format,
    Ints,
    Oracle,
    Probe,
    Reference,
    Violations,
    landmark_ordinals,
    turning_points,
)
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance
from gradproof_properties.kinks.differences import over

Mask = npt.NDArray[np.bool_]

RUN = 8
"""Consecutive floats in each run of a format too wide to try them all."""
RUNS = {"quick": 96, "default": 384, "deep": 2048}
"""Such runs of positive inputs; each has its mirror image."""
MODERATE = (-12, 8)
"""Binades in which half of the runs without a landmark lie."""
SCALES = tuple(map(Fraction, ("1/1024", "1/2", "2", "64", "3", "5/4")))
"""Factors c of positive homogeneity, f(c x) = c f(x)."""
SCALED = 64
"""Inputs x of each sign that are scaled by them, in a format too wide to try all."""


@dataclass
class Line:
    """Finite inputs in increasing order, 0 once, shape (n,), with results and what is due.

    ``judged`` are the rows with a number that a number is due at; ``lost`` those with a NaN or an infinity there, which
    are the business of other claims. ``room`` is what the contract allows, in the units of f.
    """

    fmt: Format
    bits: Bits
    ordinals: Ints
    x: Floats
    got: Bits
    g: Floats
    due: Floats
    room: Floats
    judged: Mask
    lost: Mask
    reference: Reference

    @property
    def judged_pairs(self) -> Mask:
        """Of each pair of successive rows whether both are judged, shape (n - 1,)."""
        return self.judged[1:] & self.judged[:-1]

    @property
    def quanta(self) -> Floats:
        """The quantum of each exact value."""
        with np.errstate(over="ignore"):
            return np.ldexp(1.0, self.reference.quantum_exponents(self.fmt).astype(np.int32))

    @property
    def pair_room(self) -> Floats:
        """What the contract allows both of each pair of successive rows, shape (n - 1,)."""
        with np.errstate(over="ignore"):
            return self.room[1:] + self.room[:-1]

    def where(self, ordinals: Ints) -> Ints:
        """Rows of the inputs at ``ordinals``; -1 where the line has none."""
        at = np.minimum(np.searchsorted(self.ordinals, ordinals), self.ordinals.size - 1)
        return np.where(self.ordinals[at] == ordinals, at, -1)


def line_of(probe: Probe, extra: Sequence[Ints] = ()) -> Line:
    """Results at every finite input of a 16-bit format; elsewhere at base points, runs and ``extra`` ordinals."""
    fmt = probe.format
    base = probe.base_points
    if fmt.is_16_bit:  # every pattern: the references of all are at hand, in another order
        rows = _in_order(fmt)
        return _line(probe, base[rows], probe.references(base)[0][rows], probe.evaluate(base)[rows])
    ordinals = fa.ordinals(base[fa.is_finite(base, fmt)], fmt)
    return results_along(probe, fa.distinct(np.concatenate([ordinals, _runs(probe), *extra])))


@lru_cache(maxsize=8)
def _in_order(fmt: Format) -> Ints:
    """Indices of the finite patterns of ``fa.all_bits`` along the line, without -0."""
    positive = np.arange(fmt.max_bits + 1, dtype=np.int64)
    return np.concatenate([(positive[1:] | fmt.sign_bit)[::-1], positive])


def results_along(probe: Probe, ordinals: Ints) -> Line:
    """Results at ``ordinals``, which increase strictly."""
    bits = fa.from_ordinals(ordinals, probe.format)
    return _line(probe, bits, probe.references(bits)[0], probe.evaluate(bits))


def _line(probe: Probe, bits: Bits, reference: Reference, got: Bits) -> Line:
    fmt = probe.format
    ordinals = fa.ordinals(bits, fmt)
    g = fa.values(got, fmt)
    known = (reference.kind == FINITE) & fa.is_finite(reference.rounded, fmt)
    if probe.traits.zeros_inputs:  # a subnormal input read as 0 stands elsewhere on the line
        size = np.abs(ordinals)
        known &= (size == 0) | (size >= fmt.min_normal_bits)
    number = np.isfinite(g)
    with np.errstate(over="ignore"):
        room = allowance(probe, bits, reference, 0)
    return Line(
        fmt, bits, ordinals, fa.values(bits, fmt), got, g, reference.values, room,
        known & number, known & ~number, reference,
    )  # fmt: skip


@lru_cache(maxsize=512)
def turning_brackets(oracle: Oracle) -> tuple[Bracket, ...]:
    """The function's turning points as ``oracle.shape.turning_points`` gives them; UsageError for false ones."""
    return tuple(turning_points(oracle.function))


def _runs(probe: Probe) -> Ints:
    """Runs of RUN consecutive floats, symmetric about 0: around landmarks and turns, the rest at random."""
    fmt = probe.format
    count = RUNS[probe.profile]
    rng = np.random.default_rng([probe.seed, 7])
    low, high = (fmt.ordinal(fmt.round(Fraction(2) ** k)) for k in MODERATE)
    named = {abs(o) for o in landmark_ordinals(probe.function, fmt)}
    named |= {abs(fmt.ordinal(fmt.round(ends[0], saturate=True))) for ends in turning_brackets(probe.oracle)}
    free = max(count - len(named), count // 4)
    centres = np.concatenate(
        [np.array(sorted(named)), rng.integers(low, high, free // 2), rng.integers(0, fmt.max_bits, free // 2)]
    )
    run = (centres[:, None] + np.arange(-RUN // 2, RUN // 2)).ravel()
    run = run[(run >= 0) & (run <= fmt.max_bits)]
    return np.concatenate([-run, run])


def scaled_pairs(probe: Probe) -> dict[Fraction, tuple[Ints, Ints]]:
    """For each factor c of SCALES the ordinals of inputs x and of c x, both exact and normal numbers of the format.

    x is short of three bits, so that c x is exact where c has two bits.
    """
    fmt = probe.format
    if fmt.is_16_bit:
        size = np.arange(fmt.min_normal_bits, fmt.max_bits + 1, dtype=np.int64)
    else:
        low, high = (fmt.ordinal(fmt.round(Fraction(2) ** k)) for k in MODERATE)
        size = np.random.default_rng([probe.seed, 11]).integers(low, high, SCALED)
    size = fa.distinct(size & ~np.int64(7))
    x = fa.values(fa.from_ordinals(size, fmt), fmt)
    pairs = {}
    least, most = float(fmt.min_normal), float(fmt.max_value)
    for c in SCALES:
        y = x * float(c)
        fits = (y >= least) & (y <= most) & (size >= fmt.min_normal_bits)
        image = fa.ordinals(fa.round_values(y[fits], fmt), fmt)
        pairs[c] = np.concatenate([-size[fits], size[fits]]), np.concatenate([-image, image])
    return pairs


def violations_at(
    probe: Probe, line: Line, rows: Any, error: Floats, bound: Floats, severity: int, text: str
) -> Violations:
    """Violations at ``rows`` (indices), with errors and bounds of the same length."""
    magnitude = over(error, bound)
    with np.errstate(invalid="ignore"):
        absolute = np.abs(line.g[rows] - line.due[rows])
    scale = np.broadcast_to(probe.scale(0, line.reference), line.bits.shape)[rows]
    felt = error > TRAINING.bound(0, probe.format) * 2.0**-probe.format.precision * scale
    return Violations(
        line.bits[rows], line.got[rows], np.maximum(magnitude, 1 + 1e-9),
        np.full(len(rows), severity, np.int8), felt, text, pointwise=False,
        absolute=absolute,
    )  # fmt: skip
