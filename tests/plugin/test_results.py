"""The files that a session leaves, with and without xdist."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gradproof.results import RunResult, read_results, validate
from tests.plugin.sources import HEADER, RELU, RELU_IDS, RIGHT, WRONG, one_cell

MIXED = {"test_right": RELU, "test_wrong": one_cell(WRONG)}


def checked(path: Path) -> RunResult:
    """The results at ``path`` after checking them against the published schema."""
    validate(json.loads(path.read_text("utf-8")))
    return read_results(path)


def test_the_results_file_follows_the_schema_and_holds_every_cell(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(**MIXED)
    result = quiet.runpytest("--gradproof-json", "out/results.json", "--gradproof-seed", "7")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["5 cells: 1 fail, 4 pass", f"results: {Path('out', 'results.json')}"])
    found = checked(quiet.path / "out" / "results.json")
    right = [c for c in found.cells if c.implementation == "test_right:my_relu"]
    assert sorted(c.id for c in right) == sorted(RELU_IDS)
    (wrong,) = (c for c in found.cells if c.implementation == "test_wrong:mine")
    assert wrong.status == "fail"
    assert wrong.certificate is not None
    assert found.run.complete
    assert found.run.seed == 7
    assert found.run.backends["numpy:cpu"]["available"] is True
    assert found.run.environment["numpy"]


def test_a_cell_that_was_skipped_is_in_the_file_as_not_run(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(one_cell(RIGHT, decorators='@pytest.mark.skip(reason="not today")'))
    quiet.runpytest("--gradproof-json", "out.json")
    (cell,) = checked(quiet.path / "out.json").cells
    assert cell.status == "not-run"
    assert "not today" in cell.reason


def test_a_session_that_was_broken_off_says_so(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_a=one_cell(WRONG), test_b=RELU)
    quiet.runpytest("-x", "--gradproof-json", "out.json").assert_outcomes(failed=1)
    found = checked(quiet.path / "out.json")
    assert not found.run.complete
    assert len(found.cells) == 1


def test_a_session_that_was_broken_off_spares_an_earlier_complete_one(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_a=one_cell(WRONG), test_b=RELU)
    quiet.runpytest("--gradproof-json", "out.json")
    before = (quiet.path / "out.json").read_bytes()
    result = quiet.runpytest("-x", "--gradproof-json", "out.json")
    result.stdout.fnmatch_lines(["results: out.partial.json; out.json holds more and is kept"])
    assert (quiet.path / "out.json").read_bytes() == before
    assert len(checked(quiet.path / "out.partial.json").cells) == 1


def test_without_gradproof_items_no_file_is_written(quiet: pytest.Pytester) -> None:
    quiet.makepyfile("def test_plain(): pass")
    result = quiet.runpytest("--gradproof-json", "out.json")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["no gradproof item ran, so no results were written"])
    assert not (quiet.path / "out.json").exists()


def test_a_path_that_cannot_be_written_is_an_error_of_usage(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(one_cell(RIGHT))
    (quiet.path / "taken").mkdir()
    result = quiet.runpytest("--gradproof-json", "taken")
    result.stdout.fnmatch_lines(["results not written: expected a place to write the results file to*"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


class Writer:
    """An entry point of the group gradproof.reports that notes what it is given."""

    value = "a writer of this test"

    def __init__(self, name: str = "html") -> None:
        self.name = name
        self.given: list[tuple[Any, str]] = []

    def load(self) -> Any:
        return lambda result, path: self.given.append((result, os.fspath(path)))


def install(monkeypatch: pytest.MonkeyPatch, *writers: Writer) -> None:
    monkeypatch.setattr("gradproof.cli.outputs.enabled_entry_points", lambda group: writers)


def test_the_report_is_written_by_the_entry_point(quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer()
    install(monkeypatch, writer)
    quiet.makepyfile(RELU)
    result = quiet.runpytest("--gradproof-report", "page.html")
    result.stdout.fnmatch_lines(["report: page.html"])
    ((found, path),) = writer.given
    assert path == str(quiet.path / "page.html")
    assert {c.id for c in found.cells} == set(RELU_IDS)


def test_without_a_writer_of_reports_the_reason_is_told(
    quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    quiet.makepyfile(one_cell(RIGHT))
    result = quiet.runpytest("--gradproof-report", "page.html")
    result.stderr.fnmatch_lines(["*unknown report format 'html' for --gradproof-report; known: none installed"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_every_installed_format_is_written(quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    page, lines = Writer(), Writer("lines")
    install(monkeypatch, page, lines)
    quiet.makepyfile(one_cell(RIGHT))
    asked = ("lines=a=1.txt", "html=b.html", "./c=d.html", "lines=e.txt")
    result = quiet.runpytest(*(f"--gradproof-report={one}" for one in asked))
    result.stdout.fnmatch_lines(["report: a=1.txt", "report: b.html", "report: c=d.html", "report: e.txt"])
    assert [path for _, path in page.given] == [f"{quiet.path}/{name}" for name in ("b.html", "./c=d.html")]
    assert [path for _, path in lines.given] == [str(quiet.path / name) for name in ("a=1.txt", "e.txt")]
    assert {len(found.cells) for found, _ in (*page.given, *lines.given)} == {1}


def test_the_settings_name_reports_and_the_command_line_replaces_them_by_format(
    quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, lines = Writer(), Writer("lines")
    install(monkeypatch, page, lines)
    quiet.makepyfile(one_cell(RIGHT))
    quiet.makeini("[pytest]\ngradproof_report =\n    page.html\n    lines=a b.txt\n")
    quiet.runpytest("--gradproof-report", "lines=other.txt").stdout.fnmatch_lines(["report: page.html"])
    assert [path for _, path in lines.given] == [str(quiet.path / "other.txt")]
    result = quiet.runpytest("--gradproof-report", "html=none")
    result.stdout.fnmatch_lines(["report: a b.txt"])
    result.stdout.no_fnmatch_line("report: page.html")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("liness=a",), "unknown report format 'liness' for --gradproof-report; did you mean 'lines'[?]"),
        (("lines=",), "expected FORMAT=PATH, such as html=report.html, for --gradproof-report, got 'lines='"),
        (("lines=-",), "expected a file to write for lines, got '-', which is pytest's own output"),
        (("json=a",), "expected the format of a report for --gradproof-report, got 'json': see --gradproof-json"),
        (
            ("lines=a", "html=./a"),
            "expected a path of its own for --gradproof-report html, got '*', which *lines names too",
        ),
    ],
)
def test_a_report_that_cannot_be_is_refused_before_anything_is_judged(
    quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...], says: str
) -> None:
    install(monkeypatch, Writer(), Writer("lines"))
    quiet.makepyfile(one_cell(RIGHT))
    result = quiet.runpytest(*(f"--gradproof-report={one}" for one in asked))
    result.stderr.fnmatch_lines([f"*{says}*"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_writer_that_raises_is_told_and_costs_no_other_file(
    quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, page = Writer("broken"), Writer()
    monkeypatch.setattr(broken, "load", lambda: lambda result, path: 1 / 0)
    install(monkeypatch, broken, page)
    quiet.makepyfile(one_cell(RIGHT))
    result = quiet.runpytest("--gradproof-report", "broken=a.txt", "--gradproof-report", "b.html")
    result.stdout.fnmatch_lines(["report not written: broken to a.txt: ZeroDivisionError: *"])
    assert len(page.given) == 1
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_two_workers_find_what_one_process_finds(quiet: pytest.Pytester) -> None:
    if importlib.util.find_spec("xdist") is None:
        pytest.skip("pytest-xdist is not installed")
    later = (
        HEADER
        + """
@gp.implements("relu", backend="numpy", formats=["float16"])
def registered(x):
    return np.maximum(x, np.zeros_like(x))
"""
    )
    quiet.makepyfile(**MIXED, test_later=later)
    narrow = ("--gradproof-property", "accuracy", "--gradproof-order", "0")
    alone = quiet.runpytest("--gradproof-json", "alone.json", *narrow)
    shared = quiet.runpytest_subprocess("--gradproof-json", "shared.json", *narrow, "-n", "2")
    alone.assert_outcomes(passed=3, failed=1)
    shared.assert_outcomes(passed=3, failed=1)
    shared.stdout.fnmatch_lines(
        [
            "at -65504.0: got 65504.0, expected 0.0 *",
            "  reproduce *",
            "4 cells: 1 fail, 3 pass",
            "results: shared.json",
        ]
    )
    one, two = checked(quiet.path / "alone.json"), checked(quiet.path / "shared.json")
    assert [(c.key, c.status, c.u_max, c.certificate) for c in one.cells] == [
        (c.key, c.status, c.u_max, c.certificate) for c in two.cells
    ]
    assert one.run.backends == two.run.backends
    assert two.run.complete
