"""Who judges the cells of a run: worker processes, of which a crash or a hang costs one cell, or this process.

Code of the user's runs in worker processes alone: whatever it does, this one is there to write the results.
"""

from __future__ import annotations

import queue
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from gradproof.engine.declared import userfiles
from gradproof.engine.planning.outline import Outline, Place, outline
from gradproof.engine.request.selection import Selection
from gradproof.engine.running import worker
from gradproof.engine.running.executor_judge import ExecutorJudge, cell_limit
from gradproof.engine.running.judged import Judged
from gradproof.errors import Fault, GradproofError, ImplementationFault, UsageError
from gradproof.execution.executors import Crew, cpus
from gradproof.execution.processes import Processes, WorkerLost

OnCell = Callable[[Judged], None]
OnBegin = Callable[[Place], None]


def ignored(place: Place) -> None:
    """Nobody wants to know."""


class Judges(Protocol):
    """Who judges the cells of a run."""

    outline: Outline

    def judge(
        self, take: OnCell, deadline: float | None, done: Mapping[Place, Judged], began: OnBegin = ignored
    ) -> bool:
        """Hand every cell to ``take`` as it is judged; False when the deadline (monotonic seconds) passed first.

        ``began`` hears of each whose work begins, where that is known. ``done`` were judged before. Raises
        OracleDisagreement, and what ``take`` raises.
        """


@contextmanager
def judges(selection: Selection, crew: Crew | None = None) -> Iterator[Judges]:
    """``crew``, or those that ``selection.jobs`` asks for; without workers user code still gets one. Ended at the end.

    Raises UsageError for what cannot be planned, GradproofError when no worker can be started.
    """
    if crew is not None:
        yield ExecutorJudge(selection, crew)
        return
    jobs = cpus() if selection.jobs is None else selection.jobs
    if not jobs and not selection.files:
        yield LocalJudge(selection)
        return
    workers = Workers(selection, max(jobs, 1))
    try:
        workers.begin()
        yield workers
    finally:
        workers.end()


class LocalJudge:
    """This process."""

    def __init__(self, selection: Selection) -> None:
        self._state = worker.prepare(selection)
        self.outline = outline(self._state.plan, self._state.ledger, selection, self._state.surroundings)

    def judge(
        self, take: OnCell, deadline: float | None, done: Mapping[Place, Judged], began: OnBegin = ignored
    ) -> bool:
        """See ``Judges``."""
        for g, group in enumerate(self._state.plan.groups):
            for i, task in enumerate(group.tasks):
                if (g, i) in done:
                    continue
                if deadline is not None and time.monotonic() > deadline:
                    return False
                began((g, i))
                take(Judged((g, i), *self._state.judge(task)))
        return True


@dataclass(frozen=True)
class _Done:
    """A group's call has ended; ``future`` knows how."""

    group: int
    future: Future[None]


