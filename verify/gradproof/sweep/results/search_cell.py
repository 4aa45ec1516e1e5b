"""The cell of a guided search: its largest error is a lower bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradproof.engine.judging.certificates import certify_failure, number
from gradproof.engine.judging.verdict import sentence
from gradproof.engine.properties.property import Violations
from gradproof.formats import Format
from gradproof.results.formatting import finite_or_none
from gradproof.results.io import plain
from gradproof.results.model import Cell, Evidence, Interval
from gradproof.sweep.guided.search_result import SearchResult
from gradproof.sweep.judging.subject import FINITE_CLAIM, subject
from gradproof.sweep.plan import Target
from gradproof.sweep.results.rejudged import (
    States,
    explanation,
    failed_cell,
    judged_again,
    user_file,
)
from gradproof.sweep.results.unjudged import unjudged_cell


def search_cell(target: Target, found: SearchResult) -> tuple[Cell, States]:
    """The cell of a guided search, whose largest error is a lower bound, and what became of the ledger's entries."""
    sub, worst = subject(target), found.worst
    cell = unjudged_cell(
        target,
        "undecided" if worst is None else "pass",
        found.statement,
        evidence=Evidence("sampled", found.points),
        u_max=None if worst is None or found.mismatched else finite_or_none(worst.u),
        m_max=None if worst is None or found.mismatched else finite_or_none(worst.m),
        abs_max=None if worst is None or found.mismatched else finite_or_none(worst.absolute),
        worst_bits=None if worst is None else sub.probe.format.bits_text(worst.bits),
        excused=found.excused,
        measured={"search": _searched(found)},
    )
    if worst is None:
        return cell, []
    rows = judged_again(sub, {w.bits for w in (found.finite, found.mismatched) if w is not None})
    cell = replace(cell, magnitude=finite_or_none(float(np.nanmax(rows.judgement.unexcused(rows.judgement.magnitude)))))
    bad = rows.violations()
    if not len(bad):
        return cell, []
    known, states = explanation(sub, FINITE_CLAIM, bad)
    certificate = certify_failure(
        sub.task(FINITE_CLAIM), sub.probe, bad, user_file(target), _points(bad, sub.probe.format)
    )
    reason = f"{found.statement}; {sentence(certificate)}"
    return failed_cell(cell, bad, "known" if known else "fail", reason, certificate, known), states


def _searched(found: SearchResult) -> dict[str, Any]:
    document = {
        "seed": found.seed, "points": found.points, "budget": found.budget, "metric": found.metric,
        "at_least": found.error, "mismatches": found.mismatches, "undecided": found.undecided,
        "origin": found.worst.origin if found.worst else None,
    }  # fmt: skip
    made: dict[str, Any] = plain(document)
    return made


def _points(bad: Violations, fmt: Format) -> list[Interval]:
    """Each failing input by itself: a search says nothing about those between."""
    numbers = [number(int(b), fmt) for b in bad.bits]
    return [Interval(n, n, 0, 1, False) for n in numbers]
