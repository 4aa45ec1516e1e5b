"""A formula: one way to calculate one order of one function, and its evaluation over arrays of inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.formulas.differentiation.gradients import gradient, pushforward, recorded
from gradproof.formulas.differentiation.rules import JAX, TORCH
from gradproof.formulas.differentiation.tape import Rules
from gradproof.formulas.rounded import IdealContext, RoundedContext, Style, Subnormals, arithmetic
from gradproof.formulas.rounded.intervals import held
from gradproof.formulas.rounded.libraries import Room
from gradproof.functions import Function, get_function
from gradproof.functions.function import Exact

Mask = npt.NDArray[np.bool_]
Definition = Callable[..., Any]

BLOCK: Final = 1 << 15
"""Inputs evaluated at once: what a processor's second-level cache holds of a dozen float64 arrays."""


@dataclass(frozen=True)
class Formula:
    """One record of the library.

    ``definition`` is ``lambda m, x, **params`` over the rounded context, for f^(order) itself; ``text`` the same as a
    line of mathematics. ``used`` says where it is found. ``style`` and ``compute`` choose the arithmetic
    (``rounded.arithmetic``); ``rooms`` states the error of single elementary functions where it is not the usual one.
    ``formats`` are those it is used in, empty for all.
    """

    function: str
    name: str
    order: int
    text: str
    definition: Definition
    used: str
    style: Style = "wide"
    compute: str | None = None
    rooms: Mapping[str, Room] = field(default_factory=dict)
    formats: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Function, name and order: ``silu/quotient/1``."""
        return f"{self.function}/{self.name}/{self.order}"

    def specification(self, params: Mapping[str, Exact] | None = None) -> Function:
        """The function with ``params`` bound; UsageError for parameters it does not take."""
        return get_function(self.function, params)

    def applies_to(self, fmt: Format) -> bool:
        """Whether the formula is used in this format."""
        return fmt.has_infinity and (not self.formats or fmt.name in self.formats)


@dataclass(frozen=True)
class PossibleResults:
    """What a formula may give at n inputs: numbers of [``low``, ``high``] (float64, NaN where there is none), a NaN
    where ``nan``; shape (n,) each.
    """

    low: Floats
    high: Floats
    nan: Mask

    def holds(self, got: Floats) -> Mask:
        """Where ``got`` is one of these results: NaN only where flagged, zeros of either sign alike."""
        return held(self.low, self.high, self.nan, got)


def evaluate(
    formula: Formula,
    bits: Bits,
    fmt: Format,
    params: Mapping[str, Exact] | None = None,
    subnormals: Subnormals = "kept",
    *,
    ideal: bool = False,
) -> PossibleResults:
    """Every result that ``formula`` may have at ``bits`` of shape (n,), stored in ``fmt``.

    ``subnormals`` says what the processor makes of subnormal numbers. ``ideal``: by the best library there is, whose
    elementary functions are correctly rounded. Raises UsageError for a format without infinity.
    """
    fa.require_gradual_underflow()
    how = arithmetic(fmt, formula.style, FORMATS[formula.compute] if formula.compute else None, subnormals)
    exact_params = formula.specification(params).exact_params
    found = PossibleResults(np.empty(bits.size), np.empty(bits.size), np.empty(bits.size, bool))
    with np.errstate(all="ignore"):
        for start in range(0, bits.size, BLOCK):
            part = slice(start, start + BLOCK)
            m = (IdealContext if ideal else RoundedContext)(how, formula.rooms)
            result = m.stored(formula.definition(m, m.variable(bits[part]), **exact_params))
            found.low[part], found.high[part], found.nan[part] = result.low, result.high, result.nan
    return found


def encloses(
    formula: Formula,
    bits: Bits,
    got: Bits,
    fmt: Format,
    params: Mapping[str, Exact] | None = None,
    subnormals: Subnormals = "kept",
) -> Mask:
    """Where the results ``got`` (bits, shape (n,)) at ``bits`` are among those that ``formula`` may have."""
    return evaluate(formula, bits, fmt, params, subnormals).holds(fa.values(got, fmt))


def allowances(formula: Formula, fmt: Format, params: Mapping[str, Exact] | None = None) -> dict[str, Room]:
    """The elementary functions that ``formula`` uses in ``fmt``, and the error that is allowed to each."""
    how = arithmetic(fmt, formula.style, FORMATS[formula.compute] if formula.compute else None)
    m = RoundedContext(how, formula.rooms)
    with np.errstate(all="ignore"):
        formula.definition(m, m.variable(np.zeros(1, fa.storage(fmt))), **formula.specification(params).exact_params)
    return dict(m.asked)


# -- making records ------------------------------------------------------------------------------------


def kernel(
    function: str, name: str, order: int, text: str, definition: Definition, used: str, **how: Any
) -> tuple[Formula, ...]:
    """A hand-written kernel for one order: 16-bit formats in float32, the result stored."""
    return (Formula(function, name, order, text, definition, used, **how),)


def composed(
    function: str, name: str, order: int, text: str, definition: Definition, used: str, **how: Any
) -> tuple[Formula, ...]:
    """A derivative written out and calculated one operation after the other, each result stored."""
    return (Formula(function, name, order, text, recorded(definition, TORCH), used, **how),)


def eager(function: str, name: str, text: str, definition: Definition, used: str, **how: Any) -> tuple[Formula, ...]:
    """A definition calculated one operation after the other, each result stored, with PyTorch's reverse mode."""
    return _differentiated(function, name, text, definition, used, TORCH, "torch", how)


