"""Findings in the reports: the same words in each, new ones in full, known ones by their deviation."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from pathlib import Path

import pytest

from gradproof.errors import UsageError
from gradproof.formats import FLOAT32
from gradproof.results import read_results, write_results
from gradproof.results.finding_texts import told
from gradproof.results.model import (
    Advice,
    Cell,
    Explanation,
    FailingInputs,
    Finding,
    Number,
    Operand,
    RunResult,
    SourceLine,
    Traced,
    WorstInput,
)
from gradproof_reports.html import render_html
from gradproof_reports.html.opened import FINDINGS
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


@pytest.mark.parametrize(("bits", "shown"), [("0x42000000", "32.0 (0x42000000)"), ("0x3f800000", "")])
def test_the_simplest_input_is_one_of_the_region_that_is_shown(bits: str, shown: str) -> None:
    failing = cell()
    assert failing.certificate is not None
    simplest = Number(bits, "", FLOAT32.decimal(int(bits, 16)))
    (words,) = told(result(cell(certificate=dataclasses.replace(failing.certificate, simplest=simplest))))
    assert words.simplest == shown


def below(html: str) -> list[str]:
    """What stands below each row, as markup."""
    return re.findall(r"</tr>\n<tr class=\"more\">.*?<noscript>(.*?)</noscript>", html, re.DOTALL)


@pytest.mark.parametrize("words", SAID)
def test_both_reports_say_it(words: str) -> None:
    assert words in Page(below(render_html(MIXED))[0]).text
    assert words in unescape(re.sub(r"\\(.)", r"\1", render_markdown(MIXED)))


def test_findings_come_first_and_known_ones_by_their_deviation() -> None:
    text = render_markdown(MIXED)
    assert re.findall("^## (.*)$", text, re.MULTILINE)[0] == "Findings"
    assert "| Tails are lost | 1 | 1 | tail | sigmoid |" in text
    new, known = below(render_html(MIXED))
    assert 'class="finding"' in new
    assert 'class="finding is-known"' in known
    assert "known: Tails are lost" in Page(known).text
    assert "lib:mine_1" not in Page(new).text


def test_nothing_wrong_is_no_section() -> None:
    right = result(cell(status="pass", clusters=[], certificate=None))
    assert "Findings" not in render_markdown(right)
    assert 'class="finding' not in render_html(right)


def test_known_ones_alone_are_no_new_ones() -> None:
    assert "None that is new." in render_markdown(result(KNOWN))
    assert 'class="finding"' not in render_html(result(KNOWN))


def test_hostile_findings_stay_text() -> None:
    (finding,) = [t.finding for t in told(result(cell()))]
    finding = dataclasses.replace(
        finding, function=HOSTILE, params={HOSTILE: HOSTILE}, implementation=HOSTILE, text=HOSTILE, kind=HOSTILE,
        mode=HOSTILE, explanation=Explanation(HOSTILE, HOSTILE, 1.0), advice=Advice(HOSTILE, 1.0), formats=[HOSTILE],
        worst=dataclasses.replace(WORST, format=HOSTILE),
    )  # fmt: skip
    known = dataclasses.replace(finding, known_ref=HOSTILE)
    bad = cell(function=HOSTILE, params={HOSTILE: HOSTILE}, implementation=HOSTILE, mode=HOSTILE, format=HOSTILE)
    hostile = result(bad, findings=[finding, known], deviations={HOSTILE: {"title": HOSTILE}})
    page = Page(render_html(hostile))
    assert page.all("img") == []
    assert "<img src=x onerror=alert(1)>" in page.text
    text = render_markdown(hostile)
    assert "<img" not in re.sub(r"\\<", "", text)
    assert "\x1b" not in text


def test_a_row_tells_three_findings_in_full_and_the_rest_in_a_sentence() -> None:
    regions = [{"float32": {"1": [[f"0x4{i}880000", f"0x4{i}890000"]]}} for i in range(5)]
    (finding,) = [t.finding for t in told(result(cell()))]
    findings = [dataclasses.replace(finding, regions=r, text=f"the {i}th fault") for i, r in enumerate(regions)]
    (text,) = below(render_html(result(cell(), findings=findings)))
    assert text.count('<article class="finding"') == FINDINGS == 3
    assert "2 more findings" in text
    assert all(f"the {i}th fault" in text for i in range(5))


def test_a_trace_is_shown_with_the_operation_that_matters() -> None:
    operand = Operand("0.5", "0x3f000000", "float32")
    line = SourceLine("mine.py", 7, "return s * (1 - s)")
    step = Traced(
        "aten::rsub",
        "backward",
        "MulBackward0",
        "operation",
        line,
        [operand],
        operand,
        "0.25",
        0.5,
        9.0,
        3.0,
        3.0,
        True,
    )
    (cluster,) = cell().clusters
    page = below(render_html(result(cell(clusters=[dataclasses.replace(cluster, trace=[step])]))))[0]
    assert '<tr class="marked">' in page
    assert "mine.py:7 return s * (1 - s)" in Page(page).text


def test_a_hundred_and_sixty_findings_are_no_large_page() -> None:
    html = render_html(result(*(cell(i) for i in range(160))))
    assert html.count('<article class="finding"') == 160
    assert sum(map(len, below(html))) < 500_000


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
