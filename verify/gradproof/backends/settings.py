"""The settings of a framework that a call must leave as it found them: what follows in the process depends on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from gradproof.backends.base import Implementation
from gradproof.errors import ImplementationFault


class Setting(NamedTuple):
    """How one setting is read and put back."""

    get: Callable[[], Any]
    put: Callable[[Any], Any]


@contextmanager
def settings_kept(implementation: Implementation, settings: Mapping[str, Setting]) -> Iterator[None]:
    """Around one call: put back what it changed, and raise the fault ``changed-settings`` that names it."""
    before = {name: setting.get() for name, setting in settings.items()}
    try:
        yield
    finally:
        after = {name: setting.get() for name, setting in settings.items()}
        changed = [name for name in settings if after[name] != before[name]]
        for name in changed:
            settings[name].put(before[name])
    if changed:
        told = ", ".join(f"{name} from {before[name]} to {after[name]}" for name in changed)
        raise ImplementationFault(
            "changed-settings",
            f"{implementation.name} changed {told}; expected a call to leave the framework's settings as they were: "
            "set them where the program starts, or put them back",
        )
