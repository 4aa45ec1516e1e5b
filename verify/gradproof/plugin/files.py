"""Writing what a session found: the results file, and a report made from it."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any

from gradproof.cli.outputs import RESULTS, writer
from gradproof.engine.properties.installed import claims
from gradproof.engine.request.selection import DEFAULT_SEED
from gradproof.errors import GradproofError
from gradproof.plugin.options import FILTERS, Options
from gradproof.results import RunResult
from gradproof.results.claims import judge
from gradproof.results.findings import findings
from gradproof.results.keeping import Weight, destinations
from gradproof.results.model import Cell, LedgerState, RunRecord
from gradproof.results.rebuild import rebuild


def write_files(
    verdicts: list[dict[str, Any]],
    headers: list[dict[str, Any]],
    options: Options,
    root: Path,
    *,
    complete: bool,
    started: float,
) -> tuple[list[str], list[str]]:
    """Write the files that were asked for; what was written and what was not, one line each.

    Paths are as seen from ``root``, where pytest was called, when they lie below. ``started`` is in seconds since the
    epoch. A session that was broken off says ``complete: false``.
    """
    done: list[str] = []
    failed: list[str] = []
    result = assemble(verdicts, headers, options, complete=complete, started=started)
    results = next((path for name, path in options.files if name == RESULTS), None)
    reports = [path for name, path in options.files if name != RESULTS]
    where = destinations(Weight.of(result, interrupted=not complete), results, reports)
    for name, path in options.files:
        what = "results" if name == RESULTS else "report"
        to = where[path]
        kept = "" if to == path else f"; {_relative(path, root)} holds more and is kept"
        try:
            if to is not None:
                writer(name)(result, to)
            done.append(f"{what}: {'nothing was judged' if to is None else _relative(to, root)}{kept}")
        except GradproofError as fault:
            failed.append(f"{what} not written: {fault}")
        except Exception as fault:  # of a writer that another package brought
            failed.append(f"{what} not written: {name} to {_relative(path, root)}: {type(fault).__name__}: {fault}")
    return done, failed


def assemble(
    verdicts: list[dict[str, Any]],
    headers: list[dict[str, Any]],
    options: Options,
    *,
    complete: bool,
    started: float,
) -> RunResult:
    """The results of a session from what its items, and its workers, told."""
    cells: dict[Any, Cell] = {}
    states: list[LedgerState] = []
    for verdict in verdicts:
        cell: Cell = rebuild(Cell, verdict["cell"], "cell")
        cells[cell.key] = cell  # an item that was run again counts as it ended
        states += [rebuild(LedgerState, s, "ledger state") for s in verdict["ledger"]]
    backends: dict[str, dict[str, Any]] = {}
    deviations: dict[str, dict[str, Any]] = {}
    for one in headers:
        backends |= one["backends"]
        deviations |= one["deviations"]
    named = {c.known_ref for c in cells.values()} | {s.deviation for s in states}
    seed = options.number("seed")
    shard = RunRecord(
        environment=headers[0]["environment"] if headers else {},
        backends=backends,
        settings=_settings(options),
        seed=DEFAULT_SEED if seed is None else int(seed),
        started=datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - started, 3),
        complete=complete and bool(headers),
    )
    found = {key: text for key, text in deviations.items() if key in named}
    # Workers finish in any order; a file should not depend on it.
    ordered = sorted(cells.values(), key=lambda c: (c.implementation, c.id))
    return RunResult(
        shard, ordered, states, claims=judge(claims(), ordered), deviations=found, findings=findings(ordered)
    )


def _settings(options: Options) -> dict[str, Any]:
    settings: dict[str, Any] = {name: options.single(name).value for name in ("profile", "contract")}
    settings |= {f.plural: list(options.several(f.name)) for f in FILTERS}
    return {"runner": "pytest", **settings}


def _relative(name: str, root: Path) -> str:
    path = Path(name)
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
