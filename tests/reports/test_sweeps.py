"""Sweeps in the reports and in ``compare``: statement, range, maxima, intervals, envelope, exactness."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gradproof.cli import codes
from gradproof.errors import UsageError
from gradproof.formats import FLOAT32
from gradproof.results import combine, sweeps, validate, write_results
from gradproof.results.cell_changes import CHANGED, classify
from gradproof.results.model import Cell, Evidence, RunResult
from gradproof.results.rows import rows
from gradproof_reports.html import render_html
from gradproof_reports.junit import render_junit
from gradproof_reports.markdown import render_markdown
from tests.cli.conftest import Invoke
from tests.cli.conftest import folder as folder
from tests.cli.conftest import gradproof as gradproof
from tests.reports.page_reader import Page
from tests.reports.synthetic import number, shard

LOW, HIGH = 0xC2CFEF34, 0xC2AEAD5F
"""About -103.97 and -87.34."""


def stretch(low: int, high: int, count: int | None = None) -> dict[str, Any]:
    ends = {"lo": vars(number(FLOAT32, low)), "hi": vars(number(FLOAT32, high))}
    patterns = abs(high - low) + 1
    return {**ends, "count": patterns if count is None else count, "patterns": patterns}


def failing(low: int = LOW, high: int = HIGH, value: float = 3.5e6, **more: Any) -> Cell:
    inside = stretch(low, high)
    best = {"value": value, "input": inside["hi"], "got": vars(number(FLOAT32, 0x80000000))}
    plain = {"unit": "ulp", "steps": 4, "least": -2, "counts": [7, 0, 5, 1]}
    bins = base64.b64encode(b"\xfe" * 1024 + b"\x08" * 2048 + b"\xfe" * 1024).decode()
    found = {
        "range": {"first": "0x00000000", "last": "0xffffffff", "patterns": 1 << 32, "whole": True},
        "classes": {
            "wrong-class": {
                "count": 2, "finite": 0, "infinite": 2, "nan": 0,
                "intervals": [stretch(0xFF800000, 0xFF800000), stretch(0x7F800000, 0x7F800000)], "merged": 0,
            },
            "over-contract": {
                "count": inside["count"], "finite": inside["count"], "infinite": 0, "nan": 0, "intervals": [inside],
                "merged": 3,
            },
        },
        "maxima": {"u": best, "m": {**best, "value": 41.0}},
        "excess": {"u": 2.4e-7, "m": 0.0},
        "exactness": "the maxima are attained, and no input exceeds u by more than 2.4e-07 ulp",
        "quantiles": {"0.5": 0.25, "0.9": 0.5, "0.99": 0.75, "0.999": 8.0, "1.0": value},
        "histograms": {"above": plain, "below": plain, "m": plain, "abs": {**plain, "unit": ""}},
        "envelope": {"u": bins, "m": bins},
        "effort": {"seconds": 91.0, "wall": 47.0, "patterns_per_second": 47000000, "workers": 2, "processors": []},
    }  # fmt: skip
    cell = Cell(
        "silu", {}, "torch.nn.functional.silu", "torch", "cpu", "eager", "float32", 0, sweeps.PROPERTY, "fail",
        "at -87.34: got -0.0", Evidence("exhaustive", 1 << 32), u_max=value, m_max=41.0, abs_max=1e-38,
        worst_bits=f"{high:#x}", magnitude=10.25, felt=False, severity="large-error", measured=found,
    )  # fmt: skip
    return dataclasses.replace(cell, **more)


def result(*cells: Cell) -> RunResult:
    found = RunResult(shard(60.0), list(cells))
    validate(found)
    return found


SENTENCE = f"fails on [-103.967, -87.3386] ({abs(HIGH - LOW) + 1:,} inputs)"


def test_a_sweep_is_told_in_sentences() -> None:
    said = sweeps.lines(failing())
    assert said[0] == "every pattern of float32 (4,294,967,296)"
    assert said[1] == "wrong-class, 2 inputs (2 at the infinities): fails on -inf; fails on inf"
    assert SENTENCE in said[2]
    assert said[3].endswith("no input exceeds u by more than 2.4e-07 ulp.")
    assert sweeps.lines(dataclasses.replace(failing(), property="accuracy")) == []


def test_a_stretch_that_is_not_full_says_how_many_of_how_many() -> None:
    assert sweeps.interval(stretch(0x3F800000, 0x40000000, 5)) == "[1, 2] (5 of 8,388,609 inputs)"
    assert sweeps.interval(stretch(0x3F800000, 0x3F800000)) == "1"


def test_the_intervals_that_matter_come_first() -> None:
    """0x3f800000 is 1, and 0x00800000 the least normal number, 1.1755e-38."""
    many = [stretch(0x3F800000 + 100 * i, 0x3F800000 + 100 * i + size) for i, size in enumerate((1, 9, 2, 8, 3))]
    tail = stretch(0x00800000, 0x01000000)
    assert sweeps.gravest([tail, *many], 2) == [many[1], many[3]]
    assert sweeps.gravest([*many, tail], 2, "1.1755e-38") == [tail, many[1]]


def test_markdown_has_statement_maxima_intervals_and_exactness() -> None:
    text = render_markdown(result(failing())).replace("\\", "")
    assert "## Sweeps" in text
    assert sweeps.STATEMENT.replace("^", "^") in text
    assert SENTENCE in text
    assert "u 4e6 at -87.3386" in text
    assert "no input exceeds u by more than 2.4e-07 ulp" in text
    assert "## Sweeps" not in render_markdown(result(failing(property="accuracy", measured={})))


def test_a_search_is_at_least_in_markdown() -> None:
    searched = failing(
        format="float64", evidence=Evidence("sampled", 512), reason="an error of at least 4 ulp",
        measured={"search": {"seed": 7, "points": 512}},
    )  # fmt: skip
    text = render_markdown(result(searched)).replace("\\", "")
    assert sweeps.AT_LEAST.replace("^", "^") in text
    assert "at least u 4e6" in text


def test_junit_carries_the_intervals() -> None:
    root = ET.fromstring(render_junit(result(failing(), failing(backend="jax", status="pass", severity=None))))
    first, second = root.iter("testcase")
    for case in (first, second):
        (told,) = [p.get("value", "") for p in case.iter("property") if p.get("name") == "sweep"]
        assert SENTENCE in told
    assert first.find("failure") is not None
    assert second.find("failure") is None


def test_the_page_tells_a_sweep_below_its_row() -> None:
    made = result(failing())
    text = Page(render_html(made)).text
    assert sweeps.STATEMENT in text
    assert all(line in text for line in sweeps.lines(failing(), shown=12))
    (row,) = rows(made)
    assert (row.verdict.key, row.range().text) == ("wrong", "safe within [−87.3, ∞)")


def test_a_sweep_of_an_unknown_format_has_a_page() -> None:
    assert "posit16" in render_html(RunResult(shard(60.0), [failing(format="posit16")]))


def test_compare_tells_what_changed_between_two_sweeps(gradproof: Invoke, folder: Path) -> None:
    base, head = failing(), failing(high=HIGH + 0x10000, value=3.6e6, seconds=9.0)
    for name, cell in (("base", base), ("head", head)):
        write_results(result(cell), folder / f"{name}.json")
    done = gradproof("compare", "base.json", "head.json")
    assert done.exit_code == codes.OK, done.output
    assert f"{CHANGED}: 1 cell" in done.stdout
    assert "u max 3.5e+06 ulp at -87.3386 -> 3.6e+06 ulp at -87.8386" in done.stdout
    assert f"over-contract: {abs(HIGH - LOW) + 1:,} inputs on [-103.967, -87.3386]" in " ".join(done.stdout.split())
    assert "0 found otherwise" in gradproof("compare", "base.json", "base.json").stdout


def test_compare_tells_a_new_failure_with_its_intervals(gradproof: Invoke, folder: Path) -> None:
    passing = failing(status="pass", severity=None, magnitude=0.5)
    passing = dataclasses.replace(passing, measured={**passing.measured, "classes": {}})
    for name, cell in (("base", passing), ("head", failing())):
        write_results(result(cell), folder / f"{name}.json")
    done = gradproof("compare", "base.json", "head.json")
    assert done.exit_code == codes.FAILED
    assert "over-contract: none -> " in done.stdout


def test_speed_alone_is_no_change_and_no_contradiction() -> None:
    slow = failing(seconds=500.0)
    slow = dataclasses.replace(slow, measured={**slow.measured, sweeps.TIMED: {"seconds": 500.0}})
    assert classify(failing(), slow) == ""
    assert len(combine([result(failing()), result(slow)]).cells) == 1
    with pytest.raises(UsageError, match="measured"):
        combine([result(failing()), result(failing(high=HIGH + 1, worst_bits=failing().worst_bits))])


@pytest.mark.parametrize("broken", ["classes", "maxima", "range"])
def test_the_schema_knows_what_a_sweep_measures(broken: str) -> None:
    cell = failing()
    with pytest.raises(UsageError, match="measured"):
        validate(RunResult(shard(60.0), [dataclasses.replace(cell, measured={**cell.measured, broken: 3})]))
    with pytest.raises(UsageError, match="measured"):
        validate(RunResult(shard(60.0), [dataclasses.replace(cell, measured={**cell.measured, "other": 3})]))
