"""The oracle of one function: certified values, one-sided derivatives, limits, suprema, bulk references."""

from __future__ import annotations

import heapq
import math
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Final

import numpy as np

from gradproof.errors import UsageError
from gradproof.formats import FLOAT64, Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats, Ints
from gradproof.functions.function import Definition, Function, Side
from gradproof.oracle import arb_route, balls, exact_route, joints, mpmath_route, tables
from gradproof.oracle.bulk import Ladder
from gradproof.oracle.certify import Certified, certified_piece, confirmed, exactly, infinite, undecided
from gradproof.oracle.continuation import continued
from gradproof.oracle.dyadic import ZERO, Dyadic
from gradproof.oracle.reference import (
    BY_ARB,
    BY_EXACT,
    FINITE,
    INFINITE,
    NAN,
    POLE,
    UNCERTIFIED,
    UNDECIDED,
    UNDEFINED,
    Reference,
    ReferenceRow,
)
from gradproof.oracle.values import Mask

JUDGED_ORDERS: Final = 3
"""Orders 0, 1, 2 are judged; order 3 only scales the mixed error of order 2."""
CROSS_CHECK: Final = 32
"""In bulk, mpmath confirms one order of every 32nd point that arb certifies; reported points are all confirmed."""

MEMORY: Final = 50_000
"""Certified inputs an oracle remembers, some 0.5 kB each."""

SUPREMUM_SPLITS: Final = 400
SUPREMUM_SLACK: Final = 1.01

_HOW = {"exact": BY_EXACT, "arb": BY_ARB, "uncertified": UNCERTIFIED}


WORTH_A_TABLE: Final = 1024
"""Inputs from which on a 16-bit format's whole table is computed, or read from disk."""


