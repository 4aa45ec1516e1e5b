"""Judging by an executor of the caller's, or by a cluster: groups of cells are handed out, records come back.

A lost worker costs what it was at. That goes again cell by cell, so that a cell over which workers are lost takes no
other one with it, and is given up after STRIKES of them.
"""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gradproof.engine.declared.userfiles import digest_of
from gradproof.engine.planning.outline import Outline, Place
from gradproof.engine.request.selection import Selection
from gradproof.engine.running import unit
from gradproof.engine.running.judged import Judged, recorded
from gradproof.engine.running.provenance import foreign, own_versions, surroundings_of
from gradproof.engine.surroundings.sources import source
from gradproof.errors import (
    BackendUnavailable,
    CacheWarning,
    Fault,
    GradproofError,
    ImplementationFault,
    OracleDisagreement,
    UsageError,
)
from gradproof.execution.executors import Crew, lost

STRIKES: Final = 3
"""Workers that a cell may cost before it is given up."""
CELL_LIMIT: Final = 600.0
"""Seconds that one cell may take, and the first one of a process with what it needs imported."""
CALLS_PER_CELL: Final = 40
"""A cell may take this many times the limit of one call, where that is more."""

OnCell = Callable[[Judged], None]


def cell_limit(selection: Selection) -> float:
    """Seconds that one cell may take before its process is ended."""
    return max(CELL_LIMIT, CALLS_PER_CELL * selection.time_limit)


@dataclass(frozen=True)
class _Unit:
    group: int
    indices: tuple[int, ...]
    strikes: int = 0
    """Workers that were lost over it."""


