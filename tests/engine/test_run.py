"""Runs that are cut short, what is said about what was not reached, and the exit code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gradproof.backends import get_backend
from gradproof.engine.planning.plan import Plan
from gradproof.engine.request.selection import Selection
from gradproof.engine.running import run as running
from gradproof.engine.running.run import exit_code, run
from gradproof.errors import Unsupported
from gradproof.formats import Format
from gradproof.results.model import Cell, LedgerState, RunRecord, RunResult
from gradproof.results.not_run import NotRun
from gradproof.results.validate import validate
from tests.properties.stubs import Offer

TINY = Selection(
    ("relu", "tanh"), ("numpy",), ("float16",), (0,), ("accuracy", "special-values"), profile="quick", jobs=0
)

TANH = next(i for i in get_backend("numpy").catalogue() if i.function == "tanh")


class Listener:
    """Writes down what it is told, and raises once it was told ``after`` verdicts."""

    def __init__(self, after: int | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.told: list[Any] = []
        self.begun: list[tuple[str, str]] = []
        self.after = after
        self.error = error

    def planned(self, plan: Plan) -> None:
        self.told.append(plan.tasks)

    def kept(self, cell: Cell) -> None:
        raise AssertionError("no earlier run")

    def began(self, cell: Cell) -> None:
        self.begun.append((cell.function, cell.property))

    def judged(self, cell: Cell, done: int, total: int) -> None:
        self.told.append((cell.function, cell.property, done, total))
        if done == self.after:
            raise self.error


def test_a_run_tells_its_plan_and_then_every_cell_in_order() -> None:
    listener = Listener()
    result = run(TINY, listener)
    assert listener.told == [
        4,
        ("relu", "accuracy", 1, 4), ("relu", "special-values", 2, 4),
        ("tanh", "accuracy", 3, 4), ("tanh", "special-values", 4, 4),
    ]  # fmt: skip
    assert listener.begun == [(function, claim) for function, claim, *_ in listener.told[1:]]
    assert result.run.complete
    assert result.counts()["pass"] == 4
    validate(result.to_json())


def test_a_run_in_worker_processes_tells_what_begins() -> None:
    listener = Listener()
    run(replace(TINY, jobs=1), listener)
    assert sorted(listener.begun) == sorted((function, claim) for function, claim, *_ in listener.told[1:])
    assert len(listener.begun) == 4


@pytest.mark.parametrize(("error", "status"), [(Unsupported("no such kernel"), "unsupported"), (OSError("x"), "error")])
def test_a_format_that_a_backend_cannot_calculate_in_does_not_end_the_run(
    offer: Offer, error: Exception, status: str
) -> None:
    def traits(self: Any, fmt: Format) -> Any:
        if fmt.name == "float16":
            raise error
        return self.numpy.traits(fmt)

    backend = offer("lame", traits=traits, catalogue=lambda self: [replace(TANH, backend="lame")])
    formats = ("float16", "bfloat16")
    result = run(Selection((), ("lame",), formats, (0,), ("accuracy",), profile="quick", jobs=0))
    assert {c.format: c.status for c in result.cells} == {"float16": status, "bfloat16": "pass"}
    told = result.run.backends[backend]
    assert str(error) in told["unusable_formats"]["float16"]
    assert "float16" not in told["traits"]
    assert "bfloat16" in told["traits"]


def test_an_interrupt_keeps_what_was_judged_and_names_what_was_not() -> None:
    result = run(TINY, Listener(after=3))
    assert not result.run.complete
    assert [c.status for c in result.cells] == ["pass", "pass", "pass", "not-run"]
    assert result.cells[-1].reason == "not reached: the run was interrupted"
    assert exit_code(result) == 2
    validate(result.to_json())


def test_an_interrupted_failure_is_reported_as_interrupted() -> None:
    assert exit_code(run(TINY, Listener(after=1))) == 2


def test_time_that_is_up_leaves_the_rest_not_run_and_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 0.0])  # the start, two tasks, and then the time is up
    monkeypatch.setattr(running.time, "monotonic", lambda: next(clock, 1e6))
    result = run(Selection(**{**vars(TINY), "max_seconds": 60.0}))
    assert not result.run.complete
    assert [c.status for c in result.cells] == ["pass", "pass", "not-run", "not-run"]
    assert {c.reason for c in result.cells if c.status == "not-run"} == {"not reached within --max-seconds 60.0"}
    assert exit_code(result) == 0


def test_settings_name_files_without_their_folders(tmp_path: Any) -> None:
    file = tmp_path / "subject.py"
    register = '@gp.implements("relu", backend="numpy", formats="float16")'
    file.write_text(f"import gradproof as gp\n{register}\ndef f(x): return x.clip(0)\n")
    result = run(Selection(files=(str(file),), properties=("accuracy",), orders=(0,), profile="quick", jobs=0))
    assert result.run.settings["files"] == ["subject.py"]
    assert str(tmp_path) not in str({**result.to_json(), "cells": []})


def result_of(*cells: tuple[str, str, dict[str, Any]], states: tuple[str, ...] = ()) -> RunResult:
    listed = [
        Cell("relu", {}, "n", "numpy", "cpu", "eager", "float16", i, "accuracy", status, reason, **more)  # type: ignore[arg-type]
        for i, (status, reason, more) in enumerate(cells)
    ]
    ledger = [LedgerState("e", "d", state) for state in states]  # type: ignore[arg-type]
    return RunResult(RunRecord({}, {}, {}, 0, "", 0.0, True), listed, ledger)


def cell(
    status: str, reason: str = "", *, why: NotRun | None = None, **measured: Any
) -> tuple[str, str, dict[str, Any]]:
    return status, reason, {"why": why, "measured": measured}


INTERRUPTED = cell("not-run", "whatever the words are", why=NotRun.INTERRUPTED)
SAID = cell("not-run", "not reached: the run was interrupted", why=NotRun.SKIPPED)
INTERNAL = cell("error", "the check itself raised", fault="internal")


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (result_of(cell("pass"), cell("known")), 0),
        (result_of(cell("pass"), cell("unsupported"), cell("not-run", "no device")), 0),
        (result_of(cell("pass"), cell("undecided")), 0),
        (result_of(cell("pass"), cell("fail")), 1),
        (result_of(cell("pass"), cell("error", fault="raised")), 1),
        (result_of(cell("known"), states=("seen",)), 0),
        (result_of(cell("known"), states=("stale", "not-checked")), 0),
        (result_of(cell("pass"), states=("gone",)), 1),
        (result_of(cell("known"), states=("grown",)), 1),
        (result_of(cell("pass"), INTERRUPTED), 2),
        (result_of(cell("fail"), INTERRUPTED), 2),
        (result_of(cell("pass"), SAID), 0),
        (result_of(cell("fail"), INTERNAL, INTERRUPTED), 3),
        (result_of(), 5),
        (result_of(cell("undecided")), 5),
        (result_of(cell("not-run", "no device"), cell("unsupported")), 5),
    ],
)
def test_the_exit_code_is_the_gravest_thing_that_happened(result: RunResult, code: int) -> None:
    assert exit_code(result) == code


def test_counts_of_many_failures_do_not_wrap_around() -> None:
    assert exit_code(result_of(*[cell("fail")] * 256)) == 1
