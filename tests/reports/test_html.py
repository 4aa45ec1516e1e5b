"""The HTML report, read without a browser: everything that must be there when no script runs."""

from __future__ import annotations

import dataclasses
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradproof.results import read_results, write_results
from gradproof.results.cell_changes import since
from gradproof.results.claims import judge
from gradproof.results.model import Basis, Cell, Claim, FailingInputs, RunResult, WorstInput
from gradproof.results.ranges import usable
from gradproof.results.rows import VERDICTS, Row, facts, rows
from gradproof_reports.html import render_html, write_html
from gradproof_reports.html.data import embed
from gradproof_reports.html.opened import CERTIFICATES
from gradproof_reports.html.tabs import link, plain
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
    allowed = ("errors", "formats", "files", "results", "text", "spelling", "extend", "_version")
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
    assert text.count('<p class="num">') == CERTIFICATES < len(cells)
    assert text.count("<h4>accuracy") + text.count("<h4>", 0) > len(cells)


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


def opened(html: str) -> dict[str, str]:
    """What stands below each row, by its slug."""
    found = re.findall(r'<tr class="row" id="([^"]*)".*?<noscript>(.*?)</noscript>', html, re.DOTALL)
    return dict(found)


def test_every_failing_cell_stands_below_its_row_with_command_numbers_and_picture(full: RunResult, html: str) -> None:
    below = opened(html)
    for row in rows(full):
        bad = [c for c in row.cells if c.status in ("fail", "error", "known")]
        text = Page(below[row.slug]).text if bad else ""
        for cell in bad:
            assert cell.certificate is not None
            wanted = [f"{cell.property} f", cell.reason, cell.certificate.reproduce]
            wanted += [n.bits for n in (cell.certificate.input, cell.certificate.got) if n is not None]
            assert all(w in text for w in wanted), cell.id
        if any(c.curve is not None for c in row.cells):
            assert '<svg class="spark"' in below[row.slug]


def test_links_lead_to_rows_without_scripts(full: RunResult, page: Page) -> None:
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    slugs = {row.slug for row in rows(full)}
    targets = {a["href"][1:] for a in page.all("a") if a.get("href", "").startswith("#")}
    assert slugs <= targets
    assert {t for t in targets if "?" not in t} <= set(ids)


def test_headers_have_a_scope_and_verdicts_a_word(html: str) -> None:
    table = html[html.index('<table id="table">') : html.index("</table>", html.rindex('<tr class="row"'))]
    assert {h.get("scope") for h in Page(table + "</table>").all("th")} == {"col", "row"}
    words = re.findall(r'<td class="v-(\w+)"[^>]*><i aria-hidden="true">(.)</i>([a-z ]+)</td>', table)
    assert len(words) == table.count('<tr class="row"')
    assert {(VERDICTS[k].glyph, VERDICTS[k].text) for k, _, _ in words} == {(g, t) for _, g, t in words}
    assert len({w.glyph for w in VERDICTS.values()}) == len(VERDICTS)


