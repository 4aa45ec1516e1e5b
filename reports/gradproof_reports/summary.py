"""What every report says about a run in words: counts, the worst failure, short names and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from gradproof.extend import FORMATS, PRIMES, SEVERITIES, Cell, RunResult, function_label, kernel_origin, with_origin

FAILING: Final = ("fail", "error")
"""Statuses that make a run red."""

STATUS_WORDS: Final = {
    "fail": "failed",
    "error": "crashed",
    "undecided": "undecided",
    "known": "known",
    "unsupported": "unsupported",
    "not-run": "not run",
    "pass": "passed",
}

CAUSE_WORDS: Final = {
    "flush": "Flush to zero",
    "cancellation": "Cancellation",
    "intermediate-overflow": "Overflow on the way",
    "early-saturation": "Early saturation",
    "wrong-branch": "Wrong branch",
    "convention": "Convention at a kink",
    "class-mismatch": "Wrong class of number",
    "rounding": "Accumulated rounding",
    "wrong-value": "Another value than the function's",
    "fault": "The implementation crashed",
    "statistics": "Unlikely under the predicted distribution",
}

DEFINITION_U: Final = (
    "u is the distance to the exact result in units of the exact result's last place; correct rounding gives u ≤ 1/2."
)
DEFINITION_M: Final = (
    "m is the same distance in units of one output ulp plus the effect of one input ulp, so nobody is blamed "
    "for what rounding the input would do."
)


def gravity(cell: Cell) -> tuple[int, bool, float]:
    """Sort key, the gravest first: severity, then whether training feels it, then error over bound."""
    severity = SEVERITIES.index(cell.severity) if cell.severity in SEVERITIES else len(SEVERITIES)
    return severity, not cell.felt, -(math.inf if cell.magnitude is None else cell.magnitude)


def failing(result: RunResult) -> list[Cell]:
    """Cells that make the run red, the gravest first."""
    return sorted((c for c in result.cells if c.status in FAILING), key=gravity)


def verdict(result: RunResult) -> str:
    """The run in a word or two: what somebody who reads nothing else should know."""
    count = len(failing(result))
    undone = sum(s.state in ("grown", "gone") for s in result.ledger)
    if count:
        return f"{count} new failure{'s' if count > 1 else ''}"
    if undone:
        return f"{undone} ledger entr{'ies' if undone > 1 else 'y'} out of date"
    if not any(c.status in ("pass", "known") for c in result.cells):
        return "Nothing was judged"
    return "No new failure" if result.run.complete else "No new failure, run incomplete"


def red(result: RunResult) -> bool:
    """Whether the run fails: a new failure, or a ledger that is no longer true."""
    return bool(failing(result)) or any(s.state in ("grown", "gone") for s in result.ledger)


def counts_line(result: RunResult) -> str:
    """``1821 passed, 153 failed, ...``: every status, zeros included, so that an absence is seen."""
    counts = result.counts()
    order = ("pass", "fail", "error", "known", "undecided", "unsupported", "not-run")
    return ", ".join(f"{counts[s]} {STATUS_WORDS[s]}" for s in order)


def column_label(cell: Cell) -> str:
    """``torch:cuda``, with the mode where it is not eager: ``jax:cpu compiled``."""
    name = f"{cell.backend}:{cell.device}"
    return name if cell.mode == "eager" else f"{name} {cell.mode}"


def place_label(cell: Cell) -> str:
    """As ``column_label``, with whose implementation it is where the backend's name would mislead."""
    return with_origin(column_label(cell), kernel_origin(cell.implementation))


def format_rank(name: str) -> tuple[int, str]:
    """Sort key: formats from the widest to the narrowest, unknown ones last by name."""
    names = list(FORMATS)
    return (names.index(name), "") if name in FORMATS else (len(names), name)


def headline(cell: Cell) -> str:
    """One failure in one line: where, what, how far."""
    where = f"{function_label(cell)}{PRIMES[cell.order]} {column_label(cell)} {cell.format} {cell.property}"
    return f"{where}: {cell.reason}" if cell.reason else where


def duration(seconds: float) -> str:
    """``14 s``, ``30 min 30 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def unique(items: Iterable[Any]) -> list[Any]:
    """Items without repetition, in the order of their first appearance."""
    return list(dict.fromkeys(items))
