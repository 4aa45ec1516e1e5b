"""From a task to its cell: run the check, weigh the outcome, ask the ledger, attach the certificate."""

from __future__ import annotations

import math
import time
import traceback
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradproof.backends import namespaces
from gradproof.engine.findings.clusters import clusters
from gradproof.engine.findings.healing import accounted_for
from gradproof.engine.findings.notes import note
from gradproof.engine.judging import certificates
from gradproof.engine.judging.certificates import certify_failure, reproduction
from gradproof.engine.ledger.deviation import Deviation
from gradproof.engine.ledger.explained import NONE, Explainer, known_results, states_of
from gradproof.engine.ledger.ledger import Ledger, Surroundings
from gradproof.engine.properties.installed import properties
from gradproof.engine.properties.property import Outcome, Violations
from gradproof.engine.request.selection import DEFAULT_SEED, Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.errors import (
    BackendUnavailable,
    Fault,
    GradproofError,
    ImplementationFault,
    OracleDisagreement,
    Unsupported,
    UsageError,
    is_ours,
)
from gradproof.formats import Format
from gradproof.functions import Function
from gradproof.results.formatting import finite_or_none
from gradproof.results.io import plain
from gradproof.results.model import SEVERITIES, Cell, Certificate, Evidence, LedgerState
from gradproof.results.not_run import NotRun
from gradproof.text import storable


def decide(
    task: Task,
    selection: Selection,
    ledger: Ledger,
    surroundings: Surroundings,
    source: str | None = None,
    replay: tuple[int, ...] = (),
) -> tuple[Cell, list[LedgerState]]:
    """Judge one cell. Whatever the implementation does wrong becomes its verdict.

    ``source`` is the user's file, for the reproduction command. ``replay`` holds bits of inputs that failed before,
    for a property that tries witnesses; ``measured["replayed"]`` says which fail again. Raises OracleDisagreement,
    which ends the run, and KeyboardInterrupt.
    """
    started = time.perf_counter()
    deviations = ledger.about(task, surroundings) if selection.use_ledger else []
    contract = task.contract or selection.contract
    try:
        probe = Probe(task, selection, replay, known=known_results(task, selection, deviations))
        outcome = properties()[task.property].check(probe, task.order)
        depends = ""
        if any(len(v) for v in outcome.violations) and (
            open_to := probe.backend.open_to(task.implementation, probe.format)
        ):
            probe = Probe(task, selection, replay, known=probe.known, nearest=True)
            mildest = properties()[task.property].check(probe, task.order)
            if any(len(v) for v in mildest.violations):
                outcome = mildest
            else:
                depends = _depends(outcome, open_to)
                outcome.violations.clear()
        if replay:
            outcome.measured["replayed"] = _replayed(outcome, replay, probe.format)
        cell, states = _weigh(task, probe, outcome, deviations, source)
        if depends:
            cell = replace(cell, status="undecided", reason=depends)
    except GradproofError as error:
        cell, states = _ended(task, error, source, selection), []
    except Exception as bug:  # a property's own fault must not take the rest of the run with it
        states = []
        if (fault := namespaces.untold()) is not None:
            cell = errored(task, fault, source, selection)
        else:
            reason = f"the check itself raised {type(bug).__name__}: {bug}"
            cell = task.cell("error", reason, measured={"fault": Fault.INTERNAL})
    made = replace(cell, contract=contract, seconds=round(time.perf_counter() - started, 4))
    return storable(made), states


def _depends(outcome: Outcome, open_to: str) -> str:
    """Why a cell is undecided whose possible results keep the claim at best and break it at worst."""
    bits = np.unique(np.concatenate([v.bits for v in outcome.violations]))
    return f"{bits.size:,} result(s) keep the contract or not, depending on {open_to}"


def _ended(task: Task, error: GradproofError, source: str | None, selection: Selection) -> Cell:
    """The cell of a check that one of gradproof's errors ended; OracleDisagreement is raised again."""
    if _by_definition(error, task.function):  # whatever type it chose
        reason = str(error) if is_ours(error) else f"the definition raised {type(error).__name__}: {error}"
        return task.cell("error", reason, measured={"fault": Fault.DEFINITION})
    match error:
        case Unsupported():
            return task.cell("unsupported", str(error))
        case BackendUnavailable():
            return task.not_run(NotRun.MISSING_BACKEND, error)
        case ImplementationFault():
            return errored(task, error, source, selection)
        case UsageError():  # a definition of the user's that the oracle cannot evaluate
            return task.cell("error", str(error), measured={"fault": Fault.DEFINITION})
        case OracleDisagreement():
            raise error
    return task.cell(
        "error", f"the check itself raised {type(error).__name__}: {error}", measured={"fault": Fault.INTERNAL}
    )


