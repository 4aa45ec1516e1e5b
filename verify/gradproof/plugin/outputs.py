"""The files that a session is to write, looked at before it begins: formats that nobody offers, places named twice.

Imported where a report is asked for; loads neither NumPy nor the engine.
"""

from __future__ import annotations

import contextlib
import os

import pytest

from gradproof.cli.outputs import RESULTS, report_points
from gradproof.config import check_known
from gradproof.errors import UsageError
from gradproof.files.destinations import destination
from gradproof.plugin.options import Options


def check_files(options: Options) -> None:
    """pytest.UsageError where a report is of a format that nobody offers, or where two files are to go to one place.

    Whether a place can be written is told when it is.
    """
    try:
        _check(options)
    except UsageError as fault:
        raise pytest.UsageError(str(fault)) from None


def _check(options: Options) -> None:
    taken: dict[tuple[object, ...], str] = {}
    for name, path in options.files:
        asked = "--gradproof-json" if name == RESULTS else f"--gradproof-report {name}"
        if name != RESULTS:
            check_known(name, report_points() or ["none installed"], "report format", " for --gradproof-report")
        with contextlib.suppress(OSError, ValueError):
            found = destination(path)
            if found.key in taken:
                raise UsageError(
                    f"expected a path of its own for {asked}, got {path!r}, which {taken[found.key]} names too"
                )
            if str(found.path) != os.devnull:
                taken[found.key] = asked
