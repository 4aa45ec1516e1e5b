"""What a sweep measured, as plain JSON of ``Cell.measured``, and its curve; docs/results.md describes both."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from gradproof.engine.judging.certificates import number
from gradproof.formats import Format, get_format
from gradproof.formats.arrays import Floats
from gradproof.measure.curves import BINS, EMPTY, HISTOGRAM_EDGES, MISMATCH, QUANTILES
from gradproof.results.io import plain
from gradproof.results.model import Curve
from gradproof.sweep.judging import shard_summary
from gradproof.sweep.judging.collect import COARSE, ENVELOPE_BINS, FINE, FINE_SHIFT, FIRST_COARSE, FIRST_FINE
from gradproof.sweep.judging.shard_summary import KeyInterval, bits_at
from gradproof.sweep.plan import Target, whole
from gradproof.sweep.results import ranges

INTERVALS: Final = 64
"""Intervals of one class in a results file; beyond that the smallest gaps are closed."""
SHARES: Final = (0.5, 0.9, 0.99, 0.999, 1.0)
"""Quantiles of u that a sweep tells."""
STEPS: Final = 4
"""Bins per doubling in the histograms of a results file."""
UNITS: Final = {"u": "ulp", "m": "mixed units", "abs": "", "above": "ulp", "below": "ulp"}
FULL_BINS: Final = 253
"""The highest level of an error in an envelope; see ``results.model.Curve``."""

Found = Mapping[str, Any]


def measured(
    target: Target, found: Found, classes: Mapping[str, Mapping[str, Sequence[KeyInterval]]]
) -> dict[str, Any]:
    """The summary ``found`` for the results file; ``classes``: intervals by class and kind of input."""
    fmt = get_format(target.format)
    excess = {name: found["bound"][name] - best["value"] for name, best in found["greatest"].items() if best}
    document = {
        "range": {
            "first": fmt.bits_text(found["lo"]),
            "last": fmt.bits_text(found["hi"]),
            "patterns": found["counts"]["points"],
            "whole": (found["lo"], found["hi"]) == whole(fmt) and not found.get("gaps"),
            **({"parts": [list(map(fmt.bits_text, part)) for part in swept(found)]} if found.get("gaps") else {}),
        },
        "classes": {
            name: _class(found["classes"][name], classes[name], fmt) for name in shard_summary.CLASSES if classes[name]
        },
        "maxima": {name: _maximum(best, fmt) for name, best in found["greatest"].items() if best},
        "excess": excess,
        "exactness": exactness(excess, found["classes"]["undecided"]["count"]),
        "quantiles": {str(share): value for share, value in zip(SHARES, quantiles(found, SHARES), strict=True)},
        "histograms": {name: _histogram(name, counts) for name, counts in found["histograms"].items() if counts},
        "envelope": {name: _text(levels(values, fmt)) for name, values in found["envelopes"].items()},
    }
    made: dict[str, Any] = plain(document)
    return made


def swept(found: Found) -> list[tuple[int, int]]:
    """The runs of bit patterns that a summary is of, in their order."""
    gaps = found.get("gaps") or []
    return list(zip([found["lo"], *(b + 1 for _, b in gaps)], [*(a - 1 for a, _ in gaps), found["hi"]], strict=True))


def exactness(excess: Mapping[str, float], undecided: int = 0) -> str:
    """Whether the maxima are those of all inputs, or by how much an input may exceed them."""
    besides = f", {undecided:,} undecided ones aside" if undecided else ""
    beyond = {name: value for name, value in excess.items() if value > 0 and name in ("u", "m")}
    if not beyond:
        return f"the maxima are exact: every input was judged by the oracle{besides}"
    limits = ", ".join(
        f"{name} by more than {value:.1e}{' ulp' if name == 'u' else ''}" for name, value in beyond.items()
    )
    return f"the maxima are attained, and no input exceeds {limits}{besides}"


def _class(found: Found, by_kind: Mapping[str, Sequence[KeyInterval]], fmt: Format) -> dict[str, Any]:
    every = shard_summary.touching(sorted(list(i) for intervals in by_kind.values() for i in intervals))
    kept = shard_summary.coarsened(every, INTERVALS)
    return {
        "count": found["count"],
        **{kind: sum(i[2] for i in by_kind[kind]) for kind in ranges.KINDS},
        "intervals": [interval(i, fmt) for i in kept],
        "merged": len(every) - len(kept),
    }


def interval(keys: KeyInterval, fmt: Format) -> dict[str, Any]:
    """An interval as ``lo`` and ``hi``, the inputs ``count`` of the class and all ``patterns`` between them."""
    first, last, count = keys
    low, high = (number(bits_at(k, fmt.width), fmt) for k in (first, last))
    return {"lo": vars(low), "hi": vars(high), "count": count, "patterns": last - first + 1}


def _maximum(best: Found, fmt: Format) -> dict[str, Any]:
    return {
        "value": best["value"],
        "input": vars(number(best["bits"], fmt)),
        "got": vars(number(best["got"], fmt)),
    }


# -- histograms -------------------------------------------------------------------------------------------


def _histogram(name: str, counts: Mapping[str, int]) -> dict[str, Any]:
    """``STEPS`` equal bins in each doubling from ``2**least`` on; the first holds all below it as well."""
    fine, first = (COARSE, FIRST_COARSE) if name == "abs" else (FINE, FIRST_FINE)
    bins = {(int(b) // (fine // STEPS)): 0 for b in counts}
    for b, count in counts.items():
        bins[int(b) // (fine // STEPS)] += count
    least = min(bins) // STEPS
    row = [bins.get(least * STEPS + i, 0) for i in range(max(bins) - least * STEPS + 1)]
    return {"unit": UNITS[name], "steps": STEPS, "least": least + first // fine - 1023, "counts": row}


def _upper(fine: int) -> float:
    """The upper edge of a bin of the sweep's histogram of u."""
    return float(np.array([(fine + 1 + FIRST_FINE) << FINE_SHIFT]).view(np.float64)[0])


