"""The accuracy contracts a cell can be held to (DESIGN section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from gradproof.errors import UsageError
from gradproof.formats import Format


@dataclass(frozen=True)
class Contract:
    """A bound on one error metric.

    ``metric`` is ``u`` (ulps of the exact result), ``m`` (mixed error) or ``abs`` (absolute error in units of
    ``2**-p * sup|f^(n)|``). ``strict`` contracts fail at equality.
    """

    name: str
    metric: Literal["u", "m", "abs"]
    bounds: tuple[float, float, float]
    """Bound for orders 0, 1, 2."""
    bounds_16: tuple[float, float, float]
    """The same in formats of 16 bits or fewer."""
    strict: bool = False

    def bound(self, order: int, fmt: Format) -> float:
        """The largest admissible error of f^(order) in ``fmt``, in units of the metric."""
        return (self.bounds_16 if fmt.is_16_bit else self.bounds)[order]


FAITHFUL: Final = Contract("faithful", "u", (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), strict=True)
STABLE: Final = Contract("stable", "m", (4.0, 8.0, 8.0), (2.0, 4.0, 4.0))
TRAINING: Final = Contract("training", "abs", (8.0, 8.0, 8.0), (8.0, 8.0, 8.0))

CONTRACTS: Final[dict[str, Contract]] = {c.name: c for c in (FAITHFUL, STABLE, TRAINING)}


def get_contract(name: str) -> Contract:
    """The contract called ``name``; UsageError with the known names otherwise."""
    try:
        return CONTRACTS[name]
    except KeyError:
        raise UsageError(f"unknown contract {name!r}; expected one of {', '.join(CONTRACTS)}") from None