def _by_definition(error: GradproofError, function: Function) -> bool:
    """Whether the code of a function's definition raised ``error``."""
    codes = {getattr(piece, "__code__", None) for piece in function.pieces}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


def _replayed(outcome: Outcome, replay: tuple[int, ...], fmt: Format) -> dict[str, object]:
    """How many inputs were handed in again, and the bits of those that fail."""
    failing = {int(b) for v in outcome.violations for b in np.intersect1d(v.bits, np.array(replay, v.bits.dtype))}
    return {"inputs": len(replay), "failing": [fmt.bits_text(b) for b in replay if b in failing]}


def errored(task: Task, fault: ImplementationFault, source: str | None, selection: Selection) -> Cell:
    """The cell of an implementation that broke its contract, with the command that shows it again."""
    cell = broken(task.cell("error"), fault, reproduction(task, None, source, selection))
    return replace(cell, measured=cell.measured | _line(task, fault))


def broken(blank: Cell, fault: ImplementationFault, reproduce: str) -> Cell:
    """``blank`` with the verdict on an implementation that broke its contract; ``reproduce`` is the command."""
    certificate = certificates.fault(str(fault), reproduce)
    made = replace(
        blank, status="error", reason=str(fault), measured={"fault": fault.kind}, certificate=certificate,
        severity=SEVERITIES[0],
    )  # fmt: skip
    return storable(made)


def _line(task: Task, fault: ImplementationFault) -> dict[str, str]:
    """The last line of the user's own file that ran before it raised or was cut off; empty where none is known."""
    code = getattr(task.implementation.call, "__code__", None) if task.implementation.user else None
    raised = fault.__cause__ or fault
    frames = [f for f in traceback.extract_tb(raised.__traceback__) if code and f.filename == code.co_filename]
    return {"line": f"{Path(frames[-1].filename).name}:{frames[-1].lineno}, in {frames[-1].name}"} if frames else {}


def _weigh(
    task: Task,
    probe: Probe,
    outcome: Outcome,
    deviations: list[Deviation],
    source: str | None,
) -> tuple[Cell, list[LedgerState]]:
    status, reason = _status(outcome, probe)
    explainer = Explainer(task.property, deviations)
    known, attributed = _explained(explainer, task, probe, outcome) if status == "fail" else (None, None)
    if known is not None:
        status = "known"
    states = _states(explainer, task, probe, outcome, status)
    fmt = probe.format
    cell = task.cell(
        status,
        reason,
        evidence=Evidence(outcome.evidence.kind, int(outcome.evidence.n)),
        u_max=finite_or_none(outcome.u_max),
        m_max=finite_or_none(outcome.m_max),
        abs_max=finite_or_none(outcome.abs_max),
        worst_bits=None if outcome.worst_bits is None else fmt.bits_text(outcome.worst_bits),
        magnitude=finite_or_none(outcome.magnitude),
        excused=outcome.excused,
        u_max_flushed=finite_or_none(outcome.u_max_flushed),
        measured=plain(outcome.measured),
        curve=outcome.curve,
        known_ref=known,
    )
    if status not in ("fail", "known"):
        return cell, states
    told = _new(explainer, task, probe, outcome.violations) if status == "fail" else outcome.violations
    worst = _worst(told)
    # What is known has been looked at before.
    certificate = certify_failure(task, probe, worst, source, search=status == "fail")
    if clause := note(task, probe, worst):
        certificate = replace(certificate, explanation=f"{certificate.explanation or sentence(certificate)}; {clause}")
    found = clusters(probe, task.order, told, explainer.formulas(task.order))
    severity = min(int(v.severity.min()) for v in outcome.violations if len(v))
    magnitude = max(float(v.magnitude.max()) for v in outcome.violations if len(v))
    return replace(
        cell,
        reason=certificate.explanation or sentence(certificate),
        magnitude=finite_or_none(magnitude),
        felt=any(bool(v.felt.any()) for v in outcome.violations),
        severity=SEVERITIES[severity],
        certificate=certificate,
        clusters=found,
        attributed=attributed if found or attributed is not None else accounted_for(task, probe.selection),
    ), states