def _of_u(found: Found) -> dict[int, int]:
    """The histogram of u, errors above and below the exact value together, in the order of the bins."""
    total: dict[int, int] = {}
    for name in ("above", "below"):
        for bin_, count in found["histograms"][name].items():
            total[int(bin_)] = total.get(int(bin_), 0) + count
    return dict(sorted(total.items()))


def quantiles(found: Found, shares: Sequence[float]) -> list[float | None]:
    """Upper edges of the bins that hold these shares of the errors u, in ulps; of 1 the maximum; None for no error."""
    histogram = _of_u(found)
    if not histogram:
        return [None for _ in shares]
    best = found["greatest"]["u"]
    top = best["value"] if best else 0.0
    bins, cumulated = list(histogram), np.cumsum(list(histogram.values()))
    places = [int(np.searchsorted(cumulated, share * cumulated[-1], side="left")) for share in shares]
    edges = [min(_upper(bins[min(place, len(bins) - 1)]), top) for place in places]
    return [top if share == 1 else edge for share, edge in zip(shares, edges, strict=True)]


# -- envelopes --------------------------------------------------------------------------------------------


def shift(fmt: Format) -> int:
    """log2 of the patterns in one bin of a sweep's envelope."""
    return max(fmt.width - (ENVELOPE_BINS - 1).bit_length(), 0)


def levels(values: Mapping[str, float], fmt: Format) -> list[int]:
    """An envelope in the encoding of ``Curve``, from -NaN to +NaN along the line of all patterns."""
    half = 1 << (fmt.width - 1 - shift(fmt))
    row = [EMPTY] * (2 * half)
    for bin_, value in values.items():
        b = int(bin_)
        row[half + b if b < half else 2 * half - 1 - b] = level(value)
    return row


def level(value: float) -> int:
    """One error as a byte of an envelope."""
    return int(min(FULL_BINS, round(8 * float(np.log2(1 + value)))))


def curve(target: Target, found: Found, mismatched: Sequence[KeyInterval], mismatches: int) -> Curve:
    """The curve of u over the numbers as those of other cells have it, made of the envelope and the histogram.

    Each of the ``BINS`` takes the largest of the envelope's bins that it meets. ``mismatched`` are intervals with
    results of a wrong class, ``mismatches`` inputs in all.
    """
    fmt = get_format(target.format)
    fine = np.array(levels(found["envelopes"]["u"], fmt))
    for first, last, count in mismatched:
        ends = first >> shift(fmt), last >> shift(fmt)
        fine[slice(ends[0], ends[1] + 1) if count == last - first + 1 else list(ends)] = MISMATCH
    limit = fmt.last_bits
    width = -(-(2 * limit + 1) // BINS)
    row = []
    for i in range(BINS):
        low, high = (-limit + i * width, min(-limit + (i + 1) * width - 1, limit))
        part = fine[_place(low, fmt) : _place(high, fmt) + 1]
        known = part[part < EMPTY]
        row.append(MISMATCH if (part == MISMATCH).any() else int(known.max()) if known.size else EMPTY)
    worst = [None if mismatches else q for q in quantiles(found, QUANTILES)][-1:]
    return Curve(
        lo=str(-limit),
        hi=str(limit),
        bins=_text(row),
        histogram=_doubling(found, mismatches),
        quantiles=[*quantiles(found, QUANTILES[:-1]), *worst],
    )


def _place(ordinal: int, fmt: Format) -> int:
    """The envelope's bin of an ordinal; beyond the line the last one there is."""
    return shard_summary.key(fmt.from_ordinal(ordinal), fmt.width) >> shift(fmt)


def _doubling(found: Found, mismatches: int) -> list[int]:
    """The histogram of ``Curve``; an error on an edge counts into the bin above it."""
    edges: Floats = np.array(HISTOGRAM_EDGES)
    counts = [0] * (len(HISTOGRAM_EDGES) + 1)
    for bin_, count in _of_u(found).items():
        counts[int(np.searchsorted(edges, _upper(bin_), side="left"))] += count
    counts[-1] += mismatches
    return counts


def _text(row: Sequence[int]) -> str:
    return base64.b64encode(bytes(row)).decode()
