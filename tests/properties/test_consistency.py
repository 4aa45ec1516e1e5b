"""consistency, on faults of its own kind: answers that depend on layout, length, neighbours, history or cotangent."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradproof.backends.layouts import LAYOUTS
from gradproof.cli.failures import gravity
from gradproof.engine.judging.verdict import decide
from gradproof.engine.ledger.ledger import Ledger
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.results.model import Cell
from tests.properties.subjects import NOWHERE, QUICK, Call, exact, reference, task, verdict

FORMATS = ("float64", "float32", "float16", "bfloat16")


def judged(
    call: Call, function: str = "silu", fmt: str = "float32", order: int = 0, derivatives: tuple[Call, ...] = ()
) -> Cell:
    return verdict("consistency", function, [call, *derivatives], fmt, order)


def scaled(call: Call, factor: float) -> Call:
    """``call`` with results off by a factor."""

    def other(x: Any) -> Any:
        y = call(x)
        return (y * y.dtype.type(factor)).astype(y.dtype)

    return other


def when(condition: Callable[[Any], bool], call: Call, otherwise: Call) -> Call:
    """``otherwise`` for arrays that meet a condition, else ``call``."""
    return lambda x: otherwise(x) if condition(x) else call(x)


silu, silu_1, silu_2 = reference("silu")
off = scaled(silu, 1.25)


def ignoring_strides(x: Any) -> Any:
    """Reads the memory behind its argument as if it were contiguous."""
    steps = np.cumprod([x.itemsize, *reversed(x.shape[1:])])[::-1] if x.ndim else ()
    return silu(np.lib.stride_tricks.as_strided(x, x.shape, tuple(int(s) for s in steps)))


def with_a_bad_remainder(x: Any) -> Any:
    y = silu(x)
    if y.ndim == 1 and y.size % 8:
        y[y.size - y.size % 8 :] *= y.dtype.type(1.25)
    return y


def centred(x: Any) -> Any:
    """Adds what depends on the other inputs of the call."""
    with np.errstate(all="ignore"):
        share = np.mean((x > 0).astype(np.float64)) if x.size else 0.0
    return (silu(x) + x.dtype.type(share)).astype(x.dtype)


class Counting:
    """Right at the first call, and 1.25 times as much at each later one."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return silu(x) if self.calls == 1 else off(x)


