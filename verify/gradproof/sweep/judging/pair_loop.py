"""The compiled error loop of float64: results against pair models, some tens of nanoseconds for each input.

Pairs of float64 numbers carry the value (Dekker's product, Knuth's sum), so nothing here may be contracted or
reassociated. What is not plain is left to the oracle: values beside a power of two or beside the contract's bound,
overflow, and on backends that flush whatever flushing may excuse.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
import numpy as np

from gradproof.oracle.pair_models import JUDGED, PAIR_BOUND, PAIRED, POWER, SLOPE_BOUND, TERMS
from gradproof.oracle.taylor_models import BEYOND, MODEL, NOWHERE
from gradproof.sweep.judging.codes import EXCUSED, LOST, OK, OVER, PENDING, UNJUDGED, WRONG
from gradproof.sweep.judging.collect import (
    ABOVE,
    ABS,
    ABSOLUTE_BINS,
    BELOW,
    COARSE_SHIFT,
    FINE_SHIFT,
    FIRST_COARSE,
    FIRST_FINE,
    MISMATCHED,
    RELATIVE_BINS,
    M,
    U,
)
from gradproof.sweep.judging.collect import JUDGED as COUNTED
from gradproof.sweep.judging.loop_constants import (
    BEYOND_FORMAT,
    FLUSHES_INPUTS,
    FLUSHES_RESULTS,
    LIMIT,
    METRIC,
    MIN_NORMAL,
    UNBOUNDED,
    UNIT,
)

assert JUDGED == 3

_E_MIN: Final = -1022
_FRACTION: Final = 52
_TOP: Final = 1024
"""Values from 2^_TOP on overflow, and some just below."""
_EDGE: Final = 1.0 - 2.0**-50
_LARGEST: Final = 1.7e308
_SPLIT: Final = 2.0**27 + 1.0
_BESIDE: Final = 2.0**-58
"""Relative distance from a power of two within which the quantum is in doubt: far more than the models' bound."""
_RELATIVE: Final = 2.0**-18

_exact = numba.njit(nogil=True, cache=True, error_model="numpy")
_inlined = numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")


