"""What became of findings from one results file to another: new, gone, or found otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gradproof.formats import FORMATS
from gradproof.results.finding_texts import found_in
from gradproof.results.model import Cell, Finding, RunResult, exact_params

NEW: Final = "new finding"
CHANGED: Final = "finding changed"
GONE: Final = "finding gone"
UNSEEN: Final = "finding not checked again"
"""Of a finding that does not show, but of whose cells HEAD did not judge all."""
FINDING_CHANGES: Final = (NEW, CHANGED, GONE, UNSEEN)

FAILING: Final = ("fail", "error", "known")
JUDGED: Final = ("pass", *FAILING)


@dataclass(frozen=True)
class FindingChange:
    """One finding that only one file has, or that both have in another kind or with another explanation."""

    kind: str
    base: Finding | None
    head: Finding | None
    unchecked: str = ""
    """``2 of 5 cells: 1 unsupported, 1 absent``: those of BASE that HEAD did not judge; of UNSEEN alone."""

    @property
    def finding(self) -> Finding:
        """As HEAD has it, or as BASE had it."""
        found = self.head or self.base
        assert found is not None
        return found


def finding_changes(base: RunResult, head: RunResult) -> list[FindingChange]:
    """The findings that differ, in the order of ``FINDING_CHANGES``; none where a file says nothing of findings.

    One of a pair is the other where both are of one implementation, mode and kind and are explained or known alike. Of
    several, and of the rest, those are one that account for the same cells, and then those whose failing inputs
    overlap or that have one explanation: what only became another kind, or known by another name, is neither gone nor
    new.
    """
    if not (_tells(base) and _tells(head)):
        return []
    before, after = _by_subject(found_in(base)), _by_subject(found_in(head))
    status = {(*_subject_of(c), c.id): c.status for c in head.cells}
    found: list[FindingChange] = []
    for subject in dict.fromkeys([*after, *before]):
        old, new = before.get(subject, []), after.get(subject, [])
        _paired(old, new, lambda was, now: _mark(was) == _mark(now))
        for same in (_common, _meets, _explained_alike):
            found += [FindingChange(CHANGED, was, now) for was, now in _paired(old, new, same)]
        found += [FindingChange(NEW, None, now) for now in new]
        for was in old:
            unchecked = _unchecked(status.get((*subject, name), "absent") for name in was.cells)
            found.append(FindingChange(UNSEEN if unchecked else GONE, was, None, unchecked))
    return sorted(found, key=lambda change: FINDING_CHANGES.index(change.kind))


def _unchecked(statuses: Iterable[str]) -> str:
    """How many of a finding's cells have no verdict, and what they are instead; empty where all have one."""
    every = list(statuses)
    silent = [s for s in every if s not in JUDGED]
    counts = ", ".join(f"{silent.count(s)} {s}" for s in dict.fromkeys(silent))
    return f"{len(silent)} of {len(every)} cell{'s' * (len(every) > 1)}: {counts}" if silent else ""


def _tells(result: RunResult) -> bool:
    """Whether a file would have findings if something in it were wrong: older ones have neither these nor clusters."""
    return (
        bool(result.findings)
        or not any(c.status in FAILING for c in result.cells)
        or any(c.clusters for c in result.cells)
    )


def _subject_of(of: Cell | Finding) -> tuple[Any, ...]:
    return of.function, exact_params(of.params), of.implementation, of.backend, of.device, of.mode


def _by_subject(findings: Sequence[Finding]) -> dict[tuple[Any, ...], list[Finding]]:
    subjects: dict[tuple[Any, ...], list[Finding]] = {}
    for finding in findings:
        subjects.setdefault(_subject_of(finding), []).append(finding)
    return subjects


def _mark(finding: Finding) -> tuple[str, str, bool]:
    """What makes a finding another one: its kind, what explains it, and whether it is known."""
    why = finding.explanation.id if finding.explanation else finding.known_ref or ""
    return finding.kind, why, finding.known_ref is not None


def _paired(
    old: list[Finding], new: list[Finding], same: Callable[[Finding, Finding], object]
) -> list[tuple[Finding, Finding]]:
    """The pairs that are the ``same``, those with the most cells in common first, taken out of both lists."""
    rated = [(_common(was, now), i, j) for i, was in enumerate(old) for j, now in enumerate(new) if same(was, now)]
    taken: list[tuple[int, int]] = []
    for _, i, j in sorted(rated, key=lambda pair: (-pair[0], pair[1:])):
        if not any(i == a or j == b for a, b in taken):
            taken.append((i, j))
    pairs = [(old[i], new[j]) for i, j in sorted(taken)]
    old[:] = [f for i, f in enumerate(old) if i not in {a for a, _ in taken}]
    new[:] = [f for j, f in enumerate(new) if j not in {b for _, b in taken}]
    return pairs


def _meets(one: Finding, other: Finding) -> bool:
    """Whether an input of one format and order is in intervals of both."""
    return any(
        _overlap(name, mine, theirs)
        for name, orders in one.regions.items()
        for order, regions in orders.items()
        for mine in regions
        for theirs in other.regions.get(name, {}).get(order, [])
    )


def _overlap(name: str, mine: Sequence[str], theirs: Sequence[str]) -> bool:
    fmt = FORMATS.get(name)
    ends = [int(end, 16) for end in (*mine, *theirs)]
    if fmt is None or any(map(fmt.is_nan, ends)):
        return list(mine) == list(theirs)
    a, b, c, d = map(fmt.ordinal, ends)
    return a <= d and c <= b


def _explained_alike(one: Finding, other: Finding) -> bool:
    """Whether one thing explains both."""
    return one.explanation is not None and other.explanation is not None and one.explanation.id == other.explanation.id


def _common(one: Finding, other: Finding) -> int:
    return len({*one.cells} & {*other.cells})
