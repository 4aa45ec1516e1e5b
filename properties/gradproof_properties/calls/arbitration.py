"""Two answers to one input, bit by bit, and the oracle's word on those that differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradproof.extend import (
    UNDECIDED,
    UNDEFINED,
    WRONG_BRANCH,
    WRONG_CLASS,
    Bits,
    Floats,
    Judgement,
    Probe,
    Reference,
    Violations,
    classify,
)
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """f^(order) at ``bits`` asked in two ways; arrays of shape (n,). ``first`` is what the others are compared with."""

    bits: Bits
    first: Bits
    second: Bits
    first_way: str
    second_way: str


@dataclass(frozen=True)
class Arbitration:
    """What the comparison found: figures for the reader, inputs (bits) the oracle could not decide, and failures."""

    figures: dict[str, Any]
    undecided: tuple[int, ...] = ()
    violations: Violations | None = None


def arbitrated(probe: Probe, order: int, answers: Answers, *, at_kinks: bool = True) -> Arbitration:
    """Compare, and have the oracle judge where bits differ; any two NaNs are the same.

    A difference fails when the second answer breaks the contract and the first keeps it; when they lie further apart
    than two answers that keep it can (so one of them breaks it); with ``at_kinks`` when it is one between derivatives
    at a kink; and when it is the sign of an odd function's zero. That the first breaks the contract by less is the
    claim accuracy's business. At a NaN, and outside the domain, the derivative is a convention, and only counted.
    """
    fmt = probe.format
    nan = fa.is_nan(answers.first, fmt) & fa.is_nan(answers.second, fmt)
    rows = np.flatnonzero((answers.first != answers.second) & ~nan)
    figures: dict[str, Any] = {"n": int(answers.bits.size), "different": int(rows.size)}
    if not rows.size:
        return Arbitration(figures)
    bits, first, second = answers.bits[rows], answers.first[rows], answers.second[rows]
    figures["ordinals"] = _distance(first, second, probe)
    # Asked for all inputs, which serves the other layouts, orders and backends too.
    reference = probe.references(answers.bits)[order][rows]
    judged = _Judged(probe, order, bits, first, second, reference)
    wrong = judged.spoiled | judged.apart | judged.sign_lost
    if at_kinks:
        wrong |= judged.at_kink
    undecided = tuple(map(int, bits[reference.kind == UNDECIDED]))
    if not wrong.any():
        return Arbitration(figures, undecided)
    figures["failing"] = int(wrong.sum())
    return Arbitration(figures, undecided, judged.violations(wrong, answers))


def _distance(first: Bits, second: Bits, probe: Probe) -> int | None:
    """Largest ordinal distance between two answers that are both numbers; None where there are none."""
    fmt = probe.format
    numbers = ~fa.is_nan(first, fmt) & ~fa.is_nan(second, fmt)
    pairs = zip(fa.ordinals(first[numbers], fmt), fa.ordinals(second[numbers], fmt), strict=True)
    return max((abs(int(a) - int(b)) for a, b in pairs), default=None)


class _Judged:
    """Rows that differ, with both answers judged."""

    def __init__(self, probe: Probe, order: int, bits: Bits, first: Bits, second: Bits, reference: Reference) -> None:
        fmt = probe.format
        self.probe, self.order, self.bits, self.reference = probe, order, bits, reference
        self.results = first, second
        self.judgements: tuple[Judgement, Judgement] = (
            probe.judge(bits, first, order, reference),
            probe.judge(bits, second, order, reference),
        )
        breaks = [j.failing for j in self.judgements]
        self.spoiled: Mask = ~breaks[0] & breaks[1]
        self.ratio = _apart(probe, order, bits, first, second, reference)
        # What the backend's flushing excuses keeps the contract, however far apart.
        self.apart: Mask = (breaks[0] | breaks[1]) & (self.ratio > 1)
        # Outside the domain f is NaN, and the derivative as little judged as at a NaN.
        kinks = [float(kink) for kink in probe.function.kinks]
        self.at_kink: Mask = (reference.kind == UNDEFINED) & np.isin(fa.values(bits, fmt), kinks)
        # +0 and -0 differ in bits and in no number.
        self.at_kink &= fa.values(first, fmt) != fa.values(second, fmt)
        zero = [fa.magnitudes(b, fmt) == 0 for b in (bits, first, second)]
        self.sign_lost: Mask = zero[0] & zero[1] & zero[2] & (order == 0) & probe.function.odd

    def violations(self, wrong: Mask, answers: Answers) -> Violations:
        """The rows that are wrong; the answer of ``got`` is the one that breaks the contract."""
        blamed = np.where(self.judgements[0].failing & ~self.judgements[1].failing, 0, 1)
        got = np.where(blamed == 1, self.results[1], self.results[0])
        convention = ~(self.spoiled | self.apart)
        magnitude = np.where(convention, 2.0, self._either(blamed, "magnitude"))
        classes = [
            classify(result, self.reference, judgement, self.probe.format)
            for result, judgement in zip(self.results, self.judgements, strict=True)
        ]
        severity = np.where(blamed == 1, classes[1], classes[0])
        severity = np.where(convention, WRONG_BRANCH, severity).astype(np.int8)
        felt = self._either(blamed, "felt").astype(bool)
        rows = np.flatnonzero(wrong)
        worst = int(rows[np.lexsort((-np.nan_to_num(magnitude[rows], posinf=1e308), severity[rows]))[0]])
        cause = "convention" if convention[worst] else "class-mismatch" if severity[worst] == WRONG_CLASS else None
        return Violations(
            self.bits[wrong], got[wrong], magnitude[wrong], severity[wrong], felt[wrong],
            self._sentence(worst, answers), cause=cause, pointwise=False,
            absolute=np.where(convention, np.nan, self._either(blamed, "absolute"))[wrong],
        )  # fmt: skip

    def _either(self, blamed: npt.NDArray[Any], name: str) -> Any:
        first, second = (getattr(j, name) for j in self.judgements)
        return np.where(blamed == 1, second, first)

    def _sentence(self, i: int, answers: Answers) -> str:
        fmt, names = self.probe.format, (answers.first_way, answers.second_way)
        due = self.probe.certified(int(self.bits[i]), self.order)
        shown = fmt.decimal(due.bits) if due.kind in ("finite", "infinite", "nan") else "no single value (a convention)"
        first, second = (fmt.decimal(int(r[i])) for r in self.results)
        breaks = [bool(j.failing[i]) for j in self.judgements]
        if all(breaks):
            why = "both break the contract, and lie further apart than two answers that keep it can"
        elif any(breaks):
            why = f"{names[breaks.index(True)]} breaks the contract, {names[breaks.index(False)]} keeps it"
        elif self.at_kink[i]:
            why = "one function, two derivatives at the kink"
        else:
            why = "an odd function must keep the sign of zero"
        at = fmt.decimal(int(self.bits[i]))
        return f"at {at}: {names[1]} gives {second}, {names[0]} {first}; the oracle has {shown}: {why}"


def _apart(probe: Probe, order: int, bits: Bits, first: Bits, second: Bits, reference: Reference) -> Floats:
    """Distance of two answers over that of two which lie on either side of the exact value, at the contract's end."""
    with np.errstate(all="ignore"):
        gap = np.abs(fa.values(first, probe.format) - fa.values(second, probe.format))
        ratio = gap / (2 * allowance(probe, bits, reference, order))
    # An infinity, or a NaN, beside a number.
    return np.where(np.isnan(gap), np.inf, np.nan_to_num(ratio, nan=0.0, posinf=np.inf))