def _explained(explainer: Explainer, task: Task, probe: Probe, outcome: Outcome) -> tuple[str | None, bool | None]:
    """The deviation that explains the worst of the failures, if every one is explained; and what an experiment said.

    Results are explained one by one. Relations between results are explained where they hold once the explained
    results have their true values.
    """
    if not explainer.deviations:
        return None, None
    worst, reference, related = -1.0, None, False
    for found in (v for v in outcome.violations if len(v)):
        owners = explainer.violations(probe, task.order, found)
        left = owners == NONE
        if left.any():
            if found.cause == "fault" or (found.pointwise and _wrong(probe, task.order, found, left)):
                return None, None
            related = True
            continue
        top = int(np.argmax(found.magnitude))
        if found.magnitude[top] > worst:
            worst, reference = float(found.magnitude[top]), explainer.deviations[owners[top]].id
    if not related:
        return reference, None
    explainer.used.clear()
    attributed = accounted_for(task, probe.selection, explainer)
    if not attributed or not explainer.used:
        return None, None
    return reference or explainer.used.most_common(1)[0][0], True


def _new(explainer: Explainer, task: Task, probe: Probe, violations: list[Violations]) -> list[Violations]:
    """The results of a framework's that fail and that no deviation explains; all violations where there are none."""
    if not explainer.deviations or task.implementation.user:
        return violations
    left = []
    for found in (v for v in violations if len(v) and v.pointwise and v.cause != "fault"):
        rows = explainer.violations(probe, task.order, found) == NONE
        if rows.any() and _wrong(probe, task.order, found, rows):
            left.append(found[rows])
    return left or violations


def _wrong(probe: Probe, order: int, found: Violations, rows: npt.NDArray[np.bool_]) -> bool:
    """Whether one of the results in these rows breaks the contract by itself."""
    return bool(probe.judge(found.bits[rows], found.got[rows], order).failing.any())


def _states(explainer: Explainer, task: Task, probe: Probe, outcome: Outcome, status: str) -> list[LedgerState]:
    """What became of the deviations: those that an author declares may fail the run, a framework's are seen or not."""
    if not explainer.deviations or (status == "fail" and not task.implementation.user):
        return []
    states = states_of(explainer, probe, task, [v for v in outcome.violations if len(v)])
    usual = probe.profile != "quick" and probe.selection.seed == DEFAULT_SEED
    if status != "undecided" and (usual or properties()[task.property].same_in_every_profile):
        return states
    return [replace(s, state="not-checked", detail="") if s.state == "gone" else s for s in states]


def _status(outcome: Outcome, probe: Probe) -> tuple[str, str]:
    if any(len(v) for v in outcome.violations):
        return "fail", ""
    if outcome.undecided:
        at = outcome.measured.get("undecided_at")
        where = f", the first at {at}" if at is not None else ""
        clause = f"the oracle could not certify {outcome.undecided} value(s){where}"
        return "undecided", clause + (_hint(str(at), probe) if at is not None else "")
    if outcome.evidence.n == 0:
        why = outcome.measured.get("undecided_why")
        return "undecided", "nothing could be judged" + (f": {why}" if why else "")
    return "pass", ""


def _hint(at: str, probe: Probe) -> str:
    """What an author may declare, so that the value at ``at`` (decimal text) is judged."""
    if at in ("inf", "-inf"):
        return "; declare limits= to have the infinities judged"
    if not math.isfinite(float(at)):
        return ""
    fmt = probe.format
    bits = fmt.round(Fraction(at))
    if any(fmt.same_number(fmt.round(kink, saturate=True), bits) for kink in probe.function.kinks):
        return f"; if the pieces agree there, declare up to which derivative: smooth={{{at}: 1}}"
    return f"; if there is a value, declare it (and those of the derivatives): at={{{at}: (f, f', f'')}}"


def _worst(violations: list[Violations]) -> Violations:
    """The violations whose worst row is the gravest."""
    rows = [v for v in violations if len(v)]
    return min(rows, key=lambda v: (int(v.severity.min()), -float(np.max(v.magnitude))))


def sentence(certificate: Certificate) -> str:
    """A certified failure in one sentence."""
    assert certificate.input is not None
    assert certificate.got is not None
    due = certificate.expected.decimal if certificate.expected else "a convention"
    error = "a class mismatch" if certificate.u is None else f"{certificate.u:.4g} ulp"
    return f"at {certificate.input.decimal}: got {certificate.got.decimal}, expected {due} ({error})"
