"""``gradproof judge``: results that were made elsewhere."""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gradproof.cli import codes, outputs
from gradproof.cli.console import columns, console, count, say, text
from gradproof.cli.options import written_options
from gradproof.cli.vectors import check_conversion, parameters, the_order
from gradproof.config import BY_NAME, SHORTHANDS, check_known, parse
from gradproof.errors import UsageError
from gradproof.files.destinations import STDOUT
from gradproof.formats import FORMATS
from gradproof.interrupts import interruptible

if TYPE_CHECKING:
    from gradproof.backends.base import Traits
    from gradproof.cli.outputs import Outputs
    from gradproof.external.description import Elsewhere
    from gradproof.external.golden import Golden
    from gradproof.formats import Format
    from gradproof.functions import Function
    from gradproof.results.model import RunResult
    from gradproof.sweep.recorded import Recorded

KEPT: Final = 1 << 26
"""Bytes from standard input that are kept for `gradproof repro`; more are deleted when they are judged."""
SHOWN: Final = 20
"""Wrong rows of a golden file that are printed; the rest are counted."""
GOLDEN_CONTRACT: Final = "faithful"
"""What golden values are held to unless something else is said: less than one ulp."""


@click.command("judge", epilog="Example: gradproof judge gelu in.npy out.npy --format bfloat16 --order 1")
@click.argument("function")
@click.argument("files", nargs=-1, metavar="[INPUTS] RESULTS")
@click.option("--format", "fmt", required=True, metavar="FORMAT", help=f"{', '.join(FORMATS)}.")
@click.option("--order", default="0", metavar="N", help="0 the value (default), 1 and 2 the derivatives.")
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the function. Repeatable.")
@click.option("--inputs", metavar="all|LO..HI|K/N", help="Consecutive bit patterns, in place of a file of inputs.")
@click.option("--golden", metavar="FILE.csv|FILE.json", help="Published values to judge, in place of the files.")
@click.option("--columns", "names", metavar="X,Y", help="The golden file's columns of inputs and outputs.")
@click.option("--notation", default="auto", metavar="HOW", help="Its numbers: auto (default), decimal, hex or bits.")
@click.option("--ftz/--no-ftz", default=None, help="Whether the device flushes subnormal results; else inferred.")
@click.option("--daz/--no-daz", default=None, help="Whether it reads subnormal inputs as 0; else inferred.")
@click.option("--implementation", metavar="NAME", help="What the results are of; default the name of their file.")
@click.option("--contract", metavar="NAME", help=BY_NAME["contract"].help)
@click.option("--jobs", "--workers", "jobs", metavar="N", help="Worker processes of a sweep; default one per core.")
@written_options(*outputs.WITHOUT_FORMAT, *SHORTHANDS, "report")
@click.option("-v", "--verbose", is_flag=True, help="Say more: every cell as it is judged, every group.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing until the summary.")
def judge_command(**options: Any) -> int:
    """Judge RESULTS of FUNCTION at INPUTS, whatever device or program they come from.

    Files are .npy, .safetensors, or raw little-endian bits (.bin, .raw); RESULTS may be - for raw bits on standard
    input. Consecutive bit patterns need no file of inputs: --inputs all. Results of a conversion (to_bfloat16) come in
    its target's format. A device that flushes subnormal numbers is not blamed for it: --ftz and --daz declare that,
    and without them the results tell.

    Findings, cells and files are those of `gradproof check`. Exits 0 when every input passes, 1 on a failure, 2 when
    interrupted, 3 on an internal error, 4 on wrong usage, 5 when nothing was judged.
    """
    from gradproof.cli.repro import given_params
    from gradproof.formats import get_format
    from gradproof.functions import get_function

    form = get_format(parse(BY_NAME["format"], options["fmt"], "--format")[0])
    order = the_order(options["order"])
    function = get_function(options["function"], parameters(given_params(options["param"])))
    check_conversion(function, form, order)
    _check_files(options)
    usual = GOLDEN_CONTRACT if options["golden"] else "stable"
    contract = parse(BY_NAME["contract"], options["contract"], "--contract") if options["contract"] else usual
    from gradproof.sweep.recorded import FOLDER

    outputs.check_own_folder(FOLDER)
    out = outputs.prepare(outputs.chosen_by(options), [f for f in options["files"] if f != STDOUT])
    with contextlib.ExitStack() as stack:
        golden, made = _made(function, form, order, options, stack)
        from gradproof.sweep.recorded import prepared

        found = prepared(made, contract)
        if not options["quiet"]:
            _introduce(found, golden, form)
        return _judged(found, golden, form, contract, options, out)


