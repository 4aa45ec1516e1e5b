"""What judges the cells of a plan, and the calls that a worker process of a run answers.

Callables do not travel between processes; the selection and the user's file names do, and planning is
deterministic, so that a place names the same cell on both sides (``outline``).
"""

from __future__ import annotations

import gc
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradproof.backends import get_backend
from gradproof.backends.settings import spoiled
from gradproof.engine.declared.userfiles import load
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger, Surroundings
from gradproof.engine.planning.outline import Outline, Place, digest, outline
from gradproof.engine.planning.plan import Plan, plan
from gradproof.engine.properties.installed import ledger_directories
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.running.judged import Judged
from gradproof.engine.subject import random_state
from gradproof.engine.surroundings.environment import surroundings
from gradproof.errors import SPOILING, Fault, GradproofWarning, ImplementationFault
from gradproof.execution.work import report, retire
from gradproof.results.model import Cell, LedgerState
from gradproof.results.not_run import NotRun

RELEASE_AFTER = 16
"""Groups after which backends drop compiled code: JAX keeps some 14 MB of it per function and format, part of which
the next functions use again."""

YOUNG = 20_000
"""Objects after which a worker process looks for garbage in cycles; Python's own number is 700."""

_finished = 0
"""Groups that this process has judged."""


@dataclass
class GivenUp:
    """Names of the implementations that are not called again. Replaced as a whole: it is pickled at any time."""

    names: frozenset[str] = frozenset()

    def add(self, name: str) -> None:
        """One more."""
        self.names = self.names | {name}


@dataclass
class WorkerState:
    """What judging needs beside the task: the plan, the ledger, the surroundings."""

    selection: Selection
    plan: Plan
    ledger: Ledger
    surroundings: Surroundings

    def judge(self, task: Task) -> tuple[Cell, list[LedgerState]]:
        """One cell, and what became of the deviations about it."""
        return decide(task, self.selection, self.ledger, self.surroundings, task.implementation.file)

    def judge_group(self, wanted: str, group: int, indices: Iterable[int], given_up: GivenUp) -> Iterator[Judged]:
        """Judge these cells of a group; ends early where this process must not go on (``execution.work.retire``).

        ``Began`` is reported before the user's code is called. ``wanted`` is the digest of the plan that the
        indices are about: ImplementationFault where this process made another one. Raises OracleDisagreement.
        """
        global _finished
        if digest(self.plan) != wanted:
            raise ImplementationFault(
                Fault.CHANGED_FILE,
                "what the files register is not what it was when the run began; let them be while it runs",
            )
        tasks = self.plan.groups[group].tasks
        for index in indices:
            place, task = (group, index), tasks[index]
            if task.implementation.name in given_up.names:
                yield Judged(place, gave_up(task), [])
                continue
            report(Began(place))
            random_state.reset(self.selection.seed)
            cell, states = self.judge(task)
            yield Judged(place, cell, states)
            if cell.measured.get("fault") in SPOILING or spoiled():
                retire()
                return
        _finished += 1
        if _finished % RELEASE_AFTER == 0:
            for name in {task.backend for task in tasks}:
                get_backend(name).release()


def prepare(
    selection: Selection,
    pinned: Mapping[str, str] | None = None,
    import_limit: float = 0.0,
    at: Mapping[str, str] | None = None,
) -> WorkerState:
    """Load the user's files, plan, and read the ledger. Raises UsageError for any of them.

    ``pinned``: digests that the files must have (``userfiles.digest_of``), else ImplementationFault. ``at``: where they
    lie, if not where the selection says.
    """
    # Hypothesis would leave a .hypothesis folder where the user, or a worker elsewhere, stands.
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "gradproof-hypothesis"))
    implementations = None
    if selection.files:
        implementations = []
        for path in selection.files:
            report(Importing(path))
            implementations += load(path, (pinned or {}).get(path), import_limit, at=(at or {}).get(path))
        report(Importing(None))
    made = plan(selection, implementations)
    ids = sorted({task.backend for group in made.groups for task in group.tasks})
    ledger = Ledger.read(ledger_directories()) if selection.use_ledger else Ledger()
    ledger.declare(implementations or ())
    return WorkerState(selection, made, ledger, surroundings(ids))


# -- in a worker process, whose calls share one plan -------------------------------------------------------


@dataclass(frozen=True)
class Importing:
    """Reported before a file of the user's is imported; ``path`` is None when all are."""

    path: str | None


@dataclass(frozen=True)
class Began:
    """Reported before a cell is judged."""

    place: Place


@dataclass(frozen=True)
class Warned:
    """Reported for a GradproofWarning: the process above shows each one once for all its workers."""

    text: str
    category: type[GradproofWarning]


_state: WorkerState | None = None


def begin(selection: Selection, pinned: Mapping[str, str], import_limit: float) -> None:
    """Get this worker process ready: import and plan, once for all its calls. Errors as ``prepare``."""
    global _state
    _pass_on_warnings()
    # What is imported and planned stays as long as the process, and a collection would go through all of it each time:
    # a twentieth of the processor time of a run on JAX, whose tracing makes and drops objects by the million.
    gc.disable()
    try:
        _state = prepare(selection, pinned, import_limit)
    finally:
        gc.enable()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def describe() -> Outline:
    """The plan as plain data."""
    assert _state is not None
    return outline(_state.plan, _state.ledger, _state.selection, _state.surroundings)


def judge_group(wanted: str, group: int, indices: Sequence[int], given_up: GivenUp) -> None:
    """Judge these cells of a group, each reported. The last ones are left to another process if this one must end.

    ``wanted`` is the digest of the plan that the indices are about. Errors as ``WorkerState.judge_group``.
    """
    assert _state is not None
    for judged in _state.judge_group(wanted, group, indices, given_up):
        report(judged)


def _pass_on_warnings() -> None:
    """Leave it to the process above to show a GradproofWarning; others are shown as ever."""
    shown = warnings.showwarning

    def pass_on(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
        if issubclass(category, GradproofWarning):
            report(Warned(str(message), category))
        else:
            shown(message, category, *more, **named)

    warnings.showwarning = pass_on


def gave_up(task: Task) -> Cell:
    """The cell of a task that is not tried, because its implementation hung before."""
    return task.not_run(NotRun.GAVE_UP, task.implementation.name)
