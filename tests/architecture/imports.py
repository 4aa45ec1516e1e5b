"""Reads the imports of a source text, and names those that break a rule of docs/architecture.md.

Works on text, so that the rules can be tried on texts that break them. Imports under ``if TYPE_CHECKING``
count for the arrows (a type is a dependency) but not for laziness (nothing is imported at run time).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    "gradproof": ROOT / "verify",
    "gradproof_properties": ROOT / "properties",
    "gradproof_reports": ROOT / "reports",
}

FRAMEWORKS = ("torch", "jax", "jaxlib")

ROOMS: Mapping[str, frozenset[str]] = {
    "errors": frozenset(),
    "text": frozenset(),
    "interrupts": frozenset(),
    "files": frozenset({"errors"}),
    "entry_points": frozenset({"errors"}),
    "cache": frozenset({"files", "errors"}),
    "names": frozenset(),
    "spelling": frozenset(),
    "formats": frozenset({"spelling", "errors"}),
    "functions": frozenset({"formats", "entry_points", "names", "spelling", "errors"}),
    "oracle": frozenset({"functions", "formats", "cache", "errors"}),
    "measure": frozenset({"oracle", "functions", "formats", "results", "names", "errors"}),
    "formulas": frozenset({"strategies", "measure", "oracle", "functions", "formats", "errors"}),
    "tracing": frozenset({"results", "formats", "errors"}),
    "backends": frozenset({"tracing", "functions", "formats", "cache", "entry_points", "spelling", "errors"}),
    "strategies": frozenset({"functions", "formats", "errors"}),
    "external": frozenset({"backends", "functions", "formats", "files", "errors"}),
    "results": frozenset({"files", "formats", "errors"}),
    "execution": frozenset({"text", "errors"}),
    "sweep": frozenset(
        {
            "engine",
            "execution",
            "external",
            "backends",
            "strategies",
            "measure",
            "oracle",
            "functions",
            "formats",
            "results",
            "files",
            "text",
            "interrupts",
            "errors",
        }
    ),
    "config": frozenset({"formats", "files", "spelling", "errors"}),
}
"""The rooms of the engine that may not know all others, and the rooms each may import."""

OPEN_ROOMS = frozenset({"engine", "plugin", "cli", "__main__", "extend"})
"""The rooms that put the others together."""

SURFACE = "gradproof.extend"
"""What packs import beside ``gradproof`` itself, and what the engine does not."""

REPORTS_MAY_SEE = frozenset({"results", "formats", "files", "text", "errors"})


@dataclass(frozen=True)
class Import:
    """One imported module or name, with how it is reached.

    ``deferred``: inside a function, so it happens on a call. ``typing``: under ``if TYPE_CHECKING``.
    """

    target: str
    line: int
    deferred: bool
    typing: bool

    @property
    def top(self) -> str:
        """The top-level package."""
        return self.target.partition(".")[0]


def imports(text: str) -> list[Import]:
    """Every import of a source text; ``from a import b`` is ``a.b``, whether b is a module or a name."""
    return list(_walk(ast.parse(text), deferred=False, typing=False))


def _walk(node: ast.AST, *, deferred: bool, typing: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names):
                yield from (Import(n.name, child.lineno, deferred, typing) for n in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = "." * level + (module or "")
                yield from (Import(f"{base}.{n.name}", child.lineno, deferred, typing) for n in names)
            case ast.Call(func=func, args=[ast.Constant(value=str(target)), *_]) if _imports_by_name(func):
                yield Import(target, child.lineno, deferred, typing)
            case ast.If(test=test, body=body, orelse=orelse) if _is_type_checking(test):
                yield from _walk(ast.Module(body, []), deferred=deferred, typing=True)
                yield from _walk(ast.Module(orelse, []), deferred=deferred, typing=typing)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from _walk(child, deferred=True, typing=typing)
            case _:
                yield from _walk(child, deferred=deferred, typing=typing)


def _imports_by_name(func: ast.expr) -> bool:
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    return name in ("import_module", "__import__")


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def room_of(module: str) -> str | None:
    """The room of a module of the engine: ``formats`` for ``gradproof.formats.arrays``; None for the root."""
    parts = module.split(".")
    if parts[0] != "gradproof" or len(parts) == 1 or parts[1] == "_version":
        return None
    return parts[1]


def table(text: str, name: str) -> Any:
    """The value of a module's constant ``name``, a literal, as its source text has it."""
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return ast.literal_eval(value)
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
                return ast.literal_eval(value)
    raise LookupError(name)


@cache
def homes() -> dict[str, str]:
    """The names of ``gradproof.extend``, each with the dotted name of what it stands for."""
    listed: dict[str, str] = table((SOURCES["gradproof"] / "gradproof" / "extend.py").read_text("utf-8"), "_HOMES")
    return {name: f"{home.partition(':')[0]}.{home.partition(':')[2] or name}" for name, home in listed.items()}


@cache
def public_names() -> frozenset[str]:
    """What ``gradproof`` itself offers."""
    return frozenset(table((SOURCES["gradproof"] / "gradproof" / "__init__.py").read_text("utf-8"), "__all__"))