def _check_files(options: dict[str, Any]) -> None:
    files = options["files"]
    if options["golden"]:
        if files or options["inputs"]:
            raise UsageError("expected no other files beside --golden: it holds inputs and outputs")
        from gradproof.external.golden import NOTATIONS

        check_known(options["notation"], NOTATIONS, "notation")
        return
    if options["names"] or options["notation"] != "auto":
        raise UsageError("expected --golden FILE with --columns and --notation")
    if options["inputs"] and len(files) != 1:
        raise UsageError(f"expected one file, of results, beside --inputs, got {count(len(files), 'file')}")
    if not options["inputs"] and len(files) != 2:
        raise UsageError(
            f"expected a file of inputs and one of results, or --inputs all and one of results, got "
            f"{count(len(files), 'file')}; `gradproof vectors` writes inputs"
        )
    if not options["inputs"] and files[0] == STDOUT:
        raise UsageError("expected a file of inputs, got -; only results are read from standard input")


def _made(
    function: Function, fmt: Format, order: int, options: dict[str, Any], stack: contextlib.ExitStack
) -> tuple[Golden | None, Elsewhere]:
    """What is to be judged, as plain data; what is kept for the time being alone is removed by ``stack``."""
    from gradproof.backends.base import Traits
    from gradproof.external.description import Elsewhere
    from gradproof.sweep.recorded import FOLDER

    flags = options["ftz"], options["daz"]
    traits = None if flags == (None, None) else Traits(bool(flags[0]), bool(flags[1]))
    golden = None
    given: str | tuple[int, int]
    if options["golden"]:
        golden, given, results = _golden(function, fmt, order, traits, options)
        label = Path(options["golden"]).name
    else:
        *named, results = options["files"]
        label = "stdin" if results == STDOUT else Path(results.partition(".safetensors:")[0]).name
        given = _range(options["inputs"], fmt) if options["inputs"] else named[0]
        if results == STDOUT:
            results = _from_stdin(FOLDER / f"stdin-{function.name}-{fmt.name}-order{order}.bin", stack)
    made = Elsewhere(
        function=function.name, params=dict(function.params), name=options["implementation"] or label,
        format=fmt.name, order=order, traits=traits, inputs=given, results=results,
    )  # fmt: skip
    return golden, made


def _range(given: str, fmt: Format) -> tuple[int, int]:
    """The consecutive inputs of ``--inputs``."""
    from gradproof.cli.vectors import chosen_range

    named = {"every": given == "all", "shard": given if "/" in given else None, "bits": None}
    if not (named["every"] or named["shard"]):
        named["bits"] = given
    found = chosen_range(fmt, named)
    assert found is not None
    return found


def _from_stdin(path: Path, stack: contextlib.ExitStack) -> str:
    from gradproof.external.vector_files import spooled

    spooled(sys.stdin.buffer, path)
    if path.stat().st_size > KEPT:
        stack.callback(path.unlink, missing_ok=True)
    return str(path)


def _golden(
    function: Function, fmt: Format, order: int, traits: Traits | None, options: dict[str, Any]
) -> tuple[Golden, str, str]:
    """The rows of a golden file, and where they lie as arrays; of several for one input the one that is most wrong."""
    import numpy as np

    from gradproof.external import vector_files
    from gradproof.external.golden import read_golden
    from gradproof.sweep.recorded import FOLDER, judged_rows

    names = tuple(n.strip() for n in options["names"].split(",")) if options["names"] else ()
    if options["names"] and len(names) != 2:
        raise UsageError(f"expected --columns X,Y, got {options['names']!r}")
    golden = read_golden(options["golden"], fmt, names, options["notation"])
    rows = golden.inputs, golden.outputs
    errors, _ = judged_rows(function, fmt.name, order, rows, GOLDEN_CONTRACT, traits)
    worst = np.lexsort((-np.nan_to_num(errors.u, nan=-1.0, posinf=np.inf), golden.inputs))
    kept = worst[np.unique(golden.inputs[worst], return_index=True)[1]]
    FOLDER.mkdir(parents=True, exist_ok=True)
    stem = f"golden-{Path(options['golden']).stem}-{function.name}-{fmt.name}-order{order}"
    paths = [str(FOLDER / f"{stem}-{which}.bin") for which in ("inputs", "outputs")]
    for path, bits in zip(paths, rows, strict=True):
        vector_files.write(path, fmt, int(kept.size), [bits[kept]])
    return golden, paths[0], paths[1]


