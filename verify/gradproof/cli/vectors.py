"""``gradproof vectors``: inputs for a device elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from gradproof.cli import codes
from gradproof.cli.console import say
from gradproof.config import BY_NAME, parse
from gradproof.errors import UsageError
from gradproof.files.destinations import STDOUT
from gradproof.formats import FORMATS

if TYPE_CHECKING:
    from gradproof.formats import Format
    from gradproof.formats.arrays import Bits
    from gradproof.functions import Function

PART: Final = 1 << 20
"""Bit patterns that are written at a time."""
POINTS: Final = {32: 1 << 18, 64: 1 << 14}
"""Inputs by default in formats of more than 16 bits, besides landmarks and special values."""
MOST: Final = 1 << 23


@click.command("vectors", epilog="Example: gradproof vectors gelu --format bfloat16 --order 1 -o in.npy")
@click.argument("function")
@click.option("--format", "fmt", required=True, metavar="FORMAT", help=f"{', '.join(FORMATS)}.")
@click.option("--order", default="0", metavar="N", help="0 the value (default), 1 and 2 the derivatives.")
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the function. Repeatable.")
@click.option("-o", "--output", required=True, metavar="PATH", help=".npy, .safetensors, .bin, .raw; - is stdout, raw.")
@click.option("--all", "every", is_flag=True, help="Every bit pattern of float32, in their order: 16 GiB.")
@click.option("--shard", metavar="K/N", help="The K-th of N equal parts of all bit patterns; 1/256 is the first.")
@click.option("--bits", metavar="LO..HI", help="From which bit pattern to which, both included.")
@click.option("--points", metavar="N", help="Inputs of float32 or float64, a power of two, besides landmarks.")
@click.option("--seed", metavar="N", help=BY_NAME["seed"].help)
def vectors_command(**options: Any) -> int:
    """Write inputs of FUNCTION, for a device whose results `gradproof judge` is to judge.

    Of a format of 16 bits or fewer all bit patterns, in their order. Of float32 and float64 landmarks of the function
    with their neighbours, special values, and one input at random in each of so many strata; or all of a range, which
    `judge --inputs` then names without a file.

    Exits 0 when they are written, 4 on wrong usage.
    """
    from gradproof.cli.repro import given_params
    from gradproof.external import vector_files
    from gradproof.formats import get_format
    from gradproof.functions import get_function

    form = get_format(parse(BY_NAME["format"], options["fmt"], "--format")[0])
    order = the_order(options["order"])
    function = get_function(options["function"], parameters(given_params(options["param"])))
    check_conversion(function, form, order)
    given = inputs_of(function, form, options)
    if isinstance(given, tuple):
        first, last = given
        count = last - first + 1
        vector_files.write(options["output"], form, count, _range(form, first, last))
    else:
        count = int(given.size)
        vector_files.write(options["output"], form, count, [given])
    if options["output"] != STDOUT:
        named = " ".join(f"--param {item}" for item in options["param"])
        again = f"gradproof judge {options['function']} {options['output']} RESULTS --format {form.name}"
        say(f"{count:,} inputs of {form.name} written to {options['output']}; judge the results with")
        say(" ".join(filter(None, [again, f"--order {order}" if order else "", named])))
    return codes.OK


def the_order(text: str) -> int:
    """The one order of ``--order``; UsageError for what is none."""
    order: int = parse(BY_NAME["order"], text, "--order")[0]
    if order not in (0, 1, 2):
        raise UsageError(f"expected --order of 0, 1 or 2, got {order}")
    return order


def parameters(texts: dict[str, str]) -> dict[str, Any]:
    """Parameters as a command line names them: float64, or in quotes exactly what they say; UsageError for others."""
    found: dict[str, Any] = {}
    for name, text in texts.items():
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
        try:
            found[name] = text[1:-1] if quoted else float(text)
        except ValueError:
            raise UsageError(f"expected a number for the parameter {name}, got {text!r}") from None
    return found


def check_conversion(function: Function, fmt: Format, order: int) -> None:
    """UsageError for a conversion from a format that is no wider than its target, and for its derivative."""
    from gradproof.formats import get_format

    if function.rounds_to is None:
        return
    target = get_format(function.rounds_to)
    if target.width >= fmt.width:
        raise UsageError(f"expected a format wider than {target.name} for {function.name}, got {fmt.name}")
    if order:
        raise UsageError(f"expected --order 0 for the conversion {function.name}, got {order}")


def chosen_range(fmt: Format, options: dict[str, Any]) -> tuple[int, int] | None:
    """The range that ``--all``, ``--shard`` or ``--bits`` names; None without any, UsageError for several."""
    from gradproof.sweep.plan import exhaustible, parse_range, whole

    named = [name for name in ("every", "shard", "bits") if options[name]]
    if len(named) > 1:
        raise UsageError("expected one of --all, --shard and --bits")
    if options["bits"]:
        return parse_range(options["bits"], fmt)
    if named and not exhaustible(fmt):
        raise UsageError(f"expected a format whose bit patterns can all be tried, got {fmt.name}; name --bits LO..HI")
    if options["shard"]:
        return _shard(options["shard"], fmt)
    return whole(fmt) if options["every"] else None


def _shard(text: str, fmt: Format) -> tuple[int, int]:
    number, slash, parts = text.partition("/")
    size = 1 << fmt.width
    if not (slash and number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts) <= size):
        raise UsageError(f"expected --shard K/N with K from 1 to N, such as 3/256, got {text!r}")
    k, n = int(number), int(parts)
    return (k - 1) * size // n, k * size // n - 1


def inputs_of(function: Function, fmt: Format, options: dict[str, Any]) -> tuple[int, int] | Bits:
    """First and last of consecutive bit patterns, or a list of inputs."""
    import numpy as np

    from gradproof.engine.request.selection import DEFAULT_SEED
    from gradproof.formats import arrays as fa
    from gradproof.formats import get_format
    from gradproof.strategies import conversion_bits, landmark_bits, stratified

    if chosen := chosen_range(fmt, options):
        return chosen
    if fmt.is_16_bit:
        if options["points"]:
            raise UsageError(f"expected no --points for {fmt.name}: all {1 << fmt.width:,} bit patterns are written")
        return 0, (1 << fmt.width) - 1
    count = POINTS[fmt.width] if options["points"] is None else parse(BY_NAME["jobs"], options["points"], "--points")
    if not 2 <= count <= MOST or count & (count - 1):
        raise UsageError(f"expected --points as a power of two from 2 to {MOST}, got {count}")
    seed = DEFAULT_SEED if options["seed"] is None else parse(BY_NAME["seed"], options["seed"], "--seed")
    if function.rounds_to is not None:
        some = conversion_bits(fmt, get_format(function.rounds_to), count, seed)
    else:
        some = np.concatenate([stratified(fmt, count, seed), landmark_bits(function, fmt)])
    special = [0, 1, fmt.min_normal_bits, fmt.max_bits, fmt.last_bits, fmt.nan_bits, fmt.last_bits + 1]
    both = np.array([b | sign for b in special for sign in (0, fmt.sign_bit)], fa.storage(fmt))
    return fa.distinct(np.concatenate([some, both]))


def _range(fmt: Format, first: int, last: int) -> Iterator[Bits]:
    import numpy as np

    from gradproof.formats.arrays import storage

    for start in range(first, last + 1, PART):
        yield np.arange(start, min(start + PART, last + 1), dtype=storage(fmt))
