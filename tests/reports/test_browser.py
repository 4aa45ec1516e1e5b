"""The report in a real browser: from the file system, without a network."""

from __future__ import annotations

import base64
import dataclasses
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gradproof.formats import get_format
from gradproof.results import write_results
from gradproof.results.cell_changes import since
from gradproof.results.claims import judge
from gradproof.results.graphs import patterns
from gradproof.results.model import Basis, Cell, Claim, Graph, RunResult
from gradproof.results.rows import rows
from gradproof_reports.html import write_html
from tests.reports.browser import Visit, chromium, missing
from tests.reports.synthetic import packed, run

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser")

HOSTILE = "<img src=x onerror=alert(1)>\"'&\u202e"
VIEWS = ("rows", "changes", "claims", "properties", "known", "environment")
FIRST_INTERACTION = 2.0
"""Seconds from opening a full run to the answer to the first key."""
STOPS = 20


def made(functions: int | None = 4) -> RunResult:
    """A run with claims, one user's kernel, and changes since an earlier one."""
    base = run(functions=functions)
    own = next(c for c in base.cells if c.status == "fail" and c.curve is not None)
    graph = own.curve.graph if own.curve is not None else None
    assert own.curve is not None
    assert graph is not None
    drawn = dataclasses.replace(own.curve, graph=dataclasses.replace(graph, own=graph.due))
    mine = dataclasses.replace(own, implementation="mine:fast", curve=drawn)
    cells = [*base.cells, mine]
    claims = judge([Claim("c", "Is it so?", "It is so.", "nobody", [Basis("accuracy")])], cells)
    changed = [dataclasses.replace(c, status="pass", clusters=[]) if c is own else c for c in cells]
    head = dataclasses.replace(base, cells=cells, claims=claims)
    return since(dataclasses.replace(head, cells=changed), head)


@pytest.fixture(scope="module")
def result() -> RunResult:
    return made()


