"""The library: each formula is one of the function it says, and worst errors are what tables say."""

from __future__ import annotations

import numpy as np
import pytest

from gradproof.errors import UsageError
from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, FORMATS
from gradproof.formats import arrays as fa
from gradproof.formulas.formula import Formula, allowances, encloses, evaluate, kernel
from gradproof.formulas.registry import LIBRARY, formulas_of, get_formula
from gradproof.formulas.worst import errors, sample, worst_error
from gradproof.functions import CATALOGUE
from gradproof.oracle import Oracle

ORDINARY = np.array([-3.3, -2.7, -1.9, -1.3, -0.8, -0.4, -0.15, 0.2, 0.45, 0.9, 1.4, 2.1, 2.8, 3.6, 5.2])
BY = {f.name: f for f in CATALOGUE}
EVERY = pytest.mark.parametrize("formula", LIBRARY.values(), ids=list(LIBRARY))


@EVERY
def test_every_formula_is_one_of_its_function(formula: Formula) -> None:
    fmt = FLOAT64 if formula.applies_to(FLOAT64) else FLOAT32
    x = ORDINARY[ORDINARY > -0.9] if formula.function == "log1p" else ORDINARY
    bits = fa.round_values(x, fmt)
    due = Oracle(BY[formula.function]).references(bits, fmt)[formula.order].values
    found = evaluate(formula, bits, fmt)
    # float32's 1/6 in a float64 kernel, and polynomials, are off by some 1e-8 and 1e-7; another formula is by 1e-3.
    # An input that is rounded to bfloat16 first is off by 2^-9, and so is the result.
    off = 2.0**-7 if formula.name == "bfloat16" else 3e-6
    assert np.allclose(found.low, due, rtol=off, atol=off)
    assert np.allclose(found.high, due, rtol=off, atol=off)
    assert not found.nan.any()


@EVERY
def test_every_formula_says_what_it_is(formula: Formula) -> None:
    assert formula.text
    assert formula.used
    assert get_formula(formula.id) is formula
    assert set(formula.formats) <= set(FORMATS)


def test_every_catalogued_function_has_formulas_of_all_orders() -> None:
    for function in CATALOGUE:
        if not function.rounds_to:
            assert {f.order for f in formulas_of(function.name)} == {0, 1, 2}, function.name


def test_an_unknown_formula_is_named_with_those_of_its_function() -> None:
    with pytest.raises(UsageError, match=r"known: silu/torch/0"):
        get_formula("silu/torch/7")


def test_the_worst_error_of_a_16_bit_format_is_proven_over_all_inputs() -> None:
    worst = worst_error(get_formula("silu/split/0"), BFLOAT16)
    assert worst.evidence == "proven"
    assert worst.inputs == 65536 - 254
    assert worst.keeps_contract
    assert worst.keeps == ((0xFF80, 0x7F80),)


def test_a_difference_loses_its_contract_where_it_cancels() -> None:
    worst = worst_error(get_formula("sigmoid/torch/1"), BFLOAT16)
    assert worst.error > 4
    (low, high) = worst.keeps[0]
    assert fa.values(np.array([low, high], np.uint16), BFLOAT16).tolist() == [-np.inf, 3.796875]


def test_a_possible_nan_is_an_infinite_error() -> None:
    worst = worst_error(get_formula("silu/torch/0"), FLOAT16)
    assert worst.error == np.inf
    assert worst.bits == FLOAT16.infinity_bits | FLOAT16.sign_bit


def test_a_wider_format_is_sampled() -> None:
    worst = worst_error(get_formula("tanh/torch/1"), FLOAT32)
    assert worst.evidence == "sampled"
    assert worst.error > 1e3
    assert not worst.keeps_contract


def test_a_sample_is_the_same_each_time_and_sorted() -> None:
    bits = sample(BY["silu"], FLOAT32)
    assert np.array_equal(bits, sample(BY["silu"], FLOAT32))
    assert (np.diff(fa.ordinals(bits, FLOAT32)) >= 0).all()


def test_parameters_are_those_of_the_catalogue() -> None:
    half = worst_error(get_formula("elu/torch/1"), BFLOAT16, {"alpha": 2})
    assert half.keeps_contract
    with pytest.raises(UsageError, match="no parameter 'beta'"):
        worst_error(get_formula("elu/torch/1"), BFLOAT16, {"beta": 2})


def test_errors_are_those_of_the_worse_end() -> None:
    (doubled,) = kernel("abs", "test", 0, "2 |x|", lambda m, x: m.either(2 * abs(x), abs(x)), "nobody")
    bits = fa.round_values(np.array([1.0, 3.0]), FLOAT16)
    found = errors(doubled, bits, FLOAT16, Oracle(BY["abs"]).references(bits, FLOAT16)[0])
    # m counts the quantum of the input too, by the slope 1: half of 1 / 2^-10, over the bound 2.
    assert found.tolist() == [256.0, 384.0]


def test_results_of_the_formula_are_enclosed_and_others_are_not() -> None:
    formula = get_formula("sigmoid/torch/1")
    bits = fa.round_values(np.array([-2.0, 9.0, 12.0, np.nan]), BFLOAT16)
    s = fa.values(fa.round_values(1 / (1 + np.exp(-np.array([-2.0, 9.0, 12.0, np.nan]))), BFLOAT16), BFLOAT16)
    got = fa.round_values((1 - s) * s, BFLOAT16)
    assert encloses(formula, bits, got, BFLOAT16).all()
    assert encloses(formula, bits[1:3], np.zeros(2, np.uint16), BFLOAT16).tolist() == [True, True]
    assert not encloses(formula, bits[:1], np.array([BFLOAT16.nan_bits], np.uint16), BFLOAT16).any()
    assert not encloses(formula, bits[:1], fa.round_values(np.array([0.2]), BFLOAT16), BFLOAT16).any()


def test_flushing_widens_a_formula_to_zero() -> None:
    formula, bits = get_formula("exp/torch/0"), fa.round_values(np.array([-90.0]), FLOAT32)
    zero = np.zeros(1, np.uint32)
    assert not encloses(formula, bits, zero, FLOAT32).any()
    assert encloses(formula, bits, zero, FLOAT32, subnormals="either").all()


def test_the_allowances_are_those_of_the_format() -> None:
    formula = get_formula("log1p/jax/0")
    assert allowances(formula, FLOAT64)["log1p"].ulps == 136
    assert allowances(formula, FLOAT16)["log1p"].ulps == 3
