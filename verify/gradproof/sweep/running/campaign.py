"""All shards of all targets in one queue: handed out, kept as they are finished, put together at the end."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from gradproof.errors import GradproofError, UsageError
from gradproof.execution.executors import Crew, lost
from gradproof.formats import get_format
from gradproof.interrupts import interruptible
from gradproof.sweep.plan import PatternRange, Shard, Target, shards
from gradproof.sweep.running.environment import environment, foreign, manifest
from gradproof.sweep.running.folder import DamagedShard, Folder, folder_path
from gradproof.sweep.running.shard_task import WORK, fault_record, fault_status, run_shard

MERGED: Final = "gradproof.sweep.judging.shard_summary:merged"
STRIKES: Final = 3
"""Workers that a shard may cost before it is given up."""
RATE_OVER: Final = 30.0
"""Seconds over which the rate is taken."""
QUIET: Final = 60.0
"""Seconds without a finished shard after which an observer hears of it; again after twice as many, and so on."""

Status = Literal["swept", "unsupported", "not-run", "error", "stopped"]
Merge = Callable[[Sequence[dict[str, Any]]], dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Job:
    """One target and the bit patterns ``first`` to ``last`` of its format."""

    target: Target
    first: int
    last: int
    gap: tuple[int, int] | None = None
    """Patterns in between that are left out (``plan.PatternRange``)."""

    @property
    def points(self) -> int:
        """How many bit patterns there are."""
        return PatternRange(self.first, self.last, self.gap).points


@dataclass(frozen=True, eq=False)
class Swept:
    """What became of one job. ``result`` is what the shards' results make together, None unless ``swept``."""

    job: Job
    status: Status
    reason: str = ""
    result: dict[str, Any] | None = None
    finished: int = 0
    """Bit patterns in finished shards, those of earlier runs included."""
    kept: int = 0
    """Those of earlier runs alone."""
    seconds: float = 0.0
    """Seconds that workers took for the finished shards, summed over all workers and runs."""
    wall: float = 0.0
    """Seconds from the first shard begun to the last one finished, in this run."""
    processors: tuple[str, ...] = ()
    """Processors and vector capabilities that the shards were computed on."""
    folder: Path | None = None
    internal: bool = False
    """Whether an ``error`` is gradproof's own or the oracle's, and not of the implementation."""


@dataclass(frozen=True)
class CampaignProgress:
    """How far a campaign is: bit patterns done and in all, patterns per second, seconds left (None: unknown)."""

    done: int
    total: int
    rate: float
    left: float | None
    target: Target


class Observer(Protocol):
    """Who wants to know how a campaign is getting on."""

    def advanced(self, progress: CampaignProgress) -> None:
        """A shard is finished, or was before."""

    def warned(self, message: str) -> None:
        """Something is worth a line: a file left out, a worker lost."""

    def settled(self, target: Target, status: str, reason: str) -> None:
        """A target is done with: ``status`` is that of ``Swept``, or ``searched``."""


class SilentObserver:
    """An observer that does nothing."""

    def advanced(self, progress: CampaignProgress) -> None:
        """Ignore it."""

    def warned(self, message: str) -> None:
        """Ignore it."""

    def settled(self, target: Target, status: str, reason: str) -> None:
        """Ignore it."""


@dataclass(eq=False)
class _Course:
    """One job on its way."""

    job: Job
    folder: Folder
    shards: list[Shard]
    done: set[int] = field(default_factory=set)
    strikes: dict[int, int] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)
    finished: int = 0
    """Bit patterns of the shards ``done``."""
    kept: int = 0
    begun: float | None = None
    ended: float = 0.0
    settled: Swept | None = None


def sweep(
    jobs: Sequence[Job],
    crew: Crew,
    *,
    root: Path | None = None,
    fresh: bool = False,
    observer: Observer | None = None,
    work: str = WORK,
    merge: Merge | None = None,
    time_limit: float | None = None,
) -> list[Swept]:
    """Have every shard of ``jobs`` worked on that is not finished yet, and put the results together, job by job.

    ``root`` holds the run folders (``folder.DEFAULT``); ``fresh`` empties those of the jobs first. ``time_limit`` holds
    shards on a cluster to so many seconds. Ctrl-C, SIGTERM and SIGHUP end it early: what is finished is kept, and jobs
    that are not are ``stopped``. An implementation that raises, or offers no such derivative, ends its own job alone.

    Raises UsageError for a run folder that cannot be used and a cluster whose workers lack something, WriteError for a
    full disk.
    """
    with contextlib.ExitStack() as stack:
        courses = []
        for job in jobs:
            made = manifest(job.target, job.first, job.last, job.gap, cluster=crew.cluster is not None)
            folder = Folder(folder_path(job.target, job.first, job.last, root, job.gap), made, fresh=fresh)
            courses.append(_Course(job, stack.enter_context(folder), shards(job.target, job.first, job.last, job.gap)))
        campaign = _Campaign(courses, crew, observer or SilentObserver(), work, merge or _merge(), time_limit)
        with interruptible(), contextlib.suppress(KeyboardInterrupt):
            campaign.run()
        return [campaign.outcome(course) for course in courses]


