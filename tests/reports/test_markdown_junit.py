"""The Markdown and the JUnit report."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gradproof.results.model import Cell, RunResult
from gradproof_reports.junit import render_junit, write_junit
from gradproof_reports.markdown import render_markdown, write_markdown
from tests.reports.synthetic import run

RESULT = run(functions=6)


@pytest.fixture(scope="module")
def cases() -> dict[str, ET.Element]:
    return {f"{c.get('classname')} {c.get('name')}": c for c in ET.fromstring(render_junit(RESULT)).iter("testcase")}


def name(cell: Cell) -> str:
    mode = "" if cell.mode == "eager" else f".{cell.mode}"
    return f"gradproof.{cell.backend}.{cell.device}{mode} {cell.id}"


def test_every_cell_is_a_case_of_its_own(cases: dict[str, ET.Element]) -> None:
    assert sorted(cases) == sorted(name(c) for c in RESULT.cells)


@pytest.mark.parametrize(
    ("status", "child"),
    [
        ("fail", "failure"), ("undecided", "failure"), ("error", "error"), ("not-run", "skipped"),
        ("unsupported", "skipped"), ("known", None), ("pass", None),
    ],
)  # fmt: skip
def test_a_status_becomes(cases: dict[str, ET.Element], status: str, child: str | None) -> None:
    cells = [c for c in RESULT.cells if c.status == status]
    assert cells
    for cell in cells:
        tags = {e.tag for e in cases[name(cell)]} - {"properties"}
        assert tags == ({child} if child else set())
        if child == "skipped":
            assert cases[name(cell)].find("skipped").get("message") == cell.reason  # type: ignore[union-attr]


def test_undecided_and_known_are_named(cases: dict[str, ET.Element]) -> None:
    undecided = next(c for c in RESULT.cells if c.status == "undecided")
    failure = cases[name(undecided)].find("failure")
    assert failure is not None
    assert failure.get("type") == "undecided"
    known = next(c for c in RESULT.cells if c.status == "known")
    properties = {p.get("name"): p.get("value") for p in cases[name(known)].iter("property")}
    assert properties["known"] == known.known_ref


def test_totals_are_those_of_the_cases() -> None:
    root = ET.fromstring(render_junit(RESULT))
    for total, tag in (
        ("tests", "testcase"),
        ("failures", "failure"),
        ("errors", "error"),
        ("skipped", "skipped"),
    ):
        assert root.get(total) == str(len(list(root.iter(tag))))


def hostile(text: str) -> RunResult:
    cell = next(c for c in RESULT.cells if c.status == "fail")
    return dataclasses.replace(RESULT, cells=[dataclasses.replace(cell, function=text, reason=text)])


def test_characters_that_xml_cannot_hold_do_not_break_the_file(tmp_path: Path) -> None:
    write_junit(hostile("a\x00b\x1b]<&>\ud800\uffff"), tmp_path / "j.xml")
    root = ET.parse(tmp_path / "j.xml").getroot()
    assert root.find(".//failure").get("message") == r"a\x00b\x1b]<&>\ud800" + "\ufffd"  # type: ignore[union-attr]


def test_markdown_says_the_verdict_and_lists_the_failures(tmp_path: Path) -> None:
    write_markdown(RESULT, tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    counts = RESULT.counts()
    assert text.startswith(f"# gradproof: {counts['fail'] + counts['error']} new failures\n")
    bad = [c for c in RESULT.cells if c.status in ("fail", "error")]
    for cell in bad:
        assert cell.certificate is not None
        assert f"`{cell.certificate.reproduce}`" in text
    assert "Derivatives of sigmoid and tanh lose their tails" in text


def test_names_cannot_break_a_markdown_table() -> None:
    text = render_markdown(hostile("a|b\n<img src=x onerror=alert(1)>`"))
    row = next(line for line in text.splitlines() if line.startswith("| ") and "a\\|b" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
    assert "<img" not in re.sub(r"\\<", "", text)
