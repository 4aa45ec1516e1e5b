"""Who works on the shards: worker processes of this machine, this process itself, or the workers of a cluster.

All are ``concurrent.futures`` executors. Importing this loads neither NumPy nor a framework.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from gradproof.errors import GradproofError, UsageError
from gradproof.execution.processes import Processes, WorkerLost

TIME_LIMIT: Final = 3600.0
"""Seconds that one shard may take by default: 2^24 inputs at 0.2 milliseconds each."""

DEVICE_WORKERS: Final = 2
"""Processes that share one GPU by default: one has it busy while the other makes Taylor models and asks the oracle."""

WORKERS_PER_CPU: Final = 4
WORKERS_AT_LEAST: Final = 8
"""The most worker processes that may be asked for, by processor and on any machine."""

CONNECT_LIMIT: Final = 10.0
"""Seconds within which the scheduler of a cluster must answer."""
CLOSE_LIMIT: Final = 2.0
"""Seconds that a scheduler which may be gone is given to say goodbye."""
SURVEY_LIMIT: Final = 300.0
"""Seconds within which each worker of a cluster must say what it has; it imports the framework first."""

DASK_TRIES: Final = 4
"""Workers that a Dask scheduler gives a task to before it gives it up (``allowed-failures`` is 3 by default)."""


class ClusterLost(GradproofError):
    """The scheduler of the cluster does not answer any more."""


@dataclass(frozen=True)
class Crew:
    """An executor, and how many shards it can be busy with at present."""

    executor: Executor
    capacity: Callable[[], int]
    cluster: Cluster | None = None


def cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_workers(option: str, number: int) -> None:
    """UsageError for a number of worker processes that no machine like this one has a use for."""
    most = max(WORKERS_AT_LEAST, WORKERS_PER_CPU * cpus())
    if not 0 <= number <= most:
        raise UsageError(
            f"expected {option} of at least 0 and at most {most} ({WORKERS_PER_CPU} for each of {cpus()} processors), "
            f"got {number}"
        )


def check_alone(**named: Any) -> None:
    """UsageError when more than one of those who could do the work is named."""
    given = [name for name, value in named.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"expected one of {', '.join(named)}, got {' and '.join(given)}")


def default_workers(backends: Iterable[str]) -> int:
    """Worker processes for these backends (``torch:cuda``): one per processor, DEVICE_WORKERS where a device works."""
    devices = {backend.partition(":")[2] for backend in backends} - {"", "cpu"}
    return min(cpus(), DEVICE_WORKERS) if devices else cpus()


@contextlib.contextmanager
def local(workers: int | None = None, time_limit: float | None = TIME_LIMIT) -> Iterator[Crew]:
    """``workers`` processes (as many as ``cpus`` by default), ended at the end; 0 stands for this process.

    ``time_limit``: seconds that one shard may take, None for any; this process has none. UsageError for a number of
    workers below 0 or beyond all use (``check_workers``).
    """
    number = cpus() if workers is None else workers
    check_workers("--jobs", number)
    if number == 0:
        yield Crew(LocalExecutor(), lambda: 1)
        return
    executor = Processes(number, time_limit)
    try:
        # Twice as many as there are workers, so that none waits for this process to write a file.
        yield Crew(executor, lambda: 2 * number)
    finally:
        executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def elsewhere(executor: Executor | None, in_flight: int | None, address: str | None) -> Iterator[Crew | None]:
    """A caller's executor, handed ``in_flight`` pieces of work at a time (as many as ``cpus`` by default); or the
    cluster at ``address``; or None where neither is named. The executor is not shut down. Errors as ``cluster``.
    """
    if in_flight is not None and not (isinstance(in_flight, int) and in_flight > 0):
        raise UsageError(f"expected in_flight as a whole number above 0, got {in_flight!r}")
    if executor is not None:
        number = in_flight or cpus()
        yield Crew(executor, lambda: number)
    elif address is not None:
        with cluster(address) as found:
            yield found
    else:
        yield None


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Crew]:
    """The workers of the Dask distributed scheduler at ``address``, such as ``tcp://10.0.0.1:8786``.

    Workers may come and go meanwhile: the scheduler gives the shard of a lost one to another. Raises UsageError where
    the package ``distributed`` is missing, or no scheduler answers.
    """
    try:
        distributed = import_module("distributed")
    except ImportError:
        raise UsageError(
            "--cluster needs Dask distributed, which is not installed: pip install 'gradproof[cluster]'"
        ) from None
    if "://" not in address:
        address = f"tcp://{address}"
    try:
        # A client of an address that is none waits long, and prints a traceback when it is thrown away.
        distributed.comm.get_address_host_port(address, strict=True)
        client = distributed.Client(address, timeout=CONNECT_LIMIT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as fault:
        raise UsageError(f"expected a Dask scheduler at --cluster {address}, but none answers: {fault}") from fault
    try:
        joined = Cluster(client)
        yield Crew(client.get_executor(pure=False), joined.threads, joined)
    finally:
        client.close(timeout=CLOSE_LIMIT)


class Cluster:
    """A client of a Dask scheduler, as far as a sweep needs one."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def threads(self) -> int:
        """Threads of all workers at present. Raises ClusterLost when the scheduler does not answer."""
        try:
            return sum(self._client.nthreads().values())
        except Exception as fault:  # distributed raises OSError, its own CommClosedError, TimeoutError, RuntimeError
            raise ClusterLost(
                f"the cluster's scheduler does not answer any more ({type(fault).__name__}: {fault}); what is finished "
                "is kept: run the same again when it is back, run and check with --resume"
            ) from fault

    def survey(self, call: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """What ``call(*args)`` returns, or the exception it raises, by address of each worker."""
        asked = {
            address: self._client.submit(call, *args, workers=[address], pure=False)
            for address in self._client.nthreads()
        }
        answers: dict[str, Any] = {}
        for address, future in asked.items():
            try:
                answers[address] = future.result(timeout=SURVEY_LIMIT)
            except Exception as fault:
                answers[address] = fault
        return answers


def lost(fault: BaseException) -> tuple[int, str]:
    """How many workers a shard has cost, going by what its future raised, and in words; 0 where none was lost."""
    if type(fault).__name__ == "KilledWorker" and type(fault).__module__.startswith("distributed"):
        return DASK_TRIES, f"{DASK_TRIES} workers of the cluster died over it, one after the other"
    if isinstance(fault, (WorkerLost, CancelledError)):
        return 1, str(fault) or "the executor dropped it"
    return 0, ""


class LocalExecutor(Executor):
    """Calls what is submitted at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that is done already."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as fault:
            future.set_exception(fault)
        return future
