"""``gradproof study relu-at-zero``: the options, the table and the file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from gradproof.extend import (
    Output,
    UsageError,
    Weight,
    Written,
    chosen_backends,
    exit_codes,
    interruptible,
    prepare_outputs,
    terminal,
    write_text,
)

if TYPE_CHECKING:
    from gradproof_properties.studies.mnist import Images
    from gradproof_properties.studies.relu_at_zero import Measured, Result, StudyPlan

SCHEMA: Final = "gradproof-study/1"
INITIALISATIONS: Final = 100
FORMATS: Final = ("float64", "float32", "float16", "bfloat16")
LIMITS: Final = {"layers": 64, "width": 16384}


class Numbers(click.ParamType):  # type: ignore[type-arg]  # generic in click's newest versions only
    """Whole numbers of 1 and more, divided by commas."""

    name = "N,N,..."

    def __init__(self, most: int) -> None:
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers in ascending order, each once."""
        if isinstance(value, tuple):
            return value
        words = [w.strip() for w in str(value).split(",")]
        if not all(w.isascii() and w.isdigit() and 1 <= int(w) <= self.most for w in words):
            self.fail(f"expected whole numbers from 1 to {self.most} such as 1,3,6, got {value!r}", param, ctx)
        return tuple(sorted({int(w) for w in words}))


@click.command(
    "relu-at-zero",
    epilog="Example: gradproof study relu-at-zero --layers 3 --width 16,64,256 --format float32 --format float64",
)
@click.option("--backend", "named", multiple=True, metavar="NAME[:DEVICE]", help="Default torch:cpu. Repeatable.")
@click.option("--format", "formats", multiple=True, type=click.Choice(FORMATS), help="Default float32. Repeatable.")
@click.option("--layers", type=Numbers(LIMITS["layers"]), default="1,3,6", show_default=True, help="Hidden layers.")
@click.option(
    "--width", "widths", type=Numbers(LIMITS["width"]), default="256", show_default=True, help="Units a layer."
)
@click.option(
    "--initialisations", type=click.IntRange(1), default=INITIALISATIONS, show_default=True, help="Of each network."
)
@click.option("--batch", type=click.IntRange(1), default=256, show_default=True, help="Rows of a batch.")
@click.option("--batches", type=click.IntRange(1), help="Batches of the epoch to look at; default all of them.")
@click.option(
    "--data", metavar="PATH", help="MNIST's IDX files or mnist.npz, or their folder; default synthetic images."
)
@click.option(
    "--bias",
    type=click.Choice(("column", "added")),
    default="column",
    show_default=True,
    help="Added within the matrix product, before its rounding, or to its result.",
)
@click.option(
    "--scan",
    type=click.Choice(("all", "first")),
    default="all",
    show_default=True,
    help="Look at every batch, or leave an initialisation once it is hit: cheaper where zeros are frequent.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of parameters and images.")
@click.option("--jobs", type=click.IntRange(1), help="Initialisations at a time; default one per core, 1 on CUDA.")
@click.option("--max-seconds", type=click.FloatRange(0, min_open=True), help="End with what was done until then.")
@click.option("--json", "json_path", metavar="PATH", help="Write counts, intervals, settings and versions.")
def relu_at_zero(
    named: tuple[str, ...], formats: tuple[str, ...], data: str | None, seed: int, jobs: int | None,
    max_seconds: float | None, json_path: str | None, **settings: Any,
) -> int:  # fmt: skip
    """How often the first layer's gradient depends on ReLU'(0), beside Bertoin et al. (2021).

    Counts the initialisations of a ReLU network whose first-layer gradient differs between f'(0) = 0 and f'(0) = 1 in
    some batch of an epoch, no step taken, and the pre-activations that are exactly 0. Prints both with 95 % intervals.

    Ctrl-C and --max-seconds print what was done until then.
    """
    from gradproof_properties.studies import mnist, relu_at_zero

    wanted = [] if json_path is None else [Output("json", json_path)]
    outputs = prepare_outputs(wanted, [] if data is None else [data], {"json": _write})
    plan = relu_at_zero.StudyPlan(
        _backends(named), tuple(dict.fromkeys(formats)) or ("float32",), seed=seed, **settings
    )
    images = mnist.load(data) if data is not None else mnist.synthetic(seed)
    watch = _progress(plan)
    interrupted = "interrupted"
    with outputs.stdout_kept(), interruptible() as interrupts:
        result = relu_at_zero.run(plan, images, jobs=jobs or _jobs(plan), max_seconds=max_seconds, watch=watch)
        interrupts.finish()
        used = images.first(plan.batch * plan.batches) if plan.batches else images
        found = sum(len(m.found) for m in result.measured)
        weight = Weight(found, not result.stopped, result.stopped == interrupted)
        written = outputs.write_sparing(_document(result, used), weight)
        _print(result, used, written)
    code = exit_codes.OK if found else exit_codes.NOTHING
    return written.code(exit_codes.INTERRUPTED if result.stopped == interrupted else code)


