"""Registering implementations of one's own: ``@gradproof.implements``."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from gradproof.backends.base import Implementation
from gradproof.engine.ledger.known import Known, listed
from gradproof.errors import UsageError
from gradproof.formats import FORMATS, judged_format
from gradproof.functions import Function, get_function
from gradproof.functions.function import exact
from gradproof.functions.registry import is_installed, meant
from gradproof.functions.roundings import Seeded
from gradproof.measure import Contract, contract_meant
from gradproof.names import World, caller_world
from gradproof.spelling import BACKEND_NAMES, backend_spelled
from gradproof.text import storable

C = TypeVar("C", bound=Callable[..., Any])

_registered: list[Implementation] = []


def implements(
    function: str | Function,
    *,
    backend: str,
    params: Mapping[str, Any] | None = None,
    derivative: Callable[[Any], Any] | Sequence[Callable[[Any], Any]] | None = None,
    formats: Iterable[str] | None = None,
    name: str | None = None,
    contract: str | Contract | None = None,
    known: Known | Iterable[Known] | None = None,
) -> Callable[[C], C]:
    """Declare that the decorated callable implements ``function`` on ``backend``: ``torch``, or ``torch:cuda`` for a
    kernel that runs on that device only.

    ``function`` is what ``gradproof.function`` returned, or a name: of the catalogue, or of a function that the same
    file defines or imports. It is judged by that one, whatever other files call by the name.

    The callable takes the array alone and returns an array of the same shape and format; it is returned
    unchanged. A module (``torch.nn.Module``) is such a callable. ``derivative`` is a callable for f', or a sequence
    (f', f''), for backends without AD or to check a derivative of your own. ``formats`` narrows the check. ``name``
    replaces ``<file stem>:<callable>``. ``contract`` is what it is held to, whatever the run's contract.
    ``known`` holds the deviations that you know of (``gradproof.known``).

    ``params`` with lists as values is a grid: one implementation per combination, and the callables get the
    combination as keyword arguments beside the array.

    Raises UsageError for an unknown function, parameter, format or contract, or for something that cannot be called.
    """
    worlds = (caller_world(),)
    spec = _spec(function, worlds)
    grid = _grid(params or {})
    formats = None if formats is None else _listed(formats)

    def register(call: C) -> C:
        given: list[Any] = [params if params is not None else {}]
        for row in grid or given:
            make = declaration(
                spec, backend=backend, params=row, derivative=_each(derivative, row if grid else {}),
                formats=formats, name=name, contract=contract, known=known, worlds=worlds,
            )  # fmt: skip
            made = make(call)
            _registered.append(replace(made, call=_Row(call, **row)) if grid else made)
        return call

    if not grid:
        declaration(
            spec, backend=backend, params=params, derivative=derivative, formats=formats, name=name,
            contract=contract, known=known, worlds=worlds,
        )  # fmt: skip
    return register


def _grid(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of the values of ``params``; empty where no value is a list."""
    if not isinstance(params, Mapping) or not any(isinstance(v, list | tuple) for v in params.values()):
        return []
    rows = [v if isinstance(v, list | tuple) else [v] for v in params.values()]
    if not all(rows):
        empty = next(name for name, values in zip(params, rows, strict=True) if not values)
        raise UsageError(f"params={empty!r} is an empty list; give at least one value")
    distinct: dict[tuple[Fraction, ...], dict[str, Any]] = {}
    for row in itertools.product(*rows):
        distinct.setdefault(tuple(map(exact, row)), dict(zip(params, row, strict=True)))
    return list(distinct.values())


def _each(derivative: Any, row: Mapping[str, Any]) -> Any:
    """``derivative`` with the parameters of one row of a grid."""
    if not row or derivative is None:
        return derivative
    listed = (derivative,) if callable(derivative) else tuple(derivative)
    return tuple(partial(d, **row) if callable(d) else d for d in listed)


def declaration(
    function: str | Function,
    *,
    backend: str,
    params: Mapping[str, Any] | None = None,
    derivative: Callable[[Any], Any] | Sequence[Callable[[Any], Any]] | None = None,
    formats: Iterable[str] | None = None,
    name: str | None = None,
    contract: str | Contract | None = None,
    known: Known | Iterable[Known] | None = None,
    worlds: Iterable[World] = (),
) -> Callable[[Callable[..., Any]], Implementation]:
    """What ``implements`` declares, without registering it: a maker of the Implementation of a callable.

    Arguments and errors as there. ``worlds`` are the globals of the files in which a name is looked up.
    """
    if params is not None and not isinstance(params, Mapping):
        raise UsageError(f"expected params= as a mapping of names to numbers, got {params!r}")
    bound = _spec(function, worlds).bind(params or {})
    if not isinstance(backend, str) or not backend.partition(":")[0]:
        raise UsageError(f"expected backend='numpy', 'torch' or 'jax', got backend={backend!r}")
    backend = backend_spelled(backend, set(BACKEND_NAMES.values()))
    chosen = None if formats is None else tuple(judged_format(f).name for f in _listed(formats))
    derivatives = _derivatives(derivative)
    declared = listed(known)
    if name is not None and not (isinstance(name, str) and name.strip()):
        raise UsageError(f"expected name= as text, got {name!r}")
    held_to = contract_meant(contract, worlds) if isinstance(contract, str) else contract
    if held_to is not None and not isinstance(held_to, Contract):
        raise UsageError(f"expected contract= as a name, or what gradproof.contract returned, got {contract!r}")

    def make(call: Callable[..., Any]) -> Implementation:
        if not callable(call):
            raise UsageError(f"@implements expects a callable that takes the array, got {call!r}")
        return Implementation(
            function=bound.name,
            backend=backend.partition(":")[0],
            name=storable(name or _name_of(call)),
            call=call,
            params=dict(bound.params),
            derivatives=derivatives,
            formats=chosen,
            user=True,
            contract=None if held_to is None else held_to.name,
            terms=held_to,
            known=declared,
            device=backend.partition(":")[2] or None,
            declared=bound,
            narrows_to=bound.rounds_to,
        )

    return make


def _spec(function: str | Function, worlds: Iterable[World]) -> Function:
    """The function that is meant; UsageError for one of the user's under the name of a catalogued one."""
    if isinstance(function, str):
        return meant(function, worlds)
    if not isinstance(function, Function):
        raise UsageError(f"expected a function's name, or what gradproof.function returned, got {function!r}")
    if is_installed(function.name) and function.family != get_function(function.name).identity:
        raise UsageError(f"the function {function.name!r} is catalogued already; choose another name")
    return function


def _listed(formats: Iterable[str]) -> tuple[str, ...]:
    listed = (formats,) if isinstance(formats, str) else tuple(formats)
    if not listed:
        raise UsageError(f"formats= is empty; name at least one of {', '.join(FORMATS)}")
    return listed


def _derivatives(given: Any) -> tuple[Callable[[Any], Any], ...]:
    listed = () if given is None else (given,) if callable(given) else tuple(given)
    if len(listed) > 2 or not all(map(callable, listed)):
        raise UsageError(f"derivative= expects a callable f' or a pair (f', f''), got {given!r}")
    return listed


def _name_of(call: Callable[..., Any]) -> str:
    module = sys.modules.get(getattr(call, "__module__", ""), None)
    code = getattr(call, "__code__", None)
    file = str(getattr(module, "__file__", None) or getattr(code, "co_filename", "user"))
    own = getattr(call, "__qualname__", None) or type(call).__name__
    return f"{Path(file).stem}:{own}"


def is_registered(thing: object) -> bool:
    """Whether ``thing`` was registered in this process."""
    return any(_origin(i) is thing for i in _registered)


def registered_as(thing: object, name: str) -> list[Implementation]:
    """What ``thing``, bound to ``name`` in its file, was registered as; one implementation per row of a grid.

    An instance (a ``torch.nn.Module``) that was given no name is called by the one it is bound to: two instances of
    a class are two implementations.
    """
    return [_called(i, name) for i in _registered if _origin(i) is thing]


def named_in(module: object, found: Iterable[Implementation]) -> list[Implementation]:
    """``found`` with the names that ``registered_as`` gives to what is bound at the top level of ``module``."""
    bound: dict[int, str] = {}
    for name, thing in vars(module).items():
        bound.setdefault(id(thing), name)
    return [_called(i, bound[id(_origin(i))]) if id(_origin(i)) in bound else i for i in found]


def _origin(implementation: Implementation) -> Any:
    """The callable that was decorated: of a row of a grid the one that the parameters were bound to."""
    call = implementation.call
    return call.func if isinstance(call, _Row | Seeded) else call


def _called(implementation: Implementation, name: str) -> Implementation:
    origin = _origin(implementation)
    own = _name_of(origin)
    if hasattr(origin, "__qualname__") or implementation.name != own:
        return implementation
    return replace(implementation, name=f"{own.partition(':')[0]}:{name}")


class _Row(partial):  # type: ignore[type-arg]
    """A callable with the parameters of one row of a grid."""


def register_all(made: Iterable[Implementation]) -> None:
    """Register implementations that were declared otherwise than by ``implements``."""
    _registered.extend(made)


def collect(action: Callable[[], None]) -> list[Implementation]:
    """The implementations that ``action`` registers; they stay registered."""
    before = len(_registered)
    action()
    return _registered[before:]
