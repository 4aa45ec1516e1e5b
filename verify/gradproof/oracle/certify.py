"""Certified values at single inputs: exact where rational, else Ziv's loop over arb with mpmath beside it.

Ziv (ACM TOMS 17, 1991): enclose at a working precision, round both ends; equal ends settle the rounding,
otherwise double the precision. Where a piece has no Taylor series its first terms beside the input decide (``germs``).
Past ``PRECISION_CAP`` the value is ``undecided``, never a pass.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

from gradproof.errors import OracleDisagreement
from gradproof.formats import Format, floor_log2
from gradproof.functions.function import Function, Side
from gradproof.oracle import arb_route, exact_route, germs, mpmath_route
from gradproof.oracle.dyadic import Dyadic
from gradproof.oracle.series import ORDERS

PRECISION_CAP: Final = 16384
"""Working precision, in bits, at which Ziv's loop gives up."""
UNCERTIFIED_CAP: Final = 2048
"""The same for definitions beyond arb, by mpmath's differences."""
GUARD_BITS: Final = 32
"""Bits beyond the format's precision that the loop starts with."""
RESOLUTION: Final = 10
"""An enclosure must be narrower than ``2**-RESOLUTION`` quanta, so that an error in ulps is known to 0.001."""
AGREEMENT: Final = 8
"""mpmath must lie within ``2**-AGREEMENT`` quanta of the enclosure."""

How = Literal["exact", "arb", "uncertified", "undecided"]
Kind = Literal["finite", "infinite", "pole", "nan", "undefined", "undecided"]


@dataclass(frozen=True)
class Certified:
    """The oracle's answer at one input and order.

    ``lower`` and ``upper`` enclose the exact real; ``value`` is mpmath's (or the exact) value; ``bits`` its
    correct rounding in the format. ``kind`` is ``undefined`` at a kink whose one-sided derivatives differ:
    then ``lower`` and ``upper`` are their minimum and maximum, the Clarke interval, None at an end where a one-sided
    derivative is infinite. At a kink that may be none it is ``undecided``, between ``lower`` and ``upper``. Where it is
    ``pole``, an infinity of either sign is right, and ``infinity`` is the limit's.
    """

    kind: Kind
    bits: int
    lower: Dyadic | None = None
    upper: Dyadic | None = None
    value: Dyadic | None = None
    how: How = "exact"
    precision: int = 0
    infinity: float = 0.0
    """Which infinity an ``infinite`` value is."""

    @property
    def midpoint(self) -> Dyadic:
        """Centre of the enclosure of a finite value; exact when the enclosure is a point.

        An enclosure around a power of two, where the quantum changes, gives that power: no precision may tell on
        which side of 1 a tanh(1e30) lies, and errors there are measured in the larger of the two quanta.
        """
        assert self.lower is not None
        assert self.upper is not None
        low, high = self.lower, self.upper
        if low == high:
            return low
        if low.man * high.man > 0 and low.exponent != high.exponent:
            return Dyadic(1 if high.man > 0 else -1, max(low.exponent, high.exponent))
        return _halfway(low, high)


def _halfway(low: Dyadic, high: Dyadic) -> Dyadic:
    if not low.man or not high.man or abs(low.exponent - high.exponent) > 1 << 16:
        larger = high if not low.man or (high.man and high.exponent >= low.exponent) else low
        return Dyadic(larger.man, larger.exp - 1)
    base = min(low.exp, high.exp)
    return Dyadic((low.man << (low.exp - base)) + (high.man << (high.exp - base)), base - 1)


def certified_piece(
    function: Function, piece: int, x: Fraction, fmt: Format, orders: int, *, rational: bool, side: Side | None = None
) -> list[Certified]:
    """Certified f to f^(orders - 1) of one smooth piece at a finite input.

    ``rational`` says that the piece is rational arithmetic throughout (``exact_route.is_rational``). At an end of the
    piece ``side`` says on which side of ``x`` it lies: its one-sided limits count there, which may be infinite.
    Raises OracleDisagreement when mpmath and arb contradict each other at every precision.
    """
    answers: dict[int, Certified] = {}
    if rational or x == 0:
        for order, value in enumerate(exact_route.derivatives(function, piece, x)[:orders]):
            if value is not None:
                answers[order] = exactly(value, fmt)
    precision = fmt.precision + GUARD_BITS + _headroom(x)
    while len(answers) < orders:
        wanted = [k for k in range(orders) if k not in answers]
        answers.update(_attempt(function, piece, x, fmt, wanted, min(precision, PRECISION_CAP)))
        if precision >= PRECISION_CAP:
            break
        precision *= 2
    if len(answers) < orders:
        answers = _beside(function, piece, x, fmt, side) | answers
    return [answers.get(k, undecided(fmt)) for k in range(orders)]


