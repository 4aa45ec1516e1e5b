"""The files a command writes: where, whether they can be written, and by which report writer."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gradproof.config import NONE, check_known
from gradproof.entry_points import REMEDY, enabled_entry_points, loaded, told
from gradproof.errors import GradproofError, UsageError

if TYPE_CHECKING:
    from gradproof.results import RunResult

Writer = Callable[["RunResult", str], Any]

RESULTS: Final = "json"
"""The one output that is no report: the results file itself."""
REPORTS: Final = ("html", "junit", "markdown")
DEFAULTS: Final = {"json": "results.json", "html": "report.html"}
"""What ``run`` writes when nothing else is said."""


@dataclass(frozen=True)
class Output:
    """One file to write; ``kind`` is ``json`` or the name of a report's entry point."""

    kind: str
    path: str


def chosen(values: Mapping[str, str], defaults: Mapping[str, str] | None = None) -> list[Output]:
    """The outputs of ``values`` over ``defaults``, by kind; ``none`` switches one off."""
    merged = {**(defaults or {}), **values}
    return [Output(kind, merged[kind]) for kind in (RESULTS, *REPORTS) if merged.get(kind, NONE) != NONE]


def prepare(outputs: list[Output]) -> dict[str, Writer]:
    """The writer of each kind, once every path is known to be writable.

    A run of an hour must not fail in its last second, so this comes first. Raises UsageError that names the
    path and why it cannot be written, or the report that nobody offers.
    """
    places: dict[Path, Output] = {}
    for output in outputs:
        place = Path(output.path).absolute()
        if place in places:
            raise UsageError(
                f"expected a path of its own for --{output.kind}, got {output.path!r}, which "
                f"--{places[place].kind} names too"
            )
        places[place] = output
        check_writable(output)
    return {output.kind: writer(output.kind) for output in outputs}


def check_writable(output: Output) -> None:
    """Make the folder where it is missing and try a file in it; UsageError when that fails."""
    target = Path(output.path).absolute()
    trial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    why = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            why = "it is a folder"
        else:
            trial.open("x").close()
    except OSError as fault:
        why = fault.strerror or str(fault)
    finally:
        with contextlib.suppress(OSError):
            trial.unlink()
    if why:
        raise UsageError(f"expected a file to write for --{output.kind}, but {target} cannot be written: {why}")


def writer(kind: str) -> Writer:
    """What writes outputs of ``kind``: the results file, or a report found through ``gradproof.reports``."""
    if kind == RESULTS:
        from gradproof.results import write_results

        return write_results
    points = report_points()
    if not points:
        raise UsageError(
            f"expected a report writer {kind!r} among the entry points of gradproof.reports, found none; is "
            "gradproof installed (pip install .), rather than run from its source?"
        )
    check_known(kind, points, "report format")
    found: Writer = loaded(points[kind])
    if not callable(found):
        raise UsageError(f"{told(points[kind])} must be a callable (result, path), got {found!r}; {REMEDY}")
    return found


def report_points() -> dict[str, EntryPoint]:
    """The installed report writers by name; UsageError for two of one name."""
    found: dict[str, EntryPoint] = {}
    for point in enabled_entry_points("gradproof.reports"):
        if point.name in found:
            raise UsageError(f"{told(point)} offers a second report called {point.name!r}; {REMEDY}")
        found[point.name] = point
    return found


def write(result: RunResult, outputs: list[Output], writers: Mapping[str, Writer]) -> None:
    """Write them all, the results file first.

    A report that cannot be made does not keep the others from being written; the first error is raised then.
    """
    failed: list[GradproofError] = []
    for output in outputs:
        try:
            writers[output.kind](result, output.path)
        except GradproofError as fault:
            failed.append(fault)
        except Exception as bug:
            told = GradproofError(f"the {output.kind} report to {output.path} failed: {type(bug).__name__}: {bug}")
            told.__cause__ = bug
            failed.append(told)
    if failed:
        raise failed[0]
