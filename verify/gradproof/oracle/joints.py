"""What a function is at a breakpoint, from what the pieces that meet there give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from gradproof.formats import Format
from gradproof.oracle.certify import Certified, infinite, undecided


def joined(sides: Sequence[Certified], fmt: Format) -> Certified:
    """The derivative where pieces meet: what all of them give, or the Clarke interval that they span.

    Open at an end where one of them is infinite. Undecided, between two ends that are no further apart than the routes
    can tell, where all may be equal.
    """
    if any(side.kind not in ("finite", "infinite") for side in sides):
        return undecided(fmt)
    finite = [side for side in sides if side.kind == "finite"]
    if len(finite) < len(sides):
        return _unbounded(finite, {side.infinity for side in sides if side.infinity}, fmt)
    low, high = _extremes(finite)
    if low is high and all(side.how == "exact" for side in sides):
        return low
    if may_be_equal(low, high):
        return replace(undecided(fmt), lower=low.lower, upper=high.upper)
    return Certified("undefined", fmt.nan_bits, low.lower, high.upper, how=low.how, precision=low.precision)


def _extremes(sides: Sequence[Certified]) -> tuple[Certified, Certified]:
    """The least and the greatest of finite values; the same one where their centres are equal."""
    low = high = sides[0]
    for side in sides[1:]:
        low = side if (side.midpoint - low.midpoint).man < 0 else low
        high = side if (side.midpoint - high.midpoint).man > 0 else high
    return low, high


def _unbounded(finite: Sequence[Certified], infinities: set[float], fmt: Format) -> Certified:
    """The same where some sides are infinite."""
    if not finite and len(infinities) == 1:
        return infinite(max(infinities), fmt)
    if not finite or len(infinities) > 1:
        return Certified("undefined", fmt.nan_bits)
    low, high = _extremes(finite)
    lower, upper = (low.lower, None) if max(infinities) > 0 else (None, high.upper)
    return Certified("undefined", fmt.nan_bits, lower, upper, how=low.how, precision=low.precision)


def same(left: Certified, right: Certified) -> Certified | None:
    """The value where two are declared to agree; None where what is certified contradicts that."""
    if left.kind == "undecided" or right.kind == "undecided":
        return left if right.kind == "undecided" else right
    if "infinite" in (left.kind, right.kind):
        return left if left.infinity == right.infinity else None
    if left.kind == right.kind == "nan":
        return left
    if not may_be_equal(left, right):
        return None
    return right if right.how == "exact" else left


def distance(left: Certified, right: Certified) -> Fraction | None:
    """The right less the left value, to float64; None where one of them is no certified number."""
    if left.kind != "finite" or right.kind != "finite":
        return None
    return right.midpoint.fraction() - left.midpoint.fraction()


def may_be_equal(left: Certified, right: Certified) -> bool:
    """Whether the enclosures of two finite values have a point in common."""
    return _reaches(left, right) and _reaches(right, left)


def _reaches(one: Certified, other: Certified) -> bool:
    if one.upper is None or other.lower is None:
        return False
    return (one.upper - other.lower).man >= 0


def value_text(value: Certified) -> str:
    """A value for a message."""
    if value.kind == "infinite":
        return f"{value.infinity:g}"
    return f"{float(value.midpoint):.17g}" if value.kind == "finite" else value.kind
