"""What ``run`` and ``check`` keep until their results are written, and who may take it up."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradproof.engine.request.selection import Selection
from gradproof.engine.running.store import Store
from gradproof.results import read_results
from tests.cli.conftest import TINY, Invoke


def test_a_run_out_of_time_keeps_its_cells_and_resume_goes_on(
    gradproof: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("run", *TINY, "--json", "results.json", "--html", "none")
    with monkeypatch.context() as patched:
        clock = iter([0.0, 0.0])  # the start, one cell, and then the time is up
        patched.setattr("gradproof.engine.running.run.time.monotonic", lambda: next(clock, 1e6))
        first = gradproof(*asked, "--max-seconds", "60")
    assert first.exit_code == 0, first.output
    assert "1 finished cell kept; the same command with --resume goes on from there" in first.stderr
    assert [c.why for c in read_results(folder / "results.json").cells] == [None, "deadline", "deadline"]
    assert len(list(folder.glob(".gradproof/runs/*/finished.jsonl"))) == 1
    second = gradproof(*asked, "--resume")
    assert second.exit_code == 0, second.output
    assert "resumed: 1 of 3 cells were judged by an earlier run" in second.stderr
    assert {c.status for c in read_results(folder / "results.json").cells} == {"pass"}
    assert not (folder / ".gradproof").exists()


def test_quiet_says_nothing_of_it(gradproof: Invoke, right: Path) -> None:
    done = gradproof("check", right.name, "--property", "accuracy", "--jobs", "1", "--resume", "-q")
    assert done.exit_code == 0
    assert done.stderr == ""


def test_the_folder_can_be_elsewhere_and_is_left_where_it_was_there(gradproof: Invoke, right: Path) -> None:
    elsewhere = right.parent / "elsewhere"
    elsewhere.mkdir()
    done = gradproof("check", right.name, "--property", "accuracy", "--jobs", "1", "--folder", "elsewhere")
    assert done.exit_code == 0, done.output
    assert not list(elsewhere.iterdir())
    assert not (right.parent / ".gradproof").exists()


def test_a_second_run_of_the_same_is_refused_in_one_line(gradproof: Invoke, folder: Path) -> None:
    selection = Selection(("relu",), ("numpy:cpu",), ("bfloat16",), (0,), ("accuracy",), jobs=0)
    asked = (
        "--backend",
        "numpy",
        "--function",
        "relu",
        "--format",
        "bfloat16",
        "--order",
        "0",
        "--property",
        "accuracy",
    )
    with Store(selection):
        done = gradproof("run", *asked, "--jobs", "0", "--html", "none")
    assert done.exit_code == 4
    assert "another gradproof (process" in done.stderr
    assert "name another place with --folder" in done.stderr
    assert not (folder / "results.json").exists()
    assert gradproof("run", *asked, "--jobs", "0", "--html", "none").exit_code == 0


def test_results_that_cannot_be_written_keep_the_cells(gradproof: Invoke, right: Path) -> None:
    asked = ("check", right.name, "--order", "0", "--property", "accuracy", "--jobs", "1", "--json", "/dev/full")
    done = gradproof(*asked)
    assert done.exit_code == 3, done.output
    assert "1 finished cell kept" in done.stderr
    again = gradproof(*asked[:-1], "results.json", "--resume")
    assert again.exit_code == 0
    assert "resumed: 1 of 1 cells" in again.stderr
