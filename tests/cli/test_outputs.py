"""What a run writes and says: files, progress, summary."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gradproof.cli import outputs
from gradproof.results import RunResult, read_results
from tests.cli.conftest import TINY, Invoke

CELLS = [f"relu-numpy-cpu-bfloat16-order{n}-accuracy" for n in (0, 1, 2)]


def test_run_writes_results_and_report_into_the_current_folder(gradproof: Invoke, folder: Path) -> None:
    done = gradproof("run", *TINY)
    assert done.exit_code == 0, done.stderr
    assert [c.id for c in read_results(folder / "results.json").cells] == CELLS
    assert "<html" in (folder / "report.html").read_text("utf-8")
    assert "written: results.json, report.html" in done.stdout


def test_each_output_goes_where_it_is_sent(gradproof: Invoke, folder: Path) -> None:
    done = gradproof(
        "run", *TINY, "--json", "out/a.json", "--html", "none", "--junit", "out/a.xml", "--markdown", "a.md"
    )
    assert done.exit_code == 0, done.stderr
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*")) == [
        "a.md",
        "out/a.json",
        "out/a.xml",
    ]


def test_check_writes_nothing_unasked(gradproof: Invoke, folder: Path, right: Path) -> None:
    assert gradproof("check", str(right), "--property", "accuracy", "--jobs", "0").exit_code == 0
    assert [p.name for p in folder.iterdir() if p.is_file()] == [right.name]


def test_an_old_results_file_survives_a_refused_run(gradproof: Invoke, folder: Path) -> None:
    (folder / "results.json").write_text("old", encoding="utf-8")
    assert gradproof("run", *TINY, "--junit", "results.json/x").exit_code == 4
    assert (folder / "results.json").read_text("utf-8") == "old"


def test_a_report_that_fails_costs_no_other_output(
    folder: Path, gradproof: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    gradproof("run", *TINY, "--html", "none")
    result = read_results("results.json")
    done: list[str] = []

    def broken(result: RunResult, path: str) -> None:
        raise ZeroDivisionError("seeded")

    chosen = [outputs.Output("html", "a"), outputs.Output("junit", "b")]
    prepared = outputs.prepare(chosen, (), {"html": broken, "junit": lambda _, path: done.append(path)})
    written = prepared.write(result)
    assert done == written.files == ["b"]
    assert written.code(0) == 3
    assert "--html a could not be written: ZeroDivisionError: seeded" in capsys.readouterr().err


def test_a_log_has_a_line_per_function_and_cells_for_the_asking(gradproof: Invoke) -> None:
    done = gradproof("run", *TINY, "--html", "none")
    assert done.stderr.split() == ["100%", "relu", "3", "pass"]
    wordy = gradproof("run", *TINY, "--html", "none", "-v").stderr.splitlines()
    assert [line.split()[:2] for line in wordy[:-1]] == [["pass", cell] for cell in CELLS]
    assert wordy[-1].split() == ["100%", "relu", "3", "pass"]


def test_quiet_leaves_the_summary_alone(gradproof: Invoke) -> None:
    done = gradproof("run", *TINY, "--html", "none", "-q")
    assert done.stderr == ""
    assert "3 pass, 0 fail" in done.stdout


def test_no_escape_codes_where_there_is_no_terminal(gradproof: Invoke, wrong: Path) -> None:
    done = gradproof("check", str(wrong), "--property", "accuracy", "--jobs", "0")
    assert "\x1b" not in done.output


def test_absent_devices_are_told_with_their_cells_and_the_reason(
    gradproof: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradproof.backends import Availability
    from gradproof.backends.numpy.backend import NumpyBackend
    from gradproof.backends.registry import _availability

    monkeypatch.setattr(
        NumpyBackend, "availability", classmethod(lambda cls, device: Availability(False, "seeded away"))
    )
    _availability.cache_clear()
    try:
        done = gradproof("run", *TINY, "--html", "none")
    finally:
        _availability.cache_clear()
    assert done.exit_code == 5
    assert re.search(r"numpy:cpu +3 cells +seeded away", done.stdout)


NAMED = """
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["bfloat16"], name="[red]mine[/red]")
def mine(x):
    return np.where(x > 1, x, x.dtype.type(0))

@gp.implements("relu", backend="numpy", formats=["bfloat16"])
def raising(x):
    raise ValueError("[bold]no[/bold]")
"""


def test_a_users_text_is_shown_as_it_is_and_never_wrapped(gradproof: Invoke, folder: Path) -> None:
    (folder / ("a_very_long_name_of_a_file" * 5 + ".py")).write_text(NAMED, encoding="utf-8")
    (file,) = folder.glob("*.py")
    done = gradproof("check", file.name, "--property", "accuracy", "--order", "0", "--jobs", "0")
    assert done.exit_code == 1
    assert "\n[red]mine[/red] as relu on numpy:cpu" in done.stdout
    assert "[bold]no[/bold]" in done.stdout
    # The whole command on one line: it is there to be copied.
    commands = re.findall(r"^  repeat +gradproof repro .*--order 0.*$", done.stdout, re.MULTILINE)
    assert len(commands) == 2
    assert all(file.name in command for command in commands)


def test_one_mistake_in_many_formats_is_told_once(gradproof: Invoke, folder: Path) -> None:
    text = """
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["float16", "bfloat16"])
def mine(x):
    return np.where(x > 1, x, x.dtype.type(0))
"""
    (folder / "many.py").write_text(text, encoding="utf-8")
    done = gradproof("check", "many.py", "--property", "accuracy", "--order", "0", "--jobs", "0", "--json", "many.json")
    cells = json.loads((folder / "many.json").read_text("utf-8"))["cells"]
    assert [c["status"] for c in cells] == ["fail", "fail"]
    assert done.stdout.count("gradproof repro") == 1
    assert "cells     2 cells: accuracy " in done.stdout
