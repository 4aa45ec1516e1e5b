"""The compiled error loop: results of float32 against Taylor models, some 2 ns for each input on one core.

Blocks of one run of models go through few plain passes that the compiler turns into vector code: errors, greatest
errors, histograms. What is not plain (an infinity, a NaN, an error beyond the contract) sends its block through
``_examine``, one input at a time, which marks every input that needs it in ``marks``.

Everything is float64. Comparisons of non-negative numbers go through their bits as integers, since the compiler does
not vectorise those of floats, which must heed NaN.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from gradproof.oracle.taylor_models import BEYOND, BOUND, MODEL, NOWHERE, TERMS, VARIES
from gradproof.sweep.judging.codes import EXCUSED, FARTHER, LOST, NEARER, OK, OPEN, OVER, PENDING, UNJUDGED, WRONG
from gradproof.sweep.judging.collect import (
    ABOVE,
    ABS,
    ABSOLUTE_BINS,
    BELOW,
    COARSE_SHIFT,
    FELT,
    FINE_SHIFT,
    FIRST_COARSE,
    FIRST_FINE,
    JUDGED,
    MISMATCHED,
    RELATIVE_BINS,
    M,
    U,
)
from gradproof.sweep.judging.loop_constants import (
    ASYMPTOTE_LEFT,
    ASYMPTOTE_RIGHT,
    BESIDE,
    BEYOND_FORMAT,
    E_MIN,
    EDGE,
    EITHER_INFINITY,
    FLUSHES_INPUTS,
    FLUSHES_RESULTS,
    LIMIT,
    MARGIN,
    METRIC,
    MIN_NORMAL,
    MIN_NORMAL_BITS,
    OVERFLOW,
    PRECISION,
    ROOM_HIGH,
    ROOM_LOW,
    STEPS,
    TRAINING_LIMIT,
    UNBOUNDED,
    UNIT,
    ZERO_HIGH,
    ZERO_LOW,
)

BLOCK: Final = 4096
"""Inputs of one pass: the buffers of a block stay in the first-level cache of a core."""
assert TERMS == 8, "the polynomial below is written out for eight coefficients"

_EXPONENT: Final = np.int64(0x7FF0_0000_0000_0000)
_MAGNITUDE: Final = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_INFINITE: Final = np.uint32(0x7F80_0000)
_STEPS: Final = np.int64(STEPS)

_fast = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
"""``contract`` lets a product and a sum become one rounding, which the models' bounds allow for; nothing else of
IEEE 754 is given up."""


@_fast  # type: ignore[untyped-decorator]
def _errors(g: Any, first: float, stride: float, scale: float, c: Any, low: float, unit: float, s: Any, m: Any) -> None:
    """Signed errors in ulps and mixed errors where one quantum, 1 / ``unit``, holds on all of the block."""
    c0, c1, c2, c3, c4, c5, c6, c7 = c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
    d2, d3, d4, d5, d6, d7 = 2 * c2, 3 * c3, 4 * c4, 5 * c5, 6 * c6, 7 * c7
    moved = abs(scale) * unit
    for i in range(g.size):
        t = (first + np.float64(np.int32(i)) * stride) * scale
        rest = low + t * (c1 + t * (c2 + t * (c3 + t * (c4 + t * (c5 + t * (c6 + t * c7))))))
        slope = c1 + t * (d2 + t * (d3 + t * (d4 + t * (d5 + t * (d6 + t * d7)))))
        error = ((np.float64(g[i]) - c0) - rest) * unit
        s[i] = error
        m[i] = abs(error) / (1.0 + abs(slope) * moved)


@_fast  # type: ignore[untyped-decorator]
def _varying_errors(
    g: Any, first: float, stride: float, scale: float, c: Any, low: float, limits: Any, s: Any, m: Any, y: Any,
    quantum: Any,
) -> bool:  # fmt: skip
    """The same where each value has its own quantum; ``quantum`` (int64) receives the bits of its float64.

    Returns whether a value is so near a power of two that its quantum is in doubt.
    """
    c0, c1, c2, c3, c4, c5, c6, c7 = c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
    d2, d3, d4, d5, d6, d7 = 2 * c2, 3 * c3, 4 * c4, 5 * c5, 6 * c6, 7 * c7
    n = g.size
    for i in range(n):
        t = (first + np.float64(np.int32(i)) * stride) * scale
        rest = low + t * (c1 + t * (c2 + t * (c3 + t * (c4 + t * (c5 + t * (c6 + t * c7))))))
        slope = c1 + t * (d2 + t * (d3 + t * (d4 + t * (d5 + t * (d6 + t * d7)))))
        y[i] = c0 + rest
        s[i] = (np.float64(g[i]) - c0) - rest
        m[i] = abs(slope * scale)
    bits = y.view(np.int64)
    least = np.int64(limits[E_MIN] + 1023) << 52
    shift = np.int64(limits[PRECISION] - 1) << 52
    doubt = np.int64(0)
    for i in range(n):
        quantum[i] = max(bits[i] & _EXPONENT, least) - shift
        doubt |= (bits[i] - _STEPS ^ bits[i] + _STEPS) & _EXPONENT
    unit = quantum.view(np.float64)
    for i in range(n):
        error = s[i]
        m[i] = abs(error) / (unit[i] + m[i])
        s[i] = error / unit[i]
    return bool(doubt != 0)


@_fast  # type: ignore[untyped-decorator]
def _bits_max(values: Any) -> Any:
    """The largest bits of |value| among floats: its integer order is that of the magnitudes."""
    bits = values.view(np.int64)
    top = np.int64(0)
    for i in range(bits.size):
        top = max(top, bits[i] & _MAGNITUDE)
    return top


@_fast  # type: ignore[untyped-decorator]
def _signed_max(values: Any, flip: int) -> Any:
    """The largest bits among those values that are positive once ``flip`` was applied to the sign; 0 for none."""
    bits = values.view(np.int64)
    top = np.int64(0)
    for i in range(bits.size):
        top = max(top, np.int64(bits[i] ^ flip))
    return top


@_fast  # type: ignore[untyped-decorator]
def _count(s: Any, m: Any, quantum: Any, constant: Any, risen: Any, fallen: Any, mixed: Any, absolute: Any) -> Any:
    """Add a block to the histograms; return the bits of its largest absolute error."""
    sb, mb = s.view(np.int64), m.view(np.int64)
    top = np.int64(0)
    for i in range(s.size):
        bits = sb[i]
        size = bits & _MAGNITUDE
        bin_ = min(max((size >> FINE_SHIFT) - FIRST_FINE, 0), RELATIVE_BINS - 1)
        if bits < 0 and size:
            fallen[bin_] += 1
        else:
            risen[bin_] += 1
        mixed[min(max((mb[i] >> FINE_SHIFT) - FIRST_FINE, 0), RELATIVE_BINS - 1)] += 1
        scaled = np.int64(0)
        if size:
            scaled = max(size + (quantum[i] if constant == 0 else constant) - (np.int64(1023) << 52), np.int64(0))
        top = max(top, scaled)
        absolute[min(max((scaled >> COARSE_SHIFT) - FIRST_COARSE, 0), ABSOLUTE_BINS - 1)] += 1
    return top


@_fast  # type: ignore[untyped-decorator]
def _keep(best: Any, where: Any, slot: int, bits: Any, values: Any, sign: int, start: int, stride: int) -> None:
    """Keep a block's largest value (its bits) and the first input that attains it."""
    box = np.empty(1, np.int64)
    box[0] = bits
    found = box.view(np.float64)[0]
    if not found > best[slot]:
        return
    best[slot] = found
    for i in range(values.size):
        if values[i] * sign == found or (sign == 0 and abs(values[i]) == found):
            where[slot] = start + i * stride
            return


