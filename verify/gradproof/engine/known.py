"""Deviations that users declare of their own code: ``gradproof.known``, the claim-wise counterpart of an xfail."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from gradproof.errors import UsageError
from gradproof.formats import Format, get_format
from gradproof.functions.function import Exact, exact


@dataclass(frozen=True)
class Known:
    """One property that an implementation is known to break, and how badly. Made by ``known``."""

    property: str
    reason: str
    ceiling: float
    region: tuple[Fraction | float, Fraction | float]
    formats: tuple[str, ...]
    orders: tuple[int, ...]
    upstream: tuple[str, ...]

    def covers(self, property: str, fmt: str, order: int) -> bool:
        """Whether a cell is one of those it speaks of."""
        return (
            self.property == property
            and (not self.formats or fmt in self.formats)
            and (not self.orders or order in self.orders)
        )

    def bits(self, fmt: Format) -> tuple[tuple[int, int], ...]:
        """The region as pairs of bit patterns; NaN inputs belong to one that reaches both infinities."""
        ends = [
            fmt.last_bits | (fmt.sign_bit if end < 0 else 0) if isinstance(end, float) else fmt.round(end)
            for end in self.region
        ]
        whole = self.region == (-math.inf, math.inf)
        return ((ends[0], ends[1]), *(((fmt.nan_bits, fmt.nan_bits),) if whole else ()))


def known(
    property: str,
    reason: str,
    *,
    ceiling: float | None = None,
    region: tuple[Exact, Exact] | None = None,
    formats: str | Iterable[str] | None = None,
    orders: int | Iterable[int] | None = None,
    upstream: str | Iterable[str] = (),
) -> Known:
    """Declare that an implementation of yours breaks a property, for ``implements(..., known=...)`` or the marker.

    Its cells get the verdict ``known`` instead of ``fail`` as long as every failing input lies in ``region`` (two
    numbers, ends included; everywhere without it) and its error over the bound is at most ``ceiling`` (any without
    it). Beyond either the cell fails, and so does the run once the deviation no longer shows: an excuse never
    outlives its fault. ``formats`` and ``orders`` narrow it. Raises UsageError for an empty reason, a ceiling of 1 or
    less, and a region that is no pair of numbers in order.
    """
    if not isinstance(property, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", property):
        raise UsageError(f"expected the id of a property, such as 'accuracy', got {property!r}")
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError(f"known({property!r}): expected a reason in words, got {reason!r}")
    if ceiling is not None and not (isinstance(ceiling, int | float) and ceiling > 1):
        raise UsageError(f"known({property!r}): expected a ceiling above 1 (the error over the bound), got {ceiling!r}")
    chosen = () if formats is None else (formats,) if isinstance(formats, str) else tuple(formats)
    asked = () if orders is None else (orders,) if isinstance(orders, int) else tuple(orders)
    if any(order not in (0, 1, 2) for order in asked):
        raise UsageError(f"known({property!r}): expected orders out of 0, 1, 2, got {orders!r}")
    return Known(
        property,
        reason.strip(),
        math.inf if ceiling is None else float(ceiling),
        _region(property, region),
        tuple(get_format(f).name for f in chosen),
        asked,
        (upstream,) if isinstance(upstream, str) else tuple(upstream),
    )


def _region(property: str, region: Any) -> tuple[Fraction | float, Fraction | float]:
    if region is None:
        return -math.inf, math.inf
    if not isinstance(region, tuple | list) or len(region) != 2:
        raise UsageError(f"known({property!r}): expected region=(low, high), got {region!r}")
    low, high = (float(e) if e in (math.inf, -math.inf, "inf", "-inf") else exact(e) for e in region)
    if low > high:
        raise UsageError(f"known({property!r}): expected region=(low, high), got {region!r}")
    return low, high


def listed(given: Known | Iterable[Known] | None) -> tuple[Known, ...]:
    """One or several declarations; UsageError for anything else."""
    found: tuple[Any, ...]
    if given is None:
        found = ()
    elif isinstance(given, list | tuple):
        found = tuple(given)
    else:
        found = (given,)
    for one in found:
        if not isinstance(one, Known):
            raise UsageError(f"known= expects what gradproof.known(...) returns, or a list of it, got {one!r}")
    return found
