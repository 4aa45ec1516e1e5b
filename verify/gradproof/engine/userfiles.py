"""Importing the files that ``gradproof check`` is given."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from gradproof.backends.base import Implementation
from gradproof.engine.implementations import collect, named_in
from gradproof.engine.marked import marked_in
from gradproof.errors import GradproofError, UsageError


def load(path: str) -> list[Implementation]:
    """Import one Python file (its folder importable) and return what it registers.

    Functions under the pytest marker ``gradproof`` count as registered. Raises UsageError when the file is
    missing, raises while imported, or registers nothing.
    """
    file = Path(path)
    if not file.is_file():
        why = "is no regular file" if file.exists() else "does not exist"
        raise UsageError(f"expected a Python file, got {path!r}, which {why}")
    modules: list[ModuleType] = []
    found = collect(lambda: modules.append(_import(file)))
    found = named_in(modules[0], found) + marked_in(modules[0])
    if not found:
        raise UsageError(
            f"{path} registers no implementation; decorate a function with "
            '@gradproof.implements("silu", backend="torch")'
        )
    return found


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


def _import(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} cannot be imported as Python; expected a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    # A file edited and checked again within a second must not meet its own stale byte code.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with exits_raised():
            spec.loader.exec_module(module)
    except GradproofError:
        raise
    except (Exception, SystemExit) as fault:  # a script that exits 0 must not look like a passed check
        alone = isinstance(fault, ImportError) and "relative import" in str(fault)
        hint = "; the file is imported by itself: name its package instead of the dots" if alone else ""
        raise UsageError(f"{file} raised {type(fault).__name__} while it was imported: {fault}{hint}") from fault
    finally:
        sys.dont_write_bytecode = before
        sys.path.remove(folder)
    return module
