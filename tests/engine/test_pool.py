"""Worker processes: a crash or a hang costs one cell, and nothing that a callable does ends the run."""

from __future__ import annotations

import gc
import re
import warnings
from contextlib import nullcontext
from pathlib import Path

import pytest

from gradproof.engine.planning.outline import Outline, Planned
from gradproof.engine.request.selection import Selection
from gradproof.engine.running import pool, worker
from gradproof.engine.running.run import exit_code, run
from gradproof.errors import OracleDisagreement, UsageError
from gradproof.results.model import Cell, RunResult

HEAD = """
import os, signal, time
import numpy as np
import gradproof as gp

def step(x):
    return (x > 0).astype(x.dtype)

@gp.implements("relu", backend="numpy", formats=["float16"], derivative=step)
def right(x):
    return np.maximum(x, 0)

@gp.implements("relu", backend="numpy", formats=["float16"], derivative={derivative})
def wrong(x):
    {body}
"""


def checked(folder: Path, body: str, derivative: str = "step", **more: object) -> RunResult:
    file = folder / "subject.py"
    file.write_text(HEAD.format(body=body, derivative=derivative))
    given: dict[str, object] = {
        "files": (str(file),), "properties": ("accuracy",), "orders": (0, 1), "profile": "quick", "jobs": 1,
        "time_limit": 1.0, **more,
    }  # fmt: skip
    return run(Selection(**given))  # type: ignore[arg-type]


def of(result: RunResult, name: str) -> dict[int, Cell]:
    return {c.order: c for c in result.cells if c.implementation == f"subject:{name}"}


@pytest.mark.parametrize(("body", "kind"), [("os._exit(7)", "crashed"), ("while True: time.sleep(0.01)", "timed-out")])
def test_what_crashed_or_hung_once_is_not_called_again_and_the_rest_goes_on(
    body: str, kind: str, tmp_path: Path
) -> None:
    result = checked(tmp_path, body)
    wrong = of(result, "wrong")
    assert (wrong[0].status, wrong[0].measured["fault"]) == ("error", kind)
    assert wrong[1].status == "not-run"
    assert "subject:wrong hung in an earlier cell, or its process ended there" in wrong[1].reason
    assert {c.status for c in of(result, "right").values()} == {"pass"}
    assert result.run.complete
    assert exit_code(result) == 1


def test_a_crash_says_how_the_process_ended(tmp_path: Path) -> None:
    cell = of(checked(tmp_path, "os.kill(os.getpid(), signal.SIGSEGV)"), "wrong")[0]
    assert (cell.status, cell.measured["fault"]) == ("error", "crashed")
    assert "the worker process ended (by SIGSEGV) while subject:wrong was checked" in cell.reason


def test_a_hang_that_no_signal_interrupts_is_ended_by_force(tmp_path: Path) -> None:
    deaf = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]); time.sleep(600); return x"
    result = checked(tmp_path, deaf)
    cell = of(result, "wrong")[0]
    assert (cell.status, cell.measured["fault"]) == ("error", "timed-out")
    assert "a call did not return within 1 seconds, nor hear that its time was up" in cell.reason
    assert {c.status for c in of(result, "right").values()} == {"pass"}


def test_a_derivative_that_raises_costs_its_own_cells_only(tmp_path: Path) -> None:
    wrong = of(checked(tmp_path, "return np.maximum(x, 0)", derivative="lambda x: x / [][0]"), "wrong")
    assert wrong[0].status == "pass"
    assert (wrong[1].status, wrong[1].measured["fault"]) == ("error", "raised")
    assert "derivative 1 of subject:wrong raised IndexError" in wrong[1].reason


@pytest.mark.parametrize("body", ["raise SystemExit(0)", "return exit()"])
def test_a_callable_that_exits_has_raised(body: str, tmp_path: Path) -> None:
    wrong = of(checked(tmp_path, body, jobs=0), "wrong")
    assert (wrong[0].status, wrong[0].measured["fault"]) == ("error", "raised")


def test_a_callable_that_answers_differently_each_time_gets_its_verdict(tmp_path: Path) -> None:
    body = "return np.where(np.frombuffer(os.urandom(x.size), np.uint8) < 8, -1, np.maximum(x, 0)).astype(x.dtype)"
    result = checked(tmp_path, body)
    wrong = of(result, "wrong")
    assert wrong[0].status == "fail"
    assert wrong[0].certificate is not None
    assert wrong[0].certificate.region
    assert wrong[1].status == "pass"
    assert {c.status for c in of(result, "right").values()} == {"pass"}


