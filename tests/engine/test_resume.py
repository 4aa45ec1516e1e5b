"""A run that was killed goes on to the results of one that was not, and runs elsewhere come to the same."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import SilentListener, run
from gradproof.engine.running.store import Store
from gradproof.errors import CacheWarning, UsageError
from gradproof.files.journal import JOURNAL
from gradproof.results.io import dumps
from gradproof.results.model import Cell, RunResult
from gradproof.results.not_run import NotRun

COMMAND = (
    "run", "--backend", "numpy", "--function", "silu", "--function", "relu", "--format", "float16",
    "--profile", "quick", "--html", "none", "--json", "results.json",
)  # fmt: skip
TINY = {
    "functions": ("relu", "tanh"), "backends": ("numpy",), "formats": ("float16",), "orders": (0, 1),
    "properties": ("accuracy", "special-values"), "profile": "quick", "jobs": 0,
}  # fmt: skip


def untimed(document: dict[str, Any]) -> str:
    """A results file without the times, and without the number of workers."""
    document["run"] |= {"started": "", "seconds": 0}
    document["run"]["settings"].pop("jobs")
    for cell in document["cells"]:
        cell["seconds"] = 0
    return json.dumps(document)  # not sorted: the order is part of it


def results(folder: Path) -> str:
    return untimed(json.loads((folder / "results.json").read_text("utf-8")))


def command(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gradproof", *COMMAND, *more], cwd=folder, capture_output=True, text=True, check=False
    )


def journal_of(folder: Path) -> Path:
    (file,) = folder.glob(f".gradproof/runs/*/{JOURNAL}")
    return file


def lines(folder: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in folder.glob(f".gradproof/runs/*/{JOURNAL}"))


def killed(folder: Path, cells: int, *more: str) -> None:
    """Start the run and kill it by SIGKILL once so many cells are kept, or it has come through."""
    running = subprocess.Popen(
        [sys.executable, "-m", "gradproof", *COMMAND, *more],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while lines(folder) <= cells and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    running.kill()
    running.wait()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The results of a run that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    done = command(folder, "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert not (folder / ".gradproof").exists()
    return results(folder)


@pytest.mark.parametrize(
    ("first", "then"), [("1", "1"), ("2", "1"), ("1", "0"), ("0", "2")], ids=lambda jobs: f"jobs{jobs}"
)
def test_killed_at_any_moment_it_goes_on_to_the_same_results(tmp_path: Path, whole: str, first: str, then: str) -> None:
    cells = len(json.loads(whole)["cells"])
    chance = random.Random(first + then)
    killed(tmp_path, chance.randrange(1, cells), "--jobs", first)
    assert not (tmp_path / "results.json").exists()
    kept = lines(tmp_path) - 1
    done = command(tmp_path, "--jobs", then, "--resume", "-v")
    assert done.returncode == 0, done.stderr
    assert f"resumed: {kept} of {cells} cells were judged by an earlier run" in done.stderr
    assert done.stderr.count("\npass ") == cells - kept
    assert results(tmp_path) == whole
    assert not (tmp_path / ".gradproof").exists()


def test_killed_again_and_again_in_the_middle_of_a_record_it_comes_through(tmp_path: Path, whole: str) -> None:
    killed(tmp_path, 5, "--jobs", "1")
    for cells in (12, 25):
        journal = journal_of(tmp_path)
        journal.write_bytes(journal.read_bytes()[:-7])
        before = lines(tmp_path)
        killed(tmp_path, cells, "--jobs", "1", "--resume")
        assert lines(tmp_path) >= before
    done = command(tmp_path, "--jobs", "1", "--resume")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert results(tmp_path) == whole


# -- in this process ---------------------------------------------------------------------------------------


class Ending(SilentListener):
    """Ends the run after so many cells, as Ctrl-C would."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.judged_cells: list[str] = []

    def judged(self, cell: Cell, done: int, total: int) -> None:
        self.judged_cells.append(cell.id)
        if len(self.judged_cells) == self.after:
            raise KeyboardInterrupt


def tiny(root: Path, *, after: int = 0, resume: bool = True, **more: Any) -> tuple[RunResult, list[str], list[str]]:
    """The result of a small run that keeps its cells under ``root``, what it judged, and what it said."""
    said: list[str] = []
    listener = Ending(after)
    selection = Selection(**{**TINY, **more})
    with Store(selection, root=root, resume=resume, say=said.append) as store:
        result = run(selection, listener, store=store)
        if result.run.complete:
            store.discard()
    return result, listener.judged_cells, said


def text(result: RunResult) -> str:
    return untimed(json.loads(dumps(result)))


def test_what_was_judged_is_not_judged_again(tmp_path: Path) -> None:
    expected, everything, _ = tiny(tmp_path / "whole")
    broken, first, _ = tiny(tmp_path / "run", after=3)
    assert [c.why for c in broken.cells if c.status == "not-run"] == [NotRun.INTERRUPTED] * (len(everything) - 3)
    again, then, said = tiny(tmp_path / "run")
    assert first + then == everything
    assert said == [f"resumed: 3 of {len(everything)} cells were judged by an earlier run"]
    assert text(again) == text(expected)
    assert not list(tmp_path.glob("run/*"))


