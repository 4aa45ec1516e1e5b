"""What makes a function the one it is: everything that its definition says, by its meaning, and never its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gradproof.functions.fingerprint import Indigestible, digest

if TYPE_CHECKING:
    from gradproof.functions.function import Function, Side

_NOT_MEANT: Final = ("name", "defaults")
"""Fields that a function is called and shown by: what it is does not depend on them."""

_unseen: dict[int, tuple[object, int]] = {}
"""Objects that cannot be seen through, each with its number. They are kept, so that no id is ever given to another."""


class Identity(NamedTuple):
    """``text`` is the same for two functions of this process if and only if they are defined alike."""

    text: str
    portable: bool
    """Whether it is the same in every process of one Python version: nothing in the definition is hidden from view."""


def identity_of(function: Function) -> Identity:
    """The identity of a function with its parameters bound: a digest of its ``meaning``.

    A part that no digest can hold (a closure over an object with a state, a callable of another package) counts as the
    object it is, so that two of them are never taken for one. Raises UsageError where a field makes no sense.
    """
    seen = {name: _seen(value) for name, value in meaning(function).items()}
    portable = not any(map(_hidden, seen.values()))
    return Identity(digest(seen), portable)


def meaning(function: Function) -> dict[str, Any]:
    """The fields of a function by name, numbers as exact reals: however they were given, equal ones are equal here.

    What depends on the parameters counts by its values at those that are bound. Fields that this knows nothing of, such
    as those of a subclass, are there as they are. Raises UsageError where a field makes no sense.
    """
    fields = {field.name: getattr(function, field.name) for field in dataclasses.fields(function)}
    closed = function.closed
    exact = {
        "params": dict(sorted(function.exact_params.items())),
        "breakpoints": function.breaks,
        "at": function.exact_at,
        "closed": closed if isinstance(closed, tuple) else (closed,) * len(function.breaks),
        "domain": function.ends,
        "limits": (_limits(function, "left"), _limits(function, "right")),
        "range": function.exact_range,
        "turns": function.exact_turns,
    }
    return {name: value for name, value in {**fields, **exact}.items() if name not in _NOT_MEANT}


def _limits(function: Function, side: Side) -> tuple[Fraction | float | None, ...]:
    return tuple(function.limit(side, order) for order in range(3))


def _seen(value: Any) -> Any:
    """A digest of ``value``; of a structure with a part that none can hold, those of its parts and that object."""
    try:
        return digest(value)
    except Indigestible:
        pass
    if type(value) is tuple:
        return tuple(map(_seen, value))
    if isinstance(value, Mapping):
        return tuple((_seen(key), _seen(part)) for key, part in value.items())
    return _unseen.setdefault(id(value), (value, len(_unseen)))[1]


def _hidden(seen: Any) -> bool:
    """Whether there is an object in place of a digest."""
    return any(map(_hidden, seen)) if isinstance(seen, tuple) else isinstance(seen, int)
