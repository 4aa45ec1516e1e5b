"""What became of a target as a cell of the results file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from gradproof.formats import get_format
from gradproof.measure import get_contract
from gradproof.results.model import SEVERITIES, Cell, Evidence
from gradproof.sweep.attempt import judged_fault
from gradproof.sweep.campaign import Swept
from gradproof.sweep.plan import Target
from gradproof.sweep.searching import Searched
from gradproof.sweep.tally import FAILING
from gradproof.sweep.targets import Absent

if TYPE_CHECKING:
    from gradproof.sweep.found import Found

OUTCOME: Final = "gradproof.sweep.outcome"
PROPERTY: Final = "accuracy"
UNANSWERED: Final = {"type": "WorkerLost", "message": "the search was not answered"}
INTERRUPTED: Final = "not reached: the run was interrupted"


def of_sweep(swept: Swept) -> Cell:
    """The cell of an exhaustive sweep, whatever became of it."""
    target = swept.job.target
    if swept.result is not None:
        return replace(_judged("outcome", _plain, target, swept.result), seconds=round(swept.seconds, 3))
    if swept.status == "stopped":
        return unjudged(target, "not-run", f"{INTERRUPTED}; {swept.finished:,} of {swept.job.points:,} inputs are kept")
    measured = {"fault": "internal"} if swept.internal else {}
    return unjudged(target, swept.status, swept.reason, seconds=round(swept.seconds, 3), measured=measured)


def of_search(searched: Searched) -> Cell:
    """The cell of a guided search."""
    target = searched.search.target
    if searched.found is not None:
        return replace(_judged("at_least", _plain_search, target, searched.found), seconds=round(searched.seconds, 3))
    status, reason, internal = judged_fault(searched.fault or UNANSWERED)
    return unjudged(target, status, reason, measured={"fault": "internal"} if internal else {})


def _judged(name: str, plain: Callable[[Target, Any], Cell], target: Target, found: Any) -> Cell:
    """The verdict of the module ``outcome``; without it (it is being written) one from the counts alone."""
    if find_spec(OUTCOME) is None:
        return plain(target, found)
    cell: Cell = getattr(import_module(OUTCOME), name)(target, found)
    return cell


def _plain(target: Target, result: Mapping[str, Any]) -> Cell:
    counts = {name: found["count"] for name, found in result["classes"].items()}
    failing = sum(counts[name] for name in FAILING)
    greatest = {name: found or {} for name, found in result["greatest"].items()}
    worst = greatest["m"].get("bits")
    return unjudged(
        target,
        "fail" if failing else "undecided" if counts["undecided"] else "pass",
        "",
        evidence=Evidence("exhaustive", result["counts"]["points"]),
        u_max=greatest["u"].get("value"),
        m_max=greatest["m"].get("value"),
        abs_max=greatest["abs"].get("value"),
        worst_bits=None if worst is None else get_format(target.format).bits_text(worst),
        severity=next((name for name in FAILING if counts[name] and name in SEVERITIES), None),
    )


def _plain_search(target: Target, found: Found) -> Cell:
    worst = found.worst
    held = worst is None or worst.error <= get_contract(target.contract).bound(target.order, get_format(target.format))
    return unjudged(
        target,
        "pass" if held else "fail",
        found.statement,
        evidence=Evidence("sampled", found.points),
        u_max=None if worst is None or worst.mismatch else worst.u,
        m_max=None if worst is None or worst.mismatch else worst.m,
        abs_max=None if worst is None or worst.mismatch else worst.absolute,
        worst_bits=None if worst is None else get_format(target.format).bits_text(worst.bits),
    )


def of_absent(absent: Absent) -> Cell:
    """The cell of a target that cannot be swept here."""
    return unjudged(absent.target, absent.status, absent.reason)


def unjudged(target: Target, status: str, reason: str, **more: Any) -> Cell:
    """A cell with no more about the numbers than ``more`` says."""
    name, _, device = target.backend.partition(":")
    return Cell(
        function=target.function,
        params=dict(target.params),
        implementation=target.implementation,
        backend=name,
        device=device,
        mode=target.mode,
        format=target.format,
        order=target.order,
        property=PROPERTY,
        status=status,  # type: ignore[arg-type]
        reason=reason,
        contract=target.contract,
        **more,
    )