@pytest.fixture(scope="module")
def file(result: RunResult, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_html(result, path)
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def visit(browser: Any, file: str) -> Iterator[Visit]:
    made = Visit(browser, file)
    yield made
    assert made.console == []
    assert [r for r in made.requests if not r.startswith(("file:", "data:", "blob:"))] == []
    made.context.close()


def mine(result: RunResult) -> str:
    return next(row.slug for row in rows(result) if row.implementation == "mine:fast")


def test_it_opens_with_one_row_for_each_kernel_and_nothing_is_loaded(visit: Visit, result: RunResult) -> None:
    kernels = {row.group for row in rows(result) if row.judged}
    assert len(visit.seen("tr.row")) == len(kernels)
    assert visit.seen("#count")[0].startswith(f"{len(kernels)} kernels in ")
    assert visit.seen("section.view > h2") == [] or visit.page.is_visible("#rows")


def test_pickers_filter_for_real_with_counts(visit: Visit, result: RunResult) -> None:
    wanted = [r for r in rows(result) if r.judged and r.format == "bfloat16" and r.place.startswith("torch")]
    visit.page.select_option("#p-b", "torch")
    visit.page.select_option("#p-f", "bfloat16")
    assert f"in {len(wanted)} of" in visit.seen("#count")[0]
    assert len(visit.seen("tr.row")) == len({r.group for r in wanted})
    assert all("bf16" in text for text in visit.seen("tr.row"))
    safe = [r for r in wanted if r.range().kind == "safe"]
    label = visit.page.inner_text("#p-r option[value=safe]")
    assert label == f"safe ({len(safe)})"
    visit.page.select_option("#p-r", "safe")
    assert len(visit.seen("tr.row")) == len({r.group for r in safe})
    assert "f=bfloat16" in visit.page.evaluate("location.hash")


def test_search_finds_names_and_nothing_says_so(visit: Visit) -> None:
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("mine:fast")
    assert len(visit.seen("tr.row")) == 1
    visit.page.keyboard.type("nothing")
    assert visit.seen("tr.row") == []
    assert visit.seen("#count")[0].startswith("0 kernels")
    assert visit.seen("#none") == ["No row matches. Clear the filters"]
    visit.page.click("text=Clear the filters")
    assert visit.seen("tr.row")
    assert (visit.seen("#none"), visit.page.input_value("#q")) == ([], "")


def test_rows_that_were_not_judged_are_offered_where_no_other_matches(visit: Visit, result: RunResult) -> None:
    silent = [r for r in rows(result) if not r.judged]
    visit.go(f"rows?q={silent[0].place.replace(':', '%3A')}+{silent[0].function}&f={silent[0].format}")
    assert visit.waits("tr.row", count=0) == []
    assert "not judged. Show what was not judged" in visit.seen("#none")[0]
    visit.page.click("#clear")
    assert visit.seen("tr.row")
    assert all("not judged" in text for text in visit.seen("tr.row"))


@pytest.mark.parametrize("column", ["Function", "Verdict", "Usable range", "Worst there", "Since"])
def test_columns_sort_both_ways(visit: Visit, column: str) -> None:
    number = visit.page.evaluate(
        "name => [...document.querySelectorAll('#table thead th')].findIndex(t => t.textContent === name)", column
    )
    visit.page.click(f"thead button:text-is('{column}')")
    texts = visit.page.eval_on_selector_all(
        "tr.row:not([hidden])", f"rows => rows.map(r => r.cells[{number}].innerText)"
    )
    visit.page.click(f"thead button:text-is('{column}')")
    back = visit.page.eval_on_selector_all(
        "tr.row:not([hidden])", f"rows => rows.map(r => r.cells[{number}].innerText)"
    )
    assert texts != back
    assert visit.page.get_attribute(f"thead th:nth-child({number + 1})", "aria-sort") == "descending"


def test_the_five_questions_are_answered_within_two_clicks(visit: Visit, result: RunResult) -> None:
    page = visit.page
    page.click("text=What is wrong?")
    assert visit.seen("tr.row")
    assert all("wrong" in t or "crashed" in t for t in visit.seen("tr.row"))
    page.click("tr.row:not([hidden]) th a")
    assert visit.waits(".opened .finding, .opened .cells")
    page.click("text=What changed?")
    assert len(visit.waits("tr.row", count=1)) == 1
    assert "new failure" in visit.seen("tr.row")[0]
    page.click("text=Everything")
    page.select_option("#p-b", "torch")
    page.select_option("#p-f", "bfloat16")
    assert any("safe" in t for t in visit.seen("tr.row"))
    page.click("text=Worse than the framework’s own?")
    assert "o=worse" in page.evaluate("location.hash")


def test_an_opened_row_has_plots_and_a_readout_that_says_numbers(visit: Visit, result: RunResult) -> None:
    visit.go(mine(result))
    visit.page.wait_for_selector(".chart svg")
    assert "difference to the framework’s own" in visit.page.inner_text(".chart")
    box = visit.page.query_selector(".chart svg").bounding_box()
    said = set()
    for share in (0.2, 0.5, 0.8):
        visit.page.mouse.move(box["x"] + share * box["width"], box["y"] + 60)
        said.add(visit.page.inner_text(".readout"))
    assert len(said) == 3
    for text in said:
        assert re.search(
            r"worst x\s+-?[\d.e-]+\s+0x[0-9a-f]+\s+got\s+\S+\s+0x[0-9a-f]+\s+expected\s+\S+\s+0x[0-9a-f]+", text
        )
        assert "undefined" not in text
        assert "NaN" not in text
    assert visit.page.query_selector_all(".chart .fails")
    assert visit.page.query_selector_all(".chart .band")
    before = visit.page.inner_html(".chart")
    visit.page.click("text=The whole line")
    assert visit.page.inner_html(".chart") != before
    visit.page.focus(".chart")
    at = visit.page.inner_text(".readout")
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.inner_text(".readout") != at


def test_the_readout_has_the_numbers_of_the_file(visit: Visit, result: RunResult) -> None:
    visit.go(mine(result))
    visit.page.wait_for_selector(".readout td")
    cell = next(c for c in result.cells if c.implementation == "mine:fast")
    fmt = get_format(cell.format)
    assert cell.curve is not None
    assert cell.curve.graph is not None
    known = {fmt.bits_text(b): float(fmt.value(b)) for b in patterns(cell.curve.graph.inputs, fmt.width)}
    x, bits = visit.page.eval_on_selector_all(".readout tr:first-child td", "cells => cells.map(c => c.innerText)")
    assert fmt.round(Fraction(x)) == int(bits, 16)
    assert bits in known


def test_beside_a_nan_the_readout_says_what_is_due(browser: Any, result: RunResult, tmp_path: Path) -> None:
    fmt = get_format("float64")
    drawn = Graph(
        packed(fmt, [fmt.round(Fraction(x)) for x in (1, 2, 3)]), packed(fmt, [fmt.nan_bits] * 3),
        "0x3fe0000000000000 ? 0x3fe8000000000000", base64.b64encode(bytes((255, 3, 3))).decode(),
        "0x3fd0000000000000 ? ?",
    )  # fmt: skip
    told = with_graph(result, drawn)
    write_html(told, tmp_path / "nan.html")
    visit = Visit(browser, (tmp_path / "nan.html").as_uri())
    visit.go(mine(told))
    visit.page.wait_for_selector(".readout td")
    read = visit.page.inner_text(".readout").split()
    visit.context.close()
    assert read[read.index("expected") + 1 :][:2] == ["0.5", "0x3fe0000000000000"]
    assert read[read.index("own") + 1 :][:2] == ["0.25", "0x3fd0000000000000"]


def with_graph(result: RunResult, drawn: Graph) -> RunResult:
    """``result`` with this graph of ``mine:fast``, in float64, and no finding."""

    def drawing(c: Cell) -> Cell:
        if c.implementation != "mine:fast" or c.curve is None:
            return c
        return dataclasses.replace(
            c, format="float64", curve=dataclasses.replace(c.curve, graph=drawn), clusters=[], certificate=None
        )

    return dataclasses.replace(result, cells=[drawing(c) for c in result.cells], findings=[])


def few(result: RunResult, xs: list[float], failing: int) -> RunResult:
    """``mine:fast`` with a graph of tanh at few inputs, of which one fails."""
    fmt = get_format("float64")
    bits = [fmt.round(Fraction(x)) for x in xs]
    due = [fmt.round(Fraction(math.tanh(x))) for x in xs]
    drawn = Graph(
        packed(fmt, bits), packed(fmt, due), " ".join("0" for _ in xs),
        base64.b64encode(bytes(90 if i == failing else 3 for i in range(len(xs)))).decode(),
    )  # fmt: skip
    return with_graph(result, drawn)


def test_a_row_of_which_few_inputs_are_known_draws_these_and_says_so(
    browser: Any, result: RunResult, tmp_path: Path
) -> None:
    # Only x = -709 fails, as of silu in float64: alone it would be an empty plot.
    sparse = few(result, [-1e300, -1e5, -709.78, -512.0, -20.0, -1.0, 0.5, 3.0, 1e200], 2)
    write_html(sparse, tmp_path / "few.html")
    visit = Visit(browser, (tmp_path / "few.html").as_uri())
    visit.go(mine(sparse))
    visit.page.wait_for_selector(".chart svg")
    assert visit.page.inner_text("[data-key=view][aria-pressed=true]") == "Where it fails"
    assert len(visit.page.query_selector_all(".chart .dot")) >= 2
    assert "of 9 inputs that were drawn lie here" in visit.seen(".few")[0]
    line = visit.page.get_attribute(".chart path.got", "d")
    assert "L" in line, "a line, and no single point"
    visit.context.close()


def test_a_plot_without_inputs_in_its_range_says_so(browser: Any, result: RunResult, tmp_path: Path) -> None:
    sparse = few(result, [-1e300, -1e100, 1e100, 1e300], -1)
    write_html(sparse, tmp_path / "far.html")
    visit = Visit(browser, (tmp_path / "far.html").as_uri())
    visit.go(mine(sparse))
    visit.page.wait_for_selector(".chart svg")
    assert visit.seen(".few") == ["No input that was drawn lies here; the whole line shows where some do."]
    visit.page.click("text=The whole line")
    assert len(visit.page.query_selector_all(".chart .dot")) == 4
    visit.context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_words_numbers_and_the_legend_are_not_broken(browser: Any, file: str, result: RunResult, width: int) -> None:
    visit = Visit(browser, file, viewport={"width": width, "height": 900})
    lines = """e => { const r = document.createRange(); r.selectNodeContents(e);
      return new Set([...r.getClientRects()].map(b => Math.round(b.top / 4))).size; }"""
    legend = visit.page.query_selector_all(".scale span[class]")
    assert {round(e.bounding_box()["y"]) for e in legend} == {round(legend[0].bounding_box()["y"])}
    whole = [e for e in visit.page.query_selector_all(".whole, .defs code") if e.is_visible()]
    assert [e.inner_text() for e in whole if e.evaluate(lines) > 1] == []
    visit.go(mine(result))
    visit.page.wait_for_selector(".readout td")
    assert (
        visit.page.eval_on_selector_all(
            ".readout td, .opened .num td", f"cells => cells.filter(e => ({lines})(e) > 1).length"
        )
        == 0
    )
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.go("properties")
    heads = visit.page.query_selector_all("#properties tbody th")
    for head in heads:  # no line is shorter than a word
        assert head.evaluate(lines) <= len(head.inner_text().split())
    visit.go("claims")
    assert visit.seen("#claims h2") == ["Claims"]
    visit.context.close()


def test_copying_takes_the_numbers_and_the_command(browser: Any, file: str, result: RunResult) -> None:
    visit = Visit(browser, file, permissions=["clipboard-read", "clipboard-write"])
    visit.go(mine(result))
    visit.page.wait_for_selector(".readout .copy")
    visit.page.click(".readout .copy")
    visit.page.wait_for_selector(".readout :text('Copied')")
    assert visit.page.evaluate("navigator.clipboard.readText()").startswith("f")
    visit.page.click(".finding .command .copy")
    visit.page.wait_for_selector(".finding :text('Copied')")
    assert visit.page.evaluate("navigator.clipboard.readText()").startswith("gradproof repro ")
    assert visit.console == []
    visit.context.close()


def test_back_returns_to_the_rows_and_escape_closes(visit: Visit, result: RunResult) -> None:
    visit.page.select_option("#p-b", "torch")
    visit.page.click("tr.row:not([hidden]) th a")
    assert len(visit.waits(".opened")) == 1
    visit.page.go_back()
    assert visit.waits(".opened", count=0) == []
    assert visit.page.input_value("#p-b") == "torch"
    visit.page.click("tr.row:not([hidden]) th a")
    assert len(visit.waits(".opened")) == 1
    visit.page.keyboard.press("Escape")
    assert visit.waits(".opened", count=0) == []


def test_a_wrong_link_says_so(visit: Visit) -> None:
    visit.go("swish/nowhere/float7")
    assert "There is no “swish/nowhere/float7” in this report" in visit.waits("#lost")[0]
    assert visit.seen("tr.row")
    visit.go("rows")
    assert visit.waits("#lost", count=0) == []


def test_dark_comes_from_the_system_and_from_the_button(browser: Any, file: str) -> None:
    visit = Visit(browser, file, color_scheme="dark", viewport={"width": 390, "height": 800})
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = visit.page.evaluate(colour)
    box = visit.page.query_selector("#theme").bounding_box()
    assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
    visit.page.click("#theme")
    assert visit.page.evaluate(colour) != dark
    visit.page.click("#theme")
    assert visit.page.evaluate(colour) == dark
    visit.context.close()


@pytest.mark.parametrize("view", [*VIEWS, "row"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Any, file: str, result: RunResult, view: str, width: int, scheme: str
) -> None:
    dark = "dark" if scheme == "dark" else "light"
    address = mine(result) if view == "row" else view
    visit = Visit(browser, f"{file}#{address}", color_scheme=dark, viewport={"width": width, "height": 900})
    if scheme == "print":
        visit.page.emulate_media(media="print")
    if view == "row":
        visit.page.wait_for_selector(".chart svg")
    visit.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert visit.violations() == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.console == []
    visit.context.close()


def test_everything_is_reached_in_few_stops(visit: Visit) -> None:
    last = visit.page.evaluate(
        """() => {
          const all = [...document.querySelectorAll('a[href], button, select, input, summary, [tabindex]')];
          return all.filter(e => e.tabIndex >= 0 && e.offsetParent !== null).length;
        }"""
    )
    assert last < STOPS
    for _ in range(STOPS):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("document.activeElement.matches('tr.row a')"):
            break
    assert visit.page.evaluate("document.activeElement.matches('tr.row a')")
    first = visit.page.evaluate("document.activeElement.href")
    visit.page.keyboard.press("ArrowDown")
    assert visit.page.evaluate("document.activeElement.href") != first
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector(".opened")


def test_the_rows_of_a_kernel_unfold(visit: Visit) -> None:
    count = len(visit.seen("tr.row"))
    visit.page.click("button.rest")
    assert len(visit.seen("tr.row")) > count
    visit.page.click("button.rest[aria-expanded=true]")
    assert len(visit.seen("tr.row")) == count


def test_printing_leaves_no_page_empty(browser: Any, file: str) -> None:
    visit = Visit(browser, file)
    document = visit.page.pdf(format="A4")
    pages = len(re.findall(rb"/Type\s*/Page\b", document))
    height = visit.page.evaluate("document.documentElement.scrollHeight")
    assert 1 <= pages <= height / 500 + 2
    visit.context.close()


def test_without_scripts_every_row_has_its_picture_and_certificates(browser: Any, file: str, result: RunResult) -> None:
    visit = Visit(browser, file, java_script_enabled=False)
    shown = rows(result)
    assert len(visit.page.query_selector_all("tr.row")) == len(shown)
    assert all(e.is_visible() for e in visit.page.query_selector_all("tr.row"))
    drawn = [r for r in shown if any(c.curve is not None for c in r.cells)]
    assert len(visit.page.query_selector_all("svg.spark")) == len(drawn)
    text = visit.page.inner_text("body")
    assert "It is so." in text
    failing = [c for c in result.cells if c.status in ("fail", "known") and c.certificate is not None]
    commands = {c.certificate.reproduce for c in failing if c.certificate is not None}
    markup = visit.page.content()
    assert all(command in markup for command in commands)
    assert visit.console == []
    visit.context.close()


def test_the_downloaded_results_are_the_original_bytes(visit: Visit, result: RunResult, tmp_path: Path) -> None:
    write_results(result, tmp_path / "results.json")
    visit.go("environment")
    with visit.page.expect_download() as started:
        visit.page.click("#download")
    started.value.save_as(tmp_path / "saved.json")
    assert (tmp_path / "saved.json").read_bytes() == (tmp_path / "results.json").read_bytes()


def test_hostile_names_do_nothing(browser: Any, tmp_path: Path) -> None:
    base = run(functions=1)

    def poison(c: Cell) -> Cell:
        return dataclasses.replace(
            c, function=HOSTILE, params={HOSTILE: HOSTILE}, implementation=HOSTILE, reason=HOSTILE,
            property=HOSTILE if c.property == "shape" else c.property,
        )  # fmt: skip

    poisoned = dataclasses.replace(base, cells=[poison(c) for c in base.cells])
    write_html(poisoned, tmp_path / "hostile.html")
    visit = Visit(browser, (tmp_path / "hostile.html").as_uri())
    alerts: list[str] = []
    visit.page.on("dialog", lambda d: (alerts.append(d.message), d.dismiss()))
    visit.page.click("tr.row:not([hidden]) th a")
    visit.page.wait_for_selector(".opened")
    for view in VIEWS:
        visit.go(view)
    visit.page.wait_for_timeout(100)
    assert visit.page.query_selector_all("img") == []
    assert (alerts, visit.console) == ([], [])
    assert "\u202e" not in visit.page.inner_text("body")
    visit.context.close()


def test_a_full_run_answers_within_two_seconds(browser: Any, tmp_path: Path) -> None:
    """Of the page's own thread, so that a busy machine counts for nothing."""
    write_html(made(None), tmp_path / "full.html")
    visit = Visit(browser, "about:blank")
    meter = visit.context.new_cdp_session(visit.page)
    meter.send("Performance.enable", {"timeDomain": "threadTicks"})
    visit.page.goto((tmp_path / "full.html").as_uri(), wait_until="commit")
    visit.page.wait_for_selector("#count:has-text('kernels')")
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("z")
    visit.page.wait_for_selector("#count:has-text('0 kernels')")
    spent = {m["name"]: m["value"] for m in meter.send("Performance.getMetrics")["metrics"]}
    assert 0 < spent["TaskDuration"] < FIRST_INTERACTION
    visit.context.close()
