"""``claims``: the list without results, the table with them, and one claim with its cells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradproof.cli import codes
from gradproof.cli.claims import verdict_counts
from gradproof.cli.outputs import Written
from gradproof.cli.summary import summarise
from gradproof.results import Cell, RunResult, read_results, write_results
from gradproof.results.claims import judge
from gradproof.results.model import Basis, Certificate, Claim, RunRecord
from tests.cli.conftest import TINY, Invoke

SHARD = RunRecord({}, {}, {}, 1, "2026-01-01T00:00:00+00:00", 1.0, complete=True)

ASKED = [
    Claim("right", "Is it right?", "It is right.", "folklore", [Basis("accuracy")]),
    Claim("other", "And otherwise?", "It is.", "folklore", [Basis("shape")]),
]

COMMAND = "gradproof repro relu --backend torch:cpu --format float32 --bits 0x1"


def cell(status: str = "pass", **more: Any) -> Cell:
    base = Cell("relu", {}, "lib.relu", "torch", "cpu", "eager", "float32", 0, "accuracy", status)  # type: ignore[arg-type]
    return replace(base, **more)


FAILED = Certificate(None, None, None, None, [], None, None, None, 9.0, None, [], "rounding", "", COMMAND)

CELLS = [
    cell(),
    cell("known", function="silu", known_ref="tail", magnitude=3.0),
    cell("fail", function="gelu", magnitude=9.0, certificate=FAILED),
    cell(format="float16"),
    cell("undecided", format="float16", function="silu", reason="not certified"),
    cell(backend="jax"),
    cell("not-run", device="cuda", reason="no device here"),
]


def written(path: Path, cells: list[Cell], asked: list[Claim] | None = None) -> str:
    claims = judge(ASKED if asked is None else asked, cells)
    made = RunResult(SHARD, cells, claims=claims, deviations={"tail": {"title": "The tail is lost", "upstream": []}})
    write_results(made, path)
    return str(path)


@pytest.fixture
def file(folder: Path) -> str:
    return written(folder / "some.json", CELLS)


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.split("\n\n")[0].splitlines()]


def test_without_results_the_claims_are_listed_and_the_way_to_verdicts_told(gradproof: Invoke) -> None:
    done = gradproof("claims")
    assert done.exit_code == 0
    assert "exact-zero  How rarely is the input of a ReLU exactly 0?" in done.stdout
    assert "checked by zero-input" in done.stdout
    assert "`gradproof run` gives the verdicts" in done.stdout


def test_the_table_has_a_word_per_place_and_format(gradproof: Invoke, file: str) -> None:
    done = gradproof("claims", file)
    assert done.exit_code == 0
    assert rows(done.stdout) == [
        ["claim", "place", "f32", "f16"],
        ["right", "torch:cpu", "except", "2", "holds,", "1?"],
        ["jax:cpu", "holds", "-"],
        ["other", "not", "checked", "-", "-"],
    ]
    assert "torch:cuda: nothing was checked: no device here" in done.stdout
    tally, origin = "\n".join(done.stdout.splitlines()).rsplit("\nfrom ", 1)
    assert tally.splitlines()[-1] == "Claims: 0 hold, 1 hold with exceptions, 0 do not hold, 1 not checked"
    assert " ".join(origin.split()).endswith("3 functions (relu, silu, gelu), profile ?, 2026-01-01T00:00:00+00:00")


def test_below_the_table_stand_new_failures_and_each_deviation_once(gradproof: Invoke, file: str) -> None:
    shown = gradproof("claims", file).stdout
    assert "right on torch:cpu in f32: 1 cell, new failure (accuracy of gelu order 0)" in shown
    assert shown.count("The tail is lost") == 1
    assert "torch:cpu: The tail is lost  [right]" in shown


def test_one_claim_is_told_with_the_cells_and_commands_behind_its_exceptions(gradproof: Invoke, file: str) -> None:
    shown = gradproof("claims", file, "--claim", "right").stdout
    assert "And otherwise?" not in shown
    for text in (
        "Is it right?", "It is right.", "torch:cpu float32: holds except 2 of 3 cells",
        "torch:cpu float16: holds, 1 undecided", "1 cell of accuracy undecided: not certified",
        "torch:cuda float32: not checked, 1 not run", "1 cell of accuracy not run: no device here",
        "gelu-torch-cpu-float32-order0-accuracy  9 times the bound", COMMAND,
        "silu-torch-cpu-float32-order0-accuracy  3 times the bound",
    ):  # fmt: skip
        assert text in shown


def test_filters_narrow_places_and_formats(gradproof: Invoke, file: str) -> None:
    assert rows(gradproof("claims", file, "--backend", "jax").stdout)[1:2] == [["right", "jax:cpu", "holds"]]
    assert rows(gradproof("claims", file, "--backend", "torch:cpu", "--format", "float16").stdout)[:2] == [
        ["claim", "place", "f16"],
        ["right", "torch:cpu", "holds,", "1?"],
    ]


def test_json_is_what_the_file_holds(gradproof: Invoke, file: str) -> None:
    found = json.loads(gradproof("claims", file, "--json").stdout)
    assert found == read_results(file).to_json()["claims"]
    (one,) = json.loads(gradproof("claims", file, "--json", "--claim", "right", "--format", "float16").stdout)
    assert [v["verdict"] for v in one["verdicts"]] == ["holds"]


def test_a_format_of_a_newer_version_has_its_column_too(gradproof: Invoke, folder: Path) -> None:
    made = written(folder / "new.json", [cell(), cell("undecided", property="shape"), cell(format="float4")])
    assert rows(gradproof("claims", made).stdout)[:2] == [
        ["claim", "place", "f32", "float4"],
        ["right", "torch:cpu", "holds", "holds"],
    ]


def test_several_files_are_judged_together(gradproof: Invoke, folder: Path) -> None:
    one = written(folder / "a.json", [cell("not-run")])
    two = written(folder / "b.json", [cell("known", known_ref="tail", magnitude=2.0)])
    assert rows(gradproof("claims", one, two).stdout)[1] == ["right", "torch:cpu", "no"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--claim", "rigt"], "unknown claim 'rigt'; did you mean 'right'?"),
        (["--backend", "torhc"], "unknown backend 'torhc' in these results; did you mean 'torch'?"),
        (["--format", "float23"], "unknown format 'float23'"),
    ],
)
def test_a_name_that_is_not_there_is_wrong_usage(gradproof: Invoke, file: str, arguments: list[str], says: str) -> None:
    done = gradproof("claims", file, *arguments)
    assert done.exit_code == codes.USAGE
    assert says in done.stderr


def test_a_missing_file_is_wrong_usage(gradproof: Invoke) -> None:
    assert gradproof("claims", "absent.json").exit_code == codes.USAGE


def test_the_last_run_of_the_folder_is_read_and_the_summary_points_to_it(gradproof: Invoke) -> None:
    done = gradproof("run", *TINY, "--profile", "quick", "--html", "none")
    assert "Claims: 2 hold, 0 hold with exceptions, 0 do not hold, 1 partly checked," in done.stdout
    assert "see `gradproof claims`" in done.stdout
    shown = gradproof("claims").stdout
    assert ["straight-pieces", "numpy:cpu", "partly"] in rows(shown)
    assert "Claims: 2 hold" in shown


def test_a_file_older_than_the_claims_is_judged_by_the_installed_ones(gradproof: Invoke, folder: Path) -> None:
    old = written(folder / "old.json", CELLS, asked=[])
    assert ["values", "torch:cpu", "except", "2", "holds,", "1?"] in rows(gradproof("claims", old).stdout)
    assert gradproof("report", old, "--markdown", "r.md").exit_code == 0
    assert "Do frameworks compute the function they name" in (folder / "r.md").read_text(encoding="utf-8")
    assert gradproof("combine", old, "--json", "new.json").exit_code == 0
    assert [c.id for c in read_results("new.json").claims if c.verdicts] == ["values", "straight-pieces"]


def test_the_summary_tells_the_claims_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    result = RunResult(SHARD, CELLS, claims=judge(ASKED, CELLS))
    summarise(result, codes.FAILED, Written(["out/mine.json"]))
    (line,) = [t for t in capsys.readouterr().out.splitlines() if t.startswith("Claims:")]
    assert line == f"{verdict_counts(result.claims)}; see `gradproof claims out/mine.json`"
    summarise(replace(result, claims=judge(ASKED, [cell("not-run")])), codes.NOTHING, Written(["results.json"]))
    assert "Claims:" not in capsys.readouterr().out
