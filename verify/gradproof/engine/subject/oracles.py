"""The oracles and references of a process: made once per function, and kept for every probe that needs them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from gradproof.functions import Function
from gradproof.oracle import Oracle, Reference

REFERENCE_POINTS = 1 << 20
"""Inputs whose references are kept in memory, some 150 bytes each: the orders, backends and modes of one function
start from the same inputs."""


class ReferenceCache:
    """References by a function's identity, format and inputs; beyond REFERENCE_POINTS the least recently used go."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, bytes], list[Reference]] = OrderedDict()
        self._points = 0

    def at(self, key: tuple[str, str, bytes], compute: Callable[[], list[Reference]]) -> list[Reference]:
        """What is kept under ``key``, or what ``compute`` answers."""
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            self._kept[key] = compute()
            self._points += _weight(self._kept[key])
            while len(self._kept) > 1 and self._points > REFERENCE_POINTS:
                self._points -= _weight(self._kept.popitem(last=False)[1])
        return self._kept[key]


def _weight(references: list[Reference]) -> int:
    """Points, and what the arrays take beside their content in units of a point."""
    return len(references[0]) + 32


references_kept = ReferenceCache()


_oracles: dict[tuple[str, str], Oracle] = {}


def oracle_of(function: Function) -> Oracle:
    """The oracle of a function, one per process and definition."""
    key = (function.identity, function.label)  # the label for its messages alone: two names may be defined alike
    if key not in _oracles:
        _oracles[key] = Oracle(function)
    return _oracles[key]
