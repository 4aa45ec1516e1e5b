"""``--exec``: a command line in the place of an implementation, for ``check`` and ``sweep``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from gradproof.cli.outputs import check_own_folder
from gradproof.cli.vectors import check_conversion, parameters
from gradproof.errors import UsageError

if TYPE_CHECKING:
    from gradproof.external.command import Command

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
    check_own_folder(FOLDER)
    made = []
    for name in formats:
        fmt = get_format(name)
        filled = [_filled(text, order, name) if order in wanted else "" for order in range(max(wanted) + 1)]
        function = get_function(functions[0], parameters(given_params(params)))
        for order in wanted:
            check_conversion(function, fmt, order)
        for one in filter(None, filled if options.get("cluster") is None else ()):
            _check_there(Command(one))
        label = Path(Command(filled[-1]).words[0]).name
        made_elsewhere = Elsewhere(
            function.name, dict(function.params), label, name, max(wanted), commands=tuple(filled)
        )
        made.append(made_elsewhere.write(FOLDER))
    return tuple(made)


def _check_there(command: Command) -> None:
    """UsageError for a program that is not there, or is none: no implementation failed."""
    name = command.words[0]
    if shutil.which(name) is not None:
        return
    if not Path(name).exists():
        where = "there is no such file" if os.sep in name else "no program of that name is on PATH"
        raise UsageError(f"expected a program with --exec, got {command.text!r}: {where}; name it by its path")
    if Path(name).is_dir():
        raise UsageError(f"expected a program with --exec, got {command.text!r}: {name} is a folder")
    raise UsageError(
        f"expected a program with --exec, got {command.text!r}: {name} is not executable, or not on PATH; make it "
        f"so by chmod +x and call it ./{Path(name).name}, or name its interpreter, as in --exec 'python kernel.py'"
    )


def _filled(text: str, order: int, fmt: str) -> str:
    return text.replace("{order}", str(order)).replace("{format}", fmt)
