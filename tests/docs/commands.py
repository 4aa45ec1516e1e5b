"""Command lines of pages and workflows, held to the command line that there is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click

from gradproof.cli.app import program

ENDS = {"|", "||", "&&", ";", ">", ">>", "2>", "<"}
"""Words at which a command ends."""


def in_page(text: str) -> list[str]:
    """The commands of gradproof in the consoles of a page, folded lines joined, comments left out."""
    consoles = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [c for console in consoles for c in in_script(re.sub(r"^\$ ", "", console, flags=re.MULTILINE))]


def in_script(text: str) -> list[str]:
    """The commands of gradproof in a script."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line[found.end(1) :] for line in lines if (found := re.search(r"(^\s*|&& |\|\| )gradproof [a-z]", line))]


def words(command: str) -> list[str]:
    """The words of a command up to where it ends, without its name."""
    found = shlex.split(command, comments=True)
    end = next((n for n, word in enumerate(found) if word in ENDS), len(found))
    return found[1:end]


def fault(arguments: Sequence[str]) -> str:
    """Why gradproof would refuse these arguments before any work; empty where it would not."""
    try:
        name, command, rest = program.resolve_command(click.Context(program), list(arguments))
        assert command is not None
        command.make_context(name, rest, parent=click.Context(program))
    except click.UsageError as refused:
        return refused.format_message()
    except click.exceptions.Exit:  # --help
        pass
    return ""
