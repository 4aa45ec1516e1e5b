"""Error envelopes for the eye: decoding, axes with value labels, and a static picture."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

from markupsafe import Markup

from gradproof.extend import FORMATS, Curve, Format

EMPTY: Final = 254
MISMATCH: Final = 255
WIDTH: Final = 128
HEIGHT: Final = 26
STRIP: Final = 4
"""Height of the strip of class mismatches at the top of a static picture, in the units of its view box."""

TICKS: Final = tuple(-(10.0**k) for k in (300, 100, 30, 10, 4, 2, 1, 0, -1, -2, -4, -7, -15, -30, -100, -300))
"""Negative values that may carry a label, from the left; their mirror images and 0 join them."""


def levels(curve: Curve) -> bytes:
    """The envelope's bins, one byte each (see ``Curve``); empty where the text is no base64."""
    try:
        return base64.b64decode(curve.bins, validate=True)
    except (binascii.Error, ValueError):
        return b""


def squeeze(bins: Sequence[int], points: int = WIDTH) -> list[int]:
    """At most ``points`` bins by maximum: a spike survives, and so does a mismatch; empty bins give way."""
    size = max(1, -(-len(bins) // points))
    groups = (bins[i : i + size] for i in range(0, len(bins), size))
    return [MISMATCH if MISMATCH in g else max((b for b in g if b != EMPTY), default=EMPTY) for g in groups]


def sparkline(curve: Curve, points: int = WIDTH) -> Markup:
    """The envelope as inline SVG: log2(1 + u) over ordinals, mismatches as ticks on a strip of their own.

    The scale is fixed (0 to 16 bits at least), so that two pictures can be compared. Only numbers go in,
    which is why the markup is safe.
    """
    bins = squeeze(levels(curve), points)
    top = max(128, *(b for b in bins if b < EMPTY)) if any(b < EMPTY for b in bins) else 128
    path, marks, down, last = [], [], False, -1
    for x, level in enumerate(bins):
        if level == MISMATCH:
            marks.append(f"M{x} 0v{STRIP - 1}")
        if level >= EMPTY:
            down = False
            continue
        y = HEIGHT - round((HEIGHT - STRIP - 1) * level / top)
        # A flat stretch needs its two ends only.
        flat = down and y == last and x + 1 < len(bins) and bins[x + 1] == level
        if not flat:
            path.append(f"{'L' if down else 'M'}{x} {y}")
        down, last = True, y
    return Markup(
        f'<svg class="spark" viewBox="0 0 {max(1, len(bins))} {HEIGHT + 1}" preserveAspectRatio="none" '
        f'role="img" aria-label="error envelope"><path d="{"".join(path)}"/>'
        f'<path class="bad" d="{"".join(marks)}"/></svg>'
    )


def grid(name: str, curve: Curve) -> dict[str, Any] | None:
    """The axis that curves of one format share: value at each bin's edge and labelled ticks, in bins.

    None for a format that is not known here; its curves are drawn over bare bins.
    """
    fmt = FORMATS.get(name)
    count = len(levels(curve))
    if fmt is None or not count:
        return None
    low, high = int(curve.lo), int(curve.hi)
    width = -(-(high - low + 1) // count)
    edges = [_short(fmt, low + i * width) for i in range(count + 1)]
    ticks = []
    for value in (*TICKS, 0.0, *(-t for t in reversed(TICKS))):
        bits = fmt.round(Fraction(value))
        if fmt.is_nan(bits):  # beyond a format without infinity
            continue
        ordinal = fmt.ordinal(bits)
        exact = fmt.is_finite(bits) and (value == 0 or abs(ordinal) >= fmt.min_normal_bits)
        if low <= ordinal <= high and exact:
            ticks.append({"at": (ordinal - low) / width, "label": _label(value)})
    return {"edges": edges, "ticks": ticks, "tiny": float(fmt.min_subnormal)}


def grid_key(name: str, curve: Curve) -> str:
    """What two curves must share to be drawn over one axis."""
    return f"{name} {curve.lo} {curve.hi} {len(levels(curve))}"


def _label(value: float) -> str:
    """``1e-7``, without the padding and plus signs that ``%g`` has; still readable as a number."""
    mantissa, mark, exponent = f"{value:g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else mantissa


def _short(fmt: Format, ordinal: int) -> str:
    bits = fmt.from_ordinal(ordinal)
    return f"{float(fmt.value(bits)):.4g}" if fmt.is_finite(bits) else fmt.decimal(bits)
