"""Verdicts on claims: the rules on small sets of cells, and how the reports tell them."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from gradproof.results import combine, validate
from gradproof.results.claims import cells_of, figure_text, in_words, judge, overall
from gradproof.results.io import dumps, loads
from gradproof.results.model import STATUSES, Basis, Cell, Claim, Evidence, Figure, PlaceVerdict, RunResult
from gradproof.results.not_run import NotRun
from gradproof.results.rows import rows
from gradproof_reports.html import render_html
from gradproof_reports.html.claims import FRESH, MARKS, mark
from gradproof_reports.markdown import render_markdown
from tests.reports.page_reader import Page
from tests.reports.synthetic import run, shard

PASS, FAIL, KNOWN, ERROR, UNDECIDED, UNSUPPORTED, NOT_RUN = (
    "pass", "fail", "known", "error", "undecided", "unsupported", "not-run",
)  # fmt: skip


def cell(status: str, **changes: Any) -> Cell:
    known = {"known_ref": "tails"} if status == KNOWN else {}
    base = Cell("silu", {}, "silu", "torch", "cpu", "eager", "float32", 0, "accuracy", status)  # type: ignore[arg-type]
    return dataclasses.replace(base, **{**known, **changes})


def claim(*rests_on: Basis) -> Claim:
    return Claim("c", "Is it so?", "It is so.", "folklore", list(rests_on) or [Basis("accuracy")])


def verdicts(cells: list[Cell], *rests_on: Basis) -> list[PlaceVerdict]:
    (judged,) = judge([claim(*rests_on)], cells)
    return judged.verdicts


def verdict(cells: list[Cell], *rests_on: Basis) -> PlaceVerdict:
    (found,) = verdicts(cells, *rests_on)
    return found


def of(*statuses: str) -> list[Cell]:
    """Cells of these statuses at one place, each of another function."""
    return [cell(status, function=f"f{i}") for i, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([PASS], "holds"),
        ([PASS, PASS], "holds"),
        ([PASS, UNDECIDED], "holds"),
        ([PASS, UNSUPPORTED], "holds"),
        ([PASS, FAIL], "holds except"),
        ([PASS, KNOWN], "holds except"),
        ([PASS, ERROR], "holds except"),
        ([PASS, FAIL, NOT_RUN], "holds except"),
        ([FAIL], "does not hold"),
        ([KNOWN], "does not hold"),
        ([ERROR], "does not hold"),
        ([KNOWN, FAIL, UNDECIDED, NOT_RUN], "does not hold"),
        ([PASS, NOT_RUN], "partly checked"),
        ([NOT_RUN], "not checked"),
        ([UNSUPPORTED], "not checked"),
        ([UNDECIDED], "not checked"),
        ([UNDECIDED, NOT_RUN, UNSUPPORTED], "not checked"),
    ],
)
def test_statuses_lead_to_a_verdict(statuses: list[str], expected: str) -> None:
    assert verdict(of(*statuses)).verdict == expected


@pytest.mark.parametrize("why", [NotRun.INTERRUPTED, NotRun.DEADLINE, NotRun.GAVE_UP])
def test_what_was_not_reached_is_no_failure(why: NotRun) -> None:
    unreached = [cell(NOT_RUN, function=name, why=why) for name in "ghi"]
    (judged,) = judge([claim()], [*of(FAIL, KNOWN), *unreached])
    assert in_words(judged.verdicts[0]) == "partly checked, against it all 2 that were, 3 not run"
    assert overall(judged) == "partly checked"
    (judged,) = judge([claim()], [*of(FAIL), *unreached, cell(FAIL, format="float64")])
    assert overall(judged) == "partly checked"
    # What no run would have reached leaves the verdict as it is.
    missing = dataclasses.replace(unreached[0], why=NotRun.MISSING_BACKEND)
    assert verdict([*of(FAIL, KNOWN), missing]).verdict == "does not hold"
    assert verdict([*of(PASS, FAIL), *unreached]).verdict == "holds except"


@pytest.mark.parametrize("status", [s for s in STATUSES if s not in (PASS, FAIL, KNOWN, ERROR)])
@pytest.mark.parametrize("number", [1, 3])
def test_nothing_judged_is_never_holds(status: str, number: int) -> None:
    (judged,) = judge([claim()], of(*[status] * number))
    assert judged.verdicts[0].verdict == "not checked"
    assert overall(judged) == "not checked"
    assert overall(claim()) == "not checked"


def test_undecided_cells_stand_beside_the_verdict() -> None:
    found = verdict([*of(PASS, PASS), cell(UNDECIDED, function="g", reason="3 values are not certified")])
    assert in_words(found) == "holds, 1 undecided"
    assert [(u.status, u.reason, u.cells) for u in found.unjudged] == [("undecided", "3 values are not certified", 1)]


def test_exceptions_are_told_by_cause_with_functions_and_orders() -> None:
    cells = [
        cell(PASS), cell(KNOWN, order=1, magnitude=3.0), cell(KNOWN, order=2, magnitude=7.0),
        cell(KNOWN, function="gelu", known_ref="other", magnitude=None), cell(FAIL, function="mish", magnitude=2.0),
    ]  # fmt: skip
    found = verdict(cells)
    assert in_words(found) == "holds except 4 of 5 cells"
    rows = [(e.status, e.deviation, e.cases, e.cells, e.magnitude) for e in found.exceptions]
    assert rows == [
        ("fail", "", {"mish": [0]}, 1, 2.0),
        ("known", "tails", {"silu": [1, 2]}, 2, 7.0),
        ("known", "other", {"gelu": [0]}, 1, None),
    ]


def test_an_exception_finds_its_cells_again_and_no_others() -> None:
    cells = [
        *of(PASS, FAIL, KNOWN), cell(KNOWN, order=1), cell(KNOWN, order=2, known_ref="other"),
        cell(KNOWN, order=1, format="float16"), cell(KNOWN, order=1, device="cuda"), cell(KNOWN, property="shape"),
    ]  # fmt: skip
    (asked,) = judge([claim()], cells)
    for found in asked.verdicts:
        rows = [cells_of(asked, found, cells, e) for e in found.exceptions]
        assert [len(r) for r in rows] == [e.cells for e in found.exceptions]
        flat = [c.key for r in rows for c in r]
        assert len(set(flat)) == len(flat) == sum(found.counts.get(s, 0) for s in (FAIL, KNOWN, ERROR))
        assert len(cells_of(asked, found, cells)) == sum(found.counts.values())
    tails = next(e for e in asked.verdicts[0].exceptions if e.deviation == "tails")
    assert {c.id for c in cells_of(asked, asked.verdicts[0], cells, tails)} == {cells[2].id, cells[3].id}


def test_places_and_formats_are_judged_apart() -> None:
    cells = [cell(PASS), cell(FAIL, format="float16"), cell(KNOWN, backend="jax"), cell(NOT_RUN, device="cuda")]
    found = {(v.backend, v.device, v.format): v.verdict for v in verdicts(cells)}
    assert found == {
        ("torch", "cpu", "float32"): "holds",
        ("torch", "cpu", "float16"): "does not hold",
        ("jax", "cpu", "float32"): "does not hold",
        ("torch", "cuda", "float32"): "not checked",
    }


def test_a_claim_is_judged_by_its_own_functions_and_orders_only() -> None:
    cells = [
        cell(PASS, function="relu", order=1), cell(FAIL, function="relu", order=2),
        cell(FAIL, function="silu", order=1), cell(FAIL, function="relu", order=1, property="shape"),
    ]  # fmt: skip
    assert verdict(cells, Basis("accuracy", ["relu"], [1])).verdict == "holds"
    assert verdict(cells, Basis("accuracy", ["relu"])).verdict == "holds except"
    assert verdict(cells, Basis("accuracy", [], [2])).verdict == "does not hold"
    assert verdicts(cells, Basis("taylor")) == []


@pytest.mark.parametrize("rest", [[], [cell(UNSUPPORTED, property="shape")], [cell(UNDECIDED, property="shape")]])
def test_a_property_without_a_judged_cell_leaves_the_claim_partly_checked(rest: list[Cell]) -> None:
    found = verdict([cell(PASS), *rest], Basis("accuracy"), Basis("shape"))
    assert found.verdict == "partly checked"
    assert [u.property for u in found.unjudged] == ["shape"]
    whole = verdict([cell(PASS), cell(PASS, property="shape")], Basis("accuracy"), Basis("shape"))
    assert (whole.verdict, whole.unjudged) == ("holds", [])


def test_modes_are_one_verdict_unless_they_differ() -> None:
    eager, compiled = cell(PASS), cell(PASS, mode="compiled")
    assert verdict([eager, compiled]).modes == ["eager", "compiled"]
    apart = verdicts([eager, cell(FAIL, mode="compiled")])
    assert [(v.modes, v.verdict) for v in apart] == [(["eager"], "holds"), (["compiled"], "does not hold")]
    assert verdict([eager, cell(UNSUPPORTED, mode="compiled")]).verdict == "holds"


def test_a_property_that_is_checked_in_one_mode_alone_does_not_set_the_modes_apart() -> None:
    both = [cell(PASS), cell(PASS, mode="compiled"), cell(KNOWN, property="taylor")]
    found = verdict(both, Basis("accuracy"), Basis("taylor"))
    assert (found.modes, found.verdict) == (["eager", "compiled"], "holds except")
    assert found.exceptions[0].modes == ["eager"]
    apart = verdicts([*both[1:], cell(FAIL)], Basis("accuracy"), Basis("taylor"))
    assert [(v.modes, v.verdict) for v in apart] == [(["compiled"], "holds"), (["eager"], "does not hold")]


@pytest.mark.parametrize(
    ("statuses", "word"),
    [
        ([PASS, PASS], "holds"),
        ([PASS, NOT_RUN], "holds"),
        ([PASS, FAIL], "holds except"),
        ([FAIL, KNOWN], "does not hold"),
        ([NOT_RUN, UNDECIDED], "not checked"),
    ],
)
def test_one_word_for_all_places(statuses: list[str], word: str) -> None:
    cells = [cell(s, device=f"d{i}") for i, s in enumerate(statuses)]
    assert overall(judge([claim()], cells)[0]) == word


def test_points_are_those_of_judged_cells() -> None:
    tried = Evidence("sampled", 100)
    assert verdict([cell(PASS, evidence=tried), cell(UNDECIDED, order=1, evidence=tried)]).points == 100


DEPTH = Figure("depth at which it is gone", "accuracy", "silu", 1, ["chain", "flushed"])


@pytest.mark.parametrize(
    ("cells", "figures"),
    [
        ([cell(PASS, order=1, measured={"chain": {"flushed": 64}})], {DEPTH.label: 64}),
        ([cell(PASS, order=1), cell(KNOWN, order=1, measured={"chain": {"flushed": 9}})], {DEPTH.label: 9}),
        ([cell(PASS, order=1, measured={"chain": {"flushed": None}})], {}),
        ([cell(PASS, order=1, measured={"chain": 64})], {}),
        ([cell(PASS, order=0, measured={"chain": {"flushed": 64}})], {}),
        ([cell(PASS, order=1, function="tanh", measured={"chain": {"flushed": 64}})], {}),
        ([cell(UNDECIDED, order=1, measured={"chain": {"flushed": 64}})], {}),
    ],
)
def test_a_figure_is_read_from_the_judged_cell_that_it_names(cells: list[Cell], figures: dict[str, Any]) -> None:
    (asked,) = judge([dataclasses.replace(claim(), figures=[DEPTH])], cells)
    assert asked.verdicts[0].figures == figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000123456, "0.000123"), ("52.6791877746582", "52.7"), (64, "64"), ([1e-9, 2.5e-9], "1e-09 to 2.5e-09"),
        ("min-norm", "min-norm"), (True, "true"), ({"a": 1}, '{"a": 1}'),
    ],
)  # fmt: skip
def test_a_figure_is_told_in_three_digits(value: Any, text: str) -> None:
    assert figure_text(value) == text


def test_the_page_shows_figures_by_place_and_format() -> None:
    measured = [
        cell(PASS, order=1, measured={"chain": {"flushed": 151}}),
        cell(PASS, order=1, format="float16", measured={"chain": {"flushed": 25}}),
        cell(PASS, order=1, backend="jax"),
    ]
    page = render_html(result(*measured, claims=[dataclasses.replace(claim(), figures=[DEPTH])]))
    body = re.search(r'<tbody class="figures">.*?</tbody>', page, re.DOTALL)
    assert body is not None
    assert Page(body[0]).text == "depth at which it is gone torch:cpu 151 25"


def test_figures_that_are_the_same_everywhere_are_one_row() -> None:
    measured = {"chain": {"flushed": 64}}
    cells = [cell(PASS, order=1, measured=measured), cell(PASS, order=1, backend="jax", measured=measured)]
    page = render_html(result(*cells, claims=[dataclasses.replace(claim(), figures=[DEPTH])]))
    body = re.search(r'<tbody class="figures">.*?</tbody>', page, re.DOTALL)
    assert body is not None
    assert Page(body[0]).text == "depth at which it is gone all alike 64"


def result(*cells: Cell, claims: list[Claim] | None = None) -> RunResult:
    asked = [claim()] if claims is None else claims
    deviations = {"tails": {"title": "The tails are lost", "reason": "1 - s", "upstream": []}}
    return RunResult(shard(), list(cells), claims=judge(asked, list(cells)), deviations=deviations)


def test_the_file_holds_the_definitions_and_the_verdicts() -> None:
    made = result(cell(PASS), cell(KNOWN, order=1, magnitude=3.0), cell(UNDECIDED, order=2))
    validate(made)
    read = loads(json.loads(dumps(made)))
    assert read.claims == made.claims
    assert judge(read.claims, read.cells) == made.claims


def test_combined_runs_are_judged_by_all_their_cells() -> None:
    cpu, cuda = result(cell(PASS), cell(NOT_RUN, device="cuda")), result(cell(FAIL, device="cuda"))
    (merged,) = combine([cpu, cuda]).claims
    assert [(v.device, v.verdict) for v in merged.verdicts] == [("cpu", "holds"), ("cuda", "does not hold")]


def test_a_combination_asks_every_claim_once_and_keeps_the_first_definition() -> None:
    other = dataclasses.replace(claim(Basis("shape")), id="d")
    changed = dataclasses.replace(claim(Basis("shape")), statement="Another.")
    first, second = result(cell(PASS)), result(cell(FAIL, property="shape"), claims=[changed, other])
    merged = combine([first, second]).claims
    assert [(c.id, c.statement, overall(c)) for c in merged] == [
        ("c", "It is so.", "holds"),
        ("d", "It is so.", "does not hold"),
    ]


def synthetic() -> RunResult:
    made = run(functions=3)
    asked = [claim(), dataclasses.replace(claim(Basis("nowhere")), id="d", question="And this?")]
    return dataclasses.replace(made, claims=judge(asked, made.cells))


@pytest.fixture(scope="module")
def html() -> str:
    return render_html(synthetic())


def test_the_page_shows_question_statement_and_a_verdict_in_words_for_each_format(html: str) -> None:
    article = re.search(r'<article class="claim" id="claim-c".*?</article>', html, re.DOTALL)
    assert article is not None
    seen = Page(article[0])
    assert seen.text.index("Is it so?") < seen.text.index("It is so.")
    assert [h.get("scope") for h in seen.all("th")].count("col") == 5  # one for the places
    slots = re.findall(r'<td class="v v-\w+">(.*?)</td>', article[0])
    assert len(slots) >= 4
    for text in slots:
        assert re.search(r'<i aria-hidden="true">\S</i>(<span class="vh">)?[a-z ]+', text), "not a symbol and a word"
    titles = [a["title"] for a in seen.all("a") if "title" in a]
    due = [f"{v.backend}:{v.device} {v.format}: {in_words(v)}" for v in synthetic().claims[0].verdicts]
    assert all(any(title.startswith(text) for title in titles) for text in due)


def test_every_exception_leads_to_its_cells_and_to_its_deviation(html: str) -> None:
    made = synthetic()
    seen = Page(html)
    slugs = {row.slug for row in rows(made)}
    article = re.search(r'<article class="claim" id="claim-c".*?</article>', html, re.DOTALL)
    assert article is not None
    links = {a["href"][1:] for a in Page(article[0]).all("a")}
    against = {
        row.slug
        for row in rows(made)
        for c in row.cells
        if c.property == "accuracy" and c.status in (FAIL, KNOWN, ERROR) and c.mode == "eager"
    }
    assert against
    assert against <= links
    assert links - slugs - {"known-torch-tails"} == {link for link in links if link.startswith("rows?b=")}
    assert "known-torch-tails" in {a.get("id") for _, a in seen.elements}


def test_a_claim_that_was_not_checked_is_set_apart(html: str) -> None:
    assert "1 claim was not checked in this run" in Page(html).text
    assert html.index("1 claim was not checked") < html.index("And this?")


def test_a_new_failure_does_not_look_like_a_known_deviation() -> None:
    looks = [mark(v.verdict, v.exceptions) for v in (verdict(of(PASS, KNOWN)), verdict(of(PASS, FAIL)))]
    assert looks == [MARKS["holds except"], FRESH]
    every = [*MARKS.values(), FRESH]
    assert len({m.glyph for m in every}) == len({m.key for m in every}) == len(every)


def test_markdown_tells_formats_apart_where_they_differ() -> None:
    text = render_markdown(result(cell(PASS), cell(PASS, format="float16"), cell(FAIL, format="bfloat16")))
    row = next(line for line in text.splitlines() if "Is it so?" in line)
    assert row.endswith("| f32, f16: holds; bf16: does not hold |")
    assert "| holds |" in render_markdown(result(cell(PASS), cell(PASS, format="float16")))


def test_markdown_without_a_checked_claim_has_no_table() -> None:
    assert "## Claims" not in render_markdown(result(cell(NOT_RUN)))
