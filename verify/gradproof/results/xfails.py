"""The known deviations that a run saw, for other test suites: what they may expect to fail, where, and why.

A suite of a framework's, or of what is built on it, compares results with a reference as well and meets the same
deviations. The list says which inputs those are, so that such a suite can expect them to fail instead of widening its
tolerance everywhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gradproof.files.writing import write_text
from gradproof.formats import FORMATS
from gradproof.results.findings import union
from gradproof.results.model import Cell, RunResult

SCHEMA: Final = "gradproof-xfails/1"


def write_xfails(result: RunResult, path: str | os.PathLike[str]) -> None:
    """Write ``xfails(result)`` to ``path``, whole or not at all; UsageError where it cannot be written."""
    write_text(json.dumps(xfails(result), indent=1, allow_nan=False, ensure_ascii=False) + "\n", path, "list of xfails")


def xfails(result: RunResult) -> dict[str, Any]:
    """The known deviations of ``result`` as a document: ``schema``, the ``versions`` by backend, and ``xfails``.

    One row for each function, params, implementation, backend, device, mode, format, order and deviation: the
    ``properties`` whose cells show it, ``regions`` of failing inputs (``low`` and ``high`` as bits and as decimals,
    both included; inputs between two failing ones may pass), ``title`` and ``upstream`` of the deviation, and the
    ``formulas`` that enclose nearly all results there. Claims that fail for other results' sake have no rows.
    """
    cells: dict[tuple[str, ...], list[Cell]] = {}
    for cell in (c for c in result.cells if c.status == "known" and c.known_ref and c.format in FORMATS):
        if cell.clusters or not cell.attributed:
            cells.setdefault((*map(str, _place(cell).values()), str(cell.known_ref)), []).append(cell)
    versions = {name: table.get("versions", {}) for run in _runs(result) for name, table in run.items()}
    return {"schema": SCHEMA, "versions": versions, "xfails": [_row(result, found) for found in cells.values()]}


def _runs(result: RunResult) -> Iterator[dict[str, Any]]:
    """The tables of backends that the cells come from."""
    for record in result.shards or [result.run]:
        yield {name: table for name, table in record.backends.items() if table.get("available", True)}


def _place(cell: Cell) -> dict[str, Any]:
    return {
        "function": cell.function,
        "params": cell.params,
        "implementation": cell.implementation,
        "backend": cell.backend,
        "device": cell.device,
        "mode": cell.mode,
        "format": cell.format,
        "order": cell.order,
    }


def _row(result: RunResult, cells: Sequence[Cell]) -> dict[str, Any]:
    first = cells[0]
    text = result.deviations.get(str(first.known_ref), {})
    formulas = {e.id: e.text for cell in cells for cluster in cell.clusters for e in cluster.explanations[:1]}
    return _place(first) | {
        "properties": sorted({cell.property for cell in cells}),
        "deviation": first.known_ref,
        "title": text.get("title", ""),
        "upstream": text.get("upstream", []),
        "formulas": [{"id": name, "text": formulas[name]} for name in sorted(formulas)],
        "regions": [
            {"low": _end(first.format, low), "high": _end(first.format, high)}
            for low, high in union(first.format, [pair for cell in cells for pair in _inputs(cell)])
        ],
    }


def _inputs(cell: Cell) -> list[list[str]]:
    """The failing inputs of a cell: first and last bit pattern of intervals."""
    certificate = cell.certificate
    found = [region for cluster in cell.clusters for region in cluster.regions]
    if not found and certificate is not None:
        found = [[interval.lo.bits, interval.hi.bits] for interval in certificate.region]
        if not found and certificate.input is not None:
            found = [[certificate.input.bits] * 2]
    return found


def _end(name: str, bits: str) -> dict[str, str]:
    return {"bits": bits, "decimal": FORMATS[name].decimal(int(bits, 16))}
