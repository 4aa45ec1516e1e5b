"""Implementations to be judged, right by construction or with one fault seeded, and a cell judged in one call.

``Exact`` answers from the oracle's own tables, correctly rounded. The mutations below take such a callable and
change it on part of its domain only, so that a test knows exactly what is wrong and where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from gradproof.backends.base import Implementation
from gradproof.backends.numpy.catalogue import row
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger, Surroundings
from gradproof.engine.properties.installed import properties
from gradproof.engine.properties.property import Outcome
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.oracles import oracle_of
from gradproof.engine.subject.probe import Probe
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.functions import get_function
from gradproof.oracle.reference import UNDEFINED
from gradproof.results.model import Cell

Call = Callable[[Any], Any]
Where = Callable[[Any], Any]
"""A mask over float64 inputs."""
QUICK = Selection(profile="quick", jobs=0, use_ledger=False)
NOWHERE = Surroundings({}, {})


class Exact:
    """f^(order), correctly rounded: right in every format, at NaN, at the infinities and at both zeros.

    At a kink it takes the one-sided derivative of ``side``.
    """

    def __init__(
        self, function: str, order: int = 0, params: Mapping[str, Any] | None = None, side: str = "left"
    ) -> None:
        self.function = get_function(function, params or {})
        self.order = order
        self.side = 0 if side == "left" else 1

    def __call__(self, x: Any) -> Any:
        fmt = get_format(x.dtype.name)
        bits = x.view(fa.storage(fmt))
        distinct, where = np.unique(bits, return_inverse=True)
        return self._table(distinct.tobytes(), fmt.name)[where].view(x.dtype)

    @cache  # noqa: B019  a handful of objects that live as long as their test
    def _table(self, raw: bytes, name: str) -> Any:
        fmt = get_format(name)
        bits = np.frombuffer(raw, fa.storage(fmt))
        reference = oracle_of(self.function).references(bits, fmt)[self.order]
        got = reference.rounded.copy()
        for i in np.flatnonzero((reference.kind == UNDEFINED) & fa.is_finite(bits, fmt)):
            if fmt.value(int(bits[i])) not in self.function.kinks:
                continue  # outside the domain: a NaN
            ends = oracle_of(self.function).one_sided(fmt.value(int(bits[i])), self.order)
            got[i] = fmt.round(ends[self.side].midpoint.fraction())
        if self.order == 0:
            zeros = (fa.magnitudes(bits, fmt) == 0) & (fa.magnitudes(got, fmt) == 0)
            got[zeros] = bits[zeros]  # -0 stays -0, as an odd function must have it
        return got


def nudged(call: Call, where: Where, ulps: int) -> Call:
    """``call`` with its results moved up by ``ulps`` positions on the line of floats."""

    def moved(x: Any) -> Any:
        fmt = get_format(x.dtype.name)
        y = call(x)
        bits = y.view(fa.storage(fmt))
        up = fa.from_ordinals(fa.ordinals(bits, fmt) + ulps, fmt)
        return np.where(where(x.astype(np.float64)), up, bits).view(x.dtype)

    return moved


def replaced(call: Call, where: Where, by: Callable[[Any], Any]) -> Call:
    """``call`` with the float64 results of ``by`` (rounded once) in place of its own."""

    def other(x: Any) -> Any:
        fmt = get_format(x.dtype.name)
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            new = fa.round_values(np.broadcast_to(np.asarray(by(wide), np.float64), wide.shape), fmt)
        return np.where(where(wide), new, call(x).view(fa.storage(fmt))).view(x.dtype)

    return other


def answering(call: Call, table: Mapping[int, int]) -> Call:
    """``call`` with other result bits at the input bits of ``table``; for NaNs, and for results that are NaN."""

    def other(x: Any) -> Any:
        fmt = get_format(x.dtype.name)
        bits, got = x.view(fa.storage(fmt)), call(x).view(fa.storage(fmt)).copy()
        for pattern, result in table.items():
            got[bits == pattern] = result
        return got.view(x.dtype)

    return other


def between(low: float, high: float) -> Where:
    """Inputs of [low, high]."""
    return lambda x: (x >= low) & (x <= high)


def everywhere(x: Any) -> Any:
    """All inputs."""
    return np.ones(x.shape, bool)


def exact(function: str, orders: int = 3, params: Mapping[str, Any] | None = None, side: str = "left") -> list[Call]:
    """The correctly rounded f, f', ... of ``function``."""
    return [Exact(function, order, params, side) for order in range(orders)]


def reference(function: str, params: Mapping[str, Any] | None = None) -> list[Call]:
    """f, f', f'' of the catalogue's NumPy implementation."""
    made = row(function, dict(get_function(function, params or {}).params))
    assert made is not None
    return [made.call, *made.derivatives]


def task(
    claim: str,
    function: str,
    calls: Sequence[Call],
    fmt: str = "float16",
    order: int = 0,
    params: Mapping[str, Any] | None = None,
    *,
    backend: str = "numpy:cpu",
    mode: str = "eager",
    user: bool = True,
) -> Task:
    """One cell to judge: ``calls`` are f, f', f''."""
    bound = get_function(function, params or {})
    implementation = Implementation(
        function, backend.partition(":")[0], "mine:subject", calls[0], dict(bound.params), tuple(calls[1:]),
        user=user,
    )  # fmt: skip
    return Task(bound, implementation, backend, mode, fmt, order, claim)


def verdict(
    claim: str,
    function: str,
    calls: Sequence[Call],
    fmt: str = "float16",
    order: int = 0,
    selection: Selection = QUICK,
    **more: Any,
) -> Cell:
    """The cell of ``calls`` under one claim, certificate included, in this process and without a ledger."""
    return decide(task(claim, function, calls, fmt, order, **more), selection, Ledger(), NOWHERE)[0]


def outcome(
    claim: str,
    function: str,
    calls: Sequence[Call],
    fmt: str = "float16",
    order: int = 0,
    witnesses: tuple[int, ...] = (),
    **more: Any,
) -> Outcome:
    """What the property itself answers."""
    probe = Probe(task(claim, function, calls, fmt, order, **more), QUICK, witnesses)
    return properties()[claim].check(probe, order)


def bits_of(fmt: str, value: Any) -> int:
    """The bits of a number in a format."""
    return get_format(fmt).round(Fraction(value))
