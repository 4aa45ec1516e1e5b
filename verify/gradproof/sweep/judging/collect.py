"""Adding up one shard: arrays that the compiled loop writes into, and the same for results judged by the oracle."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats, Ints
from gradproof.measure import Judgement
from gradproof.oracle import Reference
from gradproof.sweep.judging import codes, shard_summary

FINE: Final = 32
"""Bins per doubling in the histograms of u and m."""
COARSE: Final = 8
"""Bins per doubling in the histogram of absolute errors."""
RELATIVE_BINS: Final = 64 * FINE
"""From 2^-24 to 2^40, in ulps; what is smaller or larger is in the first or the last bin."""
ABSOLUTE_BINS: Final = 512 * COARSE
"""From 2^-256 to 2^256."""
FIRST_FINE: Final = (1023 - 24) * FINE
FIRST_COARSE: Final = (1023 - 256) * COARSE
"""The first bin's bits: exponent and leading digits of a float64, shifted down by FINE_SHIFT or COARSE_SHIFT."""
FINE_SHIFT: Final = 47
COARSE_SHIFT: Final = 49
ENVELOPE_BINS: Final = 4096
"""Over all patterns of the format, those without the sign first."""

ROUNDINGS: Final = 2.0**-48
"""Relative error of an error that the loop measured, beside its model's."""
SLOPES: Final = 2.0**-18
"""The same of a mixed error: models know its unit to 2^-19."""

U, M, ABS, ABOVE, BELOW = range(5)
"""Indices of ``shard_summary.GREATEST`` in ``best`` and ``where``."""
JUDGED, FELT, MISMATCHED, N_COUNTS = range(4)
"""Places in ``counts``: finite inputs with a judged error, failing ones that break the training contract, and finite
inputs whose result has no error because its class is wrong."""


