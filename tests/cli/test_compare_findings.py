"""``compare``, finding by finding: what is new, what is gone, and what is found otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradproof.results import RunResult, write_results
from gradproof.results.changes import finding_changes
from gradproof.results.findings import findings
from gradproof.results.model import Explanation
from tests.cli.conftest import Invoke
from tests.reports.test_findings_shown import WHY, cell, result


def with_findings(*cells: Any) -> RunResult:
    return result(*cells, findings=findings(cells))


def otherwise(number: int = 0, **cluster: Any) -> Any:
    made = cell(number)
    return replace(made, clusters=[replace(made.clusters[0], **cluster)])


FAILS = with_findings(cell())
PASSES = with_findings(cell(status="pass", clusters=[], certificate=None))
KNOWN = with_findings(cell(status="known", known_ref="tails"))
OTHER = Explanation("sigmoid/quotient", "another", 1.0)


@pytest.mark.parametrize(
    ("base", "head", "kinds"),
    [
        (PASSES, FAILS, ["new finding"]),
        (FAILS, PASSES, ["finding gone"]),
        (FAILS, result(), ["finding not checked again"]),
        (FAILS, FAILS, []),
        (PASSES, PASSES, []),
        (FAILS, KNOWN, ["finding changed"]),
        (KNOWN, FAILS, ["finding changed"]),
        (FAILS, with_findings(otherwise(kind="bulk")), ["finding changed"]),
        (FAILS, with_findings(otherwise(explanations=[OTHER])), ["finding changed"]),
        (FAILS, with_findings(otherwise(explanations=[])), ["finding changed"]),
        # Grown, but of the same kind and explanation: the cells tell.
        (FAILS, with_findings(otherwise(magnitude=99.0)), []),
        (FAILS, with_findings(cell(1)), ["new finding", "finding not checked again"]),
        # Numbers that JSON does not tell apart.
        (with_findings(cell(params={"a": 4.0})), with_findings(cell(params={"a": 4})), []),
        # Findings are derived where a file lacks them; where it lacks clusters too, nothing is said.
        (result(cell()), PASSES, ["finding gone"]),
        (result(cell(clusters=[])), PASSES, []),
        (PASSES, result(cell(clusters=[])), []),
    ],
)
def test_a_finding_changes(base: RunResult, head: RunResult, kinds: list[str]) -> None:
    assert [c.kind for c in finding_changes(base, head)] == kinds


def test_of_several_alike_those_with_the_same_cells_are_one() -> None:
    two = [cell(format=name) for name in ("float32", "float16")]
    far = [replace(two[1], clusters=[replace(two[1].clusters[0], regions=[["0x3c00", "0x3c10"]], explanations=[])])]
    near = [replace(two[0], clusters=[replace(two[0].clusters[0], explanations=[])])]
    both = with_findings(*near, *far)
    assert len(both.findings) == 2
    (gone,) = finding_changes(both, with_findings(*near, replace(far[0], status="pass", clusters=[])))
    assert (gone.kind, gone.finding.formats) == ("finding gone", ["float16"])


@pytest.mark.parametrize("status", ["unsupported", "not-run", "undecided"])
def test_a_finding_whose_cells_were_not_checked_is_not_gone(tmp_path: Path, gradproof: Invoke, status: Any) -> None:
    def silent(made: Any) -> Any:
        return replace(made, status=status, clusters=[], certificate=None)

    two = [cell(format=name) for name in ("float32", "float16")]
    both = with_findings(*two)
    (whole,) = finding_changes(both, with_findings(*map(silent, two)))
    assert (whole.kind, whole.unchecked) == ("finding not checked again", f"2 of 2 cells: 2 {status}")
    passes = replace(two[0], status="pass", clusters=[], certificate=None)
    half = with_findings(passes, silent(two[1]))
    (change,) = finding_changes(both, half)
    assert (change.kind, change.unchecked) == ("finding not checked again", f"1 of 2 cells: 1 {status}")
    names = [str(tmp_path / name) for name in ("base.json", "head.json")]
    for name, one in zip(names, (both, half), strict=True):
        write_results(one, name)
    done = gradproof("compare", *names)
    assert "finding gone" not in done.stdout
    assert f"    not checked: 1 of 2 cells: 1 {status}" in done.stdout


def test_they_are_told_before_the_cells(tmp_path: Path, gradproof: Invoke) -> None:
    names = [str(tmp_path / name) for name in ("base.json", "head.json")]
    for name, one in zip(names, (PASSES, FAILS), strict=True):
        write_results(one, name)
    done = gradproof("compare", *names)
    assert done.exit_code == 1
    assert done.stdout.startswith(
        "new finding: 1\n  lib:mine_0 as sigmoid on torch:cpu, 1 cell: f' is lost (0) on [17, 88] (float32)\n"
        f"    tail, explained by {WHY.id}\n\nnew failure: 1 cell\n"
    )
    write_results(with_findings(otherwise(kind="bulk", explanations=[])), names[0])
    done = gradproof("compare", *names)
    assert f"    bulk, unexplained -> tail, explained by {WHY.id}\n" in done.stdout
    assert done.exit_code == 0


def moved(made: Any, property: str, **cluster: Any) -> Any:
    return replace(made, property=property, clusters=[replace(made.clusters[0], **cluster)])


def test_one_that_is_only_called_otherwise_is_neither_gone_nor_new() -> None:
    """The same inputs fail, of another cell: another formula's id, another kind, or another deviation explains them."""
    base = with_findings(cell())
    for head in (
        with_findings(moved(cell(), "saturation", explanations=[OTHER])),
        with_findings(moved(cell(), "saturation", kind="bulk")),
        with_findings(replace(moved(cell(), "saturation"), status="known", known_ref="renamed")),
    ):
        assert [c.kind for c in finding_changes(base, head)] == ["finding changed"]
    # Other inputs with another explanation are another finding.
    regions = [["0xc2000000", "0xc2000001"]]
    apart = with_findings(
        cell(status="pass", clusters=[], certificate=None),
        moved(cell(), "saturation", explanations=[OTHER], regions=regions),
    )
    assert {c.kind for c in finding_changes(base, apart)} == {"finding gone", "new finding"}