@_fast  # type: ignore[untyped-decorator]
def _keep_absolute(
    best: Any, where: Any, bits: Any, s: Any, quantum: Any, constant: Any, start: int, stride: int
) -> None:
    box = np.empty(1, np.int64)
    value = box.view(np.float64)
    box[0] = bits
    found = value[0]
    if not found > best[ABS]:
        return
    best[ABS] = found
    for i in range(s.size):
        box[0] = quantum[i] if constant == 0 else constant
        if abs(s[i]) * value[0] == found:
            where[ABS] = start + i * stride
            return


@_fast  # type: ignore[untyped-decorator]
def _value(t: float, c: Any, low: float) -> tuple[float, float]:
    """The model without its first coefficient, and its derivative by t."""
    rest, slope = c[TERMS - 1], (TERMS - 1) * c[TERMS - 1]
    for k in range(TERMS - 2, 0, -1):
        rest = c[k] + t * rest
        if k > 1:
            slope = k * c[k] + t * slope
    return low + t * rest, c[1] + t * slope


@_fast  # type: ignore[untyped-decorator]
def _class_of(got: float, y: float, error: float, limits: Any) -> int:
    """The mark of a NaN or an infinity; OVER for one in place of a number of its sign, whose error is measured."""
    if np.isnan(got):
        return WRONG
    if abs(abs(y) - limits[OVERFLOW]) <= error + abs(y) * 2.0**-50:
        return PENDING
    same_side = y == 0.0 or (got > 0) == (y > 0)
    if same_side:
        return OK if abs(y) > limits[OVERFLOW] else OVER
    return WRONG