class Collected:
    """What was found on the patterns ``lo`` to ``hi`` so far.

    ``best`` holds the greatest errors that Taylor models gave, ``where`` the magnitudes of their inputs; ``exact`` the
    same for results that the oracle judged, None where there is no error at all. The envelopes hold bits of float64,
    whose order is that of the numbers.
    """

    def __init__(self, fmt: Format, lo: int, hi: int) -> None:
        self.format = fmt
        self.lo, self.hi = lo, hi
        self.shift = max(fmt.width - (ENVELOPE_BINS - 1).bit_length(), 0)
        self.best = np.zeros(len(shard_summary.GREATEST))
        self.where = np.zeros(len(shard_summary.GREATEST), np.int64)
        self.counts = np.zeros(N_COUNTS, np.int64)
        self.above, self.below = np.zeros(RELATIVE_BINS, np.int64), np.zeros(RELATIVE_BINS, np.int64)
        self.mixed, self.absolute = np.zeros(RELATIVE_BINS, np.int64), np.zeros(ABSOLUTE_BINS, np.int64)
        self.envelope = np.full(ENVELOPE_BINS, -1, np.int64)
        self.mixed_envelope = np.full(ENVELOPE_BINS, -1, np.int64)
        self.exact: dict[str, dict[str, Any] | None] = dict.fromkeys(shard_summary.GREATEST)
        self.asked = 0
        """Inputs that models left to the oracle."""
        self._classes: dict[str, dict[str, Any]] = {
            name: {"count": 0, "intervals": []} for name in shard_summary.CLASSES
        }
        self._first_undecided: int | None = None

    def half(self, *, negative: bool) -> tuple[Ints, Ints]:
        """The envelopes of one sign."""
        side = slice(ENVELOPE_BINS // 2 * negative, ENVELOPE_BINS // 2 * (1 + negative))
        return self.envelope[side], self.mixed_envelope[side]

    def tops(self) -> tuple[Bits, Floats]:
        """A pattern in each of the envelope's bins that has errors, and the greatest u there."""
        bins = np.flatnonzero(self.envelope >= 0)
        patterns = (bins.astype(np.uint64) << np.uint64(self.shift)).astype(fa.storage(self.format))
        return patterns, self.envelope[bins].view(np.float64)

    def sizes(self) -> tuple[Floats, Ints]:
        """The least u of each bin of the histogram, and how many errors it has; the first bin's is 0."""
        counts = self.above + self.below
        bins = np.flatnonzero(counts)
        least = ((bins + FIRST_FINE) << FINE_SHIFT).view(np.float64)
        return np.where(bins == 0, 0.0, least), counts[bins]

    # -- results judged by the oracle ---------------------------------------------------------------------

    def judged(self, bits: Bits, got: Bits, reference: Reference, judgement: Judgement) -> None:
        """Add finite inputs and their judged results, of shape (n,); class mismatches have marks only, unless they are
        excused, and what is excused counts as no error.
        """
        finite, mismatch = fa.is_finite(bits, self.format), judgement.mismatch & ~judgement.excused
        rows = np.flatnonzero(finite & judgement.judged & ~mismatch)
        self.counts[FELT] += int(judgement.felt.sum())
        self.counts[MISMATCHED] += int((finite & mismatch).sum())
        self.counts[JUDGED] += rows.size
        if not rows.size:
            return
        errors = (judgement.u, judgement.m, judgement.absolute)
        u, m, absolute = (judgement.unexcused(error)[rows] for error in errors)
        high = _above(fa.values(got[rows], self.format), reference[rows]) | (u == 0)
        bins = _bins(u, FINE_SHIFT, FIRST_FINE, RELATIVE_BINS)
        self.above += np.bincount(bins[high], minlength=RELATIVE_BINS)
        self.below += np.bincount(bins[~high], minlength=RELATIVE_BINS)
        self.mixed += np.bincount(_bins(m, FINE_SHIFT, FIRST_FINE, RELATIVE_BINS), minlength=RELATIVE_BINS)
        self.absolute += np.bincount(
            _bins(absolute, COARSE_SHIFT, FIRST_COARSE, ABSOLUTE_BINS), minlength=ABSOLUTE_BINS
        )
        place = (bits[rows] >> fa.storage(self.format).type(self.shift)).astype(np.int64)
        np.maximum.at(self.envelope, place, u.view(np.int64))
        np.maximum.at(self.mixed_envelope, place, m.view(np.int64))
        signed = {"above": np.where(high, u, -1.0), "below": np.where(high, -1.0, u)}
        for name, values in {"u": u, "m": m, "abs": absolute, **signed}.items():
            at = int(np.argmax(values))
            self._offer(name, float(values[at]), int(bits[rows[at]]), int(got[rows[at]]))

    def _offer(self, name: str, value: float, bits: int, got: int) -> None:
        held = self.exact[name]
        if value > 0 and (held is None or (value, -bits) > (held["value"], -held["bits"])):
            self.exact[name] = {"value": value, "bits": bits, "got": got}

    # -- marks --------------------------------------------------------------------------------------------

    def mark(self, bits: Bits, found: npt.NDArray[np.uint8]) -> None:
        """Add the marks of consecutive patterns ``bits``."""
        if not found.any():
            return
        seen = np.flatnonzero(np.bincount(found))
        mark = found & codes.CODE
        for value, name in codes.CLASS_OF.items():
            if (seen & codes.CODE == value).any():
                self._class(name, bits, mark == value)
        for flag, name in codes.FLAGGED.items():
            if (seen & flag).any():
                self._class(name, bits, (found & flag) != 0)

    def mark_runs(self, lo: int, starts: Ints, count: int, found: npt.NDArray[np.uint8]) -> None:
        """The same for the ``count`` patterns from ``lo`` on, by runs of equal marks that begin at ``starts``."""
        lasts = np.append(starts[1:], count) - 1
        mark = found & codes.CODE
        for value, name in codes.CLASS_OF.items():
            self._add_runs(name, lo, starts[mark == value], lasts[mark == value])
        for flag, name in codes.FLAGGED.items():
            chosen = (found & flag) != 0
            self._add_runs(name, lo, starts[chosen], lasts[chosen])

    def _class(self, name: str, bits: Bits, chosen: npt.NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(chosen)
        self._add_runs(name, int(bits[0]), rows, rows)

    def _add_runs(self, name: str, lo: int, firsts: Ints, lasts: Ints) -> None:
        """Add runs of patterns to a class: first and last of each, counted from ``lo``, in growing order."""
        if not firsts.size:
            return
        if name == "undecided" and self._first_undecided is None:
            self._first_undecided = lo + int(firsts[0])
        add_runs(self._classes[name], lo, firsts, lasts, self.format)

    # -- the answer ---------------------------------------------------------------------------------------

    def candidates(self) -> dict[str, int]:
        """The inputs of the greatest errors that models gave: bit patterns by name, for the oracle to judge."""
        sign = self.lo & self.format.sign_bit
        return {name: int(self.where[i]) | sign for i, name in enumerate(shard_summary.GREATEST) if self.best[i] > 0}

    def confirm(self, name: str, value: float, bits: int, got: int) -> None:
        """The oracle's judgement of one of the ``candidates``."""
        self._offer(name, value, bits, got)

    def to_json(self, slack: tuple[float, float] = (0.0, 0.0)) -> dict[str, Any]:
        """The shard's summary. ``slack`` is by how much errors are off that models gave (``TaylorModels.slack``)."""
        bound = {}
        for i, name in enumerate(shard_summary.GREATEST):
            held = self.exact[name]
            ulps, absolute = slack
            relative = SLOPES if name == "m" and ulps else ROUNDINGS
            modelled = (
                self.best[i] * (1 + relative) + (absolute if name == "abs" else ulps) if self.best[i] > 0 else 0.0
            )
            bound[name] = max(float(modelled), held["value"] if held else 0.0)
        return {
            "lo": self.lo,
            "hi": self.hi,
            "counts": {
                "points": self.hi - self.lo + 1,
                "judged": int(self.counts[JUDGED]),
                "felt": int(self.counts[FELT]),
                "mismatched": int(self.counts[MISMATCHED]),
                "asked": self.asked,
            },
            "greatest": dict(self.exact),
            "bound": bound,
            "classes": self._classes,
            "histograms": {
                "above": _sparse(self.above),
                "below": _sparse(self.below),
                "m": _sparse(self.mixed),
                "abs": _sparse(self.absolute),
            },
            "envelopes": {"u": _envelope(self.envelope), "m": _envelope(self.mixed_envelope)},
            "first_undecided": self._first_undecided,
        }


def add_runs(held: dict[str, Any], lo: int, firsts: Ints, lasts: Ints, fmt: Format) -> None:
    """Add runs of patterns, first and last of each counted from ``lo`` in growing order, to a ``count`` and to
    ``intervals`` by keys.
    """
    held["count"] += int((lasts - firsts + 1).sum())
    runs = joined_runs(firsts, lasts)
    new = [[*sorted(shard_summary.key(lo + row, fmt.width) for row in (a, b)), n] for a, b, n in runs]
    both = shard_summary.touching(sorted(held["intervals"] + new))
    held["intervals"] = shard_summary.coarsened(both, shard_summary.INTERVALS)


def _above(got: Floats, reference: Reference) -> npt.NDArray[np.bool_]:
    """Where results are no less than the exact values."""
    exponent = np.clip(reference.exponent, -2000, 2000).astype(np.int32)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        rest = (got - np.ldexp(reference.high, exponent)) - np.ldexp(reference.low, exponent)
        return ~np.asarray(rest < 0)


def _bins(values: Floats, shift: int, first: int, count: int) -> Ints:
    bits = np.ascontiguousarray(values).view(np.int64) >> shift
    bins: Ints = np.clip(bits - first, 0, count - 1)
    return bins


def first_greatest(values: npt.NDArray[Any], most: int) -> Ints:
    """Where the ``most`` greatest of ``values`` are, in growing order; of equal ones the first."""
    if values.size <= most:
        return np.arange(values.size)
    least = np.partition(values, values.size - most)[values.size - most]
    above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
    return np.sort(np.concatenate([above, equal[: most - above.size]]))


def joined_runs(firsts: Ints, lasts: Ints) -> list[tuple[int, int, int]]:
    """First and last of runs that touch put together, and how many patterns there are; the smallest gaps are closed
    beyond ``shard_summary.INTERVALS`` runs.
    """
    gaps = firsts[1:] - lasts[:-1]
    breaks = np.flatnonzero(gaps > 1)
    if breaks.size >= shard_summary.INTERVALS:
        breaks = breaks[first_greatest(gaps[breaks], shard_summary.INTERVALS - 1)]
    begin, end = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [firsts.size - 1]])
    before = np.concatenate([[0], np.cumsum(lasts - firsts + 1)])
    counts = before[end + 1] - before[begin]
    return list(zip(firsts[begin].tolist(), lasts[end].tolist(), counts.tolist(), strict=True))


def _sparse(histogram: Ints) -> dict[str, int]:
    return {str(i): int(histogram[i]) for i in np.flatnonzero(histogram)}


def _envelope(bits: Ints) -> dict[str, float]:
    values = bits.view(np.float64)
    return {str(i): float(f"{values[i]:.6g}") for i in np.flatnonzero(bits >= 0)}
