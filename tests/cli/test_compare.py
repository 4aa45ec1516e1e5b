"""``compare``: each change has one class, and only regressions exit 1."""

from __future__ import annotations

import json
import subprocess
import sys
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
    assert "0 new failure, 0 worse, 0 not seen again, 1 fixed, 0 better, 1 newly run, 0 no longer run" in done.stdout


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


def test_lost_cells_fail_where_that_is_asked(gradproof: Invoke, folder: Path) -> None:
    base = written(folder / "base.json", cell("pass", 0.1), cell("pass", 0.1, "tanh"))
    unjudged = written(folder / "unjudged.json", cell("pass", 0.1), cell("not-run", None, "tanh"))
    lacking = written(folder / "lacking.json", cell("pass", 0.1))
    for head in (unjudged, lacking):
        assert gradproof("compare", base, head).exit_code == 0
        assert gradproof("compare", base, head, "--fail-on", "lost").exit_code == 1
    assert gradproof("compare", unjudged, base, "--fail-on", "LOST").exit_code == 0
    elsewhere = written(folder / "elsewhere.json", cell("pass", 0.1, "gelu"))
    assert gradproof("compare", base, elsewhere).exit_code == 5
    assert gradproof("compare", base, elsewhere, "--fail-on", "lost").exit_code == 1
    wrong = gradproof("compare", base, base, "--fail-on", "losd")
    assert wrong.exit_code == 4


@pytest.fixture
def pair(folder: Path) -> tuple[str, str]:
    """Base and head: one new failure with a hostile id, one fixed, one lost."""
    bad = replace(cell("fail", 5.0), implementation="mine:\x1b[2J<b>|")
    good = replace(bad, status="pass", magnitude=0.1)
    base = written(folder / "base.json", good, cell("fail", 3.0, "tanh"), cell("pass", 0.1, "mish"))
    return base, written(folder / "head.json", bad, cell("pass", 0.3, "tanh"))


@pytest.mark.parametrize(
    "words", [("compare", "-", "{head}"), ("compare", "{base}", "-"), ("explain", "-"), ("claims", "-")]
)
def test_results_are_read_from_standard_input(words: tuple[str, ...], pair: tuple[str, str]) -> None:
    base, head = pair
    named = [w.format(base=base, head=head) for w in words]
    given = Path(base if "{head}" in words else head).read_text("utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gradproof", *named], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if words[0] == "claims" else 1), done.stderr
    assert done.stderr == ""


def test_a_comparison_is_written_as_json(gradproof: Invoke, pair: tuple[str, str]) -> None:
    done = gradproof("compare", *pair, "--json", "-")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["schema"] == "gradproof-comparison/1"
    assert [(c["kind"], c["was"], c["now"]) for c in found["cells"]] == [
        ("new failure", "pass (0.1)", "fail (5)"),
        ("fixed", "fail (3)", "pass (0.3)"),
        ("no longer run", "pass (0.1)", "absent"),
    ]
    assert (found["common"], found["head_lacks"], found["base_lacks"]) == (2, 1, 0)
    assert found["counts"]["new failure"] == 1
    assert "new failure: 1 cell" in done.stderr


def test_a_comparison_is_written_line_by_line(gradproof: Invoke, pair: tuple[str, str]) -> None:
    found = [json.loads(line) for line in gradproof("compare", *pair, "--json-lines", "-").stdout.splitlines()]
    assert [o["type"] for o in found] == ["begin", "cell", "cell", "cell", "end"]
    assert found[-1]["exit_code"] == 1
    assert found[-1]["head_lacks"] == 1


def test_a_comparison_is_written_as_markdown_of_the_changes_alone(gradproof: Invoke, pair: tuple[str, str]) -> None:
    text = gradproof("compare", *pair, "--markdown", "-").stdout
    assert text.startswith("# gradproof: 1 regression\n")
    assert "2 cells in both files, HEAD lacks 1" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| change", "| new failure", "| fixed", "| no longer run"]
    assert "\x1b" not in text
    assert len(text) < 65536  # what a comment on a pull request may hold
    # The same changes before the rest, where a report is asked for.
    whole = gradproof("report", pair[1], "--since", pair[0], "--markdown", "-").stdout
    assert whole.startswith("# gradproof: 1 regression\n")
    assert "| backend |" in whole


