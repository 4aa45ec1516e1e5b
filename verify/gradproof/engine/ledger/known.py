"""Deviations that users declare of their own code: ``gradproof.known``, the claim-wise counterpart of an xfail."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from gradproof.engine.ledger.fence import Fence
from gradproof.errors import UsageError
from gradproof.formats import get_format
from gradproof.functions.function import Exact, exact


@dataclass(frozen=True)
class Known:
    """One property that an implementation is known to break, and how badly. Made by ``known``."""

    property: str
    reason: str
    fence: Fence
    upstream: tuple[str, ...]


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
    numbers, ends included and not rounded to the format; everywhere without it) and its error over the bound is at
    most ``ceiling`` (any without it). Beyond either the cell fails, and so does the run once the deviation no longer
    shows: an excuse never outlives its fault. ``formats`` and ``orders`` narrow it. Raises UsageError for an empty
    reason, a ceiling of 1 or less, and a region that is no pair of numbers in order.
    """
    if not isinstance(property, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", property):
        raise UsageError(f"expected the id of a property, such as 'accuracy', got {property!r}")
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError(f"known({property!r}): expected a reason in words, got {reason!r}")
    if ceiling is not None and not (isinstance(ceiling, int | float) and ceiling > 1):
        raise UsageError(f"known({property!r}): expected a ceiling above 1 (the error over the bound), got {ceiling!r}")
    chosen = _several(property, "formats", formats, str)
    asked = _several(property, "orders", orders, int)
    if any(order not in (0, 1, 2) for order in asked):
        raise UsageError(f"known({property!r}): expected orders out of 0, 1, 2, got {orders!r}")
    return Known(
        property,
        reason.strip(),
        Fence(
            _region(property, region),
            math.inf if ceiling is None else float(ceiling),
            (property,),
            tuple(get_format(f).name for f in chosen),
            asked,
        ),
        _several(property, "upstream", upstream or None, str),
    )


def _several(property: str, name: str, given: Any, kind: type[Any]) -> tuple[Any, ...]:
    """One value or several of a kind; nothing for None. UsageError for anything else, an empty list included."""
    if given is None:
        return ()
    found = (given,) if isinstance(given, kind) else tuple(given) if isinstance(given, Iterable) else ()
    if not found or not all(isinstance(one, kind) for one in found):
        raise UsageError(f"known({property!r}): expected {name}= as one or a list of at least one, got {given!r}")
    return found


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
