"""Worker processes that do one call at a time, each on one thread, and can be lost one by one."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any, Final, Literal

from gradproof.errors import GradproofError
from gradproof.execution.channel import Channel, Garbled
from gradproof.execution.clock import Watch, shared
from gradproof.execution.work import work

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
"""Seconds within which a worker process must be up, and its initializer done."""
TICK: Final = 0.25
"""Seconds between two looks at a worker that says nothing."""

_starting = threading.Lock()
"""The environment belongs to the whole process: one worker is started at a time."""


class WorkerLost(GradproofError):
    """A worker process ended, or was ended, before it answered; the message says how, ``kind`` why.

    ``kind`` is ``crashed`` or ``timed-out``. ``started`` says whether it was lost over a call, not on the way up.
    """

    def __init__(
        self, message: str, kind: Literal["crashed", "timed-out"] = "crashed", *, started: bool = True
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.started = started


class Processes(Executor):
    """Worker processes that each do one call at a time; a lost worker costs that call alone and is replaced.

    ``concurrent.futures.ProcessPoolExecutor`` breaks as a whole and does not say on which call. A call whose worker
    ends raises WorkerLost, and so does one in which nothing is heard of the worker for ``time_limit`` seconds, or in
    which a ``timelimit.time_limit`` is overstepped beyond all grace; the worker is then killed, with what it started.
    Processes are spawned, not forked: frameworks' threads do not survive a fork.

    ``initializer(*initargs)`` is called first in each process; what it raises, the call raises that the process was
    started for. ``report`` gets what calls hand to ``work.report``, from threads of this executor, and a call's reports
    before its result. Of the waiting calls a worker takes the first that ``prefers(number of the worker, arguments)``,
    else the first.
    """

    def __init__(
        self,
        workers: int,
        time_limit: float | None = None,
        *,
        initializer: Callable[..., None] | None = None,
        initargs: tuple[Any, ...] = (),
        report: Callable[[Any], None] | None = None,
        prefers: Callable[[int, tuple[Any, ...]], bool] | None = None,
    ) -> None:
        self._time_limit = time_limit
        self._initial = initializer, initargs
        self._report = report or (lambda value: None)
        self._prefers = prefers
        self._calls: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._killed = False
        self._processes: set[Any] = set()
        self._threads = [threading.Thread(target=self._serve, args=(number,), daemon=True) for number in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The future of ``fn(*args, **kwargs)``, all of which must be picklable, and are pickled when it begins."""
        call = _Call(Future(), fn, args, kwargs)
        with self._changed:
            if self._closed:
                raise RuntimeError("cannot submit after shutdown")
            self._calls.append(call)
            self._changed.notify()
        return call.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: with ``cancel_futures`` at once, whatever they do; else when all calls are done."""
        if cancel_futures:
            with _starting:
                self._killed = True
                for process in list(self._processes):
                    _kill(process)
        with self._changed:
            self._closed = True
            dropped = list(self._calls) if cancel_futures else []
            if cancel_futures:
                self._calls.clear()
            self._changed.notify_all()
        for call in dropped:
            if call.future.cancel():
                call.future.set_running_or_notify_cancel()  # wakes whoever waits for it
        if wait:
            for thread in self._threads:
                thread.join()

    def _serve(self, number: int) -> None:
        """One worker's life, and that of those that take its place: call after call from the queue."""
        if hasattr(signal, "pthread_sigmask"):
            # Where it starts with the first worker, it leaves the thread that starts it with SIGINT not blocked.
            resource_tracker.ensure_running()
            # Inherited by the worker: Ctrl-C reaches the whole group of processes, and is for this process alone.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        worker: _Worker | None = None
        while (call := self._next(number)) is not None:
            if not call.future.set_running_or_notify_cancel():
                continue
            answer, fault, usable = None, None, True
            try:
                worker = worker or self._start()
                answer, fault, usable = worker.ask(call, self._time_limit, self._report)
            except Exception as bug:  # such as a function that cannot be pickled
                fault, usable = bug, not isinstance(bug, WorkerLost)
            if worker is not None and not usable:
                self._end(worker)
                worker = None
            if fault is not None:
                call.future.set_exception(fault)
            else:
                call.future.set_result(answer)
        if worker is not None:
            self._end(worker)

    def _next(self, number: int) -> _Call | None:
        """The call that a worker does next, waited for; None when there will be no more."""
        with self._changed:
            while not self._calls and not self._closed:
                self._changed.wait()
            if not self._calls:
                return None
            preferred = (c for c in self._calls if self._prefers is not None and self._prefers(number, c.arguments))
            call = next(preferred, self._calls[0])
            self._calls.remove(call)
            return call

    def _start(self) -> _Worker:
        with _starting, _environment(dict.fromkeys(ONE_THREAD, "1")):
            if self._killed:
                raise WorkerLost("the workers were ended")
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            key, memory = secrets.token_bytes(16), shared(context)
            process = context.Process(
                target=work, args=(theirs, key, memory, *self._initial), daemon=True, name="gradproof worker"
            )
            process.start()
            theirs.close()
            self._processes.add(process)
        worker = _Worker(process, Channel(ours, key), Watch(memory))
        try:
            worker.greet(self._report)
        except BaseException:
            self._end(worker)
            raise
        return worker

    def _end(self, worker: _Worker) -> None:
        worker.channel.connection.close()
        _kill(worker.process)
        worker.process.join()
        with _starting:
            self._processes.discard(worker.process)


