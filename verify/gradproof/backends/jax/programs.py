"""Compiled programs of JAX, kept from one process to the next. Imports jax; only ``calls`` imports this module.

XLA takes tens of milliseconds for the smallest program, loading a compiled one takes one or two. JAX has a persistent
cache, keyed by the program, XLA's flags and its version, which checks nothing of what it reads and is set for the
process as a whole. Here it gets another store, inside gradproof's own calls alone: sealed files that are not believed
with one wrong bit, made on the same processor, in a folder that nobody else can write to. Code out of it is run.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from jax._src import compilation_cache, config

from gradproof.cache import entries, files, machine

KIND: Final = "programs"
SUFFIX: Final = ".program"
CAP: Final = 1 << 28
"""Bytes that the files may take together."""
REMEMBERED: Final = 1 << 25
"""Bytes of programs that a process remembers: eager AD asks for the same ones many times over."""
_GLOBALS: Final = ("_cache", "_cache_initialized", "_cache_checked", "_cache_used")
"""JAX's own variables: the store, and that it need not look for one."""


class Programs(compilation_cache.CacheInterface):  # type: ignore[misc]
    """Serialized programs by JAX's key: in memory, and in files as far as there is a folder for them.

    ``folder`` is None where programs live in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder or Path()
        self._folder = folder
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._remembered = 0
        self._tidied = False

    def get(self, key: str) -> bytes | None:
        """The program under ``key``; None where there is none that can be believed."""
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        if self._folder is None:
            return None
        program = entries.read(self._file(self._folder, key), _key(key), "the program is compiled anew")
        if program is not None:
            self._remember(key, program)
        return program

    def put(self, key: str, value: bytes) -> None:
        """Keep a program; where it cannot be written it is remembered alone."""
        self._remember(key, value)
        if self._folder is None:
            return
        try:
            if not self._tidied:
                files.tidy(self._folder, SUFFIX, CAP)
                self._tidied = True
            files.write(self._file(self._folder, key), entries.packed(_key(key), value), durable=False)
        except OSError:
            self._folder = None  # the oracle's tables lie beside it, and tell the reader

    def _remember(self, key: str, program: bytes) -> None:
        self._memory[key] = program
        self._remembered += len(program)
        while self._remembered > REMEMBERED and len(self._memory) > 1:
            self._remembered -= len(self._memory.popitem(last=False)[1])

    @staticmethod
    def _file(folder: Path, key: str) -> Path:
        # The key ends in 64 hexadecimal digits; what stands before them comes from names in a user's code.
        return folder / f"{key[-64:]}-{machine.fingerprint()[:16]}{SUFFIX}"


def _key(key: str) -> dict[str, str]:
    return {"program": key, "machine": machine.fingerprint()}


@contextmanager
def kept(device: Any) -> Iterator[None]:
    """Inside, what JAX compiles for ``device`` is looked up among the kept programs first, and kept.

    Programs for a CPU alone: others are compiled as ever. A cache that the user has set up is left alone.
    """
    if device.platform != "cpu" or not all(hasattr(compilation_cache, name) for name in _GLOBALS):
        yield
        return
    before = {name: getattr(compilation_cache, name) for name in _GLOBALS}
    mine = dict(zip(_GLOBALS, (_programs(_folder()), True, True, True), strict=True))
    with ExitStack() as stack:
        stack.enter_context(config.persistent_cache_min_compile_time_secs(0.0))
        stack.enter_context(config.persistent_cache_min_entry_size_bytes(-1))
        try:
            vars(compilation_cache).update(mine)
            yield
        finally:
            vars(compilation_cache).update(before)


@cache
def _programs(folder: Path | None) -> Programs:
    return Programs(folder)


def _folder() -> Path | None:
    """The folder for programs, made where there is none; None where there can be none, or somebody else may write."""
    try:
        folder = files.folder(KIND)
    except RuntimeError:  # nobody knows where it would be
        return None
    return folder if folder is not None and _is_private(folder) else None


@cache
def _is_private(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return False
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
