"""Failing inputs of a sweep or a search judged again, one by one, and what the ledger says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gradproof.engine.ledger.explained import NONE, states_of
from gradproof.engine.properties.property import Violations
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.measure import Judgement
from gradproof.measure.severity import classify
from gradproof.results.formatting import finite_or_none
from gradproof.results.model import SEVERITIES, Cell, Certificate, LedgerState
from gradproof.sweep.judging.subject import Subject
from gradproof.sweep.plan import Target

States = list[LedgerState]


@dataclass(frozen=True)
class JudgedInputs:
    """Inputs judged again, with what came back; of shape (n,)."""

    bits: Bits
    got: Bits
    judgement: Judgement
    severity: np.ndarray[tuple[int], np.dtype[np.int8]]

    def violations(self) -> Violations:
        """The failing ones."""
        bad, j = self.judgement.failing, self.judgement
        return Violations(
            self.bits[bad], self.got[bad], j.magnitude[bad], self.severity[bad], j.felt[bad], absolute=j.absolute[bad]
        )


def judged_again(sub: Subject, chosen: set[int]) -> JudgedInputs:
    """These inputs judged again, in the order of their bits."""
    fmt = sub.probe.format
    bits = np.array(sorted(chosen), fa.storage(fmt))
    got = sub.evaluate(bits)
    reference, judgement = sub.judge(bits, got)
    return JudgedInputs(bits, got, judgement, classify(got, reference, judgement, fmt, sub.asymptotes))


def explanation(sub: Subject, claim: str, bad: Violations) -> tuple[str | None, States]:
    """The deviation that explains the worst of the failing rows, if every one is explained; and what became of them."""
    explainer = sub.explainers[claim]
    if not explainer.deviations:
        return None, []
    owners = explainer.violations(sub.probe, sub.order, bad)
    states = states_of(explainer, sub.probe, sub.task(claim), [bad] if len(bad) else [])
    if not len(bad) or (owners == NONE).any():
        return None, states
    return explainer.deviations[owners[int(np.argmax(bad.magnitude))]].id, states


def user_file(target: Target) -> str | None:
    """The user's file for the reproduction command, from where the sweep was called."""
    if target.file is None:
        return None
    file = Path(target.file)
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)


def failed_cell(
    cell: Cell, bad: Violations, status: str, reason: str, certificate: Certificate, known: str | None
) -> Cell:
    """``cell`` with what is failing in place of what was measured."""
    return replace(
        cell,
        status=status,  # type: ignore[arg-type]
        reason=reason,
        magnitude=finite_or_none(float(bad.magnitude.max())),
        felt=bool(bad.felt.any()),
        severity=SEVERITIES[int(bad.severity.min())],
        certificate=certificate,
        known_ref=known if status == "known" else None,
    )
