"""Registering conversions of one's own that do not round to nearest one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from gradproof.engine.declared.implementations import declaration, register_all
from gradproof.engine.ledger.known import Known
from gradproof.formats import get_format
from gradproof.functions.function import ScaleRule
from gradproof.functions.roundings import BLOCK, Seeded, blocks, stochastic

C = TypeVar("C", bound=Callable[..., Any])


def rounds_stochastically(
    target: str,
    *,
    backend: str,
    formats: Iterable[str] | None = None,
    name: str | None = None,
    known: Known | Iterable[Known] | None = None,
) -> Callable[[C], C]:
    """Declare that the decorated ``call(x, seed)`` rounds to the format ``target`` stochastically on ``backend``.

    It takes an array of shape (n,) in a wider format and a Python int, and returns an array of the same shape, in
    ``target`` or in the input's format. Each result is to be one of the two neighbours of its input in ``target``, the
    one of larger magnitude with a probability that is the input's distance from the other in ulps, independently of all
    other elements and seeds; the same seed gives the same results. ``formats`` are those of the input, all wider ones
    without it. ``name`` and ``known`` as for ``implements``.

    Raises UsageError as ``implements`` does, and for a target without a sign.
    """
    function = stochastic(get_format(target))
    make = declaration(function, backend=backend, formats=formats, name=name, known=known)

    def register(call: C) -> C:
        register_all([replace(make(call), call=Seeded(call, seed=0))])
        return call

    return register


def quantizes_blocks(
    element: str,
    *,
    backend: str,
    block: int = BLOCK,
    scale: str | ScaleRule = "floor",
    formats: Iterable[str] | None = None,
    name: str | None = None,
    known: Known | Iterable[Known] | None = None,
) -> Callable[[C], C]:
    """Declare that the decorated ``call(x)`` quantizes blocks of numbers to the format ``element`` on ``backend``.

    It takes an array of shape (n,), n a multiple of ``block``, and returns what its blocks stand for once they are
    decoded: ``element`` numbers times the scale of each run of ``block`` numbers, in the input's format and shape. The
    scale is a power of two from 2^-127 to 2^127 (float8_e8m0fnu), by the rule ``scale``: ``floor``, that of the OCP MX
    specification 1.0; ``ceil``, the least under which nothing saturates; or a function that takes the greatest
    magnitudes of blocks, float64 of shape (k,), and returns the exponents, whole numbers of shape (k,).

    ``formats``, ``name`` and ``known`` as for ``implements``. Raises UsageError as that does, for another rule, for an
    element without a sign and a block that is no power of two.
    """
    function = blocks(get_format(element), block, scale)
    make = declaration(function, backend=backend, formats=formats, name=name, known=known)

    def register(call: C) -> C:
        register_all([replace(make(call), narrows_to=None)])
        return call

    return register