@dataclass(frozen=True, eq=False)
class _Call:
    future: Future[Any]
    fn: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


@dataclass(eq=False)
class _Worker:
    process: Any
    channel: Channel
    watch: Watch

    def greet(self, report: Callable[[Any], None]) -> None:
        """Wait until the process is up. Raises what its initializer raises, WorkerLost, or GradproofError."""
        try:
            self._heard(START_LIMIT, report)
        except WorkerLost as lost:
            code = self.process.exitcode
            if code is not None and code < 0:
                raise WorkerLost(str(lost), lost.kind, started=False) from None
            raise GradproofError(
                f"a worker process could not start ({_ending(code)}, see above); a script that uses worker processes "
                'needs if __name__ == "__main__": around what it does'
            ) from None
        try:
            _, fault = self._heard(START_LIMIT, report)
        except WorkerLost as lost:
            raise WorkerLost(str(lost), lost.kind, started=False) from None
        if fault is not None:
            raise fault

    def ask(
        self, call: _Call, limit: float | None, report: Callable[[Any], None]
    ) -> tuple[Any, BaseException | None, bool]:
        """What the call returned, or what it raised, and whether the process may go on. Raises WorkerLost.

        Raises TypeError and the like for what cannot be pickled.
        """
        try:
            self.channel.send((call.fn, call.arguments, call.keywords))
        except OSError:
            raise self._lost() from None
        _, answer, fault, retired = self._heard(limit, report)
        return answer, fault, not retired

    def _heard(self, limit: float | None, report: Callable[[Any], None]) -> Any:
        """The next message but reports, which are passed on. Raises WorkerLost."""
        silent, looked = 0.0, time.monotonic()
        while True:
            try:
                message = self._arrived()
            except (EOFError, OSError):
                raise self._lost() from None
            except Garbled:
                raise WorkerLost("something else than the worker wrote on its line; it was ended") from None
            now = time.monotonic()
            passed, looked = min(now - looked, 2 * TICK), now
            if message is None:
                silent += passed
                if (late := self.watch.late(passed)) is not None:
                    raise WorkerLost(
                        f"a call did not return within {late:g} seconds, nor hear that its time was up; "
                        "the worker was ended",
                        "timed-out",
                    )
                if limit is not None and silent > limit:
                    raise WorkerLost(f"no answer within {limit:g} seconds; the worker was ended", "timed-out")
            elif message[0] == "report":
                silent = 0.0
                report(message[1])
            else:
                return message

    def _arrived(self) -> Any:
        """A message, or None when there is none within TICK seconds. EOFError when there will be none any more."""
        found, message = self.channel.taken()
        if found:
            return message
        if wait([self.channel.connection], TICK):
            self.channel.fill()
        elif self.process.exitcode is not None:
            # A child that it forked may hold the line open.
            raise EOFError
        found, message = self.channel.taken()
        return message if found else None

    def _lost(self) -> WorkerLost:
        self.process.join(1)  # it has ended, or is about to: its own exit code tells more than that of the kill
        return WorkerLost(f"the worker process ended ({_ending(self.process.exitcode)})")


def _kill(process: Any) -> None:
    """End a worker and what it started; its group of processes may outlive it."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"exit code {code}"


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
