"""Graphs of f^(n) as a results file holds them: inputs, and at each the error over the bound."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Final

from gradproof.formats import FORMATS
from gradproof.results.model import Cell

MISMATCH: Final = 255
"""The level of a result of a wrong class."""


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
