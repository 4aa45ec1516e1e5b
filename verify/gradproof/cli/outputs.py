"""The files a command writes: where, whether they can be written, by which report writer, and what became of them."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gradproof.cli import codes
from gradproof.cli.console import say, trace
from gradproof.config import BY_NAME, NONE, SHORTHANDS, check_known, format_and_path, parse
from gradproof.entry_points import REMEDY, described, enabled_entry_points, loaded
from gradproof.errors import GradproofError, UsageError, WriteError
from gradproof.files.destinations import STDOUT, Destination, destination
from gradproof.files.writing import try_destination
from gradproof.text import visible

if TYPE_CHECKING:
    from gradproof.cli.json_lines import JsonLines
    from gradproof.results.keeping import Weight

Writer = Callable[[Any, str], Any]
"""Takes the result, a RunResult but of a study, and the path to write it to."""

RESULTS: Final = "json"
"""The results file itself."""
LINES: Final = "json-lines"
"""What is found, line by line while the command works (``json_lines``)."""
XFAILS: Final = "export-xfails"
"""The known deviations that show, for other test suites (``results.xfails``)."""
WITHOUT_FORMAT: Final = (RESULTS, LINES, XFAILS)
"""What is no report."""
REPORT: Final = "--report"
"""The option that writes a report of any format."""
DEFAULTS: Final = {"json": "results.json", "html": "report.html"}
"""What ``run`` writes when nothing else is said."""


@dataclass(frozen=True)
class Output:
    """One file to write; ``kind`` is one of ``WITHOUT_FORMAT`` or a report's entry point. ``-`` is standard output.

    ``asked`` is the option that names it, ``--html`` or ``--report csv``; ``--`` and the kind where it is empty.
    """

    kind: str
    path: str
    asked: str = ""

    @property
    def option(self) -> str:
        """The option that names it, without the path."""
        return self.asked or f"--{self.kind}"

    def __str__(self) -> str:
        """As it is typed: ``--html a.html``, ``--report csv=a.csv``."""
        return f"{self.option}{'=' if ' ' in self.option else ' '}{self.path}"


@dataclass
class Written:
    """What became of the outputs of a run."""

    files: list[str] = field(default_factory=list)
    """Paths that were written."""
    kept: list[tuple[str, str | None]] = field(default_factory=list)
    """Earlier files that hold more than this run, each with what was written beside it, or None."""
    failed: list[tuple[Output, BaseException]] = field(default_factory=list)
    """What could not be written, and why."""

    def lines(self) -> list[str]:
        """What a summary says about it."""
        said = [f"written: {', '.join(self.files)}"] if self.files else []
        for path, beside in self.kept:
            where = f"written beside it: {beside}" if beside else "nothing was judged that could stand beside it"
            said.append(f"kept: {path} holds more than this run; {where}")
        return said

    def code(self, code: int) -> int:
        """The exit code of a command that would end with ``code``, once what could not be written is said."""
        for output, fault in self.failed:
            say(f"error: {output} could not be written: {_why(fault)}")
            trace(fault)
        return codes.INTERNAL if self.failed else code


class Outputs:
    """Where a command writes, checked before it works; ``prepare`` makes one."""

    def __init__(
        self, outputs: Sequence[Output], writers: Mapping[str, Writer], places: Mapping[Output, Destination]
    ) -> None:
        self.outputs, self.writers, self.places = outputs, writers, places
        self._stdout = sys.stdout

    @property
    def on_stdout(self) -> bool:
        """Whether one of them is standard output, which then holds nothing else."""
        return any(p.kind == "stdout" for p in self.places.values())

    @contextlib.contextmanager
    def lines(self, command: str) -> Iterator[JsonLines]:
        """What takes the lines of ``--json-lines`` while the command works; nothing where nobody asked."""
        from gradproof.cli.json_lines import JsonLines, opened

        output = next((o for o in self.outputs if o.kind == LINES), None)
        with opened(output.path if output else None, self._stdout) as stream:
            yield JsonLines(stream, command)

    def lines_written(self, lines: JsonLines, written: Written) -> None:
        """Enter among ``written`` what became of the lines."""
        for output in (o for o in self.outputs if o.kind == LINES):
            if lines.fault is not None:
                written.failed.append((output, lines.fault))
            else:
                written.files.append(output.path)

    @contextlib.contextmanager
    def stdout_kept(self) -> Iterator[None]:
        """Inside, what is printed goes to stderr where standard output is for a file."""
        with contextlib.redirect_stdout(sys.stderr) if self.on_stdout else contextlib.nullcontext():
            yield

    def write_sparing(self, result: Any, weight: Weight) -> Written:
        """As ``write``, but for earlier files that hold more than ``result`` does: see ``results.keeping``."""
        from gradproof.results.keeping import destinations

        files = [o for o in self.outputs if self.places[o].kind == "file"]
        results = next((o.path for o in files if o.kind == RESULTS), None)
        reports = [o.path for o in files if o.kind != RESULTS]
        return self.write(result, destinations(weight, results, reports))

    def write(self, result: Any, where: Mapping[str, str | None] | None = None) -> Written:
        """Write them all, the results file first, and say what became of each; nothing is raised.

        One that cannot be written keeps none of the others from it. ``where`` holds other paths for some; None for
        one that is not to be written.
        """
        done = Written()
        for output in self.outputs:
            if output.kind == LINES:  # written all along
                continue
            path = (where or {}).get(output.path, output.path)
            if path != output.path and Path(output.path).exists():
                done.kept.append((output.path, path))
            if path is None:
                continue
            try:
                self._write(output, path, result)
            except Exception as fault:
                done.failed.append((output, fault))
            else:
                done.files.append(path)
        return done

    def _write(self, output: Output, path: str, result: Any) -> None:
        if self.places[output].kind != "stdout":
            self.writers[output.kind](result, path)
            return
        # A writer takes a path, also one of a third party's: what it writes there is handed on.
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "output"
            self.writers[output.kind](result, str(made))
            self._stdout.flush()
            content = made.read_bytes()
            if self._stdout.isatty():  # shown to somebody, who reads no commands
                content = visible(content.decode("utf-8", "backslashreplace"), lines=True).encode("utf-8")
            self._stdout.buffer.write(content)
            self._stdout.flush()


def chosen(
    values: Mapping[str, str], reports: Sequence[str] = (), defaults: Mapping[str, str] | None = None
) -> list[Output]:
    """The outputs of ``values``, by kind, and of ``reports`` (``FORMAT=PATH``), over ``defaults``.

    ``none`` switches one off, and a default gives way to any report of its kind. Raises UsageError for results among
    the reports.
    """
    named = [(name, path, f"{REPORT} {name}") for name, path in map(format_and_path, reports)]
    for name in (name for name, *_ in named if name in WITHOUT_FORMAT):
        raise UsageError(f"expected the format of a report for {REPORT}, got {name!r}; --{name} writes it")
    merged = {k: v for k, v in (defaults or {}).items() if k not in [name for name, *_ in named]} | dict(values)
    asked = [(kind, merged[kind], "") for kind in (*WITHOUT_FORMAT, *SHORTHANDS) if kind in merged]
    return [Output(*one) for one in (*asked, *named) if one[1] != NONE]


def chosen_by(options: Mapping[str, Any], defaults: Mapping[str, str] | None = None) -> list[Output]:
    """The outputs that a command's own options name, over ``defaults``; settings from elsewhere are left out."""
    kinds = [BY_NAME[kind] for kind in (*WITHOUT_FORMAT, *SHORTHANDS)]
    values = {kind.name: options[kind.key] for kind in kinds if options.get(kind.key)}
    return chosen(values, parse(BY_NAME["report"], options.get("report", ()), REPORT), defaults)


