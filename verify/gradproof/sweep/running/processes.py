"""Worker processes that do one call at a time, each on one thread, and can be lost one by one.

Importing this loads neither NumPy nor a framework: a worker's environment is set before it imports them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from gradproof.errors import GradproofError

ONE_THREAD: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Environment variables that hold the libraries of a worker to one thread; read when those are imported."""
START_LIMIT: Final = 300.0
"""Seconds within which a worker process must be up."""

_starting = threading.Lock()
"""The environment belongs to the whole process: one worker is started at a time."""


class WorkerLost(GradproofError):
    """The process that worked on a shard ended, or was ended, before it answered; the message says how."""


class Processes(Executor):
    """Worker processes that each do one call at a time; a lost worker costs that call alone and is replaced.

    ``concurrent.futures.ProcessPoolExecutor`` breaks as a whole and does not say on which call. A call whose worker
    ends, or that takes more than ``time_limit`` seconds (the worker is then killed), raises WorkerLost. Processes are
    spawned, not forked: frameworks' threads do not survive a fork.
    """

    def __init__(self, workers: int, time_limit: float | None = None) -> None:
        self._time_limit = time_limit
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._closed = False
        self._killed = False
        self._processes: set[Any] = set()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The future of ``fn(*args, **kwargs)``, all of which must be picklable."""
        if self._closed:
            raise RuntimeError("cannot submit after shutdown")
        call = _Call(Future(), fn, args, kwargs)
        self._calls.put(call)
        return call.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: with ``cancel_futures`` at once, whatever they do; else when all calls are done."""
        self._closed = True
        if cancel_futures:
            with _starting:
                self._killed = True
                for process in list(self._processes):
                    process.kill()
            with contextlib.suppress(queue.Empty):
                while True:
                    call = self._calls.get_nowait()
                    if call is not None and call.future.cancel():
                        call.future.set_running_or_notify_cancel()  # wakes whoever waits for it
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _serve(self) -> None:
        """One worker's life, and that of those that take its place: call after call from the queue."""
        if hasattr(signal, "pthread_sigmask"):
            # Inherited by the worker: Ctrl-C reaches the whole group of processes, and is for this process alone.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        worker: _Worker | None = None
        while (call := self._calls.get()) is not None:
            if not call.future.set_running_or_notify_cancel():
                continue
            try:
                worker = worker or self._start()
                answer, fault = worker.ask(call, self._time_limit)
            except Exception as bug:  # such as a function that cannot be pickled
                answer, fault = None, bug
                if isinstance(bug, WorkerLost) and worker is not None:
                    self._end(worker)
                    worker = None
            if fault is not None:
                call.future.set_exception(fault)
            else:
                call.future.set_result(answer)
        if worker is not None:
            self._end(worker)

    def _start(self) -> _Worker:
        with _starting, _environment(dict.fromkeys(ONE_THREAD, "1")):
            if self._killed:
                raise WorkerLost("the workers were ended")
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs,), daemon=True, name="gradproof sweep")
            process.start()
            theirs.close()
            self._processes.add(process)
        worker = _Worker(process, ours)
        try:
            worker.greet()
        except GradproofError:
            self._end(worker)
            raise
        return worker

    def _end(self, worker: _Worker) -> None:
        worker.connection.close()
        worker.process.kill()
        worker.process.join()
        with _starting:
            self._processes.discard(worker.process)


@dataclass(frozen=True)
class _Call:
    future: Future[Any]
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class _Worker:
    process: Any
    connection: Connection

    def greet(self) -> None:
        """Wait until the process is up. Raises GradproofError where it cannot be, WorkerLost where it was killed."""
        with contextlib.suppress(EOFError, OSError):
            wait([self.connection, self.process.sentinel], START_LIMIT)
            if self.connection.poll():
                self.connection.recv()
                return
        self.process.join(1)
        code = self.process.exitcode
        if code is not None and code < 0:
            raise WorkerLost(f"the worker process ended ({_ending(code)})")
        raise GradproofError(
            f"a worker process could not start ({_ending(code)}, see above); a script that sweeps needs "
            'if __name__ == "__main__": around what it does'
        )

    def ask(self, call: _Call, limit: float | None) -> tuple[Any, BaseException | None]:
        """What the call returned, or what it raised. Raises WorkerLost, or TypeError for what cannot be pickled."""
        try:
            self.connection.send((call.fn, call.args, call.kwargs))
            if not wait([self.connection, self.process.sentinel], limit):
                raise WorkerLost(f"no answer within {limit:g} seconds; the worker was ended")
            if self.connection.poll():
                answer: tuple[Any, BaseException | None] = self.connection.recv()
                return answer
        except (EOFError, OSError):
            pass
        self.process.join(1)
        raise WorkerLost(f"the worker process ended ({_ending(self.process.exitcode)})")


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _work(connection: Connection) -> None:
    """A worker process: answer calls until nobody asks any more."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout = sys.stderr  # what implementations print is no part of a report on stdout
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        connection.send("ready")
        while True:
            fn, args, kwargs = connection.recv()
            try:
                answer: tuple[Any, BaseException | None] = fn(*args, **kwargs), None
            except Exception as fault:
                answer = None, fault
            connection.send(answer)


def _end_with_parent() -> None:
    """A worker whose parent was killed must not go on, nor wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """The environment with ``values`` inside, as before afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