class Oracle:
    """Everything certified about one function with its parameters bound."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self._memo: dict[tuple[str, int], tuple[ReferenceRow, ...]] = {}
        self._beside: dict[tuple[Fraction, int], tuple[Certified, Certified]] = {}
        self._rational = [exact_route.is_rational(function, k) for k in range(len(function.pieces))]

    # -- single inputs ---------------------------------------------------------------------------------

    def certified(self, bits: int, fmt: Format, order: int, *, confirm: bool = True) -> Certified:
        """The certified value at one input, from mpmath and arb both; from arb alone without ``confirm``.

        Raises OracleDisagreement when the two contradict each other.
        """
        return self._at_bits(bits, fmt, confirm=(order,) if confirm else ())[order]

    def piece_value(self, piece: int, x: Fraction, fmt: Format, order: int) -> Certified:
        """What one piece gives at ``x``, inside its interval or not."""
        return self._smooth(piece, x, fmt, JUDGED_ORDERS, confirm=(order,))[order]

    def _at_bits(self, bits: int, fmt: Format, *, confirm: tuple[int, ...]) -> list[Certified]:
        if fmt.is_nan(bits):
            return _nowhere(fmt)
        if fmt.is_infinite(bits):
            side: Side = "left" if bits & fmt.sign_bit else "right"
            if not math.isinf(self.function.ends[0 if side == "left" else 1]):
                return _nowhere(fmt)
            return [self._limit(side, order, fmt) for order in range(JUDGED_ORDERS)] + [_zero(fmt)]
        answers = self._at(fmt.value(bits), fmt, confirm=confirm)
        return [_either(answer) for answer in answers] if self._outside(bits, fmt) else answers

    def _outside(self, bits: int, fmt: Format) -> bool:
        """Whether ``bits`` are the zero that lies outside a domain that ends at 0: -0 of (0, inf)."""
        return (bits, 0) in ((fmt.sign_bit, self.function.ends[0]), (0, self.function.ends[1]))

    def _at(self, x: Fraction, fmt: Format, *, confirm: tuple[int, ...]) -> list[Certified]:
        orders = JUDGED_ORDERS + 1
        low, high = self.function.ends
        if not low <= x <= high:
            return _nowhere(fmt)
        if x in (low, high):
            side: Side = "left" if x == low else "right"
            return [self._limit(side, order, fmt) for order in range(JUDGED_ORDERS)] + [_zero(fmt)]
        if x in self.function.kinks:
            answers = self._at_kink(x, fmt, confirm)
        else:
            answers = self._smooth(self.function.piece_at(x), x, fmt, orders, confirm=confirm)
        return self._with_declared(answers, x, fmt)

    def _at_kink(self, kink: Fraction, fmt: Format, confirm: tuple[int, ...]) -> list[Certified]:
        """f from the piece that owns the point, derivatives from both sides.

        Where breakpoints coincide, a piece of no length has no slope that f could have there: the sides alone decide,
        unless the value at the point is another than theirs. Then f has no derivative, and what each of the pieces
        gives is a convention.
        """
        first, last = self._pieces_beside(kink)
        meeting = [self._from(piece, kink, fmt, JUDGED_ORDERS + 1, confirm) for piece in range(first, last + 1)]
        owner = self._from(self.function.piece_at(kink), kink, fmt, 1, confirm and (0,))
        sides = [meeting[0], meeting[-1]]
        isolated = any(joints.same(side[0], owner[0]) is None for side in sides)
        slopes = zip(*(found[1:] for found in (meeting if isolated else sides)), strict=True)
        answers = [owner[0], *(joints.joined(given, fmt) for given in slopes)]
        for order in range(min(self.function.smoothness(kink) + 1, len(answers))):
            answers[order] = self._common(sides[0][order], sides[1][order], kink, order)
        return answers

    def _common(self, left: Certified, right: Certified, kink: Fraction, order: int) -> Certified:
        """The value at a kink where f^(order) is declared to be continuous."""
        common = joints.same(left, right)
        if common is None:
            what = "f" + "'" * order
            raise UsageError(
                f"function {self.function.label}: smooth= declares {what} continuous at {float(kink):g}, but its "
                f"pieces give {joints.value_text(left)} on the left and {joints.value_text(right)} on the right; "
                "declare a lower order there, or mend a piece"
            )
        return common

    def _with_declared(self, answers: list[Certified], x: Fraction, fmt: Format) -> list[Certified]:
        """``answers`` with what is declared in place of what is undecided. Raises UsageError for a contradiction."""
        for order, declared in enumerate(self.function.declared_at(x)):
            if declared is None:
                continue
            due = self._declared(declared, fmt)
            agreed = joints.same(answers[order], due) if answers[order].kind != "undefined" else None
            if agreed is None:
                what = "f" + "'" * order
                found = joints.value_text(answers[order])
                raise UsageError(
                    f"function {self.function.label}: at= declares {what} to be {joints.value_text(due)} at "
                    f"{float(x):g}, but its definition gives {found} there; leave that entry out (None)"
                )
            answers[order] = agreed
        return answers

    def _declared(self, declared: Fraction | float | Definition, fmt: Format) -> Certified:
        """A declared number, infinity, NaN, or constant over the math context."""
        if callable(declared):
            pieces = (lambda m, x, **params: declared(m, **params),)
            constant = Function(self.function.label, pieces, params=self.function.params)
            found = certified_piece(constant, 0, Fraction(1), fmt, 1, rational=False)[0]
            return confirmed(constant, 0, Fraction(1), fmt, found, 0)
        if isinstance(declared, Fraction):
            return exactly(declared, fmt)
        return Certified("nan", fmt.nan_bits) if math.isnan(declared) else infinite(declared, fmt)

    def _smooth(
        self,
        piece: int,
        x: Fraction,
        fmt: Format,
        orders: int,
        *,
        confirm: tuple[int, ...],
        side: Side | None = None,
    ) -> list[Certified]:
        answers = certified_piece(self.function, piece, x, fmt, orders, rational=self._rational[piece], side=side)
        for order in confirm:
            answers[order] = confirmed(self.function, piece, x, fmt, answers[order], order)
        return answers

    def _from(self, piece: int, kink: Fraction, fmt: Format, orders: int, confirm: tuple[int, ...]) -> list[Certified]:
        """What one of the pieces that meet at a kink gives there, from its side."""
        first, last = self._pieces_beside(kink)
        side: Side | None = "left" if piece == first else "right" if piece == last else None
        return self._smooth(piece, kink, fmt, orders, confirm=confirm, side=side)

    def _pieces_beside(self, kink: Fraction) -> tuple[int, int]:
        breaks = self.function.breaks
        first = breaks.index(kink)
        return first, first + breaks.count(kink)

    def continued(self, bits: int, fmt: Format, order: int) -> float | None:
        """What f^(order) seems to be at a finite input where nothing is certified; None where nothing seems so.

        Judged by certified values between the input and its neighbours, from the sides on which f^(order) counts there.
        A result that is no finite number is wrong then, whatever the exact value is.
        """
        x = fmt.value(bits)
        low, high = self.function.ends
        ordinal = fmt.ordinal(bits)
        if not low < x < high or abs(ordinal) >= fmt.max_bits:
            return None
        gap = min(fmt.value(fmt.from_ordinal(ordinal + 1)) - x, x - fmt.value(fmt.from_ordinal(ordinal - 1)))
        asked: list[tuple[int, tuple[Side, ...]]] = [(self.function.piece_at(x), ("left", "right"))]
        if x in self.function.kinks:
            first, last = self._pieces_beside(x)
            asked = [(first, ("left",)), (last, ("right",))]
            if order == 0:
                asked = [part for part in asked if part[0] == self.function.piece_at(x)]
        found = [continued(self.function, piece, x, gap, order, sides) for piece, sides in asked]
        return None if None in found or not found else found[-1]

    def _limit(self, side: Side, order: int, fmt: Format) -> Certified:
        limit = self.function.limit(side, order)
        if limit is None:
            return undecided(fmt)
        return infinite(limit, fmt) if isinstance(limit, float) else exactly(limit, fmt)

    @cached_property
    def foreign(self) -> list[str]:
        """Functions that the definition takes from mpmath alone, which make its values slow and uncertified."""
        return mpmath_route.foreign(self.function)

    # -- one-sided derivatives and suprema -------------------------------------------------------------

    def one_sided(self, kink: Fraction, order: int) -> tuple[Certified, Certified]:
        """f^(order) just left and just right of a kink, certified in float64 precision.

        ``kind`` is ``infinite`` where it grows without bound, ``undecided`` where nothing is certified.
        """
        if (kink, order) not in self._beside:
            left, right = (
                self._from(piece, kink, FLOAT64, JUDGED_ORDERS, (order,)) for piece in self._pieces_beside(kink)
            )
            self._beside[kink, order] = left[order], right[order]
        return self._beside[kink, order]

    def jump(self, kink: Fraction, order: int) -> Fraction | None:
        """The right minus the left one-sided value of f^(order), accurate to float64; 0 where declared continuous.

        None where a side is infinite or not certified.
        """
        if order <= self.function.smoothness(kink):
            return Fraction(0)
        return joints.distance(*self.one_sided(kink, order))

    def jumps(self, kink: Fraction, order: int) -> bool:
        """Whether f^(order) is known to have two different one-sided values at a kink, one of them perhaps infinite."""
        if order <= self.function.smoothness(kink):
            return False
        left, right = self.one_sided(kink, order)
        if "infinite" in (left.kind, right.kind):
            return "undecided" not in (left.kind, right.kind) and left.infinity != right.infinity
        return joints.distance(left, right) not in (None, 0)

    def supremum(
        self, low: Fraction, high: Fraction, order: int, precision: int = 128, *, enough: float = 0.0
    ) -> float:
        """A rigorous upper bound of |f^(order)| over [low, high], from interval arithmetic; inf if none.

        Branch and bound: the part with the largest bound is halved until that bound is within SUPREMUM_SLACK of a
        value taken, or SUPREMUM_SPLITS are spent. A bound of at most ``enough`` is not narrowed any further. At a kink
        inside, both neighbouring pieces count.
        """
        if not arb_route.AVAILABLE:
            return math.inf
        cuts = [low, *(k for k in self.function.breaks if low < k < high), high]
        parts = [(-self._magnitude_over(a, b, order, precision)[1], a, b) for a, b in pairwise(cuts)]
        heapq.heapify(parts)
        taken = 0.0
        for _ in range(SUPREMUM_SPLITS):
            bound, a, b = parts[0]
            if -bound <= max(enough, math.ulp(0.0)):  # below that float64 has no bound but this one
                break
            middle = (a + b) / 2
            taken = max(taken, self._magnitude_over(middle, middle, order, precision)[0])
            if -bound <= SUPREMUM_SLACK * taken or a == b:
                break
            heapq.heapreplace(parts, (-self._magnitude_over(a, middle, order, precision)[1], a, middle))
            heapq.heappush(parts, (-self._magnitude_over(middle, b, order, precision)[1], middle, b))
        return math.nextafter(-parts[0][0], math.inf)

    def _magnitude_over(self, low: Fraction, high: Fraction, order: int, precision: int) -> tuple[float, float]:
        """Least and largest |f^(order)| that an enclosure over [low, high] allows; no kink lies inside."""
        piece = self.function.piece_at((low + high) / 2)
        try:
            ends = arb_route.enclosures_over(self.function, piece, low, high, precision)[order]
        except (AttributeError, TypeError, ArithmeticError, ValueError):
            ends = None
        if ends is None:
            return 0.0, math.inf
        a, b = float(ends[0]), float(ends[1])
        return (0.0 if a <= 0 <= b else min(abs(a), abs(b))), max(abs(a), abs(b))

    def suprema(self, low: Floats, high: Floats, order: int, sections: int = 8) -> Floats:
        """Upper bounds of |f^(order)| over many intervals [low, high] of shape (n,), none across a kink.

        By the float64 balls over ``sections`` equal parts of each; inf where they decide nothing.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # intervals too wide for float64 end up with inf
            edges = np.linspace(low, high, sections + 1)
            middle, half = (edges[:-1] + edges[1:]) / 2, (edges[1:] - edges[:-1]) / 2 * (1 + 2.0**-40)
            half += np.abs(middle) * 2.0**-50
        inside = np.array([point for point, _ in self._break_floats])
        piece = np.searchsorted(inside, low / 2 + high / 2, side="right")  # their sum may overflow
        bounds = np.full(low.size, np.inf)
        for index in np.unique(piece):
            lanes = np.flatnonzero(piece == index)
            points, radii = middle[:, lanes].ravel(), half[:, lanes].ravel()
            ball = balls.derivatives(self.function, int(index), points, order + 1, radii)[order]
            top = (np.abs(ball.mid) + ball.rad).reshape(sections, lanes.size).max(axis=0)
            bounds[lanes] = np.where(np.isnan(top), np.inf, top)
        return bounds

    # -- bulk ------------------------------------------------------------------------------------------

    def references(self, bits: Bits, fmt: Format, *, precise: bool = False) -> list[Reference]:
        """References of orders 0, 1, 2 at ``bits`` of shape (n,); with ``precise`` to some 100 bits each.

        The filters decide what their bounds allow; the rest goes to the certified routes one by one. Where every
        input can be tried, many inputs are looked up in the table of all of them.
        """
        fa.require_gradual_underflow()
        if fmt.is_16_bit and bits.size >= min(WORTH_A_TABLE, 1 << fmt.width):
            return [column[bits] for column in _table(self, fmt)]
        return self._compute(bits, fmt, precise=precise)

    def _compute(self, bits: Bits, fmt: Format, *, precise: bool) -> list[Reference]:
        x = fa.values(bits, fmt)
        answers = [Reference.empty(bits.size, fa.storage(fmt)) for _ in range(JUDGED_ORDERS)]
        low, high = self._end_floats
        nowhere = np.isnan(x) | (x < low) | (x > high)
        for order, answer in enumerate(answers):
            answer.kind[nowhere] = UNDEFINED if order else NAN
            answer.how[nowhere] = BY_EXACT
            answer.rounded[nowhere] = fmt.nan_bits
        piece, singular = self._pieces(x)
        open_ = ~nowhere & (singular | np.isinf(x))
        for index, ladder in enumerate(self._ladders):
            lanes = np.flatnonzero(~nowhere & ~open_ & (piece == index))
            if lanes.size:
                open_[lanes] = ladder.fill(x[lanes], lanes, fmt, answers, precise=precise)
        lanes = np.flatnonzero(open_)
        if lanes.size:
            packed = [
                self._remembered(int(bits[i]), fmt, (n // CROSS_CHECK % JUDGED_ORDERS,) if n % CROSS_CHECK == 0 else ())
                for n, i in enumerate(lanes)
            ]
            for order, answer in enumerate(answers):
                answer.set_rows(lanes, [rows[order] for rows in packed])
        return answers

    @cached_property
    def _ladders(self) -> list[Ladder]:
        return [Ladder(self.function, piece) for piece in range(len(self.function.pieces))]

    def _remembered(self, bits: int, fmt: Format, confirm: tuple[int, ...]) -> tuple[ReferenceRow, ...]:
        """Reference rows of one input, with a memory: the backends of a function ask about the same inputs."""
        key = (fmt.name, bits)
        rows = self._memo.get(key)
        if rows is None:
            if len(self._memo) >= MEMORY:
                self._memo.clear()
            certified = self._at_bits(bits, fmt, confirm=confirm)
            rows = self._memo[key] = tuple(
                row_of(certified[order], certified[order + 1]) for order in range(JUDGED_ORDERS)
            )
        return rows

    @cached_property
    def _end_floats(self) -> tuple[float, float]:
        """The domain's ends as float64, infinite beyond it."""
        low, high = (_nearest(end) for end in self.function.ends)
        return low, high

    @cached_property
    def _break_floats(self) -> list[tuple[float, bool]]:
        """Breakpoints rounded up to float64, and whether that is exact."""
        rows = []
        for kink in self.function.breaks:
            nearest = _nearest(kink)
            if math.isinf(nearest):  # beyond every finite input: no input lies on the far side
                rows.append((nearest, False))
                continue
            if Fraction(nearest) < kink:
                nearest = math.nextafter(nearest, math.inf)
            rows.append((nearest, Fraction(nearest) == kink))
        return rows

    def _pieces(self, x: Floats) -> tuple[Ints, Mask]:
        """Index of the piece of each input, and which inputs are decided exactly: 0, breakpoints, the domain's ends."""
        piece = np.zeros(x.size, np.int64)
        low, high = self._end_floats
        singular = (x == 0) | (x == low) | (x == high)
        for point, exact in self._break_floats:
            piece += x >= point
            if exact:
                singular |= x == point
        return piece, singular


def _nearest(value: Fraction | float) -> float:
    """The nearest float64, an infinity beyond them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


@lru_cache(maxsize=8)
def _table(oracle: Oracle, fmt: Format) -> list[Reference]:
    """References at every bit pattern, to 100 bits: some 7 MB, so only the last few are kept in memory."""
    everything = fa.all_bits(fmt)
    return tables.table(oracle.function, fmt, lambda: oracle._compute(everything, fmt, precise=True))


def row_of(value: Certified, following: Certified) -> ReferenceRow:
    """A certified value as a reference row, with the next derivative as its slope."""
    if value.kind != "finite":
        return ReferenceRow(value.bits, _KINDS[value.kind], BY_EXACT)
    return ReferenceRow.of(value.midpoint, value.bits, _HOW[value.how], _steepest(following))


_KINDS = {
    "finite": FINITE, "infinite": INFINITE, "pole": POLE, "nan": NAN, "undefined": UNDEFINED, "undecided": UNDECIDED,
}  # fmt: skip


def _steepest(value: Certified) -> Dyadic:
    """The end of an enclosure, or of the interval at a kink, that lies further from 0; 0 where nothing is known."""
    ends = [end if end.man >= 0 else -end for end in (value.lower, value.upper) if end is not None]
    if len(ends) == 2 and (ends[0] - ends[1]).man < 0:
        return ends[1]
    return ends[0] if ends else ZERO


def _nowhere(fmt: Format) -> list[Certified]:
    """The answer at a NaN and beyond the domain: a NaN, whose derivatives are a convention."""
    return [Certified("nan", fmt.nan_bits), *(Certified("undefined", fmt.nan_bits) for _ in range(JUDGED_ORDERS))]


def _zero(fmt: Format) -> Certified:
    return Certified("finite", 0, ZERO, ZERO, ZERO)


def _either(answer: Certified) -> Certified:
    """``answer`` with an infinite limit made a pole, of which the sign of a zero says nothing: 1/-0 is -inf."""
    return replace(answer, kind="pole") if answer.kind == "infinite" else answer
