"""``gradproof list``: what there is to ask for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from gradproof.cli.console import columns, console
from gradproof.cli.json_lines import one_line
from gradproof.config import check_known
from gradproof.results.labels import catalogue_origin, kernel_origin, with_origin

Rows = list[dict[str, Any]]


def functions() -> Rows:
    """Name, parameters with their defaults, kinks."""
    from gradproof.functions import all_functions

    return [
        {
            "name": f.name,
            "params": {k: _plain(v) for k, v in f.params.items()},
            "kinks": [float(k) for k in dict.fromkeys(f.kinks)],
        }
        for f in all_functions().values()
    ]


def backends() -> Rows:
    """Id, availability with its reason, modes."""
    from gradproof.backends import availability, available_backends

    rows = []
    for name, kind in available_backends().items():
        for device in kind.devices:
            state = availability(f"{name}:{device}")
            rows.append(
                {
                    "name": f"{name}:{device}",
                    "available": state.available,
                    "reason": state.reason,
                    "modes": list(kind.modes),
                    "default_modes": list(kind.default_modes),
                }
            )
    return rows


def properties() -> Rows:
    """Id, orders, title, statement, source."""
    from gradproof.engine.properties.installed import properties as installed

    return [
        {
            "name": p.id,
            "orders": list(p.orders),
            "title": p.title,
            "statement": p.statement,
            "source": p.source,
        }
        for p in installed().values()
    ]


def formats() -> Rows:
    """Name, short name, width, precision, range."""
    from gradproof.formats import FORMATS

    return [
        {
            "name": f.name,
            "short": f.short,
            "bits": f.width,
            "precision": f.precision,
            "largest": f.decimal(f.max_bits),
            "least_normal": f.decimal(f.min_normal_bits),
            "least": f.decimal(1),
        }
        for f in FORMATS.values()
    ]


def implementations() -> Rows:
    """Function, parameters, backend and dotted name, of the backends that are here."""
    from gradproof.backends import get_backend
    from gradproof.engine.surroundings.environment import installed_ids

    rows: Rows = []
    for name in dict.fromkeys(i.partition(":")[0] for i in installed_ids()):
        device = next(i for i in installed_ids() if i.partition(":")[0] == name)
        rows += [
            {
                "name": i.name,
                "function": i.function,
                "params": {k: _plain(v) for k, v in i.params.items()},
                "backend": name,
                "formats": list(i.formats) if i.formats else None,
            }
            for i in get_backend(device).catalogue()
        ]
    return rows


def deviations() -> Rows:
    """Id, title, backend and versions, what explains it, upstream threads."""
    from gradproof.engine.ledger.ledger import Ledger
    from gradproof.engine.properties.installed import ledger_directories

    return [
        {
            "name": d.id,
            "title": d.title,
            "backend": d.backend,
            "versions": str(d.versions),
            "functions": sorted(d.about),
            "formats": list(d.formats),
            "modes": list(d.modes),
            "properties": list(d.claims),
            "formulas": list(d.every_formula),
            "reason": d.reason,
            "upstream": list(d.upstream),
        }
        for d in Ledger.read(ledger_directories()).deviations.values()
    ]


KINDS: Final[Mapping[str, tuple[Callable[[], Rows], tuple[str, ...]]]] = {
    "functions": (functions, ("name", "params", "kinks")),
    "backends": (backends, ("name", "available", "modes", "reason")),
    "properties": (properties, ("name", "orders", "title")),
    "formats": (formats, ("name", "short", "bits", "precision", "largest", "least_normal", "least")),
    "implementations": (implementations, ("function", "params", "backend", "name")),
    "deviations": (deviations, ("name", "versions", "title")),
}
"""What can be listed: where its rows come from, and the columns of its table."""
SINGULAR: Final = {kind: "property" if kind == "properties" else kind.removesuffix("s") for kind in KINDS}
"""What one row is, as JSON lines say it."""
UNASKED: Final = ("functions", "backends", "properties", "formats")
"""What is listed without a name."""


@click.command("list", epilog="Example: gradproof list functions --json")
@click.argument(
    "what",
    default="",
    metavar=f"[{'|'.join(KINDS)}]",
    shell_complete=lambda _, __, text: [kind for kind in KINDS if kind.startswith(text)],
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, which says more than the table.")
@click.option("--json-lines", "as_lines", is_flag=True, help="Print the same as one JSON object per line.")
def list_command(what: str, as_json: bool, as_lines: bool) -> None:
    """List functions, backends, properties and formats; by name also implementations, or known deviations."""
    if what:
        check_known(what, KINDS, "thing to list")
    chosen = [what] if what else list(UNASKED)
    if as_lines:
        for kind in chosen:
            for row in KINDS[kind][0]():
                click.echo(one_line({"type": SINGULAR[kind], **row}))
        return
    if as_json:
        found = {kind: KINDS[kind][0]() for kind in chosen}
        click.echo(json.dumps(found[what] if what else found, indent=2))
        return
    out = console()
    for number, kind in enumerate(chosen):
        rows, shown = KINDS[kind]
        if number:
            out.print()
        table = [[_cell(row[c]) for c in shown] for row in map(_shown, rows())]
        columns(out, [c.replace("_", " ") for c in shown], table)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a table has it: with whose the implementations are where the backend's name would mislead."""
    if "function" in row:
        return row | {"backend": with_origin(row["backend"], kernel_origin(row["name"]))}
    if "default_modes" in row:
        return row | {"name": with_origin(row["name"], catalogue_origin(row["name"]))}
    return row


def _plain(value: Any) -> Any:
    """A parameter as JSON: numbers as they are, exact rationals as text."""
    return value if isinstance(value, int | float | str) else str(value)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value) or "-"
    return str(value) or "-"
