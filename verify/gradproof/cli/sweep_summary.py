"""What a sweep says at its end: per target the largest errors and where, and on which intervals it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gradproof.cli.console import STYLES, columns, console, count, duration, text
from gradproof.cli.sweep_progress import rate
from gradproof.formats import FORMATS, Format
from gradproof.results.formatting import figure, weight
from gradproof.results.sweeps import (
    BREAKERS,
    CLASSES,
    FAILING,
    against,
    broken,
    differ,
    gravest,
    inputs,
    nearer,
    worst_input,
    zeros,
)
from gradproof.sweep.judging.shard_summary import bits_at, key

if TYPE_CHECKING:
    from rich.console import Console

    from gradproof.cli.outputs import Written
    from gradproof.results.model import Cell, RunResult
    from gradproof.sweep.api import TargetResult

SHOWN: Final = 8
"""Intervals told of one class; the rest are counted."""
HEAD: Final = ("target", "status", "inputs", "u", "m", "at", "time", "rate")


def summarise(result: RunResult, rows: Sequence[TargetResult], written: Written) -> None:
    """Print the summary to stdout; ``written`` is what became of the files."""
    out = console()
    columns(out, HEAD, [(name, *_line(row)) for name, row in zip(_names(rows), rows, strict=True)])
    for row in rows:
        _found(out, row)
    for row in rows:
        if row.swept is not None and len(row.swept.processors) > 1:
            out.print(text(f"{_name(row.cell)} was computed on several processors: {'; '.join(row.swept.processors)}"))
    out.print()
    _stopped(out, rows)
    for line in written.lines():
        out.print(text(line))
    counts = result.counts()
    words: list[str | tuple[str, str]] = []
    for status, number in counts.items():
        if number:
            words += [(f"{number} {status}", STYLES[status]), ", "]
    out.print(text(*words[:-1], f" in {duration(result.run.seconds)}"))


def _line(row: TargetResult) -> tuple[str, ...]:
    cell, swept = row.cell, row.swept
    judged = cell.evidence.n > 0
    measured = judged and not _beyond(row)
    worked = 0 if swept is None else swept.finished - swept.kept
    return (
        cell.status,
        f"{cell.evidence.n:,}" if judged else "",
        _error(cell, cell.u_max) if measured else "",
        _error(cell, cell.m_max) if measured else "",
        ""
        if cell.worst_bits is None
        else f"{FORMATS[cell.format].decimal(int(cell.worst_bits, 16))} {cell.worst_bits}",
        duration(swept.wall) if swept is not None and swept.wall else "",
        rate(worked / swept.wall) if swept is not None and swept.wall and worked else "",
    )


def _beyond(row: TargetResult) -> bool:
    """Whether every input is a NaN or an infinity (or a convention): there is no error to speak of."""
    result = None if row.swept is None else row.swept.result
    return result is not None and not result["counts"]["judged"] and not result["counts"]["mismatched"]


def _names(rows: Sequence[TargetResult]) -> list[str]:
    """The targets by id; where several implementations share one, with the implementation."""
    ids = [_name(row.cell) for row in rows]
    several = {i for i, number in Counter(ids).items() if number > 1}
    return [f"{i} ({row.cell.implementation})" if i in several else i for i, row in zip(ids, rows, strict=True)]


def _name(cell: Cell) -> str:
    """The id of the target: that of its cell without the property."""
    return cell.id.removesuffix(f"-{cell.property}")


def _error(cell: Cell, error: float | None) -> str:
    return f"{'>= ' if cell.evidence.kind == 'sampled' else ''}{figure(error)}"


def _found(out: Console, row: TargetResult) -> None:
    """Why a target does not pass, or what else is worth knowing: the intervals of each class, or the reason."""
    cell = row.cell
    noted = row.swept is not None and row.swept.result is not None and any(_counts(row.swept.result))
    noted = noted or "against" in cell.measured
    if cell.status == "pass" and not noted:
        return
    out.print()
    out.print(text((f"{_name(cell)}: {cell.severity or cell.status}", STYLES[cell.status])))
    out.print(text(f"  of {cell.implementation}"))
    if cell.reason:
        out.print(text(f"  {' '.join(cell.reason.split())}"))
    if row.swept is not None and row.swept.result is not None:
        _classes(out, row.swept.result["classes"], FORMATS[cell.format], worst_input(cell))
        _compared(out, cell)
    if cell.certificate is not None and cell.certificate.reproduce:
        out.print(text(("  repeat  ", "dim"), cell.certificate.reproduce))


def _counts(result: Mapping[str, Any]) -> list[int]:
    return [found["count"] for found in result["classes"].values()]


def _classes(out: Console, classes: Mapping[str, Any], fmt: Format, worst: str) -> None:
    """The inputs of each class that has any, as intervals along the number line; those that matter most, first."""

    def order(interval: tuple[int, int, int]) -> tuple[bool, bool, bool, int]:
        low, high = (fmt.decimal(bits_at(end, fmt.width)) for end in interval[:2])
        return weight(low, high, interval[2], worst)

    for name, found in classes.items():
        if not found["count"]:
            continue
        intervals = found["intervals"]
        out.print(text(f"  {name}: {inputs(found['count'])}: {CLASSES[name]}"))
        for first, last, inside in sorted(intervals, key=order)[:SHOWN]:
            verb = "fails on" if name in FAILING else "on"
            out.print(text(f"    {verb} {_interval(first, last, inside, fmt)}"))
        if len(intervals) > SHOWN:
            out.print(text(f"    ... and on {count(len(intervals) - SHOWN, 'more interval')}"))


def _compared(out: Console, cell: Cell) -> None:
    """How two modes differ: how often, which is nearer, which breaks the contract, where, and the worst inputs."""
    table = cell.measured.get("against")
    if table is None:
        return
    out.print(text(f"  {against(cell)}: {differ(cell)}"))
    if table["differ"]:
        out.print(text(f"  {nearer(cell)}"))
    for name in (n for n in BREAKERS if n in table["breaks"]):
        breaks = table["breaks"][name]
        out.print(text(f"  {broken(cell, name)}"))
        _listed(out, breaks["intervals"], FORMATS[cell.format], breaks["worst"][0]["input"]["decimal"])
        for row in breaks["worst"]:
            _worst(out, cell, row)
    if table["zeros"]["count"]:
        out.print(text(f"  {zeros(cell)}"))
        _listed(out, table["zeros"]["intervals"], FORMATS[cell.format], "")


def _listed(out: Console, intervals: list[dict[str, Any]], fmt: Format, worst: str) -> None:
    """Intervals of a results file, those that matter most, first."""
    for found in gravest(intervals, SHOWN, worst):
        first, last = (key(int(found[end]["bits"], 16), fmt.width) for end in ("lo", "hi"))
        out.print(text(f"    on {_interval(first, last, found['count'], fmt)}"))
    if len(intervals) > SHOWN:
        out.print(text(f"    ... and on {count(len(intervals) - SHOWN, 'more interval')}"))


def _worst(out: Console, cell: Cell, row: Mapping[str, Any]) -> None:
    """``at 0.5 0x3f00: compiled 0.25 0x3e80, eager ..., due ...: 128 ulp apart, eager is nearer``."""
    names = {"mode": cell.mode, "against": cell.measured["against"]["mode"]}
    results = {names["mode"]: row["got"], names["against"]: row["against"], "due": row["due"]}
    said = [f"{name} {n['decimal']} {n['bits']}" for name, n in results.items() if n is not None]
    far = "a NaN beside a number" if row["distance"] is None else f"{row['distance']:,} ulp apart"
    near = f"; {names[row['nearer']]} is nearer" if row["nearer"] in names else ""
    at = row["input"]
    out.print(text(f"    at {at['decimal']} {at['bits']}: {far}{near}"))
    out.print(text(f"      {', '.join(said)}"))


def _interval(first: int, last: int, inside: int, fmt: Format) -> str:
    """``[-103.97, -87.34]  0xc2aead5f..0xc2cfef34``; the ends are exact by their bits."""
    low, high = bits_at(first, fmt.width), bits_at(last, fmt.width)
    if first == last:
        return f"{_short(low, fmt)}  {fmt.bits_text(low)}"
    ends = f"[{_short(low, fmt)}, {_short(high, fmt)}]  {fmt.bits_text(low)}..{fmt.bits_text(high)}"
    return ends if inside == last - first + 1 else f"{ends}, {inputs(inside)} of {last - first + 1:,}"


def _short(bits: int, fmt: Format) -> str:
    return f"{float(fmt.decimal(bits)):.6g}"


def _stopped(out: Console, rows: Sequence[TargetResult]) -> None:
    stopped = [row.swept for row in rows if row.swept is not None and row.swept.status == "stopped"]
    if not stopped:
        return
    done, total = sum(s.finished for s in stopped), sum(s.job.points for s in stopped)
    out.print(
        text(
            ("Interrupted", "bold yellow"),
            f": {done:,} of {total:,} inputs of {count(len(stopped), 'target')} are done and kept under "
            f"{stopped[0].folder.parent if stopped[0].folder else '?'}; the same command goes on from there",
        )
    )
