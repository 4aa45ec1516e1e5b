"""The settings of a framework that a call must leave as it found them: what follows in the process depends on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from gradproof.backends.implementation import Implementation
from gradproof.errors import ImplementationFault


class FrameworkSetting(NamedTuple):
    """How one setting is read and put back."""

    get: Callable[[], Any]
    put: Callable[[Any], Any]


_spoiled = False


def spoiled() -> bool:
    """Whether a call left something changed in this process that cannot be put back."""
    return _spoiled


def spoil() -> None:
    """Say that a call left something changed in this process that cannot be put back."""
    global _spoiled
    _spoiled = True


@contextmanager
def settings_kept(implementation: Implementation, settings: Mapping[str, FrameworkSetting]) -> Iterator[None]:
    """Around one call: put back what it changed, and raise the fault ``changed-settings`` that names it.

    Where something cannot be put back the fault is ``changed-process``: nothing else can be judged in this process.
    """
    before = {name: setting.get() for name, setting in settings.items()}
    try:
        yield
    except BaseException:
        _put_back(implementation, settings, before)
        raise
    if changed := _put_back(implementation, settings, before):
        raise ImplementationFault(
            "changed-settings",
            f"{implementation.name} changed {changed}; expected a call to leave the settings of the process as they "
            "were: set them where the program starts, or put them back",
        )


def _put_back(
    implementation: Implementation, settings: Mapping[str, FrameworkSetting], before: Mapping[str, Any]
) -> str:
    """Put back every setting that is not as ``before``, and tell which; the fault where one stays changed."""
    changes: list[str] = []
    stuck: list[str] = []
    for name, setting in settings.items():
        if (after := setting.get()) == before[name]:
            continue
        changes.append(f"{name} from {before[name]} to {after}")
        with suppress(Exception):
            setting.put(before[name])
        if setting.get() != before[name]:
            stuck.append(name)
    if stuck:
        spoil()
        raise ImplementationFault(
            "changed-process",
            f"{implementation.name} changed {', '.join(changes)}, and {', '.join(stuck)} cannot be put back: its "
            "process is not used any more; expected a call to leave the settings of the process as they were",
        )
    return ", ".join(changes)
