"""The finished cells of a run, kept until its results are written: what was killed is gone on with."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gradproof.engine.planning.outline import Outline, Place
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.judged import Judged, record, recorded
from gradproof.engine.running.provenance import key_of, manifest
from gradproof.errors import CacheWarning, UsageError
from gradproof.files.journal import Journal, read, taken_up
from gradproof.files.manifests import Manifest, differences

DEFAULT: Final = Path(".gradproof") / "runs"
"""Where the folders of all runs lie, under the current folder."""


class Store:
    """The journal of one selection under ``root``; use as a context manager, which holds the folder's lock.

    With ``resume`` the cells that an earlier run left are taken up, else dropped; ``say`` hears in one line what became
    of them. Entering raises UsageError when another run of the selection goes on there. Where nothing can be kept the
    run goes on without, after one CacheWarning.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        root: Path | None = None,
        resume: bool = False,
        anywhere: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._selection = selection
        self._root = DEFAULT if root is None else root
        self._resume = resume
        self._anywhere = anywhere
        self._say = say
        self._journal = Journal(self._root / key_of(selection))
        self._writable = True
        self.kept = 0
        """Cells that lie in the journal."""

    def __enter__(self) -> Self:
        try:
            self._journal.__enter__()
        except OSError as fault:
            self._go_without(fault)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.__exit__(kind, fault, trace)

    def begin(self, outline: Outline) -> dict[Place, Judged]:
        """Open the journal for the cells of ``outline``; those that need not be judged again."""
        if not self._writable:
            return {}
        made = manifest(self._selection, outline, anywhere=self._anywhere)
        try:
            if self._resume:
                return self._taken_up(made, outline)
            self._drop(made)
        except OSError as fault:
            self._go_without(fault)
        return {}

    def keep(self, judged: Judged) -> None:
        """Write one verdict; the first failure ends the keeping, not the run."""
        if not self._writable:
            return
        try:
            self._journal.append(record(judged))
            self.kept += 1
        except OSError as fault:
            self._go_without(fault)
        except (TypeError, ValueError):  # a property's value that is no JSON: whoever writes the results says so
            pass

    def discard(self) -> None:
        """The results are written: nothing needs to be kept any more."""
        self._journal.remove()
        with contextlib.suppress(OSError):  # there are others
            for folder in (DEFAULT, DEFAULT.parent) if self._root == DEFAULT else ():
                folder.rmdir()

    def _taken_up(self, made: Manifest, outline: Outline) -> dict[Place, Judged]:
        found: dict[Place, Judged] = {}
        records, why = taken_up(self._journal, made)
        for number, one in enumerate(records, start=1):
            try:
                judged = recorded(one, outline)
            except UsageError as damage:
                _warn(f"{self._journal.file}, cell {number}: {damage}; it is judged again")
            else:
                found.setdefault(judged.place, judged)
        self.kept = len(found)
        self._say(self._result(made, len(found), outline.tasks, why))
        return found

    def _drop(self, made: Manifest) -> None:
        found = self._journal.found()
        self._journal.begin(made)
        if found.records:
            self._say(f"started anew; {len(found.records)} finished cells of an earlier run, for --resume, are dropped")

    def _result(self, made: Manifest, taken: int, tasks: int, why: str) -> str:
        if taken:
            return f"resumed: {taken} of {tasks} cells were judged by an earlier run"
        if why:
            return f"started anew, since the earlier run in {self._journal.folder} is not the same: {why}"
        if others := self._others(made):
            return f"started anew, since no earlier run was the same: {others}"
        return (
            "started anew, since no earlier run left anything to go on with: what ended has written its results and "
            f"keeps no cells; all {tasks} cells are judged"
        )

    def _others(self, made: Manifest) -> str:
        """In what the latest of the other runs here differs."""
        files = (f for f in self._root.glob(f"*/{self._journal.file.name}") if f.parent != self._journal.folder)
        held = [(file.stat().st_mtime, read(file).manifest) for file in files]
        _, found = max((one for one in held if one[1] is not None), key=lambda one: one[0], default=(0.0, None))
        if found is None:
            return ""
        # The plan follows from the rest, and says nothing to people.
        return "; ".join(differences(found, {**made, "plan": found.get("plan")})) or "its files lie elsewhere"

    def _go_without(self, fault: OSError) -> None:
        self._writable = False
        with contextlib.suppress(OSError):
            self._journal.close()
        _warn(
            f"finished cells are not kept: {self._journal.file} cannot be written ({fault.strerror or fault}); the run "
            "goes on, and --folder names another place"
        )


def _warn(message: str) -> None:
    warnings.warn(message, CacheWarning, stacklevel=3)
