"""Taylor models: f^(n) on runs of consecutive floats as one polynomial each, with a proven error bound.

A run of floats of one binade lies evenly, so f^(n) there is a polynomial in the number of the float. Its coefficients
come from arb's power series at the run's middle, its remainder from arb's enclosure of the next coefficient over the
whole run (Lagrange), its rounding errors from counting. Runs are halved until the bound is small beside the quantum of
the least value; far out, where f^(n) is constant, vanished or beyond float64, a binade is one run. So every one of
2^32 inputs costs a few multiplications, and no value rests on anybody's float64 library.

Taylor models: Makino, Berz, "Taylor models and other validated functional inclusion methods", Int. J. Pure Appl.
Math. 4 (2003). Not to be had without python-flint: all is OPEN then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import Format
from gradproof.formats.arrays import Floats, Ints
from gradproof.functions.function import Function
from gradproof.oracle import arb_route
from gradproof.oracle.tails import Tails

TERMS: Final = 8
"""Coefficients of a model. Fewer make more and shorter runs, more cost every input."""
BOUND: Final = 2.0**-22
"""Largest error of a model, in quanta of the least value on its run: what it can add to an error in ulps."""
VARIES: Final = 1 << 20
"""In place of a quantum's exponent: the values on the run cross a power of two."""
SPAN: Final = 1000
"""Models hold values below 2^SPAN; BEYOND is all that is larger, and what is below 2^-SPAN counts as 0."""

MODEL, BEYOND, OPEN, NOWHERE = range(4)
"""Kinds of runs: a polynomial; greater than 2^SPAN in magnitude, by the sign of the first coefficient; left to the
oracle, input by input; outside the function's domain."""

_PRECISION: Final = 128
_MOST_PRECISION: Final = 2048
_SHORT: Final = 1024
"""Runs of this many floats on which arb finds nothing at its middle are left open."""
_PATIENCE: Final = 64
"""So many short open runs in one block, and the rest of it is left open at once."""
_ATTEMPTS: Final = (1 << 12, 1 << 5)
"""Runs that are tried in one block at most, the rest is left open; and in one that follows a block where that happened.
The hardest block of a catalogued function takes 1,400; where a function turns faster than floats follow one another,
as sin(x) at 1e8, every float would be a run."""
_DOUBTFUL: Final = 4096
"""Runs of more floats are halved when they come so near to a power of two that single quanta would be in doubt."""
_EVALUATION: Final = (2 * TERMS + 4) * 2.0**-53
"""Relative rounding error of the polynomial without its first term, by Horner's rule (Higham 2002, section 5.1)."""
_UP: Final = 1 + 2.0**-40


@dataclass(frozen=True)
class TaylorModels:
    """f^(n) at the magnitudes (bit patterns without the sign) of one sign, run after run; arrays of shape (runs,).

    On run i, for ``start[i] <= magnitude < stop[i]`` and t = (magnitude - centre[i]) * scale[i], |t| <= 1:
    f^(n) = coefficients[i, 0] + (low[i] + sum over k >= 1 of coefficients[i, k] t^k) within ``error[i]``, and the
    quantum of the input moves it by |scale[i]| times the derivative by t, known to BOUND quanta of the result.
    ``quantum`` is log2 of the quantum of the exact value, or VARIES. ``error`` is 0 where float64 makes no error.
    """

    start: Ints
    stop: Ints
    kind: npt.NDArray[np.uint8]
    centre: Ints
    scale: Floats
    coefficients: Floats
    low: Floats
    error: Floats
    quantum: Ints

    @property
    def slack(self) -> tuple[float, float]:
        """By how much an error that these models give is off at most: in quanta of the exact value, and absolutely."""
        held = self.error[self.kind == MODEL]
        return (BOUND if held.any() else 0.0), float(held.max(initial=0.0))


@dataclass(frozen=True)
class _Run:
    start: int
    stop: int
    kind: int
    centre: int = 0
    scale: float = 0.0
    coefficients: tuple[float, ...] = (0.0,) * TERMS
    low: float = 0.0
    error: float = 0.0
    quantum: int = VARIES


