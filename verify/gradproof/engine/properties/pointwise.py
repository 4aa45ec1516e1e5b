"""Collecting pointwise judgements: many batches of f^(order) in, one outcome out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.engine.properties.bulk import Bulk
from gradproof.engine.properties.property import Outcome, Violations
from gradproof.engine.subject.baseline import own_results
from gradproof.engine.subject.probe import Probe
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.measure.curves import curve
from gradproof.measure.graphs import graph
from gradproof.measure.judge import Judgement, joined
from gradproof.measure.severity import WRONG_CLASS, classify
from gradproof.oracle import Reference
from gradproof.oracle.reference import UNCERTIFIED
from gradproof.results.model import Evidence

MOST_HOLES = 16
"""Results at inputs without a certified value that are followed up: each costs some milliseconds."""
MOST_FAILING: Final = 1 << 13
"""Failing inputs that an outcome names; of more, these many spread evenly over the line, and the gravest."""


class Pointwise:
    """Accumulates judged results of one order of one probe."""

    def __init__(self, probe: Probe, order: int) -> None:
        self.probe = probe
        self.order = order
        self._uncertified = 0
        self._rows: list[tuple[Bits, Bits, Judgement, np.ndarray[tuple[int], np.dtype[np.int8]]]] = []
        self._due: list[Bits] = []
        self._counted: list[bool] = []
        self._bulk: Bulk | None = None

    def add(self, bits: Bits, *, path: str | None = None) -> Judgement:
        """Evaluate and judge ``bits`` of shape (n,)."""
        reference = self.probe.references(bits)[self.order]
        got = self.probe.evaluate(bits, self.order, path)
        return self.add_results(bits, got, reference)

    def add_bulk(self, found: Bulk) -> None:
        """Take what the models judged; the oracle judges what they left to it, and the failing inputs handed on."""
        self._bulk = found
        nothing = np.empty(0, fa.storage(self.probe.format))
        self.add(nothing)
        for bits, got, reference in found.asked:
            self.add_results(bits, got, reference)
        for bits, got in zip(found.bits, found.got, strict=True):
            reference = self.probe.oracle.references(bits, self.probe.format)[self.order]
            self.add_results(bits, got, reference, counted=False)

    def add_results(self, bits: Bits, got: Bits, reference: Reference, *, counted: bool = True) -> Judgement:
        """Judge results that were computed already; inputs that are ``counted`` elsewhere show in errors alone."""
        self._uncertified += int((reference.how == UNCERTIFIED).sum())
        judgement = self.probe.judge(bits, got, self.order, reference)
        severity = classify(got, reference, judgement, self.probe.format, self._limits)
        self.add_judged(bits, got, judgement, severity, counted=counted)
        self._due.append(reference.rounded)
        return judgement

    def add_judged(
        self, bits: Bits, got: Bits, judgement: Judgement, severity: npt.NDArray[np.int8], *, counted: bool = True
    ) -> None:
        """Take results that were judged already; ``severity`` as ``Violations`` has it."""
        self._counted.append(counted)
        self._rows.append((bits, got, judgement, severity))

    @property
    def _limits(self) -> tuple[float, ...]:
        limits = (self.probe.function.limit(side, self.order) for side in ("left", "right"))
        return tuple(float(v) for v in limits if v is not None and abs(v) != float("inf"))

    def outcome(self, *, exhaustive: bool, explanation: str = "", with_curve: bool = True) -> Outcome:
        """The worst errors, every failing input, and the error curve; what flushing excuses counts as no error.

        The errors that were excused stand in ``measured``, and so does how many inputs are left to convention.
        """
        bits, got, severity = (np.concatenate([row[i] for row in self._rows]) for i in (0, 1, 3))
        found = joined([row[2] for row in self._rows])
        u, magnitude = found.unexcused(found.u), found.unexcused(found.magnitude)
        counted = np.repeat(self._counted, [row[0].size for row in self._rows])
        bulk = self._bulk
        exhaustive |= bulk is not None and bulk.complete
        n = int((found.judged & counted).sum()) + (bulk.judged if bulk else 0)
        outcome = Outcome(
            evidence=Evidence("exhaustive" if exhaustive else "sampled", n),
            undecided=int(found.undecided.sum()),
            u_max=_largest(u),
            m_max=_largest(found.unexcused(found.m)),
            abs_max=_largest(found.unexcused(found.absolute)),
            magnitude=_largest(magnitude),
            excused=int((found.excused & counted).sum()) + (bulk.excused if bulk else 0),
            u_max_flushed=_largest(found.u_flushed),
        )
        if outcome.undecided:
            outcome.measured["undecided_at"] = self.probe.format.decimal(int(bits[found.undecided][0]))
            outcome.violations += self._holes(bits, got, found.undecided)
        if self._uncertified:
            outcome.measured["uncertified"] = self._uncertified
            if self.probe.oracle.foreign:
                outcome.measured["beyond_arb"] = self.probe.oracle.foreign
        if found.excused.any():
            outcome.measured["excused"] = self._excused(bits[found.excused], found[found.excused])
        if conventions := int(found.conventions.sum()):
            outcome.measured["conventions"] = conventions
        if found.judged.any():
            outcome.worst_bits = int(bits[int(np.argmax(np.where(found.judged, magnitude, -1.0)))])
        if with_curve:
            rows = found.judged & counted
            outcome.curve = curve(bits, u, rows, self.probe.format, bulk.found if bulk else None)
            if len(self._due) == len(self._rows):  # results that were judged elsewhere have no reference
                drawn = graph(bits, got, np.concatenate(self._due), magnitude, self.probe.format, self._own)
                outcome.curve = replace(outcome.curve, graph=drawn)
        bad = found.failing
        failing = int((bad & counted).sum())
        if (bad & ~counted).sum() > MOST_FAILING:
            bad = (bad & counted) | self._thinned(bits, severity, found)
        if bulk:
            outcome.measured |= bulk.measured(self.probe.format, failing)
        if bad.any():
            outcome.violations.append(
                Violations(
                    bits[bad], got[bad], found.magnitude[bad], severity[bad], found.felt[bad], explanation,
                    absolute=found.absolute[bad],
                )
            )  # fmt: skip
        return outcome

    def _own(self, bits: Bits) -> Bits | None:
        """The framework's own f^(order) at a few inputs, in a call of the length that was compiled for already."""
        return own_results(self.probe, self.order, bits, max(row[0].size for row in self._rows))

    def _thinned(self, bits: Bits, severity: npt.NDArray[np.int8], found: Judgement) -> npt.NDArray[np.bool_]:
        """Some of all failing inputs: spread evenly by their bits, and the gravest of each kind by each measure."""
        rows = np.flatnonzero(found.failing)
        rows = rows[np.argsort(bits[rows], kind="stable")]
        chosen = [rows[np.linspace(0, rows.size - 1, MOST_FAILING).astype(np.int64)]]
        for kind in np.unique(severity[rows]):
            alike = rows[severity[rows] == kind]
            by = (found.magnitude, found.absolute, np.where(found.felt, found.magnitude, -1.0))
            chosen += [alike[[np.argmax(np.nan_to_num(errors[alike], nan=-1.0))]] for errors in by]
        kept = np.zeros(bits.size, bool)
        kept[np.concatenate(chosen)] = True
        return kept

    def _holes(self, bits: Bits, got: Bits, undecided: npt.NDArray[np.bool_]) -> list[Violations]:
        """Results that are no finite numbers where the exact value is not known, but seems to be one."""
        fmt = self.probe.format
        rows = np.flatnonzero(undecided & ~fa.is_finite(got, fmt) & fa.is_finite(bits, fmt))
        rows = rows[np.unique(bits[rows], return_index=True)[1]][:MOST_HOLES]
        seen = {int(i): self.probe.oracle.continued(int(bits[i]), fmt, self.order) for i in rows}
        found = [i for i, value in seen.items() if value is not None]
        if not found:
            return []
        first = found[0]
        what, at = "f" + "'" * self.order, fmt.decimal(int(bits[first]))
        text = (
            f"at {at} the result is {fmt.decimal(int(got[first]))}, although {what} is finite on both sides and tends "
            f"to {seen[first]:.9g} there; the definition itself gives no value at {at}"
        )
        n = len(found)
        return [
            Violations(
                bits[found], got[found], np.full(n, np.inf), np.full(n, WRONG_CLASS, np.int8), np.ones(n, bool), text,
                cause="class-mismatch", pointwise=False,
            )
        ]  # fmt: skip

    def _excused(self, bits: Bits, rows: Judgement) -> dict[str, Any]:
        """The figures of a cell, of the rows that are excused; None for an infinite one."""
        worst = int(bits[int(np.argmax(rows.magnitude))])
        errors = {"u_max": rows.u, "m_max": rows.m, "abs_max": rows.absolute, "magnitude": rows.magnitude}
        figures = {name: float(error.max()) for name, error in errors.items()}
        shown = {name: value if np.isfinite(value) else None for name, value in figures.items()}
        return {**shown, "worst_bits": self.probe.format.bits_text(worst)}


def _largest(values: Floats) -> float | None:
    """The largest value that is not NaN; inf stays inf; None when there is none."""
    known = values[~np.isnan(values)]
    return float(known.max()) if known.size else None
