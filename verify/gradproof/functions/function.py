"""What a function is, mathematically: pieces over a math context, breakpoints, limits, symmetries.

A definition is a callable ``(m, x, **params)`` where ``m`` is a math context (docs/oracle.md lists what it offers) and
``x`` the variable in that context's own number type. The same callable is evaluated by every oracle route.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from numbers import Integral
from typing import Any, Final, Literal

from gradproof.errors import UsageError
from gradproof.functions.identity import Identity, identity_of

Definition = Callable[..., Any]
Exact = int | float | str | Fraction | Decimal
Point = Exact | Callable[[Mapping[str, Fraction]], Fraction]
Limit = Exact | Callable[[Mapping[str, Fraction]], Exact]
Entry = Exact | Callable[..., Any] | None
"""A value declared at one point: a number, an infinity, NaN, or a constant ``lambda m, **params``."""
Side = Literal["left", "right"]
Kind = Literal["value", "nearest", "stochastic", "blocks"]
ScaleRule = Callable[[Any], Any]
"""From the greatest magnitudes of blocks, float64, to the exponents of their scales."""

UNKNOWN_LIMITS: Final[tuple[None, None, None]] = (None, None, None)
Turn = Point | tuple[Exact, Exact]
"""Where a function turns from falling to rising or back: a breakpoint, or a bracket around one root of f'."""


def exact(value: Exact) -> Fraction:
    """``value`` as the real number it stands for.

    A float is its binary64 value; text and Decimal are their decimal value (``"0.1"`` is one tenth). Raises
    UsageError for anything that is no finite real number.
    """
    try:
        if isinstance(value, bool):
            raise ValueError
        # NumPy's scalars offer as_integer_ratio or are Rational with numerators that overflow: Python ints only.
        ratio = value.as_integer_ratio() if hasattr(value, "as_integer_ratio") else Fraction(value)
        top, bottom = ratio if isinstance(ratio, tuple) else (ratio.numerator, ratio.denominator)
        return Fraction(int(top), int(bottom))
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise UsageError(
            f"expected a finite real parameter (int, float, Fraction, Decimal or decimal text), got {value!r}"
        ) from None


def plain(value: Any) -> Any:
    """A parameter as a Python int or float, or as the text of what neither can hold: what a results file holds too.

    The real number that it stands for stays the same: ``Fraction(1, 3)`` becomes ``"1/3"``, NumPy's float32 0.1 becomes
    ``0.10000000149011612``. What is no finite real comes back as it is.
    """
    if type(value) in (int, float, str):
        return value
    try:
        number = exact(value)
    except UsageError:
        return value
    if isinstance(value, Decimal | Fraction):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    try:
        return float(number) if float(number) == number else str(number)
    except OverflowError:  # a number of a wider format
        return str(number)


def _extended(value: Exact) -> Fraction | float:
    """A real number, or an infinity given as a float or as text."""
    if isinstance(value, (float, str)) and value in (math.inf, -math.inf, "inf", "-inf"):
        return float(value)
    return exact(value)


