"""The ledger of known deviations: matching it, and noticing when it is out of date.

Witnesses are tried in every run, so that a sampled run cannot miss a deviation by luck.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from gradproof.backends.base import Implementation
from gradproof.engine.installed import properties
from gradproof.engine.known import Known
from gradproof.engine.ledger_entries import Deviation, Entry, Failures
from gradproof.engine.ledger_files import read_ledger_file
from gradproof.engine.losses import Loss
from gradproof.engine.property import Outcome
from gradproof.engine.task import Task
from gradproof.errors import UsageError
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.functions.function import exact
from gradproof.results.formatting import digits, figure
from gradproof.results.model import LedgerState

SAME_KERNELS: Final = {"autocast": "eager"}
"""Modes that mostly call the kernels of another: its entries explain what they show too, within region and ceiling.
Autocast runs some operations in a wider format, where a deviation may not show; so no entry of eager is ``gone`` in it.
"""


@dataclass(frozen=True)
class Surroundings:
    """What an entry's environment is compared with, by backend id: framework version, vendor and SIMD level."""

    versions: dict[str, str]
    hardware: dict[str, str]


class Ledger:
    """All entries, deviations and losses in force."""

    def __init__(
        self, entries: Iterable[Entry] = (), deviations: Iterable[Deviation] = (), losses: Iterable[Loss] = ()
    ) -> None:
        self.entries = list(entries)
        self.deviations = {d.id: d for d in deviations}
        self.losses = list(losses)

    @classmethod
    def read(cls, directories: Iterable[Path]) -> Ledger:
        """Every ``*.toml`` of the directories; UsageError naming file and entry for a malformed one."""
        read = [read_ledger_file(file) for file in sorted(f for d in directories for f in Path(d).glob("*.toml"))]
        entries = [entry for one in read for entry in one.entries]
        losses = [loss for one in read for loss in one.losses]
        ledger = cls(entries, [deviation for one in read for deviation in one.deviations], losses)
        for entry in entries:
            if entry.deviation not in ledger.deviations:
                raise UsageError(f"ledger entry {entry.id!r} names no deviation of the ledger")
        for loss in losses:
            if loss.deviation not in ledger.deviations:
                about = ", ".join(loss.functions)
                raise UsageError(f"a loss of {about} names no deviation of the ledger: {loss.deviation!r}")
        return ledger

    def declare(self, implementations: Iterable[Implementation]) -> None:
        """Add the deviations that the authors of ``implementations`` declare, so that reports can name them."""
        for implementation in implementations:
            for known in implementation.known:
                key = _reference(implementation, known)
                title = f"{implementation.name} ({known.property}): {known.reason}"
                self.deviations[key] = Deviation(
                    key, title, "Declared by the author of the implementation.", known.upstream
                )

    def about(self, task: Task, surroundings: Surroundings) -> list[Entry]:
        """Entries for the cell of ``task`` whose version range holds here, those that its losses make last.

        For a user's code its own declarations alone.
        """
        version = surroundings.versions.get(task.backend, "")
        if task.implementation.user:
            self.declare([task.implementation])
            return _declared(task, version, surroundings.hardware.get(task.backend, ""))
        return [
            e
            for e in self.entries
            if (e.backend, e.function, e.format, e.order, e.property)
            == (task.backend, task.function.name, task.format, task.order, task.property)
            and (task.mode in e.modes or SAME_KERNELS.get(task.mode) in e.modes)
            and {k: exact(v) for k, v in e.params.items()} == task.function.exact_params
            and _covers(e.versions, version)
        ] + [_derived(loss, task, version) for loss in self.losses if _concerns(loss, task, version)]


def _concerns(loss: Loss, task: Task, version: str) -> bool:
    """Whether a loss is about the results that the cell of ``task`` rests on, or about the cell by name."""
    orders = (task.order,) if loss.properties else properties()[task.property].rests_on(task.order)
    return (
        loss.backend == task.backend
        and task.function.name in loss.functions
        and not set(loss.orders).isdisjoint(orders)
        and (not loss.properties or task.property in loss.properties)
        and (not loss.formats or task.format in loss.formats)
        and (not loss.modes or task.mode in loss.modes or SAME_KERNELS.get(task.mode) in loss.modes)
        and _covers(loss.versions, version)
    )


