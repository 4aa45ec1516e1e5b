"""Which earlier files the ones of a run may replace: never one that holds more than its own.

A run that was interrupted, that judged nothing, or that ended at its time limit, has less to say than a whole one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradproof.errors import UsageError
from gradproof.results.claims import JUDGED
from gradproof.results.io import read_results
from gradproof.results.model import RunResult


@dataclass(frozen=True)
class Weight:
    """How much a run has to say: its number of verdicts, whether it went through, whether somebody broke it off."""

    verdicts: int
    complete: bool
    interrupted: bool = False

    @classmethod
    def of(cls, result: RunResult, *, interrupted: bool = False) -> Weight:
        """The weight of a results file."""
        verdicts = sum(cell.status in JUDGED for cell in result.cells)
        return cls(verdicts, result.run.complete and not interrupted, interrupted)

    def is_less_than(self, path: str) -> bool:
        """Whether the results file at ``path`` holds more; one that cannot be read, or is none, is taken to."""
        try:
            earlier = Weight.of(read_results(path))
        except UsageError:
            return True
        return earlier.verdicts > self.verdicts or (self.interrupted and earlier.complete)


def destinations(run: Weight, results: str | None, reports: Sequence[str]) -> dict[str, str | None]:
    """Where the files of a run go that should go to ``results`` and ``reports``; None for one not to be written.

    A complete run that judged something replaces what is there. Any other spares an earlier results file with more
    verdicts, and an interrupted one every complete file: its files go beside those, as ``results.partial.json``
    (``results.partial-2.json`` and so on where that holds more too). All reports go where the results file goes; those
    of an earlier run are spared too where nothing tells how much they hold. A run that judged nothing has no partial
    result.
    """
    paths = [*([results] if results else []), *reports]
    there = [path for path in paths if _is_there(path)]
    if (run.complete and run.verdicts) or (results in there and not run.is_less_than(results)):
        there = []
    if results in there:
        there = paths  # a report of this run tells of the results beside, also where there is none yet
    beside: Mapping[str, str | None] = _beside(run, there, results) if run.verdicts else dict.fromkeys(there)
    return {path: beside.get(path, path) for path in paths}


def _beside(run: Weight, paths: Sequence[str], results: str | None) -> dict[str, str]:
    """Paths beside ``paths``, all under one number, where nothing lies that holds more."""
    for number in itertools.count(1):
        found = {path: _numbered(Path(path), number) for path in paths}
        there = [new for new in found.values() if _is_there(new)]
        mine = found.get(results) if results else None
        if not there or (mine in there and not run.is_less_than(mine)):
            return found
    raise AssertionError("unreachable: there are more numbers than files")


def _is_there(path: str) -> bool:
    """Whether there is a file to lose: an empty one holds nothing, and a pipe or a device is none."""
    return Path(path).is_file() and Path(path).stat().st_size > 0


def _numbered(path: Path, number: int) -> str:
    mark = "partial" if number == 1 else f"partial-{number}"
    return str(path.with_name(f"{path.stem}.{mark}{path.suffix}"))