def forward(function: str, name: str, text: str, definition: Definition, used: str, **how: Any) -> tuple[Formula, ...]:
    """The derivatives of ``eager`` by PyTorch's forward mode; the second one is forward mode over reverse mode."""
    return _pushed(function, name, text, definition, used, TORCH, how)


def compiled(function: str, name: str, text: str, definition: Definition, used: str, **how: Any) -> tuple[Formula, ...]:
    """A definition with reverse mode by JAX's rules, in loops that XLA fuses, and its derivatives eagerly too.

    And by forward mode: of the definition, and of its derivative by reverse mode.
    """
    loops = _differentiated(function, name, text, definition, used, JAX, "jax", {"style": "loose", **how})
    lone = {"style": "narrow", "orders": (1, 2), **how}
    eagerly = _differentiated(function, f"{name}-eager", text, definition, f"{used}, eagerly", JAX, "jax", lone)
    return (
        loops + eagerly + _pushed(function, f"{name}-forward", text, definition, used, JAX, {"style": "loose", **how})
    )


def _pushed(
    function: str, name: str, text: str, definition: Definition, used: str, rules: Rules, how: dict[str, Any]
) -> tuple[Formula, ...]:
    how = {key: value for key, value in how.items() if key not in ("orders", "texts")}
    made = (pushforward(definition, rules), pushforward(gradient(definition, rules), rules))
    texts = (f"({text})' by forward mode", f"({text})'' by forward over reverse mode")
    return tuple(Formula(function, name, n, texts[n - 1], made[n - 1], f"{used}, forward mode", **how) for n in (1, 2))


def _differentiated(
    function: str,
    name: str,
    text: str,
    definition: Definition,
    used: str,
    rules: Rules,
    whose: str,
    how: dict[str, Any],
) -> tuple[Formula, ...]:
    orders: tuple[int, ...] = how.pop("orders", (0, 1, 2))
    texts: Mapping[int, str] = how.pop("texts", {})
    first = gradient(definition, rules)
    made = (recorded(definition, rules), first, gradient(first, rules))
    usual = (text, f"({text})' by {whose}'s rules", f"({text})'' by {whose}'s rules")
    return tuple(Formula(function, name, n, texts.get(n, usual[n]), made[n], used, **how) for n in orders)