FAULTS: dict[str, tuple[Call, set[str]]] = {
    "strided": (when(lambda x: not x.flags.c_contiguous, silu, off), {"strided", "transposed", "broadcast"}),
    "memory order": (ignoring_strides, {"strided", "transposed", "broadcast"}),
    "scalar": (when(lambda x: x.ndim == 0, silu, off), {"scalar"}),
    "matrix": (when(lambda x: x.ndim == 2, silu, off), {"transposed", "broadcast", "batched"}),
    "remainder": (with_a_bad_remainder, {"tail"}),
    "misaligned": (when(lambda x: x.ctypes.data % 8 == 4 and x.size > 64, silu, off), {"offset"}),
    "other inputs": (centred, {"scalar", "tail"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_depends_on_the_layout_fails_there_and_nowhere_else(fault: str) -> None:
    call, wrong = FAULTS[fault]
    cell = judged(call)
    assert cell.status == "fail", cell.reason
    failing = {way for way, row in cell.measured["ways"].items() if row.get("failing")}
    assert failing == wrong
    assert "the contiguous array" in cell.reason


def test_the_sentence_names_layout_both_answers_the_oracles_and_the_wrong_side() -> None:
    def negative(x: Any) -> Any:
        return np.where((np.abs(x) > 0.125) & (np.abs(x) < 16), -silu(x), silu(x))

    cell = judged(when(lambda x: x.ndim == 0, silu, negative))
    assert cell.certificate is not None
    assert cell.certificate.input is not None
    x = float(fa.values(np.array([int(cell.certificate.input.bits, 16)], np.uint32), get_format("float32"))[0])
    due = np.float32(x / (1 + np.exp(-x)))
    numbers = re.findall(r"-?\d[-.\de+]*", cell.reason.replace(":", " "))
    assert [float(n) for n in numbers] == pytest.approx([x, -due, due, due], rel=1e-6)
    assert "scalar gives" in cell.reason
    assert cell.reason.endswith("scalar breaks the contract, the contiguous array keeps it")
    assert "--property consistency" in cell.certificate.reproduce


def test_when_the_contiguous_array_is_wrong_the_sentence_says_so() -> None:
    cell = judged(when(lambda x: x.ndim == 1 and x.size > 64 and x.flags.c_contiguous, silu, off))
    assert cell.status == "fail"
    assert "the contiguous array breaks the contract" in cell.reason


def test_keeping_state_between_calls_fails() -> None:
    cell = judged(Counting())
    assert cell.status == "fail"
    assert cell.measured["ways"]["the second call"]["failing"] > 0


@pytest.mark.parametrize(
    ("condition", "way"),
    [(lambda x: x.ndim == 0, "scalar"), (lambda x: x.ndim == 2, "batched"), (lambda x: x.size == 0, "empty")],
)
@pytest.mark.parametrize("kind", ["raises", "other shape"])
def test_a_layout_that_the_function_cannot_take_is_a_failure_of_the_claim_and_no_error_of_the_cell(
    condition: Callable[[Any], bool], way: str, kind: str
) -> None:
    def refusing(x: Any) -> Any:
        raise IndexError("too few dimensions")

    broken = refusing if kind == "raises" else (lambda x: np.zeros(3, x.dtype))
    cell = judged(when(condition, silu, broken))
    assert (cell.status, cell.severity) == ("fail", "fault")
    assert cell.certificate is not None
    assert (cell.certificate.cause, cell.certificate.input, cell.certificate.got) == ("fault", None, None)
    fault = {"raises": "raised", "other shape": "wrong-shape"}[kind]
    assert cell.measured["ways"][way] == {"fault": fault}
    if way != "batched":
        assert cell.reason.startswith(f"{way} ({LAYOUTS[way]}): mine:subject")


def test_a_parameter_of_one_element_is_a_wrong_shape_at_zero_dimensions_and_ranks_below_wrong_numbers() -> None:
    one = np.ones(1)

    def broadcasting(x: Any) -> Any:
        return np.asarray(silu(x) * one.astype(x.dtype))

    cell = judged(broadcasting)
    assert (cell.status, cell.severity) == ("fail", "fault")
    assert "zero-dimensional" in cell.reason
    assert "returned shape (1,), expected ()" in cell.reason
    assert "nan" not in cell.reason.lower()
    wrong = judged(when(lambda x: x.ndim == 2, broadcasting, scaled(silu, 0.75)))
    assert wrong.severity == "large-error"  # of a matrix, which tells the cell; the shape is wrong as before
    assert gravity(wrong) < gravity(cell)


def test_a_hang_in_one_layout_is_cut_off_and_the_sentence_names_the_layout() -> None:
    def endless(_: Any) -> Any:
        while True:
            pass

    subject = task("consistency", "silu", [when(lambda x: x.ndim == 0, silu, endless)])
    cell, _ = decide(subject, replace(QUICK, time_limit=0.5), Ledger(), NOWHERE)
    assert (cell.status, cell.measured["fault"]) == ("error", "timed-out")
    assert cell.reason == f"scalar ({LAYOUTS['scalar']}): mine:subject did not return within 0.5 seconds"


def test_a_function_that_fails_in_the_contiguous_array_is_an_error_as_ever() -> None:
    def raising(x: Any) -> Any:
        raise ValueError("never")

    assert judged(raising).status == "error"


def test_a_wrong_derivative_in_one_layout_fails_and_the_value_passes() -> None:
    first = when(lambda x: x.ndim == 0, silu_1, scaled(silu_1, 1.25))
    assert judged(silu, order=1, derivatives=(first,)).status == "fail"
    assert judged(silu, order=0, derivatives=(first,)).status == "pass"


@pytest.mark.parametrize(("ulps", "status"), [(1, "pass"), (3, "pass"), (24, "fail")])
def test_last_bits_within_the_contract_are_counted_and_do_not_fail(ulps: int, status: str) -> None:
    fmt = get_format("float32")

    def nudged(x: Any) -> Any:
        y = silu(x)
        moved = fa.from_ordinals(fa.ordinals(y.view(np.uint32), fmt) + ulps, fmt).view(np.float32)
        return np.where((np.abs(x) > 1e-30) & (np.abs(x) < 64), moved, y)

    cell = judged(when(lambda x: not x.flags.c_contiguous, silu, nudged))
    assert cell.status == status
    strided = cell.measured["ways"]["strided"]
    assert strided["different"] > strided["n"] // 4
    assert strided["ordinals"] == ulps


def test_an_answer_that_is_wrong_everywhere_alike_belongs_to_accuracy() -> None:
    cell = judged(off)
    assert cell.status == "pass"
    assert all(row["different"] == 0 for row in cell.measured["ways"].values())


def test_nan_in_one_layout_fails_and_other_nans_in_another_do_not() -> None:
    def quiet(x: Any) -> Any:
        y = silu(x)
        return np.where(np.isnan(y), -np.float32(np.nan), y)

    assert judged(when(lambda x: x.ndim == 0, silu, quiet)).status == "pass"
    poisoned = when(lambda x: x.ndim == 0, silu, lambda x: silu(x) * np.float32(np.nan))
    assert judged(poisoned).severity == "wrong-class"


@pytest.mark.parametrize(("right", "status"), [(0.0, "pass"), (1.0, "fail")])
def test_two_derivatives_at_a_kink_fail_though_each_is_a_convention(right: float, status: str) -> None:
    def slope(x: Any, at_zero: float) -> Any:
        return np.where(x > 0, 1.0, np.where(x == 0, at_zero, np.where(np.isnan(x), np.nan, 0.0))).astype(x.dtype)

    first = when(lambda x: not x.flags.c_contiguous, lambda x: slope(x, 0.0), lambda x: slope(x, right))
    cell = judged(reference("relu")[0], "relu", order=1, derivatives=(first,))
    assert cell.status == status
    assert ("two derivatives at the kink" in cell.reason) == (status == "fail")


def test_the_derivative_at_a_nan_is_a_convention_in_every_layout() -> None:
    first = when(lambda x: x.ndim == 0, silu_1, lambda x: np.where(np.isnan(x), np.float32(1), silu_1(x)))
    assert judged(silu, order=1, derivatives=(first,)).status == "pass"


def test_outside_the_domain_the_derivative_is_a_convention_in_every_layout() -> None:
    log1p, slope = reference("log1p")[:2]

    def continued(where: Callable[[Any], Any]) -> Call:
        other = when(
            lambda x: x.ndim == 0, slope, lambda x: np.where(where(x), 1 / (1 + x) * np.float32(1.5), slope(x))
        )
        return lambda x: other(x).astype(x.dtype)

    with np.errstate(all="ignore"):
        assert judged(log1p, "log1p", order=1, derivatives=(continued(lambda x: x < -1),)).status == "pass"
        assert judged(log1p, "log1p", order=1, derivatives=(continued(lambda x: x > -0.5),)).status == "fail"


def test_the_sign_of_an_odd_functions_zero_may_not_depend_on_the_layout() -> None:
    tanh = reference("tanh")[0]
    unsigned = when(lambda x: x.ndim == 0, tanh, lambda x: tanh(x) + x.dtype.type(0))
    cell = judged(unsigned, "tanh")
    assert (cell.status, cell.severity) == ("fail", "wrong-branch")


def test_what_is_written_in_place_or_by_out_is_judged() -> None:
    made = task("consistency", "tanh", [np.tanh], "float32")
    cell = decide(made, QUICK, Ledger(), NOWHERE)[0]
    assert cell.status == "pass"
    assert {"in-place", "out"} <= set(cell.measured["ways"])  # a ufunc offers them

    def in_place(x: Any) -> Any:
        return np.tanh(x)  # returned, not written

    def out(x: Any, out: Any) -> Any:
        np.tanh(x, out=out, where=~np.isinf(x))  # where x is infinite out keeps what was there

    variants = replace(made.implementation, variants={"in-place": in_place, "out": out})
    cell = decide(replace(made, implementation=variants), QUICK, Ledger(), NOWHERE)[0]
    assert cell.status == "fail"
    assert cell.measured["ways"]["in-place"]["failing"] > 100
    assert cell.measured["ways"]["out"]["failing"] >= 2


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["relu", "gelu", "softshrink", "log1p"])
def test_right_implementations_pass_with_the_same_bits_everywhere(function: str, fmt: str) -> None:
    for calls in (exact(function), reference(function)):
        for order in (0, 1, 2):
            cell = verdict("consistency", function, calls, fmt, order)
            assert (cell.status, cell.reason) == ("pass", "")
            assert cell.evidence.n > 5000
            ways = cell.measured["ways"]
            assert {"strided", "scalar", "tail", "batched", "empty", "the second call"} <= set(ways)
            assert all(row["different"] == 0 for row in ways.values())
