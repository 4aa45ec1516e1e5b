"""What a guided search answers: an input, the error there, and what was spent on finding it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gradproof.formats import get_format
from gradproof.measure.contracts import FAITHFUL, STABLE, TRAINING, Contract

Metric = Literal["u", "m", "abs"]
METRICS: Final[dict[str, Contract]] = {"u": FAITHFUL, "m": STABLE, "abs": TRAINING}
"""The contract in whose units each metric counts."""


@dataclass(frozen=True)
class Worst:
    """One input and its error, measured against the value that both oracle routes certify.

    ``u`` in ulps, ``m`` mixed, ``absolute`` in the units of f^(order), infinite for a NaN or an infinity of the wrong
    sign; ``mismatch`` says so, and holds for an infinity in place of a number too. ``error`` is the one searched for
    (of ``abs`` in units of ``2**-p * sup|f^(order)|``, as the training contract).
    """

    bits: int
    got: int
    expected: int
    error: float
    u: float
    m: float
    absolute: float
    mismatch: bool
    origin: str
    """Where the input, or the one that the search climbed from, came from: one of ``starting_points.ORIGINS``."""


@dataclass(frozen=True)
class SearchResult:
    """What a guided search found: the error of f^(order) is at least this large. It claims no maximum.

    ``finite`` is the largest error among results of the right class, ``mismatched`` one result of a wrong class (a
    NaN, or an infinity where another is due or a number), where there are any. ``points`` inputs were evaluated, of
    ``budget``; ``undecided`` are those whose value the oracle could not certify, ``excused`` those that a backend's
    flushing of subnormal numbers explains, neither of which count as errors.
    """

    function: str
    params: Mapping[str, Any]
    implementation: str
    backend: str
    mode: str
    format: str
    order: int
    metric: Metric
    finite: Worst | None
    mismatched: Worst | None
    mismatches: int
    undecided: int
    excused: int
    points: int
    budget: int
    seed: int
    bindings: int = 1
    """Values of the parameters that were tried."""

    @property
    def worst(self) -> Worst | None:
        """A result of the wrong class where there is one, else the largest error; None where nothing was judged."""
        return self.mismatched or self.finite

    @property
    def error(self) -> float:
        """The error of ``worst`` in the metric searched for: inf for a wrong class, 0 where nothing was judged."""
        return math.inf if self.mismatched else self.worst.error if self.worst else 0.0

    @property
    def statement(self) -> str:
        """One sentence: the error, its input, what was spent, the seed."""
        spent = f"among {self.points:,} inputs of a guided search (seed {self.seed})"
        if self.worst is None:
            return f"no error found {spent}"
        fmt = get_format(self.format)
        x = f"x = {fmt.decimal(self.worst.bits)} ({fmt.bits_text(self.worst.bits)})"
        if self.worst.mismatch:
            return f"a result of the wrong class at {x} {spent}"
        unit = {"u": "ulp", "m": "mixed units", "abs": f"2^-{fmt.precision} sup|f^({self.order})|"}[self.metric]
        return f"an error of at least {self.error:.4g} {unit} at {x} {spent}"
