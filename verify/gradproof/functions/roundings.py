"""Conversions that do not round each number to the nearest: at random, or in blocks that share a scale."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from gradproof.errors import UsageError
from gradproof.formats import FLOAT8_E8M0FNU, Format, get_format
from gradproof.formats.arrays import Floats, Ints
from gradproof.functions.function import Function, ScaleRule

BLOCK: Final = 32
"""Numbers that share a scale in the MX formats."""
MOST: Final = 1 << 12
"""Numbers of a block at most."""


class Seeded(partial):  # type: ignore[type-arg]
    """A callable ``(array, seed)`` with its seed bound."""

    def at(self, seed: int) -> Seeded:
        """The same with another seed."""
        return Seeded(self.func, seed=seed)


def _kept(m: Any, x: Any, **params: Any) -> Any:
    """A number as it is: what is rounded afterwards."""
    return x


def stochastic(target: Format) -> Function:
    """The stochastic rounding to ``target``; UsageError for a format without a sign, whose numbers are scales."""
    _check_signed(target)
    return Function(f"stochastic_{target.name}", (_kept,), rounds_to=target.name, rounding="stochastic")


def blocks(element: Format, block: int, scale: str | ScaleRule) -> Function:
    """The rounding of ``block`` numbers at a time to ``element`` times a power of two.

    ``scale`` is ``floor``, ``ceil``, or the rule itself. Raises UsageError for another rule, for a format without a
    sign, and for a block that is not of 2 to 4,096 numbers, a power of two.
    """
    _check_signed(element)
    if isinstance(block, bool) or not isinstance(block, int) or not 2 <= block <= MOST or block & (block - 1):
        raise UsageError(f"expected block= as a power of two from 2 to {MOST}, got {block!r}")
    if not callable(scale) and scale not in RULES:
        raise UsageError(f"expected scale= as {', '.join(map(repr, RULES))} or a function of amax, got {scale!r}")
    return Function(
        f"blocks_{element.name}",
        (_kept,),
        params={"block": block},
        rounds_to=element.name,
        rounding="blocks",
        scale=scale,
    )


def _check_signed(fmt: Format) -> None:
    if not fmt.signed:
        raise UsageError(f"expected a format of numbers of either sign, got {fmt.name}, which holds scales")


def _floor(amax: Floats, element: Format) -> Ints:
    """OCP Microscaling Formats (MX) Specification 1.0, section 6.3: the greatest power of two in ``amax``, over that in
    the element format. Magnitudes beyond the element's greatest saturate.
    """
    exponents: Ints = np.frexp(amax)[1].astype(np.int64) - 1 - element.e_max
    return exponents


def _ceil(amax: Floats, element: Format) -> Ints:
    """The least power of two under which nothing saturates: ``amax`` over it is no greater number than there is."""
    mantissa, exponent = np.frexp(amax / float(element.max_value))
    exponents: Ints = exponent.astype(np.int64) - (mantissa == 0.5)
    # The division is rounded: whether it fits is decided by a product, which is exact.
    return exponents + (np.ldexp(float(element.max_value), exponents.astype(np.int32)) < amax)


RULES: Final[dict[str, Callable[[Floats, Format], Ints]]] = {"floor": _floor, "ceil": _ceil}


def block_exponents(function: Function, amax: Floats, rule: str | None = None) -> Ints:
    """``log2`` of the scales of blocks whose greatest magnitudes are ``amax`` > 0, in the range of float8_e8m0fnu.

    By the function's own rule, or by the ``rule`` named. Raises UsageError where a rule of one's own answers with
    something else than one whole number for each.
    """
    assert function.rounds_to is not None
    chosen = rule or function.scale
    if callable(chosen):
        given = np.asarray(chosen(amax.copy()))
        if given.shape != amax.shape or not np.array_equal(given, np.rint(given)):
            raise UsageError(
                f"expected scale= of {function.name} to answer with one whole exponent for each of {amax.size} blocks, "
                f"got {given.dtype} of shape {given.shape}"
            )
        exponents = given.astype(np.int64)
    else:
        exponents = RULES[str(chosen)](amax, get_format(function.rounds_to))
    return np.clip(exponents, FLOAT8_E8M0FNU.e_min, FLOAT8_E8M0FNU.e_max)