@dataclass(frozen=True)
class Function:
    """A mathematical specification.

    ``pieces`` are smooth definitions from left to right, separated by ``breakpoints`` (numbers, or callables
    of the parameters). At a breakpoint the piece to the right gives the value, or the one to the left with
    ``closed="left"`` (one side for all breakpoints, or one each). Breakpoints whose index is in ``seams`` are no
    kinks: two formulas of one analytic function meet there. ``smooth`` maps the index of a breakpoint to the highest n
    for which f to f^(n) are continuous there: what enclosures of two transcendental pieces cannot prove. ``at``
    declares (f, f', f'') at single points where a definition has no value, None where not declared. ``domain`` is the
    open interval on which the function is defined; ``limits`` holds (f, f', f'') at its left and its right end, None
    where not declared. Beyond the domain the value is NaN. ``params`` maps names to ints, floats and text; an
    oracle sees them as exact reals.

    The ``name`` is for people and for the results file: two functions of one name are two, and ``identity`` tells them
    apart.
    """

    name: str
    pieces: tuple[Definition, ...]
    params: Mapping[str, Exact] = field(default_factory=dict)
    breakpoints: tuple[Point, ...] = ()
    closed: Side | tuple[Side, ...] = "right"
    seams: frozenset[int] = frozenset()
    smooth: Mapping[int, int] = field(default_factory=dict)
    at: Mapping[Exact, tuple[Entry, ...]] = field(default_factory=dict)
    domain: tuple[Exact, Exact] = ("-inf", "inf")
    limits: tuple[tuple[Limit | None, ...], tuple[Limit | None, ...]] = (UNKNOWN_LIMITS, UNKNOWN_LIMITS)
    odd: bool = False
    even: bool = False
    monotone: bool = False
    """Non-decreasing on the whole line."""
    range: tuple[Exact, Exact] | None = None
    """The least interval that holds every value, ends included."""
    turns: tuple[Turn, ...] = ()
    directions: tuple[int, ...] | None = None
    """Direction between the turns, from left to right: 1 non-decreasing, -1 non-increasing. At a turn that is a
    discontinuity f may jump either way. None: not declared (``monotone`` declares one)."""
    shape: Callable[[Mapping[str, Fraction]], Mapping[str, Any]] | None = None
    """What depends on the parameters among odd, even, monotone, range, turns and directions."""
    requires: tuple[tuple[str, Callable[[Mapping[str, Fraction]], bool]], ...] = ()
    """Conditions on the parameters, each in words and as a test: ``(("beta > 0", ...),)``."""
    rounds_to: str | None = None
    """The format to which a conversion rounds its input; the pieces are then the identity."""
    rounding: Kind = "nearest"
    """How a conversion rounds: to ``nearest``, ``stochastic``ally, or ``blocks`` of numbers under one scale."""
    scale: ScaleRule | str | None = None
    """The rule by which a block finds its scale: see ``gradproof.quantizes_blocks``."""
    defaults: Mapping[str, Exact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.pieces) != len(self.breakpoints) + 1:
            raise UsageError(
                f"function {self.name!r}: {len(self.breakpoints)} breakpoints separate "
                f"{len(self.breakpoints) + 1} pieces, got {len(self.pieces)}"
            )
        object.__setattr__(self, "params", {k: plain(v) for k, v in self.params.items()})
        if not self.defaults:
            object.__setattr__(self, "defaults", dict(self.params))
        if self.shape is not None:
            for name, value in self.shape(self.exact_params).items():
                object.__setattr__(self, name, value)
        if self.directions is None and self.monotone:
            object.__setattr__(self, "directions", (1,))

    def bind(self, params: Mapping[str, Exact]) -> Function:
        """The same function with some parameters replaced.

        Raises UsageError for an unknown parameter, one that is no real number, one the function does not admit,
        and for declared limits that are none.
        """
        unknown = set(params) - set(self.params)
        if unknown:
            raise UsageError(
                f"function {self.name!r} has no parameter {', '.join(sorted(map(repr, unknown)))}; "
                f"it takes {', '.join(map(repr, self.params)) or 'none'}"
            )
        for value in params.values():
            exact(value)
        bound = replace(self, params={**self.params, **params})
        bound.validate()
        return bound

    def validate(self) -> None:
        """Raise UsageError now for what would otherwise surface in the middle of a run."""
        for words, admits in self.requires:
            if not admits(self.exact_params):
                given = ", ".join(f"{k}={v!r}" for k, v in self.params.items())
                raise UsageError(f"function {self.name!r} requires {words}, got {given}")
        self.breaks  # noqa: B018  raises for breakpoints that do not increase
        self._validate_ends()
        self._validate_points()
        if not _pair(self.limits) or not all(isinstance(side, (tuple, list)) for side in self.limits):
            raise UsageError(
                f"function {self.name!r}: limits are two tuples (f, f', f''), at -infinity and at +infinity, "
                f"got {self.limits!r}"
            )
        for order in (0, 1, 2):
            self.limit("left", order)
            self.limit("right", order)
        if self.range is not None and not _pair(self.range):
            raise UsageError(f"function {self.name!r}: the range must be (low, high), got {self.range!r}")
        if self.exact_range is not None and self.exact_range[0] > self.exact_range[1]:
            raise UsageError(f"function {self.name!r}: the range must be (low, high), got {self.range!r}")
        if self.odd and self.even and (self.exact_range is None or any(self.exact_range)):
            raise UsageError(
                f"function {self.name!r}: declared both odd and even, which only the constant 0 is; drop one, or "
                "declare range=(0, 0)"
            )

    def _validate_ends(self) -> None:
        if not _pair(self.domain) or not self.ends[0] < self.ends[1]:
            raise UsageError(
                f"function {self.name!r}: the domain must be (low, high), low below high, got {self.domain!r}"
            )
        sides = self.closed if isinstance(self.closed, tuple) else (self.closed,) * len(self.breakpoints)
        if len(sides) != len(self.breakpoints) or not set(sides) <= {"left", "right"}:
            raise UsageError(
                f"function {self.name!r}: closed must be 'left' or 'right', or one of them for each of the "
                f"{len(self.breakpoints)} breakpoints, got {self.closed!r}"
            )

    def _validate_points(self) -> None:
        for index, order in self.smooth.items():
            if index not in range(len(self.breakpoints)) or not isinstance(order, int) or order < 0:
                raise UsageError(
                    f"function {self.name!r}: smooth maps one of the {len(self.breakpoints)} breakpoints to the "
                    f"highest order that is continuous there (0, 1, 2 ...), got {index!r}: {order!r}"
                )
        for point, entries in self.at.items():
            x = exact(point)
            if not isinstance(entries, (tuple, list)) or not 1 <= len(entries) <= len(UNKNOWN_LIMITS):
                raise UsageError(
                    f"function {self.name!r}: at maps a point to a tuple (f, f', f'') or its beginning, got "
                    f"{point!r}: {entries!r}"
                )
            if not self.ends[0] < x < self.ends[1]:
                raise UsageError(f"function {self.name!r}: at= names {point!r}, which is not inside the domain")
        self.exact_at  # noqa: B018  raises for values that are none

    @property
    def label(self) -> str:
        """Name with the parameters that were bound: ``elu(alpha=2.0)``; text is quoted, since ``"0.1"`` is not 0.1."""
        shown = ", ".join(f"{k}={v!r}" for k, v in self.params.items())
        return f"{self.name}({shown})" if shown else self.name

    @property
    def kind(self) -> Kind:
        """What claims may say about it: ``value`` of a function, else how a conversion rounds."""
        return "value" if self.rounds_to is None else self.rounding

    @property
    def identity(self) -> str:
        """What tells this function, its parameters bound, from every other one of this process: a digest of all that
        its definition says. Two of the same name differ unless they are defined alike, and the name does not count.
        """
        return self._identity.text

    @property
    def digest(self) -> str | None:
        """The identity where it is the same in other processes; None where the definition hides a part of itself."""
        return self._identity.text if self._identity.portable else None

    @cached_property
    def _identity(self) -> Identity:
        return identity_of(self.meaning())

    def meaning(self) -> dict[str, Any]:
        """The fields by name, numbers as exact reals: however they were given, equal ones are equal here.

        The name and the defaults are left out: what a function is does not depend on them. What depends on the
        parameters counts by its values at those that are bound. Fields that this knows nothing of, such as those of a
        subclass, are there as they are. Raises UsageError where a field makes no sense.
        """
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        said |= {
            "params": dict(sorted(self.exact_params.items())),
            "breakpoints": self.breaks,
            "at": self.exact_at,
            "closed": self.closed if isinstance(self.closed, tuple) else (self.closed,) * len(self.breaks),
            "domain": self.ends,
            "limits": tuple(tuple(self.limit(side, order) for order in range(3)) for side in ("left", "right")),
            "range": self.exact_range,
            "turns": self.exact_turns,
        }
        return {name: value for name, value in said.items() if name not in ("name", "defaults")}

    @cached_property
    def family(self) -> str:
        """The identity with the default parameters: that of the function before any were bound."""
        return replace(self, params=self.defaults).identity

    @cached_property
    def exact_params(self) -> dict[str, Fraction]:
        """The parameters as exact reals."""
        return {k: exact(v) for k, v in self.params.items()}

    @cached_property
    def breaks(self) -> tuple[Fraction, ...]:
        """The breakpoints as exact reals, in increasing order, seams included."""
        points = tuple(map(self._exact_point, self.breakpoints))
        if any(b < a for a, b in pairwise(points)):
            raise UsageError(f"function {self.label}: breakpoints must increase, got {points}")
        return points

    @cached_property
    def exact_range(self) -> tuple[Fraction | float, Fraction | float] | None:
        """The declared range as exact reals; float infinities where it has no end. None where none was declared."""
        if self.range is None:
            return None
        low, high = (_extended(end) for end in self.range)
        return low, high

    @cached_property
    def exact_turns(self) -> tuple[Fraction | tuple[Fraction, Fraction], ...]:
        """The declared turns as exact reals, and pairs of them around a root of f'."""
        return tuple(
            (exact(turn[0]), exact(turn[1])) if isinstance(turn, tuple) else self._exact_point(turn)
            for turn in self.turns
        )

    def _exact_point(self, point: Point) -> Fraction:
        return exact(point(self.exact_params) if callable(point) else point)

    @cached_property
    def kinks(self) -> tuple[Fraction, ...]:
        """The breakpoints that are no seams."""
        return tuple(point for i, point in enumerate(self.breaks) if i not in self.seams)

    @cached_property
    def ends(self) -> tuple[Fraction | float, Fraction | float]:
        """The ends of the domain; float infinities where it has none."""
        low, high = (_extended(end) for end in self.domain)
        return low, high

    def smoothness(self, kink: Fraction) -> int:
        """The highest n for which f to f^(n) are declared continuous at a kink; -1 where nothing is declared."""
        found = [self.smooth.get(i, -1) for i, point in enumerate(self.breaks) if point == kink]
        return min(found, default=-1)

    @cached_property
    def exact_at(self) -> dict[Fraction, tuple[Fraction | float | Callable[..., Any] | None, ...]]:
        """``at`` with points and values as exact reals, from left to right."""
        found = {exact(point): tuple(_entry(e) for e in entries) for point, entries in self.at.items()}
        return dict(sorted(found.items(), key=lambda item: item[0]))

    def declared_at(self, x: Fraction) -> tuple[Fraction | float | Callable[..., Any] | None, ...]:
        """What ``at`` declares of (f, f', f'') at ``x``, real numbers exact; empty where it says nothing."""
        return self.exact_at.get(x, ())

    def piece_at(self, x: Fraction) -> int:
        """Index of the piece that gives the value at ``x``."""
        closed = self.closed if isinstance(self.closed, tuple) else (self.closed,) * len(self.breaks)
        return sum(
            point < x or (point == x and side == "right") for point, side in zip(self.breaks, closed, strict=True)
        )

    def limit(self, side: Side, order: int) -> Fraction | float | None:
        """The limit of f^(order) at the ``left`` or ``right`` end of the domain; None where none was declared.

        Infinite limits come as float infinities.
        """
        declared = self.limits[0 if side == "left" else 1]
        entry = declared[order] if order < len(declared) else None
        value = entry(self.exact_params) if callable(entry) else entry
        return None if value is None else _extended(value)


