"""The fixture ``gradproof_check``: a test's own callable, judged cell by cell inside the test."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from gradproof.engine.declared.markers import MARK, read_mark
from gradproof.errors import UsageError
from gradproof.names import World, caller_world
from gradproof.plugin.collecting import context_of
from gradproof.plugin.planning import PlannedItem, planned_items
from gradproof.plugin.recorder import ATTRIBUTE
from gradproof.plugin.verdicts import ItemOutcome, Verdict, item_outcome, judged, shorten, text_of
from gradproof.results.model import Cell


class Checker:
    """What the fixture hands to a test; remembers the verdicts for the results file and the corpus."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._verdicts: list[Verdict] = []
        self._calls = 0
        self._failed = False
        assert item.parent is not None
        self._node = f"{item.parent.nodeid}::{item.name}"  # without the group that xdist appends to an item's own

    def __call__(self, function: Any, implementation: Callable[..., Any], *, backend: str, **given: Any) -> list[Cell]:
        """Judge ``implementation`` of ``function`` in every cell that the marker's arguments and the options keep.

        Fails the test when a cell fails, with the words of each; skips it when every cell is skipped, or none is kept.
        The judged cells are returned. Arguments that make no sense fail it at its own line.
        """
        __tracebackhide__ = True
        given.setdefault("name", f"{self._item.path.stem}:{self._item.name}")
        found: list[tuple[Verdict, ItemOutcome]] = []
        wrong = ""
        try:
            context = context_of(self._item.config)
            for row in self._rows(function, implementation, given | {"backend": backend}, caller_world()):
                verdict = self._judged(row)
                self._verdicts.append(verdict)
                found.append((verdict, item_outcome(verdict, row, context)))
        except UsageError as fault:
            wrong = str(fault)
        if wrong:  # outside of the handler, whose error would be shown too
            pytest.fail(f"gradproof_check: {wrong}")
        self._tell(found)
        return [verdict.cell for verdict, _ in found]

    def _rows(
        self, function: Any, implementation: Callable[..., Any], given: dict[str, Any], world: World
    ) -> list[PlannedItem]:
        mark = SimpleNamespace(name=MARK, args=(function,), kwargs=given)
        context = context_of(self._item.config)
        made = planned_items(read_mark(mark, implementation, world), context)
        self._calls += 1
        for row in made:
            context.enter(row.cell, f"{self._node} (call {self._calls})")
        return made

    def gradproof_finish(self, report: pytest.TestReport) -> None:
        """Attach the verdicts to the report of the test's call."""
        if report.when == "call" and self._verdicts:
            if self._failed:
                shorten(report)
            setattr(report, ATTRIBUTE, text_of(self._verdicts))

    def _judged(self, row: PlannedItem) -> Verdict:
        context, item = context_of(self._item.config), self._item
        place = f"{self._node}::{row.cell.id}"
        verdict = judged(row, context, place, self._node.partition("::")[0], item.session)
        certificate = verdict.cell.certificate
        if certificate is None:
            return verdict
        # The callable lives inside the test: only pytest can make it again, and the corpus brings its inputs.
        command = reproduction(self._node, row.cell)
        certificate = dataclasses.replace(certificate, reproduce=command)
        return dataclasses.replace(verdict, cell=dataclasses.replace(verdict.cell, certificate=certificate))

    def _tell(self, found: list[tuple[Verdict, ItemOutcome]]) -> None:
        __tracebackhide__ = True
        failed = [t.text for _, t in found if t.outcome == "failed"]
        if failed:
            self._failed = True
            pytest.fail("\n\n".join(failed), pytrace=False)
        skipped = [t.text for _, t in found if t.outcome == "skipped"]
        if len(skipped) == len(found):
            pytest.skip(skipped[0] if skipped else "the options keep no cell of it")


def reproduction(node: str, cell: Cell) -> str:
    """The command that judges one cell of a test again."""
    words = ["pytest", node, "--gradproof-format", cell.format, "--gradproof-order", str(cell.order)]
    return shlex.join([*words, "--gradproof-property", cell.property, "--gradproof-mode", cell.mode])