def prepare(
    outputs: Sequence[Output],
    inputs: Iterable[str] = (),
    writers: Mapping[str, Writer] | None = None,
    *,
    replacing: str = "",
) -> Outputs:
    """The outputs with their writers, once every path is known to be writable.

    A run of an hour must not fail in its last second, so this comes first. ``inputs`` are files that the command
    reads; an output of the kind ``replacing`` may take the place of one. ``writers`` are those of a command with files
    of its own, by kind. Raises UsageError that names the report that nobody offers; or the path and why it cannot be
    written: two outputs at one place, however the paths are spelled, one in place of an input, a folder.
    """
    writers = writers or {output.kind: writer(output.kind) for output in outputs}
    read = {}
    for path in inputs:
        with contextlib.suppress(OSError, ValueError):  # whoever reads it says what is wrong with it
            read[destination(path).key] = path
    taken: dict[tuple[object, ...], Output] = {}
    places = {}
    for output in outputs:
        found = places[output] = checked(output)
        if found.key in read and output.kind != replacing:
            raise UsageError(
                f"expected a path of its own for {output.option}, got {output.path!r}, which is the input "
                f"{read[found.key]!r}; it would be overwritten"
            )
        if found.key in taken:
            other = taken[found.key]
            raise UsageError(
                f"expected a path of its own for {output.option}, got {output.path!r}, which {other} names too"
            )
        if not _is_null(found):
            taken[found.key] = output
    return Outputs(outputs, writers, places)


