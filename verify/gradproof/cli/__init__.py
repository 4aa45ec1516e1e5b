"""The command line: ``gradproof run``, ``check`` and the other commands of ``app.COMMANDS``; docs/command-line.md.

``app`` holds the group, its exit codes and its errors; one module per command. Nothing heavy is imported
before a command runs.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from gradproof.cli.codes import INTERRUPTED

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> NoReturn:
    """The console entry point: run the command line and exit with its code.

    From its first line to the end of the process a signal that asks to end is heard, and several are one.
    """
    try:
        from gradproof.interrupts import interruptible

        with interruptible() as interrupts:
            try:
                try:
                    from gradproof.cli.app import program

                    program.main(args=None if args is None else list(args), prog_name="gradproof")
                finally:
                    interrupts.end()
            except KeyboardInterrupt:  # outside of what the program itself reports: a first import, the way out
                interrupts.end()
                sys.exit(INTERRUPTED)
    except KeyboardInterrupt:  # before anything could be heard
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(INTERRUPTED)
    raise AssertionError("unreachable: the program exits")  # pragma: no cover