class ExecutorJudge:
    """Judges by ``crew``, one of whose workers says first what the plan is. Raises UsageError as ``judges``."""

    outline: Outline

    def __init__(self, selection: Selection, crew: Crew) -> None:
        self._crew = crew
        pinned = tuple((str(Path(path).resolve()), digest_of(path)) for path in selection.files)
        self._asked = unit.Asked(selection, pinned, cell_limit(selection) if crew.cluster else None)
        for path, digest in pinned:
            if not digest:  # nor by any worker that is told to
                raise UsageError(f"expected a Python file, got {path!r}, which cannot be read")
        answer = self._described()
        if "fault" in answer:
            raise _error(answer["fault"])
        self.outline = answer["outline"]
        self._backends = tuple(name for name, entry in self.outline.backends.items() if entry["available"])
        self._wanted = answer["surroundings"]
        here = {
            "versions": {**self._wanted["versions"], **own_versions()},
            "source": source(),
            "files": dict(pinned),
        }
        if why := foreign(here, self._wanted):
            raise UsageError(f"a worker must have what is installed here: {why}")
        self._survey()

    def judge(
        self,
        take: OnCell,
        deadline: float | None,
        done: Mapping[Place, Judged],
        began: Callable[[Place], None] | None = None,
    ) -> bool:
        """See ``Judges``; of cells whose work begins nobody hears."""
        self._given_up = frozenset(j.cell.implementation for p, j in done.items() if self.outline.at(p).ends(j.cell))
        self._left = {place: None for place in self.outline.places() if place not in done}
        self._queue: deque[_Unit] = deque()
        for group in dict.fromkeys(group for group, _ in self._left):
            self._again(_Unit(group, tuple(index for g, index in self._left if g == group)))
        running: dict[Future[Any], _Unit] = {}
        deserted = False
        try:
            while self._queue or running:
                if deadline is not None and time.monotonic() > deadline:
                    return False
                room = self._crew.capacity() - len(running)
                while self._queue and room > 0:
                    following = self._queue.popleft()
                    running[self._submit(following)] = following
                    room -= 1
                if not running:
                    if not deserted:
                        _warn("the cluster has no workers at present; the run waits for some")
                    deserted = True
                    time.sleep(0.5)
                    continue
                finished, _ = wait(running, timeout=0.25, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._ended(running.pop(future), future, take)
        finally:
            for future in running:
                future.cancel()
        return True

    def _described(self) -> dict[str, Any]:
        strikes = 0
        while True:
            try:
                answer: dict[str, Any] = self._crew.executor.submit(unit.describe, self._asked).result()
            except BrokenExecutor as fault:
                raise GradproofError(f"the executor broke and takes no work ({fault})") from fault
            except Exception as fault:
                workers, why = lost(fault)
                strikes += workers
                if not workers:
                    raise GradproofError(f"a worker could not plan the run: {type(fault).__name__}: {fault}") from fault
                if strikes >= STRIKES:
                    raise UsageError(f"no worker could plan the run: {why}") from fault
            else:
                return answer

    def _survey(self) -> None:
        """UsageError unless every worker of a cluster has what the first one has."""
        if self._crew.cluster is None:
            return
        answers = self._crew.cluster.survey(surroundings_of, self._backends, self._asked.files)
        wrong = [f"{address}: {why}" for address, answer in answers.items() if (why := self._why(answer))]
        if wrong:
            raise UsageError(f"the workers of the cluster must have what is installed here: {'; '.join(wrong)}")

    def _why(self, answer: Any) -> str:
        if isinstance(answer, BaseException):
            return f"{type(answer).__name__}: {answer}"
        return foreign(self._wanted, answer)

    def _submit(self, following: _Unit) -> Future[Any]:
        return self._crew.executor.submit(
            unit.judge, self._asked, self._backends, self.outline.digest, following.group, following.indices,
            self._given_up,
        )  # fmt: skip

    def _again(self, following: _Unit) -> None:
        if following.indices:
            self._queue.append(following)

    def _ended(self, ended: _Unit, future: Future[Any], take: OnCell) -> None:
        try:
            answer = future.result()
        except BrokenExecutor as fault:
            raise GradproofError(
                f"the executor broke and takes no more work ({fault}); what is finished is kept: go on with a new one"
            ) from fault
        except Exception as fault:
            workers, why = lost(fault)
            if workers:
                self._lost(ended, workers, why, take)
            else:
                self._broken(ended.group, ended.indices, unit.fault_of(fault), take)
            return
        seen = answer.get("surroundings")
        if seen is not None and (why := foreign(self._wanted, seen)):
            answer = {"fault": unit.fault_of(GradproofError(f"a worker is not like the others: {why}")), "records": []}
        on = seen["processor"] if seen is not None else ""
        for one in answer["records"]:
            self._take(recorded({**one, "on": on}, self.outline), take)
        rest = tuple(index for index in ended.indices if (ended.group, index) in self._left)
        if "fault" in answer:
            self._broken(ended.group, rest, answer["fault"], take)
        else:
            self._again(_Unit(ended.group, rest, ended.strikes))

    def _take(self, judged: Judged, take: OnCell) -> None:
        del self._left[judged.place]
        if self.outline.at(judged.place).ends(judged.cell):
            self._given_up |= {judged.cell.implementation}
        take(judged)

    def _lost(self, ended: _Unit, workers: int, why: str, take: OnCell) -> None:
        strikes = ended.strikes + workers
        if len(ended.indices) > 1:
            for index in ended.indices:  # whose fault it was shows when each goes alone
                self._again(_Unit(ended.group, (index,), min(strikes, STRIKES - 1)))
        elif strikes < STRIKES:
            self._again(_Unit(ended.group, ended.indices, strikes))
        else:
            fault = {"type": "ImplementationFault", "kind": str(Fault.CRASHED)}
            self._broken(
                ended.group, ended.indices, {**fault, "message": f"no worker got through the cell: {why}"}, take
            )

    def _broken(self, group: int, indices: tuple[int, ...], fault: Mapping[str, str], take: OnCell) -> None:
        """Give these cells the verdict that nobody could judge them; raises what concerns the whole run."""
        if fault["type"] in ("OracleDisagreement", "UsageError"):
            raise _error(fault)
        said = ImplementationFault(fault["kind"], fault["message"])
        for index in indices:
            place = group, index
            self._take(Judged(place, self.outline.at(place).broken(said), []), take)


def _error(fault: Mapping[str, str]) -> GradproofError:
    """An error of a worker, for this process to raise."""
    match fault["type"]:
        case "OracleDisagreement":
            return OracleDisagreement(fault["message"])
        case "BackendUnavailable":
            return BackendUnavailable(fault["message"])
        case "UsageError" | "ImplementationFault":
            return UsageError(fault["message"])
    return GradproofError(f"a worker could not plan the run: {fault['type']}: {fault['message']}")


def _warn(message: str) -> None:
    warnings.warn(message, CacheWarning, stacklevel=3)
