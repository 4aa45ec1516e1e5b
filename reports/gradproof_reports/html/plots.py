"""Graphs of f^(n) for the eye: decoding, and the small picture that every row has without scripts."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from gradproof.extend import FORMATS, Cell, Curve

EMPTY: Final = 254
MISMATCH: Final = 255
WIDTH: Final = 40
HEIGHT: Final = 16


def decoded(text: str) -> bytes:
    """Bytes of base64; none where the text is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def errors(cell: Cell) -> list[tuple[float, float]]:
    """Inputs of a cell's graph with the error over the bound there, inf for a wrong class; none without a graph."""
    fmt = FORMATS.get(cell.format)
    if cell.curve is None or cell.curve.graph is None or fmt is None:
        return []
    levels = decoded(cell.curve.graph.errors)
    inputs = patterns(cell.curve.graph.inputs, fmt.width)
    sizes = (math.inf if n == MISMATCH else (2 ** (n / 4) - 1) / 256 for n in levels)
    return [(float(fmt.decimal(x)), e) for x, e in zip(inputs, sizes, strict=False)]


def agreement(cell: Cell) -> tuple[int, int] | None:
    """At how many of the drawn inputs a user's results have the bits of the framework's own; None without those."""
    if cell.curve is None or cell.curve.graph is None or cell.curve.graph.own is None:
        return None
    steps = cell.curve.graph.own.split()
    return sum(n in ("0", "?") for n in steps), len(steps)


def patterns(text: str, width: int) -> list[int]:
    """Bit patterns of ``width`` bits each from base64 of little-endian integers."""
    data, size = decoded(text), width // 8
    return [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data) - size + 1, size)]


def squeeze(bins: Sequence[int], points: int = WIDTH) -> list[int]:
    """At most ``points`` bins by maximum: a spike survives, and so does a mismatch; empty bins give way."""
    size = max(1, -(-len(bins) // points))
    groups = (bins[i : i + size] for i in range(0, len(bins), size))
    return [MISMATCH if MISMATCH in g else max((b for b in g if b != EMPTY), default=EMPTY) for g in groups]


def picture(curves: Sequence[tuple[str, Curve]]) -> Markup:
    """The envelopes of u over all floats, from the least to the greatest, as small panels side by side.

    The scale is fixed (log2(1 + u) from 0 to 16 bits), so that two pictures can be compared; wrong classes are ticks at
    the top. Only numbers and our own names go in, which is why the markup is safe.
    """
    paths = []
    for i, (_, curve) in enumerate(curves):
        bins = squeeze(decoded(curve.bins))
        line, marks, last = [], [], -1
        for x, level in enumerate(bins):
            at = x + i * (WIDTH + 4)
            if level == MISMATCH:
                marks.append(f"M{at} 0v3")
            y = HEIGHT if level >= EMPTY else HEIGHT - round((HEIGHT - 4) * min(level, 128) / 128)
            if not x:
                line.append(f"M{at} {y}")
            elif y != last:
                line.append(f"H{at}V{y}")
            last = y
        line.append(f"H{i * (WIDTH + 4) + len(bins)}")
        paths.append(f'<path d="{"".join(line)}"/>' + (f'<path class="bad" d="{"".join(marks)}"/>' if marks else ""))
    names = ", ".join(name for name, _ in curves)
    width = len(curves) * (WIDTH + 4)
    return Markup(
        f'<svg class="spark" viewBox="0 0 {width} {HEIGHT + 1}" width="{5 * width}" role="img" '
        f'aria-label="error of {names} over all floats">{"".join(paths)}</svg>'
    )
