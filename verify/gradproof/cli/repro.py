"""``gradproof repro``: one input evaluated again, from its bits."""

from __future__ import annotations

import contextlib
import faulthandler
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gradproof.cli import codes
from gradproof.cli.completion import given
from gradproof.cli.console import console, text
from gradproof.config import BY_NAME, check_known, parse
from gradproof.errors import BackendUnavailable, ImplementationFault, Unsupported, UsageError
from gradproof.formats import FORMATS

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.cli.single_input import EvaluatedInput, Point
    from gradproof.engine.request.selection import Selection
    from gradproof.engine.request.task import Task
    from gradproof.engine.subject.probe import Probe
    from gradproof.results.model import Cell, Number


@click.command(
    "repro",
    epilog="Example: gradproof repro silu --backend torch:cpu --format bfloat16 --order 0 --bits 0xc2b0",
)
@click.argument("function", **given("function"))
@click.option("--backend", required=True, metavar="NAME[:DEVICE]", help="Where, such as torch:cpu.", **given("backend"))
@click.option("--format", "fmt", required=True, metavar="FORMAT", help=f"{', '.join(FORMATS)}.", **given("format"))
@click.option("--order", default="0", metavar="N", help="0 the value (default), 1 and 2 the derivatives.")
@click.option("--bits", multiple=True, metavar="0x...", help="Bit pattern of an input. Repeatable.")
@click.option("--mode", default="eager", metavar="MODE", help="eager (default) or compiled.", **given("mode"))
@click.option("--path", metavar="PATH", help="AD path: reverse or forward.")
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the function. Repeatable.")
@click.option(
    "--property", "claim", metavar="ID", help="The claim (default accuracy, or conversion).", **given("property")
)
@click.option(
    "--file",
    multiple=True,
    metavar="FILE.py",
    help="Where an implementation of yours is registered. Repeatable.",
)
@click.option("--implementation", metavar="NAME", help="Which one, where there are several: <file stem>:<callable>.")
@click.option("--contract", metavar="NAME", help=BY_NAME["contract"].help, **given("contract"))
@click.option("--profile", metavar="NAME", help=BY_NAME["profile"].help, **given("profile"))
@click.option("--seed", metavar="N", help=BY_NAME["seed"].help)
@click.option("--time-limit", metavar="S", help=BY_NAME["time-limit"].help)
@click.option("--script", is_flag=True, help="Print a script that needs the framework and mpmath alone.")
def repro_command(**options: Any) -> int:
    """Evaluate FUNCTION again at the given bits and say whether it still fails.

    Shows the input, what came back, what the oracle certifies, the error, the neighbours and the probable
    cause. Every claim but that of accuracy is checked again as a whole cell, the given inputs among those that it
    tries, and so is one without --bits.

    Exits 1 when it still fails, 0 when it does not, 5 when it cannot be evaluated here.
    """
    out = console()
    try:
        with endings_told():
            return _repro(out, options)
    except ImplementationFault as fault:
        out.print(text(("FAILS", "bold red"), f": {fault}"))
        return codes.FAILED
    except (BackendUnavailable, Unsupported) as why:
        out.print(text(("NOTHING RAN", "bold yellow"), f": {why}"))
        return codes.NOTHING


@contextlib.contextmanager
def endings_told() -> Iterator[None]:
    """Inside, a callable that ends this process does not do so without a word and as a success.

    ``os._exit`` is raised as SystemExit, and a crash in native code shows on stderr where it was called from.
    """
    from gradproof.engine.declared.userfiles import exits_raised

    before = faulthandler.is_enabled()
    if not before:
        with contextlib.suppress(OSError, ValueError):  # a stderr that is no file
            faulthandler.enable()
    try:
        with exits_raised():
            yield
    finally:
        if not before:
            faulthandler.disable()


@dataclass(frozen=True)
class AskedInput:
    """What the options ask for."""

    selection: Selection
    task: Task
    probe: Probe
    bits: list[int]
    usual: str
    """The claim that is judged where none is named."""


def probed(options: Mapping[str, Any]) -> AskedInput:
    """What to evaluate, from the options of ``repro``.

    Raises UsageError where they describe nothing, BackendUnavailable where the backend is missing.
    """
    selection = _selection(options)
    from gradproof.cli import single_input
    from gradproof.cli.options import backends
    from gradproof.engine.judging.certificates import usual_claim
    from gradproof.engine.request.task import Task
    from gradproof.engine.subject.probe import Probe

    fmt = parse(BY_NAME["format"], options["fmt"], "--format")[0]
    order = parse(BY_NAME["order"], options["order"], "--order")[0]
    if order not in (0, 1, 2):
        raise UsageError(f"expected --order of 0, 1 or 2, got {order}")
    (backend,) = backends((options["backend"],), ())
    bits = single_input.parse_bits(options["bits"], fmt)
    function, implementation = single_input.subject(
        options["function"],
        given_params(options["param"]),
        backend,
        files=options["file"],
        implementation=options["implementation"],
    )
    usual = usual_claim(function)
    wanted = options["claim"] or usual
    task = Task(function, implementation, backend, options["mode"], fmt, order, wanted)
    single_input.check_claim(task, options["mode"])
    return AskedInput(selection, task, Probe(task, selection), bits, usual)


