"""What a command finds, for programs that follow it: one JSON object a line, each as soon as it is known."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from gradproof._version import __version__
from gradproof.results.model import document
from gradproof.results.rows import facts, row_document, rows

if TYPE_CHECKING:
    from gradproof.engine.planning.outline import Outline
    from gradproof.results.model import Cell, Finding, RunResult

SCHEMA: Final = "gradproof-lines/1"
HEAVY: Final = ("curve",)
"""Keys of a cell that the results file alone has."""


class JsonLines:
    """Writes objects to a stream; to none it does nothing.

    The first object is ``{"type": "begin", "schema": ...}``, the last ``{"type": "end", "exit_code": ...}``. What a
    stream cannot take any more is told by ``fault``, and ends nothing.
    """

    def __init__(self, stream: IO[str] | None, command: str) -> None:
        self._stream = stream
        self.fault: OSError | None = None
        self._told: set[tuple[Any, ...]] = set()
        self.write("begin", {"schema": SCHEMA, "command": command, "gradproof": __version__})

    def write(self, kind: str, content: Mapping[str, Any]) -> None:
        """One object of a type."""
        if self._stream is None or self.fault is not None:
            return
        try:
            self._stream.write(one_line({"type": kind, **content}) + "\n")
            self._stream.flush()
        except BrokenPipeError:  # whoever read has seen enough
            self._stream = None
        except OSError as fault:
            self.fault = fault

    def planned(self, plan: Outline) -> None:
        """How many cells there will be."""
        self.write("plan", {"cells": plan.tasks + len(plan.settled)})

    def kept(self, cell: Cell) -> None:
        """A cell that an earlier run judged."""
        self.cell(cell)

    def began(self, cell: Cell) -> None:
        """Nothing: a cell is told once."""

    def judged(self, cell: Cell, done: int, total: int) -> None:
        """A cell with its verdict."""
        self.cell(cell)

    def cell(self, cell: Cell) -> None:
        """A cell, as the results file has it but for its curve."""
        self._told.add(cell.key)
        self.write("cell", {key: value for key, value in document(cell).items() if key not in HEAVY})

    def findings(self, found: Iterable[Finding]) -> None:
        """Findings, as the results file has them."""
        for one in found:
            self.write("finding", document(one))

    def result(self, result: RunResult, code: int) -> None:
        """What a run came to: cells that nobody judged, rows, findings, and the end."""
        if self._stream is None:
            return
        for cell in result.cells:
            if cell.key not in self._told:
                self.cell(cell)
        for row in facts(rows(result), result):
            self.write("row", row_document(row))
        self.findings(result.findings)
        self.end(code, counts=result.counts(), seconds=result.run.seconds, complete=result.run.complete)

    def end(self, code: int, **more: Any) -> None:
        """The last object."""
        self.write("end", {"exit_code": code, **more})


def one_line(content: Any) -> str:
    """JSON in one line of ASCII, in which nothing commands a terminal."""
    return json.dumps(content, allow_nan=False).replace("\x7f", "\\u007f")


@contextlib.contextmanager
def opened(path: str | None, stdout: IO[str]) -> Iterator[IO[str] | None]:
    """The stream of ``--json-lines PATH``: ``-`` is ``stdout``. What lies at the path is replaced at once."""
    if path is None:
        yield None
    elif path == "-":
        yield stdout
    else:
        stream = Path(path).open("w", encoding="utf-8", newline="\n")  # noqa: SIM115  # closed below, come what may
        try:
            yield stream
        finally:
            with contextlib.suppress(OSError):  # told by the last write
                stream.close()
