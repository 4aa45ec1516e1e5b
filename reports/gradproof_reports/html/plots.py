"""The small picture that every row has without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from gradproof.extend import Curve, graphs

EMPTY: Final = 254
WIDTH: Final = 40
HEIGHT: Final = 16


def squeeze(bins: Sequence[int], points: int = WIDTH) -> list[int]:
    """At most ``points`` bins by maximum: a spike survives, and so does a mismatch; empty bins give way."""
    size = max(1, -(-len(bins) // points))
    groups = (bins[i : i + size] for i in range(0, len(bins), size))
    return [
        graphs.MISMATCH if graphs.MISMATCH in g else max((b for b in g if b != EMPTY), default=EMPTY) for g in groups
    ]


def picture(curves: Sequence[tuple[str, Curve]]) -> Markup:
    """The envelopes of u over all floats, from the least to the greatest, as small panels side by side.

    The scale is fixed (log2(1 + u) from 0 to 16 bits), so that two pictures can be compared; wrong classes are ticks at
    the top. Only numbers and our own names go in, which is why the markup is safe.
    """
    paths = []
    for i, (_, curve) in enumerate(curves):
        bins = squeeze(graphs.decoded(curve.bins))
        line, marks, last = [], [], -1
        for x, level in enumerate(bins):
            at = x + i * (WIDTH + 4)
            if level == graphs.MISMATCH:
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