def _derived(loss: Loss, task: Task, version: str) -> Entry:
    """What a loss says of one cell."""
    fmt, params = get_format(task.format), task.function.exact_params
    return Entry(
        deviation=loss.deviation, backend=task.backend, versions=loss.versions, recorded=version, hardware=(),
        function=task.function.name, params=dict(task.function.params), modes=(task.mode,), format=task.format,
        order=task.order, property=task.property, regions=loss.regions(fmt, params),
        ceiling=loss.ceiling(fmt, params), witnesses=(), loss=loss,
    )  # fmt: skip


def _declared(task: Task, version: str, hardware: str) -> list[Entry]:
    """The deviations that the author of the task's implementation declares, as entries that are at home here."""
    fmt, implementation = get_format(task.format), task.implementation
    return [
        Entry(
            deviation=_reference(implementation, known), backend=task.backend, versions=SpecifierSet(""),
            recorded=version, hardware=(hardware,), function=task.function.name, params=dict(task.function.params),
            modes=(task.mode,), format=task.format, order=task.order, property=task.property, regions=known.bits(fmt),
            ceiling=known.ceiling, witnesses=(),
        )
        for known in implementation.known
        if known.covers(task.property, task.format, task.order)
    ]  # fmt: skip


def _reference(implementation: Implementation, known: Known) -> str:
    return f"{implementation.name}: {known.property}: {known.reason}"


def _covers(versions: SpecifierSet, version: str) -> bool:
    try:
        # A local build tag (2.13.0+cpu) does not leave the range its release is in.
        return versions.contains(Version(version).public, prereleases=True)
    except ValueError:
        return False


def explain(
    outcome: Outcome, entries: list[Entry], task: Task, surroundings: Surroundings
) -> tuple[str | None, list[LedgerState]]:
    """The deviation that explains every violation of ``outcome`` (None when one does not), and entry states."""
    failing = [v for v in outcome.violations if len(v)]
    if not entries:
        return None, []
    fmt = get_format(task.format)
    if not failing:
        return None, [_vanished(e, task, surroundings) for e in entries if not e.derived]
    found = Failures.of(failing, fmt)
    bits, magnitude = found.bits, found.magnitude
    inside = [_inside(found.ordinals, entry, fmt) for entry in entries]
    within = [rows.copy() for rows in inside]
    for rows, entry in zip(within, entries, strict=True):
        rows[rows] = entry.admits(found[rows])
    explained = np.logical_or.reduce(within)
    states = []
    for entry, rows in zip(entries, inside, strict=True):
        above = rows & ~explained
        if above.any():
            worst = float(magnitude[above].max())
            detail = f"error over bound {figure(worst, digits(worst, entry.ceiling))} above {figure(entry.ceiling)}"
            states.append(LedgerState(entry.id, entry.deviation, "grown", detail))
        elif entry.derived:
            continue
        elif rows.any():
            states.append(LedgerState(entry.id, entry.deviation, "seen"))
        else:
            states.append(_vanished(entry, task, surroundings))
    if explained.all():
        worst = magnitude == magnitude.max()  # an entry with a higher ceiling may be the only one that covers these
        return next(e.deviation for e, rows in zip(entries, within, strict=True) if (rows & worst).any()), states
    stray = int(bits[int(np.argmax(~explained))])
    states = [
        LedgerState(s.entry, s.deviation, "grown", f"fails outside the region, at {fmt.bits_text(stray)}")
        if s.state == "seen"
        else s
        for s in states
    ]
    return None, states


def _inside(ordinals: Any, entry: Entry, fmt: Format) -> Any:
    inside = np.zeros(ordinals.size, bool)
    for low, high in entry.regions:
        ends = fa.ordinals(np.array([low, high], dtype=fa.storage(fmt)), fmt)
        if max(abs(int(e)) for e in ends) > fmt.last_bits:  # NaN inputs: any payload
            inside |= np.abs(ordinals) > fmt.last_bits
        else:
            inside |= (ordinals >= ends[0]) & (ordinals <= ends[1])
    return inside


def _vanished(entry: Entry, task: Task, surroundings: Surroundings) -> LedgerState:
    if task.mode not in entry.modes:
        detail = f"recorded in mode {', '.join(entry.modes)}; does not show in {task.mode}"
        return LedgerState(entry.id, entry.deviation, "not-checked", detail)
    version = surroundings.versions.get(task.backend, "")
    here = surroundings.hardware.get(task.backend, "")
    at_home = version == entry.recorded and here in entry.hardware
    detail = (
        "no longer shows where it was recorded; remove the entry"
        if at_home
        else f"does not show here ({version}, {here}); recorded on {entry.recorded}, {', '.join(entry.hardware)}"
    )
    return LedgerState(entry.id, entry.deviation, "gone" if at_home else "stale", detail)