@_fast  # type: ignore[untyped-decorator]
def _read_as_zero(got: float, magnitude: int, limits: Any) -> bool:
    """Whether the input is subnormal, read as 0, and the result right there."""
    if not limits[FLUSHES_INPUTS] or magnitude >= limits[MIN_NORMAL_BITS]:
        return False
    if np.isinf(got) and limits[EITHER_INFINITY]:
        return True
    low, high = limits[ZERO_LOW] - limits[ROOM_LOW], limits[ZERO_HIGH] + limits[ROOM_HIGH]
    return bool(low <= got <= high)


@_fast  # type: ignore[untyped-decorator]
def _measure(u: float, m: float, quantum: float, unit: float, limits: Any) -> float:
    """An error by the contract's metric, from u, m and the units of both and of the training contract."""
    return u if limits[METRIC] == 0.0 else m if limits[METRIC] == 1.0 else u * quantum / unit


@_fast  # type: ignore[untyped-decorator]
def _against(measure: float, limits: Any) -> int:
    """OK for an error within the contract, OVER beyond it, PENDING where the models' bound leaves that open."""
    slack = limits[LIMIT] * MARGIN + BOUND
    if measure < limits[LIMIT] - slack:
        return OK
    return PENDING if measure <= limits[LIMIT] + slack else OVER


@_fast  # type: ignore[untyped-decorator]
def _failure(got: float, y: float, quantum: float, moved: float, unit: float, magnitude: int, limits: Any) -> int:
    """The mark of a result beyond the contract."""
    if _read_as_zero(got, magnitude, limits):
        return EXCUSED
    size, least = abs(y), limits[MIN_NORMAL]
    zero = got == 0 or (limits[FLUSHES_INPUTS] and abs(got) < least)
    saturated = got == 0 or got == limits[ASYMPTOTE_LEFT] or got == limits[ASYMPTOTE_RIGHT]
    if (zero or saturated) and abs(size - least) <= least * EDGE:
        return PENDING
    if zero and limits[FLUSHES_RESULTS] and size < least:
        return EXCUSED
    if zero and got != 0:  # whatever comes next reads it as 0
        held = _against(_measure(size / quantum, size / (quantum + moved), quantum, unit, limits), limits)
        if held != OVER:
            return EXCUSED if held == OK else PENDING
    if np.isinf(got) or got * np.sign(y) < 0:
        return WRONG
    return LOST if saturated and size >= least else OVER


