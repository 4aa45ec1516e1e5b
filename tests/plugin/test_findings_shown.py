"""What a session says at its end: one fault, once, however many items fail for it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gradproof.plugin.summary import SHOWN, summary
from tests.plugin.sources import RELU
from tests.reports.test_findings_shown import ADVICE, WHY, cell

SYSTEMATIC = """
import numpy as np
import pytest

@pytest.mark.gradproof(
    "tanh", backend="numpy", formats=["float32"], orders=[1], properties=["accuracy", "taylor"],
    derivative=lambda x: (1 - np.tanh(x) ** 2) * x.dtype.type(1.01),
)
def mine(x):
    return np.tanh(x)
"""


def verdict(number: int, **changes: Any) -> dict[str, Any]:
    judged = cell(number, **changes)
    return {"cell": dataclasses.asdict(judged), "ledger": [], "item": f"test_a.py::mine_{number}::{judged.id}"}


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_one_fault_is_told_once_before_the_short_summary(quiet: pytest.Pytester, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist")
    quiet.makepyfile(SYSTEMATIC)
    result = quiet.runpytest(*workers)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "=* gradproof =*",
            "2 findings from 2 failing items, the one to read first first",
            "  *:mine as tanh on numpy:cpu, bulk, felt in training",
            "    what       f' is wrong by 1 % on *",
            "    worst      x * (0x*), got * (0x*), expected * (0x*); f', float32",
            "    accounts   for 2 items: *accuracy f32*",
            "2 cells: 2 fail",
            "=* short test summary info =*",
        ]
    )


def test_a_session_without_failures_says_nothing_of_findings(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(RELU)
    result = quiet.runpytest()
    assert "the one to read first first" not in result.stdout.str()


def test_explanation_and_advice_are_told() -> None:
    said = summary([verdict(0)])
    assert f"    explained  {WHY.text} [{WHY.id}], 99.8 % of what fails" in said
    assert f"    instead    f': {ADVICE.formula}, at most 0.31 times the contract's bound" in said
    assert said[-1] == "1 cell: 1 fail"


def test_known_ones_are_not_new() -> None:
    known = verdict(1, status="known", known_ref="tails")
    assert summary([known]) == ["1 cell: 1 known"]
    assert summary([verdict(0), known])[0].startswith("1 finding from 1 failing item")


def test_an_item_that_was_run_again_counts_as_it_ended() -> None:
    assert summary([verdict(0), verdict(0, status="pass")]) == ["2 cells: 1 fail, 1 pass"]


def test_ten_are_listed_and_the_rest_counted() -> None:
    said = summary([verdict(n) for n in range(SHOWN + 3)])
    assert sum(line.startswith("    what") for line in said) == SHOWN
    assert "  and 3 more findings; see the results file (--gradproof-json) or a report" in said


def test_what_others_called_their_code_commands_no_terminal() -> None:
    said = summary([verdict(0, implementation="a\x1b[2Jb")])
    assert not any("\x1b" in line for line in said)