def test_processes_and_this_process_come_to_the_same_cells(tmp_path: Path) -> None:
    def verdicts(jobs: int) -> list[tuple[object, ...]]:
        result = checked(tmp_path, "return np.where(x > 1, x, 0 * x)", jobs=jobs, properties=("accuracy", "taylor"))
        return [
            (c.id, c.implementation, c.status, c.reason, c.m_max, c.evidence, c.worst_bits, c.certificate)
            for c in result.cells
        ]

    assert verdicts(2) == verdicts(0)


def taken(jobs: int) -> dict[int, list[tuple[str, str]]]:
    """Which groups each worker takes when they take them in turns."""
    made = pool.Workers(Selection(), jobs)
    try:
        blank = {"params": {}, "implementation": "n", "backend": "numpy", "device": "cpu", "mode": "eager"}
        rest = {"order": 0, "property": "accuracy", "status": "not-run"}
        groups = [
            [Planned(Cell(function=f, format=fmt, **blank, **rest), user=False, reproduce="")]  # type: ignore[arg-type]
            for f in ("relu", "tanh")
            for fmt in ("float64", "float32", "float16")
        ]
        made.outline = Outline(groups, [], {}, {}, [], "")
        waiting = list(range(len(groups)))
        rows: dict[int, list[tuple[str, str]]] = {number: [] for number in range(jobs)}
        while waiting:
            for number in range(jobs)[: len(waiting)]:
                group = next((g for g in waiting if made._prefers(number, ("", g))), waiting[0])
                waiting.remove(group)
                cell = groups[group][0].blank
                rows[number].append((cell.function, cell.format))
    finally:
        made.end()
    return rows


def test_workers_keep_to_formats_of_their_own_as_far_as_these_last() -> None:
    assert taken(2) == {
        0: [("relu", "float64"), ("relu", "float16"), ("tanh", "float64")],
        1: [("relu", "float32"), ("tanh", "float32"), ("tanh", "float16")],
    }
    assert taken(1)[0] == [(f, fmt) for f in ("relu", "tanh") for fmt in ("float64", "float32", "float16")]


def test_more_workers_than_formats_share_them() -> None:
    rows = taken(4)
    assert [row[0] for row in rows.values()] == [
        ("relu", "float64"), ("relu", "float32"), ("relu", "float16"), ("tanh", "float64"),
    ]  # fmt: skip
    assert sum(map(len, rows.values())) == 6


def test_a_busy_worker_does_not_keep_the_run_past_its_time(tmp_path: Path) -> None:
    result = checked(tmp_path, "time.sleep(600); return x", time_limit=600.0, max_seconds=1.5)
    assert not result.run.complete
    assert all("not reached within --max-seconds 1.5" in c.reason for c in of(result, "wrong").values())


DISAGREEING = """
import gradproof as gp

def slanted(m, x):
    # The routes differ in their number types: mpmath's is 1 % off.
    return x * m.exp(x) * (m.real("1.01") if "mpmath" in type(m.pi).__module__ + repr(type(m.pi)) else 1)

f = gp.function("pool_test_slanted", oracle=slanted)

@gp.implements(f, backend="numpy", formats=["float16"])
def wrong(x):
    return x * 2
"""


@pytest.mark.parametrize("jobs", [0, 1])
def test_oracle_routes_that_contradict_each_other_end_the_run_and_name_the_input(jobs: int, tmp_path: Path) -> None:
    file = tmp_path / "slanted.py"
    file.write_text(DISAGREEING)
    with pytest.raises(OracleDisagreement) as caught:
        run(Selection(files=(str(file),), properties=("accuracy",), orders=(0,), profile="quick", jobs=jobs))
    assert re.search(r"pool_test_slanted, derivative of order [012] at x = ", str(caught.value))
    assert "mpmath says" in str(caught.value)
    assert "arb encloses" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "registers no implementation"),
        ("1 / 0", "raised ZeroDivisionError while it was imported"),
        ("from . import kernels", "raised ImportError .*; the file is imported by itself: name its package"),
        ("import gradproof as gp\n@gp.implements('rleu', backend='numpy')\ndef f(x): ...", "did you mean 'relu'"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_usage_error_before_any_worker_starts(
    text: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "broken.py"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        run(Selection(files=(str(file),), jobs=2))


@pytest.mark.parametrize("fault", [None, UsageError("no such file")])
def test_a_worker_looks_for_garbage_again_once_it_has_planned_or_could_not(
    fault: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def prepare(*given: object) -> None:
        seen.append(gc.isenabled())
        if fault is not None:
            raise fault

    monkeypatch.setattr(worker, "prepare", prepare)
    monkeypatch.setattr(worker, "_state", None)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    before = gc.get_threshold()
    try:
        with nullcontext() if fault is None else pytest.raises(UsageError):
            worker.begin(Selection(), {}, 1.0)
        assert seen == [False]
        assert gc.isenabled()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
