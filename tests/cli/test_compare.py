"""``compare``: each change has one class, and only regressions exit 1."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from gradproof.results import Cell, RunResult, write_results
from gradproof.results.cell_changes import classify
from gradproof.results.model import RunRecord, Status
from tests.cli.conftest import Invoke


def cell(status: Status, magnitude: float | None = None, function: str = "relu") -> Cell:
    return Cell(
        function,
        {},
        f"lib.{function}",
        "torch",
        "cpu",
        "eager",
        "float32",
        0,
        "accuracy",
        status,
        magnitude=magnitude,
    )


@pytest.mark.parametrize(
    ("base", "head", "kind"),
    [
        (cell("pass", 0.1), cell("fail", 3.0), "new failure"),
        (cell("known", 3.0), cell("fail", 3.0), "new failure"),
        (cell("pass", 0.1), cell("error"), "new failure"),
        (None, cell("fail", 3.0), "new failure"),
        (cell("not-run"), cell("fail", 3.0), "new failure"),
        (cell("fail", 3.0), cell("pass", 0.1), "fixed"),
        (cell("error"), cell("pass", 0.1), "fixed"),
        (cell("known", 3.0), cell("pass", 0.1), "fixed"),
        (cell("fail", 3.0), cell("fail", 9.0), "worse"),
        (cell("fail", 3.0), cell("fail", None), "worse"),
        (cell("pass", 0.2), cell("pass", 0.9), "worse"),
        (cell("fail", 9.0), cell("fail", 3.0), "better"),
        (cell("fail", None), cell("known", 3.0), "better"),
        (cell("not-run"), cell("pass", 0.1), "newly run"),
        (None, cell("pass", 0.1), "newly run"),
        (cell("undecided"), cell("pass", 0.1), "newly run"),
        (cell("pass", 0.1), cell("not-run"), "no longer run"),
        (cell("pass", 0.1), cell("undecided"), "no longer run"),
        (cell("fail", 3.0), None, "no longer run"),
        (cell("pass", 0.1), cell("pass", 0.4), ""),  # both far below the bound
        (cell("fail", 3.0), cell("fail", 3.1), ""),
        (cell("fail", None), cell("fail", None), ""),
        (cell("pass"), cell("pass"), ""),
        (cell("not-run"), cell("unsupported"), ""),
        (None, cell("not-run"), ""),
    ],
)
def test_every_change_has_one_class(base: Cell | None, head: Cell | None, kind: str) -> None:
    assert classify(base, head) == kind


def with_params(**params: object) -> Cell:
    return replace(cell("pass", 0.1, "squareplus"), params=params)


def written(path: Path, *cells: Cell) -> str:
    run = RunRecord({}, {}, {}, 1, "2026-01-01T00:00:00+00:00", 1.0, complete=True)
    write_results(RunResult(run, list(cells)), path)
    return str(path)


def test_a_new_failure_exits_1_and_is_named(gradproof: Invoke, folder: Path) -> None:
    base = written(folder / "base.json", cell("pass", 0.1), cell("fail", 3.0, "tanh"))
    head = written(folder / "head.json", cell("fail", 5.0), cell("pass", 0.3, "tanh"))
    done = gradproof("compare", base, head)
    assert done.exit_code == 1
    assert "new failure: 1 cell\n  relu-torch-cpu-float32-order0-accuracy  pass (0.1) -> fail (5)" in done.stdout
    assert "fixed: 1 cell" in done.stdout
    assert gradproof("compare", head, base).exit_code == 1  # tanh fails the other way round


def test_lines_name_the_implementation_where_there_are_several(gradproof: Invoke, folder: Path) -> None:
    cells = [replace(cell("pass", 0.1), implementation=name) for name in ("mine", "yours")]
    base = written(folder / "base.json", *cells)
    head = written(folder / "head.json", cells[0], replace(cells[1], status="fail", magnitude=5.0))
    said = gradproof("compare", base, head).stdout
    assert "relu-torch-cpu-float32-order0-accuracy of yours  pass (0.1) -> fail (5)" in said


def test_what_only_became_better_exits_0(gradproof: Invoke, folder: Path) -> None:
    base = written(folder / "base.json", cell("fail", 9.0))
    head = written(folder / "head.json", cell("pass", 0.3), cell("pass", 0.3, "tanh"))
    done = gradproof("compare", base, head)
    assert done.exit_code == 0
    assert "0 new failure, 0 worse, 1 fixed, 0 better, 1 newly run, 0 no longer run" in done.stdout


def test_the_same_file_twice_has_no_change(gradproof: Invoke, folder: Path) -> None:
    base = written(folder / "base.json", cell("fail", 9.0))
    done = gradproof("compare", base, base)
    assert done.exit_code == 0
    assert "->" not in done.stdout


def as_a_browser_writes_it(file: str) -> str:
    """The file after ``JSON.stringify(JSON.parse(...))``: whole numbers lose their fraction."""

    def edited(value: object) -> object:
        match value:
            case float() if value.is_integer():
                return int(value)
            case dict():
                return {k: edited(v) for k, v in value.items()}
            case list():
                return [edited(v) for v in value]
        return value

    other = Path(file).with_name("edited.json")
    other.write_text(json.dumps(edited(json.loads(Path(file).read_text()))))
    return str(other)


def test_a_file_edited_in_a_browser_holds_the_same_cells(gradproof: Invoke, folder: Path) -> None:
    base = written(folder / "base.json", with_params(b=4.0), with_params(b=0.1), cell("fail", 3.0))
    for files in ((base, as_a_browser_writes_it(base)), (as_a_browser_writes_it(base), base)):
        done = gradproof("compare", *files)
        assert done.exit_code == 0
        assert "->" not in done.stdout
        assert "lacks" not in done.stdout


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (4, 4.0, True),
        ("4", 4.0, True),
        ("0.50", 0.5, True),
        ("1/2", 0.5, True),
        ("0.1", "1/10", True),
        (-0.0, 0, True),
        (1e22, 10**22, True),
        ("0.1", 0.1, False),
        (0.1, 0.10000000149011612, False),
        (2**53, 2**53 + 1, False),
        (True, 1, False),
        (None, "None", False),
        ("nan", "inf", False),
        ("1e999999999", "1e999999998", False),
        ("1/0", "2/0", False),
    ],
)
def test_parameters_are_the_same_by_their_values(one: object, other: object, same: bool) -> None:
    assert (with_params(b=one).key == with_params(b=other).key) == same
    assert with_params(b=one).key == with_params(b=one).key
    assert with_params(b=one).key != with_params(c=one).key
    assert dict(with_params(b="0.1").key[1]) == {"b": Fraction(1, 10)}


def test_cells_that_one_file_lacks_are_counted_and_fail_nothing(gradproof: Invoke, folder: Path) -> None:
    base = written(folder / "base.json", cell("pass", 0.1), cell("pass", 0.1, "tanh"), cell("not-run", None, "mish"))
    head = written(folder / "head.json", cell("pass", 0.1), cell("not-run", None, "gelu"))
    done = gradproof("compare", base, head)
    assert done.exit_code == 0
    assert "no longer run: 1 cell\n  tanh-torch-cpu-float32-order0-accuracy  pass (0.1) -> absent" in done.stdout
    assert done.stdout.endswith("HEAD lacks 2 of the 3 cells of BASE\nBASE lacks 1 of the 2 cells of HEAD\n")


def test_two_files_without_a_cell_in_common_are_not_compared(gradproof: Invoke, folder: Path) -> None:
    base = written(folder / "base.json", cell("pass", 0.1))
    head = written(folder / "head.json", cell("pass", 0.1, "tanh"))
    done = gradproof("compare", base, head)
    assert done.exit_code == 5
    assert "NOTHING COMPARED: the two files have no cell in common" in done.stdout
    assert gradproof("compare", base, written(folder / "worse.json", cell("fail", 3.0, "tanh"))).exit_code == 1
