"""What a sweep found of two modes, as plain JSON of ``Cell.measured``; docs/results.md describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradproof.engine.judging.certificates import number
from gradproof.results.io import plain
from gradproof.sweep.judging import shard_summary
from gradproof.sweep.judging.subject import Subject
from gradproof.sweep.results.measured import INTERVALS, interval


def compared(subject: Subject, found: Mapping[str, Any]) -> dict[str, Any]:
    """``{"against": ...}`` of a merged summary; nothing where no modes were compared."""
    if "against" not in found:
        return {}
    table = found["against"]
    highest = max(map(int, table["distances"]), default=-1)
    document = {
        "mode": subject.target.against,
        "differ": table["differ"],
        "nans": table["nans"],
        "zeros": {**_intervals(subject, table["zeros"]), "lost": table["zeros"]["lost"]},
        "nearer": table["nearer"],
        "breaks": {
            name: {**_intervals(subject, breaks), "worst": [_input(subject, row) for row in breaks["worst"]]}
            for name, breaks in table["breaks"].items()
            if breaks["count"]
        },
        "distances": [table["distances"].get(str(i), 0) for i in range(highest + 1)],
    }
    made: dict[str, Any] = plain(document)
    return {"against": made}


def _intervals(subject: Subject, table: Mapping[str, Any]) -> dict[str, Any]:
    kept = shard_summary.coarsened(table["intervals"], INTERVALS)
    return {
        "count": table["count"],
        "intervals": [interval(i, subject.probe.format) for i in kept],
        "merged": len(table["intervals"]) - len(kept),
    }


def _input(subject: Subject, row: Mapping[str, Any]) -> dict[str, Any]:
    """One input with both results and the value that both routes of the oracle certify; None where none is due."""
    fmt = subject.probe.format
    certified = subject.probe.certified(row["bits"], subject.order)
    due = certified.kind in ("finite", "infinite", "nan")
    results = {name: vars(number(row[name], fmt)) for name in ("got", "against")}
    return {
        "input": vars(number(row["bits"], fmt)),
        "distance": row["distance"],
        **results,
        "due": vars(number(certified.bits, fmt)) if due else None,
        "nearer": row["nearer"],
    }
