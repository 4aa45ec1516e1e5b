"""What judging needs beside the cell, once per process: options, ledger, surroundings, what came before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, TypeVar

import pytest

from gradproof.backends.registry import available_backends, backend_ids, split_id
from gradproof.engine.declared.userfiles import exits_raised
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger, Surroundings
from gradproof.engine.properties.installed import ledger_directories, properties
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.running.worker import gave_up
from gradproof.engine.surroundings.environment import backend_table, environment, surroundings
from gradproof.errors import Fault, UsageError
from gradproof.formats import get_format
from gradproof.plugin.corpus import Corpus
from gradproof.plugin.options import Options
from gradproof.plugin.profiles import register_profiles
from gradproof.results.model import Cell, LedgerState
from gradproof.spelling import backend_spelled, device_spelled

MODES = ("eager", "compiled", "autocast")

T = TypeVar("T")


class PluginContext:
    """One per process. Collectors plan with it, items judge with it.

    Raises UsageError for options that name something unknown.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.options = Options(config)
        self.corpus = Corpus(config)
        texts = ("backend", "device", "property", "mode")
        self.filters = {name: self.options.several(name) for name in texts}
        self.formats = tuple(self._checked("format", lambda name: get_format(name).name))
        self.orders = tuple(self._checked("order", _order))
        self.required = tuple(self._checked("require-backend", _backend_id))
        self.undecided: str = config.getini("gradproof_undecided")
        devices = {i.partition(":")[2] for i in backend_ids()}
        self.filters["backend"] = tuple(self._checked("backend", _backend))
        self.filters["device"] = tuple(self._checked("device", lambda name: _known(device_spelled(name), devices)))
        self._checked("property", lambda name: _known(name, properties()))
        self._checked("mode", lambda name: _known(name, MODES))
        self.backends: dict[str, str] = {}
        """Backend ids of the planned cells; the reason where one is missing, else empty."""
        self._claimed: dict[int, tuple[object, str]] = {}
        self._keys: dict[tuple[Any, ...], str] = {}
        self._surroundings: dict[str, Surroundings] = {}
        self._hung: set[str] = set()
        register_profiles()

    def _checked(self, option: str, check: Callable[[str], T]) -> list[T]:
        """The values of an option as ``check`` turns them out; its UsageError names the option."""
        try:
            return [check(value) for value in self.options.several(option)]
        except UsageError as fault:
            raise UsageError(f"--gradproof-{option}: {fault}") from None

    def claim(self, thing: object, where: str) -> bool:
        """Whether to collect ``thing`` at ``where`` (a node id): true for the first place that asks."""
        # The object is kept, so that its id cannot be given to another.
        return self._claimed.setdefault(id(thing), (thing, where))[1] == where

    def enter(self, cell: Cell, node: str) -> None:
        """Note which item judges a cell; UsageError when another item does already."""
        other = self._keys.setdefault(cell.key, node)
        if other != node:
            raise UsageError(
                f"expected one implementation called {cell.implementation!r} for {cell.id}, got two: the "
                f"other is {other}; tell them apart by name="
            )

    def judge(self, task: Task, selection: Selection, source: str, item: str) -> tuple[Cell, list[LedgerState]]:
        """The verdict on one cell. An implementation that hung before is not called again.

        Inputs that failed in ``item`` before are tried first. Raises OracleDisagreement.
        """
        if self.gave_up(task):
            return gave_up(task), []
        if task.backend not in self._surroundings:
            self._surroundings[task.backend] = surroundings([task.backend])
        replay = self.corpus.read(item, task.format) if replays(task.property) else ()
        with exits_raised():  # a session that ends in the middle of an item must not pass for a good one
            cell, states = decide(task, selection, self.ledger, self._surroundings[task.backend], source, replay)
        if cell.measured.get("fault") == Fault.TIMED_OUT:
            self._hung.add(task.implementation.name)
        return cell, states

    def gave_up(self, task: Task) -> bool:
        """Whether the implementation of ``task`` hung, so that it is not called again."""
        return task.implementation.name in self._hung

    def requires(self, cell: Cell) -> bool:
        """Whether the backend of ``cell`` was demanded; a name alone means its first device."""
        return f"{cell.backend}:{cell.device}" in self.required

    @cached_property
    def ledger(self) -> Ledger:
        """The installed ledgers of known deviations."""
        return Ledger.read(ledger_directories())

    def header(self) -> dict[str, Any]:
        """What the results file says about this machine, and the ledger's texts, as JSON values."""
        here = [name for name, reason in self.backends.items() if not reason]
        missing = {name: reason for name, reason in self.backends.items() if reason}
        return {
            "environment": environment(),
            "backends": backend_table(here, missing),
            "deviations": {
                d.id: {"title": d.title, "reason": d.reason, "upstream": list(d.upstream)}
                for d in self.ledger.deviations.values()
            },
        }


def replays(property: str) -> bool:
    """Whether a property tries inputs that failed before."""
    known = properties()
    return property in known and known[property].tries_witnesses


def _order(text: str) -> int:
    return int(_known(text, ("0", "1", "2")))


def _backend(name: str) -> str:
    split_id(name)
    return backend_spelled(name, available_backends())


def _backend_id(name: str) -> str:
    kind, device = split_id(name)
    return f"{kind.name}:{device}"


def _known(name: str, known: Iterable[str]) -> str:
    if name not in known:
        raise UsageError(f"expected one of {', '.join(known)}, got {name!r}")
    return name
