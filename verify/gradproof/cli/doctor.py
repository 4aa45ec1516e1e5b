"""``gradproof doctor``: what is here, what is missing, and what it would take."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any, Final

import click

from gradproof.cli.console import console, count, text
from gradproof.cli.probing import backend_facts
from gradproof.entry_points import enabled_entry_points, loaded
from gradproof.errors import UsageError
from gradproof.results.labels import catalogue_origin, with_origin

if TYPE_CHECKING:
    from rich.console import Console

EXTRAS: Final = {
    "python-flint": "certifies the oracle's values; without it verdicts rest on mpmath at two precisions and "
    "say uncertified: pip install python-flint",
    "ml_dtypes": "holds bfloat16 on NumPy: pip install ml_dtypes",
    "pytest": "runs the plugin's items, needed for `pytest` only: pip install 'gradproof[pytest]'",
}
"""Distributions that a command can do without, and what they are for."""
MODULES: Final = {"python-flint": "flint"}
"""Their modules, where the name is another."""
KINDS: Final = ("properties", "claims", "ledgers", "studies", "reports", "functions", "backends")
"""What packages can offer, by entry-point group."""


@click.command("doctor", epilog="Example: gradproof doctor --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor_command(as_json: bool) -> None:
    """Say which backends run here, and of the others why not and what it would take.

    Always exits 0: an absent backend is a fact, not an error.
    """
    found = examine()
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    out = console()
    out.print(text((f"gradproof {found['environment']['gradproof']}", "bold")))
    _facts(out, {k: v for k, v in found["environment"].items() if k != "gradproof"})
    out.print()
    out.print(text(("backends", "bold")))
    for name, row in found["backends"].items():
        _backend(out, name, row)
    for title, key in (("packages", "packages"), ("packs", "packs")):
        out.print()
        out.print(text((title, "bold")))
        _facts(out, found[key])
    for fault in found["broken"]:
        out.print(text("  ", ("broken", "red"), f": {fault}"))
    out.print()
    out.print(text(("cached tables", "bold")))
    out.print(text(f"  {_cache(found['cache'])}"))


def examine() -> dict[str, Any]:
    """Everything ``doctor`` says, as plain JSON values. A backend that breaks when it is made is missing."""
    from gradproof.backends import availability, backend_ids
    from gradproof.engine.surroundings.environment import backend_table, environment, package_version

    table: dict[str, Any] = {}
    broken = []
    try:
        ids = backend_ids()
    except UsageError as fault:
        ids = ()
        broken.append(str(fault))
    for name in ids:
        state = availability(name)
        if not state.available:
            table |= backend_table([], {name: state.reason})
            continue
        try:
            table[name] = backend_facts(name)
        except Exception as fault:
            table |= backend_table([], {name: f"installed, but unusable: {type(fault).__name__}: {fault}"})
    packages = {}
    for name, use in EXTRAS.items():
        packages[name] = _package(name, package_version(name), use)
    points = {f"gradproof.{kind}": [*enabled_entry_points(f"gradproof.{kind}")] for kind in KINDS}
    for point in (p for offered in points.values() for p in offered):
        try:
            loaded(point)
        except UsageError as fault:
            broken.append(str(fault))
    return {
        "environment": {k: v for k, v in environment().items() if k not in EXTRAS},
        "backends": table,
        "packages": packages,
        "packs": {
            group: ", ".join(f"{p.name} ({p.value})" for p in offered) or "none installed"
            for group, offered in points.items()
        },
        "broken": list(dict.fromkeys(broken)),
        "cache": cached_tables(),
    }


def _package(name: str, version: str, use: str) -> str:
    """Its version, or what it would be for where it is missing or cannot be imported."""
    if version == "not installed":
        return f"not installed; {use}"
    module = MODULES.get(name, name)
    try:
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(f"no module named {module!r}")
        importlib.import_module(module)
    except Exception as fault:
        return f"{version}, but it cannot be imported ({type(fault).__name__}: {fault}); {use}"
    return version


def cached_tables() -> dict[str, Any]:
    """Where the oracle's tables of the 16-bit formats are kept, how many, their bytes, and what would go wrong.

    Beside them lie the programs that JAX compiled.
    """
    from gradproof.cache import files

    try:
        folder = files.folder("tables")
    except RuntimeError as fault:
        return _no_cache(f"no folder is known: {fault}; name one in {files.VARIABLE}")
    if folder is None:
        return _no_cache(f"switched off by {files.VARIABLE}")
    tables, size = files.usage(folder, ".table")
    programs, more = files.usage(folder.with_name("programs"), ".program")
    can = files.writable(folder)
    return {
        "folder": str(folder),
        "tables": tables,
        "bytes": size,
        "programs": programs,
        "program_bytes": more,
        "writable": can,
        "reason": "" if can else f"cannot be written; name another folder in {files.VARIABLE}",
    }


def _no_cache(reason: str) -> dict[str, Any]:
    empty = {"tables": 0, "bytes": 0, "programs": 0, "program_bytes": 0}
    return {"folder": None, **empty, "writable": False, "reason": reason}


def _cache(found: dict[str, Any]) -> str:
    """``~/.cache/gradproof/tables: 28 tables, 165.2 MB, writable``."""
    if found["folder"] is None:
        return str(found["reason"])
    size = f"{count(found['tables'], 'table')}, {found['bytes'] / 1e6:.1f} MB"
    shown = f"{found['folder']}: {size}, {found['reason'] or 'writable'}"
    if found["programs"]:
        shown += f"; {count(found['programs'], 'compiled program')}, {found['program_bytes'] / 1e6:.1f} MB, beside it"
    return shown


def _facts(out: Console, facts: dict[str, Any]) -> None:
    width = max(map(len, facts))
    for name, value in facts.items():
        out.print(text((f"  {name:<{width}}  ", "dim"), str(value)))


def _backend(out: Console, name: str, row: dict[str, Any]) -> None:
    shown = with_origin(name, catalogue_origin(name))
    if not row["available"]:
        out.print(text(f"  {shown:<11} ", ("missing", "yellow"), f"    {row['reason']}"))
        return
    versions = ", ".join(f"{k} {' '.join(str(v).split())}" for k, v in row["versions"].items())
    out.print(text(f"  {shown:<11} ", ("available", "green"), f"  {versions}"))
    out.print(text((f"  {'':<11} ", ""), f"           {_traits(row['traits'])}"))
    for fmt, reason in row["unusable_formats"].items():
        out.print(text(" " * 25, "cannot calculate in ", (fmt, "yellow"), f": {reason}"))
    _modes(out, row["modes"])


def _modes(out: Console, modes: dict[str, dict[str, Any]]) -> None:
    """A line of the modes that can be used, with what they work with, and one for each that cannot."""
    ready = [f"{mode} ({s['tool']})" if s["tool"] else mode for mode, s in modes.items() if s["available"]]
    out.print(text(" " * 25, f"modes {', '.join(ready)}"))
    for mode, state in modes.items():
        if not state["available"]:
            out.print(text(" " * 25, "no mode ", (mode, "yellow"), f": {state['reason']}"))


def _traits(traits: dict[str, dict[str, bool]]) -> str:
    """``subnormals kept in float64, float16; flushed in float32 (results, inputs)``."""
    kinds: dict[str, list[str]] = {}
    for fmt, t in traits.items():
        lost = [word for word, on in (("results", t["flushes_results"]), ("inputs", t["zeros_inputs"])) if on]
        shown = f"flushed to zero ({' and '.join(lost)})" if lost else "kept"
        kinds.setdefault(shown, []).append(fmt)
    return "subnormals " + "; ".join(f"{shown} in {', '.join(fmts)}" for shown, fmts in kinds.items())
