"""A guided search for a large error where a format is too wide to try every input, such as float64.

What it finds is a lower bound: "at least". Nothing here claims a maximum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from gradproof.backends.base import Implementation
from gradproof.engine.request.selection import DEFAULT_SEED, Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.errors import UsageError
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats, Ints
from gradproof.functions import Function
from gradproof.measure.judge import Judgement
from gradproof.oracle import Reference
from gradproof.oracle.oracle import row_of
from gradproof.oracle.reference import FINITE
from gradproof.sweep.guided import starting_points
from gradproof.sweep.guided.hill_climb import HillClimb
from gradproof.sweep.guided.search_result import METRICS, Metric, SearchResult, Worst

BATCH: Final = 4096
"""Inputs per call of a backend, always: some compile for each new length."""
DEFAULT_POINTS: Final = 1 << 18
START_SHARE: Final = 0.25
"""Share of the budget for the strata of the binades: half for all of them, half for those that are favoured."""
CENTRE: Final = 8
"""Inputs between 2^-CENTRE and 2^CENTRE are those that networks meet."""
EDGE_SHARE: Final = 0.125
"""Most of the budget that the edges between samples take."""
POWER_SHARE: Final = 1 / 16
SECTIONS: Final = 24
"""Inputs per interval and round when an edge is closed in on."""
INTERVALS: Final = 64
"""Edges closed in on at once, the widest first."""
HARDEST: Final = 64
"""Results nearest to the middle of two numbers whose neighbours are tried."""
CERTIFIED: Final = 32
"""Inputs with the largest errors that are measured again by the certified route, at most."""


def guided(
    function: Function,
    backend: str,
    implementation: Implementation,
    fmt: Format,
    order: int,
    *,
    mode: str = "eager",
    points: int = DEFAULT_POINTS,
    seed: int = DEFAULT_SEED,
    metric: Metric = "u",
) -> SearchResult:
    """Search for an input at which f^(order) of ``implementation`` is as wrong as possible.

    ``function`` with its parameters bound, ``backend`` with its device (``torch:cpu``). ``points`` is the budget:
    inputs evaluated, each by the implementation and the oracle. Finite inputs only, and not -0. The same arguments give
    the same answer.

    Raises UsageError for a conversion, an unknown metric and a budget below 1, Unsupported where there is no such
    derivative, ImplementationFault where the implementation breaks its contract, BackendUnavailable.
    """
    probe = subject(function, backend, implementation, fmt, order, mode, points, metric)
    search = Search(probe, order, metric, seed)
    search.begin(points)
    return search.found(points, seed)


def subject(
    function: Function,
    backend: str,
    implementation: Implementation,
    fmt: Format,
    order: int,
    mode: str,
    points: int,
    metric: str,
) -> Probe:
    """The implementation as a search sees it, under the contract in whose units ``metric`` counts; errors as above."""
    if metric not in METRICS:
        raise UsageError(f"expected metric='u', 'm' or 'abs', got {metric!r}")
    if points < 1:
        raise UsageError(f"expected points >= 1, got points={points}")
    if function.rounds_to is not None:
        raise UsageError(f"{function.name!r} is a conversion, whose roundings are all alike; there is nothing to climb")
    held = replace(implementation, contract=METRICS[metric].name, terms=METRICS[metric])
    task = Task(function, held, backend, mode, fmt.name, order, "accuracy")
    probe = Probe(task, Selection())
    probe.require(order)
    return probe


@dataclass
class _Batch:
    """Evaluated inputs: ``error`` is finite, 0 where nothing counts; ``states`` are what an edge changes."""

    at: Ints
    error: Floats
    states: Ints
    reference: Reference


class Search:
    """One search for one binding of the parameters; ``used`` counts the inputs evaluated."""

    def __init__(self, probe: Probe, order: int, metric: Metric, seed: int) -> None:
        self.probe = probe
        self.order = order
        self.metric = metric
        self.format = probe.format
        self.rng = np.random.default_rng([seed, self.format.width, order])
        self.binades = starting_points.Binades(self.format, seed)
        self.climber = HillClimb(self.binades, self.rng)
        self.used = self.mismatches = self.undecided = self.excused = 0
        self.mismatch: tuple[int, int] | None = None
        """Ordinal and origin of the first result of a wrong class."""
        self.seen: list[_Batch] = []

    def begin(self, points: int, given: Ints | None = None) -> None:
        """Spend ``points`` inputs on a start and on climbing; ``given`` are ordinals to begin with."""
        goal = self.used + points
        if given is not None:
            self.try_all(given, starting_points.GIVEN, goal)
        self._start(points, goal)
        self._close_in(self.used + round(points * EDGE_SHARE), goal)
        self._hard(goal)
        self.seen.clear()
        self.go_on(goal - self.used)

    def go_on(self, points: int) -> None:
        """Spend ``points`` inputs more on climbing."""
        goal = self.used + points
        while self.used < goal:
            at, origin, parents = self.climber.propose(min(BATCH, goal - self.used))
            batch = self.measure(at, origin)
            self.climber.add(batch.at, batch.error, origin, parents)

    @property
    def best(self) -> float:
        """The largest error so far, not certified; inf for a result of a wrong class."""
        return np.inf if self.mismatch else float(self.climber.error.max(initial=0.0))

    def worst_inputs(self, count: int) -> Ints:
        """The ordinals of the worst inputs, the worst of each region first; at most ``count``."""
        at: Ints = self.climber.leaders()[:count]
        return at

    def try_all(self, at: Ints, origin: int, goal: int) -> None:
        """Evaluate ``at`` as far as the budget goes, and keep what edges and hard results are found among."""
        for first in range(0, at.size, BATCH):
            some = at[first : first + BATCH][: goal - self.used]
            if not some.size:
                return
            kinds = np.full(some.size, origin)
            batch = self.measure(some, kinds)
            self.climber.add(batch.at, batch.error, kinds)
            self.seen.append(batch)

    def _start(self, points: int, goal: int) -> None:
        marks = self.rng.permutation(starting_points.landmarks(self.probe.function, self.format))
        self.try_all(marks[: points // 8], starting_points.LANDMARK, goal)
        self.try_all(starting_points.powers(self.format, round(points * POWER_SHARE)), starting_points.POWER, goal)
        turn = self.rng.permutation(self.binades.count)
        half = max(1, round(points * START_SHARE / 2))
        self.try_all(self.binades.draw(np.resize(turn, half)), starting_points.BINADE, goal)
        self._favour()
        self.try_all(self.binades.draw(self.climber.evenly(half)), starting_points.BINADE, goal)

    def _favour(self) -> None:
        """Favour regions over which |f^(order + 1)| changes by more than 1/64, and those from 2^-CENTRE to 2^CENTRE."""
        low, high = np.full(self.binades.count, np.inf), np.full(self.binades.count, -np.inf)
        for batch in self.seen:
            known = batch.reference.kind == FINITE
            region, steep = self.binades.of(batch.at)[known], batch.reference[known]
            with np.errstate(divide="ignore"):  # by logarithms: a slope may lie beyond float64
                size = np.log2(steep.slope) + steep.slope_exponent
            np.minimum.at(low, region, size)
            np.maximum.at(high, region, size)
        exponent = np.arange(self.binades.count) % self.binades.fields - 1 + self.format.e_min
        self.climber.favoured = (high + np.log2(1 - 2.0**-6) > low) | ((exponent >= -CENTRE) & (exponent < CENTRE))

    def _close_in(self, until: int, goal: int) -> None:
        """Close in on what changes between samples, round by round, until the numbers are neighbours."""
        until = min(until, goal)
        while self.used < until:
            at = np.concatenate([batch.at for batch in self.seen])
            low, high = starting_points.changes(at, np.concatenate([batch.states for batch in self.seen]))
            if not low.size:
                return
            widest = np.argsort(low - high, kind="stable")[:INTERVALS]
            inside = starting_points.between(low[widest], high[widest], SECTIONS, self.rng)
            self.try_all(fa.distinct(inside.ravel()), starting_points.EDGE, until)

    def _hard(self, goal: int) -> None:
        found = [b.at[starting_points.hard_to_round(b.reference, self.format, HARDEST)] for b in self.seen]
        chosen = np.concatenate([np.zeros(0, np.int64), *found])
        if chosen.size > HARDEST:
            chosen = self.rng.choice(chosen, HARDEST, replace=False)
        self.try_all(
            starting_points.around(chosen, self.format),
            starting_points.HARD,
            min(goal, self.used + (goal - self.used) // 8),
        )

    # -- measuring ---------------------------------------------------------------------------------------

    def measure(self, at: Ints, origin: Ints) -> _Batch:
        """Evaluate at most BATCH ordinals and judge them."""
        self.used += at.size
        bits = fa.from_ordinals(at, self.format)
        full = np.concatenate([bits, np.repeat(bits[-1:], BATCH - bits.size)])
        got = self.probe.evaluate(full, self.order)[: bits.size]
        references = self.probe.oracle.references(bits, self.format)
        judged = self.probe.judge(bits, got, self.order, references[self.order])
        self.undecided += int(judged.undecided.sum())
        self.excused += int(judged.excused.sum())
        error = self._errors(judged)
        wrong = np.flatnonzero(judged.wrong_class & ~judged.excused)
        self.mismatches += wrong.size
        if wrong.size and self.mismatch is None:
            self.mismatch = int(at[wrong[0]]), int(origin[wrong[0]])
        error = np.where(np.isfinite(error) & ~judged.excused, error, 0.0)
        return _Batch(at, error, self._states(references, got), references[self.order])

    def _errors(self, judged: Judgement) -> Floats:
        return judged.magnitude * self.probe.contract.bound(self.order, self.format)

    def _states(self, references: list[Reference], got: Bits) -> Ints:
        """What may change between two inputs, one column each, shape (n, k).

        The signs of f^(order) and of the next derivatives; whether f^(order) and the result are zero, subnormal,
        normal or none of them.
        """
        signs = [np.sign(r.high) * (r.kind == FINITE) for r in references[self.order :]]
        classes = [_class(bits, self.format) for bits in (references[self.order].rounded, got)]
        states: Ints = np.stack([*signs, *classes], axis=1).astype(np.int64)
        return states

    # -- the answer --------------------------------------------------------------------------------------

    def found(self, budget: int, seed: int) -> SearchResult:
        """The answer so far, its worst inputs measured again."""
        best: Worst | None = None
        climber = self.climber
        _, first = np.unique(-climber.error, return_index=True)
        for i in first[:CERTIFIED]:
            if best is not None and best.error >= climber.error[i]:
                break
            tried = self._certified(int(climber.at[i]), int(climber.origin[i]))
            if tried is not None and not tried.mismatch and (best is None or tried.error > best.error):
                best = tried
        wrong = self._certified(*self.mismatch) if self.mismatch else None
        function, task = self.probe.function, self.probe
        return SearchResult(
            function.name, dict(function.params), task.implementation.name, task.backend.id, task.mode,
            self.format.name, self.order, self.metric, best, wrong if wrong and wrong.mismatch else None,
            self.mismatches, self.undecided, self.excused, self.used, budget, seed,
        )  # fmt: skip

    def _certified(self, at: int, origin: int) -> Worst | None:
        """One input measured against the value that mpmath and arb agree on; None where they certify none."""
        pattern = self.format.from_ordinal(at)
        value = self.probe.oracle.certified(pattern, self.format, self.order)
        following = self.probe.oracle.certified(pattern, self.format, self.order + 1, confirm=False)
        if value.kind == "undecided":
            return None
        reference = Reference.empty(1, fa.storage(self.format))
        reference.set_rows(np.array([0]), [row_of(value, following)])
        bits = np.full(BATCH, pattern, fa.storage(self.format))
        got = self.probe.evaluate(bits, self.order)[:1]
        judged = self.probe.judge(bits[:1], got, self.order, reference)
        return Worst(
            pattern, int(got[0]), value.bits, float(self._errors(judged)[0]), float(judged.u[0]), float(judged.m[0]),
            float(judged.absolute[0]), bool(judged.wrong_class[0]), starting_points.ORIGINS[origin],
        )  # fmt: skip


def _class(bits: Bits, fmt: Format) -> Ints:
    magnitude = fa.magnitudes(bits, fmt)
    edges = np.array([1, fmt.min_normal_bits, fmt.max_bits + 1, fmt.last_bits + 1])
    found: Ints = np.searchsorted(edges, magnitude, side="right")
    return found


__all__ = ["DEFAULT_POINTS", "METRICS", "Metric", "Search", "SearchResult", "Worst", "guided", "subject"]
