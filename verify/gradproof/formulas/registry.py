"""The library of formulas by function: what is known about ways to write it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gradproof.errors import UsageError
from gradproof.formulas.formula import Formula
from gradproof.formulas.library import algebraic, exponential, gaussian, logistic

LIBRARY: Final[dict[str, Formula]] = {
    formula.id: formula
    for formula in (*logistic.FORMULAS, *gaussian.FORMULAS, *exponential.FORMULAS, *algebraic.FORMULAS)
}
"""Every formula by its id, in the order of the files."""


def formulas_of(function: str, orders: Iterable[int] = (0, 1, 2)) -> tuple[Formula, ...]:
    """The formulas of the function of this name for some orders, in the library's order; none for other functions."""
    wanted = frozenset(orders)
    return tuple(f for f in LIBRARY.values() if f.function == function and f.order in wanted)


def get_formula(identifier: str) -> Formula:
    """The formula of this id; UsageError with those of its function otherwise."""
    try:
        return LIBRARY[identifier]
    except KeyError:
        own = [i for i in LIBRARY if i.partition("/")[0] == identifier.partition("/")[0]]
        raise UsageError(
            f"unknown formula {identifier!r}; {'known: ' + ', '.join(own) if own else 'expected function/name/order'}"
        ) from None
