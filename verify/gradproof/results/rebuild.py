"""From JSON values back to the frozen shapes of ``model``, by their annotations."""

from __future__ import annotations

import dataclasses
import enum
import sys
import types
import typing
from functools import cache
from typing import Any

from gradproof.errors import UsageError
from gradproof.files.reading import shortened, unfit
from gradproof.results.breaches import breach


def rebuild(kind: Any, value: Any, where: str = "document") -> Any:
    """``value`` (parsed JSON) as an instance of ``kind``: a dataclass, scalar, list, dict, Literal or union.

    Keys that a dataclass does not know are passed over: a newer minor version wrote them. Raises UsageError
    that names the place (``cells[3].status``), what was expected there and what came.
    """
    if kind is Any:
        return _any(value, where)
    if dataclasses.is_dataclass(kind):
        return _dataclass(typing.cast("type[Any]", kind), value, where)
    origin = typing.get_origin(kind)
    if origin is list:
        (item,) = typing.get_args(kind)
        return [rebuild(item, v, f"{where}[{i}]") for i, v in enumerate(_check(list, value, where))]
    if origin is dict:
        _, item = typing.get_args(kind)
        return {k: rebuild(item, v, f"{where}.{k}") for k, v in _check(dict, value, where).items()}
    if origin is typing.Literal:
        known = typing.get_args(kind)
        if value not in known:
            raise _wrong(where, "one of " + ", ".join(map(repr, known)), value)
        return value
    if origin in (types.UnionType, typing.Union):
        return _optional(typing.get_args(kind), value, where)
    if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
        if value not in list(kind):
            raise _wrong(where, "one of " + ", ".join(map(repr, map(str, kind))), value)
        return kind(value)
    if kind in (int, float):
        return _number(_check(int if kind is int else (int, float), value, where), where)
    return _check(kind, value, where)


def _optional(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    """``T | None``, the only union the model uses."""
    if value is None and type(None) in kinds:
        return None
    (kind,) = (k for k in kinds if k is not type(None))
    return rebuild(kind, value, where)


def _dataclass(kind: type[Any], value: Any, where: str) -> Any:
    _check(dict, value, where)
    arguments = {}
    for name, annotation, required in _fields(typing.cast("typing.Hashable", kind)):
        if name in value:
            arguments[name] = rebuild(annotation, value[name], f"{where}.{name}")
        elif required:
            raise UsageError(f"{where} lacks {name!r}, which every {kind.__name__} of a results file has")
    made = kind(**arguments)
    if wrong := breach(made):
        raise UsageError(f"{where}{wrong}")
    return made


def _any(value: Any, where: str) -> Any:
    for at, why in unfit(value):
        raise UsageError(f"{where}{'' if at.startswith('[') or not at else '.'}{at}: {why}")
    return value


def _number(value: Any, where: str) -> Any:
    """A number that somebody can calculate with: JSON's ``1e999`` is read as infinity."""
    if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
        raise UsageError(f"{where}: expected a number that a float64 holds, got {shortened(value)}")
    return value


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    """Name, resolved annotation and whether it must be given, for every field."""
    hints = typing.get_type_hints(kind)
    missing = dataclasses.MISSING
    return tuple(
        (f.name, hints[f.name], f.default is missing and f.default_factory is missing) for f in dataclasses.fields(kind)
    )


def _check(kind: type[Any] | tuple[type[Any], ...], value: Any, where: str) -> Any:
    # JSON's true is no number, although Python's True is an int.
    if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
        return value
    kinds = kind if isinstance(kind, tuple) else (kind,)
    raise _wrong(where, " or ".join(k.__name__ for k in kinds), value)


def _wrong(where: str, expected: str, value: Any) -> UsageError:
    return UsageError(f"{where}: expected {expected}, got {shortened(value)}")