def _introduce(found: Recorded, golden: Golden | None, fmt: Format) -> None:
    """What is judged, and what its device flushes, on stderr."""
    say(f"{found.inputs.count:,} results of {found.made.specification.label} in {fmt.name}, order {found.made.order}")
    traits = found.made.traits
    assert traits is not None
    declared = " and ".join(n for n, on in (("FTZ", traits.flushes_results), ("DAZ", traits.zeros_inputs)) if on)
    said = f"declared: {declared or 'no flushing'}" if found.flushing == "declared" else found.flushing
    say(f"subnormal numbers: {said}")
    if golden is not None and golden.moved:
        say(f"{golden.moved:,} inputs are no numbers of {fmt.name} as they are written, and were rounded to it")


def _judged(
    found: Recorded, golden: Golden | None, fmt: Format, contract: str, options: dict[str, Any], out: Outputs
) -> int:
    from gradproof.engine.running.run import exit_code
    from gradproof.results.keeping import Weight
    from gradproof.sweep.recorded import judge_listed, judge_swept

    rows = None
    with out.stdout_kept(), interruptible() as interrupts:
        if found.swept:
            from gradproof.cli.sweep_progress import SweepProgress

            workers = parse(BY_NAME["jobs"], options["jobs"], "--jobs") if options["jobs"] is not None else None
            with SweepProgress(quiet=options["quiet"]) as observer:
                result, rows = judge_swept(found, contract, workers, observer)
        else:
            from gradproof.cli.progress import RunProgress

            with RunProgress(quiet=options["quiet"], verbose=options["verbose"]) as progress:
                result = judge_listed(found, contract, progress)
        interrupts.finish()
        code = codes.INTERRUPTED if not result.run.complete else exit_code(result)
        # Written before anything is printed: a full disk behind stdout must not cost the results.
        written = out.write_sparing(result, Weight.of(result, interrupted=code == codes.INTERRUPTED))
        if code != codes.INTERRUPTED:
            shutil.rmtree(Path(found.path).parent / "shards", ignore_errors=True)
        if code == codes.OK:  # there is nothing to look at again
            Path(found.path).unlink(missing_ok=True)
        if rows is not None:
            from gradproof.cli.sweep_summary import summarise as summarise_sweep

            _findings(result)
            summarise_sweep(result, rows, written)
        else:
            from gradproof.cli.summary import summarise

            summarise(result, code, written, verbose=options["verbose"])
        if golden is not None:
            _wrong_rows(found, golden, fmt, contract)
    return written.code(code)


def _findings(result: RunResult) -> None:
    from gradproof.cli.failures import failing
    from gradproof.cli.findings import show_finding

    out = console()
    for finding in result.findings:
        show_finding(out, finding, failing(result))
        out.print()


def _wrong_rows(found: Recorded, golden: Golden, fmt: Format, contract: str) -> None:
    """Which rows of a golden file are wrong, and by how much."""
    from gradproof.sweep.recorded import judged_rows

    made, rows = found.made, (golden.inputs, golden.outputs)
    errors, due = judged_rows(made.specification, made.format, made.order, rows, contract, made.traits)
    out = console()
    wrong = [i for i, bad in enumerate(errors.failing) if bad]
    total = count(int(golden.inputs.size), "row")
    if not wrong:
        out.print(text(f"all of {total} of the golden file keep the contract {contract}"))
        return
    out.print(text((f"{len(wrong)} of {total} of the golden file are wrong:", "bold red")))
    shown = sorted(wrong, key=lambda i: (-errors.u[i], i))[:SHOWN]
    columns(
        out,
        ("  row", "x", "golden", "right", "ulp"),
        [
            (
                f"  {golden.lines[i]}", fmt.decimal(int(golden.inputs[i])), fmt.decimal(int(golden.outputs[i])),
                due[i], f"{errors.u[i]:.4g}",
            )
            for i in sorted(shown)
        ],
    )  # fmt: skip
    if len(wrong) > len(shown):
        out.print(text(f"  ... and {len(wrong) - len(shown)} more, the worst are shown"))
