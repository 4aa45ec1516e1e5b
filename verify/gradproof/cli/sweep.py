"""``gradproof sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gradproof.cli import codes, outputs
from gradproof.cli.commands import described, exec_options
from gradproof.cli.completion import given
from gradproof.cli.options import written_options
from gradproof.config import BY_NAME, SHORTHANDS, parse
from gradproof.errors import UsageError
from gradproof.interrupts import interruptible

if TYPE_CHECKING:
    from gradproof.results.model import RunResult
    from gradproof.sweep.api import Means
    from gradproof.sweep.targets import Wanted

REPEATABLE: Final = ("backend", "format", "order", "mode")
DEFAULT: Final = "float32"
"""The format without ``--format``."""


@click.command(
    "sweep",
    epilog="Example: gradproof sweep silu gelu --backend torch:cpu --format float32 --order 0 --order 1",
)
@click.argument("names", nargs=-1, required=True, metavar="FUNCTION|FILE.py...", **given("function", files=True))
@click.option(
    "--backend",
    multiple=True,
    metavar="NAME[:DEVICE]",
    help="Default: those on the CPU. Repeatable.",
    **given("backend"),
)
@click.option("--format", multiple=True, metavar="FORMAT", help="Default float32. Repeatable.", **given("format"))
@click.option("--order", multiple=True, metavar="N", help="0 the value (default), 1 and 2 the derivatives. Repeatable.")
@click.option("--bits", metavar="LO..HI", help="From which bit pattern to which, such as 0x3f800000..0x40000000.")
@click.option("--range", "numbers", metavar="LO..HI", help="From which number to which, such as -8..8 or 0x1p-126..1.")
@click.option("--mode", multiple=True, metavar="MODE", help="eager (default) or compiled. Repeatable.", **given("mode"))
@click.option(
    "--against", metavar="MODE", help="Compare the results bit by bit with those of this mode.", **given("mode")
)
@click.option("--fail-on-difference", is_flag=True, help="Exit with 1 where the results of --against differ.")
@click.option("--implementation", metavar="NAME", help="Only the implementation of this name.")
@click.option("--contract", metavar="NAME", help=BY_NAME["contract"].help, **given("contract"))
@click.option(
    "--jobs",
    "--workers",
    "jobs",
    metavar="N",
    help="Worker processes; default one per processor (two for a GPU). 0: in here.",
)
@click.option("--cluster", metavar="ADDRESS", help="Work on the Dask distributed scheduler at this address instead.")
@click.option("--shard-limit", metavar="S", help="Seconds that one shard may take; default 3600, 0 for any number.")
@click.option("--folder", metavar="PATH", help="Where finished shards are kept; default .gradproof/sweeps.")
@click.option("--fresh", is_flag=True, help="Start again, and forget the finished shards of this sweep.")
@click.option("--seed", metavar="N", help="Seed of a guided search.")
@click.option("--points", metavar="N", help="Inputs that a guided search may try.")
@exec_options
@written_options(*outputs.WITHOUT_FORMAT, *SHORTHANDS, "report")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing until the summary.")
def sweep_command(**options: Any) -> int:
    """Judge every bit pattern of a format, or of a range of them.

    FUNCTION is in the catalogue (`gradproof list functions`); FILE.py registers implementations of yours, and a
    FUNCTION beside it narrows them. Formats too wide for all their inputs (float64) get a guided search for the largest
    error, unless --bits or --range names a range.

    Every finished part is kept at once. The same command again goes on where it was stopped, and the result is the
    same to the last bit, whatever stopped it and however many workers there were.

    With --against each cell also says where the results of two modes differ, by how much, which is nearer to the exact
    value and which breaks the contract. Differences fail nothing, unless --fail-on-difference is given; the sign of a
    zero is none.

    Exits 0 when every input passes, 1 on a failure, 2 when interrupted, 3 on an internal error, 4 on wrong usage,
    5 when nothing ran.
    """
    chosen = outputs.chosen_by(options)
    wanted, means = _wanted(options), _means(options)
    if options["fail_on_difference"] and wanted.against is None:
        raise UsageError("expected --against MODE with --fail-on-difference: the mode to compare with, such as eager")
    prepared = outputs.prepare(chosen, options["names"])

    from gradproof.cli.sweep_progress import SweepProgress
    from gradproof.cli.sweep_summary import summarise
    from gradproof.results.keeping import Weight
    from gradproof.results.sweeps import differs
    from gradproof.sweep.api import conduct
    from gradproof.sweep.targets import plan

    with prepared.stdout_kept(), interruptible() as interrupts:
        planned = plan(wanted)
        with SweepProgress(quiet=options["quiet"]) as progress:
            result, rows = conduct(wanted, planned, means, progress)
        interrupts.finish()
        code = exit_code(result)
        if code == codes.OK and options["fail_on_difference"] and any(map(differs, result.cells)):
            code = codes.FAILED
        # Written before anything is printed: a full disk behind stdout must not cost the results.
        written = prepared.write_sparing(result, Weight.of(result, interrupted=code == codes.INTERRUPTED))
        summarise(result, rows, written)
    return written.code(code)


def exit_code(result: RunResult) -> int:
    """As that of ``run``."""
    from gradproof.engine.running.run import exit_code as code_of_run

    return codes.INTERRUPTED if not result.run.complete else code_of_run(result)


def _wanted(options: dict[str, Any]) -> Wanted:
    from gradproof.sweep.targets import Wanted

    given = {name: parse(BY_NAME[name], options[name], f"--{name}") for name in REPEATABLE if options[name]}
    several = {f"{name}s": values for name, values in given.items()}
    contract = parse(BY_NAME["contract"], options["contract"], "--contract") if options["contract"] else None
    commands = described(options, options["names"], given.get("format", (DEFAULT,)), given.get("order", ()))
    return Wanted(
        names=(*options["names"], *commands),
        bits=options["bits"],
        numbers=options["numbers"],
        contract=contract,
        implementation=options["implementation"],
        against=_against(options["against"]),
        **several,
    )


def _against(given: str | None) -> str | None:
    """The mode to compare with, spelled as ``--mode`` spells it."""
    if given is None:
        return None
    names = parse(BY_NAME["mode"], (given,), "--against")
    if len(names) != 1:
        raise UsageError(f"expected one mode with --against, got {given}")
    name: str = names[0]
    return name


def _means(options: dict[str, Any]) -> Means:
    from gradproof.sweep.api import Means

    return Means(
        workers=_whole(options, "jobs"),
        cluster=options["cluster"],
        folder=Path(options["folder"]) if options["folder"] else None,
        fresh=options["fresh"],
        seed=_whole(options, "seed"),
        points=_whole(options, "points", least=1),
        shard_limit=_shard_limit(options["shard_limit"]),
    )


def _whole(options: dict[str, Any], key: str, least: int = 0) -> int | None:
    if options[key] is None:
        return None
    number: int = parse(BY_NAME["jobs"], options[key], f"--{key}")
    if number < least:
        raise UsageError(f"expected --{key} of at least {least}, got {number}")
    return number


def _shard_limit(given: str | None) -> float | None:
    """Seconds that a shard may take; None for any number, which the command line calls 0."""
    from gradproof.execution.executors import TIME_LIMIT
    from gradproof.execution.timelimit import MOST_SECONDS

    seconds: float = TIME_LIMIT if given is None else parse(BY_NAME["time-limit"], given, "--shard-limit")
    if not 0 <= seconds <= MOST_SECONDS:
        raise UsageError(f"expected --shard-limit of at least 0 and at most {MOST_SECONDS:g}, got {seconds:g}")
    return seconds or None
