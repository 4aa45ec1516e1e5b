"""The accuracy contracts a cell can be held to (docs/glossary.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from gradproof.errors import UsageError
from gradproof.formats import Format
from gradproof.formats.arrays import Floats
from gradproof.names import Names, World, defined_here


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

    def room(
        self, order: int, fmt: Format, quantum: Floats | float, moved: Floats | float, scale: Floats | float
    ) -> Floats:
        """The largest admissible ``|error|`` of f^(order) in ``fmt``, in its own units, by any metric.

        ``quantum`` is q(y) at the exact result, ``moved`` what one quantum of the input moves it by,
        ``|f^(order + 1)(x)| q(x)``, and ``scale`` sup|f^(order)|; numbers or arrays of shape (n,), like the answer.
        ``u`` reads the first, ``m`` the first two, ``abs`` the last. Under a strict contract it is the float64 below
        the bound, so that an error fails that exceeds it.
        """
        if self.metric == "u":
            unit = quantum
        elif self.metric == "m":
            unit = quantum + moved
        else:
            unit = 2.0**-fmt.precision * scale
        room: Floats = np.asarray(self.bound(order, fmt) * unit, np.float64)
        return np.nextafter(room, 0.0) if self.strict else room


FAITHFUL: Final = Contract("faithful", "u", (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), strict=True)
STABLE: Final = Contract("stable", "m", (4.0, 8.0, 8.0), (2.0, 4.0, 4.0))
TRAINING: Final = Contract("training", "abs", (8.0, 8.0, 8.0), (8.0, 8.0, 8.0))

CONTRACTS: Final[dict[str, Contract]] = {c.name: c for c in (FAITHFUL, STABLE, TRAINING)}


_defined: Names[Contract] = Names(Contract)


def get_contract(name: str) -> Contract:
    """The contract called ``name``, of several the one defined last; UsageError with the known names otherwise."""
    known = {**CONTRACTS, **_defined.latest()}
    if name not in known:
        raise _unknown(name, known)
    return known[name]


def contract_meant(name: str, worlds: Iterable[World]) -> Contract:
    """The contract that code in ``worlds`` means by ``name``: a built-in one, or its own (``Names.meant``).

    UsageError where there is none, which says who else defines one.
    """
    found = CONTRACTS.get(name) or _defined.meant(name, worlds)
    if found is not None:
        return found
    if elsewhere := _defined.elsewhere("contract", name):
        raise UsageError(elsewhere)
    raise _unknown(name, CONTRACTS)


def _unknown(name: str, known: Iterable[str]) -> UsageError:
    return UsageError(f"unknown contract {name!r}; expected one of {', '.join(known)}")


def contract(
    name: str,
    *,
    metric: Literal["u", "m", "abs"],
    bounds: float | Sequence[float],
    bounds_16: float | Sequence[float] | None = None,
    strict: bool = False,
) -> Contract:
    """Define and register a contract of your own, for ``implements(..., contract=name)``.

    ``metric``: ``u`` (ulps of the exact result), ``m`` (mixed error) or ``abs`` (absolute error in units of
    ``2**-p * sup|f^(n)|``). ``bounds``: the largest admissible error, one for all orders or one each for 0, 1, 2;
    ``bounds_16`` the same in formats of 16 bits or fewer, where they differ. ``strict`` contracts fail at equality.
    Defining a name again in a file replaces it for what follows; another file's is another contract.

    Raises UsageError for a built-in name, an unknown metric, and bounds that are not one or three positive numbers.
    """
    if not isinstance(name, str) or not name.isidentifier() or name in CONTRACTS:
        raise UsageError(
            f"expected a name such as 'tight', other than {', '.join(CONTRACTS)}, for the contract, got {name!r}"
        )
    if metric not in ("u", "m", "abs"):
        raise UsageError(f"contract {name!r}: expected metric='u', 'm' or 'abs', got {metric!r}")
    wide = _bounds(name, bounds)
    made = Contract(name, metric, wide, wide if bounds_16 is None else _bounds(name, bounds_16), bool(strict))
    _defined.enter(name, defined_here(made))
    return made


def _bounds(name: str, given: float | Sequence[float]) -> tuple[float, float, float]:
    lone = isinstance(given, (int, float))
    listed = [given] * 3 if lone else list(given) if isinstance(given, Sequence) else []
    numbers = [b for b in listed if isinstance(b, (int, float)) and not isinstance(b, bool) and 0 < b < 1e300]
    if len(numbers) != 3 or len(listed) != 3:
        raise UsageError(
            f"contract {name!r}: expected one positive bound (below 1e300), or one for each of the orders 0, 1, 2, got "
            f"{given!r:.60}"
        )
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


def forget_contracts(names: Iterable[str]) -> None:
    """Remove contracts defined in this process (tests and long-lived sessions)."""
    _defined.forget(names)