def _repro(out: Console, options: dict[str, Any]) -> int:
    from gradproof.cli import single_input

    asked = probed(options)
    task, probe, bits, order = asked.task, asked.probe, asked.bits, asked.task.order
    if options["script"]:
        return _script(probe, task, bits, options["path"])
    out.print(text((_title(task, probe, options["path"]), "bold")))
    out.file.flush()
    wrong: list[int] = []
    for pattern in bits:
        point = single_input.evaluate(probe, pattern, order, options["path"])
        _show(out, point, probe.contract.name if probe.target is None else "correct rounding")
        wrong += [pattern] if point.failing else []
    failing = bool(wrong)
    if not bits or task.property != asked.usual:
        cell = _cell(out, task, asked.selection, options["file"], bits)
        failing = cell.status in ("fail", "error", "known")
        if wrong and not failing:
            out.print(text(f"{task.property} passes: what is wrong above is for {asked.usual} to judge"))
    out.print(text(("FAILS", "bold red") if failing else ("does not fail", "bold green")))
    return codes.FAILED if failing else codes.OK


def _selection(options: Mapping[str, Any]) -> Selection:
    from gradproof.cli.options import selection
    from gradproof.config import Value

    given = {"contract": options["contract"], "profile": options["profile"], "seed": options["seed"]}
    given["time-limit"] = options["time_limit"]
    return selection(
        {k: Value(parse(BY_NAME[k], v, f"--{k}"), "command line") for k, v in given.items() if v is not None}
    )


def given_params(texts: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` texts as a dictionary; UsageError for a text that is none."""
    found = {}
    for item in texts:
        name, equals, value = item.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise UsageError(f"expected --param NAME=VALUE, such as alpha=2.0, got {item!r}")
        found[name.strip()] = value.strip()
    return found


def _script(probe: Probe, task: Task, bits: list[int], path: str | None) -> int:
    from gradproof.cli.script import script

    if len(bits) != 1:
        raise UsageError(f"expected one --bits with --script, got {len(bits)}; a script shows one input")
    if path is not None:
        check_known(path, probe.paths, "path", f" of {probe.implementation.name}")
    click.echo(script(probe, task, bits[0], path), nl=False)
    return codes.OK


def _title(task: Task, probe: Probe, path: str | None) -> str:
    way = f", {path or probe.paths[0]}" if task.order else ""
    mode = "" if task.mode == "eager" else f" {task.mode}"
    what = task.function.label + "'" * task.order
    return f"{what} on {task.backend}{mode} in {task.format}: {task.implementation.name}{way}"


def _show(out: Console, point: Point, contract: str) -> None:
    row = point.row
    out.print()
    _number(out, "x", row.input)
    _number(out, "got", row.got)
    if row.expected is not None:
        _number(out, "expected", row.expected)
    elif point.convention is not None:
        _line(out, "expected", ": ".join(filter(None, ["a convention", point.convention])))
    elif not point.decided:
        _line(out, "expected", "undecided: the oracle could not certify the value")
    if point.enclosure is not None:
        found = point.enclosure
        precision = f" at {found.precision} bits" if found.precision else ""
        ends = found.lower if found.lower == found.upper else f"{found.lower} to {found.upper}"
        how = {"exact": "exact", "arb": "certified by arb"}.get(found.certified, found.certified)
        _line(out, "exactly", f"{ends} ({how}{precision})")
    if not math.isnan(point.u):
        _line(out, "error", f"u = {point.u:.4g} ulp, m = {point.m:.4g}, absolute {point.absolute:.4g}")
        held = "breaks it" if point.failing else "holds"
        felt = "" if not point.failing else ", felt in training" if point.felt else ", not felt in training"
        excused = " (the error is the backend's flushing of subnormals)" if point.excused else ""
        _line(
            out,
            "contract",
            f"{contract}: {point.magnitude:.4g} times its bound, {held}{felt}{excused}",
        )
    if point.cause:
        _line(out, "cause", f"{point.cause} (probable)")
    if point.neighbours:
        _neighbours(out, point.neighbours)


def _neighbours(out: Console, rows: list[EvaluatedInput]) -> None:
    from gradproof.cli.console import columns

    out.print(text(("  neighbours", "dim")))
    columns(
        out,
        ("    x", "got", "expected"),
        [
            (
                f"    {r.input.decimal} {r.input.bits}",
                r.got.decimal,
                r.expected.decimal if r.expected else "a convention",
            )
            for r in rows
        ],
    )


def _number(out: Console, name: str, number: Number) -> None:
    _line(out, name, f"{number.decimal}  {number.hex}  {number.bits}")


def _line(out: Console, name: str, value: str) -> None:
    out.print(text((f"  {name:<9} ", "dim"), value))


def _cell(out: Console, task: Task, selection: Selection, files: tuple[str, ...], bits: list[int]) -> Cell:
    """Judge the whole cell, ``bits`` among its inputs where the claim takes any, and show it."""
    from gradproof.cli.failures import show
    from gradproof.cli.progress import cell_line
    from gradproof.cli.single_input import judged

    cell = judged(task, selection, files[0] if files else None, bits)
    out.print()
    if cell.status == "not-run":
        raise BackendUnavailable(cell.reason)
    if cell.status == "unsupported":
        raise Unsupported(cell.reason)
    if cell.status in ("fail", "error", "known"):
        show(out, cell)
    else:
        out.print(cell_line(cell))
    return cell
