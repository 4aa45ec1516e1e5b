"""Losses: intervals and errors as mathematics, what they explain, and what they leave to be found."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.specifiers import SpecifierSet

from gradproof.engine.ledger import Ledger, Surroundings
from gradproof.engine.ledger_entries import Deviation, Entry
from gradproof.engine.losses import Loss, evaluate, names_of
from gradproof.engine.selection import Selection
from gradproof.engine.verdict import decide
from gradproof.errors import UsageError
from gradproof.formats import FORMATS, get_format
from tests.properties.subjects import Exact, answering, between, exact, nudged, replaced, task

FLOAT16, FLOAT32 = get_format("float16"), get_format("float32")
HOME = Surroundings({"numpy:cpu": "2.4.6"}, {"numpy:cpu": "Intel AVX512"})
LOSS = Loss(
    deviation="d", backend="numpy:cpu", versions=SpecifierSet(">=2.4,<2.5"), functions=("tanh",), orders=(0,),
    where=(("1", "2"),), error="128 * 2**-p",
)  # fmt: skip


def test_names_are_what_exp_does_in_the_format() -> None:
    with np.errstate(all="ignore"):
        for name, kind in (("float32", np.float32), ("float64", np.float64)):
            at = {k: kind(v) for k, v in names_of(FORMATS[name]).items()}
            near = kind(0.01)
            assert np.exp(-at["vanishes"] - near) == 0 < np.exp(-at["vanishes"] + near)
            assert np.exp(-at["subnormal"] - near) < np.finfo(kind).tiny <= np.exp(-at["subnormal"] + near)
            assert np.exp(at["overflows"] + near) == np.inf > np.exp(at["overflows"] - near)
            assert 1 + np.exp(-at["absorbed"] - near) == 1 < 1 + np.exp(-at["absorbed"] + near)
            assert at["greatest"] == np.finfo(kind).max
            assert at["least"] == np.finfo(kind).smallest_subnormal


def test_an_expression_is_arithmetic_over_the_format_and_the_parameters() -> None:
    names = names_of(FLOAT32) | {"b": 4.0}
    assert evaluate("-sqrt(b / 1.25)", names) == -math.sqrt(3.2)
    assert evaluate("2**((e_max + 1) / 2)", names) == 2.0**64
    assert evaluate("max(cbrt(27), +ln(1)) - min(exp(0), 2)", names) == pytest.approx(2)


@pytest.mark.parametrize(
    "expression",
    [
        "beta",
        "__import__('os')",
        "p.real",
        "'p'",
        "[p]",
        "p if p else 0",
        "sqrt(-p)",
        "1 / 0",
        "2**",
        "True",
        "ln(x=2)",
    ],
)
def test_anything_else_is_refused(expression: str) -> None:
    with pytest.raises(UsageError, match="expected an expression of the format and the parameters"):
        evaluate(expression, names_of(FLOAT32))


def test_intervals_are_rounded_outwards_and_left_out_where_the_format_ends() -> None:
    third = replace(LOSS, where=(("-1 / 3", "1 / 3"), ("-inf", "-2**8"), ("2**20", "2**30")))
    (low, high), (left, end) = third.regions(FLOAT16, {})
    assert FLOAT16.value(high) > 1 / 3 > FLOAT16.value(high - 1)
    assert low == high | FLOAT16.sign_bit
    assert (left, end) == (0xFC00, 0xDC00)
    assert len(third.regions(FLOAT32, {})) == 3
    assert replace(LOSS, where=(("least", "2 * greatest"),)).regions(FLOAT16, {}) == ((1, FLOAT16.max_bits),)


def test_the_ceiling_is_the_error_over_the_least_quantum_and_infinite_only_if_the_error_is() -> None:
    assert LOSS.ceiling(FLOAT16, {}) == 2.0 ** (7 - 11 + 24)
    assert replace(LOSS, error="2**e_max").ceiling(get_format("float64"), {}) == np.finfo(np.float64).max
    assert replace(LOSS, error="inf").ceiling(FLOAT16, {}) == math.inf


def judged(loss: Loss, claim: str = "shape", low: float = 1.25, high: float = 1.3, **more: Any) -> Any:
    """tanh in float16, a few hundredths too high for inputs of [low, high]."""
    calls = more.pop("calls", None) or [
        replaced(Exact("tanh"), between(low, high), lambda x: 0 * x + 0.9),
        *exact("tanh")[1:],
    ]
    subject = task(claim, "tanh", calls, "float16", **{"user": False, **more})
    ledger = Ledger([], [Deviation("d", "title", "reason")], [loss])
    return decide(subject, Selection(profile="quick", jobs=0), ledger, HOME)


def test_a_loss_explains_claims_that_relate_results_wherever_the_formula_loses_digits() -> None:
    """On any processor, at inputs that no entry lists."""
    cell, states = judged(LOSS)
    assert (cell.status, cell.known_ref, states) == ("known", "d", [])
    assert judged(replace(LOSS, where=(("-8", "-1"),)))[0].status == "fail"


@pytest.mark.parametrize(
    "change",
    [
        {"where": (("1", "1.27"),)},
        {"error": "2**-30"},
        {"functions": ("sigmoid",)},
        {"orders": (1,)},
        {"backend": "torch:cpu"},
        {"versions": SpecifierSet("<2.4")},
        {"formats": ("float32",)},
        {"modes": ("compiled",)},
        {"properties": ("fd-jump",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_loss_of_something_else_or_of_less_explains_nothing(change: dict[str, Any]) -> None:
    assert judged(replace(LOSS, **change))[0].status == "fail"


def test_what_outgrows_the_error_of_the_formula_is_told() -> None:
    _, states = judged(replace(LOSS, error="2**-30"))
    assert [s.state for s in states] == ["grown"]


def test_where_the_error_of_a_result_is_known_it_is_held_to_the_formula_and_not_to_a_ceiling() -> None:
    """A ceiling in units of the contract would admit any number there."""
    assert judged(LOSS, "accuracy")[0].status == "known"
    assert judged(replace(LOSS, error="64 * 2**-p"), "accuracy")[0].status == "fail"  # 0.031; the error is 0.052
    assert judged(replace(LOSS, error="72 * 2**-p * x**2"), "accuracy")[0].status == "known"  # 0.055 at 1.25
    zero = [replaced(Exact("tanh"), between(1.25, 1.3), lambda x: 0 * x), *exact("tanh")[1:]]
    assert judged(LOSS, "accuracy", calls=zero)[0].status == "fail"


def test_claims_about_single_places_are_left_to_entries_unless_they_are_named() -> None:
    calls = [answering(Exact("tanh"), {0x3C00: 0x3B00}), *exact("tanh")[1:]]  # 0.875 at 1, a landmark
    assert judged(LOSS, "accuracy", calls=calls)[0].status == "fail"
    assert judged(replace(LOSS, error="1"), "accuracy", calls=calls)[0].status == "known"
    assert judged(replace(LOSS, error="1", properties=("special-values",)), "accuracy", calls=calls)[0].status == "fail"


def test_a_finite_error_never_explains_a_nan() -> None:
    calls = [replaced(Exact("tanh"), between(1.25, 1.3), lambda x: x * np.nan), *exact("tanh")[1:]]
    every = replace(LOSS, error="2**e_max")
    assert judged(every, "accuracy", calls=calls)[0].status == "fail"
    assert judged(replace(every, error="inf"), "accuracy", calls=calls)[0].status == "known"


def test_a_cell_that_passes_says_nothing_about_losses() -> None:
    cell, states = judged(LOSS, calls=exact("tanh"))
    assert (cell.status, states) == ("pass", [])


def test_a_users_implementation_is_never_excused() -> None:
    assert judged(LOSS, user=True)[0].status == "fail"


def test_a_loss_explains_what_lies_beyond_an_entry_of_the_cell() -> None:
    about = Entry(
        deviation="e", backend="numpy:cpu", versions=SpecifierSet(""), recorded="2.4.6", hardware=("Intel AVX512",),
        function="tanh", params={}, modes=("eager",), format="float16", order=0, property="accuracy",
        regions=((0x3D00, 0x3D10),), ceiling=math.inf, witnesses=(),
    )  # fmt: skip
    calls = [nudged(Exact("tanh"), between(1.25, 1.3), 9), *exact("tanh")[1:]]
    subject = task("accuracy", "tanh", calls, "float16", user=False)
    ledger = Ledger([about], [], [LOSS])
    cell, states = decide(subject, Selection(profile="quick", jobs=0), ledger, HOME)
    assert (cell.status, [s.state for s in states]) == ("known", ["seen"])
    cell, states = decide(subject, Selection(profile="quick", jobs=0), Ledger([about]), HOME)
    assert (cell.status, [s.state for s in states]) == ("fail", ["grown"])


ROW = """
[deviation.d]
title = "t"
reason = "r"

