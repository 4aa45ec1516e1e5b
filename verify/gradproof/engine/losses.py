"""Losses: where a formula loses its digits, as mathematics, for every format, parameter, vector width and processor.

An entry of the ledger fences what one processor showed on one sample of inputs. Where a formula has lost digits, which
results are how wrong depends on the last bits of what is subtracted, and those on the processor; which claims that
relate several results fail there depends on the sample as well. So a ``[[loss]]`` table of a ledger file says where the
formula loses digits (``where``), and how large the error of its result can be (``error``): expressions of the format,
the function's parameters and |x|.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from packaging.specifiers import SpecifierSet

from gradproof.errors import UsageError
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Floats

Interval = tuple[int, int]

Number = float | Floats

_OPERATORS: Final[dict[type[ast.AST], Callable[..., Any]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "sqrt": np.sqrt, "cbrt": np.cbrt, "ln": np.log, "exp": np.exp, "min": np.minimum, "max": np.maximum,
}  # fmt: skip


def names_of(fmt: Format) -> dict[str, float]:
    """What an expression may name: of the format ``p, e_min, e_max``, ``greatest`` (number), ``least`` (subnormal
    number) and ``inf``; and where exp, evaluated in it, leaves it.

    exp(-x) is subnormal from ``subnormal`` on and rounds to 0 from ``vanishes`` on, 1 + exp(-x) rounds to 1 from
    ``absorbed`` on, and exp(x) overflows from ``overflows`` on.
    """
    p, e_min, e_max = fmt.precision, fmt.e_min, fmt.e_max
    return {
        "p": p, "e_min": e_min, "e_max": e_max, "inf": math.inf,
        "greatest": float(fmt.max_value), "least": math.ldexp(1.0, e_min - p + 1),
        "subnormal": -e_min * math.log(2), "vanishes": (p - e_min) * math.log(2),
        "absorbed": p * math.log(2), "overflows": (e_max + 1) * math.log(2),
    }  # fmt: skip


def evaluate(expression: str, names: Mapping[str, Number]) -> Any:
    """The value of ``expression``: numbers, ``names``, ``+ - * / **`` and sqrt, cbrt, ln, exp, min, max.

    float64, of the shape that its names have. Raises UsageError for anything else, and for a value that is no number.
    """

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return np.float64(number)
            case ast.Name(id=name) if name in names:
                return np.asarray(names[name], np.float64)[()]
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                return _FUNCTIONS[name](*map(value, args))
        raise ValueError(f"{ast.unparse(node)!r} is no number, none of {', '.join(names)} and no arithmetic")

    try:
        with np.errstate(over="ignore", under="ignore", divide="raise", invalid="raise"):
            return value(ast.parse(expression, mode="eval").body)
    except (ValueError, TypeError, ArithmeticError, SyntaxError) as fault:
        raise UsageError(
            f"expected an expression of the format and the parameters, got {expression!r}: {fault}"
        ) from None


@dataclass(frozen=True)
class Loss:
    """Where f^(n), for the n of ``orders``, loses digits in one backend's formula for some ``functions``.

    ``where`` holds the ends of intervals, as expressions of ``names_of`` and of the function's parameters; ``error``
    the largest absolute error there, in which ``x`` is the size of the input; ``inf`` where the result may be of
    another class (a NaN). It is about every claim that rests on such results (``Property.rests_on``), or about those
    that ``properties`` names. Empty ``modes`` and ``formats`` narrow nothing.
    """

    deviation: str
    backend: str
    versions: SpecifierSet
    functions: tuple[str, ...]
    orders: tuple[int, ...]
    where: tuple[tuple[str, str], ...]
    error: str
    modes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()

    def regions(self, fmt: Format, params: Mapping[str, Any]) -> tuple[Interval, ...]:
        """The intervals as pairs of bit patterns, rounded outwards; none for those that the format does not reach."""
        names = _names(fmt, params)
        found = []
        for ends in self.where:
            low, high = (float(evaluate(end, names)) for end in ends)
            if low > high or low > names["greatest"] or high < -names["greatest"]:
                continue
            found.append((_outwards(low, fmt, -1), _outwards(high, fmt, 1)))
        return tuple(found)

    def room(self, size: Floats, fmt: Format, params: Mapping[str, Any]) -> Floats:
        """The largest error at inputs of that ``size``, of the same shape; finite unless ``error`` says ``inf``."""
        error = np.broadcast_to(evaluate(self.error, {**_names(fmt, params), "x": size}), size.shape)
        return error if self.error == INF else np.minimum(error, _LARGEST)

    def ceiling(self, fmt: Format, params: Mapping[str, Any]) -> float:
        """The largest error at an end of the intervals over the format's least quantum, finite if the error is.

        That is the most that any claim can make of it, none of which leaves less room.
        """
        ends = fa.values(np.array([end for ends in self.regions(fmt, params) for end in ends], fa.storage(fmt)), fmt)
        error = self.room(np.minimum(np.abs(ends), float(fmt.max_value)), fmt, params).max(initial=0.0)
        with np.errstate(over="ignore"):
            ceiling = error / names_of(fmt)["least"]
        return float(ceiling if self.error == INF else min(ceiling, _LARGEST))


INF: Final = "inf"
_LARGEST: Final = float(np.finfo(np.float64).max)


def _names(fmt: Format, params: Mapping[str, Any]) -> dict[str, float]:
    return names_of(fmt) | {name: float(value) for name, value in params.items()}


def _outwards(end: float, fmt: Format, direction: int) -> int:
    """The number of the format next to ``end`` in ``direction``, or ``end`` itself; the greatest where it is beyond."""
    if math.isinf(end):
        return fmt.last_bits | (fmt.sign_bit if end < 0 else 0)
    exact = Fraction(end)
    nearest = fmt.round(exact, saturate=True)
    inside = (fmt.value(nearest) - exact) * direction < 0
    ordinal = fmt.ordinal(nearest) + (direction if inside else 0)
    return fmt.from_ordinal(max(-fmt.max_bits, min(ordinal, fmt.max_bits)))