@_inlined  # type: ignore[untyped-decorator]
def _times(h: float, low: float, t: float) -> tuple[float, float]:
    """(h + low) t, not normalised."""
    p = h * t
    a = h * _SPLIT
    a_hi = a - (a - h)
    a_lo = h - a_hi
    b = t * _SPLIT
    b_hi = b - (b - t)
    b_lo = t - b_hi
    return p, (((a_hi * b_hi - p) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo) + low * t


@_inlined  # type: ignore[untyped-decorator]
def _plus(c: float, c_low: float, p: float, p_low: float) -> tuple[float, float]:
    s = c + p
    shadow = s - c
    rest = ((c - (s - shadow)) + (p - shadow)) + (c_low + p_low)
    total = s + rest
    return total, rest - (total - s)


@_exact  # type: ignore[untyped-decorator]
def _near(t: float, c: Any, low: Any) -> tuple[float, float, float]:
    """A polynomial in t, as a pair, and its derivative by t."""
    r, d = c[TERMS - 1], 0.0
    for k in range(TERMS - 2, PAIRED - 1, -1):
        d = r + t * d
        r = c[k] + t * r
    h, rest = r, 0.0
    for k in range(PAIRED - 1, -1, -1):
        d = h + t * d
        p, p_low = _times(h, rest, t)
        h, rest = _plus(c[k], low[k], p, p_low)
    return h, rest, d


@_exact  # type: ignore[untyped-decorator]
def _power(x: float, mantissa: float, leading: int, c: Any, low: Any) -> tuple[float, float]:
    """mantissa^leading times a polynomial in x."""
    h, rest = c[TERMS - 1], 0.0
    if c[1] == 0.0 and c[2] == 0.0:
        h, rest = c[0], low[0]
    else:
        for k in range(TERMS - 2, -1, -1):
            p, p_low = _times(h, rest, x)
            h, rest = _plus(c[k], low[k] if k < PAIRED else 0.0, p, p_low)
    for _ in range(leading):
        p, p_low = _times(h, rest, mantissa)
        h = p + p_low
        rest = p_low - (h - p)
    return h, rest


@_inlined  # type: ignore[untyped-decorator]
def _bin(value: float, box: Any, numbers: Any, shift: int, first: int, last: int) -> Any:
    numbers[0] = value
    return min(max((box[0] >> shift) - first, 0), last)


@_exact  # type: ignore[untyped-decorator]
def sweep_pairs(
    g: Any, start: int, stride: int, negative: bool, shift: int, run: int, stops: Any, centres: Any, scales: Any,
    kinds: Any, coefficients: Any, lows: Any, exponents: Any, leadings: Any, limits: Any, order: int, marks: Any,
    best: Any, where: Any, counts: Any, risen: Any, fallen: Any, mixed: Any, absolute: Any, envelope: Any,
    mixed_envelope: Any,
) -> None:  # fmt: skip
    """Judge the results ``g`` (float64) at every ``stride``-th magnitude from ``start`` on.

    As ``loop.sweep``; an input that is read as zero is PENDING.
    """
    box = np.zeros(1, np.int64)
    numbers = box.view(np.float64)
    metric, limit = limits[METRIC], limits[LIMIT]
    for i in range(g.size):
        magnitude = start + i * stride
        while stops[run] <= magnitude:
            run += 1
        kind = kinds[order, run]
        got = g[i]
        marks[i] = PENDING
        box[0] = magnitude
        size_x = numbers[0]
        x = -size_x if negative else size_x
        mantissa, x_exponent = math.frexp(x)
        if kind == MODEL:
            t = np.float64(magnitude - centres[run]) * scales[run]
            h, rest, slope = _near(t, coefficients[order, run], lows[order, run])
            e = exponents[order, run]
            moved, moved_e = abs(slope * scales[run]), e
        elif kind == POWER and kinds[order + 1, run] == POWER:
            leading = leadings[order, run]
            h, rest = _power(x, mantissa, leading, coefficients[order, run], lows[order, run])
            e = exponents[order, run] + leading * x_exponent
            leading = leadings[order + 1, run]
            slope, _ = _power(x, mantissa, leading, coefficients[order + 1, run], lows[order + 1, run])
            moved = abs(slope)
            moved_e = exponents[order + 1, run] + leading * x_exponent + max(x_exponent - 1, _E_MIN) - _FRACTION
        elif kind == NOWHERE:
            marks[i] = UNJUDGED if order else OK if np.isnan(got) else WRONG
            counts[MISMATCHED] += marks[i] == WRONG
            if marks[i] != OK:
                continue
            h, rest, e, moved, moved_e = 0.0, 0.0, 0, 0.0, 0
            got = 0.0
        elif kind == BEYOND:
            if not (np.isinf(got) and (got > 0) == (coefficients[order, run, 0] > 0)):
                continue
            h, rest, e, moved, moved_e = 0.0, 0.0, 0, 0.0, 0
            got = 0.0
        else:
            continue
        part, h_exponent = math.frexp(h)
        size = h_exponent + e  # 2^(size - 1) <= |y| < 2^size
        if h == 0.0 or size < -4000:
            size, h, rest, e = -4000, 0.0, 0.0, 0
        beside = abs(part)
        doubt = size > _E_MIN and h != 0.0 and (beside - 0.5 < _BESIDE or 1.0 - beside < _BESIDE)
        barely_below = beside == 0.5 and (rest < 0) == (h > 0) and rest != 0.0  # a power of two
        if barely_below:
            size -= 1
        quantum = max(size - 1, _E_MIN) - _FRACTION
        beyond = size > _TOP or (size == _TOP and beside > _EDGE)
        mark = OK
        if np.isnan(got):
            if beyond:
                continue
            mark = WRONG
        elif np.isinf(got):
            if size > _TOP + 1 and (got > 0) == (h > 0):
                h, rest, got = 0.0, 0.0, 0.0
                quantum = _TOP - 1 - _FRACTION
            elif beyond:
                continue
            else:
                mark = OVER if h == 0.0 or (got > 0) == (h > 0) else WRONG
                got = math.copysign(limits[BEYOND_FORMAT], got)  # infinite in float64: bounded below
        elif beyond:
            continue
        if mark == WRONG:
            marks[i] = WRONG
            counts[MISMATCHED] += 1
            continue
        error = (math.ldexp(got, -quantum) - math.ldexp(h, e - quantum)) - math.ldexp(rest, e - quantum)
        u = min(abs(error), _LARGEST)
        m = u / (1.0 + math.ldexp(moved, min(max(moved_e - quantum, -5000), 1000)))
        off = min(math.ldexp(u, quantum), _LARGEST)
        measure, slack = u, limit * _RELATIVE + PAIR_BOUND
        if metric == 1.0:
            measure, slack = m, limit * SLOPE_BOUND + PAIR_BOUND
        elif metric == 2.0:
            unit = max(limits[UNIT], limits[UNBOUNDED] * abs(math.ldexp(h, e)))
            measure = off / unit if unit > 0.0 else _LARGEST if off > 0.0 else 0.0
            slack = limit * _RELATIVE + PAIR_BOUND * math.ldexp(1.0, quantum) / unit if unit > 0.0 else _LARGEST
        if mark == OK:
            if doubt and limit / 2.0 - slack <= measure <= 2.0 * (limit + slack):
                continue
            if measure >= limit - slack:
                if measure <= limit + slack:
                    continue
                mark = OVER
        if mark == OVER:
            zero = got == 0.0
            excusable = zero and limits[FLUSHES_RESULTS] != 0.0
            if excusable and (size < _E_MIN or (size == _E_MIN and beside < _EDGE and not barely_below)):
                mark = EXCUSED
                error, u, m, off = 0.0, 0.0, 0.0, 0.0
            elif excusable and (size == _E_MIN or (size == _E_MIN + 1 and beside - 0.5 < _BESIDE)):
                continue  # beside the least normal number, below which a zero is excused
            elif limits[FLUSHES_INPUTS] != 0.0 and (
                size_x < limits[MIN_NORMAL] or (not zero and abs(got) < limits[MIN_NORMAL])
            ):
                continue
            elif zero and size > _E_MIN + 1:
                mark = LOST
        marks[i] = mark
        counts[COUNTED] += 1
        bin_ = magnitude >> shift
        numbers[0] = u
        envelope[bin_] = max(envelope[bin_], box[0])
        numbers[0] = m
        mixed_envelope[bin_] = max(mixed_envelope[bin_], box[0])
        place = _bin(u, box, numbers, FINE_SHIFT, FIRST_FINE, RELATIVE_BINS - 1)
        if error < 0.0:
            fallen[place] += 1
        else:
            risen[place] += 1
        mixed[_bin(m, box, numbers, FINE_SHIFT, FIRST_FINE, RELATIVE_BINS - 1)] += 1
        absolute[_bin(off, box, numbers, COARSE_SHIFT, FIRST_COARSE, ABSOLUTE_BINS - 1)] += 1
        if u > best[U]:
            best[U], where[U] = u, magnitude
        if m > best[M]:
            best[M], where[M] = m, magnitude
        if off > best[ABS]:
            best[ABS], where[ABS] = off, magnitude
        if error > best[ABOVE]:
            best[ABOVE], where[ABOVE] = min(error, _LARGEST), magnitude
        if -error > best[BELOW]:
            best[BELOW], where[BELOW] = min(-error, _LARGEST), magnitude
