"""The results file: its shapes, its JSON Schema, reading, writing, checking and combining. No NumPy here."""

from gradproof.results.combine import combine
from gradproof.results.io import read_results, write_results
from gradproof.results.model import SCHEMA, STATUSES, Cell, RunResult
from gradproof.results.validate import schema, validate

__all__ = [
    "SCHEMA",
    "STATUSES",
    "Cell",
    "RunResult",
    "combine",
    "read_results",
    "schema",
    "validate",
    "write_results",
]
