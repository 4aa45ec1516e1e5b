"""The group of commands: lazy loading, exit codes, and errors without tracebacks for the user's mistakes."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Final, NoReturn

import click
from click.shell_completion import shell_complete

from gradproof._version import __version__
from gradproof.cli import codes
from gradproof.cli.completion import VARIABLE
from gradproof.cli.console import TRACEBACK, say, trace
from gradproof.cli.streams import flushed, lasting
from gradproof.errors import GradproofError, GradproofWarning, UsageError, WriteError
from gradproof.interrupts import interruptible

COMMANDS: Final = {
    "run": ("gradproof.cli.run", "Check the catalogue on the frameworks of this machine."),
    "check": ("gradproof.cli.run", "Check what your files register."),
    "explain": ("gradproof.cli.explain", "What is wrong with one implementation, fault by fault."),
    "list": ("gradproof.cli.listing", "Functions, backends, properties, formats, implementations."),
    "doctor": ("gradproof.cli.doctor", "What is here, what is missing, and what it would take."),
    "sweep": ("gradproof.cli.sweep", "Judge every bit pattern of a format, or of a range."),
    "vectors": ("gradproof.cli.vectors", "Inputs for a device elsewhere, whose results `judge` takes."),
    "judge": ("gradproof.cli.judge", "Judge results made elsewhere, or published golden values."),
    "repro": ("gradproof.cli.repro", "Evaluate one input again, from its bits."),
    "formulas": ("gradproof.cli.formulas", "The known ways to write a function, each with its worst error."),
    "report": ("gradproof.cli.reporting", "Make HTML, Markdown or JUnit from results files."),
    "combine": ("gradproof.cli.reporting", "Many results files into one."),
    "claims": ("gradproof.cli.claims", "Which claims hold, by backend and format, and where they do not."),
    "study": ("gradproof.cli.study", "Measure what a publication measured, and print both."),
    "compare": ("gradproof.cli.compare", "What changed between two results files."),
    "completion": ("gradproof.cli.completion", "Completion for bash, zsh and fish."),
    "config": ("gradproof.cli.configuration", "The settings in force, and where each comes from."),
}
"""Command -> module that defines it as ``<name>_command``, and its line in ``gradproof --help``."""


class Program(click.Group):
    """The ``gradproof`` command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command; None for an unknown one."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(COMMANDS[cmd_name][0]), f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was named; a usage error with a suggestion when there is none."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(COMMANDS)}"
            ctx.fail(f"unknown command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with one line each, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = "gradproof",
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run and exit: every error becomes one line on stderr and an exit code of ``codes``."""
        if instruction := os.environ.get(VARIABLE):
            sys.exit(shell_complete(self, {}, prog_name or "gradproof", VARIABLE, instruction))
        with lasting(), interruptible() as interrupts:
            try:
                with _plain_warnings():
                    code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            except BaseException as fault:
                code = _report_fault(_interrupt(fault) if interrupts.asked else fault)
            if why := flushed():
                say(f"error: standard output could not be written: {why}")
                code = codes.INTERNAL
        sys.exit(code if isinstance(code, int) else codes.OK)


def _interrupt(fault: BaseException) -> BaseException:
    """What ``fault`` means once somebody asked to end: an import that is broken off raises whatever it likes."""
    ours = isinstance(fault, click.exceptions.Exit | WriteError)
    return fault if ours else KeyboardInterrupt()


def _report_fault(fault: BaseException) -> int:
    """Say what went wrong, on stderr, and return the exit code."""
    match fault:
        case click.exceptions.Exit():
            return fault.exit_code
        case SystemExit():
            # Somebody's code called sys.exit: whatever it meant by its code, this run did not end well.
            say(f"internal error: the run was ended by sys.exit({fault.code!r})")
            return codes.INTERNAL
        case click.exceptions.NoArgsIsHelpError():
            fault.show()
            return codes.USAGE
        case click.ClickException():
            hint = ""
            if isinstance(fault, click.UsageError) and fault.ctx is not None:
                hint = f"\ntry '{fault.ctx.command_path} --help'"
            say(f"error: {_lowered(fault.format_message())}{hint}")
            return codes.USAGE
        case UsageError():
            say(f"error: {fault}")
            trace(fault)
            return codes.USAGE
        case KeyboardInterrupt() | click.Abort():
            say("interrupted")
            return codes.INTERRUPTED
        case WriteError():
            say(f"error: {fault}")
        case GradproofError():
            say(f"error: {type(fault).__name__}: {fault}")
        case _:
            say(f"internal error: {type(fault).__name__}: {fault}")
    if not trace(fault):
        click.echo(f"set {TRACEBACK}=1 for the traceback", err=True)
    return codes.INTERNAL


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Inside, a GradproofWarning is one line on stderr like an error, without the line of source that gave it."""
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
        if issubclass(category, GradproofWarning):
            say(f"warning: {message}")
        else:
            shown(message, category, *more, **named)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = shown


def _lowered(text: str) -> str:
    """click's sentences begin with a capital; ours continue after ``error:``."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


@click.group(
    cls=Program,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Example: gradproof run --backend numpy --function silu",
)
@click.version_option(__version__, "-V", "--version", message="gradproof %(version)s")
def program() -> None:
    """Certified verdicts about activation functions and their derivatives."""
