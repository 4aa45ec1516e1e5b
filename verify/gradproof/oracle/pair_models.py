"""Taylor models for float64: f, f' and f'' on runs of consecutive floats, in pairs of float64, with proven errors.

As ``taylor_models``, with what 53 significant bits ask for: coefficients of every exponent (a value may be e^-740 or
e^1000), the first ones as pairs, and polynomials in x itself where these hold on hundreds of binades: near 0
(``expansion``), on straight pieces, and where f^(n) is constant, vanished or x itself (``tails``). The orders of one
side share their runs, whose series arb computes once; the backends, modes and orders of a function share the models.

Taylor models: Makino, Berz, "Taylor models and other validated functional inclusion methods", Int. J. Pure Appl.
Math. 4 (2003).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import FLOAT64
from gradproof.formats.arrays import Floats, Ints
from gradproof.functions.function import Function
from gradproof.oracle import arb_route, pairs
from gradproof.oracle.dyadic import Dyadic
from gradproof.oracle.expansion import Expansion, expansion
from gradproof.oracle.series import ORDERS
from gradproof.oracle.tails import TailBound, Tails
from gradproof.oracle.taylor_models import BEYOND, MODEL, OPEN, blocks

JUDGED: Final = 3
TERMS: Final = 20
"""Coefficients of a model."""
PAIRED: Final = 6
"""So many of them, the first ones, are pairs."""
PAIR_BOUND: Final = 2.0**-12
"""Largest error of a model, in quanta of the least value on its run."""
POWER: Final = 4
"""A kind of run beside those of ``taylor_models``: x^k times a polynomial in x."""
NEAR: Final = (2.0**-13, 2.0**11)
REACH: Final = 1 << 40
"""Ordinals on either side of a place that many inputs surround: 2^-12 of the place."""
SLOPE_BOUND: Final = 2.0**-8
"""By how much the unit of the mixed error may be off, relatively."""

_FORMAT: Final = FLOAT64
_PRECISION: Final = 192
_MOST_PRECISION: Final = 1536
ORDINARY: Final = (2.0**-13, 2.0**11)
"""Between these inputs a binade may take 4,096 runs, as e^(-x^2 / 2) does beside 32; beyond them two: shorter ones cost
more than the oracle's answers to the few inputs of a run that lie on them, which go to it."""
_PATIENCE: Final = 8
"""So many shortest runs in a row of which nothing was found, and the rest of the block is left open."""
_TRIES: Final = 8
_RETRY: Final = 16
"""Where nothing was found of two blocks, the next ones are left open, but for two in so many."""
_UP: Final = 1 + 2.0**-40
_LATER: Final = (2 * TERMS + 8) * 2.0**-53
"""Relative error of the part of the polynomial that is no pair: Horner's rule, and coefficients rounded once."""
_PAIRED: Final = 2.0**-96
"""The same of the paired part: at most 2 PAIRED operations of 15 * 2^-106 each, and the products with t."""
_FAINT: Final = 2.0**-900
_FLOOR: Final = -2400
"""Exponents below are as good as it: nothing that small is told from 0, times any quantum of an input."""


@dataclass(frozen=True)
class PairModels:
    """Runs of the float64 magnitudes of one sign; ``start`` and ``stop`` of shape (runs,), the rest by order first.

    MODEL: f^(n) = 2^exponent (sum of coefficients[n, i, k] t^k), t = (magnitude - centre) * scale, |t| <= 1, within
    PAIR_BOUND quanta of the result; the first coefficients go on in ``low``. POWER: f^(n) = 2^exponent x^leading (sum
    of coefficients[n, i, k] x^k) to 2^-80 of itself, orders 0 to 3. BEYOND: rounds to an infinity, by the first
    coefficient's sign. Order 3 only scales the mixed error of order 2 where order 2 is POWER.
    """

    start: Ints
    stop: Ints
    centre: Ints
    scale: Floats
    kind: npt.NDArray[np.uint8]
    coefficients: Floats
    low: Floats
    exponent: Ints
    leading: Ints
    crossings: Ints
    """Ordinals of this sign where values leave the normal numbers (``crossings``)."""


