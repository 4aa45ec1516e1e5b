"""From a target, which is names and numbers, to the function and the callable that it names."""

from __future__ import annotations

from functools import cache

from gradproof.backends import get_backend
from gradproof.backends.base import Implementation
from gradproof.errors import UsageError
from gradproof.functions import Function, get_function
from gradproof.sweep.plan import Target, params


def subject_of(target: Target) -> tuple[Function, Implementation]:
    """The function with its parameters bound, and the implementation; UsageError where there is none such."""
    offered = registered(target.file) if target.file else get_backend(target.backend).catalogue()
    for implementation in offered:
        names = implementation.function, implementation.name, implementation.backend
        if names != (target.function, target.implementation, target.backend.partition(":")[0]):
            continue
        function = get_function(implementation.function, implementation.params)
        if params(function.params) == target.params:
            return function, implementation
    raise UsageError(f"{target.file or target.backend} offers no {target.implementation} for {target.id}")


@cache
def registered(file: str) -> tuple[Implementation, ...]:
    """A file is imported once in a process: importing it again would register everything twice."""
    from gradproof.engine.userfiles import load

    return tuple(load(file))
