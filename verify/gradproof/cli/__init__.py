"""The command line: ``gradproof run``, ``check``, ``list``, ``doctor``, ``sweep``, ``repro``, ``report``,
``combine``, ``compare``, ``config``.

``app`` holds the group, its exit codes and its errors; one module per command. Nothing heavy is imported
before a command runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> NoReturn:
    """The console entry point: run the command line and exit with its code."""
    from gradproof.cli.app import program

    program.main(args=None if args is None else list(args), prog_name="gradproof")
    raise AssertionError("unreachable: the program exits")  # pragma: no cover
