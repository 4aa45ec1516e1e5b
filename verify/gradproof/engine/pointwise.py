"""Collecting pointwise judgements: many batches of f^(order) in, one outcome out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradproof.engine.probe import Probe
from gradproof.engine.property import Outcome, Violations
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.measure.curves import curve
from gradproof.measure.judge import Judgement
from gradproof.measure.severity import WRONG_CLASS, classify
from gradproof.oracle import Reference
from gradproof.oracle.reference import UNCERTIFIED
from gradproof.results.model import Evidence

MOST_HOLES = 16
"""Results at inputs without a certified value that are followed up: each costs some milliseconds."""


class Pointwise:
    """Accumulates judged results of one order of one probe."""

    def __init__(self, probe: Probe, order: int) -> None:
        self.probe = probe
        self.order = order
        self._uncertified = 0
        self._rows: list[tuple[Bits, Bits, Judgement, np.ndarray[tuple[int], np.dtype[np.int8]]]] = []

    def add(self, bits: Bits, *, path: str | None = None) -> Judgement:
        """Evaluate and judge ``bits`` of shape (n,)."""
        reference = self.probe.references(bits)[self.order]
        got = self.probe.evaluate(bits, self.order, path)
        return self.add_results(bits, got, reference)

    def add_results(self, bits: Bits, got: Bits, reference: Reference) -> Judgement:
        """Judge results that were computed already."""
        self._uncertified += int((reference.how == UNCERTIFIED).sum())
        judgement = self.probe.judge(bits, got, self.order, reference)
        severity = classify(got, reference, judgement, self.probe.format, self._limits)
        self.add_judged(bits, got, judgement, severity)
        return judgement

    def add_judged(self, bits: Bits, got: Bits, judgement: Judgement, severity: npt.NDArray[np.int8]) -> None:
        """Take results that were judged already; ``severity`` as ``Violations`` has it."""
        self._rows.append((bits, got, judgement, severity))

    @property
    def _limits(self) -> tuple[float, ...]:
        limits = (self.probe.function.limit(side, self.order) for side in ("left", "right"))
        return tuple(float(v) for v in limits if v is not None and abs(v) != float("inf"))

    def outcome(self, *, exhaustive: bool, explanation: str = "", with_curve: bool = True) -> Outcome:
        """The worst errors, every failing input, and the error curve."""
        bits = np.concatenate([row[0] for row in self._rows])
        got = np.concatenate([row[1] for row in self._rows])
        severity = np.concatenate([row[3] for row in self._rows])
        parts = [row[2] for row in self._rows]
        judged = np.concatenate([p.judged for p in parts])
        failing = np.concatenate([p.failing for p in parts])
        u = np.concatenate([p.u for p in parts])
        magnitude = np.concatenate([p.magnitude for p in parts])
        outcome = Outcome(
            evidence=Evidence("exhaustive" if exhaustive else "sampled", int(judged.sum())),
            undecided=int(sum(p.undecided.sum() for p in parts)),
            u_max=_largest(u),
            m_max=_largest(np.concatenate([p.m for p in parts])),
            abs_max=_largest(np.concatenate([p.absolute for p in parts])),
            magnitude=_largest(magnitude),
            excused=int(sum(p.excused.sum() for p in parts)),
            u_max_flushed=_largest(np.concatenate([p.u_flushed for p in parts])),
        )
        if outcome.undecided:
            first = bits[np.concatenate([p.undecided for p in parts])][0]
            outcome.measured["undecided_at"] = self.probe.format.decimal(int(first))
            outcome.violations += self._holes(bits, got, np.concatenate([p.undecided for p in parts]))
        if self._uncertified:
            outcome.measured["uncertified"] = self._uncertified
            if self.probe.oracle.foreign:
                outcome.measured["beyond_arb"] = self.probe.oracle.foreign
        if judged.any():
            outcome.worst_bits = int(bits[int(np.argmax(np.where(judged, magnitude, -1.0)))])
        if with_curve:
            outcome.curve = curve(bits, u, judged, self.probe.format)
        if failing.any():
            felt = np.concatenate([p.felt for p in parts])
            absolute = np.concatenate([p.absolute for p in parts])
            outcome.violations.append(
                Violations(
                    bits[failing], got[failing], magnitude[failing], severity[failing], felt[failing], explanation,
                    absolute=absolute[failing],
                )
            )  # fmt: skip
        return outcome

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


def _largest(values: Floats) -> float | None:
    """The largest value that is not NaN; inf stays inf; None when there is none."""
    known = values[~np.isnan(values)]
    return float(known.max()) if known.size else None