class _Campaign:
    """The queue of one call of ``sweep``."""

    def __init__(
        self,
        courses: Sequence[_Course],
        crew: Crew,
        observer: Observer,
        work: str,
        merge: Merge,
        time_limit: float | None,
    ) -> None:
        self.courses = courses
        self.crew = crew
        self.observer = observer
        self.merge = merge
        self.arguments = (work, time_limit) if crew.cluster else (work,)
        self.queue: deque[tuple[_Course, Shard]] = deque()
        self.running: dict[Future[Any], tuple[_Course, Shard]] = {}
        self.deserted = False
        self.total = sum(course.job.points for course in courses)
        self.recent: deque[tuple[float, int]] = deque()
        self.moved = time.monotonic()
        """When something was last heard of a worker."""
        self.quiet = QUIET

    def run(self) -> None:
        """Work on everything; a KeyboardInterrupt leaves what is finished in the folders."""
        if self.crew.cluster is not None:
            _check_workers(self.crew, self.courses)
        for course in self.courses:
            self._resume(course)
        try:
            while self.queue or self.running:
                self._fill()
                if not self.running and self.queue:
                    self._wait_for_workers()
                done, _ = wait(self.running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future)
                self._listen(heard=bool(done))
        finally:
            for future in self.running:
                future.cancel()

    def _listen(self, *, heard: bool) -> None:
        """Say so when nothing is finished for long: there is no rate to tell the time left by."""
        now = time.monotonic()
        if heard:
            self.moved, self.quiet = now, QUIET
        elif self.running and now - self.moved > self.quiet:
            course, shard = next(iter(self.running.values()))
            self.observer.warned(
                f"{course.job.target.id}, {_bits(shard)}: no shard finished for {now - self.moved:.0f} seconds; it "
                f"has {shard.points:,} inputs, and those that no Taylor model judges can take milliseconds each"
            )
            self.quiet *= 2

    def outcome(self, course: _Course) -> Swept:
        """What became of a job, at any time."""
        return course.settled or self._swept(course, "stopped", "the sweep was interrupted")

    def _resume(self, course: _Course) -> None:
        """Count what is finished already, and queue the rest."""
        kept = course.folder.finished(course.shards, self.observer.warned)
        course.done = {shard.index for shard in kept}
        course.finished = course.kept = sum(shard.points for shard in kept)
        self.queue.extend((course, shard) for shard in course.shards if shard.index not in course.done)
        if kept:
            self._advanced(course, 0)
        self._settle_if_done(course)

    def _fill(self) -> None:
        room = self.crew.capacity() - len(self.running) if self.queue else 0
        while self.queue and room > 0:
            course, shard = self.queue.popleft()
            if course.settled is not None:
                continue
            future = self.crew.executor.submit(run_shard, shard, *self.arguments)
            self.running[future] = course, shard
            room -= 1

    def _wait_for_workers(self) -> None:
        """A cluster may have no workers at present."""
        if not self.deserted:
            self.observer.warned("the cluster has no workers at present; the sweep waits for some")
        self.deserted = True
        time.sleep(0.5)

    def _take(self, future: Future[Any]) -> None:
        course, shard = self.running.pop(future)
        if course.settled is not None:
            return
        try:
            answer = future.result()
        except BrokenExecutor as fault:
            raise GradproofError(
                f"the executor broke and takes no more work ({fault}); what is finished is kept in "
                f"{course.folder.path}: run the same again with a new one"
            ) from fault
        except Exception as fault:
            workers, why = lost(fault)
            if workers:
                self._strike(course, shard, why, workers)
            else:
                self._settle_fault(course, fault_record(fault))
            return
        if "fault" in answer:
            self._settle_fault(course, answer["fault"])
        elif why := foreign(course.folder.manifest, answer["environment"]):
            self._settle(
                self._swept(course, "error", f"a worker is not like this process: {why}", internal=True), course
            )
        else:
            self._keep(course, shard, answer)

    def _keep(self, course: _Course, shard: Shard, answer: Mapping[str, Any]) -> None:
        kept = {
            "result": answer["result"],
            "seconds": answer["seconds"],
            "processor": answer["environment"]["processor"],
        }
        course.folder.keep(shard, kept)
        course.done.add(shard.index)
        course.finished += shard.points
        course.ended = time.monotonic()
        course.begun = min(course.ended - answer["seconds"], course.begun or course.ended)
        self._advanced(course, shard.points)
        self._settle_if_done(course)

    def _strike(self, course: _Course, shard: Shard, why: str, workers: int = 1) -> None:
        """Workers were lost over a shard: it goes again, but not for ever."""
        strikes = course.strikes[shard.index] = course.strikes.get(shard.index, 0) + workers
        where = _bits(shard)
        if strikes < STRIKES:
            self.observer.warned(f"{course.job.target.id}, {where}: {why}; the shard is worked on again")
            self.queue.appendleft((course, shard))
            return
        course.given_up.append(f"{where} ({why})")
        self._settle_if_done(course)

    def _settle_if_done(self, course: _Course) -> None:
        if len(course.done) + len(course.given_up) < len(course.shards):
            return
        if course.given_up:
            reason = f"no worker got through the bit patterns {', '.join(course.given_up)}"
            self._settle(self._swept(course, "error", reason), course)
            return
        answers = self._answers(course)
        if answers is None:
            return
        try:
            merged = self.merge([answer["result"] for answer in answers])
        except Exception as fault:
            self._settle_fault(course, fault_record(fault))
        else:
            self._settle(self._swept(course, "swept", result=merged, answers=answers), course)

    def _answers(self, course: _Course) -> list[dict[str, Any]] | None:
        """What every shard's file holds, in the order of their bits; None when some must be computed again."""
        answers = []
        for shard in course.shards:
            answer = None
            with contextlib.suppress(DamagedShard):
                answer = course.folder.read(shard)
            if answer is None:
                course.done.discard(shard.index)
                course.finished -= shard.points
                self._strike(course, shard, f"{course.folder.file(shard)} cannot be read back")
            else:
                answers.append(answer)
        return answers if len(answers) == len(course.shards) else None

    def _settle_fault(self, course: _Course, fault: Mapping[str, Any]) -> None:
        status, reason, internal = fault_status(fault)
        self._settle(self._swept(course, status, reason, internal=internal), course)

    def _settle(self, swept: Swept, course: _Course) -> None:
        course.settled = swept
        self.observer.settled(course.job.target, swept.status, swept.reason)

    def _swept(
        self,
        course: _Course,
        status: str,
        reason: str = "",
        *,
        result: dict[str, Any] | None = None,
        answers: Sequence[Mapping[str, Any]] = (),
        internal: bool = False,
    ) -> Swept:
        kinds = dict.fromkeys(", ".join(a["processor"].values()) for a in answers)
        return Swept(
            job=course.job,
            status=status,  # type: ignore[arg-type]
            reason=reason,
            result=result,
            finished=course.finished,
            kept=course.kept,
            seconds=sum(a["seconds"] for a in answers),
            wall=0.0 if course.begun is None else max(0.0, course.ended - course.begun),
            processors=tuple(kinds),
            folder=course.folder.path,
            internal=internal,
        )

    def _advanced(self, course: _Course, points: int) -> None:
        rate = self._rate(points) if points else 0.0
        done = sum(c.job.points if c.settled else c.finished for c in self.courses)
        left = (self.total - done) / rate if rate > 0 else None
        self.observer.advanced(CampaignProgress(done, self.total, rate, left, course.job.target))

    def _rate(self, points: int) -> float:
        """Patterns per second lately, with one more shard of ``points``; it counts from the first one finished."""
        now = time.monotonic()
        self.recent.append((now, points if self.recent else 0))
        while len(self.recent) > 2 and now - self.recent[0][0] > RATE_OVER:
            self.recent.popleft()
        since = now - self.recent[0][0]
        return (sum(number for _, number in self.recent) - self.recent[0][1]) / since if since > 0 else 0.0


