"""Statuses that implementations of users rarely have: the item is given its verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gradproof.errors import OracleDisagreement
from gradproof.plugin.context import PluginContext
from gradproof.results.model import Cell, LedgerState
from tests.plugin.sources import RELU, RIGHT, one_cell


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give every cell a status and ledger states, in place of a judgement."""

    def decree(status: str, *states: LedgerState, reason: str = "") -> None:
        def judge(self: PluginContext, task: Any, *rest: Any) -> tuple[Cell, list[LedgerState]]:
            return task.cell(status, reason, known_ref="elu tail" if status == "known" else None), list(states)

        monkeypatch.setattr(PluginContext, "judge", judge)

    return decree


def test_a_known_deviation_passes_with_a_note(quiet: pytest.Pytester, judged: Callable[..., None]) -> None:
    judged("known", LedgerState("elu tail, float16", "elu tail", "seen"))
    quiet.makepyfile(one_cell(RIGHT))
    result = quiet.runpytest("--junitxml", "junit.xml")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["1 cell: 1 known"])
    text = (quiet.path / "junit.xml").read_text("utf-8")
    assert '<property name="gradproof_known_ref" value="elu tail"' in text


def test_a_known_deviation_that_is_gone_fails(quiet: pytest.Pytester, judged: Callable[..., None]) -> None:
    judged("pass", LedgerState("elu tail, float16", "elu tail", "gone", "remove the entry"))
    quiet.makepyfile(one_cell(RIGHT))
    result = quiet.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "the ledger of known deviations is out of date: elu tail, float16: remove the entry",
            "ledger: gone: elu tail, float16: remove the entry",
        ]
    )


def test_a_backend_that_vanishes_while_running_is_missing(quiet: pytest.Pytester, judged: Callable[..., None]) -> None:
    judged("not-run", reason="the device fell off the bus")
    quiet.makepyfile(one_cell(RIGHT))
    quiet.runpytest().assert_outcomes(skipped=1)
    quiet.runpytest("--gradproof-require-backend", "numpy").assert_outcomes(failed=1)


def test_an_oracle_that_contradicts_itself_ends_the_session(
    quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(self: PluginContext, task: Any, *rest: Any) -> None:
        raise OracleDisagreement("relu at 0x3c00")

    monkeypatch.setattr(PluginContext, "judge", judge)
    quiet.makepyfile(RELU)
    result = quiet.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["the oracle contradicts itself, nothing it says counts: relu at 0x3c00"])