def taylor_models(
    function: Function, fmt: Format, order: int, *, negative: bool, first: int, last: int
) -> TaylorModels:
    """Models of f^(order) at the magnitudes ``first`` to ``last`` (both included, finite, not 0) of one sign.

    ``fmt`` has at most 32 bits: the bound is to be had with float64 coefficients. Breakpoints and the domain's ends
    are runs of their own, OPEN.
    """
    builder = _Builder(function, fmt, order, negative=negative)
    runs = [
        run for a, b, kind in blocks(function, fmt, first, last, sign=builder.sign) for run in builder.cover(a, b, kind)
    ]
    return TaylorModels(
        start=np.array([r.start for r in runs], np.int64),
        stop=np.array([r.stop for r in runs], np.int64),
        kind=np.array([r.kind for r in runs], np.uint8),
        centre=np.array([r.centre for r in runs], np.int64),
        scale=np.array([r.scale for r in runs], np.float64),
        coefficients=np.array([r.coefficients for r in runs], np.float64).reshape(len(runs), TERMS),
        low=np.array([r.low for r in runs], np.float64),
        error=np.array([r.error for r in runs], np.float64),
        quantum=np.array([r.quantum for r in runs], np.int64),
    )


def blocks(
    function: Function, fmt: Format, first: int, last: int, *, sign: int, cut: Iterable[int] = ()
) -> Iterator[tuple[int, int, int]]:
    """Parts of one binade and of one piece between two magnitudes (both included) of one sign, in growing order.

    They also end before each magnitude of ``cut``.

    Each as (start, stop, kind): OPEN for breakpoints and the domain's ends, NOWHERE, or MODEL for all others.
    """
    cuts = {first, last + 1, *(c for c in cut if first < c <= last)}
    step = fmt.min_normal_bits
    cuts.update(range(-(-first // step) * step, last + 1, step))
    points = set()
    ends = [end for end in function.ends if isinstance(end, Fraction)]
    for point in (*function.breaks, *ends):
        at, exact = _position(point * sign, fmt)
        if at is None:
            continue
        cuts.update(c for c in (at, at + 1) if first < c <= last)
        if exact:
            points.add(at)
    low, high = function.ends
    for a, b in pairwise(sorted(cuts)):
        kind = MODEL
        if a in points:
            kind = OPEN
        elif not low < fmt.value(a) * sign < high:
            kind = NOWHERE
        yield a, b, kind


def _position(size: Fraction, fmt: Format) -> tuple[int | None, bool]:
    """The magnitude of the last float at or before ``size`` outward from 0, and whether it is ``size``.

    None where that is 0, on the other side, or beyond the format.
    """
    if size <= 0 or size > fmt.max_value:
        return None, False
    nearest = fmt.round(size)
    at = nearest - (fmt.value(nearest) > size)
    return at, fmt.value(at) == size


class _Builder:
    """The models of one order on one side of 0."""

    def __init__(self, function: Function, fmt: Format, order: int, *, negative: bool) -> None:
        self.function = function
        self.format = fmt
        self.order = order
        self.sign = -1 if negative else 1
        self._tails = [Tails(function, piece, self.sign) for piece in range(len(function.pieces))]
        self._factors = [math.perm(k + order, order) for k in range(TERMS + 1)]
        self._attempts = _ATTEMPTS[0]

    def _value(self, magnitude: int) -> Fraction:
        return self.format.value(magnitude) * self.sign

    # -- runs -------------------------------------------------------------------------------------------

    def cover(self, start: int, stop: int, kind: int) -> Iterator[_Run]:
        """The runs of one block."""
        if kind != MODEL or not arb_route.AVAILABLE:
            yield _Run(start, stop, kind if kind != MODEL else OPEN)
            return
        piece = self.function.piece_at(self._value((start + stop) // 2))
        waiting, refused, left = [(start, stop)], 0, self._attempts
        while waiting and left:
            left -= 1
            a, b = waiting.pop()
            made = self._attempt(piece, a, b)
            if not isinstance(made, str):
                yield from made
            elif (short := b - a <= _SHORT) and made == "blind":
                yield _Run(a, b, OPEN)
                refused += 1
            elif b - a == 1 or made == "foreign" or (refused > _PATIENCE and not short):
                yield _Run(a, b, OPEN)
            else:
                middle = (a + b) // 2
                waiting += [(middle, b), (a, middle)]
        self._attempts = _ATTEMPTS[bool(waiting)]
        if waiting:
            yield _Run(waiting[-1][0], stop, OPEN)

    def _attempt(self, piece: int, start: int, stop: int) -> list[_Run] | str:
        """One model, cut where its quantum changes; ``wide`` where the run is too long, ``blind`` where arb finds
        nothing at its middle, ``foreign`` where the definition needs something that arb lacks.
        """
        centre = (start + stop) // 2
        x = self._value(centre)
        # Near 0 definitions cancel, and arb's precision is absolute there.
        precision = _PRECISION + 2 * max(0, -math.frexp(float(x))[1])
        answer: list[_Run] | str = "blind"
        while precision <= _MOST_PRECISION:
            try:
                with arb_route.working(precision, TERMS + self.order + 1):
                    found = self._model(piece, start, stop, centre, x)
                    answer = found if isinstance(found, str) else self._cut(piece, found)
                    if not isinstance(answer, str) and stop - start > _DOUBTFUL and any(map(_grazes, answer)):
                        answer = "wide"
            except (AttributeError, TypeError):
                return "foreign"
            except (ArithmeticError, ValueError):
                answer = "wide"
            if answer != "blind":
                break
            precision *= 2
        if isinstance(answer, str) and abs(x) >= 1 and self._whole_binade(start, stop):
            tail = self._tail(piece, start, stop, centre, x)
            return [tail] if tail else answer
        return answer

    def _whole_binade(self, start: int, stop: int) -> bool:
        return stop - start == self.format.min_normal_bits and start % self.format.min_normal_bits == 0

    def _model(self, piece: int, start: int, stop: int, centre: int, x: Fraction) -> _Run | str:
        """As ``_attempt``, at the precision in force."""
        number, order, fmt = arb_route.number, self.order, self.format
        low, high = sorted((self._value(start), self._value(stop - 1)))
        at = arb_route.coefficients(self.function, piece, number(x))
        reach = max(centre - start, stop - 1 - centre, 1)
        steps = (reach - 1).bit_length()
        exponent = fmt.quantum_exponent(x) + steps
        radius = number(Fraction(2) ** exponent)
        scaled, power = [], number(1)
        for k in range(TERMS + 1):
            if k < TERMS:
                scaled.append(at[k + order] * self._factors[k] * power)
                power = power * radius
        if not all(c.is_finite() for c in scaled):
            return "blind"
        values = [float(c) for c in scaled]
        if not all(map(math.isfinite, values)) or abs(values[0]) > 2.0**SPAN:
            return self._beyond(piece, start, stop, centre, values[0])
        rests = [c - v for c, v in zip(scaled, values, strict=True)]
        low_part = float(rests[0])
        rests[0] = rests[0] - low_part
        uncertain = sum(map(_largest, rests))
        moving = sum(map(abs, values[1:]))
        least = max(abs(values[0]) - moving - abs(low_part), 0.0)
        room = BOUND * _quantum(least * (1 - 2.0**-20), fmt)
        if uncertain > BOUND / 8 * _quantum(abs(values[0]), fmt):
            return "blind"
        if start + 1 == stop:
            remainder = 0.0
        else:
            over = arb_route.coefficients(self.function, piece, number(low).union(number(high)))[TERMS + order]
            remainder = _largest(over * self._factors[TERMS] * power) if over.is_finite() else math.inf
        evaluation = 0.0 if self._exact(values, low_part) else _EVALUATION * (moving + abs(low_part)) + 2.0**-SPAN
        error = (remainder + uncertain + evaluation) * _UP
        if not error <= room:
            return "wide"
        quantum = self._quantum_on(scaled[0], moving + error, values[0])
        return _Run(start, stop, MODEL, centre, self.sign * 2.0**-steps, tuple(values), low_part, error, quantum)

    def _beyond(self, piece: int, start: int, stop: int, centre: int, value: float) -> _Run | str:
        """A run on which all values exceed 2^SPAN."""
        low, high = sorted((self._value(start), self._value(stop - 1)))
        over = arb_route.coefficients(self.function, piece, arb_route.number(low).union(arb_route.number(high)))
        if abs(over[self.order]) * self._factors[0] > 2**SPAN:
            return _Run(start, stop, BEYOND, centre, 0.0, (math.copysign(math.inf, value), *(0.0,) * (TERMS - 1)))
        return "wide"

    def _cut(self, piece: int, run: _Run) -> list[_Run]:
        """``run`` with its quantum, which arb's values at both ends give where f^(n) is monotone; one float at an end
        may have another, as where tanh x < x = 2^k.
        """
        _, first, *rest = run.coefficients
        if run.quantum != VARIES or abs(first) <= sum(k * abs(c) for k, c in enumerate(rest, 2)) * _UP:
            return [run]
        start, stop = run.start, run.stop
        left, right = self._binade(piece, start), self._binade(piece, stop - 1)
        if left == right:
            return [run if left is None else replace(run, quantum=left)]
        if right is not None and self._binade(piece, start + 1) == right:
            return [replace(run, stop=start + 1, quantum=left or VARIES), replace(run, start=start + 1, quantum=right)]
        if left is not None and self._binade(piece, stop - 2) == left:
            return [replace(run, stop=stop - 1, quantum=left), replace(run, start=stop - 1, quantum=right or VARIES)]
        return [run]

    def _binade(self, piece: int, magnitude: int) -> int | None:
        """log2 of the quantum of the exact value at one input; None where arb cannot tell."""
        x = arb_route.number(self._value(magnitude))
        value = arb_route.coefficients(self.function, piece, x)[self.order] * self._factors[0]
        size = float(value)
        if not math.isfinite(size):
            return None
        return None if (found := self._quantum_on(value, 0.0, size)) == VARIES else found

    def _exact(self, values: list[float], low_part: float) -> bool:
        """Whether float64 computes g minus the model without any error: a line whose values the format holds."""
        if low_part or any(values[2:]):
            return False
        short = float(np.float32(values[1])) == values[1]
        held = self.format.holds(Fraction(values[0]))
        return short and held and (not values[1] or abs(values[1]) * 2.0**-self.format.precision > 2.0**-900)

    def _quantum_on(self, first: Any, spread: float, value: float) -> int:
        """log2 of the quantum on the run, or VARIES; ``first`` is arb's value at the middle.

        A ball that cannot be told from a power of two counts as that power, as in ``Reference.set_values``.
        """
        size = abs(value)
        outer = spread + size * 2.0**-50
        lower, upper = (_log2_quantum(max(end, 0.0), self.format) for end in (size - outer, size + outer))
        if lower == upper:
            return lower
        power = 2.0 ** (upper + self.format.precision - 1)
        if spread > 2.0**-40 * power:
            return VARIES
        beyond, ball = abs(first) - arb_route.number(power), arb_route.number(spread)
        if beyond + ball < 0:
            return lower
        if beyond - ball >= 0 or spread < 2.0**-60 * power:
            return upper
        return VARIES

    def _tail(self, piece: int, start: int, stop: int, centre: int, x: Fraction) -> _Run | None:
        """What is known of the whole binade from its ends: vanished, beyond, constant, or x itself."""
        found = self._tails[piece].verdicts(math.frexp(float(abs(x)))[1] - 1)
        value, slope = found[self.order], found[self.order + 1]
        if value is None or slope is None:
            return None
        steps = (max(centre - start, stop - 1 - centre) - 1).bit_length()
        scale = self.sign * 2.0**-steps
        if value.exponent > SPAN:
            first = math.copysign(math.inf, value.value[0])
            return _Run(start, stop, BEYOND, centre, scale, (first, *(0.0,) * (TERMS - 1)))
        x_quantum = 2.0 ** self.format.quantum_exponent(x)
        if value.sloped:
            first, low_part, error = float(x), 0.0, value.rad * 2 * abs(float(x))
            second = x_quantum / scale
        else:
            first, low_part, error = (_ldexp(part, value.exponent) for part in (*value.value, value.rad))
            second = 0.0
            if abs(first) < 2.0**-SPAN:
                first, low_part, error = 0.0, 0.0, error + abs(first)
        error = error * _UP + 2.0**-SPAN
        quantum = _quantum(max(abs(first) - abs(second) - error, 0.0), self.format)
        moved = 0.0 if value.sloped else _ldexp(abs(slope.value[0]) + slope.rad, slope.exponent) * x_quantum
        if not (error <= BOUND * quantum and moved <= BOUND * quantum):
            return None
        with arb_route.working(_PRECISION):
            exact = arb_route.number(first) + arb_route.number(low_part)
            exponent = self._quantum_on(exact, abs(second) + error, first)
        coefficients = (first, second, *(0.0,) * (TERMS - 2))
        return _Run(start, stop, MODEL, centre, scale, coefficients, low_part, error, exponent)


def _grazes(run: _Run) -> bool:
    """Whether the values hardly vary and yet may lie on both sides of a power of two, as where a function saturates."""
    return run.quantum == VARIES and sum(map(abs, run.coefficients[1:])) < 2.0**-30 * abs(run.coefficients[0])


def _ldexp(mantissa: float, exponent: int) -> float:
    return math.ldexp(mantissa, min(max(exponent, -3000), SPAN))


def _largest(ball: Any) -> float:
    """An upper bound of |ball| as a float64."""
    return 0.0 if ball == 0 else float(abs(ball).upper()) * _UP + 2.0**-1060


def _log2_quantum(size: float, fmt: Format) -> int:
    exponent = math.frexp(size)[1] - 1 if size else fmt.e_min
    return max(exponent, fmt.e_min) - fmt.precision + 1


def _quantum(size: float, fmt: Format) -> float:
    return 2.0 ** _log2_quantum(size, fmt)
