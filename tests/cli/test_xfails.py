"""``--export-xfails``: the known deviations that a run saw, for other test suites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradproof.formats import get_format
from gradproof.results import RunResult, read_results
from gradproof.results.xfails import xfails
from tests.cli.conftest import Invoke

MINE = """
import numpy as np
import gradproof as gp

KNOWN = [
    gp.known("accuracy", "zero up to 1", region=(0, 1), upstream="a/b#1"),
    gp.known("accuracy", "doubled above 8", region=(8, 16)),
    gp.known("special-values", "NaN is lost"),
]

@gp.implements("relu", backend="numpy", formats=["bfloat16", "float16"], known=KNOWN)
def mine(x):
    y = np.where(x > 1, x, x.dtype.type(0))
    return np.where((x > 8) & (x < 9), y + y, y).astype(x.dtype)
"""
CHOSEN = ("--order", "0", "--jobs", "0", "--profile", "quick")


@pytest.fixture
def mine(folder: Path) -> str:
    (folder / "mine.py").write_text(MINE, encoding="utf-8")
    return "mine.py"


def rows_of(file: Path) -> list[dict[str, Any]]:
    document = json.loads(file.read_text("utf-8"))
    assert document["schema"] == "gradproof-xfails/1"
    assert set(document["versions"]) == {"numpy:cpu"}
    rows: list[dict[str, Any]] = document["xfails"]
    return rows


def test_what_is_known_is_written_with_its_inputs_and_why(gradproof: Invoke, folder: Path, mine: str) -> None:
    chosen = (*CHOSEN, "--property", "accuracy", "--property", "special-values", "--json", "a.json")
    done = gradproof("check", mine, *chosen, "--export-xfails", "a/known.json")
    assert done.exit_code == 0, done.output
    assert "a/known.json" in done.stdout
    rows = {(r["format"], r["deviation"]): r for r in rows_of(folder / "a" / "known.json")}
    cells = {(c.format, c.known_ref) for c in read_results("a.json").cells if c.status == "known"}
    assert set(rows) == cells
    assert {key[0] for key in rows} == {"bfloat16", "float16"}
    row = next(r for r in rows.values() if r["format"] == "float16" and r["properties"] == ["accuracy"])
    assert {k: row[k] for k in ("function", "params", "implementation", "backend", "device", "mode", "order")} == {
        "function": "relu", "params": {}, "implementation": "mine:mine", "backend": "numpy", "device": "cpu",
        "mode": "eager", "order": 0,
    }  # fmt: skip
    assert row["title"].startswith("mine:mine (accuracy)")
    assert row["formulas"] == []
    fmt = get_format("float16")
    x = np.arange(65536, dtype=np.uint16)
    held = np.zeros(x.size, bool)
    for region in row["regions"]:
        low, high = (int(region[end]["bits"], 16) for end in ("low", "high"))
        assert float(region["low"]["decimal"]) == float(fmt.value(low))
        held |= (x >= low) & (x <= high)
    value = x.view(np.float16)
    with np.errstate(invalid="ignore"):
        wrong = ((value > 2.0**-12) & (value <= 1)) | ((value > 8) & (value < 9))
    assert held[wrong].all()
    assert not held[(value > 1) & (value <= 8)].any()


def test_a_nan_is_a_region_of_its_own(gradproof: Invoke, folder: Path, mine: str) -> None:
    assert gradproof("check", mine, *CHOSEN, "--property", "special-values", "--export-xfails", "k.json").exit_code == 0
    regions = [r["regions"] for r in rows_of(folder / "k.json")]
    assert all(any(region["low"]["decimal"] == "nan" for region in found) for found in regions)


def test_a_list_is_made_from_results_files_too(gradproof: Invoke, folder: Path, mine: str) -> None:
    chosen = (*CHOSEN, "--property", "accuracy", "--json", "a.json", "--export-xfails", "a.xfails")
    assert gradproof("check", mine, *chosen).exit_code == 0
    assert gradproof("report", "a.json", "--export-xfails", "b.xfails").exit_code == 0
    assert (folder / "a.xfails").read_bytes() == (folder / "b.xfails").read_bytes()
    assert not (folder / "report.html").exists()


def test_it_is_no_report_format(gradproof: Invoke, folder: Path, mine: str) -> None:
    done = gradproof("check", mine, "--report", "export-xfails=a.json")
    assert (done.exit_code, "--export-xfails writes it" in done.stderr) == (4, True)


def test_what_is_new_or_passes_has_no_rows(gradproof: Invoke, folder: Path, mine: str) -> None:
    (folder / mine).write_text(MINE.replace("region=(0, 1)", "region=(0, 0.5)"), encoding="utf-8")
    chosen = (*CHOSEN, "--property", "accuracy", "--json", "a.json", "--export-xfails", "a.xfails")
    assert gradproof("check", mine, *chosen).exit_code == 1
    assert rows_of(folder / "a.xfails") == []


def test_a_cell_that_fails_for_other_results_sake_is_no_row(gradproof: Invoke, folder: Path, mine: str) -> None:
    from dataclasses import replace

    assert gradproof("check", mine, *CHOSEN, "--property", "accuracy", "--json", "a.json").exit_code == 0
    result: RunResult = read_results("a.json")
    (cell, *_) = [c for c in result.cells if c.status == "known"]
    alone = replace(cell, clusters=[])
    for attributed, count in ((True, 0), (None, 1)):
        made = xfails(replace(result, cells=[replace(alone, attributed=attributed)]))
        assert len(made["xfails"]) == count
