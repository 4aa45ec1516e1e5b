"""``gradproof formulas``: the known ways to write a function, their worst errors, and where they keep the contract."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from gradproof.cli.completion import given
from gradproof.cli.console import columns, console, text
from gradproof.config import BY_NAME, check_known, parse
from gradproof.errors import UsageError
from gradproof.formats import DEFAULT_FORMATS, FORMATS, Format
from gradproof.results.formatting import figure

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.formulas.worst import WorstError
    from gradproof.functions import Function


@click.command("formulas", epilog="Example: gradproof formulas silu --format bfloat16 --order 1")
@click.argument("function", **given("function"))
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT",
    help=f"{', '.join(DEFAULT_FORMATS)}. Repeatable.",
    **given("format"),
)
@click.option("--order", "orders", multiple=True, metavar="N", help="0, 1 or 2; all three by default. Repeatable.")
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the function. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, which says more than the tables.")
def formulas_command(
    function: str, formats: tuple[str, ...], orders: tuple[str, ...], param: tuple[str, ...], as_json: bool
) -> None:
    """Print the formulas known for FUNCTION and its derivatives, the best first.

    The worst error is in units of the contract stable: 1 is its bound. In 16-bit formats it is proven over all inputs:
    no implementation of the formula, whatever its roundings within the stated k, does worse. In float32 and float64 it
    is reached in a fixed sample, so the true one is at least that.
    """
    from gradproof.cli.repro import given_params
    from gradproof.formulas.registry import formulas_of
    from gradproof.formulas.worst import worst_error
    from gradproof.functions import get_function

    params = given_params(param)
    subject = get_function(function, params)
    chosen = [FORMATS[_format(name)] for name in formats or DEFAULT_FORMATS]
    wanted = [_order(n) for n in orders] or [0, 1, 2]
    known = formulas_of(subject.name, wanted)
    if not known:
        raise UsageError(f"no formula of {subject.name!r} is known; a function of yours has none")
    found = [worst_error(f, fmt, params) for fmt in chosen for f in known if f.applies_to(fmt)]
    found.sort(key=lambda w: (w.formula.order, chosen.index(w.format), w.broken, w.error))
    if as_json:
        click.echo(json.dumps([_row(w, params) for w in found], indent=2))
        return
    _show(console(), subject, found)


def _format(name: str) -> str:
    fmt: str = parse(BY_NAME["format"], name, "--format")[0]
    if not FORMATS[fmt].has_infinity:
        raise UsageError(f"formulas are evaluated in formats with infinities; {fmt} has none")
    return fmt


def _order(given: str) -> int:
    order: int = parse(BY_NAME["order"], given, "--order")[0]
    check_known(str(order), ("0", "1", "2"), "order")
    return order


def _show(out: Console, function: Function, found: list[WorstError]) -> None:
    """A table for each order and format."""
    from gradproof.formulas.formula import allowances

    groups: dict[tuple[int, Format], list[WorstError]] = {}
    for worst in found:
        groups.setdefault((worst.formula.order, worst.format), []).append(worst)
    for number, ((order, fmt), rows) in enumerate(groups.items()):
        if number:
            out.print()
        proven = rows[0].evidence == "proven"
        how = f"all {rows[0].inputs:,} inputs, proven" if proven else f"{rows[0].inputs:,} inputs sampled, at least"
        out.print(text((f"{function.label}{chr(39) * order} in {fmt.name}: worst error over {how}", "bold")))
        head = ("worst", "at", "may break", "keeps the contract on", "formula", "k", "mathematics", "used by")
        columns(
            out,
            head,
            [
                (
                    figure(None if math.isinf(w.error) else w.error),
                    _number(w.bits, fmt),
                    f"{100 * w.broken / w.inputs:.2g} %" if w.broken else "-",
                    _kept(w),
                    w.formula.id,
                    ", ".join(
                        f"{name} {room.ulps:g}" for name, room in allowances(w.formula, fmt, function.params).items()
                    )
                    or "-",
                    w.formula.text,
                    w.formula.used,
                )
                for w in rows
            ],
        )


def _number(bits: int, fmt: Format) -> str:
    return f"{float(fmt.decimal(bits)):.5g}"


def _kept(worst: WorstError) -> str:
    """Where the contract is kept: the longest interval, and how many others there are."""
    if worst.keeps_contract:
        return "all" if worst.evidence == "proven" else "all of the sample"
    if not worst.keeps:
        return "none"
    low, high = worst.keeps[0]
    more = f", {len(worst.keeps) - 1} shorter" if len(worst.keeps) > 1 else ""
    return f"[{_number(low, worst.format)}, {_number(high, worst.format)}]{more}"


def _row(worst: WorstError, params: dict[str, str]) -> dict[str, Any]:
    """One formula in one format as JSON; an infinite error is null."""
    from gradproof.formulas.formula import allowances

    formula, fmt = worst.formula, worst.format
    return {
        "id": formula.id,
        "function": formula.function,
        "params": params,
        "order": formula.order,
        "format": fmt.name,
        "formula": formula.text,
        "used": formula.used,
        "style": formula.style,
        "k": {
            name: {"ulps": room.ulps, "absolute": room.absolute}
            for name, room in allowances(formula, fmt, params).items()
        },
        "contract": "stable",
        "worst": None if math.isinf(worst.error) else worst.error,
        "worst_bits": fmt.bits_text(worst.bits),
        "evidence": {"kind": worst.evidence, "n": worst.inputs},
        "may_break": worst.broken,
        "keeps": [[fmt.bits_text(low), fmt.bits_text(high)] for low, high in worst.keeps[:16]],
    }