def undecided(fmt: Format) -> Certified:
    """What could not be certified."""
    return Certified("undecided", fmt.nan_bits, how="undecided")


def infinite(limit: float, fmt: Format) -> Certified:
    """An infinity, a float one."""
    return Certified("infinite", fmt.overflow_bits | (fmt.sign_bit if limit < 0 else 0), infinity=limit)


def _beside(function: Function, piece: int, x: Fraction, fmt: Format, side: Side | None) -> dict[int, Certified]:
    """What the limits of f, f', f'' beside ``x`` tell of their values there: those on both sides, if no side is named.

    A derivative that has a limit is the derivative, as long as those before it are numbers (mean value theorem).
    mpmath must see each limit approached. Raises OracleDisagreement where it sees something else.
    """
    sides: tuple[Side, ...] = (side,) if side else ("left", "right")
    found: dict[int, Certified] = {}
    for order, limits in enumerate(zip(*(germs.limits(function, piece, x, s) for s in sides), strict=True)):
        limit = limits[0]
        if limit is None or len(set(limits)) > 1:
            break
        if not all(_approached(function, piece, x, order, s, limit) for s in sides):
            break
        if isinstance(limit, float):
            found[order] = infinite(limit, fmt)
            if side is None:
                break
        else:
            found[order] = exactly(limit, fmt)
    return found


_STEPS: Final = (Fraction(1, 2**64), Fraction(1, 2**512))
"""How far beside a point mpmath looks whether a limit is approached: t^(1/6) is 2^-85 at the second."""
_CLOSE: Final = Fraction(1, 2**32)
_REACH: Final = 1 << 14


def _approached(function: Function, piece: int, x: Fraction, order: int, side: Side, limit: germs.Limit) -> bool:
    """Whether mpmath's f^(order) at two points beside ``x`` is on its way to ``limit``; False where it has none.

    Raises OracleDisagreement where it is on another way.
    """
    sign = 1 if side == "right" else -1
    try:
        near, nearer = (
            _moderate(mpmath_route.derivatives(function, piece, x + sign * step, 4096, order + 1)[order])
            for step in _STEPS
        )
    except (ArithmeticError, ValueError):
        return False
    if isinstance(limit, float):
        on_its_way = abs(nearer) > abs(near) and (nearer > 0) == (limit > 0)
    else:
        gaps = abs(near - limit), abs(nearer - limit)
        on_its_way = gaps[1] <= gaps[0] and gaps[1] <= _CLOSE * max(abs(limit), Fraction(1))
    if on_its_way:
        return True
    raise OracleDisagreement(
        f"{function.label}, derivative of order {order} beside x = {float(x)!r}: its expansion there tends to "
        f"{float(limit)!r} from the {side}, mpmath finds {Dyadic.of(near).decimal(9)} and "
        f"{Dyadic.of(nearer).decimal(9)} on the way. One of the two routes or the definition is wrong; "
        "please report it with this line."
    )


def _moderate(value: Dyadic) -> Fraction:
    """The value as a fraction; one of no size that a power of _STEPS has as 0, or as a power of two beyond them."""
    if value.man and abs(value.exponent) > _REACH:
        return Fraction(0) if value.exponent < 0 else Fraction(2) ** _REACH * (1 if value.man > 0 else -1)
    return value.fraction()


def _headroom(x: Fraction) -> int:
    """Bits to start with beyond the format's: series whose terms are of size 1 cancel near x = 0."""
    return max(0, -2 * floor_log2(x)) if x else 0


def exactly(value: Fraction, fmt: Format) -> Certified:
    """An exact rational; the enclosure of a non-dyadic one is a pair of 256-bit neighbours."""
    if value.denominator & (value.denominator - 1) == 0:
        point = Dyadic.of(value)
        return Certified("finite", fmt.round(value), point, point, point, "exact", 0)
    shift = 256 + value.denominator.bit_length() - abs(value.numerator).bit_length()
    scaled = value * Fraction(2) ** shift
    floor = scaled.numerator // scaled.denominator
    low, high = Dyadic(floor, -shift), Dyadic(floor + 1, -shift)
    return Certified("finite", fmt.round(value), low, high, low, "exact", 0)


