"""Finding functions by name: the catalogue, third parties' entry points, and those defined in this process."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import cache

from gradproof.entry_points import REMEDY, described, enabled_entry_points, loaded
from gradproof.errors import UsageError
from gradproof.functions.catalogue import CATALOGUE
from gradproof.functions.function import (
    UNKNOWN_LIMITS,
    Definition,
    Entry,
    Exact,
    Function,
    Limit,
    Point,
    Side,
    checked_definitions,
    exact,
)
from gradproof.names import Names, World, defined_here
from gradproof.spelling import FUNCTION_NAMES, spelled, suggestion

GROUP = "gradproof.functions"
_NAME = re.compile(r"[A-Za-z_][\w.]*")
"""Names become part of cell identifiers, file names and addresses."""

_defined: Names[Function] = Names(Function)


@cache
def _installed() -> dict[str, Function]:
    """The catalogue and what entry points of ``gradproof.functions`` offer (a Function or an iterable).

    Raises UsageError that names the package for anything else there, and for a name that is taken.
    """
    found = {f.name: f for f in CATALOGUE}
    for point in enabled_entry_points(GROUP):
        offered = loaded(point)
        if not isinstance(offered, Iterable):
            offered = (offered,)
        for function in offered:
            if not isinstance(function, Function):
                raise UsageError(
                    f"{described(point)} must be a gradproof.Function or an iterable of them, "
                    f"got {function!r}; {REMEDY}"
                )
            if function.name in found:
                raise UsageError(f"{described(point)} offers a second function called {function.name!r}; {REMEDY}")
            found[function.name] = function
    return found


def all_functions() -> dict[str, Function]:
    """Every function known in this process by name, with its default parameters; of several the one defined last."""
    return {**_installed(), **_defined.latest()}


def get_function(name: str, params: Mapping[str, Exact] | None = None) -> Function:
    """The function called ``name`` with ``params`` bound; UsageError with a suggestion if there is none.

    Any case will do, and what else functions of the catalogue are called: ``Swish`` is silu.

    Of several that were defined under the name in this process the last: ``meant`` is for the one that a file means.
    """
    known = all_functions()
    found = spelled(name, known, FUNCTION_NAMES)
    if found not in known:
        raise _unknown(name, known)
    return known[found].bind(params or {})


def is_installed(name: str) -> bool:
    """Whether the catalogue or an entry point has a function of this name, so that no other may take it."""
    return name in _installed()


def meant(name: str, worlds: Iterable[World]) -> Function:
    """The function that code in ``worlds`` means by ``name``: the catalogue's, or its own (``Names.meant``).

    Raises UsageError where there is none, which says who else defines one.
    """
    if name in _installed():
        return _installed()[name]
    found = _defined.meant(name, worlds)
    if found is not None:
        return found
    spelt = spelled(name, _installed(), FUNCTION_NAMES)
    if spelt in _installed():
        return _installed()[spelt]
    if elsewhere := _defined.elsewhere("function", name):
        raise UsageError(elsewhere)
    raise _unknown(name, _installed())


def _unknown(name: str, known: Mapping[str, Function]) -> UsageError:
    near = suggestion(name, known, FUNCTION_NAMES)
    hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(known)}"
    return UsageError(f"unknown function {name!r}{hint}")


def function(
    name: str,
    oracle: Definition | tuple[tuple[Definition, ...], tuple[Point, ...]],
    params: Mapping[str, Exact] | None = None,
    *,
    odd: bool = False,
    even: bool = False,
    monotone: bool = False,
    range: tuple[Exact, Exact] | None = None,
    limits: tuple[tuple[Limit | None, ...], tuple[Limit | None, ...]] | None = None,
    domain: tuple[Exact, Exact] = ("-inf", "inf"),
    closed: Side | tuple[Side, ...] = "right",
    smooth: Mapping[Exact, float] | None = None,
    at: Mapping[Exact, tuple[Entry, ...]] | None = None,
) -> Function:
    """Define and register a function of your own from one definition over the math context ``m``.

    ``oracle`` is ``lambda m, x, **params``, or ``gradproof.piecewise(left, 0, right)``. ``m`` offers exp, expm1, log,
    log1p, log2, log10, sqrt, cbrt, power, sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, asinh, acosh, atanh,
    sigmoid, softplus, erf, erfc, pi and ``real("0.1")`` for exact decimals; x takes + - * / and integer powers. Other
    functions of mpmath's are taken too, their values ``uncertified``. ``domain`` is the open interval on which the
    function is defined (NaN beyond it), ``limits`` are (f, f', f'') at its left and right end; where they are not
    given, results there stay ``undecided``. ``closed`` says which side gives the value at a breakpoint.

    ``smooth={1: 1}`` says that f and f' are continuous at the breakpoint 1, which no enclosure can prove of two
    transcendental pieces; ``math.inf``, that both pieces are one analytic function. ``at={0: (1, 0)}`` gives f and f'
    at a point where the definition has no value. Both are believed where the definition leaves them open; where it
    contradicts them, the cells are errors that name both values.

    A name that another file defines too is another function; within one file a second definition is refused, and so is
    a catalogued name.

    Raises UsageError for a name that is taken or no name, an oracle of the wrong signature, and parameters,
    breakpoints, limits, a range or declared points that are not real numbers in order.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            f"expected a name of letters, digits, '_' and '.', starting with a letter, such as 'softcap', got {name!r}"
        )
    if name in _installed():
        raise UsageError(f"the function {name!r} is catalogued already; choose another name")
    params = dict(params or {})
    pieces, points = oracle if isinstance(oracle, tuple) else ((oracle,), ())
    seams, orders = _joints(name, points, smooth or {})
    made = Function(
        name,
        checked_definitions(name, pieces, params),
        params=params,
        breakpoints=points,
        odd=odd,
        even=even,
        monotone=monotone,
        range=range,
        limits=limits or (UNKNOWN_LIMITS, UNKNOWN_LIMITS),
        domain=domain,
        closed=closed,
        seams=seams,
        smooth=orders,
        at=dict(at or {}),
    ).bind(params)
    new = defined_here(made)
    for other in _defined.defined(name):
        if new.repeats(other):
            raise UsageError(
                f"{new.place}: the function {name!r} is defined in line {other.line} of the same file already; give "
                "one of them another name"
            )
    _defined.enter(name, new)
    return made


def _joints(
    name: str, points: tuple[Point, ...], smooth: Mapping[Exact, float]
) -> tuple[frozenset[int], dict[int, int]]:
    """The seams and the smooth breakpoints by their indices, from ``smooth`` by the breakpoints themselves."""
    places = {exact(p): i for i, p in enumerate(points) if not callable(p)}
    seams, orders = set(), {}
    for point, order in smooth.items():
        index = places.get(exact(point))
        if index is None:
            raise UsageError(
                f"function {name!r}: smooth= names {point!r}, which is no breakpoint; they are "
                f"{', '.join(map(repr, points)) or 'none'}"
            )
        if order == math.inf:
            seams.add(index)
        else:
            orders[index] = order
    return frozenset(seams), orders  # type: ignore[return-value]


def forget(names: Iterable[str]) -> None:
    """Remove functions defined in this process (tests and long-lived sessions)."""
    _defined.forget(names)
