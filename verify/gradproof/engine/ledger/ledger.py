"""The ledger of known deviations: which of them are about a cell, here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from gradproof.backends.base import Implementation
from gradproof.engine.ledger.deviation import Deviation, covers
from gradproof.engine.ledger.files import read_ledger_file
from gradproof.engine.ledger.known import Known
from gradproof.engine.properties.installed import properties
from gradproof.engine.request.selection import DEFAULT_SEED, Selection
from gradproof.engine.request.task import Task
from gradproof.errors import UsageError
from gradproof.results.model import LedgerState


@dataclass(frozen=True)
class Surroundings:
    """What a deviation's environment is compared with, by backend id: framework version, vendor and SIMD level."""

    versions: dict[str, str]
    hardware: dict[str, str]


class Ledger:
    """All deviations, by their ids."""

    def __init__(self, deviations: Iterable[Deviation] = ()) -> None:
        self.deviations: dict[str, Deviation] = {}
        for deviation in deviations:
            if deviation.id in self.deviations:
                raise UsageError(f"two deviations of the ledger are called {deviation.id!r}")
            self.deviations[deviation.id] = deviation

    @classmethod
    def read(cls, directories: Iterable[Path]) -> Ledger:
        """Every ``*.toml`` of the directories; UsageError naming file and deviation for a malformed one."""
        files = sorted(f for d in directories for f in Path(d).glob("*.toml"))
        return cls(deviation for file in files for deviation in read_ledger_file(file))

    def declare(self, implementations: Iterable[Implementation]) -> None:
        """Add the deviations that the authors of ``implementations`` declare, so that reports can name them."""
        for implementation in implementations:
            for known in implementation.known:
                made = _declared(implementation, known)
                self.deviations[made.id] = made

    def about(self, task: Task, surroundings: Surroundings) -> list[Deviation]:
        """The deviations that may explain what fails in the cell of ``task``, here.

        For a user's code its own declarations alone.
        """
        if task.implementation.user:
            self.declare([task.implementation])
            every = [_declared(task.implementation, known) for known in task.implementation.known]
            return [d for d in every if any(f.covers(task.property, task.format, task.order) for f in d.fences)]
        version = surroundings.versions.get(task.backend, "")
        every_way = properties()[task.property].about_calls
        about = [
            d.called(task.mode, every_way=every_way)
            for d in self.deviations.values()
            if task.function.name in d.about
            and d.in_force(task.backend, version, task.mode)
            and (not d.formats or task.format in d.formats)
            and (not d.claims or task.property in d.claims)
        ]
        return [d for d in about if d.explains and task.function.name in d.about]

    def unseen(self, tasks: Sequence[Task], selection: Selection, surroundings: Surroundings) -> list[LedgerState]:
        """What becomes of each deviation that a run of ``tasks`` does not see.

        ``gone`` where it was recorded on this version and processor, ``stale`` elsewhere. Nothing for a run that does
        not look at everything, from the seed that the ledger was recorded with.
        """
        asked = (selection.files, selection.functions, selection.properties, selection.formats, selection.orders)
        usual = (selection.contract, selection.seed) == (Selection.contract, DEFAULT_SEED)
        if any(asked) or not usual or selection.profile == "quick" or not selection.use_ledger:
            return []
        ways = {(task.backend, task.mode) for task in tasks}
        found = {}
        for deviation in (d for d in self.deviations.values() if d.recorded):
            for backend, mode in sorted(ways):
                version, here = surroundings.versions.get(backend, ""), surroundings.hardware.get(backend, "")
                if not deviation.in_force(backend, version, mode):
                    continue
                at_home = covers(SpecifierSet(f"=={deviation.recorded}"), version) and here in deviation.hardware
                detail = (
                    "no longer shows where it was recorded; remove it, or close its range of versions"
                    if at_home
                    else f"does not show here ({version}, {here}); recorded on {deviation.recorded}"
                )
                found[deviation.id] = LedgerState(deviation.id, deviation.id, "gone" if at_home else "stale", detail)
        return list(found.values())


def _declared(implementation: Implementation, known: Known) -> Deviation:
    """What the author of an implementation declares of it."""
    return Deviation(
        id=f"{implementation.name}: {known.property}: {known.reason}",
        title=f"{implementation.name} ({known.property}): {known.reason}",
        reason="Declared by the author of the implementation.",
        upstream=known.upstream,
        fences=(known.fence,),
    )
