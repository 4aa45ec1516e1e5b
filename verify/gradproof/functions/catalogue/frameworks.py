"""What a framework's documentation specifies where that is an approximation of another function."""

from __future__ import annotations

from typing import Final

from gradproof.functions.catalogue.piecewise import INF, identity
from gradproof.functions.function import Function

SOFTPLUS_THRESHOLD: Final = Function(
    "softplus_threshold",
    (lambda m, x, beta, threshold: m.softplus(beta * x) / beta, identity),
    params={"beta": 1.0, "threshold": 20.0},
    breakpoints=(lambda p: p["threshold"] / p["beta"],),
    closed="left",
    limits=((0, 0, 0), (INF, 1, 0)),
    range=(0, INF),
    turns=(lambda p: p["threshold"] / p["beta"],),
    directions=(1, 1),
    requires=(("beta > 0", lambda p: p["beta"] > 0), ("threshold >= 0", lambda p: p["threshold"] >= 0)),
)
"""torch.nn.functional.softplus as documented: the identity where beta x > threshold. Falls by
log1p(exp(-threshold)) / beta there."""
