"""``gradproof completion``: what a shell needs to complete commands, options and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from gradproof.config import BY_NAME, SETTINGS
from gradproof.formats import FORMATS

if TYPE_CHECKING:
    from click import Context, Parameter

VARIABLE: Final = "_GRADPROOF_COMPLETE"
"""Environment variable by which a shell asks what may follow: ``bash_source`` and the like, see click."""
SHELLS: Final = {
    "bash": 'eval "$(gradproof completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(gradproof completion zsh)"    in ~/.zshrc, after compinit',
    "fish": "gradproof completion fish | source     in ~/.config/fish/config.fish",
}
"""Shells that can be completed for, each with the line that does it."""

Completer = Callable[["Context", "Parameter", str], list[CompletionItem]]


@click.command("completion", epilog="Example: gradproof completion bash")
@click.argument("shell", type=click.Choice(list(SHELLS)), required=False)
def completion_command(shell: str | None) -> None:
    """Print what makes SHELL complete commands, options and their values; without SHELL how to set it up.

    Bash needs version 4.4 or later.
    """
    if shell is None:
        for name, line in SHELLS.items():
            click.echo(f"{name:<5} {line}")
        return
    program = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(program, {}, "gradproof", VARIABLE).source())


def _functions() -> Iterable[str]:
    from gradproof.functions import all_functions

    return all_functions()


def _backends() -> Iterable[str]:
    from gradproof.backends import available_backends, backend_ids

    return [*available_backends(), *backend_ids()]


def _properties() -> Iterable[str]:
    from gradproof.engine.properties.installed import properties

    return properties()


def _modes() -> Iterable[str]:
    from gradproof.backends import available_backends

    return dict.fromkeys(mode for kind in available_backends().values() for mode in kind.modes)


def _devices() -> Iterable[str]:
    from gradproof.backends import available_backends

    return dict.fromkeys(device for kind in available_backends().values() for device in kind.devices)


VALUES: Final[Mapping[str, Callable[[], Iterable[str]]]] = {
    "function": _functions,
    "backend": _backends,
    "device": _devices,
    "property": _properties,
    "mode": _modes,
    "format": lambda: [*FORMATS, *(f.short for f in FORMATS.values())],
    "order": lambda: ("0", "1", "2"),
    **{s.name: partial(tuple, s.choices) for s in SETTINGS if s.choices and s.name != "format"},
}
"""By what they are: the values that may follow."""


def values(name: str, *, files: bool = False) -> Completer:
    """What completes a value of the kind ``name`` of VALUES, or ``file``; with ``files`` files too.

    What cannot be found out, because a package is broken, is not offered.
    """

    def complete(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            known = list(VALUES[name]()) if name in VALUES else []
        except Exception:
            known = []
        folded = incomplete.casefold()
        # Bash takes a colon for the end of a word, so devices are offered where one was typed alone.
        fitting = [value for value in known if value.casefold().startswith(folded)]
        found = [CompletionItem(value) for value in fitting if ":" not in value or ":" in incomplete]
        if files or name == "file":
            found.append(CompletionItem(incomplete, type="file"))
        return found

    return complete


def of_setting(name: str) -> Completer | None:
    """What completes the option of a setting; None where anything may follow."""
    setting = BY_NAME[name]
    if setting.kind == "path":
        return values("file")
    return values(name) if name in VALUES else None


def given(name: str, **more: Any) -> dict[str, Any]:
    """The keyword of ``click.option`` and ``click.argument`` for a value of this kind."""
    return {"shell_complete": values(name, **more)}
