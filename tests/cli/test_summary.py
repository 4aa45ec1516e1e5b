"""The summary of results made by hand: order, ledger, deviations, verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gradproof.cli import codes
from gradproof.cli.failures import failing, gravity
from gradproof.cli.outputs import Written
from gradproof.cli.progress import cell_line, shared_ids
from gradproof.cli.summary import SHOWN, summarise
from gradproof.results import Cell, RunResult
from gradproof.results.model import LedgerState, RunRecord

SHARD = RunRecord({}, {}, {"profile": "quick"}, 7, "2026-01-01T00:00:00+00:00", 75.0, complete=True)


def cell(function: str = "relu", **more: Any) -> Cell:
    base = Cell(function, {}, f"lib.{function}", "torch", "cpu", "eager", "float32", 0, "accuracy", "pass")
    return replace(base, **more)


def said(capsys: pytest.CaptureFixture[str], result: RunResult, code: int) -> str:
    summarise(result, code, Written(["results.json"]))
    return capsys.readouterr().out


def test_the_worst_failure_comes_first() -> None:
    cells = [
        cell("a", status="fail", severity="small-error", felt=True, magnitude=2.0),
        cell("b", status="fail", severity="wrong-class", felt=False, magnitude=None),
        cell("c", status="fail", severity="wrong-class", felt=True, magnitude=5.0),
        cell("d", status="fail", severity="wrong-class", felt=True, magnitude=None),
        cell("e"),
    ]
    assert [c.function for c in failing(RunResult(SHARD, cells))] == ["d", "c", "b", "a"]
    assert gravity(cells[3]) < gravity(cells[2])


def test_verbose_tells_every_cell_of_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [cell(status="fail", reason="seeded", format=f) for f in ("float32", "float16")]
    assert said(capsys, RunResult(SHARD, cells), codes.FAILED).count("seeded") == 1
    summarise(RunResult(SHARD, cells), codes.FAILED, Written(), verbose=True)
    # The finding, and each of its cells.
    assert capsys.readouterr().out.count("seeded") == 3


def test_more_failures_than_fit_a_terminal_are_counted_and_a_log_has_them_all(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [cell(f"f{n}", status="fail", reason="seeded") for n in range(SHOWN + 3)]
    in_full = said(capsys, RunResult(SHARD, cells), codes.FAILED)
    assert in_full.count("seeded") == SHOWN + 3
    assert "more findings" not in in_full
    assert "FAILED: 23 new failures" in in_full
    monkeypatch.setenv("FORCE_COLOR", "1")  # a console takes this for a terminal
    shown = said(capsys, RunResult(SHARD, cells), codes.FAILED)
    assert shown.count("seeded") == SHOWN
    assert "... and 3 more findings" in shown


def test_a_ledger_that_is_no_longer_true_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    states = [
        LedgerState("tail: gelu torch:cpu", "tail", "grown", "error over bound 9 above 3"),
        LedgerState("old: silu torch:cpu", "old", "gone", "no longer shows"),
        LedgerState("far: tanh torch:cpu", "far", "stale", "does not show here"),
        LedgerState("ok: elu torch:cpu", "ok", "seen"),
    ]
    shown = said(capsys, RunResult(SHARD, [cell()], states), codes.FAILED)
    assert "grown  tail: gelu torch:cpu: error over bound 9 above 3" in shown
    assert "gone   old: silu torch:cpu: no longer shows" in shown
    assert "1 entry of the ledger does not show here" in shown
    assert "far: tanh" not in shown
    assert "FAILED: 2 known deviations changed" in shown


def test_known_deviations_are_told_by_title_and_upstream(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [cell(n, status="known", known_ref="tail") for n in "ab"] + [cell("c", status="known", known_ref="inf")]
    texts = {
        "tail": {"title": "the left tail cancels", "upstream": ["pytorch#187806"]},
        "inf": {"title": "NaN at inf"},
    }
    shown = said(capsys, RunResult(SHARD, cells, deviations=texts), codes.OK)
    assert "Known deviations: 2, in 3 cells\n  2  the left tail cancels (pytorch#187806)\n  1  NaN at inf" in shown
    assert "3 known" in shown
    assert "1 min 15 s, profile quick, seed 7" in shown


def test_reasons_are_grouped_by_backend(capsys: pytest.CaptureFixture[str]) -> None:
    absent = [cell(n, device="cuda", status="not-run", reason="no device") for n in "abc"]
    late = [cell("d", status="not-run", reason="not reached")]
    shown = said(capsys, RunResult(SHARD, absent + late + [cell()]), codes.OK)
    assert "Not run: 4 cells\n  torch:cuda  3 cells  no device\n  torch:cpu    1 cell  not reached" in shown


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (codes.OK, "OK: "),
        (codes.INTERRUPTED, "INTERRUPTED: "),
        (codes.INTERNAL, "INTERNAL ERROR: "),
        (codes.NOTHING, "NOTHING RAN: "),
    ],
)
def test_the_last_line_is_the_verdict(capsys: pytest.CaptureFixture[str], code: int, word: str) -> None:
    assert said(capsys, RunResult(SHARD, [cell()]), code).splitlines()[-1].startswith(word)


def test_an_incomplete_run_is_never_just_ok(capsys: pytest.CaptureFixture[str]) -> None:
    result = RunResult(replace(SHARD, complete=False), [cell()])
    assert said(capsys, result, codes.OK).splitlines()[-1].endswith("the run is incomplete")


def test_cells_judged_by_uncertified_values_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [cell("a", measured={"uncertified": 3}), cell("b")]
    assert "Uncertified: 1 cell, judged by values that mpmath alone gave" in said(
        capsys, RunResult(SHARD, cells), codes.OK
    )
    assert "Uncertified" not in said(capsys, RunResult(SHARD, cells[1:]), codes.OK)


def test_a_line_of_progress_shows_the_error_that_counts_and_says_what_is_excused() -> None:
    line = cell_line(cell(status="pass", magnitude=0.25, excused=3)).plain
    assert line.endswith("error/bound 0.25 (3 points excused: this backend flushes subnormal numbers)")
    assert cell_line(cell(status="pass", magnitude=0.25)).plain.endswith("error/bound 0.25")


def test_a_line_says_when_a_result_is_of_the_wrong_class() -> None:
    """An infinity for the largest number is as far from it as the bound allows to be."""
    line = cell_line(cell(status="fail", magnitude=1.0, severity="wrong-class", reason="at 3e38: got inf")).plain
    assert line.endswith("error/bound 1, wrong class  at 3e38: got inf")


def test_a_line_names_the_implementation_where_several_have_one_identifier() -> None:
    mine, yours, other = cell(implementation="mine"), cell(implementation="yours"), cell("tanh", implementation="mine")
    assert shared_ids([mine, yours, other]) == {mine.id}
    assert f"{mine.id} of mine" in cell_line(mine, named=True).plain
    assert "of mine" not in cell_line(other).plain