[[loss]]
deviation = "d"
backend = "numpy:cpu"
versions = ">=2.4"
functions = ["celu"]
orders = [0]
where = [["-alpha", "-ln(2)"]]
error = "2**-p"
"""


def test_a_ledger_file_holds_losses(tmp_path: Path) -> None:
    (tmp_path / "losses.toml").write_text(ROW, "utf-8")
    (loss,) = Ledger.read([tmp_path]).losses
    assert loss == replace(
        LOSS, functions=("celu",), versions=SpecifierSet(">=2.4"), where=(("-alpha", "-ln(2)"),), error="2**-p"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('error = "2**-p"', ""), "loss 1 lacks 'error'"),
        (('"-alpha"', '"-gamma"'), "loss 1: expected an expression"),
        (('"-alpha", "-ln(2)"', '"-alpha"'), "loss 1: not enough values"),
        (('deviation = "d"', 'deviation = "x"'), "names no deviation of the ledger: 'x'"),
        (('functions = ["celu"]', 'functions = "celu"'), "loss 1: expected functions as a list of text"),
        (('orders = [0]', 'orders = [0]\nformats = ["float17"]'), "loss 1: unknown format 'float17'"),
        (('orders = [0]', 'orders = [0]\ncolour = "red"'), "loss 1: unknown key 'colour'"),
    ],
)  # fmt: skip
def test_a_malformed_loss_names_file_and_place(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "losses.toml").write_text(ROW.replace(*change), "utf-8")
    with pytest.raises(UsageError, match=message):
        Ledger.read([tmp_path])


def test_an_infinity_in_place_of_a_number_is_no_loss_of_digits_unless_it_says_so() -> None:
    # It is measured as 2^16, the first number beyond float16.
    overflowing = [replaced(Exact("tanh"), between(1.25, 1.3), lambda x: 0 * x + np.inf), *exact("tanh")[1:]]
    large = [replaced(Exact("tanh"), between(1.25, 1.3), lambda x: 0 * x + 60000.0), *exact("tanh")[1:]]
    assert judged(replace(LOSS, error="2**17"), "accuracy", calls=large)[0].status == "known"
    assert judged(replace(LOSS, error="2**17"), "accuracy", calls=overflowing)[0].status == "fail"
    assert judged(replace(LOSS, error="inf"), "accuracy", calls=overflowing)[0].status == "known"