class Workers:
    """Worker processes. The first one plans, and says what; the others must come to the same."""

    outline: Outline

    def __init__(self, selection: Selection, jobs: int) -> None:
        self._selection = selection
        self._jobs = jobs
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._importing: str | None = None
        self._warned: set[str] = set()
        self._executor = Processes(
            jobs,
            cell_limit(selection),
            initializer=worker.begin,
            initargs=(
                selection,
                {path: userfiles.digest_of(path) for path in selection.files},
                max(userfiles.IMPORT_LIMIT, selection.time_limit),
            ),
            report=self._heard.put,
            prefers=self._prefers,
        )

    def begin(self) -> None:
        """Start the first worker and learn the plan. Errors as ``judges``."""
        asked = self._executor.submit(worker.describe)
        asked.add_done_callback(lambda _: self._heard.put(None))
        while (said := self._heard.get()) is not None:
            self._listen(said)
        try:
            self.outline = asked.result()
        except WorkerLost as lost:
            if self._importing is None:
                raise GradproofError(f"a worker process could not start: {lost}") from None
            raise UsageError(f"{self._importing} could not be imported: {lost}") from None
        except ImplementationFault as fault:
            raise UsageError(str(fault)) from None

    def end(self) -> None:
        """End all workers at once."""
        self._executor.shutdown(cancel_futures=True)

    def judge(
        self, take: OnCell, deadline: float | None, done: Mapping[Place, Judged], began: OnBegin = ignored
    ) -> bool:
        """See ``Judges``."""
        self._given_up = given_up(self.outline, done)
        self._left = left(self.outline, done)
        self._at: dict[int, Place] = {}
        self._running = 0
        for group in self._left:
            self._submit(group)
        while self._running:
            if deadline is not None and time.monotonic() > deadline:
                return False
            try:
                said = self._heard.get(timeout=0.25)
            except queue.Empty:
                continue
            match said:
                case worker.Began(place):
                    self._at[place[0]] = place
                    began(place)
                case Judged():
                    self._take(said, take)
                case _Done(group, future):
                    self._running -= 1
                    self._ended(group, future, take)
                case _:
                    self._listen(said)
        return True

    def _submit(self, group: int) -> None:
        if indices := tuple(self._left[group]):
            call = self._executor.submit(worker.judge_group, self.outline.digest, group, indices, self._given_up)
            call.add_done_callback(lambda future: self._heard.put(_Done(group, future)))
            self._running += 1

    def _prefers(self, number: int, arguments: tuple[Any, ...]) -> bool:
        """Whether a worker takes a group before others: each has formats of its own, as far as there are enough.

        JAX compiles every operation of every format in each process that comes across it.
        """
        if not arguments:
            return True
        formats = list(dict.fromkeys(group[0].blank.format for group in self.outline.groups))
        shares = min(self._jobs, len(formats))
        return self.outline.groups[arguments[1]][0].blank.format in formats[number % shares :: shares]

    def _listen(self, said: Any) -> None:
        match said:
            case worker.Importing(path):
                self._importing = path
            case worker.Warned(text, category) if text not in self._warned:
                self._warned.add(text)
                warnings.warn(text, category, stacklevel=2)

    def _take(self, judged: Judged, take: OnCell) -> None:
        group, index = judged.place
        del self._left[group][index]
        self._at.pop(group, None)
        if self.outline.at(judged.place).ends(judged.cell):
            self._given_up.add(judged.cell.implementation)
        take(judged)

    def _ended(self, group: int, future: Future[None], take: OnCell) -> None:
        """Go on with the rest of a group: another process, where one was lost or must not be used again."""
        try:
            future.result()
        except WorkerLost as lost:
            if not lost.started:
                self._give_up(ImplementationFault(lost.kind, f"no worker process could be started again: {lost}"), take)
                return
            self._lost(group, lost, take)
        except (ImplementationFault, UsageError) as fault:  # another plan, or none, from what was a plan before
            kind = fault.kind if isinstance(fault, ImplementationFault) else Fault.CHANGED_FILE
            self._give_up(ImplementationFault(kind, f"a worker process could not go on: {fault}"), take)
            return
        self._submit(group)

    def _lost(self, group: int, lost: WorkerLost, take: OnCell) -> None:
        """Give the cell that a worker was lost over its verdict."""
        following = next(iter(self._left[group]), None)
        if following is None:
            return
        place = self._at.get(group, (group, following))  # between two cells the next one has to answer for it
        planned = self.outline.at(place)
        fault = ImplementationFault(lost.kind, f"{lost} while {planned.blank.implementation} was checked")
        self._take(Judged(place, planned.broken(fault), []), take)

    def _give_up(self, fault: ImplementationFault, take: OnCell) -> None:
        """Give every cell that is left the verdict that nobody can judge it any more."""
        self._executor.shutdown(cancel_futures=True)
        self._running = 0
        for place in [(group, index) for group, indices in self._left.items() for index in indices]:
            self._take(Judged(place, self.outline.at(place).broken(fault), []), take)


def left(outline: Outline, done: Mapping[Place, Judged]) -> dict[int, dict[int, None]]:
    """The cells that are not ``done``: by group the indices, in order."""
    return {g: {i: None for i in range(len(group)) if (g, i) not in done} for g, group in enumerate(outline.groups)}


def given_up(outline: Outline, done: Mapping[Place, Judged]) -> worker.GivenUp:
    """The implementations that an earlier run gave up."""
    found = worker.GivenUp()
    for place, judged in done.items():
        if outline.at(place).ends(judged.cell):
            found.add(judged.cell.implementation)
    return found
