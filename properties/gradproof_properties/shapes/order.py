"""Order between neighbouring floats: where f rises and falls, and results that go the other way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from gradproof.extend import LARGE_ERROR, Floats, Ints, Oracle, Probe, Violations
from gradproof_properties.kinks.differences import over
from gradproof_properties.shapes.line import Line, Mask, results_along, turning_brackets, violations_at

CLEAR = 2.0**-8
"""Without declared directions f rises or falls between two inputs where its values differ by more quanta than this."""


def order_kept(probe: Probe, line: Line) -> tuple[list[Violations], dict[str, Any]]:
    """Results in the wrong order, of neighbours or of distant inputs of one section: those beyond the contract fail.

    Steps back between neighbours that the contract allows are counted.
    """
    direction = directions_along(probe, line)
    with np.errstate(invalid="ignore", over="ignore"):
        back = np.where(line.judged_pairs & (direction != 0), -direction * np.diff(line.g), np.nan)
    near = np.diff(line.ordinals) == 1
    small = near & (back > 0)
    measured: dict[str, Any] = {"neighbours": int((near & ~np.isnan(back)).sum()), "reversals": int(small.sum())}
    if small.any():
        steps = np.where(small, over(back, line.quanta[1:]), 0.0)
        worst = int(np.argmax(steps))
        ulps = float(steps[worst]) if np.isfinite(steps[worst]) else None
        measured["worst_reversal"] = {"ulp": ulps, "after": probe.format.decimal(int(line.bits[worst]))}
    excess, leader = excess_behind(line.g, line.room, line.judged, direction)
    if not (excess > 0).any():
        return [], measured
    rows = np.flatnonzero(excess > 0)
    room = line.room[rows] + line.room[leader[rows]]
    worst = int(rows[int(np.argmax(over(excess[rows], room)))])
    way = int(direction[worst - 1])
    text = _narrowed(probe, _End.of(line, int(leader[worst])), _End.of(line, worst), way)
    return [violations_at(probe, line, rows, excess[rows] + room, room, LARGE_ERROR, text)], measured


def excess_behind(values: Floats, room: Floats, judged: Mask, direction: Ints) -> tuple[Floats, Ints]:
    """By how much each of n values lies on the wrong side of an earlier one, beyond the room of both.

    ``direction`` of shape (n - 1,) says between successive rows that values must not fall (1) or not rise (-1), and
    0 where a new section begins; earlier values are those of the same section. Beside the excess, -inf for the first
    of a section and for what is not judged, comes the row of that earlier value: the largest so far less its room.
    """
    excess, leader = np.full(values.size, -np.inf), np.arange(values.size)
    edges = np.flatnonzero(np.diff(direction)) + 1
    for first, last in zip([0, *edges], [*edges, direction.size], strict=True):
        if not direction.size or not direction[first]:
            continue
        rows = slice(first, last + 1)
        kept = judged[rows]
        with np.errstate(invalid="ignore", over="ignore"):
            along = int(direction[first]) * values[rows]
            least = np.where(kept, along - room[rows], -np.inf)
            highest = np.maximum.accumulate(least)
            beyond = np.where(kept, highest - along - room[rows], -np.inf)
        at = np.maximum.accumulate(np.where(least == highest, np.arange(least.size), 0))
        larger = beyond > excess[rows]
        excess[rows] = np.where(larger, beyond, excess[rows])
        leader[rows] = np.where(larger, first + at, leader[rows])
    return excess, leader


@dataclass(frozen=True)
class _End:
    """One input with its result and what the contract allows it."""

    ordinal: int
    x: float
    g: float
    room: float

    @classmethod
    def of(cls, line: Line, row: int) -> _End:
        return cls(int(line.ordinals[row]), float(line.x[row]), float(line.g[row]), float(line.room[row]))


def _narrowed(probe: Probe, low: _End, high: _End, way: int) -> str:
    """What is wrong between two inputs, told of the neighbours or the closest inputs between which it still is."""

    def reversed_(a: _End, b: _End) -> bool:
        return way * (a.g - b.g) > a.room + b.room

    while high.ordinal - low.ordinal > 1:
        line = results_along(probe, np.array([low.ordinal + (high.ordinal - low.ordinal) // 2]))
        middle = _End.of(line, 0)
        if not line.judged[0] or not (reversed_(low, middle) or reversed_(middle, high)):
            break
        low, high = (low, middle) if reversed_(low, middle) else (middle, high)
    which = "the neighbours " if high.ordinal - low.ordinal == 1 else ""
    moves = "does not fall" if way > 0 else "does not rise"
    return f"between {which}{low.x!r} and {high.x!r} f {moves}, but the results go from {low.g!r} to {high.g!r}"


def directions_along(probe: Probe, line: Line) -> Ints:
    """1 where f does not fall between two successive rows, -1 where it does not rise, 0 where neither is known."""
    start, stop = line.x[:-1], line.x[1:]
    if probe.function.directions is None:
        quantum = line.quanta
        with np.errstate(invalid="ignore", over="ignore"):
            step = np.diff(line.due)
            clear = np.abs(step) > CLEAR * np.maximum(quantum[1:], quantum[:-1])
        return np.where(clear, np.sign(step), 0).astype(np.int64)
    found = np.zeros(start.size, np.int64)
    for way, low, high in _sections(probe.oracle):
        found[(start >= low) & (stop <= high)] = way
    return found


@lru_cache(maxsize=512)
def _sections(oracle: Oracle) -> tuple[tuple[int, float, float], ...]:
    """Direction and ends of each section between two turns: ends that float64 does not hold are rounded inwards.

    The value at a turn belongs to the sections on both sides, unless f jumps there.
    """
    function = oracle.function
    assert function.directions is not None
    starts, stops = [-math.inf], []
    for low, high in turning_brackets(oracle):
        jumps = low in function.kinks and oracle.jump(low, 0) != 0
        stops.append(_inwards(low, -math.inf, jumps))
        starts.append(_inwards(high, math.inf, jumps))
    return tuple(zip(function.directions, starts, [*stops, math.inf], strict=True))


def _inwards(end: Fraction, towards: float, beyond: bool) -> float:
    """The float64 at ``end``, or the next one towards an infinity where it does not hold ``end``, or ``beyond``."""
    nearest = float(end)
    exactly = Fraction(nearest) == end
    return nearest if exactly and not beyond else math.nextafter(nearest, towards)
