"""What judging needs beside the cell, once per process: options, ledger, surroundings, what was met before."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pytest

from gradproof.backends.registry import split_id
from gradproof.engine.environment import backend_table, environment, surroundings
from gradproof.engine.ledger import Ledger, Surroundings
from gradproof.engine.packs import ledger_directories, properties
from gradproof.engine.plan import Task
from gradproof.engine.selection import Selection
from gradproof.engine.verdict import decide
from gradproof.engine.worker import gave_up
from gradproof.errors import UsageError
from gradproof.formats import get_format
from gradproof.plugin.options import Options
from gradproof.plugin.profiles import register_profiles
from gradproof.results.model import Cell, LedgerState

MODES = ("eager", "compiled")


class Desk:
    """One per process. Collectors plan with it, items judge with it.

    Raises UsageError for options that name something unknown.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.options = Options(config)
        self.filters = {name: self.options.several(name) for name in ("backend", "device", "property", "mode")}
        self.formats = tuple(get_format(name).name for name in self.options.several("format"))
        self.orders = _orders(self.options.several("order"))
        self.required = self.options.several("require-backend")
        self.undecided: str = config.getini("gradproof_undecided")
        for name in (*self.filters["backend"], *self.required):
            split_id(name)
        for name in self.filters["property"]:
            if name not in properties():
                raise UsageError(f"unknown property {name!r}; known: {', '.join(properties())}")
        for name in self.filters["mode"]:
            if name not in MODES:
                raise UsageError(f"unknown mode {name!r}; known: {', '.join(MODES)}")
        self.backends: dict[str, str] = {}
        """Backend ids of the planned cells; the reason where one is missing, else empty."""
        self._claimed: dict[int, tuple[object, str]] = {}
        self._keys: dict[tuple[Any, ...], str] = {}
        self._surroundings: dict[str, Surroundings] = {}
        self._hung: set[str] = set()
        register_profiles()

    def claim(self, thing: object, where: str) -> bool:
        """Whether ``thing`` is to be collected at ``where`` (a node id): true for the first place that asks."""
        # The object is kept, so that its id cannot be given to another.
        return self._claimed.setdefault(id(thing), (thing, where))[1] == where

    def enter(self, cell: Cell, node: str) -> None:
        """Note which item judges a cell; UsageError when another item does already."""
        other = self._keys.setdefault(cell.key, node)
        if other != node:
            raise UsageError(
                f"expected one implementation called {cell.implementation!r} for {cell.id}, got two: the other "
                f"is {other}; tell them apart by name="
            )

    def judge(self, task: Task, selection: Selection, source: str) -> tuple[Cell, list[LedgerState]]:
        """The verdict on one cell. An implementation that hung before is not called again.

        Raises OracleDisagreement.
        """
        if self.gave_up(task):
            return gave_up(task), []
        if task.backend not in self._surroundings:
            self._surroundings[task.backend] = surroundings([task.backend])
        cell, states = decide(task, selection, self.ledger, self._surroundings[task.backend], source)
        if cell.measured.get("fault") == "timed-out":
            self._hung.add(task.implementation.name)
        return cell, states

    def gave_up(self, task: Task) -> bool:
        """Whether the implementation of ``task`` hung, so that it is not called again."""
        return task.implementation.name in self._hung

    def requires(self, cell: Cell) -> bool:
        """Whether the backend of ``cell`` was demanded; a name alone means its first device."""
        own = f"{cell.backend}:{cell.device}"
        return any(f"{kind.name}:{device}" == own for kind, device in map(split_id, self.required))

    @cached_property
    def ledger(self) -> Ledger:
        """The installed ledgers of known deviations."""
        return Ledger.read(ledger_directories())

    def facts(self) -> dict[str, Any]:
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


def _orders(given: tuple[str, ...]) -> tuple[int, ...]:
    try:
        return tuple(map(int, given))
    except ValueError:
        raise UsageError(f"gradproof_order: expected orders 0, 1 or 2, got {' '.join(given)}") from None