def _entry(value: Entry) -> Fraction | float | Callable[..., Any] | None:
    """A declared value: a real number exactly, infinities and NaN as float64, constants as they are."""
    if value is None or callable(value):
        return value
    return value if isinstance(value, float) and math.isnan(value) else _extended(value)


def _pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2


def piecewise(*parts: Definition | Exact) -> tuple[tuple[Definition, ...], tuple[Exact, ...]]:
    """Alternate definitions and breakpoints: ``piecewise(left, 0, right)``.

    For use as ``oracle=`` of ``gradproof.function``. Raises UsageError when they do not alternate.
    """
    definitions, points = parts[0::2], parts[1::2]
    if len(parts) % 2 == 0 or not all(map(callable, definitions)) or any(map(callable, points)):
        raise UsageError("piecewise expects definition, breakpoint, definition, ..., such as piecewise(left, 0, right)")
    return tuple(definitions), tuple(points)  # type: ignore[arg-type]


def checked_definitions(name: str, pieces: Sequence[Definition], params: Mapping[str, Exact]) -> tuple[Definition, ...]:
    """``pieces`` after checking that each takes ``(m, x, **params)``; UsageError otherwise."""
    for piece in pieces:
        try:
            inspect.signature(piece).bind(None, None, **params)
        except TypeError as mismatch:
            raise UsageError(
                f"function {name!r}: the oracle must take (m, x{''.join(', ' + p for p in params)}); {mismatch}"
            ) from None
        except ValueError:  # builtins without a signature are called and fail there
            continue
    return tuple(pieces)
