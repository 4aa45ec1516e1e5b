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
BREAKERS: Final = ("both", "mode", "against", "undecided", "neither")
"""Which of two modes breaks the contract where their results differ; the gravest first."""
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
    said += compared(cell, shown)
    said.append(f"{found['exactness']}.")
    return said


def compared(cell: Cell, shown: int = SHOWN) -> list[str]:
    """What a sweep found of two modes, a sentence each; nothing where none were compared."""
    table = cell.measured.get("against")
    if table is None:
        return []
    said = [f"{against(cell)}: {differ(cell)}"]
    if table["differ"]:
        said.append(nearer(cell))
    for name in BREAKERS:
        if name in table["breaks"]:
            breaks = table["breaks"][name]
            some = gravest(breaks["intervals"], shown, breaks["worst"][0]["input"]["decimal"])
            said.append(f"{broken(cell, name)}: {'; '.join(f'on {interval(i)}' for i in some)}{_more(breaks, shown)}")
    if table["zeros"]["count"]:
        some = gravest(table["zeros"]["intervals"], shown)
        said.append(f"{zeros(cell)}: {'; '.join(f'on {interval(i)}' for i in some)}{_more(table['zeros'], shown)}")
    return said


def _more(table: Mapping[str, Any], shown: int) -> str:
    more = len(table["intervals"]) - shown
    return f"; and on {more} more interval{'s' * (more > 1)}" if more > 0 else ""


def against(cell: Cell) -> str:
    """``compiled against eager``."""
    return f"{cell.mode} against {cell.measured['against']['mode']}"


def differs(cell: Cell) -> bool:
    """Whether two modes were compared, and differ in more than the sign of a zero."""
    return bool(cell.measured.get("against", {}).get("differ"))


def differ(cell: Cell) -> str:
    """``1,204 of 65,536 inputs differ, by at most 3 ulp; at 2 of them one result is a NaN``."""
    table, patterns = cell.measured["against"], cell.measured["range"]["patterns"]
    if not table["differ"]:
        return f"no result of {inputs(patterns)} differs{' but for the sign of zeros' * bool(table['zeros']['count'])}"
    distances = [row["distance"] for name in table["breaks"] for row in table["breaks"][name]["worst"]]
    greatest = max((d for d in distances if d is not None), default=None)
    said = f"{table['differ']:,} of {patterns:,} inputs differ"
    if greatest is not None and sum(table["distances"]):
        said += f", by at most {greatest:,} ulp"
    return f"{said}; at {table['nans']:,} of them one result is a NaN" if table["nans"] else said


def nearer(cell: Cell) -> str:
    """``nearer to the exact value: compiled at 700, eager at 502; both alike at 2``."""
    table = cell.measured["against"]
    counts = table["nearer"]
    said = [f"nearer to the exact value: {cell.mode} at {counts['mode']:,}, {table['mode']} at {counts['against']:,}"]
    if counts["equal"]:
        said.append(f"both alike at {counts['equal']:,}")
    if counts["undecided"]:
        said.append(f"undecided at {counts['undecided']:,}")
    return "; ".join(said)


def broken(cell: Cell, name: str) -> str:
    """``compiled alone breaks the contract at 12 inputs``, by one of BREAKERS."""
    table = cell.measured["against"]
    count = inputs(table["breaks"][name]["count"])
    alone = {"mode": cell.mode, "against": table["mode"]}
    if name in alone:
        return f"{alone[name]} alone breaks the contract at {count}"
    if name == "undecided":
        return f"whether the contract is broken is undecided at {count}"
    return f"{'both break' if name == 'both' else 'neither breaks'} the contract at {count}"


def zeros(cell: Cell) -> str:
    """``zeros of either sign at 4 inputs; an odd function's sign is lost by eager at 4``."""
    table = cell.measured["against"]
    names = {"mode": cell.mode, "against": table["mode"]}
    lost = [f"by {names[name]} at {count:,}" for name, count in table["zeros"]["lost"].items() if count]
    said = f"+0 beside -0 at {inputs(table['zeros']['count'])}"
    return f"{said}; the sign is lost, of an odd function, {' and '.join(lost)}" if lost else said


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
    before, after = (_compared(found.get("against")) for found in (old, new))
    if before != after:
        said.append(f"compared modes: {before} -> {after}")
    return said


def _compared(table: Mapping[str, Any] | None) -> str:
    if table is None:
        return "none"
    some = {name: table["breaks"][name]["count"] for name in BREAKERS if name in table["breaks"]}
    counts = ", ".join(f"{name} {count:,}" for name, count in some.items())
    return f"{inputs(table['differ'])} unlike {table['mode']}{f' (breaking the contract: {counts})' if counts else ''}"


def _maximum(found: Mapping[str, Any] | None, unit: str) -> str:
    return f"{found['value']:.6g}{unit} at {short(found['input']['decimal'])}" if found else "none"


def _class(table: Mapping[str, Any] | None) -> str:
    if table is None:
        return "none"
    some = "; ".join(interval(i) for i in gravest(table["intervals"], SHOWN))
    more = len(table["intervals"]) - SHOWN
    return f"{inputs(table['count'])} on {some}{f' and {more} more' if more > 0 else ''}"
