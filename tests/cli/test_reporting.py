"""``report`` and ``combine``: from results files to pages and to one file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gradproof.cli import codes
from gradproof.results import read_results, write_results
from tests.cli.conftest import Invoke
from tests.reports.synthetic import run

BASE = (
    "run",
    "--backend",
    "numpy",
    "--function",
    "relu",
    "--property",
    "accuracy",
    "--order",
    "0",
    "--jobs",
    "0",
)


@pytest.fixture
def two(gradproof: Invoke) -> tuple[str, str]:
    """Results of different cells."""
    for name in ("float16", "bfloat16"):
        assert gradproof(*BASE, "--format", name, "--json", f"{name}.json", "--html", "none").exit_code == 0
    return "float16.json", "bfloat16.json"


def test_combine_makes_one_file_of_the_cells_of_all(gradproof: Invoke, two: tuple[str, str]) -> None:
    done = gradproof("combine", *two, "--json", "all.json")
    assert done.exit_code == 0, done.stderr
    found = read_results("all.json")
    assert {c.format for c in found.cells} == {"float16", "bfloat16"}
    assert len(found.shards) == 2


def test_a_contradiction_is_refused(gradproof: Invoke, two: tuple[str, str], folder: Path) -> None:
    text = (folder / two[0]).read_text("utf-8")
    (folder / "other.json").write_text(text.replace('"status":"pass"', '"status":"fail"'), encoding="utf-8")
    done = gradproof("combine", two[0], "other.json", "--json", "all.json")
    assert done.exit_code == 4
    assert "gradproof compare" in done.stderr
    assert not (folder / "all.json").exists()


@pytest.mark.parametrize(
    ("kind", "sign"),
    [("html", "<html"), ("markdown", "numpy:cpu (gradproof's reference kernels) | 2 |"), ("junit", "<testsuite")],
)
def test_several_files_make_one_report(
    gradproof: Invoke, two: tuple[str, str], folder: Path, kind: str, sign: str
) -> None:
    done = gradproof("report", *two, f"--{kind}", "out")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "2 cells from 2 results files: out\n"
    assert sign in (folder / "out").read_text("utf-8")


def test_without_a_format_a_report_is_html(gradproof: Invoke, two: tuple[str, str], folder: Path) -> None:
    assert gradproof("report", two[0]).exit_code == 0
    assert (folder / "report.html").is_file()


def test_another_installed_format_is_written_by_its_name(gradproof: Invoke, two: tuple[str, str], folder: Path) -> None:
    assert gradproof("report", two[0], "--write", "junit", "named.xml").exit_code == 0
    assert [p.name for p in folder.glob("*.xml")] == ["named.xml"]
    assert not (folder / "report.html").exists()


def test_a_report_says_what_changed_since_an_earlier_file(gradproof: Invoke, folder: Path) -> None:
    head = run(functions=1)
    passing = next(i for i, c in enumerate(head.cells) if c.status == "fail")
    before = [dataclasses.replace(c, status="pass") if i == passing else c for i, c in enumerate(head.cells)]
    for name, cells in (("base", before), ("head", head.cells)):
        write_results(dataclasses.replace(head, cells=cells), folder / f"{name}.json")
    done = gradproof("report", "head.json", "--since", "base.json", "--html", "page.html")
    assert done.exit_code == codes.OK, done.output
    assert "1 new failure" in (folder / "page.html").read_text("utf-8")
    assert gradproof("report", "head.json", "--since", "base.json", "--html", "base.json").exit_code == codes.USAGE
