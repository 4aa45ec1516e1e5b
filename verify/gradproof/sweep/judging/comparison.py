"""Two modes of one implementation on a shard: where their bits differ, by how much, and which of them is right.

Two NaNs are the same whatever their payload. Zeros of either sign differ and are counted apart. Every other difference
is arbitrated: which result is nearer to the exact value, and which of the two breaks the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats, Ints
from gradproof.oracle import Reference
from gradproof.oracle.oracle import WORTH_A_TABLE
from gradproof.oracle.reference import FINITE, INFINITE, NAN, POLE
from gradproof.sweep.judging import codes
from gradproof.sweep.judging.collect import add_runs, first_greatest
from gradproof.sweep.judging.shard_summary import BREAKERS, WORST, farthest

Marks = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
References = Callable[[Bits, bool], Reference]
"""The exact values at inputs of shape (n,), to 100 bits where the second argument says so."""

SIDES: Final = {"mode": codes.NEARER, "against": codes.FARTHER, "equal": codes.ALIKE, "undecided": codes.OPEN}
"""Whose result is nearer: that of the mode that is judged, of the other one, neither; nothing certified is due."""
_NAMES: Final = {side: name for name, side in SIDES.items()}
_PORTION: Final = 1 << 16
"""Inputs that the oracle is asked about at once."""
_RESOLVED: Final = 2.0**-40
"""Values known to 100 bits tell results apart that are off by so much more than one another."""
_DOUBT: Final = 2.0**-8
"""The same of other values, in quanta."""


class Comparison:
    """What was found on one shard so far. ``mode`` is the one that is judged, ``against`` the other."""

    def __init__(self, fmt: Format) -> None:
        self.format = fmt
        self._differ = self._nans = 0
        self._zeros: dict[str, Any] = {"count": 0, "intervals": [], "lost": {"mode": 0, "against": 0}}
        self._nearer = dict.fromkeys(SIDES, 0)
        self._breaks: dict[str, dict[str, Any]] = {n: {"count": 0, "intervals": [], "worst": []} for n in BREAKERS}
        self._distances = np.zeros(64, np.int64)

    def add_zeros(self, bits: Bits, lost: tuple[Flags, Flags]) -> None:
        """Add inputs, of shape (n,) in growing order, at which the two give zeros of either sign; and for the two
        whether an odd function loses its sign there.
        """
        if bits.size:
            self._runs(self._zeros, bits)
            for name, flags in zip(("mode", "against"), lost, strict=True):
                self._zeros["lost"][name] += int(flags.sum())

    def add(self, bits: Bits, results: tuple[Bits, Bits], marks: tuple[Marks, Marks], sides: Marks) -> None:
        """Add other inputs, of shape (n,) in growing order, at which the two differ: their results and marks, and which
        is nearer.
        """
        if not bits.size:
            return
        self._differ += bits.size
        counts = np.bincount(sides, minlength=len(SIDES) + 1)
        for name, side in SIDES.items():
            self._nearer[name] += int(counts[side])
        far, nan = distances(*results, self.format), np.logical_xor(*(fa.is_nan(r, self.format) for r in results))
        self._nans += int(nan.sum())
        self._distances += np.bincount(_doubling(far[~nan]), minlength=64)
        rank = np.where(nan, np.uint64(2**64 - 1), far)
        failing = [np.isin(m & codes.CODE, codes.FAILING_CODES) for m in marks]
        open_ = np.logical_or(*((m & codes.CODE) == codes.UNDECIDED for m in marks))
        plain = not (failing[0].any() or failing[1].any() or open_.any())
        masks = {} if plain else {
            "both": failing[0] & failing[1], "mode": failing[0] & ~failing[1] & ~open_,
            "against": failing[1] & ~failing[0] & ~open_, "undecided": open_,
            "neither": ~(failing[0] | failing[1] | open_),
        }  # fmt: skip
        for name in ("neither",) if plain else BREAKERS:
            rows = np.arange(bits.size) if plain else np.flatnonzero(masks[name])
            if rows.size:
                self._runs(self._breaks[name], bits[rows])
                worst = rows[first_greatest(rank[rows], WORST)]
                new = [
                    {"distance": None if nan[i] else int(far[i]), "bits": int(bits[i]), "got": int(results[0][i]),
                     "against": int(results[1][i]), "nearer": _NAMES[int(sides[i])]}
                    for i in worst
                ]  # fmt: skip
                self._breaks[name]["worst"] = farthest([*self._breaks[name]["worst"], *new])

    def _runs(self, held: dict[str, Any], bits: Bits) -> None:
        rows = bits.astype(np.int64)
        add_runs(held, 0, rows, rows, self.format)

    def to_json(self) -> dict[str, Any]:
        """What ``shard_summary.merged`` puts together."""
        return {
            "differ": self._differ,
            "nans": self._nans,
            "zeros": self._zeros,
            "nearer": self._nearer,
            "breaks": self._breaks,
            "distances": {str(i): int(self._distances[i]) for i in np.flatnonzero(self._distances)},
        }


# -- two arrays of results --------------------------------------------------------------------------------


def differing(one: Bits, other: Bits, fmt: Format) -> tuple[Ints, Ints]:
    """Where two arrays of results differ: in more than the sign of a zero, and in that alone."""
    rows = np.flatnonzero(one != other)
    if not rows.size:
        return rows, rows
    a, b = (fa.magnitudes(results[rows], fmt) for results in (one, other))
    zeros = (a | b) == 0
    nans = (a > fmt.last_bits) & (b > fmt.last_bits)
    return rows[~(zeros | nans)], rows[zeros]


def distances(one: Bits, other: Bits, fmt: Format) -> npt.NDArray[np.uint64]:
    """How many numbers of the format lie from one result to the other: 1 for neighbours. Of a NaN it means nothing."""
    a, b = (fa.ordinals(results, fmt) for results in (one, other))
    return np.maximum(a, b).view(np.uint64) - np.minimum(a, b).view(np.uint64)  # which may exceed 2^63


def _doubling(far: npt.NDArray[np.uint64]) -> Ints:
    """floor(log2) of whole numbers above 0."""
    exponent = np.frexp(far.astype(np.float64))[1].astype(np.int64) - 1
    exponent = np.minimum(exponent, 63)
    doubling: Ints = exponent - ((far >> exponent.astype(np.uint64)) == 0)  # float64 may have rounded up
    return doubling


def arbitrated(bits: Bits, results: tuple[Bits, Bits], fmt: Format, references: References) -> Marks:
    """Which of two different results at each input, of shape (n,), is nearer to the exact value, by the oracle."""
    sides = np.full(bits.size, codes.OPEN, np.uint8)
    for precise in (False, True):
        open_ = np.flatnonzero(sides == codes.OPEN)
        # Of few inputs of a narrow format the oracle knows more than its tables hold.
        portion = WORTH_A_TABLE - 1 if precise else _PORTION
        for rows in np.split(open_, range(portion, open_.size, portion)):
            if rows.size:
                pair = results[0][rows], results[1][rows]
                sides[rows] = _sides(*pair, references(bits[rows], precise), fmt, precise=precise)
    return sides


def _sides(one: Bits, other: Bits, reference: Reference, fmt: Format, *, precise: bool) -> Marks:
    a, b = fa.values(one, fmt), fa.values(other, fmt)
    sides = np.full(one.size, codes.OPEN, np.uint8)
    finite = reference.kind == FINITE
    infinite = reference.kind == INFINITE
    # Infinities stand for all that rounds to them.
    beyond = finite & (np.isinf(a) | np.isinf(b))
    rounded = fa.values(reference.rounded, fmt)
    ranked = infinite | (beyond & np.isinf(rounded))
    with np.errstate(invalid="ignore", over="ignore"):
        off = [np.where(ranked, -np.sign(rounded) * x, _distance(x, reference)) for x in (a, b)]
    pole = reference.kind == POLE
    off = [np.where(pole, 1.0 - np.isinf(x), d) for x, d in zip((a, b), off, strict=True)]
    off = [np.where(np.isnan(x), np.inf, d) for x, d in zip((a, b), off, strict=True)]
    undefined = reference.kind == NAN
    off = [np.where(undefined, 1.0 - np.isnan(x), d) for x, d in zip((a, b), off, strict=True)]
    known = finite | infinite | pole | undefined
    with np.errstate(invalid="ignore"):
        gap = np.abs(off[0] - off[1])
    number = finite & np.isfinite(off[0]) & np.isfinite(off[1]) & ~ranked
    certain = _RESOLVED * np.maximum(*off) if precise else _quanta(reference, fmt) * _DOUBT
    alike = (off[0] == off[1]) | (number & (gap <= np.where(number, certain, 0.0)))
    decided = np.where(off[0] < off[1], codes.NEARER, codes.FARTHER)
    # Values that are not known to 100 bits do not say that two results are as near.
    tie = codes.ALIKE if precise else codes.OPEN
    sides[known] = np.where(alike, np.where(number, tie, codes.ALIKE), decided)[known]
    return sides


def _distance(values: Floats, reference: Reference) -> Floats:
    """|value - exact value|."""
    exponent = np.clip(reference.exponent, -2000, 2000).astype(np.int32)
    rest: Floats = np.abs((values - np.ldexp(reference.high, exponent)) - np.ldexp(reference.low, exponent))
    return rest


def _quanta(reference: Reference, fmt: Format) -> Floats:
    quanta: Floats = np.ldexp(1.0, np.clip(reference.quantum_exponents(fmt), -1074, 1000).astype(np.int32))
    return quanta