def checked(output: Output) -> Destination:
    """The place of an output, its folder made where it is missing; UsageError where it cannot be written."""
    if output.path == STDOUT:
        return Destination("stdout", Path(STDOUT), ("stdout",))
    try:
        return try_destination(output.path)
    except (OSError, ValueError) as fault:  # ValueError: a path with a null character
        why = getattr(fault, "strerror", None) or str(fault)
    raise UsageError(f"expected a file to write for {output.option}, but {output.path} cannot be written: {why}")


def check_own_folder(folder: Path) -> None:
    """UsageError where nothing can be kept in a folder of ours below the current one; before anything is read."""
    try:
        try_destination(folder / "trial")
    except OSError as fault:
        raise UsageError(
            f"expected to keep what is judged in {folder} of the current folder, which cannot be written: "
            f"{fault.strerror or fault}. Nothing was read or written; go to a folder that can be (cd), and name "
            "the files by their whole paths"
        ) from fault


def _is_null(found: Destination) -> bool:
    """Whether it is the place where everything ends that nobody wants."""
    return found.kind == "stream" and str(found.path) == os.devnull


def writer(kind: str) -> Writer:
    """What writes outputs of ``kind``: one of our own, or a report found through ``gradproof.reports``."""
    if kind == RESULTS:
        from gradproof.results import write_results

        return write_results
    if kind == LINES:
        return lambda result, path: None
    if kind == XFAILS:
        from gradproof.results.xfails import write_xfails

        return write_xfails
    points = report_points()
    if not points:
        raise UsageError(
            f"expected a report writer {kind!r} among the entry points of gradproof.reports, found none; is "
            "gradproof installed (pip install .), rather than run from its source?"
        )
    check_known(kind, points, "report format")
    found: Writer = loaded(points[kind])
    if not callable(found):
        raise UsageError(f"{described(points[kind])} must be a callable (result, path), got {found!r}; {REMEDY}")
    return found


def report_points() -> dict[str, EntryPoint]:
    """The installed report writers by name; UsageError for two of one name."""
    found: dict[str, EntryPoint] = {}
    for point in enabled_entry_points("gradproof.reports"):
        if point.name in found:
            raise UsageError(f"{described(point)} offers a second report called {point.name!r}; {REMEDY}")
        found[point.name] = point
    return found


def _why(fault: BaseException) -> str:
    match fault:
        case WriteError():
            return fault.why
        case GradproofError():
            return str(fault)
    return f"{type(fault).__name__}: {fault}"
