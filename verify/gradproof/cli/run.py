"""``gradproof run`` and ``gradproof check``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gradproof.cli import codes, outputs
from gradproof.cli.commands import described, exec_options
from gradproof.cli.completion import given
from gradproof.cli.console import count
from gradproof.cli.options import given_options, run_options, selection
from gradproof.config import SHORTHANDS, effective
from gradproof.errors import UsageError
from gradproof.interrupts import interruptible


@click.command(
    "run",
    epilog="Example: gradproof run --backend torch --format bfloat16 --property accuracy --profile quick",
)
@run_options
def run_command(**options: Any) -> int:
    """Check the catalogue on every framework installed.

    Prints a summary and writes results.json and report.html into the current folder (`--html none` keeps one
    from being written). Settings also come from [tool.gradproof] in pyproject.toml and from
    GRADPROOF_<OPTION>.

    Every cell is kept as it is judged until the results are written: the same command with --resume goes on where an
    earlier run was stopped or killed, to the same results.

    Exits 0 when there is nothing but passes and known deviations, 1 on a new failure, 2 when interrupted, 3
    on an internal error, 4 on wrong usage, 5 when nothing ran.
    """
    return _judge("run", options, (), outputs.DEFAULTS)


@click.command("check", epilog="Example: gradproof check mine.py --format float32 --html mine.html")
@click.argument("files", nargs=-1, metavar="FILE.py...", **given("file"))
@exec_options
@click.option(
    "--target", metavar="SM", help="Triton kernels for this compute capability, such as sm_90, without a GPU."
)
@run_options
def check_command(files: tuple[str, ...], **options: Any) -> int:
    """Check the implementations that FILE.py registers with @gradproof.implements.

    By default in every format, to the second derivative, all claims, contract `stable`. Writes no file unless
    one is named. Exits like `gradproof run`.

    A program can be checked in place of a file: --exec './kernel --order {order}' --function gelu --format bfloat16.
    """
    if bool(files) == (options["exec_"] is not None):
        raise UsageError(
            "expected FILE.py, or --exec COMMAND in its place" + (", got both" if files else ": no file was named")
        )
    return _judge("check", options, files, {})


def triton_target(name: str) -> str:
    """The backend that ``--target`` names; UsageError for one that is not there."""
    from gradproof.backends.triton.backend import TARGETS

    if name.lower() not in TARGETS:
        raise UsageError(f"expected --target {' or '.join(sorted(TARGETS))}, got {name!r}")
    return f"triton:{name.lower()}"


def _judge(command: str, options: Mapping[str, Any], files: tuple[str, ...], defaults: Mapping[str, str]) -> int:
    settings = effective(given_options(options))
    chosen = outputs.chosen(
        {kind: settings[kind].value for kind in (*outputs.WITHOUT_FORMAT, *SHORTHANDS) if kind in settings},
        settings["report"].value if "report" in settings else (),
        defaults,
    )
    made = selection(settings, files)
    if options.get("target"):
        made = replace(made, backends=(*made.backends, triton_target(options["target"])))
    if options.get("exec_") is not None or options.get("param"):
        files = described(options, made.functions, made.formats, made.orders)
        made = replace(made, files=files, orders=made.orders or (0,))
    prepared = outputs.prepare(chosen, files)

    from gradproof.cli.progress import Both, RunProgress
    from gradproof.cli.summary import summarise
    from gradproof.engine.running.run import exit_code, run
    from gradproof.engine.running.store import Store
    from gradproof.execution.executors import check_alone, elsewhere
    from gradproof.results.keeping import Weight

    cluster = options["cluster"]
    check_alone(jobs=options["jobs"], cluster=cluster)
    progress = RunProgress(quiet=options["quiet"], verbose=options["verbose"])
    root = Path(options["folder"]) if options["folder"] else None
    store = Store(made, root=root, resume=options["resume"], anywhere=cluster is not None, say=progress.note)
    with prepared.stdout_kept(), prepared.lines(command) as lines, interruptible() as interrupts, store:
        with elsewhere(None, None, cluster) as crew, progress:
            result = run(made, Both(progress, lines), store=store, crew=crew)
        interrupts.finish()
        code = exit_code(result)
        # Written before anything is printed: a full disk behind stdout must not cost the results.
        written = prepared.write_sparing(result, Weight.of(result, interrupted=code == codes.INTERRUPTED))
        if result.run.complete and not written.failed:
            store.discard()
        elif store.kept:
            kept = count(store.kept, "finished cell")
            progress.note(f"{kept} kept; the same command with --resume goes on from there")
        lines.result(result, code)
        prepared.lines_written(lines, written)
        summarise(result, code, written, verbose=options["verbose"])
    return written.code(code)
