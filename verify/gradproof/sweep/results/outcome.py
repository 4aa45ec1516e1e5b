"""From what was found on every pattern to a cell of the results file.

The finite inputs are judged as ``accuracy`` judges them, the infinities and the NaNs as ``special-values`` does. Both
must hold, or every failing result be explained by known deviations: the shards held each against them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from gradproof.engine.findings.clusters import clusters
from gradproof.engine.findings.notes import note
from gradproof.engine.judging.certificates import certify_failure, number
from gradproof.engine.judging.verdict import sentence
from gradproof.engine.properties.property import Violations
from gradproof.engine.subject.probe import Probe
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.results.formatting import finite_or_none
from gradproof.results.model import SEVERITIES, Cell, Evidence, Interval
from gradproof.results.sweeps import FAILING
from gradproof.results.sweeps import interval as in_words
from gradproof.sweep.judging import shard_summary
from gradproof.sweep.judging.shard_summary import bits_at, key
from gradproof.sweep.judging.subject import FINITE_CLAIM, OTHER_CLAIM, Subject, subject
from gradproof.sweep.plan import Target, whole
from gradproof.sweep.results import ranges
from gradproof.sweep.results.compared import compared
from gradproof.sweep.results.measured import curve, interval, measured, swept
from gradproof.sweep.results.ranges import Keys
from gradproof.sweep.results.rejudged import (
    JudgedInputs,
    States,
    explanation,
    failed_cell,
    judged_again,
    user_file,
)
from gradproof.sweep.results.unjudged import unjudged_cell

REGION: Final = 32
"""Failing intervals in a certificate; beyond that the smallest gaps are closed."""
SPREAD: Final = 1 << 12
"""Inputs of one class that are judged again for the gravest of them, besides the ends of its intervals."""
NAMED: Final = 3
"""New intervals that a reason names."""


def swept_cell(target: Target, found: Mapping[str, Any]) -> tuple[Cell, States]:
    """The cell of a sweep whose merged summary is ``found``, and what became of the known deviations."""
    return _Sweep(target, found).verdict()


def clustered(target: Target, found: Mapping[str, Any], cell: Cell) -> Cell:
    """The cell of a sweep that fails with its failing inputs by where they lie: what findings are made of."""
    if cell.status not in ("fail", "known"):
        return cell
    made = _Sweep(target, found)
    return replace(cell, clusters=clusters(made.probe, target.order, [made.failing_inputs()]))


class _Sweep:
    """One sweep on its way to a verdict."""

    def __init__(self, target: Target, found: Mapping[str, Any]) -> None:
        self.target = target
        self.found = found
        self.subject: Subject = subject(target)
        self.probe: Probe = self.subject.probe
        self.format: Format = self.probe.format
        self.kinds = ranges.kinds(self.format)
        self.classes = {
            name: {kind: ranges.within(table["intervals"], self.kinds[kind], target, [name]) for kind in ranges.KINDS}
            if table["count"]
            else {}
            for name, table in found["classes"].items()
        }

    def verdict(self) -> tuple[Cell, States]:
        """The cell, and what became of the known deviations."""
        finite, special = self._failing("finite"), self._failing("infinite", "nan")
        worst = judged_again(self.subject, self._greatest() | self._ends(finite) | self._spread())
        others = judged_again(self.subject, self._ends(special))
        references, states = [], []
        for claim, rows, some in ((FINITE_CLAIM, worst, finite), (OTHER_CLAIM, others, special)):
            reference, became = explanation(self.subject, claim, rows.violations())
            states += became
            references += [reference] if some else []
        cell = self._numbers(worst)
        undecided = self.found["classes"]["undecided"]["count"]
        if not finite and not special:
            if undecided:
                cell = replace(cell, status="undecided", reason=self._undecided(undecided))
            return cell, self._trusted(states)
        known = None if self.found["classes"]["unexplained"]["count"] or None in references else references[0]
        if not finite:
            cell = replace(cell, reason="; ".join(["every finite input holds", *filter(None, [cell.reason])]))
        return self._failed(cell, self._violations(finite, special, worst), known), self._trusted(states)

    def failing_inputs(self) -> Violations:
        """Failing inputs of every kind: the ends of their intervals, the gravest, and some spread evenly over them."""
        intervals = self._failing(*ranges.KINDS)
        step = max(sum(i[2] for i in intervals) // SPREAD, 1)
        width = self.format.width
        some = {bits_at(k, width) for a, b, _ in intervals for k in range(a, b + 1, step)}
        return judged_again(self.subject, some | self._ends(intervals) | self._greatest() | self._spread()).violations()

    def _trusted(self, states: States) -> States:
        """A declared deviation is not gone because a part of the format does not show it."""
        everything = (self.found["lo"], self.found["hi"]) == whole(self.format)
        if everything and not self.found["classes"]["undecided"]["count"]:
            return states
        return [replace(s, state="not-checked", detail="swept in part") if s.state == "gone" else s for s in states]

    # -- the inputs ---------------------------------------------------------------------------------------

    def _failing(self, *kinds: str) -> list[shard_summary.KeyInterval]:
        """The failing intervals among inputs of these kinds."""
        some = [i for name in FAILING for kind in kinds for i in self.classes[name].get(kind, [])]
        return shard_summary.touching(sorted(list(i) for i in some))

    def _greatest(self) -> set[int]:
        return {best["bits"] for best in self.found["greatest"].values() if best}

    def _ends(self, intervals: Sequence[shard_summary.KeyInterval]) -> set[int]:
        return {bits_at(k, self.format.width) for first, last, _ in intervals for k in (first, last)}

    def _spread(self) -> set[int]:
        """The ends of the intervals of the graver classes, and inputs spread evenly over the full ones."""
        chosen: set[int] = set()
        for name in FAILING[:2]:
            intervals = self.classes[name].get("finite", [])
            chosen |= self._ends(intervals)
            whole_ones = [i for i in intervals if ranges.full(i)]
            step = max(sum(i[2] for i in whole_ones) // SPREAD, 1)
            chosen |= {bits_at(k, self.format.width) for a, b, _ in whole_ones for k in range(a, b + 1, step)}
        return chosen

    def _peaks(self, where: Sequence[Keys], failing: Sequence[shard_summary.KeyInterval]) -> set[int]:
        """The inputs of the greatest errors in the failing intervals of ``where``: those are swept again."""
        chosen: set[int] = set()
        for first, last, _ in failing:
            for a, b in ((max(first, low), min(last, high)) for low, high in where):
                if a <= b:
                    found = [part["greatest"] for part in ranges.again(self.target, a, b)]
                    chosen |= {best["bits"] for greatest in found for best in greatest.values() if best}
        return chosen

    # -- the cell -----------------------------------------------------------------------------------------

    def _numbers(self, worst: JudgedInputs) -> Cell:
        """A passing cell with everything that was measured."""
        judgement = worst.judgement
        wrong = self.classes["wrong-class"].get("finite", [])
        mismatches: int = self.found["counts"]["mismatched"]
        none = 0.0 if self.found["counts"]["judged"] else None
        best = {n: b["value"] if b else none for n, b in self.found["greatest"].items()}
        greatest = dict.fromkeys(best) if mismatches else best
        finite = np.flatnonzero(fa.is_finite(worst.bits, self.format) & judgement.judged)
        magnitude = judgement.unexcused(judgement.magnitude)
        top = finite[np.argmax(magnitude[finite])] if finite.size else None
        everything = (self.found["lo"], self.found["hi"]) == whole(self.format)
        said = [] if everything else [self._in_part()]
        if self.subject.open_to:
            said.append(f"errors are the greatest that {self.subject.open_to} may leave")
        judged = self._judged_points(mismatches)
        conventions = self.found["counts"]["points"] - judged - self.found["classes"]["undecided"]["count"]
        return unjudged_cell(
            self.target,
            "pass",
            "; ".join(said),
            evidence=Evidence("exhaustive" if everything else "range", judged),
            u_max=greatest["u"],
            m_max=greatest["m"],
            abs_max=greatest["abs"],
            worst_bits=None if top is None else self.format.bits_text(int(worst.bits[top])),
            magnitude=none if top is None else finite_or_none(float(magnitude[top])),
            excused=self.found["classes"]["excused"]["count"],
            u_max_flushed=greatest["u"],
            measured=measured(self.target, self.found, self.classes)
            | {"conventions": conventions}
            | compared(self.subject, self.found),
            curve=curve(self.target, self.found, wrong if mismatches else [], mismatches),
        )

    def _points(self, kind: str) -> int:
        """Inputs of one kind in the range that was swept."""
        zero = self.format.sign_bit
        halves = ((0, zero - 1), (zero, 2 * zero - 1))
        parts = [(max(lo, a), min(hi, b)) for lo, hi in swept(self.found) for a, b in halves]
        keys = [sorted(key(p, self.format.width) for p in part) for part in parts if part[0] <= part[1]]
        overlaps = (min(b, high) - max(a, low) + 1 for a, b in keys for low, high in self.kinds[kind])
        return sum(n for n in overlaps if n > 0)

    def _judged_points(self, mismatches: int) -> int:
        """Inputs with a verdict: no conventions (a derivative at a kink or a NaN), and nothing undecided."""
        beyond = self._points("infinite") + (0 if self.target.order else self._points("nan"))
        lost = sum(i[2] for k in ("infinite", "nan") for i in self.classes["undecided"].get(k, []))
        return int(self.found["counts"]["judged"]) + mismatches + beyond - lost

    def _in_part(self) -> str:
        bits = self.format.bits_text
        return f"every pattern of {' and '.join(f'{bits(a)}..{bits(b)}' for a, b in swept(self.found))}"

    def _undecided(self, count: int) -> str:
        first = self.found["first_undecided"]
        count_of = f"the oracle could not certify {count:,} value(s)"
        if self.subject.open_to:
            count_of = f"{count:,} result(s) keep the contract or not, depending on {self.subject.open_to}"
        where = f", the first at {self.format.decimal(first)}" if first is not None else ""
        return count_of + where

    def _violations(
        self, finite: list[shard_summary.KeyInterval], special: list[shard_summary.KeyInterval], worst: JudgedInputs
    ) -> Violations:
        """The failing rows that a certificate may show: those at finite inputs, where any fails."""
        if not finite:
            return judged_again(self.subject, self._ends(special)).violations()
        if _holds_worst(worst):
            return worst.violations()
        peaks = self._peaks(self.kinds["finite"], finite)
        return judged_again(self.subject, self._ends(finite) | self._spread() | peaks).violations()

    def _failed(self, cell: Cell, bad: Violations, known: str | None) -> Cell:
        status = "known" if known else "fail"
        said = []
        fresh = [i for kind in ranges.KINDS for i in self.classes["unexplained"].get(kind, [])]
        if fresh:
            some = sorted(fresh, key=lambda i: -i[2])[:NAMED]
            said.append(f"new: {', '.join(in_words(interval(i, self.format)) for i in some)}")
        if undecided := self.found["classes"]["undecided"]["count"]:
            said.append(self._undecided(undecided))
        if cell.reason:
            said.append(cell.reason)
        if not len(bad):
            why = "a result that fails in its place in the array passes among others; it depends on its neighbours"
            severity = next(n for n in FAILING if self.found["classes"][n]["count"])
            severity = severity if severity in SEVERITIES else "small-error"
            reason = "; ".join([why, *said])
            return replace(cell, status=status, reason=reason, severity=severity, known_ref=known, magnitude=None)  # type: ignore[arg-type]
        task = self.subject.task(FINITE_CLAIM)
        certificate = certify_failure(task, self.probe, bad, user_file(self.target), self._region())
        if about := note(task, self.probe, bad):
            said.append(about)
        reason = "; ".join([sentence(certificate), *said])
        cell = failed_cell(cell, bad, status, reason, certificate, known)
        return replace(cell, felt=bool(self.found["counts"]["felt"]) or bool(cell.felt))

    def _region(self) -> list[Interval]:
        """The failing intervals of finite inputs, then of others: the simplest input is of the worst one's kind."""
        groups = self._failing("finite"), self._failing("infinite", "nan")
        width = self.format.width
        return [
            Interval(
                number(bits_at(a, width), self.format), number(bits_at(b, width), self.format), b - a + 1, count, True
            )
            for group in groups
            for a, b, count in shard_summary.coarsened(group, REGION)
        ]


def _holds_worst(worst: JudgedInputs) -> bool:
    """Whether the greatest error of all is that of a failing input."""
    j = worst.judgement
    known = np.nan_to_num(j.unexcused(j.magnitude), nan=-1.0, posinf=np.inf)
    return bool(known.size and j.failing[int(np.argmax(known))])
