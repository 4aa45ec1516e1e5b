"""Failing inputs of a sweep or a search judged again, one by one, and what the ledger says of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from gradproof.engine.environment import surroundings
from gradproof.engine.installed import ledger_directories
from gradproof.engine.ledger import Ledger, explain
from gradproof.engine.ledger_entries import Entry
from gradproof.engine.property import Outcome, Violations
from gradproof.engine.task import Task
from gradproof.engine.verdict import RECORDED_CONTRACT
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.measure import Judgement
from gradproof.measure.severity import classify
from gradproof.results.formatting import finite_or_none
from gradproof.results.model import SEVERITIES, Cell, Certificate, Evidence, LedgerState
from gradproof.sweep.judging import shard_summary
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


@dataclass(frozen=True)
class Explained:
    """What the ledger says of some failing inputs; ``fresh`` are the failing intervals outside its regions."""

    known: str | None
    states: States
    fresh: list[shard_summary.KeyInterval]
    nearest: str
    """The deviation that lies nearest where not all is known; empty for none."""


UNEXPLAINED: Final = Explained(None, [], [], "")


@cache
def installed_ledger() -> Ledger:
    """The ledgers of the installed packs."""
    return Ledger.read(ledger_directories())


def judged_again(sub: Subject, chosen: set[int]) -> JudgedInputs:
    """These inputs judged again, in the order of their bits."""
    fmt = sub.probe.format
    bits = np.array(sorted(chosen), fa.storage(fmt))
    got = sub.evaluate(bits)
    reference, judgement = sub.judge(bits, got)
    return JudgedInputs(bits, got, judgement, classify(got, reference, judgement, fmt, sub.asymptotes))


def entries_about(task: Task, target: Target, ledger: Ledger) -> list[Entry]:
    """The ledger's entries for a task; ceilings are errors over the bounds of the contract they were recorded under."""
    entries = ledger.about(task, surroundings([task.backend]))
    if target.contract != RECORDED_CONTRACT and not task.implementation.user:
        return [replace(e, ceiling=math.inf) for e in entries]
    return entries


def explained_by(target: Target, task: Task, bad: Violations, ledger: Ledger) -> Explained:
    """What the ledger says of the failing inputs ``bad``."""
    outcome = Outcome(Evidence("exhaustive", 0), [bad] if len(bad) else [])
    entries = entries_about(task, target, ledger)
    known, states = explain(outcome, entries, task, surroundings([task.backend]))
    return Explained(known, states, [], "")


def task_of(sub: Subject, target: Target, claim: str) -> Task:
    """The task of a run that judges ``claim`` about the target."""
    probe = sub.probe
    return Task(probe.function, probe.implementation, target.backend, target.mode, target.format, target.order, claim)


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
