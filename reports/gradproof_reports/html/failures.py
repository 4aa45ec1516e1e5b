"""Failures by probable cause and function, known deviations by their entry, silent cells by their reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from gradproof.extend import Cell, Certificate, RunResult
from gradproof_reports.html.curves import WIDTH, sparkline
from gradproof_reports.html.states import State, classify, step
from gradproof_reports.summary import (
    CAUSE_WORDS,
    FAILING,
    PRIMES,
    figure,
    function_label,
    gravity,
    place_label,
    short_format,
    unique,
)

CERTIFICATES: Final = 250
"""Whole certificates in the markup, the gravest first; those beyond are shown by their first line and
command, and whole on their cell's page: a run in which everything fails must open as fast as any other."""

COARSE: Final = 48
"""Points in the static pictures beyond that number."""

NO_CAUSE: Final = "No probable cause found"

TRACKERS: Final = {"pytorch": "pytorch/pytorch", "jax": "jax-ml/jax", "numpy": "numpy/numpy"}
"""Short names that ledgers use for issue trackers on GitHub."""


@dataclass(frozen=True)
class Failure:
    """One failing, known or undecided cell as a line of a list."""

    cell: Cell
    slug: str
    anchor: str
    """Element id, where this is the first of its page; without scripts the matrix links land here."""
    state: State
    where: str
    format: str
    prime: str
    figure: str
    step: int
    picture: Markup
    certificate: Certificate | None
    """None beyond ``CERTIFICATES``."""


@dataclass(frozen=True)
class Card:
    """Failures that share a cause and a function; backends side by side."""

    label: str
    places: list[str]
    failures: list[Failure]
    felt: int
    figure: str
    step: int
    severity: str


@dataclass(frozen=True)
class CauseGroup:
    """All cards of one probable cause."""

    title: str
    count: int
    cards: list[Card]


@dataclass(frozen=True)
class KnownGroup:
    """The cells that one ledger deviation explains."""

    id: str
    anchor: str
    title: str
    reason: str
    links: list[tuple[str, str]]
    """Text and address; the address is empty where the text is not one."""
    failures: list[Failure]


def failure_groups(result: RunResult, slugs: dict[int, str]) -> list[CauseGroup]:
    """New failures and crashes by cause, then by function; groups, cards and lines the gravest first."""
    make = _maker(result, slugs)
    bad = [i for i, c in enumerate(result.cells) if c.status in FAILING]
    failures = [make(i) for i in sorted(bad, key=lambda i: gravity(result.cells[i]))]
    groups = []
    for cause, members in _by(failures, _cause):
        cards = [_card(label, lines) for label, lines in _by(members, lambda f: function_label(f.cell))]
        groups.append(CauseGroup(CAUSE_WORDS.get(cause, cause) or NO_CAUSE, len(members), cards))
    return groups


def undecided(result: RunResult, slugs: dict[int, str]) -> list[Failure]:
    """Cells that the oracle could not settle, in the order of the run."""
    make = _maker(result, slugs)
    return [make(i) for i, c in enumerate(result.cells) if c.status == "undecided"]


def known_groups(result: RunResult, slugs: dict[int, str]) -> list[KnownGroup]:
    """Known cells under the deviation that explains them, most cells first."""
    make = _maker(result, slugs)
    lines = [make(i) for i, c in enumerate(result.cells) if c.status == "known"]
    groups = []
    for ref, members in _by(lines, lambda f: f.cell.known_ref or ""):
        text: dict[str, Any] = result.deviations.get(ref, {})
        upstream = text.get("upstream") or []
        links = [link(u) for u in ([upstream] if isinstance(upstream, str) else upstream)]
        title = str(text.get("title") or ref or "Known, without a reference")
        groups.append(KnownGroup(ref, known_anchor(ref), title, str(text.get("reason", "")), links, members))
    return sorted(groups, key=lambda g: -len(g.failures))


def known_anchor(deviation: str) -> str:
    """Element id of a deviation's group, by its identifier in the ledger."""
    return "known-" + re.sub(r"[^\w-]", "-", deviation)


def silent(result: RunResult) -> list[tuple[str, str, str, int]]:
    """Status, place, reason and number of the cells that were not judged, most cells first."""
    counts: dict[tuple[str, str, str], int] = {}
    for cell in result.cells:
        if cell.status in ("not-run", "unsupported"):
            key = (cell.status, place_label(cell), cell.reason or "no reason given")
            counts[key] = counts.get(key, 0) + 1
    return sorted(((*key, n) for key, n in counts.items()), key=lambda row: (row[0], -row[3], row[1]))


def link(reference: str) -> tuple[str, str]:
    """Text and address of an upstream reference: an http address, ``pytorch#123`` or ``owner/repo#123``.

    Anything else has no address: a ledger's text never becomes a ``javascript:`` link.
    """
    reference = str(reference)
    if re.fullmatch(r"https?://\S+", reference):
        return reference.partition("://")[2], reference
    short = re.fullmatch(r"([\w.-]+(?:/[\w.-]+)?)#(\d+)", reference)
    repository = TRACKERS.get(short[1], short[1]) if short else ""
    if short and "/" in repository:
        return reference, f"https://github.com/{repository}/issues/{short[2]}"
    return reference, ""


def _maker(result: RunResult, slugs: dict[int, str]) -> Callable[[int], Failure]:
    """A function from a cell's index to its line, which remembers what it has anchored and printed."""
    anchored: set[str] = set()
    curves = {slugs[i]: c.curve for i, c in enumerate(result.cells) if c.curve is not None}
    printed = 0

    def make(index: int) -> Failure:
        nonlocal printed
        cell, slug = result.cells[index], slugs[index]
        curve = cell.curve or curves.get(slug)
        first = slug not in anchored and cell.status in FAILING
        anchored.add(slug)
        printed += 1
        points = WIDTH if printed <= CERTIFICATES else COARSE
        return Failure(
            cell=cell,
            slug=slug,
            anchor=slug if first else "",
            state=classify(cell),
            where=place_label(cell),
            format=short_format(cell.format),
            prime="f" + PRIMES[cell.order],
            figure=figure(cell.magnitude) if cell.status in ("fail", "known") else "",
            step=step(cell.magnitude),
            # Known cells have no picture: only the lines of new failures show one.
            picture=sparkline(curve, points) if curve and cell.status in FAILING else Markup(),
            certificate=cell.certificate if printed <= CERTIFICATES else None,
        )

    return make


def _cause(failure: Failure) -> str:
    certificate = failure.cell.certificate
    return certificate.cause if certificate else "fault" if failure.cell.status == "error" else ""


def _card(label: str, failures: list[Failure]) -> Card:
    worst = failures[0]
    return Card(
        label,
        unique(f.where for f in failures),
        failures,
        sum(bool(f.cell.felt) for f in failures),
        worst.figure,
        worst.step,
        (worst.cell.severity or "").replace("-", " "),
    )


def _by(failures: Iterable[Failure], key: Callable[[Failure], str]) -> list[tuple[str, list[Failure]]]:
    groups: dict[str, list[Failure]] = {}
    for failure in failures:
        groups.setdefault(key(failure), []).append(failure)
    return list(groups.items())
