"""Implementations declared by the pytest marker: ``@pytest.mark.gradproof("silu", backend="torch")``.

A mark is read by its attributes ``name``, ``args`` and ``kwargs``, so that ``gradproof check`` and
``gradproof repro`` understand a test file without pytest.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gradproof.backends.base import Implementation
from gradproof.engine.declared.implementations import declaration
from gradproof.errors import UsageError
from gradproof.functions import Function
from gradproof.measure import Contract, contract_meant
from gradproof.names import World

MARK: Final = "gradproof"
EXAMPLE: Final = '@pytest.mark.gradproof("silu", backend="torch")'
DECLARES: Final = ("backend", "params", "derivative", "formats", "name", "known")
NARROWS: Final = ("orders", "properties", "modes", "contract", "profile")


@dataclass(frozen=True)
class Declared:
    """One implementation and what its mark says about checking it. Empty tuples mean everything there is.

    ``backend`` is the name as given, with or without a device; ``contract`` and ``profile`` are None where
    the mark leaves them to the run.
    """

    implementation: Implementation
    backend: str
    orders: tuple[int, ...] = ()
    properties: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    contract: Contract | None = None
    profile: str | None = None


def marks_of(thing: object) -> list[Any]:
    """The gradproof marks set on ``thing`` itself, the one nearest to the ``def`` first."""
    own = getattr(thing, "__dict__", None)
    marks = own.get("pytestmark") if isinstance(own, Mapping) and callable(thing) else None
    listed = marks if isinstance(marks, list | tuple) else [marks]
    return [m for m in listed if getattr(m, "name", None) == MARK]


def read_mark(mark: Any, call: Callable[..., Any], world: World | None = None) -> Declared:
    """What ``mark`` declares about ``call``; ``world`` are the globals of the file that is read.

    A function's name is looked up there, then in the file that ``call`` comes from. Raises UsageError for an unknown
    function, parameter, format or argument, and for arguments of the wrong kind; each says what was expected and what
    came.
    """
    if len(mark.args) != 1 or not isinstance(mark.args[0], str | Function):
        came = ", ".join(map(repr, mark.args)) or "none"
        raise UsageError(f"expected one function name first, as in {EXAMPLE}, got {came}")
    if isinstance(call, type):
        raise UsageError(
            f"expected a function that takes the array, got the class {call.__name__}; mark a function that "
            "calls an instance"
        )
    given = dict(mark.kwargs)
    for name in given:
        _check_known(name)
    if not isinstance(given.get("backend"), str):
        raise UsageError(f"expected backend='numpy', 'torch' or 'jax', got backend={given.get('backend')!r}")
    _check_kinds(given)
    worlds = (world or {}, getattr(call, "__globals__", {}))
    make = declaration(mark.args[0], **{k: v for k, v in given.items() if k in DECLARES}, worlds=worlds)
    contract = _one(given, "contract")
    return Declared(
        make(call),
        given["backend"],
        orders=_several(given, "orders", int),
        properties=_several(given, "properties", str),
        modes=_several(given, "modes", str),
        contract=None if contract is None else contract_meant(contract, worlds),
        profile=_one(given, "profile"),
    )


def marked_in(module: object) -> list[Implementation]:
    """The implementations that marks declare on the callables of ``module``, in the order of its names."""
    found: dict[int, list[Implementation]] = {}
    for thing in list(vars(module).values()):
        if id(thing) not in found and (marks := marks_of(thing)):
            found[id(thing)] = [read_mark(mark, thing, vars(module)).implementation for mark in marks]
    return [implementation for listed in found.values() for implementation in listed]


def _check_known(name: str) -> None:
    known = (*DECLARES, *NARROWS)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}=?" if near else f"; it takes {', '.join(k + '=' for k in known)}"
        raise UsageError(f"the gradproof marker has no argument {name}={hint}")


def _check_kinds(given: Mapping[str, Any]) -> None:
    params, derivative, formats = (given.get(k) for k in ("params", "derivative", "formats"))
    if params is not None and not isinstance(params, Mapping):
        raise UsageError(f"expected params= as a mapping of names to numbers, got params={params!r}")
    if derivative is not None and not (callable(derivative) or isinstance(derivative, list | tuple)):
        raise UsageError(f"expected derivative= as a callable f' or a pair (f', f''), got {derivative!r}")
    if formats is not None:
        _several(given, "formats", str)
    _one(given, "name")


def _several(given: Mapping[str, Any], name: str, kind: type[Any]) -> tuple[Any, ...]:
    """A list, or one value alone, all of ``kind``; nothing when the mark does not say."""
    value = given.get(name)
    if value is None:
        return ()
    lone = isinstance(value, str | int) or not isinstance(value, Iterable)
    listed = (value,) if lone else tuple(value)
    if not listed or not all(isinstance(v, kind) and not isinstance(v, bool) for v in listed):
        words = {int: "orders (0, 1, 2)", str: "names"}[kind]
        raise UsageError(f"expected {name}= as a list of {words}, got {name}={value!r}")
    return listed


def _one(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not (isinstance(value, str) and value):
        raise UsageError(f"expected {name}= as a name, got {name}={value!r}")
    return value
