"""Cell pages: which cells share one, and the text after ``#`` that names it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from gradproof.extend import Cell, RunResult
from gradproof_reports.summary import column_label, function_label, unique

SAFE: Final = "()=,.-+:~"  # readable in an address bar, and no part of any markup


@dataclass
class Page:
    """All cells of one function, implementation, column, format and order: what one matrix cell stands for.

    ``slug`` is ``silu/torch-cuda/bfloat16/1``; ``family`` names the pages whose curves are drawn together.
    """

    slug: str
    family: str
    title: str
    series: str
    row: tuple[str, str]
    """Function with its parameters, and the implementation where a column has several."""
    format: str
    order: int
    column: tuple[str, str, str]
    """Backend, device, mode."""
    cells: list[Cell] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)


def pages(result: RunResult) -> dict[str, Page]:
    """Every page of a result by slug, in the order of its cells.

    Parameters are part of the slug where a function appears with more than one set, and the
    implementation where one column holds several of the same function; compiled modes always are.
    """
    several = _several_params(result.cells)
    variants = _variants(result.cells)
    found: dict[str, Page] = {}
    for index, cell in enumerate(result.cells):
        label = function_label(cell)
        variant = variants.get((label, column_label(cell)), [cell.implementation])
        extra = "" if cell.implementation == variant[0] else cell.implementation
        name = label.replace(" ", "") if cell.function in several else cell.function
        place = f"{cell.backend}-{cell.device}" + ("" if cell.mode == "eager" else f"-{cell.mode}")
        parts = [f"{name}~{extra}" if extra else name, place, cell.format, str(cell.order)]
        slug = "/".join(quote(p, safe=SAFE, errors="backslashreplace") for p in parts)
        if slug not in found:
            series = column_label(cell) + (f" {extra}" if extra else "")
            found[slug] = Page(
                slug, "/".join((label, cell.format, str(cell.order))), label, series, (label, extra),
                cell.format, cell.order, (cell.backend, cell.device, cell.mode),
            )  # fmt: skip
        found[slug].cells.append(cell)
        found[slug].indices.append(index)
    return found


def slugs(found: dict[str, Page]) -> dict[int, str]:
    """Slug of the page of every cell, by the cell's index in the result."""
    return {i: page.slug for page in found.values() for i in page.indices}


def _several_params(cells: list[Cell]) -> set[str]:
    labels: dict[str, set[str]] = {}
    for cell in cells:
        labels.setdefault(cell.function, set()).add(function_label(cell))
    return {name for name, sets in labels.items() if len(sets) > 1}


def _variants(cells: list[Cell]) -> dict[tuple[str, str], list[str]]:
    """Implementations of each (function, column), the catalogue's own first."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        found.setdefault((function_label(cell), column_label(cell)), []).append(cell.implementation)
    return {key: unique(names) for key, names in found.items()}
