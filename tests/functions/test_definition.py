"""What a function says about itself: pieces, kinks, parameters, and the errors of a wrong definition."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import gradproof as gp
from gradproof.errors import UsageError
from gradproof.formats import FLOAT32
from gradproof.functions import CATALOGUE, Function, all_functions, exact, function, get_function, piecewise
from gradproof.functions.registry import forget
from gradproof.oracle import Oracle
from gradproof.oracle.reference import FINITE, NAN


@pytest.fixture(autouse=True)
def _clean_registry() -> Iterator[None]:
    before = set(all_functions())
    yield
    forget(set(all_functions()) - before)


def identity(m: Any, x: Any) -> Any:
    return x


def text_of(call: Callable[[], object]) -> str:
    with pytest.raises(UsageError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, Fraction(3)),
        (0.1, Fraction(3602879701896397, 36028797018963968)),
        ("0.1", Fraction(1, 10)),
        (Decimal("0.1"), Fraction(1, 10)),
        ("1/3", Fraction(1, 3)),
        (np.float32(0.1), Fraction(13421773, 134217728)),
        (-0.0, Fraction(0)),
    ],
)
def test_a_parameter_is_the_real_number_it_stands_for(value: Any, expected: Fraction) -> None:
    assert exact(value) == expected


def test_numpy_integers_do_not_overflow_inside_a_fraction() -> None:
    large = exact(np.int64(2**62))
    assert large * 4 == 2**64
    assert type(large.numerator) is int


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, "inf", "nan", "two", None, True, 1j, [1]])
def test_what_is_no_finite_real_is_refused_by_name(value: Any) -> None:
    assert text_of(lambda: exact(value)) == (
        f"expected a finite real parameter (int, float, Fraction, Decimal or decimal text), got {value!r}"
    )


def test_the_piece_to_the_right_owns_a_breakpoint_unless_closed_left() -> None:
    pieces = (lambda m, x: 0 * x - 1, lambda m, x: 0 * x + 1)
    right = Function("step", pieces, breakpoints=(0,))
    left = Function("step", pieces, breakpoints=(0,), closed="left")
    zero, tiny = Fraction(0), Fraction(1, 2**2000)
    assert [right.piece_at(x) for x in (-tiny, zero, tiny)] == [0, 1, 1]
    assert [left.piece_at(x) for x in (-tiny, zero, tiny)] == [0, 0, 1]
    for f, value in ((right, 1), (left, -1)):
        for bits in (0, FLOAT32.sign_bit):
            assert float(Oracle(f).certified(bits, FLOAT32, 0).midpoint) == value
        bulk = Oracle(f).references(np.array([0, 0x80000000], np.uint32), FLOAT32)[0]
        assert bulk.values.tolist() == [value, value]


def test_breakpoints_may_depend_on_the_parameters_and_must_increase() -> None:
    clamp = get_function("hardtanh", {"min": "-0.1", "max": 2})
    assert clamp.kinks == (Fraction(-1, 10), Fraction(2))
    assert get_function("hardtanh", {"min": 1, "max": 1}).kinks == (1, 1)
    message = text_of(lambda: get_function("hardtanh", {"min": 3}))
    assert message == "function 'hardtanh' requires min <= max, got min=3, max=1.0"
    message = text_of(lambda: function("f", piecewise(identity, 1, identity, 0, identity)))
    assert message == "function f: breakpoints must increase, got (Fraction(1, 1), Fraction(0, 1))"


def test_a_kink_between_two_floats_separates_them() -> None:
    f = function("third", piecewise(lambda m, x: 0 * x, "1/3", lambda m, x: 0 * x + 1))
    above = FLOAT32.round(Fraction(1, 3))
    assert FLOAT32.value(above) > Fraction(1, 3)
    got = Oracle(f).references(np.array([above - 1, above], np.uint32), FLOAT32)
    assert got[0].values.tolist() == [0, 1]
    assert got[1].values.tolist() == [0, 0]


def test_the_first_float_beyond_a_kink_belongs_to_the_right_piece() -> None:
    f = function("almost", piecewise(lambda m, x: 0 * x, 1 - Fraction(1, 10**30), lambda m, x: 0 * x + 1))
    one = np.array([0x3F7FFFFF, 0x3F800000], np.uint32)
    assert Oracle(f).references(one, FLOAT32)[0].values.tolist() == [0, 1]


def test_a_kink_beyond_every_float_leaves_one_piece() -> None:
    f = function("far", piecewise(lambda m, x: 2 * x, "1e400", identity))
    low = function("far_left", piecewise(identity, "-1e400", lambda m, x: 2 * x))
    for g in (f, low):
        assert Oracle(g).references(np.array([0x3F800000], np.uint32), FLOAT32)[0].values.tolist() == [2]


def test_binding_keeps_the_other_parameters_and_the_defaults() -> None:
    bound = get_function("hardtanh").bind({"max": 5})
    assert bound.exact_params == {"min": -1, "max": 5}
    assert bound.defaults == {"min": -1.0, "max": 1.0}
    assert get_function("hardtanh").exact_params == {"min": -1, "max": 1}
    assert bound.label == "hardtanh(min=-1.0, max=5)"


def test_binding_errors_name_the_function_and_its_parameters() -> None:
    assert text_of(lambda: get_function("elu", {"beta": 1, "apha": 2})) == (
        "function 'elu' has no parameter 'apha', 'beta'; it takes 'alpha'"
    )
    assert text_of(lambda: get_function("relu", {"alpha": 1})) == (
        "function 'relu' has no parameter 'alpha'; it takes none"
    )
    assert "got 'two'" in text_of(lambda: get_function("elu", {"alpha": "two"}))
    for beta in (0, -1.0, "-1e-30"):
        message = text_of(lambda beta=beta: get_function("softplus", {"beta": beta}))
        assert message == f"function 'softplus' requires beta > 0, got beta={beta!r}"


def test_an_unknown_name_gets_a_suggestion_or_the_list() -> None:
    assert text_of(lambda: get_function("gelu_tan")) == "unknown function 'gelu_tan'; did you mean 'gelu_tanh'?"
    message = text_of(lambda: get_function("qqqq"))
    assert message.startswith("unknown function 'qqqq'; known: relu, leaky_relu, ")


def test_piecewise_alternates_definitions_and_breakpoints() -> None:
    assert piecewise(identity, 0, identity) == ((identity, identity), (0,))
    for parts in ((), (identity, 0), (0, identity, 0), (identity, identity, identity), (identity, 0, 1)):
        assert text_of(lambda parts=parts: piecewise(*parts)) == (
            "piecewise expects definition, breakpoint, definition, ..., such as piecewise(left, 0, right)"
        )


def test_pieces_and_breakpoints_must_match_in_number() -> None:
    assert text_of(lambda: Function("f", (identity,), breakpoints=(0,))) == (
        "function 'f': 1 breakpoints separate 2 pieces, got 1"
    )


@pytest.mark.parametrize(
    ("oracle", "params", "reason"),
    [
        (lambda x: x, {}, "the oracle must take (m, x); too many positional arguments"),
        (lambda m, x: x, {"cap": 1}, "the oracle must take (m, x, cap); got an unexpected keyword argument 'cap'"),
        (lambda m, x, cap: x, {}, "the oracle must take (m, x); missing a required argument: 'cap'"),
        (3, {}, "the oracle must take (m, x); 3 is not a callable object"),
    ],
)
def test_an_oracle_of_the_wrong_signature_is_refused_at_definition(oracle: Any, params: Any, reason: str) -> None:
    assert text_of(lambda: gp.function("f", oracle, params)) == f"function 'f': {reason}"
    assert "f" not in all_functions()


@pytest.mark.parametrize("name", ["", "a b", "a/b", "3d", "a-b", None])
def test_a_name_must_fit_into_identifiers(name: Any) -> None:
    assert text_of(lambda: function(name, identity)).endswith(f"such as 'softcap', got {name!r}")


def test_declared_limits_and_ranges_are_checked_at_definition() -> None:
    assert "limits are two tuples" in text_of(lambda: function("f", identity, limits=((0, 0, 0),)))  # type: ignore[arg-type]
    assert "got '+infinity'" in text_of(lambda: function("f", identity, limits=((0,), ("+infinity",))))
    assert text_of(lambda: function("f", identity, range=(1, 0))) == (
        "function 'f': the range must be (low, high), got (1, 0)"
    )
    made = function("f", identity, limits=(("-inf", 1), (math.inf, None, 0)), range=("-inf", "inf"))
    assert [made.limit("left", k) for k in (0, 1, 2)] == [-math.inf, 1, None]
    assert [made.limit("right", k) for k in (0, 1, 2)] == [math.inf, None, 0]


def test_a_catalogued_name_is_refused_and_an_own_one_is_replaced() -> None:
    message = text_of(lambda: function("relu", identity))
    assert message == "the function 'relu' is catalogued already; choose another name"
    function("own", identity)
    second = function("own", lambda m, x: 2 * x)
    assert get_function("own").pieces == second.pieces


def test_limits_that_nobody_declared_stay_undecided() -> None:
    oracle = Oracle(function("quiet", identity))
    for order in (0, 1, 2):
        assert oracle.certified(FLOAT32.infinity_bits, FLOAT32, order).kind == "undecided"


@pytest.mark.parametrize(
    ("definition", "hint"),
    [
        (lambda m, x: m.nosuch(x), "'nosuch'"),
        (lambda m, x: m.exp(x) if x > 0 else x, "gradproof.piecewise"),
        (lambda m, x: x**0.5, "m.power(x, a)"),
        (lambda m, x: None, "None"),
    ],
)
def test_a_definition_that_cannot_be_evaluated_is_the_users_error(definition: Any, hint: str) -> None:
    oracle = Oracle(function("broken", definition))
    message = text_of(lambda: oracle.certified(FLOAT32.round(Fraction(1)), FLOAT32, 0))
    assert message.startswith("function broken: its definition fails in the math context: ")
    assert hint in message


def test_the_catalogue_holds_every_function_once() -> None:
    names = [f.name for f in CATALOGUE]
    assert len(names) == len(set(names)) == len([n for n in names if n in all_functions()])


@pytest.mark.parametrize("domain", [(1, 1), (2, 1), (0,), (0, 1, 2)])
def test_a_domain_that_is_no_interval_is_refused(domain: Any) -> None:
    with pytest.raises(UsageError, match="the domain must be"):
        function("own_log", oracle=lambda m, x: m.log(x), domain=domain)


@pytest.mark.parametrize("closed", ["middle", ("left", "right"), ("up",)])
def test_a_breakpoint_is_closed_on_one_side(closed: Any) -> None:
    with pytest.raises(UsageError, match="closed must be"):
        function("own_step", oracle=piecewise(lambda m, x: 0 * x, 0, lambda m, x: 0 * x + 1), closed=closed)


def test_beyond_its_domain_a_function_of_ones_own_is_nan() -> None:
    limits = (("-inf", "inf", "-inf"), ("inf", 0, 0))
    own = function("own_log", oracle=lambda m, x: m.log(x), domain=(0, "inf"), limits=limits)
    answers = [Oracle(own).certified(FLOAT32.round(Fraction(x)), FLOAT32, 0) for x in (-1, 0, 1)]
    assert [a.kind for a in answers] == ["nan", "infinite", "finite"]
    assert answers[2].bits == 0


def test_a_domain_may_end_beyond_every_float() -> None:
    own = function("own_wide", oracle=lambda m, x: m.log(x), domain=(0, "1e400"))
    bits = np.array([FLOAT32.round(Fraction(x)) for x in (-1, 1, 2)], dtype=np.uint32)
    assert Oracle(own).references(bits, FLOAT32)[0].kind.tolist() == [NAN, FINITE, FINITE]
