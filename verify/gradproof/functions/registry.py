"""Finding functions by name: the catalogue, third parties' entry points, and those defined in this process.

A name is no identity. Two files may each define a function of one name, and what a file calls by that name is its own:
``meant`` looks in the file's own world (the globals of its module) and in what it imports, never in what happens to be
loaded beside it.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from gradproof.entry_points import REMEDY, enabled_entry_points, loaded, told
from gradproof.errors import UsageError
from gradproof.functions.catalogue import CATALOGUE
from gradproof.functions.function import (
    UNKNOWN_LIMITS,
    Definition,
    Exact,
    Function,
    Limit,
    Point,
    Side,
    checked_definitions,
)

GROUP = "gradproof.functions"
_NAME = re.compile(r"[A-Za-z_][\w.]*")
"""Names become part of cell identifiers, file names and addresses."""

World = Mapping[str, Any]
"""The globals of a module."""


@dataclass(frozen=True, eq=False)
class _Defined:
    """A function that was defined in this process, and where."""

    function: Function
    world: World
    code: CodeType
    """What ran when it was defined. Each time a file is run it is another one."""
    line: int

    @property
    def place(self) -> str:
        """``mine.py, line 4``."""
        return f"{Path(self.code.co_filename).name}, line {self.line}"


_defined: dict[str, list[_Defined]] = {}
"""By name, in the order they were defined; one of each world, the last."""


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
                    f"{told(point)} must be a gradproof.Function or an iterable of them, got {function!r}; {REMEDY}"
                )
            if function.name in found:
                raise UsageError(f"{told(point)} offers a second function called {function.name!r}; {REMEDY}")
            found[function.name] = function
    return found


def all_functions() -> dict[str, Function]:
    """Every function known in this process by name, with its default parameters; of several the one defined last."""
    return {**_installed(), **{name: defined[-1].function for name, defined in _defined.items()}}


def get_function(name: str, params: Mapping[str, Exact] | None = None) -> Function:
    """The function called ``name`` with ``params`` bound; UsageError with a suggestion if there is none.

    Of several that were defined under the name in this process the last: ``meant`` is for the one that a file means.
    """
    known = all_functions()
    if name not in known:
        raise _unknown(name, known)
    return known[name].bind(params or {})


def is_installed(name: str) -> bool:
    """Whether the catalogue or an entry point has a function of this name, so that no other may take it."""
    return name in _installed()


def meant(name: str, worlds: Iterable[World]) -> Function:
    """The function that code in the first of ``worlds`` that knows one means by ``name``.

    The catalogue's, whose names nobody else may take; one that was defined there; one that is bound there, or was
    defined in a module that is imported there or in a ``conftest.py`` of its folder or above. Raises UsageError where
    there is none, which says who else defines one.
    """
    if name in _installed():
        return _installed()[name]
    defined = _defined.get(name, [])
    for world in worlds:
        own = [d.function for d in defined if d.world is world]
        bound = [f for f in world.values() if isinstance(f, Function) and f.name == name]
        lent = [d.function for d in defined if _is_imported(d.world, world) or _is_conftest_of(d.world, world)]
        if found := own or bound or lent:
            return found[-1]
    if defined:
        raise UsageError(
            f"unknown function {name!r} in this file; {defined[-1].place} defines one: import it from there and give "
            "it instead of its name"
        )
    raise _unknown(name, _installed())


def _unknown(name: str, known: Mapping[str, Function]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
    return UsageError(f"unknown function {name!r}{hint}")


def _is_imported(home: World, world: World) -> bool:
    """Whether ``world`` holds the module whose globals ``home`` are, its package, or something defined in it."""
    name = str(home.get("__name__", ""))
    return any(_globals_behind(value, name) is home for value in world.values())


def _globals_behind(value: Any, module: str) -> World | None:
    """The globals of a function, of a class, or of a module; of the package of ``module`` those of ``module``."""
    match value:
        case FunctionType():
            return value.__globals__
        case ModuleType():
            found = sys.modules.get(module) if module.startswith(f"{value.__name__}.") else value
        case type():
            found = sys.modules.get(value.__module__)
        case _:
            return None
    return None if found is None else vars(found)


def _is_conftest_of(home: World, world: World) -> bool:
    """Whether ``home`` is a ``conftest.py`` that pytest loads before the file whose globals ``world`` are."""
    conftest, file = (Path(str(w.get("__file__", ""))).resolve() for w in (home, world))
    return conftest.name == "conftest.py" and conftest.parent in file.parents


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
) -> Function:
    """Define and register a function of your own from one definition over the math context ``m``.

    ``oracle`` is ``lambda m, x, **params``, or ``gradproof.piecewise(left, 0, right)``. ``m`` offers exp,
    expm1, log, log1p, sqrt, sin, cos, atan, tanh, sigmoid, softplus, erf, erfc, pi and ``real("0.1")`` for
    exact decimals; x takes + - * / and non-negative integer powers. Other functions of mpmath's are taken too, their
    values ``uncertified``. ``domain`` is the open interval on which the function is defined (NaN beyond it), ``limits``
    are (f, f', f'') at its left and right end; where they are not given, results there stay ``undecided``. ``closed``
    says which side gives the value at a breakpoint.

    A name that another file defines too is another function; within one file a second definition is refused, and so is
    a catalogued name.

    Raises UsageError for a name that is taken or no name, an oracle of the wrong signature, and parameters,
    breakpoints, limits or a range that are not real numbers in order.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            f"expected a name of letters, digits, '_' and '.', starting with a letter, such as 'softcap', got {name!r}"
        )
    if name in _installed():
        raise UsageError(f"the function {name!r} is catalogued already; choose another name")
    params = dict(params or {})
    pieces, points = oracle if isinstance(oracle, tuple) else ((oracle,), ())
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
    ).bind(params)
    _enter(made, sys._getframe(1))
    return made


def _enter(made: Function, caller: FrameType) -> None:
    """Note where a function is defined; UsageError for a second one of its name at the top level of one file.

    A file that is run again, as by a reload or in a notebook, may define its functions again, and so may what runs
    inside of functions, such as tests.
    """
    new = _Defined(made, caller.f_globals, caller.f_code, caller.f_lineno)
    defined = _defined.setdefault(made.name, [])
    if caller.f_code.co_name == "<module>":
        for other in defined:
            if other.code is caller.f_code:
                raise UsageError(
                    f"{new.place}: the function {made.name!r} is defined in line {other.line} of the same file "
                    "already; give one of them another name"
                )
    defined[:] = [*(d for d in defined if d.world is not new.world), new]


def caller_world() -> World:
    """The globals of what called the function that asks."""
    return sys._getframe(2).f_globals


def forget(names: Iterable[str]) -> None:
    """Remove functions defined in this process (tests and long-lived sessions)."""
    for name in names:
        _defined.pop(name, None)
