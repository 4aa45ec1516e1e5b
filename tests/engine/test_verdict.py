"""From an outcome to a verdict: every status, the gravest failure, and what is let through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

import gradproof as gp
from gradproof.engine.judging import verdict as deciding
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger
from gradproof.engine.properties.property import Outcome, Property, Violations
from gradproof.engine.running.run import exit_code
from gradproof.engine.subject.probe import Probe
from gradproof.errors import BackendUnavailable, ImplementationFault, OracleDisagreement, Unsupported
from gradproof.functions.registry import forget
from gradproof.results.model import Cell, Evidence, RunRecord, RunResult
from tests.properties.subjects import NOWHERE, QUICK, Exact, between, exact, nudged, replaced, task, verdict


class Claim(Property):
    """A claim that answers with whatever a test wants."""

    id: ClassVar[str] = "accuracy"
    title: ClassVar[str] = "a title"
    statement: ClassVar[str] = "a statement"
    source: ClassVar[str] = "a test"

    def __init__(self, answer: Callable[[], Outcome]) -> None:
        self.answer = answer

    def check(self, probe: Probe, order: int) -> Outcome:
        return self.answer()


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Outcome]], Cell]:
    """The cell that an answer of a claim leads to."""

    def make(answer: Callable[[], Outcome]) -> Cell:
        monkeypatch.setattr(deciding, "properties", lambda: {"accuracy": Claim(answer)})
        return decide(task("accuracy", "relu", exact("relu")), QUICK, Ledger(), NOWHERE)[0]

    return make


def raising(error: BaseException) -> Callable[[], Outcome]:
    def answer() -> Outcome:
        raise error

    return answer


def violation(severity: int, magnitude: float, felt: bool, text: str) -> Violations:
    one = np.ones(1, np.uint16)
    return Violations(
        one, one, np.array([magnitude]), np.array([severity], np.int8), np.array([felt]), text, pointwise=False
    )


Decided = Callable[[Callable[[], Outcome]], Cell]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda: Outcome(Evidence("sampled", 5)), "pass"),
        (lambda: Outcome(Evidence("sampled", 5), [violation(3, 2.0, True, "why")]), "fail"),
        (lambda: Outcome(Evidence("sampled", 5), undecided=1), "undecided"),
        (lambda: Outcome(Evidence("sampled", 0)), "undecided"),
        (raising(Unsupported("no kernel")), "unsupported"),
        (raising(BackendUnavailable("unplugged")), "not-run"),
        (raising(ImplementationFault("raised", "it raised")), "error"),
        (raising(ValueError("a slip")), "error"),
    ],
)
def test_every_answer_has_its_status(answer: Callable[[], Outcome], status: str, decided: Decided) -> None:
    cell = decided(answer)
    assert cell.status == status
    assert (cell.reason == "") == (status == "pass")
    assert cell.contract == "stable"


@pytest.mark.parametrize("error", [OracleDisagreement("at x = 1"), KeyboardInterrupt()])
def test_what_ends_the_run_is_let_through(error: BaseException, decided: Decided) -> None:
    with pytest.raises(type(error)):
        decided(raising(error))


def test_a_fault_of_the_implementation_and_one_of_the_check_are_told_apart(decided: Decided) -> None:
    fault = decided(raising(ImplementationFault("wrong-shape", "mine returned shape (1,)")))
    assert fault.measured == {"fault": "wrong-shape"}
    assert fault.severity == "wrong-class"
    assert fault.certificate is not None
    assert fault.certificate.cause == "fault"
    assert "--bits" not in fault.certificate.reproduce
    bug = decided(raising(ZeroDivisionError("a slip")))
    assert bug.measured == {"fault": "internal"}
    assert bug.reason == "the check itself raised ZeroDivisionError: a slip"
    assert bug.certificate is None
    shard = RunRecord({}, {}, {}, 0, "", 0.0, True)
    assert [exit_code(RunResult(shard, [cell])) for cell in (fault, bug)] == [1, 3]


def test_the_gravest_violation_gives_reason_and_severity_and_all_together_say_what_is_felt(decided: Decided) -> None:
    cell = decided(
        lambda: Outcome(
            Evidence("sampled", 9),
            [violation(4, 9.0, False, "small"), violation(1, 3.0, False, "lost"), violation(3, 700.0, True, "large")],
        )
    )
    assert (cell.reason, cell.severity, cell.magnitude, cell.felt) == ("lost", "lost-signal", 700.0, True)


def test_an_infinite_error_is_no_number_in_the_cell(decided: Decided) -> None:
    cell = decided(lambda: Outcome(Evidence("sampled", 9), [violation(0, np.inf, True, "a NaN")]))
    assert cell.status == "fail"
    assert cell.magnitude is None


def test_a_limit_that_was_not_declared_is_undecided_and_never_passed() -> None:
    gp.function("verdict_test_cube", oracle=lambda m, x: x * x * x, odd=True)
    try:
        cell = verdict("special-values", "verdict_test_cube", [lambda x: x * x * x])
        assert cell.status == "undecided"
        assert cell.reason.startswith("the oracle could not certify 2 value(s)")
    finally:
        forget(["verdict_test_cube"])


def test_a_failure_explains_itself_in_one_sentence() -> None:
    cell = verdict("accuracy", "relu", [nudged(Exact("relu"), between(1, 1), 9)])
    assert cell.reason == "at 1.0: got 1.0087890625, expected 1.0 (9 ulp)"
    cell = verdict("accuracy", "relu", [replaced(Exact("relu"), between(1, 1), lambda x: x * np.nan)])
    assert cell.reason == "at 1.0: got nan, expected 1.0 (a class mismatch)"


@pytest.mark.parametrize(("ulps", "felt"), [(8, False), (2000, True)])
def test_a_failure_is_felt_when_training_could_feel_it(ulps: int, felt: bool) -> None:
    # relu near 2^-14: 8 quanta there are far below 8 * 2^-11 of the supremum on [-8, 8]; 2000 quanta at 2 are not.
    at = 2.0**-14 if not felt else 2.0
    cell = verdict("accuracy", "relu", [nudged(Exact("relu"), between(at, at), ulps)])
    assert (cell.status, cell.felt) == ("fail", felt)


def test_what_a_cell_measures_does_not_depend_on_the_contract_that_judges_it() -> None:
    calls: list[Any] = [nudged(Exact("tanh"), between(0.25, 0.5), 2)]
    contracts = ("faithful", "stable", "training")
    cells = [verdict("accuracy", "tanh", calls, selection=replace(QUICK, contract=c)) for c in contracts]
    assert len({(c.u_max, c.m_max, c.abs_max) for c in cells}) == 1
    assert [c.status for c in cells] == ["fail", "pass", "pass"]
    assert [c.contract for c in cells] == ["faithful", "stable", "training"]
