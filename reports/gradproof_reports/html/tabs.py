"""The tabs beside the rows: properties, known deviations, what was not judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gradproof.extend import PRIMES, STATUSES, Cell, RunResult, function_label, short_format
from gradproof_reports.summary import STATUS_WORDS, place_label, unique

GLYPHS: Final = {
    "fail": "✗", "error": "!", "undecided": "?", "known": "◆", "unsupported": "⊘", "not-run": "○", "pass": "✓",
}  # fmt: skip

TRACKERS: Final = {"pytorch": "pytorch/pytorch", "jax": "jax-ml/jax", "numpy": "numpy/numpy"}
"""Short names that ledgers use for issue trackers on GitHub."""

Links = list[tuple[str, list[tuple[str, str]]]]
"""Function and order, with the formats and the addresses of their rows."""


@dataclass(frozen=True)
class PropertyRow:
    """How one property fared: per place, status with glyph, word and number of the cells that have it."""

    title: str
    tallies: list[list[tuple[str, str, str, int]]]
    total: int


@dataclass(frozen=True)
class KnownGroup:
    """The cells that one ledger deviation explains."""

    anchor: str
    title: str
    reason: str
    upstream: list[tuple[str, str]]
    """Text and address; the address is empty where the text is not one."""
    count: int
    places: list[tuple[str, Links]]


def properties(result: RunResult) -> tuple[list[str], list[PropertyRow]]:
    """Places (``torch:cpu``) and one row per property, in the order of their first cells."""
    places = unique(f"{c.backend}:{c.device}" for c in result.cells)
    tallies: dict[str, dict[str, dict[str, int]]] = {}
    for c in result.cells:
        here = tallies.setdefault(c.property, {}).setdefault(f"{c.backend}:{c.device}", {})
        here[c.status] = here.get(c.status, 0) + 1
    return places, [
        PropertyRow(
            name.replace("-", " ").capitalize(),
            [[(s, GLYPHS[s], STATUS_WORDS[s], of[p][s]) for s in STATUSES if s in of.get(p, {})] for p in places],
            sum(sum(counts.values()) for counts in of.values()),
        )
        for name, of in tallies.items()
    ]


def known(result: RunResult, at: Mapping[int, str]) -> list[KnownGroup]:
    """Known cells under the deviation that explains them, most cells first; ``at`` are their rows by ``id``."""
    groups: dict[str, dict[str, list[Cell]]] = {}
    for c in result.cells:
        if c.status == "known":
            groups.setdefault(c.known_ref or "", {}).setdefault(place_label(c), []).append(c)
    made = []
    for ref, places in groups.items():
        text: dict[str, Any] = result.deviations.get(ref, {})
        upstream = text.get("upstream") or []
        made.append(
            KnownGroup(
                known_anchor(ref),
                str(text.get("title") or ref or "Known, without a reference"),
                str(text.get("reason", "")),
                [link(u) for u in ([upstream] if isinstance(upstream, str) else upstream)],
                sum(map(len, places.values())),
                [(place, links(cells, at)) for place, cells in places.items()],
            )
        )
    return sorted(made, key=lambda g: -g.count)


def links(cells: list[Cell], at: Mapping[int, str]) -> Links:
    """Cells by function and order; cells of several modes or properties that share a row are one link."""
    found: dict[str, dict[str, str]] = {}
    for c in cells:
        formats = found.setdefault(function_label(c) + PRIMES[c.order], {})
        formats.setdefault(short_format(c.format), f"#{at[id(c)]}")
    return [(name, list(formats.items())) for name, formats in found.items()]


def known_anchor(deviation: str) -> str:
    """Element id of a deviation's group, by its identifier in the ledger."""
    return "known-" + re.sub(r"[^\w-]", "-", deviation)


def silent(result: RunResult) -> list[tuple[str, str, str, int]]:
    """Status, place, reason and number of the cells that were not judged, most cells first."""
    counts: dict[tuple[str, str, str], int] = {}
    for c in result.cells:
        if c.status in ("not-run", "unsupported", "undecided"):
            key = (c.status, place_label(c), c.reason or "no reason given")
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


def plain(value: Any) -> str:
    """A JSON value as short text for a table: lists with commas, mappings as ``key: value`` pairs.

    Of mappings of mappings the keys with equal values stand together.
    """
    if not value and isinstance(value, dict | list | tuple | str):
        return "–"
    if isinstance(value, dict):
        nested = any(isinstance(v, dict) for v in value.values())
        alike: dict[str, list[str]] = {}
        for k, v in value.items():
            alike.setdefault(plain(v) if nested else str(k), []).append(str(k))
        if nested:
            return "; ".join(f"{', '.join(names)}: {text}" for text, names in alike.items())
        return ", ".join(f"{k}: {plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(v) for v in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
