"""The JUnit report: one test case per cell, for the CI systems that read nothing else."""

from __future__ import annotations

import os
import re
from xml.etree import ElementTree as ET

from gradproof.extend import Cell, RunResult, compact_figure, sweeps, visible, write_text

# What XML 1.0 cannot hold at all, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(result: RunResult) -> str:
    """``testsuites`` with one suite: times in seconds, class names by backend.

    fail: failure, of the severity's type; undecided: failure of type ``undecided``; error: error; not-run and
    unsupported: skipped, with the reason; known: passed, with the deviation as the property ``known``.
    """
    counts = result.counts()
    totals = {
        "tests": str(len(result.cells)),
        "failures": str(counts["fail"] + counts["undecided"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["not-run"] + counts["unsupported"]),
        "time": f"{result.run.seconds:.3f}",
    }
    root = ET.Element("testsuites", {"name": "gradproof", **totals})
    suite = ET.SubElement(root, "testsuite", {"name": "gradproof", "timestamp": result.run.started, **totals})
    for cell in result.cells:
        _case(suite, cell)
    for element in root.iter():
        for key, value in element.attrib.items():
            element.set(key, _clean(value))
        element.text = _clean(element.text) if element.text else None
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def write_junit(result: RunResult, path: str | os.PathLike[str]) -> None:
    """Write the report to ``path``, atomically. Raises UsageError where that cannot be written."""
    write_text(render_junit(result), path, "JUnit report")


def _case(suite: ET.Element, cell: Cell) -> None:
    place = f"gradproof.{cell.backend}.{cell.device}" + ("" if cell.mode == "eager" else f".{cell.mode}")
    facts = {"classname": place, "name": cell.id, "time": f"{cell.seconds:.3f}"}
    case = ET.SubElement(suite, "testcase", facts)
    evidence = f"{cell.evidence.kind} {cell.evidence.n}"
    properties = {"implementation": cell.implementation, "evidence": evidence}
    if cell.status == "known":
        properties["known"] = cell.known_ref or cell.reason
    box = ET.SubElement(case, "properties")
    if said := sweeps.lines(cell):
        properties["sweep"] = "; ".join(said)
    for name, value in properties.items():
        ET.SubElement(box, "property", {"name": name, "value": value})
    if cell.status in ("fail", "undecided"):
        kind = "undecided" if cell.status == "undecided" else cell.severity or "fail"
        ET.SubElement(case, "failure", {"type": kind, "message": cell.reason}).text = _details(cell)
    elif cell.status == "error":
        kind = str(cell.measured.get("fault", "error"))
        ET.SubElement(case, "error", {"type": kind, "message": cell.reason}).text = _details(cell)
    elif cell.status in ("not-run", "unsupported"):
        ET.SubElement(case, "skipped", {"type": cell.status, "message": cell.reason or cell.status})


def _details(cell: Cell) -> str:
    """The certificate as lines of text."""
    c = cell.certificate
    if c is None:
        return cell.reason
    numbers = {"x": c.input, "got": c.got, "expected": c.expected}
    lines = [f"{k}: {n.decimal}  {n.hex}  {n.bits}" for k, n in numbers.items() if n is not None]
    if c.input is not None:
        lines.append(f"error over bound: {compact_figure(cell.magnitude)}")
    return "\n".join([*lines, *sweeps.lines(cell), f"probable cause: {c.cause}", c.reproduce])


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", visible(text, lines=True))