def test_a_damaged_record_is_judged_again(tmp_path: Path) -> None:
    expected, *_ = tiny(tmp_path / "whole")
    tiny(tmp_path / "run", after=4)
    (journal,) = tmp_path.glob(f"run/*/{JOURNAL}")
    content = journal.read_bytes().split(b"\n")
    content[2] = content[2].replace(b'"status":"pass"', b'"status":"fail"')
    journal.write_bytes(b"\n".join(content))
    with pytest.warns(CacheWarning, match="line 3: its checksum"):
        again, then, said = tiny(tmp_path / "run")
    assert said == ["resumed: 3 of 8 cells were judged by an earlier run"]
    assert len(then) == 5
    assert text(again) == text(expected)


def test_without_resume_a_run_starts_anew_and_says_what_it_drops(tmp_path: Path) -> None:
    tiny(tmp_path, after=3)
    _, then, said = tiny(tmp_path, resume=False)
    assert len(then) == 8
    assert said == ["started anew; 3 finished cells of an earlier run, for --resume, are dropped"]


def test_a_resume_without_anything_to_take_up_says_so(tmp_path: Path) -> None:
    for _ in range(2):  # also after a run that ended, which keeps nothing
        _, then, (line,) = tiny(tmp_path)
        assert line.startswith("started anew, since no earlier run left anything to go on with")
        assert line.endswith("all 8 cells are judged")
        assert len(then) == 8


def test_another_selection_is_not_taken_up_and_the_difference_is_named(tmp_path: Path) -> None:
    tiny(tmp_path, after=3)
    _, then, said = tiny(tmp_path, seed=7, formats=("bfloat16",))
    assert len(then) == 8
    (line,) = said
    assert line == (
        "started anew, since no earlier run was the same: settings formats is float16 there and bfloat16 here; "
        "settings seed is 20261121 there and 7 here"
    )


def test_other_versions_are_not_taken_up_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny(tmp_path, after=3)
    monkeypatch.setattr("gradproof.engine.running.provenance.__version__", "999")
    _, then, (said,) = tiny(tmp_path)
    assert len(then) == 8
    assert "is not the same: versions gradproof is" in said
    assert said.endswith("there and 999 here")


MINE = """
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["float16"])
def mine(x):
    return np.maximum(x, 0)
"""


def test_a_changed_file_of_the_users_is_not_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    more = {"files": (str(file),), "functions": (), "orders": (0,), "jobs": 1}
    tiny(tmp_path / "run", after=1, **more)
    file.write_text(MINE + "# edited\n")
    said = tiny(tmp_path / "run", **more)[2][0]
    assert "is not the same: files mine.py is" in said


WRONG = MINE.replace("np.maximum(x, 0)", "np.where(x > 3, x, x.dtype.type(0))")


def test_failures_come_back_with_their_certificates(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(WRONG)
    more = {"files": (str(file),), "functions": (), "properties": (), "orders": (), "jobs": 1}
    expected, everything, _ = tiny(tmp_path / "whole", **more)
    assert expected.counts()["fail"] > 3
    tiny(tmp_path / "run", after=len(everything) // 2, **more)
    again, *_ = tiny(tmp_path / "run", **more)
    assert text(again) == text(expected)


HANGING = (
    MINE
    + """
@gp.implements("relu", backend="numpy", formats=["float16"])
def hangs(x):
    __import__("time").sleep(100)
"""
)


def test_what_hung_before_is_not_called_again_after_a_resume(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HANGING)
    more = {"files": (str(file),), "functions": (), "orders": (0,), "jobs": 1, "time_limit": 1.0}
    expected, *_ = tiny(tmp_path / "whole", **more)
    assert [c.why for c in expected.cells if c.implementation == "mine:hangs"] == [None, NotRun.GAVE_UP]
    _, first, _ = tiny(tmp_path / "run", after=3, **more)
    again, then, _ = tiny(tmp_path / "run", **more)
    assert (len(first), len(then)) == (3, 1)
    assert text(again) == text(expected)


def test_two_runs_of_one_selection_in_one_folder_are_refused(tmp_path: Path) -> None:
    with Store(Selection(**TINY), root=tmp_path), pytest.raises(UsageError, match="is working in"):
        tiny(tmp_path)


def test_a_folder_that_cannot_be_made_costs_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(CacheWarning, match="finished cells are not kept") as warned:
        result, *_ = tiny(tmp_path / "file")
    assert result.run.complete
    assert len(warned) == 1


def test_a_disk_that_fills_up_costs_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    selection = Selection(**TINY)
    with Store(selection, root=tmp_path) as store:
        monkeypatch.setattr(store._journal, "append", full)
        with pytest.warns(CacheWarning, match=r"No space left on device.*; the run goes on") as warned:
            result = run(selection, store=store)
    assert result.counts()["pass"] == 8
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda r: {**r, "place": [0, 99]}, "no record of a cell"),
        (lambda r: {**r, "place": [0, 1]}, "in the place of"),
        (lambda r: {**r, "cell": {**r["cell"], "status": "fine"}}, "expected one of"),
        (lambda r: [], "no record of a cell"),
    ],
)
def test_a_record_that_fits_no_cell_is_judged_again(tmp_path: Path, spoil: Callable[[Any], Any], why: str) -> None:
    selection = Selection(**TINY)
    with Store(selection, root=tmp_path) as store:
        keep = store._journal.append
        store._journal.append = lambda record: keep(spoil(record))  # type: ignore[method-assign]
        run(selection, Ending(1), store=store)
    with pytest.warns(CacheWarning, match=why):
        _, then, _ = tiny(tmp_path)
    assert len(then) == 8
