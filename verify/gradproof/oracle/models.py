"""Models of whole sides of a function, made once: kept in memory, and in the cache folder beside the tables."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Final, TypeVar

from gradproof.cache import files
from gradproof.formats import FLOAT64, Format
from gradproof.functions.function import Function
from gradproof.oracle import store, tables
from gradproof.oracle.crossings import crossings
from gradproof.oracle.oracle import Oracle
from gradproof.oracle.pair_models import PairModels, pair_models
from gradproof.oracle.taylor_models import TaylorModels, taylor_models

KEPT: Final = 32
"""Sides of functions in memory, up to 1 MB each, of which the least recently used go first."""

Made = TypeVar("Made", TaylorModels, PairModels)

_kept: OrderedDict[tuple[str, str, int, bool], Any] = OrderedDict()


def float32_models(function: Function, fmt: Format, order: int, *, negative: bool) -> TaylorModels:
    """``taylor_models`` at all magnitudes of one sign."""

    def build() -> TaylorModels:
        return taylor_models(function, fmt, order, negative=negative, first=1, last=fmt.max_bits)

    return _once(function, fmt, order, negative, TaylorModels, build)


def float64_models(oracle: Oracle, near: Sequence[int], *, negative: bool) -> PairModels:
    """``pair_models`` of all orders, with runs of their own about the ordinals ``near`` and the ``crossings``.

    ``near`` must follow from the function alone: it is no part of the key.
    """

    def build() -> PairModels:
        return pair_models(oracle.function, negative=negative, near=near, crossings=crossings(oracle, FLOAT64))

    return _once(oracle.function, FLOAT64, 0, negative, PairModels, build)


def _once(
    function: Function, fmt: Format, order: int, negative: bool, kind: type[Made], build: Callable[[], Made]
) -> Made:
    key = (function.identity, fmt.name, order, negative)
    if key not in _kept:
        _kept[key] = _stored(function, fmt, f"{kind.__name__} {order} {'-' if negative else '+'}", kind, build)
        if len(_kept) > KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    made: Made = _kept[key]
    return made


def _stored(function: Function, fmt: Format, what: str, kind: type[Made], build: Callable[[], Made]) -> Made:
    place = tables.place(function, fmt, what)
    names = [field.name for field in fields(kind)]
    if place is not None:
        try:
            held = store.read(*place)
            if held is not None and set(held) == set(names):
                return kind(**held)
        except files.Damaged:
            pass  # made anew, and written over
    made = build()
    if place is not None:
        tables.keep(*place, {name: getattr(made, name) for name in names})
    return made


def forget() -> None:
    """Drop what is kept in memory (tests)."""
    _kept.clear()