def _check_workers(crew: Crew, courses: Sequence[_Course]) -> None:
    """UsageError unless every worker of the cluster has what is installed here, and the user's files."""
    assert crew.cluster is not None
    seen = set()
    for course in courses:
        target = course.job.target
        if (subject := (target.backend, target.modes, target.file)) in seen:
            continue
        seen.add(subject)
        answers = crew.cluster.survey(environment, target)
        wrong = [
            f"{address}: {why}" for address, answer in answers.items() if (why := _why(course.folder.manifest, answer))
        ]
        if wrong:
            raise UsageError(
                f"the workers of the cluster must have what is installed here, for {target.id}: {'; '.join(wrong)}"
            )


def _why(wanted: Mapping[str, Any], answer: Any) -> str:
    """Why a worker of a cluster cannot take part; empty if it can."""
    if isinstance(answer, BaseException):
        return f"{type(answer).__name__}: {answer}"
    return foreign(wanted, answer) or ("" if wanted["source"] == answer["source"] else "another source of gradproof")


def _bits(shard: Shard) -> str:
    fmt = get_format(shard.target.format)
    return f"{fmt.bits_text(shard.lo)}..{fmt.bits_text(shard.hi)}"


def _merge() -> Merge:
    module, _, name = MERGED.partition(":")
    found: Merge = getattr(import_module(module), name)
    return found
