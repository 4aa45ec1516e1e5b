"""One cell as one pytest item: its check, and what its status means to pytest."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
from typing import Any

import pytest

from gradproof.errors import OracleDisagreement
from gradproof.plugin import messages
from gradproof.plugin.desk import Desk
from gradproof.plugin.planning import Row
from gradproof.plugin.recorder import ATTRIBUTE
from gradproof.results.model import Cell, LedgerState

PREFIX = "gradproof_"
"""What the names of an item's user properties begin with."""


class CellItem(pytest.Item):
    """Judges one cell. Takes no fixtures; marks of the function apply."""

    def __init__(self, parent: pytest.Collector, *, thing: Any, row: Row, desk: Desk) -> None:
        super().__init__(row.cell.id, parent)
        self._owner = parent.name
        self.row = row
        self.desk = desk
        self._line = _line_of(thing, self.path)
        self._verdict: str | None = None

    def runtest(self) -> None:
        """Judge the cell, remember the verdict, and tell pytest by failing, skipping or returning."""
        cell, states = self._judge()
        self._verdict = _text(cell, states)
        kept = [entry for entry in self.user_properties if not str(entry[0]).startswith(PREFIX)]
        self.user_properties[:] = kept + _properties(cell)
        self._tell(cell, states)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """The function's place, and function and cell as the headline."""
        return self.path, self._line, f"{self._owner}: {self.name}"

    def gradproof_finish(self, report: pytest.TestReport) -> None:
        """Attach the verdict to ``report``; an item that was not run says so in a verdict of its own."""
        if report.when == "setup" and report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "expected to fail"
            self._verdict = _text(dataclasses.replace(self.row.cell, status="not-run", reason=reason), [])
        elif report.when != "call":
            return
        elif report.skipped and isinstance(report.longrepr, tuple):
            # A skip is reported where it was raised, which would be this file for every function.
            report.longrepr = (os.fspath(self.path), self._line + 1, report.longrepr[2])
        if self._verdict is not None:
            setattr(report, ATTRIBUTE, self._verdict)

    def _judge(self) -> tuple[Cell, list[LedgerState]]:
        if self.row.task is None:
            return self.row.cell, []
        source = self.nodeid.partition("::")[0]
        try:
            return self.desk.judge(self.row.task, self.row.selection, source)
        except OracleDisagreement as fault:
            self.session.shouldstop = "gradproof: the two routes of the oracle contradict each other"
            pytest.fail(f"the oracle contradicts itself, nothing it says counts: {fault}", pytrace=False)

    def _tell(self, cell: Cell, states: list[LedgerState]) -> None:
        gone = [f"{s.entry}: {s.detail}" for s in states if s.state == "gone"]
        match cell.status:
            case "fail" | "error":
                pytest.fail(messages.failure(cell), pytrace=False)
            case "undecided" if self.desk.undecided == "fail":
                pytest.fail(messages.undecided(cell), pytrace=False)
            case "undecided" if self.desk.undecided == "skip":
                pytest.skip(f"undecided: {cell.reason}")
            case "unsupported":
                pytest.skip(f"unsupported: {cell.reason}")
            case "not-run":
                if self._is_absent() and self.desk.requires(cell):
                    pytest.fail(messages.missing(cell, cell.reason), pytrace=False)
                pytest.skip(f"not run: {cell.backend}:{cell.device}: {cell.reason}")
            case _ if gone:
                pytest.fail(f"the ledger of known deviations is out of date: {'; '.join(gone)}", pytrace=False)

    def _is_absent(self) -> bool:
        """Whether a cell that was not run lacks its backend; otherwise its implementation hung before."""
        return bool(self.row.absent) or (self.row.task is not None and not self.desk.gave_up(self.row.task))


def _text(cell: Cell, states: list[LedgerState]) -> str:
    return json.dumps({"cell": dataclasses.asdict(cell), "ledger": [dataclasses.asdict(s) for s in states]})


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
