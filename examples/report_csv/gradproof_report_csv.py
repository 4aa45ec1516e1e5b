"""A report format: one line of CSV per cell.

Installed, it is written by ``--report csv=cells.csv`` of ``gradproof run``, ``check``, ``sweep``, ``report`` and
``combine``, and by ``pytest --gradproof-report csv=cells.csv``.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

from gradproof.extend import RunResult

COLUMNS = (
    "function", "implementation", "backend", "device", "mode", "format", "order", "property", "status", "magnitude",
    "u_max", "worst_bits", "known_ref", "reason",
)  # fmt: skip


def write_csv(result: RunResult, path: str | os.PathLike[str]) -> None:
    """Write every cell of ``result``; the columns are those of the results file, parameters beside the function."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("params", *COLUMNS))
        for cell in result.cells:
            params = " ".join(f"{name}={value}" for name, value in sorted(cell.params.items()))
            writer.writerow((params, *(getattr(cell, column) for column in COLUMNS)))
