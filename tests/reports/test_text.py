"""Text of others in every medium: shown as it is, and never obeyed."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import types
import typing
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt

from gradproof.results import RunResult, read_results, write_results
from gradproof.results.model import Basis, Claim, ClaimException, Figure, Number, PlaceVerdict, Unjudged
from gradproof.text import storable, visible
from gradproof_reports.html import render_html
from gradproof_reports.junit import render_junit
from gradproof_reports.markdown import render_markdown
from tests.reports.page_reader import Page
from tests.reports.synthetic import run

ESCAPES = [
    ("plain, café, 日本, 😀", "plain, café, 日本, 😀"),
    ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
    ("a\x9b2Jb\x7f", "a\\x9b2Jb\\x7f"),
    ("\u202egnp.exe\u2069", "\\u202egnp.exe\\u2069"),
    ("one\ntwo\r\nthree\tfour\u2028five\x85six", "one two  three four five six"),
    ("\ud800 \udcff", "\\ud800 \\udcff"),
    ("\U000e0041", "\\U000e0041"),
]


@pytest.mark.parametrize(("given", "shown"), ESCAPES)
def test_what_would_be_obeyed_is_shown(given: str, shown: str) -> None:
    assert visible(given) == shown


def test_the_ends_of_lines_stay_where_there_may_be_several() -> None:
    assert visible("a\nb\r\nc\td\x1b\re\u2028f", lines=True) == "a\nb\nc\td\\x1b e f"


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here to run the page's script with")
def test_the_page_does_the_same() -> None:
    source = resources.files("gradproof_reports.html").joinpath("assets", "dom.js").read_text("utf-8")
    given = json.dumps([text for text, _ in ESCAPES])
    shown = f"console.log(JSON.stringify({given}.map(gp.visible)))"
    done = subprocess.run(["node", "-e", f"{source}; {shown}"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [shown for _, shown in ESCAPES]


def test_a_lone_surrogate_is_stored_in_six_characters() -> None:
    datum = Number("0x\udcff", "h", "d")
    assert storable({"\ud800": ["a\udcff", ("b", 1, None)], "c": datum}) == {
        r"\ud800": [r"a\udcff", ("b", 1, None)],
        "c": Number(r"0x\udcff", "h", "d"),
    }
    whole = Number("0x1", "h", "é")
    assert storable(whole) is whole


HOSTILE = (
    "x<script>alert(1)</script><img src=x onerror=alert(1)>![i](http://e.org/i.png)[l](javascript:alert(1)) "
    "http://e.org www.e.org |`*_~~\n\n# h\n- <b>b</b> \x1b[2J\x00\x07\x9b1m \u202eabc \ud800 \ufffe ]]> &lt;\\"
)
FREE: Any = {"decimal": "1.5", "bits": "0x3fc0"}
"""Fields of a datum, with which readers calculate."""


def poisoned(value: Any, kind: Any) -> Any:
    """``value`` with HOSTILE in every text that its type leaves free."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = typing.get_type_hints(type(value))
        fields = {f.name: poisoned(getattr(value, f.name), hints[f.name]) for f in dataclasses.fields(value)}
        if isinstance(value, Number):
            fields |= FREE
        return dataclasses.replace(value, **fields)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return value
    if origin in (types.UnionType, typing.Union):
        return value if value is None else poisoned(value, next(a for a in arguments if a is not type(None)))
    if isinstance(value, list):
        return [poisoned(item, arguments[0] if arguments else Any) for item in value]
    if isinstance(value, dict):
        item = arguments[1] if arguments else Any
        return {key: poisoned(held, item) for key, held in value.items()} | ({HOSTILE: HOSTILE} if item is Any else {})
    return HOSTILE if isinstance(value, str) else value


def hostile() -> RunResult:
    """A run in which every text that may be anything is HOSTILE, one cell of each status."""
    whole = run(functions=6)
    # Curves and clusters hold bits alone; no file with other texts in them is read.
    kept = {(c.status, c.property == "accuracy"): dataclasses.replace(c, curve=None, clusters=[]) for c in whole.cells}
    verdict = PlaceVerdict(
        "b", "d", "f", ["m"], "holds except", {"pass": 1, "fail": 1}, 9,
        [ClaimException("fail", "p", "", {"f": [0]}, ["m"], 1, 2.0)], [Unjudged("p", "not-run", "r", 1)], {"l": "v"},
    )  # fmt: skip
    claim = Claim("i", "q", "s", "o", [Basis("p", ["f"], [0])], [Figure("l", "p", "f", 0, ["k"])], [verdict])
    seeded = dataclasses.replace(whole, cells=list(kept.values()), claims=[claim])
    made = poisoned(seeded, RunResult)
    run_ = dataclasses.replace(made.run, started="2026-01-01T00:00:00+00:00")
    assert {c.status for c in made.cells} == {c.status for c in whole.cells}
    # No two cells may be of one key.
    cells = [dataclasses.replace(c, implementation=f"{i} {c.implementation}") for i, c in enumerate(made.cells)]
    return dataclasses.replace(made, run=run_, cells=cells)


@pytest.fixture(scope="module")
def bad() -> RunResult:
    return hostile()


OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def test_markdown_holds_no_markup_of_others(bad: RunResult) -> None:
    text = render_markdown(bad)
    assert not OBEYED.search(text)
    rendered = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    tags = {tag.lower() for tag in re.findall(r"<\s*/?\s*([a-zA-Z!][\w-]*)", rendered)}
    assert tags <= {"h1", "h2", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "code"}
    assert "alert(1)" in rendered
    rows = [line for line in text.splitlines() if line.startswith("|")]
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert all(heading in rendered for heading in ("<h1>", "<h2>"))
    assert len(headings) == rendered.count("<h1>") + rendered.count("<h2>")
    assert rows
    outside_code = re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert "www" in outside_code
    assert not re.search(r"://|www\.", outside_code)


def test_the_page_holds_no_markup_of_others(bad: RunResult) -> None:
    text = render_html(bad)
    page = Page(text.encode("utf-8", "backslashreplace").decode("utf-8"))
    assert not page.all("img")
    assert {a.get("type", "") for a in page.all("script")} <= {"", "application/json", "text/plain"}
    assert all("alert(1)" not in script for attributes, script in page.scripts if attributes.get("id") != "index")
    assert not OBEYED.search(page.text)
    assert all(not OBEYED.search(value) for _, found in page.elements for value in found.values())
    assert not [a for a in page.all("a") if a.get("href", "").lower().startswith("javascript")]
    assert "alert(1)" in page.text


def test_junit_is_xml_and_holds_no_markup_of_others(bad: RunResult) -> None:
    root = ET.fromstring(render_junit(bad).encode("utf-8"))
    assert {e.tag for e in root.iter()} <= {
        "testsuites", "testsuite", "testcase", "properties", "property", "failure", "error", "skipped",
    }  # fmt: skip
    texts = [value for e in root.iter() for value in (*e.attrib.values(), e.text or "")]
    assert any("alert(1)" in text for text in texts)
    assert not any(OBEYED.search(text) for text in texts)


def test_every_medium_can_be_written(bad: RunResult, tmp_path: Path) -> None:
    write_results(bad, tmp_path / "r.json")
    assert read_results(tmp_path / "r.json") == bad