def past_the_surface(found: Import) -> str:
    """Why a pack may not import ``found``; empty where it may."""
    _, _, rest = found.target.partition(".")
    if found.top != "gradproof" or found.target in ("gradproof", SURFACE) or rest in public_names():
        return ""
    if found.target.startswith(f"{SURFACE}."):
        name = found.target.removeprefix(f"{SURFACE}.")
        return "" if name in homes() else f"{SURFACE} has no {name}"
    return f"packs and examples import from gradproof and {SURFACE} alone"


def broken_arrows(module: str, text: str) -> list[str]:
    """What a module imports although its place forbids it, one sentence each."""
    broken = []
    for found in imports(text):
        if found.target.startswith("."):
            broken.append(f"{module}:{found.line} imports relatively ({found.target}); name the package")
        elif why := _forbidden(module, found):
            broken.append(f"{module}:{found.line} imports {found.target}: {why}")
    return broken


def _forbidden(module: str, found: Import) -> str:
    package, target = module.partition(".")[0], room_of(found.target)
    if package == "gradproof":
        if found.top in ("gradproof_properties", "gradproof_reports"):
            return "the engine finds the packs through entry points and knows none of them"
        if found.top in FRAMEWORKS and not found.deferred and not found.typing and not _is_backend(module, found):
            return "a framework is imported by its own backend, or inside a function"
        if target == "extend" and room_of(module) != "extend":
            return "the engine imports a name where it lives"
        allowed = ROOMS.get(room_of(module) or "")
        if allowed is not None and target not in (None, room_of(module)) and target not in allowed:
            return f"{room_of(module)} may import {', '.join(sorted(allowed)) or 'no other room'}"
        if room_of(module) == "results" and found.top == "numpy":
            return "the results file is read where there is no NumPy"
    else:
        if found.top in FRAMEWORKS:
            return "only a backend imports a framework"
        if found.top != package and found.top in SOURCES and found.top != "gradproof":
            return "properties and reports do not know each other"
        if why := past_the_surface(found):
            return why
        home = homes().get(found.target.removeprefix(f"{SURFACE}."), found.target)
        if package == "gradproof_reports" and found.top == "gradproof" and room_of(home) not in REPORTS_MAY_SEE:
            return f"a report reads the results file: {', '.join(sorted(REPORTS_MAY_SEE))}"
    return ""


def frameworks_of(module: str) -> set[str]:
    """The frameworks that a module's name says it is about: ``gradproof.backends.torch.catalogue``, torch."""
    words = {word for part in module.split(".")[2:] for word in part.split("_")}
    return words & set(FRAMEWORKS)


def _is_backend(module: str, found: Import) -> bool:
    framework = "jax" if found.top == "jaxlib" else found.top
    return room_of(module) == "backends" and framework in frameworks_of(module)


def file_of(target: str, known: Iterable[str]) -> str:
    """The module that an import reaches: itself, or the one that holds the name; empty for other packages'."""
    while target and target not in known:
        target = target.rpartition(".")[0]
    return target


def circles(texts: Mapping[str, str]) -> list[list[str]]:
    """Modules that import each other, however indirectly, one sorted list a circle. ``texts``: sources by module.

    Imports inside functions and those for types alone count: a circle stays one when it is put off.
    """
    reach = {name: {file_of(i.target, texts) for i in imports(text)} - {name, ""} for name, text in texts.items()}
    for middle in texts:
        for name in texts:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    found = {tuple(sorted(n for n in reach[name] if name in reach[n])) for name in texts if name in reach[name]}
    return sorted(map(list, found))


def private_imports(module: str, text: str, known: Iterable[str]) -> list[str]:
    """The private names of other folders that a module imports, one sentence each. ``known``: all modules."""
    broken = []
    for found in imports(text):
        home = file_of(found.target.rpartition(".")[0], known)
        name = found.target.removeprefix(home).lstrip(".")
        private = home and name.startswith("_") and not name.startswith("__")
        if private and (folder := _folder(home, known)) != _folder(module, known):
            broken.append(f"{module}:{found.line} imports {name}, which is private to {folder}")
    return broken


def _folder(module: str, known: Iterable[str]) -> str:
    """The package that a module lies in; a package lies in itself."""
    return module if any(name.startswith(f"{module}.") for name in known) else module.rpartition(".")[0]


def classes(text: str) -> list[str]:
    """The names of the classes that a source text defines."""
    return [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]


def repeated_classes(texts: Mapping[str, str]) -> list[str]:
    """Class names that several places define, one sentence each. ``texts``: sources by module."""
    homes: dict[str, list[str]] = {}
    for module, text in texts.items():
        for name in classes(text):
            homes.setdefault(name, []).append(module)
    return [f"{name} is defined in {' and in '.join(found)}" for name, found in homes.items() if len(found) > 1]


def modules() -> dict[str, Path]:
    """Every module of the three packages by dotted name."""
    found = {}
    for package, root in SOURCES.items():
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found
