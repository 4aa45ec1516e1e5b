"""Small charts as SVG that looks the same in a report and beside a text: axes, lines, points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

WIDTH, HEIGHT = 560, 250
LEFT, RIGHT, TOP, BOTTOM = 62, 118, 12, 38
COLOURS = ("#1f6fb5", "#c2500a", "#0b8462", "#a8568a", "#8a6d00", "#5a6b75")
"""For lines on light and dark ground, from Okabe and Ito's; lines differ by dash and by the name at their end too."""
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 3", "10 4")


@dataclass
class Axis:
    """From the first to the last of ``ends``; ``ticks`` are places with labels. ``place`` maps values, log for one."""

    name: str
    ends: tuple[float, float]
    ticks: list[tuple[float, str]]
    place: Callable[[float], float] = field(default=lambda v: v)

    def at(self, value: float) -> float:
        """0 to 1 along the axis; what lies beyond is put at its end."""
        low, high = map(self.place, self.ends)
        return min(1.0, max(0.0, (self.place(value) - low) / ((high - low) or 1.0)))


@dataclass(frozen=True)
class Plotted:
    """Points under one name; ``line`` joins them, ``hollow`` draws rings. ``bars`` are intervals in y of each."""

    name: str
    points: Sequence[tuple[float, float]]
    line: bool = True
    hollow: bool = False
    bars: Sequence[tuple[float, float]] = ()
    colour: int | None = None


def logarithmic(name: str, values: Sequence[float], base: float = 10.0) -> Axis:
    """A logarithmic axis around positive values, with labels at powers of the base."""
    known = [v for v in values if v > 0 and math.isfinite(v)] or [1.0]
    low, high = math.floor(math.log(min(known), base) - 1e-9), math.ceil(math.log(max(known), base) + 1e-9)
    step = max(1, -(-(high - low) // 6))
    label = "2" if base == 2 else "10"
    ticks = [(base**k, f"{label}^{k}") for k in range(low, high + 1, step)]
    return Axis(name, (base**low, base ** max(high, low + 1)), ticks, lambda v: math.log(max(v, 1e-320)))


def linear(name: str, ticks: Sequence[float]) -> Axis:
    """A straight axis from the first tick to the last."""
    return Axis(name, (ticks[0], ticks[-1]), [(t, f"{t:g}") for t in ticks])


def chart(title: str, x: Axis, y: Axis, series: Sequence[Plotted]) -> Markup:
    """The chart; every text in it is escaped."""

    def px(v: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - RIGHT) * x.at(v):.1f}"

    def py(v: float) -> str:
        return f"{HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y.at(v):.1f}"

    head = (
        f'<svg class="figure" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="11" fill="#68757c">'
    )
    parts = [head]
    for v, label in y.ticks:
        parts.append(f'<path d="M{LEFT} {py(v)}H{WIDTH - RIGHT}" stroke="#9aa5aa" stroke-opacity=".35"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{float(py(v)) + 4:.1f}" text-anchor="end">{_label(label)}</text>')
    for v, label in x.ticks:
        parts.append(f'<text x="{px(v)}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{_label(label)}</text>')
    parts.append(f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#9aa5aa"/>')
    middle = (LEFT + WIDTH - RIGHT) // 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.name)}</text>')
    upright = f'transform="translate(13 {(TOP + HEIGHT - BOTTOM) // 2}) rotate(-90)" text-anchor="middle"'
    parts.append(f"<text {upright}>{escape(y.name)}</text>")
    for i, one in enumerate(series):
        n = i if one.colour is None else one.colour
        colour, dash = COLOURS[n % len(COLOURS)], DASHES[n % len(DASHES)]
        if one.line and len(one.points) > 1:
            d = "L".join(f"{px(a)} {py(b)}" for a, b in one.points)
            dashed = f' stroke-dasharray="{dash}"' if dash else ""
            parts.append(f'<path d="M{d}" fill="none" stroke="{colour}" stroke-width="1.8"{dashed}/>')
        for (a, _), (low, high) in zip(one.points, one.bars, strict=False):
            parts.append(f'<path d="M{px(a)} {py(low)}V{py(high)}" stroke="{colour}"/>')
        look = f'fill="none" stroke="{colour}" stroke-width="1.6"' if one.hollow else f'fill="{colour}"'
        parts += [f'<circle cx="{px(a)}" cy="{py(b)}" r="{4.5 if one.hollow else 2.6}" {look}/>' for a, b in one.points]
        row = TOP + 8 + 17 * i
        parts.append(f'<circle cx="{WIDTH - RIGHT + 12}" cy="{row}" r="4" {look}/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 21}" y="{row + 4}">{escape(one.name)}</text>')
    return Markup("".join(parts) + "</svg>")


def _label(text: str) -> str:
    base, mark, power = text.partition("^")
    return f'{base}<tspan dy="-4" font-size="8">{power}</tspan>' if mark else str(escape(text))