@_fast  # type: ignore[untyped-decorator]
def _examine(
    g: Any, start: int, stride: int, first: float, scale: float, c: Any, low: float, error: float, limits: Any,
    s: Any, m: Any, quantum: Any, constant: Any, marks: Any, counts: Any,
) -> int:  # fmt: skip
    """Mark the inputs of a block one by one, and put the errors of infinities in place.

    A class mismatch and what is left to the oracle have no error here, and what is excused counts as none: they get 0.
    Returns how many the first two are.
    """
    box = np.empty(1, np.int64)
    number = box.view(np.float64)
    without = 0
    for i in range(g.size):
        box[0] = quantum[i] if constant == 0 else constant
        q = number[0]
        rest, slope = _value((first + np.float64(i * stride)) * scale, c, low)
        y, moved = c[0] + rest, abs(slope * scale)
        got = np.float64(g[i])
        number[0] = y
        mark = OK
        if constant == 0 and (box[0] - _STEPS ^ box[0] + _STEPS) & _EXPONENT:
            mark = PENDING
        elif not np.isfinite(got):
            mark = _class_of(got, y, error, limits)
            if mark == OK:
                s[i] = m[i] = 0.0
                continue
        if mark == WRONG:
            mark = EXCUSED if _read_as_zero(got, start + i * stride, limits) else WRONG
            counts[FELT] += mark == WRONG
            counts[MISMATCHED] += mark == WRONG
            without += mark == WRONG
            s[i] = m[i] = 0.0
        elif mark != PENDING:
            spurious = mark == OVER
            if spurious:
                gap = (np.copysign(limits[BEYOND_FORMAT], got) - c[0]) - rest
                s[i], m[i] = gap / q, abs(gap) / (q + moved)
            u = abs(s[i])
            unit = max(limits[UNIT], limits[UNBOUNDED] * abs(y))
            if not spurious:
                mark = _against(_measure(u, m[i], q, unit, limits), limits)
                if mark == OK:
                    continue
            if mark == OVER:
                mark = _failure(got, y, q, moved, unit, start + i * stride, limits)
                if mark not in (EXCUSED, PENDING) and (spurious or u * q > limits[TRAINING_LIMIT] * unit):
                    counts[FELT] += 1
        marks[i] = mark
        without += mark == PENDING
        if mark in (EXCUSED, PENDING):
            s[i] = m[i] = 0.0
    return without


@_fast  # type: ignore[untyped-decorator]
def _suspicious(limits: Any, top_u: Any, top_m: Any, constant: Any) -> bool:
    """Whether any input of a block may lie beyond the contract; u and m by the bits of their largest."""
    box = np.empty(3, np.int64)
    box[0], box[1], box[2] = top_u, top_m, constant
    values = box.view(np.float64)
    bound = limits[LIMIT] * (1 - MARGIN) - BOUND
    if limits[METRIC] == 0.0:
        return bool(values[0] >= bound)
    if limits[METRIC] == 1.0:
        return bool(values[1] >= bound)
    return constant == 0 or bool(values[0] * values[2] >= bound * limits[UNIT])


