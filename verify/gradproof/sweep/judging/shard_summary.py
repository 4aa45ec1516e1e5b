"""What a sweep of some bit patterns found, as plain data that adds up: one of a shard, one of all shards together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from gradproof.results.sweeps import BREAKERS as BREAKERS
from gradproof.results.sweeps import CLASSES as CLASSES
from gradproof.results.sweeps import FAILING as FAILING

INTERVALS: Final = 256
"""Intervals kept of one class of inputs in one shard, and in all; beyond that the smallest gaps are closed."""

GREATEST: Final = ("u", "m", "abs", "above", "below")
"""Errors whose greatest is kept: in ulps, mixed, absolute, and in ulps above and below the exact value."""
HISTOGRAMS: Final = ("above", "below", "m", "abs")
ENVELOPES: Final = ("u", "m")

WORST: Final = 3
"""Inputs kept of each of these, with the greatest distances."""

KeyInterval = list[int]
"""First key, last key (see ``keys``), and how many of the inputs between them are of the class."""


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The summaries of shards in the order of their bit patterns, put together; the last digit depends on nothing else.

    ``points``, counts and histograms add up; of the greatest errors the first one stays; intervals that touch join.
    Raises ValueError for shards that overlap.
    """
    for before, after in pairwise(parts):
        if after["lo"] <= before["hi"]:
            raise ValueError(f"shards {before['lo']:#x}..{before['hi']:#x} and {after['lo']:#x} overlap")
    counts = [part["counts"] for part in parts]
    return {
        "lo": parts[0]["lo"],
        "hi": parts[-1]["hi"],
        "gaps": [[a["hi"] + 1, b["lo"] - 1] for a, b in pairwise(parts) if b["lo"] > a["hi"] + 1],
        "counts": {name: sum(c[name] for c in counts) for name in counts[0]},
        "greatest": {name: _greatest(part["greatest"][name] for part in parts) for name in GREATEST},
        "bound": {name: max(part["bound"][name] for part in parts) for name in parts[0]["bound"]},
        "classes": {name: joined([part["classes"][name] for part in parts]) for name in CLASSES},
        "histograms": {name: summed(part["histograms"][name] for part in parts) for name in HISTOGRAMS},
        "envelopes": {name: _highest(part["envelopes"][name] for part in parts) for name in ENVELOPES},
        "first_undecided": next((p["first_undecided"] for p in parts if p["first_undecided"] is not None), None),
        **({"against": _compared([part["against"] for part in parts])} if "against" in parts[0] else {}),
    }


def _compared(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The comparisons of two modes on shards, in the order of their bit patterns, put together."""
    zeros = [part["zeros"] for part in parts]
    return {
        "differ": sum(part["differ"] for part in parts),
        "nans": sum(part["nans"] for part in parts),
        "zeros": {**joined(zeros), "lost": _added(z["lost"] for z in zeros)},
        "nearer": _added(part["nearer"] for part in parts),
        "breaks": {
            name: {
                **joined([part["breaks"][name] for part in parts]),
                "worst": farthest(w for part in parts for w in part["breaks"][name]["worst"]),
            }
            for name in BREAKERS
        },
        "distances": summed(part["distances"] for part in parts),
    }


def _added(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for table in tables:
        for name, count in table.items():
            total[name] = total.get(name, 0) + count
    return total


def farthest(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The WORST of inputs with the greatest distances, a NaN beside a number before all others; of equal ones those of
    the least bits.
    """
    return sorted(rows, key=lambda r: (r["distance"] is not None, -(r["distance"] or 0), r["bits"]))[:WORST]


def both_ends(low: Mapping[str, Any], high: Mapping[str, Any], judged: int, mismatched: int) -> dict[str, Any]:
    """The summary of results known by their ends, from the summaries of either end of the same patterns.

    ``judged`` and ``mismatched`` inputs are those of which that holds whatever the result. Classes are taken from the
    lower ends' summary, which has them of both; histograms, ``felt`` and ``asked`` count both ends.
    """
    both = {name: low["counts"][name] + high["counts"][name] for name in ("felt", "asked")}
    return {
        **low,
        "counts": {**low["counts"], **both, "judged": judged, "mismatched": mismatched},
        "greatest": {name: _greatest(part["greatest"][name] for part in (low, high)) for name in GREATEST},
        "bound": {name: max(part["bound"][name] for part in (low, high)) for name in low["bound"]},
        "histograms": {name: summed(part["histograms"][name] for part in (low, high)) for name in HISTOGRAMS},
        "envelopes": {name: _highest(part["envelopes"][name] for part in (low, high)) for name in ENVELOPES},
    }


def _greatest(found: Iterable[Mapping[str, Any] | None]) -> Mapping[str, Any] | None:
    best: Mapping[str, Any] | None = None
    for one in found:
        if one is not None and (best is None or one["value"] > best["value"]):
            best = one
    return best


def joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A class of inputs over several shards; the half of the patterns with the sign is sorted the other way round."""
    intervals = sorted(i for part in parts for i in part["intervals"])
    return {
        "count": sum(part["count"] for part in parts),
        "intervals": coarsened(touching(intervals)),
    }


def touching(intervals: Iterable[Sequence[int]]) -> list[KeyInterval]:
    """Sorted intervals, those without a gap between them made one."""
    made: list[KeyInterval] = []
    for first, last, count in intervals:
        if made and first <= made[-1][1] + 1:
            made[-1] = [made[-1][0], max(last, made[-1][1]), made[-1][2] + count]
        else:
            made.append([first, last, count])
    return made


def coarsened(intervals: list[KeyInterval], most: int = INTERVALS) -> list[KeyInterval]:
    """At most ``most`` intervals: the smallest gaps are closed, the earlier of equal ones first."""
    if len(intervals) <= most:
        return intervals
    gaps = sorted(range(1, len(intervals)), key=lambda i: (intervals[i][0] - intervals[i - 1][1], i))
    closed = set(gaps[: len(intervals) - most])
    made: list[KeyInterval] = []
    for i, (first, last, count) in enumerate(intervals):
        if i in closed:
            made[-1] = [made[-1][0], last, made[-1][2] + count]
        else:
            made.append([first, last, count])
    return made


def summed(histograms: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counts by the numbers of their bins, added up."""
    total: dict[int, int] = {}
    for histogram in histograms:
        for bin_, count in histogram.items():
            total[int(bin_)] = total.get(int(bin_), 0) + count
    return {str(bin_): total[bin_] for bin_ in sorted(total)}


def _highest(envelopes: Iterable[Mapping[str, float]]) -> dict[str, float]:
    top: dict[int, float] = {}
    for envelope in envelopes:
        for bin_, value in envelope.items():
            top[int(bin_)] = max(value, top.get(int(bin_), 0.0))
    return {str(bin_): top[bin_] for bin_ in sorted(top)}


def key(bits: int, width: int) -> int:
    """The place of a bit pattern on the line of all patterns from -NaN over -inf, -0, +0 to +NaN."""
    sign = 1 << (width - 1)
    return (sign - 1) - (bits - sign) if bits & sign else bits + sign


def bits_at(place: int, width: int) -> int:
    """The bit pattern at a place of ``key``."""
    sign = 1 << (width - 1)
    return place - sign if place >= sign else sign + (sign - 1 - place)
