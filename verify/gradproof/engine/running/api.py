"""A whole run from Python: ``gradproof.run``."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from pathlib import Path

from gradproof.engine.request.selection import DEFAULT_SEED, Selection
from gradproof.engine.running import run as running
from gradproof.engine.running.store import Store
from gradproof.errors import UsageError
from gradproof.execution.executors import check_alone, elsewhere
from gradproof.results.model import RunResult

Names = str | Iterable[str]


def run(
    function: Names = (),
    *,
    files: Names | os.PathLike[str] = (),
    backend: Names = (),
    format: Names = (),
    order: int | Iterable[int] = (),
    property: Names = (),
    mode: Names = (),
    contract: str = Selection.contract,
    profile: str = Selection.profile,
    seed: int = DEFAULT_SEED,
    max_seconds: float | None = None,
    time_limit: float = Selection.time_limit,
    jobs: int | None = None,
    executor: Executor | None = None,
    in_flight: int | None = None,
    cluster: str | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> RunResult:
    """Judge the catalogue, or what ``files`` register, as ``gradproof run`` and ``check`` do; nothing is written.

    Arguments are those of the command line, and mean everything where they are not given. The cells are judged by
    ``jobs`` processes of this machine (one per processor by default, 0 for this process), by the Dask scheduler at
    ``cluster``, or by ``executor``: any ``concurrent.futures.Executor`` whose workers can import gradproof and the
    frameworks, with ``in_flight`` groups of cells handed to it at a time. It is not shut down. Within one process
    groups follow one another. Processes of this machine alone, and those of a cluster, are ended when a cell hangs.

    Finished cells are kept under ``folder`` (``.gradproof/runs``) until all are judged; ``resume`` takes up those of an
    earlier call with the same arguments that did not come through, and ``say`` hears how many. The result does not
    depend on who judged what.

    Raises UsageError for what exists nowhere, cannot be planned, or goes on already in the folder; OracleDisagreement
    when the oracle's routes contradict each other. Ctrl-C, SIGTERM and SIGHUP return what there is.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker that imports the script
        raise UsageError('a script that runs checks needs if __name__ == "__main__": around what it does')
    check_alone(executor=executor, jobs=jobs, cluster=cluster)
    selection = Selection(
        functions=_several(function),
        backends=_several(backend),
        formats=_several(format),
        orders=(order,) if isinstance(order, int) else tuple(order),
        properties=_several(property),
        modes=_several(mode),
        files=(os.fspath(files),) if isinstance(files, str | os.PathLike) else tuple(map(os.fspath, files)),
        contract=contract,
        profile=profile,
        seed=seed,
        max_seconds=max_seconds,
        jobs=jobs,
        time_limit=time_limit,
    )
    root = None if folder is None else Path(folder)
    store = Store(selection, root=root, resume=resume, anywhere=cluster is not None, say=say)
    with elsewhere(executor, in_flight, cluster) as crew, store:
        result = running.run(selection, store=store, crew=crew)
        if result.run.complete:
            store.discard()
        return result


def _several(given: Names) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