def _attempt(
    function: Function, piece: int, x: Fraction, fmt: Format, wanted: list[int], precision: int
) -> dict[int, Certified]:
    if not arb_route.AVAILABLE:
        return _two_precisions(function, piece, x, fmt, wanted, precision)
    try:
        enclosures = arb_route.enclosures(function, piece, x, precision)
    except (ArithmeticError, ValueError):  # no Taylor series: a pole, or a root at its zero
        enclosures = _value_alone(function, piece, x, precision)
    except Exception:
        return _two_precisions(function, piece, x, fmt, wanted, precision)
    settled: dict[int, Certified] = {}
    for order in wanted:
        ends = enclosures[order]
        if ends is None:
            continue
        low, high = ends
        bits = low.round(fmt)
        if fmt.same_number(bits, high.round(fmt)) and _narrow(low, high, bits, fmt):
            if low.man < 0 < high.man:  # both ends round to zero, and nothing tells its sign
                bits = 0
            settled[order] = Certified("finite", bits, low, high, None, "arb", precision)
    return settled


def _value_alone(function: Function, piece: int, x: Fraction, precision: int) -> list[arb_route.Enclosure]:
    """The enclosure of f, which may exist where its derivatives do not."""
    ends = None
    with contextlib.suppress(ArithmeticError, ValueError):
        ends = arb_route.value(function, piece, x, precision)
    return [ends, *[None] * (ORDERS - 1)]


def _narrow(low: Dyadic, high: Dyadic, bits: int, fmt: Format) -> bool:
    width = high - low
    if not width.man:
        return True
    quantum = _quantum_exponent(high, fmt)
    return width.exponent < quantum - RESOLUTION


def _quantum_exponent(value: Dyadic, fmt: Format) -> int:
    exponent = value.exponent if value.man else fmt.e_min
    return max(exponent, fmt.e_min) - fmt.precision + 1


def _two_precisions(
    function: Function, piece: int, x: Fraction, fmt: Format, wanted: list[int], precision: int
) -> dict[int, Certified]:
    """Without arb: accept what mpmath says twice, at w and 2w; labelled uncertified."""
    if arb_route.AVAILABLE and precision > UNCERTIFIED_CAP:  # mpmath's own functions may take minutes
        return {}
    try:
        coarse = mpmath_route.derivatives(function, piece, x, precision)
        fine = mpmath_route.derivatives(function, piece, x, 2 * precision)
    except (ArithmeticError, ValueError):  # outside the definition's domain
        return {}
    settled: dict[int, Certified] = {}
    for order in wanted:
        low, high = sorted((coarse[order], fine[order]), key=lambda d: (d - fine[order]).man)
        bits = fine[order].round(fmt)
        if fmt.same_number(bits, coarse[order].round(fmt)) and _narrow(low, high, bits, fmt):
            settled[order] = Certified("finite", bits, low, high, fine[order], "uncertified", 2 * precision)
    return settled


def confirmed(function: Function, piece: int, x: Fraction, fmt: Format, answer: Certified, order: int) -> Certified:
    """``answer`` with mpmath's value beside arb's enclosure.

    Undecided where mpmath has no value at any precision (an intermediate result beyond all numbers, for example).
    Raises OracleDisagreement, naming the input, when no precision brings the two together.
    """
    if answer.kind != "finite" or answer.value is not None:
        return answer
    precision = max(answer.precision, fmt.precision + GUARD_BITS)
    value = None
    while precision <= PRECISION_CAP:
        with contextlib.suppress(ArithmeticError, ValueError):
            value = mpmath_route.derivatives(function, piece, x, precision, order + 1)[order]
            if _agrees(value, answer, fmt):
                # The sign of a zero that the enclosure leaves open is mpmath's.
                bits = fmt.sign_bit if answer.bits == 0 and value.man < 0 else answer.bits
                return replace(answer, value=value, bits=bits)
        precision *= 2
    if value is None:
        return undecided(fmt)
    raise OracleDisagreement(
        f"{function.label}, derivative of order {order} at x = {float(x)!r} ({float(x).hex()}): mpmath says "
        f"{value.decimal()}, arb encloses [{answer.lower and answer.lower.decimal()}, "
        f"{answer.upper and answer.upper.decimal()}]. One of the two routes or the definition is wrong; "
        "please report it with this line."
    )


def _agrees(value: Dyadic, answer: Certified, fmt: Format) -> bool:
    assert answer.lower is not None
    assert answer.upper is not None
    tolerance = _quantum_exponent(answer.upper, fmt) - AGREEMENT
    below, above = answer.lower - value, value - answer.upper
    return all(gap.man <= 0 or gap.exponent < tolerance for gap in (below, above))
