"""``--exec``: a command line in the place of an implementation, for ``check`` and ``sweep``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from gradproof.cli.vectors import check_conversion, parameters
from gradproof.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

FOLDER: Final = Path(".gradproof") / "commands"
"""Where the descriptions of commands lie."""


def exec_options(command: F) -> F:
    """Add the options of a command line that is an implementation, by the names that ``described`` reads."""
    command = click.option(
        "--param", multiple=True, metavar="NAME=VALUE", help="With --exec: a parameter of the function. Repeatable."
    )(command)
    return click.option(
        "--exec",
        "exec_",
        metavar="COMMAND",
        help="A program that reads raw bits on stdin and writes raw bits on stdout, in place of files; {order} and "
        "{format} in it are filled in.",
    )(command)


def described(
    options: Mapping[str, Any], functions: tuple[str, ...], formats: tuple[str, ...], orders: tuple[int, ...]
) -> tuple[str, ...]:
    """The paths of the descriptions that stand for ``--exec``, one for each format; none without it.

    Raises UsageError for several functions, and for several formats or orders that the command does not tell apart.
    """
    text, params = options["exec_"], options["param"]
    if text is None:
        if params:
            raise UsageError("expected --exec COMMAND with --param; implementations in files name their own")
        return ()
    from gradproof.cli.repro import given_params
    from gradproof.external.command import Command
    from gradproof.external.description import Elsewhere
    from gradproof.formats import get_format
    from gradproof.functions import get_function

    if len(functions) != 1:
        raise UsageError(f"expected one function that {text!r} computes, got {', '.join(functions) or 'none'}")
    wanted = orders or (0,)
    if len(formats) != 1 and (not formats or "{format}" not in text):
        raise UsageError(
            f"expected one --format, in which {text!r} takes and gives bits, got {', '.join(formats) or 'none'}; with "
            "{format} in the command there can be several"
        )
    if len(wanted) != 1 and "{order}" not in text:
        listed = ", ".join(map(str, wanted))
        raise UsageError(f"expected one --order, which {text!r} computes, got {listed}; write {{order}} in the command")
    made = []
    for name in formats:
        fmt = get_format(name)
        filled = [_filled(text, order, name) if order in wanted else "" for order in range(max(wanted) + 1)]
        function = get_function(functions[0], parameters(given_params(params)))
        for order in wanted:
            check_conversion(function, fmt, order)
        label = Path(Command(filled[-1]).words[0]).name
        one = Elsewhere(function.name, dict(function.params), label, name, max(wanted), commands=tuple(filled))
        made.append(one.write(FOLDER))
    return tuple(made)


def _filled(text: str, order: int, fmt: str) -> str:
    return text.replace("{order}", str(order)).replace("{format}", fmt)
