"""The published figures that ``relu-at-zero`` stands beside.

D. Bertoin, J. Bolte, S. Gerchinovitz, E. Pauwels, *Numerical influence of ReLU'(0) on backpropagation*, NeurIPS 2021:
share of initialisations (PyTorch's default for linear layers, batches of 256, MNIST, no step taken) whose first-layer
gradient differs between f'(0) = 0 and f'(0) = 1 in some batch of one epoch. The number of initialisations behind a
figure is not used here, so that a published figure has no interval of its own.
"""

from __future__ import annotations

from typing import Final

SOURCE: Final = (
    "Bertoin, Bolte, Gerchinovitz, Pauwels, Numerical influence of ReLU'(0) on backpropagation, NeurIPS 2021: MNIST"
)

BY_LAYERS: Final[dict[str, dict[int, float]]] = {
    "float16": {1: 87.1, 2: 99.9, 3: 100.0, 5: 100.0, 6: 100.0},
    "float32": {1: 5.4, 2: 25.8, 3: 46.3, 5: 64.7, 6: 69.7},
}
"""Percent by format and number of hidden layers, at width 256."""
BY_WIDTH: Final[dict[str, dict[int, float]]] = {
    "float16": {16: 33.3, 64: 100.0, 256: 100.0, 512: 100.0, 1024: 100.0},
    "float32": {16: 2.1, 64: 16.3, 256: 47.8, 512: 58.2, 1024: 87.3},
    "float64": {16: 0.0, 64: 0.0, 256: 0.0, 512: 0.0, 1024: 0.0},
}
"""Percent by format and width, with 3 hidden layers."""
WIDTH: Final = 256
LAYERS: Final = 3
BATCH: Final = 256
ROWS: Final = 60_000

RATES: Final[dict[str, tuple[float, float]]] = {"float32": (4e-9, 1.4e-8), "float16": (1.3e-7, 1.3e-7)}
"""P(z = 0) for one ReLU call, as derived from the shares: -log(1 - share) over the calls of an epoch."""


def shares(format: str, layers: int, width: int) -> tuple[float, ...]:
    """The published percentages of one network: none, one, or two where both tables have it."""
    found = []
    if width == WIDTH and layers in BY_LAYERS.get(format, {}):
        found.append(BY_LAYERS[format][layers])
    if layers == LAYERS and width in BY_WIDTH.get(format, {}):
        found.append(BY_WIDTH[format][width])
    return tuple(found)
