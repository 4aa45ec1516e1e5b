"""Registering implementations of one's own: ``@gradproof.implements``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gradproof.backends.base import Implementation
from gradproof.errors import UsageError
from gradproof.formats import FORMATS, get_format
from gradproof.functions import Function, get_function

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
) -> Callable[[C], C]:
    """Declare that the decorated callable implements ``function`` on ``backend``.

    The callable takes the array alone and returns an array of the same shape and format; it is returned
    unchanged. ``derivative`` is a callable for f', or a sequence (f', f''), for backends without AD or to
    check a derivative of your own. ``formats`` narrows the check. ``name`` replaces
    ``<file stem>:<callable>``.

    Raises UsageError for an unknown function, parameter or format, or for something that cannot be called.
    """
    make = declaration(function, backend=backend, params=params, derivative=derivative, formats=formats, name=name)

    def register(call: C) -> C:
        _registered.append(make(call))
        return call

    return register


def declaration(
    function: str | Function,
    *,
    backend: str,
    params: Mapping[str, Any] | None = None,
    derivative: Callable[[Any], Any] | Sequence[Callable[[Any], Any]] | None = None,
    formats: Iterable[str] | None = None,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Implementation]:
    """What ``implements`` declares, without registering it: a maker of the Implementation of a callable.

    Arguments and errors as there.
    """
    spec = function if isinstance(function, Function) else get_function(function)
    bound = spec.bind(params or {})
    if not isinstance(backend, str) or not backend:
        raise UsageError(f"expected backend='numpy', 'torch' or 'jax', got backend={backend!r}")
    chosen = None if formats is None else tuple(get_format(f).name for f in _listed(formats))
    derivatives = _derivatives(derivative)

    def make(call: Callable[..., Any]) -> Implementation:
        if not callable(call):
            raise UsageError(f"@implements expects a callable that takes the array, got {call!r}")
        return Implementation(
            function=bound.name,
            backend=backend.partition(":")[0],
            name=name or _name_of(call),
            call=call,
            params=dict(bound.params),
            derivatives=derivatives,
            formats=chosen,
            user=True,
        )

    return make


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


def registered() -> tuple[Implementation, ...]:
    """Every implementation registered in this process, in order."""
    return tuple(_registered)


def collect(action: Callable[[], None]) -> list[Implementation]:
    """The implementations that ``action`` registers; they stay registered."""
    before = len(_registered)
    action()
    return _registered[before:]
