"""Where a kernel may be used: the longest stretch of ordinary inputs without a failing one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gradproof.formats import FORMATS, Format
from gradproof.results import sweeps
from gradproof.results.model import Cell

ORDINARY: Final = 8.0
"""Sizes of inputs by which stretches are compared: what lies further out makes none of them longer."""
NARROW: Final = 2.0
"""A stretch shorter than this is no range to work in."""
TINY: Final = 2.0**-8
"""Failing inputs smaller than this leave a hole around 0, and cut nothing."""
POINTS: Final = 3
"""So many single failing inputs are named as exceptions; more cut the line."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Usable:
    """``kind``: ``safe``, ``within`` a range or but for some inputs, ``no``, or ``unknown`` where nothing was judged.

    ``low`` and ``high`` are the ends of the stretch; infinite where nothing bounds it.
    """

    kind: str
    text: str
    low: float = -math.inf
    high: float = math.inf


def usable(spans: Iterable[Span]) -> Usable:
    """The usable range of a line on which ``spans`` fail, ends included; NaN and the infinities are no part of it."""
    finite = sorted({(a, b) for a, b in spans if math.isfinite(a) and math.isfinite(b)})
    holes = [s for s in finite if max(map(abs, s)) < TINY]
    single = [s for s in finite if s[0] == s[1] and s not in holes]
    points = single if len(single) <= POINTS else []
    cuts = [s for s in finite if s not in holes and s not in points]
    low, high = max(_gaps(cuts), key=_length)
    if _length((low, high)) < NARROW:
        return Usable("no", "no", -math.inf, math.inf)
    hole = max((max(map(abs, s)) for s in holes), default=0.0)
    but = [f"|x| ≤ {_outer(hole)}" if hole else "x = 0"] if holes else []
    but += [f"x = {_typeset(f'{a:.3g}')}" for a, _ in points if low <= a <= high]
    besides = f", but for {' and '.join(but)}" if but else ""
    if low == -math.inf and high == math.inf:
        return Usable("within" if but else "safe", f"safe{besides}")
    left = "(−∞" if low == -math.inf else "[" + _inner(low, up=True)
    right = "∞)" if high == math.inf else _inner(high, up=False) + "]"
    return Usable("within", f"safe within {left}, {right}{besides}", low, high)


def failing_spans(cells: Sequence[Cell], orders: Iterable[int]) -> list[Span]:
    """Intervals on which f^(n) of these orders fails, from the clusters of the cells, or else from their certificates.

    What lies at a kink is a convention, and cuts nothing.
    """
    spans: list[Span] = []
    for cell in cells:
        fmt = FORMATS.get(cell.format)
        if cell.status not in ("fail", "known") or cell.order not in orders or fmt is None:
            continue
        if cell.clusters:
            regions = [r for c in cell.clusters if c.kind != "kink" for r in c.regions]
        elif sweeps.is_sweep(cell):
            classes = [table for name, table in cell.measured["classes"].items() if name in sweeps.FAILING]
            regions = [[i["lo"]["bits"], i["hi"]["bits"]] for table in classes for i in table["intervals"]]
        elif cell.certificate is not None and cell.property in ("accuracy", sweeps.PROPERTY):
            regions = [[i.lo.bits, i.hi.bits] for i in cell.certificate.region]
        else:
            continue
        spans += [(value(fmt, a), value(fmt, b)) for a, b in regions]
    return [_clipped(s) for s in spans]


def value(fmt: Format, bits: str) -> float:
    """The number of a bit pattern; infinities and NaN as they are."""
    return float(fmt.decimal(int(bits, 16)))


def _clipped(span: Span) -> Span:
    """An interval that reaches into an infinity ends at the greatest finite number."""
    if math.isnan(span[0]) or math.isnan(span[1]) or span[0] == span[1]:
        return span
    most = math.nextafter(math.inf, 0)
    return max(span[0], -most), min(span[1], most)


def _gaps(cuts: Sequence[Span]) -> list[Span]:
    gaps, low = [], -math.inf
    for a, b in cuts:
        if a > low:
            gaps.append((low, a))
        low = max(low, b)
    return [*gaps, (low, math.inf)]


def _length(span: Span) -> float:
    low, high = (min(max(x, -ORDINARY), ORDINARY) for x in span)
    return high - low


def _inner(x: float, *, up: bool) -> str:
    """``x`` in three digits, rounded into the range."""
    short = float(f"{x:.3g}")
    if short != x and (short < x) == up:
        step = 10.0 ** (math.floor(math.log10(abs(x))) - 2)
        short = float(f"{short + (step if up else -step):.3g}")
    return _typeset(f"{short:.3g}")


def _outer(x: float) -> str:
    return _typeset(f"{x:.1g}")


def _typeset(number: str) -> str:
    return number.replace("-", "−")
