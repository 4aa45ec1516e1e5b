"""Cells of ``gradproof sweep`` in words: what they claim, on which inputs they fail, how exact their maxima are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gradproof.results.formatting import decimal, weight
from gradproof.results.model import Cell

PROPERTY: Final = "sweep"
"""Property of the cells of a sweep. No property pack has it: ``gradproof run`` judges samples, a sweep every input."""
TITLE: Final = "Every input there is"
STATEMENT: Final = (
    "At every bit pattern of the range the error of f^(n) stays within the contract: at finite inputs as accuracy has "
    "it, at the infinities and NaNs as special-values has it."
)
AT_LEAST: Final = (
    "The format has too many bit patterns to try them all: a guided search looked for the largest error of f^(n), "
    "which is at least what it found."
)
FAILING: Final = ("wrong-class", "lost-signal", "over-contract")
"""Classes of inputs that break the contract."""
CLASSES: Final = {
    "wrong-class": "a NaN, an infinity or a sign that the exact value does not have",
    "lost-signal": "0 or the asymptote where the exact value is a normal number away from it",
    "over-contract": "an error beyond the contract that is none of these",
    "excused": "an error that flushing subnormal numbers explains",
    "undecided": "inputs for which the oracle certified nothing, or whose results a device's documentation leaves open",
    "unexplained": "a failing result that no known deviation of the implementation explains",
    "non-monotone": "a result on the wrong side of its neighbour's",
    "asymmetric": "f(-x) and f(x) differ in more than their sign",
}
"""Classes of inputs that a sweep counts and gives the intervals of."""
TIMED: Final = "effort"
"""Key of ``measured`` that differs between two sweeps of the same thing."""
SHOWN: Final = 4


def is_sweep(cell: Cell) -> bool:
    """Whether a cell is that of a sweep with classes of inputs, and not of a search or one that did not run."""
    return cell.property == PROPERTY and "classes" in cell.measured


def statement(cell: Cell) -> str:
    """The claim that a sweep's cell judges."""
    return AT_LEAST if "search" in cell.measured else STATEMENT


def lines(cell: Cell, shown: int = SHOWN) -> list[str]:
    """What a sweep found, a sentence each: the range, the failing intervals, the other classes, exactness."""
    if not is_sweep(cell):
        return []
    found = cell.measured
    said = [in_range(cell)]
    for name, table in found["classes"].items():
        verb = "fails on" if name in FAILING else f"{name} on"
        some = [f"{verb} {interval(i)}" for i in gravest(table["intervals"], shown, worst_input(cell))]
        if len(table["intervals"]) > shown:
            more = len(table["intervals"]) - shown
            some.append(f"and on {more} more interval{'s' * (more > 1)}")
        said.append(f"{name}, {inputs(table['count'])}{apart(table)}: {'; '.join(some)}")
    if found.get("conventions"):
        said.append(f"a convention, and not judged, at {inputs(found['conventions'])}")
    said.append(f"{found['exactness']}.")
    return said


def in_range(cell: Cell) -> str:
    """``every pattern of 0x3f800000..0x40000000 (8,388,609)``, or of the format."""
    table = cell.measured["range"]
    parts = table.get("parts") or [[table["first"], table["last"]]]
    where = cell.format if table["whole"] else " and ".join(f"{first}..{last}" for first, last in parts)
    return f"every pattern of {where} ({table['patterns']:,})"


def gravest(intervals: list[dict[str, Any]], most: int, worst: str = "") -> list[dict[str, Any]]:
    """At most ``most`` of the intervals, those that matter most, first; ``worst`` as ``worst_input`` has it."""
    return sorted(intervals, key=lambda i: weight(i["lo"]["decimal"], i["hi"]["decimal"], i["count"], worst))[:most]


def worst_input(cell: Cell) -> str:
    """The worst failing input as decimal text; empty where nothing failed."""
    return "" if cell.certificate is None else decimal(cell.certificate.input)


def interval(found: Mapping[str, Any]) -> str:
    """``[-103.97, -87.34] (2,338,127 inputs)``; one input alone as ``-103.97``; how many of them where not all."""
    low, high = short(found["lo"]["decimal"]), short(found["hi"]["decimal"])
    if found["lo"] == found["hi"]:
        return low
    share = "" if found["count"] == found["patterns"] else f" of {found['patterns']:,}"
    return f"[{low}, {high}] ({found['count']:,}{share} inputs)"


def inputs(count: int) -> str:
    """``1 input``, ``2,338,127 inputs``."""
    return f"{count:,} input{'' if count == 1 else 's'}"


def short(decimal: str, digits: int = 6) -> str:
    """A decimal number in at most so many digits."""
    return f"{float(decimal):.{digits}g}"


def apart(table: Mapping[str, Any]) -> str:
    """How many inputs of a class are no finite numbers, in brackets; empty for none."""
    counts = {"at the infinities": table["infinite"], "at NaNs": table["nan"]}
    counted = ", ".join(f"{count:,} {where}" for where, count in counts.items() if count)
    return f" ({counted})" if counted else ""


def differences(base: Cell, head: Cell) -> list[str]:
    """What changed between two sweeps of one target: maxima, counts and intervals of classes, the range."""
    if not (is_sweep(base) and is_sweep(head)):
        return []
    old, new = base.measured, head.measured
    said = []
    if old["range"] != new["range"]:
        said.append(f"another range: {in_range(base)} -> {in_range(head)}")
    for name, unit in (("u", " ulp"), ("m", ""), ("abs", "")):
        before, after = (_maximum(found["maxima"].get(name), unit) for found in (old, new))
        if before != after:
            said.append(f"{name} max {before} -> {after}")
    for name in CLASSES:
        before, after = (_class(found["classes"].get(name)) for found in (old, new))
        if before != after:
            said.append(f"{name}: {before} -> {after}")
    return said


def _maximum(found: Mapping[str, Any] | None, unit: str) -> str:
    return f"{found['value']:.6g}{unit} at {short(found['input']['decimal'])}" if found else "none"


def _class(table: Mapping[str, Any] | None) -> str:
    if table is None:
        return "none"
    some = "; ".join(interval(i) for i in gravest(table["intervals"], SHOWN))
    more = len(table["intervals"]) - SHOWN
    return f"{inputs(table['count'])} on {some}{f' and {more} more' if more > 0 else ''}"
