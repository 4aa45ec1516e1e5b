"""A worker process: rebuilds the plan, judges the groups it is sent, reports each cell as it is done.

Callables do not travel between processes; the selection and the user's file names do, and planning is
deterministic, so an index names the same group on both sides.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, TextIO

from gradproof.backends import get_backend
from gradproof.engine.environment import surroundings
from gradproof.engine.ledger import Ledger, Surroundings
from gradproof.engine.packs import ledger_directories
from gradproof.engine.plan import Plan, Task, plan
from gradproof.engine.selection import Selection
from gradproof.engine.userfiles import load
from gradproof.engine.verdict import decide
from gradproof.errors import CacheWarning, OracleDisagreement
from gradproof.results.model import Cell, LedgerState

RELEASE_AFTER = 16
"""Groups after which backends drop compiled code: JAX keeps some 14 MB of it per function and format, part of which
the next functions use again."""


PRINTED = 4000
"""Characters that the callables of a worker may print."""


class Printed(io.TextIOBase):
    """What callables print goes to ``stream``, and no more of it than PRINTED characters: stdout is the report's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._room = PRINTED

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str, /) -> int:
        """Pass on what there is room for, and say once that the rest is left out."""
        if self._room > 0:
            self._stream.write(text[: self._room])
            self._room -= len(text)
            if self._room <= 0:
                self._stream.write("\ngradproof: what the implementations print from here on is left out\n")
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()


@dataclass
class Desk:
    """What judging needs beside the task: the plan, the ledger, the surroundings."""

    selection: Selection
    plan: Plan
    ledger: Ledger
    surroundings: Surroundings

    def judge(self, task: Task) -> tuple[Cell, list[LedgerState]]:
        """One cell, and what became of the ledger's entries about it."""
        return decide(task, self.selection, self.ledger, self.surroundings, task.implementation.file)


def prepare(selection: Selection, planned: Plan | None = None) -> Desk:
    """Load the user's files, plan, and read the ledger. Raises UsageError for any of them."""
    implementations = [i for path in selection.files for i in load(path)] if selection.files else None
    made = planned or plan(selection, implementations)
    ids = sorted({task.backend for group in made.groups for task in group.tasks})
    ledger = Ledger.read(ledger_directories()) if selection.use_ledger else Ledger()
    ledger.declare(implementations or ())
    return Desk(selection, made, ledger, surroundings(ids))


def serve(connection: Connection, selection: Selection) -> None:
    """Answer ``(group, first task)`` requests until None comes.

    Sends ``("begin", task)`` before each cell, ``("cell", task, cell, states)`` after it, ``("done",)`` at
    the end of a group, ``("warning", text)`` for a CacheWarning, and ``("fatal", kind, text)`` when the run
    cannot go on.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _pass_on_warnings(connection)
    sys.stdout = Printed(sys.stderr)
    try:
        desk = prepare(replace(selection, jobs=0))
        finished = 0
        connection.send(("ready",))
        while (request := connection.recv()) is not None:
            group, first, skipped = request
            for index, task in enumerate(desk.plan.groups[group].tasks):
                if index < first:
                    continue
                if task.implementation.name in skipped:
                    connection.send(("cell", index, gave_up(task), []))
                    continue
                connection.send(("begin", index))
                cell, states = desk.judge(task)
                if cell.measured.get("fault") == "timed-out":
                    skipped.add(task.implementation.name)
                connection.send(("cell", index, cell, states))
            finished += 1
            if finished % RELEASE_AFTER == 0:
                for name in {task.backend for task in desk.plan.groups[group].tasks}:
                    get_backend(name).release()
            connection.send(("done",))
    except OracleDisagreement as fault:
        connection.send(("fatal", "disagreement", str(fault)))
    except KeyboardInterrupt:
        pass
    except (EOFError, BrokenPipeError):
        pass
    except Exception as bug:
        connection.send(("fatal", "internal", f"{type(bug).__name__}: {bug}"))


def _pass_on_warnings(connection: Connection) -> None:
    """Leave it to the pool to show each CacheWarning, once for all workers; others are shown as ever."""
    shown = warnings.showwarning

    def pass_on(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
        if issubclass(category, CacheWarning):
            connection.send(("warning", str(message)))
        else:
            shown(message, category, *more, **named)

    warnings.showwarning = pass_on


def gave_up(task: Task) -> Cell:
    """The cell of a task that is not tried, because its implementation hung before."""
    return task.cell(
        "not-run",
        f"{task.implementation.name} hung in an earlier cell, or its process ended there; it was not called again",
    )
