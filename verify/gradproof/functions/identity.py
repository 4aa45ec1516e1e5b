"""What makes a function the one it is: everything that its definition says, by its meaning, and never its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gradproof.functions.fingerprint import Indigestible, digest

_unseen: dict[int, tuple[object, int]] = {}
"""Objects that cannot be seen through, each with its number. They are kept, so that no id is ever given to another."""


class Identity(NamedTuple):
    """``text`` is the same for two functions of this process if and only if they are defined alike."""

    text: str
    portable: bool
    """Whether it is the same in every process of one Python version: nothing in the definition is hidden from view."""


def identity_of(meaning: Mapping[str, Any]) -> Identity:
    """The identity of what ``Function.meaning`` says: a digest of it.

    A part that no digest can hold (a closure over an object with a state, a callable of another package) counts as the
    object it is, so that two of them are never taken for one.
    """
    seen = {name: _seen(value) for name, value in meaning.items()}
    portable = not any(map(_hidden, seen.values()))
    return Identity(digest(seen), portable)


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
