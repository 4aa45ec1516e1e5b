"""No file that holds more is replaced by one that holds less."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gradproof.results import RunResult, read_results, write_results
from gradproof.results.keeping import Weight, destinations
from tests.reports.synthetic import run

WHOLE = run(functions=1)
JUDGED = [c for c in WHOLE.cells if c.status in ("pass", "fail", "known", "error")]


def result(judged: int, *, complete: bool) -> RunResult:
    """A result of so many verdicts and one cell that was not run."""
    cells = [*JUDGED[:judged], dataclasses.replace(JUDGED[-1], status="not-run")]
    return dataclasses.replace(WHOLE, cells=cells, run=dataclasses.replace(WHOLE.run, complete=complete))


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "results.json")


def where(found: RunResult, file: str, *, interrupted: bool = False) -> str | None:
    """The name of the results file, or None; the report's always says the same."""
    report = str(Path(file).with_name("report.html"))
    gone = destinations(Weight.of(found, interrupted=interrupted), file, [report])
    names = {path: to and Path(to).name for path, to in gone.items()}
    assert names[report] == (names[file] and names[file].replace("results", "report").replace("json", "html"))
    return names[file]


def earlier(file: str, judged: int, *, complete: bool) -> None:
    write_results(result(judged, complete=complete), file)
    Path(file).with_name("report.html").write_text("earlier", encoding="utf-8")


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize("judged", [0, 3])
def test_without_an_earlier_file_everything_goes_where_it_is_sent(file: str, judged: int, interrupted: bool) -> None:
    assert where(result(judged, complete=False), file, interrupted=interrupted) == "results.json"


def test_an_empty_file_holds_nothing(file: str) -> None:
    Path(file).touch()
    assert where(result(1, complete=False), file, interrupted=True) == "results.json"


def test_a_complete_run_replaces_whatever_there_is(file: str) -> None:
    earlier(file, 5, complete=True)
    assert where(result(1, complete=True), file) == "results.json"


@pytest.mark.parametrize(
    ("before", "complete", "now", "interrupted", "to"),
    [
        (3, True, 5, True, "results.partial.json"),  # complete, so more, however few its cells
        (3, False, 5, True, "results.json"),
        (5, False, 5, True, "results.json"),
        (5, False, 3, True, "results.partial.json"),
        (3, True, 5, False, "results.json"),  # out of time, which is complete by its own terms
        (5, True, 3, False, "results.partial.json"),
        (5, True, 0, False, None),
        (5, True, 0, True, None),
        (0, True, 0, False, "results.json"),
    ],
)
def test_an_incomplete_run_spares_what_holds_more(
    file: str, before: int, complete: bool, now: int, interrupted: bool, to: str | None
) -> None:
    earlier(file, before, complete=complete)
    assert where(result(now, complete=False), file, interrupted=interrupted) == to


def test_a_report_goes_beside_with_its_results_also_where_there_was_none(file: str) -> None:
    earlier(file, 3, complete=True)
    Path(file).with_name("report.html").unlink()
    assert where(result(5, complete=False), file, interrupted=True) == "results.partial.json"


def test_a_complete_run_that_judged_nothing_spares_what_was_judged(file: str) -> None:
    earlier(file, 1, complete=True)
    assert where(result(0, complete=True), file) is None


def test_a_partial_result_that_holds_more_is_spared_too(file: str) -> None:
    earlier(file, 5, complete=True)
    write_results(result(4, complete=False), Path(file).with_name("results.partial.json"))
    assert where(result(3, complete=False), file, interrupted=True) == "results.partial-2.json"
    assert where(result(4, complete=False), file, interrupted=True) == "results.partial.json"


def test_a_file_that_cannot_be_weighed_is_spared(file: str) -> None:
    earlier(file, 0, complete=False)
    Path(file).write_text("somebody's notes", encoding="utf-8")
    assert where(result(3, complete=False), file) == "results.partial.json"


def test_a_report_alone_is_spared_since_nothing_tells_how_much_it_holds(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("earlier", encoding="utf-8")
    gone = destinations(Weight(3, complete=False), None, [str(report)])
    assert gone == {str(report): str(tmp_path / "report.partial.html")}
    fresh = str(tmp_path / "fresh.json")
    gone = destinations(Weight(3, complete=False), fresh, [str(report)])
    assert gone == {fresh: fresh, str(report): str(tmp_path / "report.partial.html")}


def test_read_results_of_a_partial_file(file: str) -> None:
    write_results(result(3, complete=False), file)
    assert Weight.of(read_results(file)) == Weight(3, complete=False)
