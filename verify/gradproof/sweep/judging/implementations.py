"""From a target, which is names and numbers, to the function and the callable that it names."""

from __future__ import annotations

from functools import cache

from gradproof.backends import get_backend
from gradproof.backends.base import Implementation
from gradproof.errors import UsageError
from gradproof.functions import Function
from gradproof.sweep.plan import Target, params


def resolve(target: Target) -> tuple[Function, Implementation]:
    """The function with its parameters bound, and the implementation; UsageError where there is none such.

    A function of the target's name that is defined otherwise is none such.
    """
    offered = registered(target.file) if target.file else get_backend(target.backend).catalogue()
    others = 0
    for implementation in offered:
        names = implementation.function, implementation.name, implementation.backend
        if names != (target.function, target.implementation, target.backend.partition(":")[0]):
            continue
        function = implementation.specification
        if params(function.params) != target.params:
            continue
        if target.definition in (None, function.digest):
            return function, implementation
        others += 1
    where = target.file or target.backend
    if others:
        raise UsageError(
            f"{where} defines {target.function} otherwise here than where {target.id} was planned; expected the same "
            "file with the same modules, under one version of Python"
        )
    raise UsageError(f"{where} offers no {target.implementation} for {target.id}")


@cache
def registered(file: str) -> tuple[Implementation, ...]:
    """A file is imported once in a process: importing it again would register everything twice."""
    from gradproof.engine.declared.userfiles import load

    return tuple(load(file))
