"""What worker processes offer beside calls: a beginning, reports, an end of their own, limits that nobody escapes."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest

from gradproof.errors import UsageError
from gradproof.execution.executors import check_workers, cpus
from gradproof.execution.processes import Processes, WorkerLost
from tests.execution import calls


def answers(*functions: tuple[Any, ...], **given: Any) -> list[Any]:
    """What one worker process answers to calls, in order; exceptions too."""
    workers = Processes(1, **given)
    try:
        futures = [workers.submit(*call) for call in functions]
        return [f.exception() or f.result() for f in futures]
    finally:
        workers.shutdown(cancel_futures=True)


def test_every_process_begins_with_the_initializer() -> None:
    first, retired, second = answers(
        (calls.what_was_kept,), (calls.last,), (calls.what_was_kept,), initializer=calls.begin, initargs=("a", 2)
    )
    assert first[1] == second[1] == ["a", 2]
    assert first[0] == retired
    assert second[0] != retired


def test_what_the_initializer_raises_the_call_raises() -> None:
    (fault,) = answers((pow, 2, 2), initializer=calls.refuse)
    assert isinstance(fault, KeyError)


def test_a_process_that_ends_before_its_first_call_is_told_apart() -> None:
    (fault,) = answers((pow, 2, 2), initializer=calls.leave)
    assert isinstance(fault, WorkerLost)
    assert not fault.started
    assert "exit code 0" in str(fault)


def test_reports_come_in_order_and_before_the_answer() -> None:
    heard: list[Any] = []
    assert answers((calls.counted, 5), report=heard.append) == [5]
    assert heard == [0, 1, 2, 3, 4]


def test_a_worker_takes_what_it_prefers_first() -> None:
    heard: list[Any] = []
    workers = Processes(1, report=heard.append, prefers=lambda number, arguments: arguments == (2,))
    try:
        futures = [workers.submit(calls.counted, n) for n in (1, 1, 2)]
        assert [f.result() for f in futures] == [1, 1, 2]
    finally:
        workers.shutdown(cancel_futures=True)
    assert heard in ([0, 0, 1, 0], [0, 1, 0, 0])  # the first may have been taken before the last was there


@pytest.mark.parametrize("how", ["compiled", "stopped", "swallows"])
def test_a_call_that_does_not_hear_its_limit_is_ended(how: str) -> None:
    lost, after = answers((calls.deaf, 0.25, how), (pow, 2, 3))
    assert isinstance(lost, WorkerLost)
    assert lost.kind == "timed-out"
    assert "a call did not return within 0.25 seconds" in str(lost)
    assert after == 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_holds_the_line_open_does_not_hide_that_its_worker_is_gone() -> None:
    lost, after = answers((calls.fork_and_leave,), (pow, 2, 3))
    assert isinstance(lost, WorkerLost)
    assert "exit code 7" in str(lost)
    assert after == 8


@pytest.mark.parametrize("number", [-1, 10**6])
def test_numbers_of_workers_without_use_are_usage_errors(number: int) -> None:
    with pytest.raises(UsageError, match=rf"expected --jobs of at least 0 and at most {max(8, 4 * cpus())} .*got"):
        check_workers("--jobs", number)


def test_as_many_workers_as_are_of_any_use_may_be_asked_for() -> None:
    check_workers("--jobs", 0)
    check_workers("--jobs", 4 * cpus())


def test_in_a_worker_too_a_warning_that_our_code_causes_fails_a_test() -> None:
    modules = ("gradproof_properties.calls.cotangents", "gradproof", "numpy", "gradproofs_friend")
    warned = [(warnings.warn_explicit, "invalid value", RuntimeWarning, "f.py", 1, module) for module in modules]
    assert [type(answer) for answer in answers(*warned)] == [RuntimeWarning, RuntimeWarning, type(None), type(None)]
