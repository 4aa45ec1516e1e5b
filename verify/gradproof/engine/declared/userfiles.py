"""Importing the files that ``gradproof check`` is given."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Final, NoReturn

from gradproof.backends.base import Implementation
from gradproof.backends.namespaces import names_kept
from gradproof.backends.process_state import arithmetic_kept
from gradproof.engine.declared.implementations import collect, named_in
from gradproof.engine.declared.markers import marked_in
from gradproof.errors import Fault, ImplementationFault, UsageError, is_ours
from gradproof.execution.processes import Processes, WorkerLost
from gradproof.execution.timelimit import time_limit
from gradproof.external import description
from gradproof.files.reading import read_bytes

IMPORT_LIMIT: Final = 60.0
"""Seconds that a file of the user's may take to be imported, or ``--time-limit`` where that is more."""


def load(path: str, pinned: str | None = None, limit: float = 0.0, *, at: str | None = None) -> list[Implementation]:
    """Import one Python file (its folder importable) and return what it registers.

    ``at`` is where it lies, for a process with another current folder than the one in which ``path`` was said.
    Functions under the pytest marker ``gradproof`` count as registered. Raises UsageError when the file is
    missing, raises while imported, takes more than ``limit`` seconds (0 is no limit), or registers nothing;
    ImplementationFault("changed-file") when it is not the one whose ``digest_of`` is ``pinned``.

    A description of results made elsewhere (``elsewhere.description``) is read instead.
    """
    file = Path(at or path)
    if pinned not in (None, digest_of(str(file))):
        raise ImplementationFault(Fault.CHANGED_FILE, f"{path} was changed, or is gone, since the run began")
    if not file.is_file():
        why = "is no regular file" if file.exists() else "does not exist"
        raise UsageError(f"expected a Python file, got {path!r}, which {why}")
    if description.is_description(path):
        return [replace(description.load(str(file)), file=path)]
    modules: list[ModuleType] = []
    try:
        what = f"the import of {path}"
        with time_limit(limit, what), arithmetic_kept(what), names_kept(what, importing=True):
            found = collect(lambda: modules.append(_import(file)))
    except ImplementationFault as late:
        raise UsageError(str(late)) from late
    found = [replace(i, file=path) for i in named_in(modules[0], found) + marked_in(modules[0])]
    if not found:
        raise UsageError(
            f"{path} registers no implementation; decorate a function with "
            '@gradproof.implements("silu", backend="torch")'
        )
    return found


def try_apart(path: str) -> None:
    """Import a file in a worker process first: UsageError for one that ends its process, hangs or raises there."""
    workers = Processes(1)
    try:
        workers.submit(_try, path).result()
    except WorkerLost as lost:
        raise UsageError(f"{path} could not be imported: {lost}") from None
    finally:
        workers.shutdown(cancel_futures=True)


def _try(path: str) -> None:
    load(path, limit=IMPORT_LIMIT)


def digest_of(path: str) -> str:
    """SHA-256 of a file's content; empty where there is no such file, or no regular one."""
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except OSError:
        return ""


@contextlib.contextmanager
def exits_raised() -> Iterator[None]:
    """Inside, ``os._exit`` raises SystemExit in this process: it would end the run without a word."""
    ours, end = os.getpid(), os._exit

    def leave(status: int) -> NoReturn:
        if os.getpid() != ours:  # a forked child that is done
            end(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = leave
    try:
        yield
    finally:
        os._exit = end


_folders: set[Path] = set()
"""Those of the files that were imported."""


def _forget_modules_beside_others(folder: Path) -> None:
    """Have a file import the modules beside it, and not those of the same names that lie beside another one.

    What was imported from there stays with whoever imported it.
    """
    others = _folders - {folder}
    _folders.add(folder)
    found = set()
    for name, module in list(sys.modules.items()) if others else ():
        file = getattr(module, "__dict__", {}).get("__file__")
        if "." in name or not file or not any(place.is_file() for place in _places(name, folder)):
            continue
        if any(Path(file).resolve() in _places(name, other) for other in others):
            found.add(name)
    for name in list(sys.modules):
        if name.partition(".")[0] in found:
            del sys.modules[name]


def _places(name: str, folder: Path) -> tuple[Path, Path]:
    """Where the source of a module lies in ``folder``."""
    return folder / f"{name}.py", folder / name / "__init__.py"


def _import(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} cannot be imported as Python; expected a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    _forget_modules_beside_others(file.resolve().parent)
    # A file edited and checked again within a second must not meet its own stale byte code.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with exits_raised():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as fault:  # a script that exits 0 must not look like a passed check
        if isinstance(fault, UsageError | ImplementationFault) and is_ours(fault):
            raise
        alone = isinstance(fault, ImportError) and "relative import" in str(fault)
        hint = "; the file is imported by itself: name its package instead of the dots" if alone else ""
        raise UsageError(f"{file} raised {type(fault).__name__} while it was imported: {fault}{hint}") from fault
    finally:
        sys.dont_write_bytecode = before
        sys.path.remove(folder)
    return module