@_fast  # type: ignore[untyped-decorator]
def sweep(
    g: Any, start: int, stride: int, shift: int, run: int, starts: Any, stops: Any, kinds: Any, centres: Any,
    scales: Any, coefficients: Any, lows: Any, errors: Any, quanta: Any, limits: Any, order: int, marks: Any, best: Any,
    where: Any, counts: Any, risen: Any, fallen: Any, mixed: Any, absolute: Any, envelope: Any, mixed_envelope: Any,
) -> None:  # fmt: skip
    """Judge the results ``g`` (float32) at every ``stride``-th magnitude from ``start`` on; ``run`` is the first's run.

    The arrays after ``order`` receive the answer, as ``collect`` names their places: ``marks`` one byte per input;
    ``best`` with the magnitudes ``where``; ``counts``; the histograms of errors above and below the exact value in
    ulps, of m and of absolute errors; the greatest u and m per ``2**shift`` magnitudes.
    """
    s, m, y = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    quantum = np.zeros(BLOCK, np.int64)
    bits = g.view(np.uint32)
    at = 0
    while at < g.size:
        magnitude = start + at * stride
        while stops[run] <= magnitude:
            run += 1
        # A block ends with its run, with the results, and where the envelope's bin ends.
        room = min(stops[run], (magnitude >> shift) + 1 << shift) - magnitude
        n = min(BLOCK, g.size - at, (room + stride - 1) // stride)
        part = g[at : at + n]
        top = np.uint32(0)
        for i in range(n):
            top = max(top, bits[at + i] & np.uint32(0x7FFFFFFF))
        kind = kinds[run]
        if kind == MODEL:
            sb, mb, qb = s[:n], m[:n], quantum[:n]
            c, low, error, scale = coefficients[run], lows[run], errors[run], scales[run]
            first = np.float64(magnitude - centres[run])
            constant = np.int64(0)
            doubt = False
            if quanta[run] == VARIES:
                doubt = _varying_errors(part, first, np.float64(stride), scale, c, low, limits, sb, mb, y[:n], qb)
            else:
                constant = np.int64(quanta[run] + 1023) << 52
                _errors(part, first, np.float64(stride), scale, c, low, 2.0 ** -quanta[run], sb, mb)
            without = 0
            top_u, top_m = _bits_max(sb), _bits_max(mb)
            if top >= _INFINITE or doubt or _suspicious(limits, top_u, top_m, constant):
                without = _examine(
                    part, magnitude, stride, first, scale, c, low, error, limits, sb, mb, qb, constant,
                    marks[at : at + n], counts,
                )  # fmt: skip
                top_u, top_m = _bits_max(sb), _bits_max(mb)
            widest = _count(sb, mb, qb, constant, risen, fallen, mixed, absolute)
            risen[0] -= without
            mixed[0] -= without
            absolute[0] -= without
            _keep(best, where, U, top_u, sb, 0, magnitude, stride)
            _keep(best, where, M, top_m, mb, 1, magnitude, stride)
            _keep(best, where, ABOVE, _signed_max(sb, 0), sb, 1, magnitude, stride)
            _keep(best, where, BELOW, _signed_max(sb, ~_MAGNITUDE), sb, -1, magnitude, stride)
            _keep_absolute(best, where, widest, sb, qb, constant, magnitude, stride)
            bin_ = magnitude >> shift
            envelope[bin_] = max(envelope[bin_], top_u)
            mixed_envelope[bin_] = max(mixed_envelope[bin_], top_m)
            counts[JUDGED] += n - without
        else:
            for i in range(n):
                got = part[i]
                mark = PENDING
                if kind == BEYOND and np.isinf(got) and (got > 0) == (coefficients[run, 0] > 0):
                    mark = OK
                elif kind == BEYOND and (np.isinf(got) or np.isnan(got)):
                    mark = WRONG
                elif kind == NOWHERE:
                    mark = UNJUDGED if order else OK if np.isnan(got) else WRONG
                if mark == WRONG and _read_as_zero(np.float64(got), magnitude + i * stride, limits):
                    mark = EXCUSED
                marks[at + i] = mark
                counts[FELT] += mark == WRONG
                counts[MISMATCHED] += mark == WRONG
                if mark in (OK, EXCUSED):
                    for histogram in (risen, mixed, absolute):
                        histogram[0] += 1
                    counts[JUDGED] += 1
                    bin_ = magnitude + i * stride >> shift
                    envelope[bin_] = max(envelope[bin_], 0)
                    mixed_envelope[bin_] = max(mixed_envelope[bin_], 0)
        at += n


@_fast  # type: ignore[untyped-decorator]
def nearer(
    one: Any, other: Any, start: int, run: int, stops: Any, kinds: Any, centres: Any, scales: Any, coefficients: Any,
    lows: Any, errors: Any, limits: Any, sides: Any,
) -> None:  # fmt: skip
    """Which of two results (float32) is nearer to the exact value, wherever their bits differ.

    They are those at the magnitudes from ``start`` on; ``run`` is the first's run. ``sides`` (uint8) receives the
    answers, OPEN where the model leaves it open.
    """
    ours, theirs = one.view(np.uint32), other.view(np.uint32)
    for i in range(one.size):
        if ours[i] == theirs[i]:
            continue
        magnitude = start + i
        while stops[run] <= magnitude:
            run += 1
        sides[i] = OPEN
        if kinds[run] != MODEL:
            continue
        c = coefficients[run]
        rest, _ = _value(np.float64(magnitude - centres[run]) * scales[run], c, lows[run])
        a, b = np.float64(one[i]), np.float64(other[i])
        if (np.isinf(a) or np.isinf(b)) and abs(c[0] + rest) > limits[OVERFLOW] / 2:
            continue
        off, off_other = abs((a - c[0]) - rest), abs((b - c[0]) - rest)
        if np.isnan(a) or np.isnan(b):
            off, off_other = np.float64(np.isnan(a)), np.float64(np.isnan(b))
        room = 2 * errors[run] + BESIDE * (abs(rest) + max(off, off_other))
        if off + room < off_other:
            sides[i] = NEARER
        elif off_other + room < off:
            sides[i] = FARTHER
