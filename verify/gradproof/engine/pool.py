"""Worker processes with a hard time limit: a crash or a hang costs one cell, never the run."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from gradproof.engine.plan import Plan, Task
from gradproof.engine.selection import Selection
from gradproof.engine.verdict import errored
from gradproof.engine.worker import serve
from gradproof.errors import CacheWarning, GradproofError, ImplementationFault, OracleDisagreement
from gradproof.results.model import Cell, LedgerState

OnCell = Callable[[Task, Cell, list[LedgerState]], None]

START_LIMIT = 300.0
"""Seconds a worker may take to import frameworks and plan."""
FRAMEWORK_LIMIT = 600.0
"""Seconds one cell of a framework's own function may take."""
CHECKS_PER_CELL = 40.0
"""A user's cell may take this many times the limit of one call before its worker is ended."""


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started inside never sees Ctrl-C, which a terminal sends to the whole group of processes.

    A worker that is still importing would answer it with a traceback; the pool ends its workers itself. An
    interrupt that comes meanwhile reaches this process afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class _Worker:
    process: Any
    connection: Connection
    since: float
    number: int
    """Counted from 0; a worker that takes the place of a lost one takes its number."""
    group: int | None = None
    task: int | None = None
    ready: bool = False


@dataclass
class Pool:
    """Judges the groups of a plan on ``jobs`` worker processes."""

    selection: Selection
    plan: Plan
    jobs: int
    on_cell: OnCell
    deadline: float | None = None
    _workers: list[_Worker] = field(default_factory=list)
    _waiting: list[tuple[int, int]] = field(default_factory=list)
    _hung: set[str] = field(default_factory=set)
    _warned: set[str] = field(default_factory=set)

    def run(self) -> bool:
        """Judge everything; False when the deadline passed first.

        Raises OracleDisagreement, or GradproofError when a worker cannot start. Workers are ended in every
        case.
        """
        self._waiting = [(g, 0) for g in range(len(self.plan.groups))]
        try:
            for number in range(min(self.jobs, len(self._waiting))):
                self._start(number)
            while self._waiting or any(w.group is not None for w in self._workers):
                if self.deadline is not None and time.monotonic() > self.deadline:
                    return False
                self._step()
            return True
        finally:
            for worker in self._workers:
                worker.process.kill()
                worker.process.join()

    def _start(self, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.selection), daemon=True)
        with _without_interrupts():
            process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours, time.monotonic(), number))

    def _step(self) -> None:
        for worker in list(self._workers):
            if worker.ready and worker.group is None and self._waiting:
                worker.group, first = self._waiting.pop(self._next(worker))
                worker.task = None
                worker.since = time.monotonic()
                worker.connection.send((worker.group, first, set(self._hung)))
        for connection in wait([w.connection for w in self._workers], timeout=0.5):
            worker = next(w for w in self._workers if w.connection is connection)
            try:
                self._take(worker, worker.connection.recv())
            except (EOFError, ConnectionResetError):
                self._lost(worker, "crashed", "the worker process ended")
        for worker in list(self._workers):
            if time.monotonic() - worker.since > self._limit(worker):
                self._lost(worker, "timed-out", f"no answer within {self._limit(worker):g} seconds; ended by force")

    def _next(self, worker: _Worker) -> int:
        """Index of the waiting group that a worker takes: the first in one of its formats, else the first.

        Each worker has formats of its own, as far as there are enough: JAX compiles every operation of every format
        in each process that comes across it.
        """
        formats = list(dict.fromkeys(group.format for group in self.plan.groups))
        shares = min(self.jobs, len(formats))
        own = formats[worker.number % shares :: shares]
        waiting = (self.plan.groups[group].format for group, _ in self._waiting)
        return next((i for i, fmt in enumerate(waiting) if fmt in own), 0)

    def _limit(self, worker: _Worker) -> float:
        if not worker.ready:
            return START_LIMIT
        if worker.group is None:
            return float("inf")
        task = self._task(worker)
        if task is not None and task.implementation.user:
            return self.selection.time_limit * (1 + CHECKS_PER_CELL)
        return FRAMEWORK_LIMIT

    def _task(self, worker: _Worker) -> Task | None:
        if worker.group is None or worker.task is None:
            return None
        return self.plan.groups[worker.group].tasks[worker.task]

    def _take(self, worker: _Worker, message: tuple[Any, ...]) -> None:
        worker.since = time.monotonic()
        match message:
            case ("ready",):
                worker.ready = True
            case ("begin", index):
                worker.task = index
            case ("cell", index, cell, states):
                assert worker.group is not None
                worker.task = index
                task = self.plan.groups[worker.group].tasks[index]
                if cell.measured.get("fault") == "timed-out":
                    self._hung.add(task.implementation.name)
                self.on_cell(task, cell, states)
                if cell.measured.get("fault") == "timed-out":
                    self._replace(worker, index + 1)  # an import that was cut short would be another's fault later
            case ("done",):
                worker.group = worker.task = None
            case ("warning", text):
                if text not in self._warned:
                    self._warned.add(text)
                    warnings.warn(text, CacheWarning, stacklevel=2)
            case ("fatal", "disagreement", text):
                raise OracleDisagreement(text)
            case ("fatal", _, text):
                raise GradproofError(f"a worker process could not go on: {text}")

    def _lost(self, worker: _Worker, kind: str, why: str) -> None:
        """Give the cell a worker was busy with its verdict, and hand the rest of its group to a new worker."""
        if kind == "crashed":
            worker.process.join(1)  # it has ended, or is about to: its own exit code tells more than that of the kill
        worker.process.kill()
        worker.process.join()
        if not worker.ready:
            raise GradproofError(f"a worker process could not start: {why} (exit code {worker.process.exitcode})")
        task, following = self._task(worker), 0
        if task is not None and worker.task is not None:
            name = task.implementation.name
            if task.implementation.user:
                self._hung.add(name)
            reason = f"{why} while {name} was checked (exit code {worker.process.exitcode})"
            fault = ImplementationFault(kind, reason)
            self.on_cell(task, errored(task, fault, task.implementation.file, self.selection), [])
            following = worker.task + 1
        self._replace(worker, following)

    def _replace(self, worker: _Worker, following: int) -> None:
        """End a worker, and hand the tasks of its group from ``following`` on to a new one."""
        worker.process.kill()
        worker.process.join()
        self._workers.remove(worker)
        if worker.group is not None and following < len(self.plan.groups[worker.group].tasks):
            self._waiting.insert(0, (worker.group, following))
        if self._waiting:
            self._start(worker.number)
