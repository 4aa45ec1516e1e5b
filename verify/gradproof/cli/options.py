"""The options that ``run`` and ``check`` share, and the selection they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from gradproof.cli.completion import of_setting
from gradproof.config import BY_NAME, SETTINGS, Setting, Value, check_known
from gradproof.errors import UsageError
from gradproof.spelling import backend_spelled, device_spelled

if TYPE_CHECKING:
    from gradproof.engine.request.selection import Selection

F = TypeVar("F", bound=Callable[..., Any])


SPELLINGS: Final = {"jobs": ("--workers",)}
"""What else settings are called on the command line."""

WORK: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("--resume", {"is_flag": True, "help": "Take up the cells that an earlier run of the same left."}),
    ("--folder", {"metavar": "PATH", "help": "Where finished cells are kept meanwhile; default .gradproof/runs."}),
    ("--cluster", {"metavar": "ADDRESS", "help": "Judge on the Dask distributed scheduler at this address."}),
)
"""Options of one call, which no file sets."""


OUTPUTS: Final = ("path", "reports")
"""Kinds of settings that name a file to write."""


def judging_options(command: F) -> F:
    """Add one option per setting but those that name a file to write."""
    for setting in reversed(SETTINGS):
        if setting.kind not in OUTPUTS:
            command = _option(setting)(command)
    return command


def run_options(command: F) -> F:
    """Add one option per setting, who works and where finished cells are kept, and how much to say."""
    command = click.option("-v", "--verbose", is_flag=True, help="Say more: every cell as it is judged, every group.")(
        command
    )
    command = click.option("-q", "--quiet", is_flag=True, help="Say nothing until the summary.")(command)
    for name, settings in reversed(WORK):
        command = click.option(name, **settings)(command)
    for setting in reversed(SETTINGS):
        command = _option(setting)(command)
    return command


def written_options(*names: str) -> Callable[[F], F]:
    """Add the options of these settings, each of which names a file to write."""

    def add(command: F) -> F:
        for name in reversed(names):
            command = _option(BY_NAME[name])(command)
        return command

    return add


def _option(setting: Setting) -> Callable[[F], F]:
    return click.option(
        f"--{setting.name}",
        *SPELLINGS.get(setting.name, ()),
        setting.key,
        multiple=setting.repeatable,
        metavar=setting.metavar,
        shell_complete=of_setting(setting.name),
        help=setting.help + (" Repeatable." if setting.repeatable else ""),
    )


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The command line's texts by setting name."""
    return {s.name: options.get(s.key) for s in SETTINGS}


def selection(settings: Mapping[str, Value], files: tuple[str, ...] = ()) -> Selection:
    """The selection that the effective settings ask for.

    Raises UsageError for values out of range and for backends or devices that exist nowhere.
    """
    from gradproof.engine.request.selection import Selection

    values = {name: v.value for name, v in settings.items()}
    for name, least in (("jobs", 0), ("seed", 0)):
        if name in values and values[name] < least:
            raise UsageError(f"expected {name} of at least {least}, got {values[name]} ({settings[name].origin})")
    fields = {s.field: values[s.name] for s in SETTINGS if s.field and s.name in values}
    if fields.get("backends") or values.get("device"):
        fields["backends"] = backends(fields.get("backends", ()), values.get("device", ()))
    return Selection(**fields, files=files)


def backends(names: tuple[str, ...], devices: tuple[str, ...]) -> tuple[str, ...]:
    """Backend ids from names and devices: ``torch`` and ``cuda`` make ``torch:cuda``.

    Devices alone mean every backend that has them; a name alone means its first device. Raises UsageError for
    unknown names, and for a name that carries a device beside ``--device``.
    """
    from gradproof.backends import available_backends, backend_ids, is_known

    kinds = available_backends()
    every = list(dict.fromkeys(device for kind in kinds.values() for device in kind.devices))
    devices = tuple(map(device_spelled, devices))
    for device in devices:
        check_known(device, every, "device")
    ids: list[str] = []
    for name in (backend_spelled(name, kinds) for name in names):
        if ":" in name:
            if devices:
                raise UsageError(
                    f"expected a backend without a device beside --device {devices[0]}, got {name!r}; "
                    "drop one of the two devices"
                )
            if not is_known(name):
                check_known(name, backend_ids(), "backend")
            ids.append(name)
            continue
        check_known(name, kinds, "backend")
        for device in devices or kinds[name].devices[:1]:
            if device not in kinds[name].devices:
                raise UsageError(f"{name} has no device {device!r}; it has {', '.join(kinds[name].devices)}")
            ids.append(f"{name}:{device}")
    if not names:
        ids = [i for i in backend_ids() if i.partition(":")[2] in devices]
    return tuple(dict.fromkeys(ids))