def test_the_results_file_in_the_page_is_the_one_on_disk_byte_for_byte(full: RunResult, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    write_results(full, file)
    page = Page(render_html(read_results(file)))
    assert page.file() == file.read_bytes()
    assert b'"alpha":1.0' in page.file()


def only(full: RunResult, **changes: object) -> Row:
    """The one row of a float32 accuracy cell of f' that passes, with changes."""
    cell = next(
        c
        for c in full.cells
        if c.status == "pass" and c.property == "accuracy" and c.order == 1 and c.format == "float32"
    )
    (row,) = rows(dataclasses.replace(full, cells=[dataclasses.replace(cell, **changes)]))  # type: ignore[arg-type]
    return row


INFINITE = math.inf


@pytest.mark.parametrize(
    ("spans", "kind", "text"),
    [
        ([], "safe", "safe"),
        ([(-104.0, -88.0)], "within", "safe within [−88, ∞)"),
        ([(-1e38, -88.7223), (90.04, 1e38)], "within", "safe within [−88.7, 90]"),
        ([(-1.0, 1.0), (1.5, 8.0)], "within", "safe within (−∞, −1]"),
        ([(x / 4, x / 4 + 0.2) for x in range(-40, 40)], "no", "no"),
        ([(-1e-40, 1e-40)], "within", "safe, but for |x| ≤ 1e−40"),
        ([(-0.0, 0.0)], "within", "safe, but for x = 0"),
        ([(3.0, 3.0)], "within", "safe, but for x = 3"),
        ([(INFINITE, INFINITE), (math.nan, math.nan)], "safe", "safe"),
    ],
)  # fmt: skip
def test_the_usable_range_is_the_longest_stretch_without_a_failing_input(
    spans: list[tuple[float, float]], kind: str, text: str
) -> None:
    found = usable(spans)
    assert (found.kind, found.text) == (kind, text)


def test_a_range_is_cut_by_failing_inputs_of_f_and_its_slope_alone_and_by_no_kink(full: RunResult) -> None:
    worst = WorstInput("float32", 1, "0xc2b20000", "0x00000000", "0x00000001", 9.0, 9.0)
    tail = FailingInputs("tail", [["0xff7fffff", "0xc2b20000"]], 9, worst, 12.5, 1.0, False, True)
    failing = {"status": "fail", "clusters": [tail]}
    assert only(full).range().kind == "safe"
    assert only(full, **failing).range().text == "safe within [−89, ∞)"
    assert only(full, **failing, order=0).range().text == "safe within [−89, ∞)"
    curved = only(full, **failing, order=2)
    assert curved.range().kind == "unknown"
    at_kink = dataclasses.replace(tail, kind="kink")
    assert only(full, status="fail", clusters=[at_kink]).range().kind == "safe"
    assert only(full, status="error").range().kind == "no"
    assert only(full, status="not-run").range().kind == "unknown"


def test_colour_is_the_error_in_the_usable_range_without_what_is_excused(full: RunResult) -> None:
    row = only(full, magnitude=0.4, excused=3, measured={"excused": {"magnitude": 6e14}})
    assert (row.worst(row.range()).text, row.worst(row.range()).key) == ("0.40", "1")
    assert row.excused is not None
    assert "6e14" in row.excused.title
    assert only(full).excused is None


@pytest.mark.parametrize(
    ("status", "verdict"),
    [("pass", "right"), ("fail", "wrong"), ("known", "known"), ("error", "crashed"), ("undecided", "undecided"),
     ("not-run", "unjudged"), ("unsupported", "unjudged")],
)  # fmt: skip
def test_a_row_has_one_verdict(full: RunResult, status: str, verdict: str) -> None:
    assert only(full, status=status).verdict.key == verdict


def test_what_was_judged_in_part_is_right_so_far(full: RunResult) -> None:
    cell = next(c for c in full.cells if c.status == "pass")
    skipped = dataclasses.replace(cell, property="later", status="not-run", reason="out of time")
    (row,) = rows(dataclasses.replace(full, cells=[cell, skipped]))
    assert row.verdict.key == "partly"


KERNEL = Cell("silu", {}, "mine:silu", "torch", "cpu", "eager", "float32", 0, "accuracy", "fail", magnitude=9.0)


@pytest.mark.parametrize(
    ("magnitudes", "first"),
    [
        ({"float64": 1e9, "float32": 40.0, "float16": 7.0, "bfloat16": 5.0}, "float32"),
        ({"float64": 1e9, "float32": 7.0, "float16": 40.0, "bfloat16": 5.0}, "float16"),
        ({"float64": None, "float32": 7.0, "float16": None, "bfloat16": 5.0}, "float16"),
        ({"float64": 1e9, "float32": 7.0, "float16": 7.0, "bfloat16": 7.0}, "bfloat16"),
        ({"float64": 1e9}, "float64"),
    ],
)
def test_of_formats_that_are_alike_a_kernel_shows_the_one_that_matters(
    full: RunResult, magnitudes: dict[str, float | None], first: str
) -> None:
    cells = [dataclasses.replace(KERNEL, format=f, magnitude=m) for f, m in magnitudes.items()]
    result = dataclasses.replace(full, cells=cells, findings=[], claims=[])
    assert facts(rows(result), result)[0].row.format == first
    # What training feels comes before the size of an error.
    felt = [dataclasses.replace(c, felt=c.format == "float64") for c in cells]
    result = dataclasses.replace(result, cells=felt)
    assert facts(rows(result), result)[0].row.format == "float64"


def test_infinities_training_and_the_own_function_have_their_columns(full: RunResult) -> None:
    assert only(full).infinities.text == "–"
    assert only(full, property="special-values").infinities.key == "right"
    assert only(full, property="special-values", status="known").infinities.text == "wrong: f′"
    assert [only(full, status="fail", felt=f).felt.key for f in (True, False)] == ["felt", "unfelt"]
    assert only(full, felt=None).felt.key == ""
    worst = WorstInput("float32", 1, "0xc2b20000", "0x00000000", "0x00000001", 9.0, 9.0)
    theirs = [
        FailingInputs("tail", [["0xc2b20000", "0xc2b20000"]], 9, worst, 9.0, 1.0, False, True, b)
        for b in ("worse", "better")
    ]
    said = [only(full, implementation="mine:f", status="fail", clusters=[c]).own.key for c in theirs]
    assert said == ["worse", "better"]
    assert only(full).own.text == "is its own"


def test_what_changed_since_an_earlier_file_stands_beside_the_row(full: RunResult) -> None:
    cell = next(c for c in full.cells if c.status == "pass" and c.magnitude)
    base = dataclasses.replace(full, cells=[cell])
    head = dataclasses.replace(full, cells=[dataclasses.replace(cell, status="fail", magnitude=30.0)])
    changed = since(base, head)
    (row,) = rows(changed)
    fact = row.since(changed)
    assert fact is not None
    assert (fact.key, fact.text) == ("changed", "1 new failure")
    page = Page(render_html(changed))
    assert "What changed" in page.text
    assert cell.id in page.text
    assert page.data() == head.to_json()
    (row,) = rows(since(base, base))
    same = row.since(since(base, base))
    assert same is not None
    assert same.text == "as before"
    assert row.since(base) is None


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
    assert page.data() == result.to_json()


def test_embedded_json_cannot_end_its_element() -> None:
    document = {"a": "</script><script>alert(1)</script><!-- \u2028 &amp;"}
    text = str(embed(document))
    assert not set("<>&\u2028") & set(text)
    assert Page(f'<script type="application/json" id="index">{text}</script>').index() == document


def test_parameters_and_modes_are_told_apart_in_the_address(full: RunResult) -> None:
    cell = next(c for c in full.cells if c.function == "elu" and c.mode == "compiled" and c.order == 1)
    other = dataclasses.replace(cell, params={"alpha": 2.0})
    slugs = [row.slug for row in rows(dataclasses.replace(full, cells=[cell, other]))]
    assert slugs == [
        f"elu(alpha=1.0)/jax-cpu-compiled/{cell.format}",
        f"elu(alpha=2.0)/jax-cpu-compiled/{cell.format}",
    ]
    (alone,) = rows(dataclasses.replace(full, cells=[cell]))
    assert alone.slug == f"elu/jax-cpu-compiled/{cell.format}"


def test_two_implementations_of_one_function_have_two_rows(full: RunResult) -> None:
    mine = dataclasses.replace(full.cells[0], implementation="mine:fast")
    assert len(rows(dataclasses.replace(full, cells=[full.cells[0], mine]))) == 2


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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "–"), ("", "–"), (["a", "b"], "a, b"), ({"a": 1, "b": False}, "a: 1, b: no"),
        ({"f": {"x": True}, "g": {"x": True}, "h": {"x": False}}, "f, g: x: yes; h: x: no"),
    ],
)  # fmt: skip
def test_settings_are_told_without_repeating_what_is_alike(value: object, text: str) -> None:
    assert plain(value) == text


def test_an_empty_and_a_green_run_have_pages_too(full: RunResult, tmp_path: Path) -> None:
    empty = render_html(dataclasses.replace(full, cells=[], ledger=[]))
    assert "Nothing was judged" in Page(empty).text
    green = dataclasses.replace(full, cells=[c for c in full.cells if c.status == "pass"], ledger=[])
    write_html(green, tmp_path / "out" / "report.html")
    assert "No new failure" in Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8")).text