@dataclass(frozen=True)
class _OrderRow:
    """One order on one run."""

    kind: int = OPEN
    coefficients: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    exponent: int = 0
    leading: int = 0


_OPEN: Final = _OrderRow()


@dataclass
class _PairRun:
    start: int
    stop: int
    rows: tuple[_OrderRow, ...] = (_OPEN,) * ORDERS
    centre: int = 0
    scale: float = 0.0


def pair_models(
    function: Function, *, negative: bool, near: Sequence[int] = (), crossings: Sequence[int] = ()
) -> PairModels:
    """Models at all finite float64 magnitudes but 0 of one sign.

    Within REACH of the ordinals ``near`` and ``crossings`` there are runs of their own wherever a short one does:
    many inputs are to be judged there. ``crossings`` are kept.
    """
    runs = _joined(_PairBuilder(function, negative=negative).runs((*near, *crossings)))
    count = len(runs)
    made = PairModels(
        start=np.array([r.start for r in runs], np.int64),
        stop=np.array([r.stop for r in runs], np.int64),
        centre=np.array([r.centre for r in runs], np.int64),
        scale=np.array([r.scale for r in runs], np.float64),
        kind=np.zeros((ORDERS, count), np.uint8),
        coefficients=np.zeros((ORDERS, count, TERMS)),
        low=np.zeros((ORDERS, count, PAIRED)),
        exponent=np.zeros((ORDERS, count), np.int64),
        leading=np.zeros((ORDERS, count), np.int64),
        crossings=np.array([c for c in crossings if (c < 0) == negative], np.int64),
    )
    for i, run in enumerate(runs):
        for order, row in enumerate(run.rows):
            made.kind[order, i] = row.kind
            made.coefficients[order, i, : len(row.coefficients)] = row.coefficients
            made.low[order, i, : len(row.low)] = row.low
            made.exponent[order, i], made.leading[order, i] = row.exponent, row.leading
    return made


def _joined(runs: Iterator[_PairRun]) -> list[_PairRun]:
    """Runs that touch and say the same put together."""
    made: list[_PairRun] = []
    for run in runs:
        last = made[-1] if made else None
        alike = last is not None and last.stop == run.start and last.rows == run.rows
        if alike and not any(row.kind == MODEL for row in run.rows):
            last.stop = run.stop  # type: ignore[union-attr]
        else:
            made.append(run)
    return made