def _write(document: dict[str, Any], path: str) -> None:
    write_text(json.dumps(document, indent=2) + "\n", path, "study")


def _backends(named: tuple[str, ...]) -> tuple[str, ...]:
    """Ids of the backends asked for, or of the first that is here; UsageError where one is not."""
    from gradproof.extend import availability

    if not named:
        return (next(i for i in ("torch:cpu", "jax:cpu", "numpy:cpu") if availability(i).available),)
    ids = chosen_backends(named, ())
    for name in ids:
        state = availability(name)
        if not state.available:
            raise UsageError(f"the backend {name} is not here: {state.reason}")
    return ids


def _jobs(plan: StudyPlan) -> int:
    return 1 if any(b.endswith(":cuda") for b in plan.backends) else os.cpu_count() or 1


def _progress(plan: StudyPlan) -> Callable[[Measured], None]:
    """Says on a terminal how far it is; silent elsewhere."""

    def show(measured: Measured) -> None:
        done = f"{len(measured.found)} of {plan.initialisations}"
        terminal.status(f"{measured.backend} {measured.format} width {measured.width}: {done}")

    return show


def _document(result: Result, images: Images) -> dict[str, Any]:
    """The file: everything that somebody needs to check or to repeat it."""
    from gradproof.extend import environment, get_backend

    return {
        "schema": SCHEMA,
        "study": "relu-at-zero",
        "environment": environment(),
        "backends": {b: get_backend(b).versions() for b in result.plan.backends},
        "data": images.to_json(),
        **result.to_json(),
    }


HEAD: Final = (
    "backend", "format", "layers", "width", "inits", "hit", "share % [95 %]", "published %", "within", "zeros",
    "ReLU calls", "P(z = 0) [95 %]", "density x spacing",
)  # fmt: skip


def _print(result: Result, images: Images, written: Written) -> None:
    out = terminal.console()
    terminal.columns(out, HEAD, [_cells(row) for row in result.rows])
    for line in ("", *_notes(result, images), *written.lines()):
        out.print(terminal.text(line))


def _notes(result: Result, images: Images) -> list[str]:
    """What a reader of the table must know."""
    from gradproof_properties.studies import published

    shown, plan = images.to_json(), result.plan
    rates = ", ".join(
        f"{low:.2g} in {fmt}" if low == high else f"{low:.2g} to {high:.2g} in {fmt}"
        for fmt, (low, high) in published.RATES.items()
    )
    rows = terminal.count(shown["rows"], "row")
    data = f"{shown['source']}, {rows}, {100 * shown['nonzero_share']:.1f} % of the pixels not 0"
    hit = "the first layer's gradient differs between f'(0) = 0 and f'(0) = 1 in some batch"
    notes = [
        f"data: {data}; batches of {plan.batch}, seed {plan.seed}, {terminal.duration(result.seconds)}",
        f"hit: {hit}; depths of one width share their initialisations",
        "intervals: Clopper-Pearson (share), Garwood (P)",
        f"published: {published.SOURCE}; P derived from it: {rates}",
    ]
    if not result.comparable:
        notes.append(
            f"published shares are of {published.ROWS} rows in batches of {published.BATCH}: this run has others"
        )
    elif images.synthetic:
        notes.append("the published figures are of MNIST itself; --data PATH measures on its files")
    if result.stopped:
        notes.append(f"ended early ({result.stopped}): the counts are of the initialisations that were finished")
        if plan.scan == "first":
            notes.append("those given up had no hit yet at some depth, so that the shares are a little too high")
    return notes


def _cells(row: dict[str, Any]) -> list[str]:
    if not row["initialisations"]:
        measured = ["-", "-"]
    else:
        low, high = (100 * end for end in row["share_interval"])
        measured = [str(row["hit"]), f"{100 * row['share']:.1f} [{low:.1f}, {high:.1f}]"]
    published = " / ".join(f"{p:.1f}" for p in row["published_percent"]) or "-"
    within = " / ".join("yes" if inside else "no" for inside in row["published_inside"]) or "-"
    rate = "-"
    if row["rate"] is not None:
        low, high = row["rate_interval"]
        rate = f"{row['rate']:.1e} [{low:.1e}, {high:.1e}]"
    network = [row["backend"], row["format"], str(row["layers"]), str(row["width"]), str(row["initialisations"])]
    predicted = "-" if row["rate_predicted"] is None else f"{row['rate_predicted']:.1e}"
    return [*network, *measured, published, within, str(row["zeros"]), f"{row['relu_calls']:.2e}", rate, predicted]
