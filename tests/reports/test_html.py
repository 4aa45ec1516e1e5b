"""The HTML report, read without a browser: everything that must be there when no script runs."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradproof.results.claims import judge
from gradproof.results.model import Basis, Cell, Claim, RunResult
from gradproof_reports.html import render_html, write_html
from gradproof_reports.html.data import embed
from gradproof_reports.html.failures import CERTIFICATES, link
from gradproof_reports.html.pages import pages
from tests.reports.page_reader import Page
from tests.reports.synthetic import run

HOSTILE = "<img src=x onerror=alert(1)>"


def test_making_a_report_needs_no_numpy_and_no_room_of_the_engine() -> None:
    code = (
        "import sys, gradproof_reports.html, gradproof_reports.junit, gradproof_reports.markdown\n"
        "print(*(m for m in sys.modules if m == 'numpy' or m.startswith('gradproof.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {".".join(m.split(".")[:2]) for m in done.stdout.split()}
    allowed = ("errors", "formats", "cache", "files", "results", "text", "extend", "_version")
    assert rooms <= {f"gradproof.{room}" for room in allowed}


@pytest.fixture(scope="module")
def full() -> RunResult:
    return run()


@pytest.fixture(scope="module")
def html(full: RunResult) -> str:
    return render_html(full)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_a_full_run_fits_into_five_megabytes(full: RunResult, html: str) -> None:
    assert len(full.cells) > 2000
    assert sum(c.curve is not None for c in full.cells) > 800
    assert len(html.encode()) <= 5_000_000


def test_a_run_in_which_everything_fails_fits_as_well(full: RunResult) -> None:
    bad = next(c for c in full.cells if c.status == "fail" and c.curve is not None)
    cells = [
        dataclasses.replace(c, status="fail", certificate=bad.certificate, reason=bad.reason, severity=bad.severity)
        for c in full.cells
    ]
    text = render_html(dataclasses.replace(full, cells=cells))
    assert len(text.encode()) <= 5_000_000
    assert text.count('<details class="fail"') == len(cells) > CERTIFICATES


def test_nothing_is_loaded_from_anywhere(html: str, page: Page) -> None:
    loading = ("src", "srcset", "data", "poster", "action", "formaction", "background")
    for tag, attributes in page.elements:
        assert not [a for a in loading if a in attributes], (tag, attributes)
        if tag != "a":
            assert attributes.get("href", "data:").startswith("data:")
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "unsafe-eval" not in policy


def test_the_verdict_counts_every_status_and_says_what_u_and_m_are(full: RunResult, page: Page) -> None:
    counts = full.counts()
    assert f"{counts['fail'] + counts['error']} new failures" in page.text
    for status, word in (("pass", "passed"), ("not-run", "not run"), ("undecided", "undecided")):
        assert f"{counts[status]} {word}" in page.text
    assert "correct rounding gives u ≤ 1/2" in page.text
    assert "one input ulp" in page.text


def test_every_failing_cell_stands_in_the_page_with_its_command_and_picture(full: RunResult, html: str) -> None:
    start, end = html.index('<section id="failures"'), html.index('<section id="known"')
    rows = re.findall(r'<details class="fail".*?</details>', html[start:end], re.DOTALL)
    found = [Page(row).text for row in rows]
    bad = [c for c in full.cells if c.status in ("fail", "error")]
    assert len(rows) == len(bad)
    for cell in bad:
        assert cell.certificate is not None
        wanted = [cell.property, cell.certificate.reproduce]
        wanted += [n.bits for n in (cell.certificate.input, cell.certificate.got) if n is not None]
        assert any(all(w in text for w in wanted) for text in found), cell.id
    with_curve = sum(c.curve is not None for c in bad)
    assert sum("<svg" in row for row in rows) >= with_curve > 0


def test_a_static_picture_has_at_most_128_points(html: str) -> None:
    pictures = re.findall(r'<svg class="spark".*?<path d="(.*?)"', html)
    assert pictures
    assert max(len(re.findall("[ML]", path)) for path in pictures) <= 128


def test_links_of_the_matrix_lead_to_the_certificate_without_scripts(full: RunResult, page: Page) -> None:
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    failing = {p.slug for p in pages(full).values() if any(c.status in ("fail", "error") for c in p.cells)}
    assert failing <= set(ids)
    targets = {a["href"][1:] for a in page.all("a") if a.get("href", "").startswith("#")}
    assert set(pages(full)) <= targets


def test_headers_of_the_matrix_have_a_scope(html: str) -> None:
    table = re.search(r'<table class="matrix">.*?</table>', html, re.DOTALL)
    assert table is not None
    heads = Page(table[0]).all("th")
    assert {h.get("scope") for h in heads} == {"col", "colgroup", "row", "rowgroup"}


def test_every_matrix_cell_says_its_state_in_words_and_not_by_colour_alone(html: str) -> None:
    table = re.search(r'<table class="matrix">.*?</table>', html, re.DOTALL)
    assert table is not None
    cells = re.findall(r"<td class=\"s-.*?</td>", table[0], re.DOTALL)
    assert cells
    for cell in cells:
        assert re.search(r'<i aria-hidden="true">\S</i><span class="vh">[a-z ]+</span>', cell), cell


def test_the_results_file_in_the_page_is_the_one_that_was_rendered(full: RunResult, page: Page) -> None:
    assert page.data()["results"] == full.to_json()


def hostile_run() -> RunResult:
    base = run(functions=1)

    def poison(c: Cell) -> Cell:
        certificate = c.certificate and dataclasses.replace(c.certificate, explanation=HOSTILE, reproduce=HOSTILE)
        return dataclasses.replace(
            c,
            function=HOSTILE,
            params={HOSTILE: HOSTILE},
            implementation=HOSTILE,
            reason=HOSTILE + "</script><!--",
            measured={HOSTILE: HOSTILE},
            property=HOSTILE if c.property == "shape" else c.property,
            certificate=certificate,
        )

    deviation = {"title": HOSTILE, "reason": HOSTILE, "upstream": ["javascript:alert(1)", HOSTILE]}
    cells = [poison(c) for c in base.cells]
    return dataclasses.replace(
        base,
        cells=cells,
        claims=judge([Claim(HOSTILE, HOSTILE, HOSTILE, HOSTILE, [Basis("accuracy")])], cells),
        deviations={"torch-tails": deviation},
    )


def test_hostile_names_stay_text() -> None:
    result = hostile_run()
    text = render_html(result)
    page = Page(text)
    assert page.all("img") == []
    assert not [a for _, a in page.elements if any(k.startswith("on") for k in a)]
    assert not [a for a in page.all("a") if a.get("href", "").startswith("javascript")]
    assert HOSTILE in page.text
    assert page.data()["results"] == result.to_json()


@pytest.mark.parametrize("limit", [0, 1 << 30])
def test_embedded_json_cannot_end_its_element(limit: int) -> None:
    document = {"a": "</script><script>alert(1)</script><!-- \u2028 &amp;"}
    text = str(embed(document, limit))
    assert not set("<>&\u2028") & set(text)
    assert Page(f'<script type="application/json" id="data">{text}</script>').data() == document


def test_parameters_and_modes_are_told_apart_in_the_address(full: RunResult) -> None:
    cell = next(c for c in full.cells if c.function == "elu" and c.mode == "compiled" and c.order == 1)
    other = dataclasses.replace(cell, params={"alpha": 2.0})
    slugs = [s.rpartition("/")[0] for s in pages(dataclasses.replace(full, cells=[cell, other]))]
    assert slugs == [
        f"elu(alpha=1.0)/jax-cpu-compiled/{cell.format}",
        f"elu(alpha=2.0)/jax-cpu-compiled/{cell.format}",
    ]
    alone = pages(dataclasses.replace(full, cells=[cell]))
    assert next(iter(alone)).startswith("elu/jax-cpu-compiled/")


def test_two_implementations_of_one_function_have_two_pages(full: RunResult) -> None:
    mine = dataclasses.replace(full.cells[0], implementation="mine:fast")
    assert len(pages(dataclasses.replace(full, cells=[full.cells[0], mine]))) == 2


@pytest.mark.parametrize(
    ("reference", "address"),
    [
        ("pytorch#187806", "https://github.com/pytorch/pytorch/issues/187806"),
        ("jax#39794", "https://github.com/jax-ml/jax/issues/39794"),
        ("https://example.org/1", "https://example.org/1"),
        ("javascript:alert(1)", ""),
        ("a letter", ""),
    ],
)
def test_upstream_references_become_links_only_where_they_are_addresses(reference: str, address: str) -> None:
    assert link(reference)[1] == address


def test_a_skipped_property_shows_in_a_cell_that_otherwise_passed(full: RunResult) -> None:
    cell = next(c for c in full.cells if c.status == "pass")
    skipped = dataclasses.replace(cell, property="later", status="not-run", reason="out of time")
    text = render_html(dataclasses.replace(full, cells=[cell, skipped]))
    assert "<sup>1/2</sup>" in text


def test_an_empty_and_a_green_run_have_pages_too(full: RunResult, tmp_path: Path) -> None:
    empty = render_html(dataclasses.replace(full, cells=[], ledger=[]))
    assert "Nothing was judged" in Page(empty).text
    green = dataclasses.replace(full, cells=[c for c in full.cells if c.status == "pass"], ledger=[])
    write_html(green, tmp_path / "out" / "report.html")
    assert "No new failure" in Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8")).text