class _PairBuilder:
    """One side of 0."""

    def __init__(self, function: Function, *, negative: bool) -> None:
        self.function = function
        self.sign = -1 if negative else 1
        self._tails = [Tails(function, piece, self.sign) for piece in range(len(function.pieces))]
        self._near = [expansion(function, piece, precise=True) for piece in range(len(function.pieces))]
        self._faded = False
        """Whether something was known of a whole binade where the last run lies."""
        self._vain = 0
        """Blocks in a row of which nothing was found."""

    def _value(self, magnitude: int) -> Fraction:
        return _FORMAT.value(magnitude) * self.sign

    def runs(self, near: Iterable[int]) -> Iterator[_PairRun]:
        """All of them, in growing order; ``near`` are ordinals."""
        # Further in and out one run is a binade at least, or nothing is known but of whole ones.
        inner, outer = (_FORMAT.round(Fraction(end)) for end in NEAR)
        places = [abs(o) for o in near if inner <= abs(o) <= outer and (o > 0) == (self.sign > 0)]
        cut = [p + side * REACH for p in places for side in (-1, 1)]
        for start, stop, kind in blocks(self.function, _FORMAT, 1, _FORMAT.max_bits, sign=self.sign, cut=cut):
            if kind != MODEL or not arb_route.AVAILABLE:
                yield _PairRun(start, stop, (_OrderRow(kind if kind != MODEL else OPEN),) * ORDERS)
                continue
            piece = self.function.piece_at(self._value((start + stop) // 2))
            low, high = sorted((self._value(start), self._value(stop - 1)))
            whole = self._from_zero(piece, max(-low, high)) or self._straight(piece, low, high)
            if whole is None and (self._faded or self._vain) and _whole_binade(start, stop):
                rows = self._from_tails([_OPEN] * ORDERS, piece, self._value((start + stop) // 2))
                whole = tuple(rows) if _OPEN not in rows[:JUDGED] else None
            if whole:
                yield _PairRun(start, stop, whole)
                continue
            if self._vain % _RETRY >= 2 and stop - start > 2 * REACH:
                self._vain += 1
                yield _PairRun(start, stop)
                continue
            found = list(self._cover(piece, start, stop))
            self._faded = any(row.kind in (POWER, BEYOND) for row in found[-1].rows)
            self._vain = self._vain + 1 if all(run.rows[:JUDGED] == (_OPEN,) * JUDGED for run in found) else 0
            yield from found

    def _from_zero(self, piece: int, reach: Fraction) -> tuple[_OrderRow, ...] | None:
        found = self._near[piece]
        return _powers(found) if found and reach <= found.radius else None

    def _straight(self, piece: int, low: Fraction, high: Fraction) -> tuple[_OrderRow, ...] | None:
        """A piece that is constant, or a multiple of x, by its structure."""
        try:
            with arb_route.working(_PRECISION, ORDERS):
                at = arb_route.coefficients(self.function, piece, arb_route.number(low).union(arb_route.number(high)))
                if any(not (c.is_exact() and c == 0) for c in at[2:]):
                    return None
                slope = at[1]
                first = arb_route.coefficients(self.function, piece, arb_route.number(0))[0]
                if slope == 0 and slope.is_exact():
                    rows = [_constant(at[0]), *[_constant(arb_route.number(0))] * 3]
                elif first == 0 and first.is_exact():
                    one = _constant(slope)
                    rows = [one and replace(one, leading=1), one, *[_constant(arb_route.number(0))] * 2]
                else:
                    return None
        except (AttributeError, TypeError, ArithmeticError, ValueError):
            return None
        return tuple(row for row in rows if row) if all(rows) else None

    # -- runs of one block ------------------------------------------------------------------------------

    def _cover(self, piece: int, start: int, stop: int) -> Iterator[_PairRun]:
        waiting = [(start, stop)]
        size, well, vain = stop - start, 0, 0
        ordinary = ORDINARY[0] <= abs(self._value(start)) < ORDINARY[1]
        shortest = 1 << (40 if ordinary else 51)
        while waiting and vain < _PATIENCE:
            a, b = waiting.pop()
            if b - a <= size or b - a <= shortest:
                run, done = self._attempt(piece, a, b)
                if done or b - a <= shortest:
                    well = well + 1 if done and 2 * (b - a) > size else 0
                    vain = 0 if done else vain + 1
                    # What follows is most often like what came before: longer runs are tried now and then.
                    size = size * 2 if well % _TRIES == 1 else size
                    yield run
                    continue
                size = max((b - a) // 2, 1)
            middle = (a + b) // 2
            waiting += [(middle, b), (a, middle)]
        if waiting:
            yield _PairRun(waiting[-1][0], stop)

    def _attempt(self, piece: int, start: int, stop: int) -> tuple[_PairRun, bool]:
        """A run, and whether all judged orders are known on it."""
        centre = (start + stop) // 2
        x = self._value(centre)
        reach = max(centre - start, stop - 1 - centre, 1)
        steps = (reach - 1).bit_length()
        rows = [_OPEN] * ORDERS
        precision = _PRECISION + 2 * max(0, -math.frexp(float(x))[1])
        while precision <= _MOST_PRECISION:
            try:
                with arb_route.working(precision, TERMS + ORDERS):
                    found, blind = self._models(piece, start, stop, x, steps)
            except (AttributeError, TypeError):
                return _PairRun(start, stop), True
            except (ArithmeticError, ValueError):
                break
            rows = [new if old is _OPEN else old for old, new in zip(rows, found, strict=True)]
            if not blind:
                break
            precision *= 2
        if _OPEN in rows[:JUDGED] and abs(x) >= 1 and _whole_binade(start, stop):
            rows = self._from_tails(rows, piece, x)
        return _PairRun(start, stop, tuple(rows), centre, self.sign * 2.0**-steps), _OPEN not in rows[:JUDGED]

    def _models(self, piece: int, start: int, stop: int, x: Fraction, steps: int) -> tuple[list[_OrderRow], bool]:
        """The rows at the precision in force, OPEN where the run is too long, and whether more precision may help."""
        number = arb_route.number
        at = arb_route.coefficients(self.function, piece, number(x))
        if not all(c.is_finite() for c in at):
            return [_OPEN] * ORDERS, True
        step = _FORMAT.quantum_exponent(x) + steps
        low, high = sorted((self._value(start), self._value(stop - 1)))
        over = arb_route.coefficients(self.function, piece, number(low).union(number(high)))
        balls = [_ball(c) for c in at]
        rows, blind = [], False
        for order in range(JUDGED):
            rest = over[TERMS + order]
            if not rest.is_finite():
                rows.append(_OPEN)
                continue
            size = _largest(rest)
            row = _model(balls, size, order, step)
            blind |= row == "blind"
            rows.append(row if isinstance(row, _OrderRow) else _OPEN)
        return [*rows, _OPEN], blind

    def _from_tails(self, rows: list[_OrderRow], piece: int, x: Fraction) -> list[_OrderRow]:
        """``rows`` with what is known of the whole binade where they are open; of all orders alike, for the slopes."""
        verdicts = self._tails[piece].verdicts(math.frexp(float(abs(x)))[1] - 1)
        quantum = _FORMAT.quantum_exponent(x)
        tails = [_tail(verdict) for verdict in verdicts]
        made = list(rows)
        for order in range(JUDGED):
            row, slope = tails[order], tails[order + 1]
            if made[order] is not _OPEN or row is None:
                continue
            if row.kind == BEYOND:
                made[order] = row
            elif slope is not None and _slope_known(verdicts[order], verdicts[order + 1], quantum, x):
                made[order] = row
                if made[order + 1] is _OPEN:
                    made[order + 1] = slope
        return made


def _slope_known(value: TailBound | None, slope: TailBound | None, quantum: int, x: Fraction) -> bool:
    """Whether the unit of the mixed error is known where both come from tails."""
    assert value is not None
    assert slope is not None
    if slope.sloped:
        return False
    if value.sloped:
        size = math.frexp(float(abs(x)))[1] - 1
    else:
        size = (math.frexp(abs(value.value[0]))[1] - 1 if value.value[0] else _FLOOR) + value.exponent
    unit = max(size, _FORMAT.e_min) - _FORMAT.precision + 1
    known = 0.0 if not slope.rad else math.frexp(slope.rad)[1] + slope.exponent + quantum
    exact = not slope.rad or known <= unit - 8
    steep = math.frexp(abs(slope.value[0]))[1] - 9 if slope.value[0] else -(1 << 30)
    return exact or math.frexp(slope.rad)[1] <= steep


def _tail(verdict: TailBound | None) -> _OrderRow | None:
    if verdict is None:
        return None
    if verdict.sloped:
        return _OrderRow(POWER, (1.0,), (0.0,), 0, 1)
    hi, lo = verdict.value
    if verdict.exponent + math.frexp(hi)[1] > 1030:
        return _OrderRow(BEYOND, (math.copysign(1.0, hi),))
    return _OrderRow(POWER, (hi,), (lo,), max(verdict.exponent, _FLOOR))


def _powers(found: Expansion) -> tuple[_OrderRow, ...]:
    rows = []
    for polynomial in found.orders:
        hi = tuple(c[0] for c in polynomial.coefficients)
        lo = tuple(c[1] for c in polynomial.coefficients)
        rows.append(_OrderRow(POWER, hi, lo[:PAIRED], 0, polynomial.leading))
    return tuple(rows)


def _constant(ball: Any) -> _OrderRow | None:
    """A number known to 2^-88 of itself, or 0."""
    if ball.is_exact() and ball == 0:
        return _OrderRow(POWER, (0.0,), (0.0,))
    middle, radius = _ball(ball)
    if not middle.man or (radius.man and radius.exponent > middle.exponent - 88) or abs(middle.exponent) > 900:
        return None
    hi, lo = pairs.of(middle.fraction())
    return _OrderRow(POWER, (hi,), (lo,))


_Ball = tuple[Dyadic, Dyadic]


def _ball(c: Any) -> _Ball:
    """Middle and radius."""
    return arb_route.dyadic(c.mid()), arb_route.dyadic(c.rad())


def _largest(c: Any) -> int:
    """log2 of a bound of |c|."""
    middle, radius = _ball(c)
    sizes = [d.exponent + 1 for d in (middle, radius) if d.man]
    return max(sizes) + 1 if sizes else -(1 << 40)


def _model(balls: list[_Ball], rest: int, order: int, step: int) -> _OrderRow | str:
    """f^(order) from the Taylor coefficients of f about the middle; ``wide`` or ``blind`` where it is not good enough.

    ``rest`` is log2 of a bound of the Taylor coefficient TERMS + order over the run, ``step`` that of the radius.
    """
    scaled = []
    for k in range(TERMS):
        middle, radius = balls[k + order]
        factor = math.perm(k + order, order)
        scaled.append((middle.man * factor, middle.exp + k * step, radius.man * factor, radius.exp + k * step))
    tops = [exp + man.bit_length() for man, exp, _, _ in scaled if man]
    if not tops:
        return "blind" if any(r for _, _, r, _ in scaled) else _OrderRow(POWER, (0.0,), (0.0,))
    exponent = max(tops)
    values, lows, uncertain = [], [], 0.0
    for k, (man, exp, rad, rad_exp) in enumerate(scaled):
        hi, lo, lost = _split(man, exp - exponent)
        values.append(hi)
        uncertain += _scaled(rad, rad_exp - exponent)
        if k < PAIRED:
            lows.append(lo)
            uncertain += lost
    moving = sum(map(abs, values[1:]))
    least = max(abs(values[0]) * (1 - 2.0**-50) - moving - uncertain, 0.0)
    room = _room(least, exponent)
    if uncertain > _room(abs(values[0]), exponent) / 8 and uncertain > _FAINT:
        return "blind"
    factor = math.perm(TERMS + order, order)
    power = rest + factor.bit_length() + TERMS * step - exponent
    remainder = 0.0 if power < -1000 else 2.0 ** min(power, 1000)
    later = sum(map(abs, values[PAIRED:]))
    error = (remainder + uncertain + later * _LATER + (abs(values[0]) + moving) * _PAIRED + _FAINT) * _UP
    if not error <= room:
        return "wide"
    return _OrderRow(MODEL, tuple(values), tuple(lows), max(min(exponent, 1 << 20), _FLOOR))


def _room(least: float, exponent: int) -> float:
    """PAIR_BOUND quanta of ``least * 2^exponent``, in units of 2^exponent."""
    size = (math.frexp(least)[1] - 1 + exponent) if least else -(1 << 40)
    quantum = max(size, _FORMAT.e_min) - _FORMAT.precision + 1
    shift = quantum - exponent
    return PAIR_BOUND * 2.0 ** min(shift, 1000) if shift > -1000 else 0.0


def _split(man: int, exp: int) -> tuple[float, float, float]:
    """``man * 2^exp`` as a pair, and a bound of what is lost."""
    if not man or exp + man.bit_length() < -900:
        return 0.0, 0.0, _FAINT if man else 0.0
    extra = max(man.bit_length() - 300, 0)
    man, exp = man >> extra, exp + extra
    hi = float(man)
    rest = man - int(hi)
    lo = float(rest)
    lost = abs(rest - int(lo)) + bool(extra)
    return math.ldexp(hi, exp), math.ldexp(lo, exp), math.ldexp(float(lost), exp) * _UP + (_FAINT * 2.0**-100)


def _scaled(man: int, exp: int) -> float:
    if not man:
        return 0.0
    if exp + man.bit_length() > 1000:
        return math.inf
    return math.ldexp(float(man), exp) * _UP if exp + man.bit_length() > -1000 else _FAINT


def _whole_binade(start: int, stop: int) -> bool:
    step = _FORMAT.min_normal_bits
    return stop - start == step and start % step == 0
