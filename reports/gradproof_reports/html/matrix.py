"""The matrix: functions and orders down, backend, device, mode and format across."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from gradproof.extend import STATUSES, Cell, kernel_origins
from gradproof_reports.html.pages import Page
from gradproof_reports.html.states import RANK, State, classify, step
from gradproof_reports.summary import PRIMES, figure, format_rank, short_format, unique

Column = tuple[str, str, str, str]
"""Backend, device, mode, format."""


@dataclass(frozen=True)
class MatrixEntry:
    """One matrix cell: the gravest state among its properties and the worst error over bound there."""

    slug: str
    state: State
    figure: str
    step: int | None
    """Class of the colour scale; None where nothing was measured."""
    partial: str
    """``3/5`` when only some properties were judged, so that a skipped one never looks passed."""
    statuses: str
    title: str


@dataclass(frozen=True)
class MatrixRow:
    """One order of a function; ``entries`` follow the columns, None where no such cell was planned."""

    prime: str
    order: int
    entries: list[MatrixEntry | None]
    statuses: str


@dataclass(frozen=True)
class Block:
    """The rows of one function with its parameters (and implementation, where a column has several)."""

    label: str
    variant: str
    rows: list[MatrixRow]

    @property
    def name(self) -> str:
        """The function's name alone."""
        return self.label.partition("(")[0]

    @property
    def params(self) -> str:
        """``alpha=1.0``, or nothing."""
        return self.label[len(self.name) + 1 : -1]


@dataclass(frozen=True)
class Head:
    """A heading over ``span`` columns."""

    label: str
    span: int
    edge: bool
    """Whether a new backend begins here."""
    note: str = ""
    """Whose implementations the columns hold, where the label would mislead."""


@dataclass(frozen=True)
class Matrix:
    """The table: three rows of headings (backend:device, mode, format) and the blocks."""

    places: list[Head]
    modes: list[Head]
    formats: list[Head]
    blocks: list[Block]


def build(found: dict[str, Page], stale: Collection[str]) -> Matrix:
    """The matrix of all pages; ``stale`` as for ``classify``."""
    places = unique(p.column for p in found.values())
    # By backend and device as they first came, eager before compiled, wide before narrow.
    order = {place: i for i, place in enumerate(unique(p[:2] for p in places))}
    columns: list[Column] = sorted(
        unique((*p.column, p.format) for p in found.values()),
        key=lambda c: (order[c[:2]], c[2] != "eager", c[2], format_rank(c[3])),
    )
    at = {column: i for i, column in enumerate(columns)}
    rows: dict[tuple[str, str], dict[int, list[MatrixEntry | None]]] = {}
    for page in found.values():
        block = rows.setdefault(page.row, {})
        line = block.setdefault(page.order, [None] * len(columns))
        line[at[(*page.column, page.format)]] = entry(page, stale)
    whose = kernel_origins(cell for page in found.values() for cell in page.cells)
    first = unique(label for label, _ in rows)  # an implementation's variants follow their function
    return Matrix(
        [replace(h, note=whose.get(h.label, "")) for h in _heads([f"{c[0]}:{c[1]}" for c in columns], columns)],
        _heads([f"{c[0]}:{c[1]} {c[2]}" for c in columns], columns, last_word=True),
        [Head(short_format(c[3]), 1, i == 0 or columns[i - 1][:3] != c[:3]) for i, c in enumerate(columns)],
        [
            Block(label, variant, [_row(n, lines[n]) for n in sorted(lines)])
            for (label, variant), lines in sorted(rows.items(), key=lambda r: first.index(r[0][0]))
        ],
    )


def entry(page: Page, stale: Collection[str]) -> MatrixEntry:
    """What one matrix cell shows of a page."""
    states = [(classify(c, stale), c) for c in page.cells]
    top = min((s for s, _ in states), key=lambda s: RANK[s.key])
    cells = [c for s, c in states if s is top]
    sized = top.key in ("mismatch", "over", "violated", "known", "stale", "pass")
    worst = _worst(cells) if sized else None
    judged = sum(c.status not in ("not-run", "unsupported") for c in page.cells)
    partial = f"{judged}/{len(page.cells)}" if 0 < judged < len(page.cells) else ""
    said = f"{figure(worst[0])}× the bound" if worst else cells[0].reason
    share = f" ({len(cells)} of {len(page.cells)} properties)" if len(cells) < len(page.cells) else ""
    title = f"{page.title}{PRIMES[page.order]} {page.series} {page.format}: {top.label}{share}"
    return MatrixEntry(
        page.slug,
        top,
        figure(worst[0]) if worst else "",
        step(worst[0]) if worst else None,
        partial,
        _statuses(page.cells),
        f"{title}, {said}" if said else title,
    )


def _worst(cells: Iterable[Cell]) -> tuple[float | None] | None:
    """The greatest error over bound, (None,) for an infinite one; None where no cell has a figure.

    No figure means infinity on a failing cell, and nothing measured on a passing one.
    """
    values = [c.magnitude for c in cells if c.magnitude is not None or c.status in ("fail", "known")]
    if not values:
        return None
    return (None,) if None in values else (max(v for v in values if v is not None),)


def _row(order: int, entries: list[MatrixEntry | None]) -> MatrixRow:
    present = {s for e in entries if e for s in e.statuses.split()}
    return MatrixRow("f" + PRIMES[order], order, entries, " ".join(s for s in STATUSES if s in present))


def _statuses(cells: Iterable[Cell]) -> str:
    present = {c.status for c in cells}
    return " ".join(s for s in STATUSES if s in present)


def _heads(labels: list[str], columns: list[Column], *, last_word: bool = False) -> list[Head]:
    heads: list[Head] = []
    start = 0
    for i, label in enumerate(labels):
        if i + 1 < len(labels) and labels[i + 1] == label:
            continue
        text = label.rpartition(" ")[2] if last_word else label
        edge = start == 0 or columns[start - 1][:3] != columns[start][:3]
        heads.append(Head(text, i + 1 - start, edge))
        start = i + 1
    return heads
