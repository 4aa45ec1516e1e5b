"""What a run is asked to cover, and how much work it may spend on each cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from gradproof.errors import UsageError
from gradproof.execution.executors import check_workers
from gradproof.execution.timelimit import MOST_SECONDS
from gradproof.formats import judged_format
from gradproof.measure import get_contract
from gradproof.spelling import BACKEND_NAMES, backend_spelled


@dataclass(frozen=True)
class Budget:
    """Work per cell, by width of the format: stratified base points, then Hypothesis examples of batches."""

    base_32: int
    base_64: int
    examples: int
    batch_32: int
    batch_64: int
    pairs: int
    """Pairs (x, h) of the Taylor claim."""
    samples: int
    """Simulated pre-activations of the zero-input claim."""
    depth: int
    """Layers of the underflow-noise chain."""
    bulk_32: int
    """Inputs of an accuracy cell that the models judge: even spread over all of a 32-bit format."""
    bulk_64: int
    """The same of float64, beside denser ones around ordinary numbers."""
    seconds: float
    """What these calls of a user's implementation may take together; a slow one is tried on fewer inputs."""

    def base(self, width: int) -> int:
        """Base points of a format so wide."""
        return self.base_32 if width <= 32 else self.base_64

    def bulk(self, width: int) -> int:
        """Inputs that the models judge of a format so wide."""
        return self.bulk_32 if width <= 32 else self.bulk_64


PROFILES: Final[dict[str, Budget]] = {
    "quick": Budget(1 << 14, 512, 4, 1024, 24, 256, 1 << 16, 32, 1 << 20, 1 << 17, 1.0),
    "default": Budget(1 << 16, 2048, 12, 2048, 32, 512, 1 << 18, 64, 1 << 23, 1 << 20, 4.0),
    "deep": Budget(1 << 18, 1 << 15, 120, 8192, 512, 8192, 1 << 22, 256, 1 << 32, 1 << 22, 900.0),
}
DEFAULT_SEED: Final = 20261121
MOST_SEED: Final = (1 << 63) - 1
"""The greatest seed that all generators take."""


@dataclass(frozen=True)
class Selection:
    """The part of all cells that a run covers. An empty tuple means everything there is.

    Of formats it means what an implementation names, or ``formats.DEFAULT_FORMATS``: the 8-bit ones are judged when
    they are asked for.
    ``backends`` holds ids (``torch:cuda``) or names (``torch``, on cpu). Formats, backends and functions are understood
    in any case and by their other names (``bf16``, ``PyTorch``, ``swish``: ``gradproof.spelling``). ``files`` are
    Python files whose registered implementations are checked; without them the catalogue is.
    """

    functions: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    orders: tuple[int, ...] = ()
    properties: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    contract: str = "stable"
    profile: str = "default"
    seed: int = DEFAULT_SEED
    max_seconds: float | None = None
    jobs: int | None = None
    """Worker processes; None for one per available core, 0 to run in this process."""
    time_limit: float = 60.0
    """Seconds a user's callable may take in one call, at most MOST_SECONDS."""
    use_ledger: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "formats", tuple(dict.fromkeys(judged_format(name).name for name in self.formats)))
        object.__setattr__(
            self, "backends", tuple(backend_spelled(name, set(BACKEND_NAMES.values())) for name in self.backends)
        )
        get_contract(self.contract)
        if self.profile not in PROFILES:
            raise UsageError(f"unknown profile {self.profile!r}; expected one of {', '.join(PROFILES)}")
        for order in self.orders:
            if order not in (0, 1, 2):
                raise UsageError(f"expected an order of 0, 1 or 2, got {order}")
        if self.max_seconds is not None and not 0 < self.max_seconds < math.inf:
            raise UsageError(f"expected --max-seconds above 0, got {self.max_seconds}")
        if not 0 < self.time_limit <= MOST_SECONDS:
            raise UsageError(f"expected --time-limit above 0 and at most {MOST_SECONDS:g}, got {self.time_limit:g}")
        if not (isinstance(self.seed, int) and 0 <= self.seed <= MOST_SEED):
            raise UsageError(f"expected --seed as a whole number from 0 to 2^63 - 1, got {self.seed!r}")
        if self.jobs is not None:
            if not isinstance(self.jobs, int):
                raise UsageError(f"expected --jobs as a whole number, got {self.jobs!r}")
            check_workers("--jobs", self.jobs)

    @property
    def budget(self) -> Budget:
        """The work per cell that the profile allows."""
        return PROFILES[self.profile]
