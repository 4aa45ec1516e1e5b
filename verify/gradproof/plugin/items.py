"""One cell as one pytest item: its check, and what its status means to pytest."""

from __future__ import annotations

import dataclasses
import inspect
import os
from typing import Any

import pytest

from gradproof.plugin.context import PluginContext
from gradproof.plugin.planning import PlannedItem
from gradproof.plugin.recorder import ATTRIBUTE
from gradproof.plugin.verdicts import Verdict, item_outcome, judged, shorten, text_of
from gradproof.results.model import Cell
from gradproof.results.not_run import NotRun, worded

PREFIX = "gradproof_"
"""What the names of an item's user properties begin with."""


class CellItem(pytest.Item):
    """Judges one cell. Takes no fixtures; marks of the function apply."""

    def __init__(self, parent: pytest.Collector, *, thing: Any, row: PlannedItem, context: PluginContext) -> None:
        super().__init__(row.cell.id, parent)
        self._owner = parent.name
        self.row = row
        self.context = context
        self._line = _line_of(thing, self.path)
        self._place = self.nodeid  # xdist appends the name of its group later
        self._verdict: str | None = None

    def runtest(self) -> None:
        """Judge the cell, remember the verdict, and tell pytest by failing, skipping or returning."""
        verdict = judged(self.row, self.context, self._place, self._place.partition("::")[0], self.session)
        self._verdict = text_of([verdict])
        kept = [entry for entry in self.user_properties if not str(entry[0]).startswith(PREFIX)]
        self.user_properties[:] = kept + _properties(verdict.cell)
        outcome, text = item_outcome(verdict, self.row, self.context)
        if outcome == "failed":
            pytest.fail(text, pytrace=False)
        if outcome == "skipped":
            pytest.skip(text)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """The function's place, and function and cell as the headline."""
        return self.path, self._line, f"{self._owner}: {self.name}"

    def gradproof_finish(self, report: pytest.TestReport) -> None:
        """Attach the verdict to ``report``; an item that was not run says so in a verdict of its own."""
        if report.when == "setup" and report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "expected to fail"
            skipped = dataclasses.replace(
                self.row.cell, status="not-run", reason=worded(NotRun.SKIPPED, reason), why=NotRun.SKIPPED
            )
            self._verdict = text_of([Verdict(skipped, [], self._place)])
        elif report.when != "call":
            return
        elif report.skipped and isinstance(report.longrepr, tuple):
            # A skip is reported where it was raised, which would be this file for every function.
            report.longrepr = (os.fspath(self.path), self._line + 1, report.longrepr[2])
        shorten(report)
        if self._verdict is not None:
            setattr(report, ATTRIBUTE, self._verdict)


def _properties(cell: Cell) -> list[tuple[str, object]]:
    """The scalars of a verdict, for JUnit files and other plugins."""
    found = {
        "status": cell.status,
        "evidence": f"{cell.evidence.kind} {cell.evidence.n}",
        "u_max": cell.u_max,
        "m_max": cell.m_max,
        "worst_bits": cell.worst_bits,
        "known_ref": cell.known_ref,
    }
    return [(PREFIX + name, value) for name, value in found.items() if value is not None]


def _line_of(thing: Any, path: os.PathLike[str]) -> int:
    """Line of the definition, counted from 0; 0 where it is in another file."""
    code = getattr(inspect.unwrap(thing), "__code__", None)
    return code.co_firstlineno - 1 if code is not None and code.co_filename == os.fspath(path) else 0
