"""Findings in the reports: the same words in each, new ones in full, known ones by their deviation."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from pathlib import Path

import pytest

from gradproof.errors import UsageError
from gradproof.results import read_results, write_results
from gradproof.results.finding_texts import told
from gradproof.results.model import (
    Advice,
    Cell,
    Explanation,
    FailingInputs,
    Finding,
    RunResult,
    WorstInput,
)
from gradproof_reports.html import render_html
from gradproof_reports.html.findings import WHOLE
from gradproof_reports.markdown import render_markdown
from tests.reports.page_reader import Page
from tests.reports.synthetic import run

HOSTILE = "<img src=x onerror=alert(1)>|`*\x1b[2J"
BASE = run(functions=2)
WORST = WorstInput("float32", 1, "0x41880000", "0x00000000", "0x3332edc1", 8388608.0, 4194304.0)
REGION = ["0x41880000", "0x42b00000"]
WHY = Explanation("sigmoid/product", "the product s (1 - s), whose second factor rounds to 0", 0.998)
ADVICE = Advice("exp(-|x|) / (1 + exp(-|x|))^2", 0.31)


def cell(number: int = 0, **changes: object) -> Cell:
    failing = next(c for c in BASE.cells if c.status == "fail" and c.certificate is not None)
    assert failing.certificate is not None
    command = f"gradproof repro mine_{number} --bits 0x00000001"
    certificate = dataclasses.replace(failing.certificate, reproduce=command)
    cluster = FailingInputs("tail", [REGION], 9, WORST, 12.5, 1.0, False, True, "worse", [WHY], ADVICE)
    made = Cell(
        "sigmoid", {}, f"lib:mine_{number}", "torch", "cpu", "eager", "float32", 1, "accuracy", "fail",
        reason="lost", severity="lost-signal", magnitude=12.5, felt=True, certificate=certificate, clusters=[cluster],
    )  # fmt: skip
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def result(*cells: Cell, findings: list[Finding] | None = None, **changes: object) -> RunResult:
    made = dataclasses.replace(BASE, cells=list(cells), ledger=[], claims=[], findings=findings or [])
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


KNOWN = cell(1, status="known", known_ref="torch-tails")
MIXED = result(cell(0), KNOWN, deviations={"torch-tails": {"title": "Tails are lost", "reason": "r"}})
SAID = [
    "lib:mine_0",
    "tail, felt in training",
    "f' is lost (0) on [17, 88] (float32)",
    "0x41880000",
    "0x00000000",
    "0x3332edc1",
    "f', float32",
    "12.5 times the bound at most",
    WHY.text,
    "99.8 % of what fails",
    "the framework's own function does better at these inputs",
    ADVICE.formula,
    "0.31 times the contract's bound",
    "accuracy f32",
    "gradproof repro mine_0 --bits 0x41880000",
]


def test_words_are_those_of_the_finding_and_its_cells() -> None:
    new, known = told(MIXED)
    assert (new.new, known.new) == (True, False)
    assert new.regions == ["17.0 (0x41880000) to 88.0 (0x42b00000)"]
    assert new.cells == 1


def section(html: str) -> str:
    return html[html.index('<section id="findings"') : html.index('<section id="properties"')]


@pytest.mark.parametrize("words", SAID)
def test_both_reports_say_it(words: str) -> None:
    assert words in Page(section(render_html(MIXED))).text
    assert words in unescape(re.sub(r"\\(.)", r"\1", render_markdown(MIXED)))


def test_findings_come_first_and_known_ones_by_their_deviation() -> None:
    text = render_markdown(MIXED)
    assert re.findall("^## (.*)$", text, re.MULTILINE)[0] == "Findings"
    assert "| Tails are lost | 1 | 1 | tail | sigmoid |" in text
    html = render_html(MIXED)
    page = Page(section(html))
    assert html.index('id="findings"') < html.index('id="properties"') < html.index('id="matrix"')
    (folded,) = page.all("details")
    assert "open" not in folded
    assert "1 finding is known" in page.text
    assert "Tails are lost" in page.text
    assert page.text.count("lib:mine_1") == 1
    assert [tag for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)] == ["h2", "h3", "h3"]


def test_nothing_wrong_is_no_section() -> None:
    right = result(cell(status="pass", clusters=[], certificate=None))
    assert "Findings" not in render_markdown(right)
    assert 'id="findings"' not in render_html(right)


def test_known_ones_alone_are_no_new_ones() -> None:
    assert "None that is new." in render_markdown(result(KNOWN))
    assert "None that is new." in Page(section(render_html(result(KNOWN)))).text


def test_hostile_findings_stay_text() -> None:
    (finding,) = [t.finding for t in told(result(cell()))]
    finding = dataclasses.replace(
        finding, function=HOSTILE, params={HOSTILE: HOSTILE}, implementation=HOSTILE, text=HOSTILE, kind=HOSTILE,
        mode=HOSTILE, explanation=Explanation(HOSTILE, HOSTILE, 1.0), advice=Advice(HOSTILE, 1.0), formats=[HOSTILE],
        worst=dataclasses.replace(WORST, format=HOSTILE),
    )  # fmt: skip
    known = dataclasses.replace(finding, known_ref=HOSTILE)
    bad = cell(function=HOSTILE, implementation=HOSTILE, mode=HOSTILE)
    hostile = result(bad, findings=[finding, known], deviations={HOSTILE: {"title": HOSTILE}})
    page = Page(render_html(hostile))
    assert page.all("img") == []
    assert "<img src=x onerror=alert(1)>" in page.text
    text = render_markdown(hostile)
    assert "<img" not in re.sub(r"\\<", "", text)
    assert "\x1b" not in text


def test_a_hundred_and_sixty_findings_are_no_large_page() -> None:
    many = result(*(cell(i) for i in range(160)))
    html = section(render_html(many))
    assert html.count('<article class="finding"') == 160
    assert len(html.encode()) < 300_000


def test_of_those_beyond_there_is_a_line_each() -> None:
    page = Page(section(render_html(result(*(cell(i) for i in range(WHOLE + 2))))))
    assert page.text.count("gradproof repro") == WHOLE
    assert page.text.count("f' is lost (0)") == WHOLE + 2


def test_a_markdown_report_counts_what_it_leaves_out() -> None:
    text = render_markdown(result(*(cell(i) for i in range(103))))
    assert "and 3 more: see the HTML report" in text


@pytest.mark.parametrize(
    ("old", "new", "told_"),
    [
        ('"bits":"0x41880000"', '"bits":"4188"', "expected bit patterns such as 0x3f80, got '4188'"),
        ('["0x41880000","0x42b00000"]', '["0x41880000"]', "expected intervals of two ends"),
        ('["0x41880000","0x42b00000"]', '["0x41880000","?"]', "expected bit patterns such as 0x3f80, got '?'"),
    ],
)
def test_a_file_with_what_is_no_input_is_refused(tmp_path: Path, old: str, new: str, told_: str) -> None:
    file = tmp_path / "r.json"
    write_results(result(cell()), file)
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(UsageError, match=re.escape(told_)):
        read_results(file)
