"""The claims in words, and the table of properties by backend."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from gradproof.results.model import Cell, RunResult
from gradproof_reports.html.states import STATES, State, classify
from gradproof_reports.summary import unique

TITLES = {"claim", "title"}
OWN = TITLES | {"question", "verdict"}


@dataclass(frozen=True)
class Claim:
    """One claim: its sentence, the question behind it, the verdict and whatever figures came with it."""

    claim: str
    question: str
    verdict: str
    tone: str
    """``good``, ``mixed`` or ``bad``: how the verdict is coloured."""
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class PropertyRow:
    """How one property fared: per place, the number of cells in each state that occurs."""

    title: str
    id: str
    cells: list[list[tuple[State, int]]]
    total: int


def claims(result: RunResult) -> list[Claim]:
    """The run's claims as they were written, with every further key as a fact."""
    found = []
    for entry in result.claims:
        title = str(entry.get("claim") or entry.get("title") or "")
        verdict = str(entry.get("verdict", ""))
        facts = [(key.replace("_", " "), plain(value)) for key, value in entry.items() if key not in OWN]
        found.append(Claim(title, str(entry.get("question", "")), verdict, tone(verdict), facts))
    return found


def tone(verdict: str) -> str:
    """Whether a verdict in words is good (``holds``), mixed (``holds except ...``) or bad news."""
    text = verdict.lower()
    if "except" in text or "partly" in text:
        return "mixed"
    if "not" in text.split() or "fail" in text:
        return "bad"
    return "good" if "hold" in text or "pass" in text else "mixed"


def properties(result: RunResult, stale: Collection[str]) -> tuple[list[str], list[PropertyRow]]:
    """Places (``torch:cpu``) and one row per property, in the order of their first cells."""
    places = unique(_place(c) for c in result.cells)
    rows = []
    for name in unique(c.property for c in result.cells):
        cells = [c for c in result.cells if c.property == name]
        tallies = [_tally([c for c in cells if _place(c) == place], stale) for place in places]
        rows.append(PropertyRow(name.replace("-", " ").capitalize(), name, tallies, len(cells)))
    return places, rows


def plain(value: Any) -> str:
    """A JSON value as short text for a table: lists with commas, mappings as ``key: value`` pairs."""
    if isinstance(value, dict):
        return ", ".join(f"{k}: {plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(v) for v in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _place(cell: Cell) -> str:
    return f"{cell.backend}:{cell.device}"


def _tally(cells: list[Cell], stale: Collection[str]) -> list[tuple[State, int]]:
    keys = [classify(c, stale).key for c in cells]
    return [(state, keys.count(key)) for key, state in STATES.items() if key in keys]
