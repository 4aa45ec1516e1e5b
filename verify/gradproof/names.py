"""What a name means in the file that says it: what the file defines under it, or imports, and nothing else.

Two files may each define a function or a contract of one name. What happens to be loaded beside a file must not change
what it means, so names are looked up in its own world.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

World = Mapping[str, Any]
"""The globals of a module."""


@dataclass(frozen=True, eq=False)
class Defined(Generic[T]):
    """Something that was defined under a name, and where."""

    thing: T
    world: World
    code: CodeType
    """What ran when it was defined. Each time a file is run it is another one."""
    line: int

    @property
    def place(self) -> str:
        """``mine.py, line 4``."""
        return f"{Path(self.code.co_filename).name}, line {self.line}"

    def repeats(self, other: Defined[T]) -> bool:
        """Whether both were defined at the top level of one file while it ran once.

        A file may run again, as by a reload or in a notebook, and what runs inside of functions, such as tests, may
        define a name again and again.
        """
        return self.code is other.code and self.code.co_name == "<module>"


class Names(Generic[T]):
    """What was defined in this process by name; of each world what was defined there last.

    Things are of the class ``kind`` and have a ``name``.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._defined: dict[str, list[Defined[T]]] = {}

    def defined(self, name: str) -> list[Defined[T]]:
        """All that is called so, in the order it was defined."""
        return list(self._defined.get(name, ()))

    def latest(self) -> dict[str, T]:
        """What was defined last under each name."""
        return {name: found[-1].thing for name, found in self._defined.items()}

    def elsewhere(self, what: str, name: str) -> str:
        """What to say to code that means none by ``name`` where another file defines one; empty where none does."""
        if not (others := self.defined(name)):
            return ""
        return (
            f"unknown {what} {name!r} in this file; {others[-1].place} defines one: import it from there and give it "
            "instead of its name"
        )

    def enter(self, name: str, new: Defined[T]) -> None:
        """Note what was defined, in place of what its world had under the name."""
        others = [d for d in self.defined(name) if d.world is not new.world]
        self._defined[name] = [*others, new]

    def forget(self, names: Iterable[str]) -> None:
        """Remove what is called so."""
        for name in names:
            self._defined.pop(name, None)

    def meant(self, name: str, worlds: Iterable[World]) -> T | None:
        """What code in the first of ``worlds`` that knows something means by ``name``; None where none does.

        What was defined there; what is bound there, or was defined in a module that is imported there or in a
        ``conftest.py`` of its folder or above.
        """
        defined = self.defined(name)
        for world in worlds:
            own = [d.thing for d in defined if d.world is world]
            bound = [v for v in world.values() if isinstance(v, self._kind) and getattr(v, "name", None) == name]
            lent = [d.thing for d in defined if _is_imported(d.world, world) or _is_conftest_of(d.world, world)]
            if found := own or bound or lent:
                return found[-1]
        return None


def defined_here(thing: T) -> Defined[T]:
    """``thing`` as defined by what called the function that asks."""
    frame = sys._getframe(2)
    return Defined(thing, frame.f_globals, frame.f_code, frame.f_lineno)


def caller_world() -> World:
    """The globals of what called the function that asks."""
    return sys._getframe(2).f_globals


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