def test_a_comparison_is_written_as_the_page_of_head_with_what_changed(
    gradproof: Invoke, pair: tuple[str, str], folder: Path
) -> None:
    assert gradproof("compare", *pair, "--html", "page.html").exit_code == 1
    page = (folder / "page.html").read_text("utf-8")
    assert 'title="since the earlier results file"' in page
    assert "1 new failure" in page


def test_a_comparison_does_not_overwrite_what_it_reads(gradproof: Invoke, pair: tuple[str, str]) -> None:
    done = gradproof("compare", *pair, "--json", pair[0])
    assert done.exit_code == 4
    assert "it would be overwritten" in done.stderr


RELU = (
    "run",
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


def judged_here(gradproof: Invoke, folder: Path, command: str, magnitude: float = 63.75) -> tuple[Path, Path]:
    """A run of this machine as base, and a head in which its cell failed, with a certificate at 1 (0x3f80)."""
    base, head = folder / "base.json", folder / "head.json"
    assert gradproof(*RELU, "--jobs", "0", "--html", "none", "--json", str(base)).exit_code == 0
    document = json.loads(base.read_text("utf-8"))
    (only,) = document["cells"]
    one = {"bits": "0x3f80", "hex": "0x1.0p+0", "decimal": "1.0"}
    zero = {"bits": "0x0000", "hex": "0x0.0p+0", "decimal": "0.0"}
    only |= {
        "status": "fail", "magnitude": magnitude, "severity": "lost-signal", "reason": "seeded", "felt": True,
        "certificate": {
            "input": one, "got": zero, "expected": one, "enclosure": None, "neighbours": [], "u": 255.0, "m": 127.5,
            "abs_error": 1.0, "magnitude": magnitude, "simplest": one, "region": [], "cause": "flush",
            "explanation": "", "reproduce": command,
        },
    }  # fmt: skip
    head.write_text(json.dumps(document), encoding="utf-8")
    return base, head


REPEAT = "gradproof repro relu --backend numpy:cpu --format bfloat16 --order 0 --bits 0x3f80"


def test_a_failure_that_does_not_show_again_here_is_no_regression(gradproof: Invoke, folder: Path) -> None:
    base, head = judged_here(gradproof, folder, REPEAT)
    done = gradproof("compare", str(base), str(head))
    assert done.exit_code == 0, done.output
    assert "not seen again: 1 cell" in done.stdout
    assert "again here, at 1.0 (0x3f80): 0 times the bound" in done.stdout
    as_filed = gradproof("compare", str(base), str(head), "--as-filed")
    assert as_filed.exit_code == 1
    assert "again here" not in as_filed.stdout


def test_nothing_is_said_of_other_versions_or_machines(gradproof: Invoke, folder: Path) -> None:
    base, head = judged_here(gradproof, folder, REPEAT)
    document = json.loads(head.read_text("utf-8"))
    document["run"]["backends"]["numpy:cpu"]["versions"]["numpy"] = "0.1"
    head.write_text(json.dumps(document), encoding="utf-8")
    done = gradproof("compare", str(base), str(head))
    assert done.exit_code == 1
    assert "not evaluated again: HEAD is of numpy 0.1, here is" in done.stdout
    assert gradproof("compare", str(base), str(head), "--again").exit_code == 0


def test_a_file_of_ones_own_is_evaluated_again_if_asked(gradproof: Invoke, folder: Path, wrong: Path) -> None:
    command = (
        f"gradproof repro relu --file {wrong} --implementation wrong_relu:mine --backend numpy:cpu --format bfloat16"
    )
    base, head = judged_here(gradproof, folder, f"{command} --order 0 --bits 0x3f80")
    unasked = gradproof("compare", str(base), str(head))
    assert unasked.exit_code == 1
    assert "not evaluated again: it is in a file, which --again imports" in unasked.stdout
    done = gradproof("compare", str(base), str(head), "--again")
    assert done.exit_code == 1
    assert "again here, at 1.0 (0x3f80): " in done.stdout
    assert "new failure: 1 cell" in done.stdout
    wrong.write_text("raise SystemExit(1)", encoding="utf-8")
    broken = gradproof("compare", str(base), str(head), "--again")
    assert broken.exit_code == 1
    assert "not evaluated again: " in broken.stdout
