"""Many runs into one."""

from __future__ import annotations

import dataclasses
from typing import Literal

import pytest

from gradproof.errors import UsageError
from gradproof.results import combine, validate
from gradproof.results.labels import function_label
from gradproof.results.model import Cell, LedgerState, RunResult
from gradproof.results.rows import rows
from tests.reports.synthetic import shard

State = Literal["seen", "grown", "gone", "stale", "not-checked"]


def cell(**changes: object) -> Cell:
    base = Cell("silu", {}, "torch.nn.functional.silu", "torch", "cpu", "eager", "float32", 0, "accuracy", "pass")
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def result(*cells: Cell, **more: object) -> RunResult:
    return RunResult(shard(60.0), list(cells), **more)  # type: ignore[arg-type]


def test_cells_of_different_devices_stay_two_cells() -> None:
    merged = combine([result(cell()), result(cell(device="cuda", status="fail"))])
    assert [(c.device, c.status) for c in merged.cells] == [("cpu", "pass"), ("cuda", "fail")]


def test_an_identical_duplicate_is_kept_once_whatever_it_took() -> None:
    merged = combine([result(cell(seconds=1.0)), result(cell(seconds=2.0))])
    assert len(merged.cells) == 1


@pytest.mark.parametrize("turn", [1, -1])
def test_a_cell_that_did_not_run_yields_to_a_verdict_from_another_shard(turn: int) -> None:
    runs = [result(cell(status="not-run", reason="no CUDA")), result(cell(status="fail"))]
    assert [c.status for c in combine(runs[::turn]).cells] == ["fail"]


def test_conflicting_verdicts_name_the_cell_and_both_statuses() -> None:
    with pytest.raises(UsageError) as caught:
        combine([result(cell()), result(cell(status="fail"))])
    message = str(caught.value)
    assert "silu-torch-cpu-float32-order0-accuracy" in message
    assert "pass and fail" in message


def test_equal_verdicts_with_other_figures_are_two_environments_and_refused() -> None:
    with pytest.raises(UsageError, match=r"differ in 'u_max': 0\.5 and 0\.7"):
        combine([result(cell(u_max=0.5)), result(cell(u_max=0.7))])


@pytest.mark.parametrize("turn", [1, -1])
def test_parameters_of_the_same_value_are_one_cell_and_one_row(turn: int) -> None:
    runs = [result(cell(params={"b": 4.0}), cell(params={"b": "0.1"})), result(cell(params={"b": 4}))]
    runs.append(result(cell(params={"b": 4 if turn > 0 else 4.0}, backend="jax"), cell(params={"b": 0.1})))
    merged = combine(runs[::turn])
    first = 4.0
    assert sorted((c.backend, repr(c.params["b"])) for c in merged.cells) == [
        ("jax", repr(first)), ("torch", "'0.1'"), ("torch", "0.1"), ("torch", repr(first)),
    ]  # fmt: skip
    assert len(rows(merged)) == 4
    assert {function_label(c) for c in merged.cells} == {"silu(b='0.1')", "silu(b=0.1)", "silu(b=4.0)"}


def test_every_run_is_listed_and_the_heading_says_it_is_a_combination() -> None:
    first = combine([result(cell()), result(cell(device="cuda"))])
    merged = combine([first, result(cell(backend="jax"))])
    assert len(merged.shards) == 3
    assert merged.run.environment["combined"] == 3
    assert merged.run.seconds == pytest.approx(180.0)
    validate(merged)


def test_an_unfinished_shard_makes_the_combination_unfinished() -> None:
    partial = dataclasses.replace(result(cell()), run=dataclasses.replace(shard(), complete=False))
    assert not combine([partial, result(cell(device="cuda"))]).run.complete


def test_a_backend_missing_on_one_machine_is_available_when_another_had_it() -> None:
    absent, present = shard(), shard()
    present.backends["torch:cuda"] = {"available": True, "reason": ""}
    merged = combine([RunResult(absent, [cell()]), RunResult(present, [cell(device="cuda")])])
    assert merged.run.backends["torch:cuda"]["available"] is True


@pytest.mark.parametrize(
    ("states", "survivor"),
    [
        (("not-checked", "seen"), "seen"),
        (("not-checked", "stale"), "stale"),
        (("stale", "seen"), "seen"),
        (("seen", "gone"), "gone"),
        (("seen", "grown"), "grown"),
        (("gone", "grown"), "grown"),
    ],
)
@pytest.mark.parametrize("turn", [1, -1])
def test_the_stronger_ledger_state_survives_in_either_order(
    states: tuple[State, State], survivor: State, turn: int
) -> None:
    runs = [result(cell(device=s), ledger=[LedgerState("e", "d", s)]) for s in states[::turn]]
    assert [s.state for s in combine(runs).ledger] == [survivor]


def test_deviations_of_all_runs_are_known_afterwards() -> None:
    runs = [
        result(cell(), deviations={"a": {"title": "A"}}),
        result(cell(), deviations={"b": {"title": "B"}}),
    ]
    assert set(combine(runs).deviations) == {"a", "b"}


def test_nothing_to_combine_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="at least one"):
        combine([])
