"""``gradproof config``: the settings in force and where each comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gradproof.cli.console import columns, console, text
from gradproof.cli.outputs import DEFAULTS
from gradproof.config import SETTINGS, Setting, effective, nearest_pyproject


@click.command("config", epilog="Example: GRADPROOF_PROFILE=quick gradproof config")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def config_command(as_json: bool) -> None:
    """Show every setting of `run`, its value and where it comes from.

    The command line counts over the environment (GRADPROOF_<OPTION>), the environment over [tool.gradproof]
    in the nearest pyproject.toml, and that over the default.
    """
    found = effective({})
    rows = [(s.name, found[s.name].value if s.name in found else default(s), _origin(found, s)) for s in SETTINGS]
    if as_json:
        click.echo(json.dumps({name: {"value": value, "from": origin} for name, value, origin in rows}, indent=2))
        return
    out = console()
    columns(out, ("setting", "value", "from"), [(name, _shown(value), origin) for name, value, origin in rows])
    file = nearest_pyproject(Path.cwd())
    out.print()
    out.print(text(f"pyproject.toml: {file if file else 'none here or above'}"))


def default(setting: Setting) -> Any:
    """What holds when a setting is set nowhere: the selection's default, or the file that ``run`` writes."""
    from gradproof.engine.request.selection import Selection

    return getattr(Selection(), setting.field) if setting.field else DEFAULTS.get(setting.name)


def _origin(found: dict[str, Any], setting: Setting) -> str:
    if setting.name in found:
        return str(found[setting.name].origin)
    return "default of `run`" if setting.name in DEFAULTS else "default"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "all"
    return str(value)
