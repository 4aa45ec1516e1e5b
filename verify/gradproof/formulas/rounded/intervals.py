"""What rounded arithmetic may give: intervals of numbers of a format with a NaN flag, and undecided conditions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gradproof.formats.arrays import Floats

Mask = npt.NDArray[np.bool_]


class Expression:
    """What a definition calculates with: operators that ask the math context ``m`` it belongs to."""

    __slots__ = ("m",)
    __array_ufunc__ = None

    def __init__(self, m: Any) -> None:
        self.m = m

    def __neg__(self) -> Any:
        return self.m.negative(self)

    def __abs__(self) -> Any:
        return self.m.abs(self)

    def __add__(self, other: Any) -> Any:
        return self.m.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return self.m.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return self.m.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.m.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return self.m.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.m.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.m.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.m.divide(other, self)

    def __lt__(self, other: Any) -> Any:
        return self.m.less(self, other)

    def __gt__(self, other: Any) -> Any:
        return self.m.less(other, self)

    def __le__(self, other: Any) -> Any:
        return self.m.at_most(self, other)

    def __ge__(self, other: Any) -> Any:
        return self.m.at_most(other, self)


class Rounded(Expression):
    """An array of results, each some number of [low, high], or a NaN where ``nan``. Broadcasts like NumPy.

    The ends are numbers of the compute format, infinities included, held in float64; both are NaN where a NaN is the
    only result. -0 counts as less than +0: [+0, 1] holds no -0. ``low is high`` where every result is one number.
    ``product`` are the ends before the product that this is was rounded, for a sum that is fused with it.
    """

    __slots__ = ("high", "low", "nan", "product")

    def __init__(self, m: Any, low: Any, high: Any, nan: Any = False, product: tuple[Any, Any] | None = None) -> None:
        super().__init__(m)
        self.low = low
        self.high = high
        self.nan = nan
        self.product = product

    @property
    def only_nan(self) -> Mask:
        """Where a NaN is the only result."""
        nowhere: Mask = np.isnan(self.low)
        return nowhere

    def holds(self, got: Floats) -> Mask:
        """Where ``got`` (float64, shape (n,)) may be the result: a number between the ends, or a NaN where one may be.

        A zero is one of either sign.
        """
        return held(self.low, self.high, self.nan, got)


def held(low: Any, high: Any, nan: Any, got: Floats) -> Mask:
    """Where ``got`` is a number of [low, high], or a NaN where ``nan``; zeros of either sign alike."""
    with np.errstate(invalid="ignore"):
        inside = (got >= low) & (got <= high)
    found: Mask = np.where(np.isnan(got), nan, inside)
    return found


class Condition:
    """A comparison of rounded values: where it may hold, and where it may not; both where that is undecided."""

    __slots__ = ("fails", "holds")

    def __init__(self, holds: Any, fails: Any) -> None:
        self.holds = holds
        self.fails = fails

    def __invert__(self) -> Condition:
        return Condition(self.fails, self.holds)

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.holds & other.holds, self.fails | other.fails)

    def __or__(self, other: Condition) -> Condition:
        return Condition(self.holds | other.holds, self.fails & other.fails)
