"""Errors of operations on recordings made by hand, against arithmetic on paper."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from gradproof.backends import get_backend
from gradproof.backends.implementation import Implementation
from gradproof.errors import Unsupported
from gradproof.formats import FLOAT16, FLOAT32
from gradproof.tracing.analysis import rows
from gradproof.tracing.recording import PHASES, Datum, Recording, Step, constant, datum
from gradproof.tracing.shadow import RULES, applied, conditions, context


def half(value: float) -> Datum:
    return datum(FLOAT16.infinity_bits if value == math.inf else FLOAT16.round(Fraction(value)), "float16")


def recorded(*steps: tuple[str | None, tuple[int | Datum, ...], float], at: float) -> Recording:
    recording = Recording([Step("input", None, PHASES[0], (), half(at))])
    for rule, operands, result in steps:
        recording.add(Step(rule or "unknown", rule, PHASES[0], operands, half(result)))
    recording.output = len(steps)
    return recording


def test_an_operation_that_is_wrong_by_itself_is_marked() -> None:
    # 3 * 5 = 16, and 16 - 1 after it is right.
    found = rows(recorded(("mul", (0, constant(5)), 16.0), ("sub", (1, constant(1)), 15.0), at=3.0))
    assert found is not None
    ulp = 2.0**-7  # of float16 at 15
    assert [(r.local, r.accumulated, r.marked) for r in found] == [
        (1 / ulp, 1 / ulp, True),
        (0.0, 1 / ulp, False),
    ]
    assert [r.adds for r in found] == [1 / ulp, 0.0]


def test_an_unknown_operation_is_to_blame_for_what_the_known_ones_do_not_add() -> None:
    recording = recorded((None, (0,), 4.0), ("add", (1, constant(1)), 5.0), at=3.0)
    found = rows(recording, Fraction(7))
    assert found is not None
    assert [(r.marked, r.exact, r.local) for r in found] == [(True, None, None), (False, None, 0.0)]
    right = rows(recording, Fraction(5))
    assert right is not None
    assert not any(r.marked for r in right)


def test_an_array_of_several_numbers_ends_what_is_known() -> None:
    recording = recorded(("mul", (0, constant(None)), 6.0), at=3.0)
    found = rows(recording)
    assert found is not None
    assert (found[0].exact, found[0].operands[1].decimal) == (None, "an array")


def test_a_figure_whose_four_digits_are_no_float_is_unknown() -> None:
    # e^x magnifies a relative error x times: 1.7977e308 at the greatest float64, whose four digits 1.798e308 overflow.
    recording = Recording([Step("input", None, PHASES[0], (), datum(0xFFEFFFFFFFFFFFFF, "float64"))])
    recording.output = recording.add(Step("exp", "exp", PHASES[0], (0,), datum(0, "float64")))
    (row,) = rows(recording) or []
    assert row.amplification is None


def test_no_result_is_no_trace() -> None:
    assert rows(Recording()) is None
    assert rows(recorded(at=3.0)) is None


@pytest.mark.parametrize(
    ("rule", "operands", "due"),
    [
        ("div", (1, 0), math.inf), ("div", (0, 0), math.nan), ("log", (-1,), math.nan), ("log", (0,), -math.inf),
        ("sqrt", (-1,), math.nan), ("pow", (-8, 1 / 3), math.nan), ("pow", (0, -1), math.inf), ("exp", (-1e300,), 0.0),
        ("exp", (1e300,), math.inf), ("sin", (1e300,), -0.8178819121159085), ("max", (math.nan, 1), math.nan),
        ("where", (0, 1, 2), 2.0), ("clamp", (9, -1, 1), 1.0), ("erfc", (30,), 2.564656203756112e-393),
        ("softplus", (100,), 100.0), ("mul", (0, math.inf), math.nan), ("threshold_backward", (5, -1, 0), 0.0),
    ],
)  # fmt: skip
def test_rules_have_an_answer_everywhere(rule: str, operands: tuple[float, ...], due: float) -> None:
    m = context(1300)
    got = float(applied(m, rule, [m.mpf(o) for o in operands]))
    assert got == pytest.approx(due, rel=1e-15, nan_ok=True)


DERIVED = {"silu": "silu", "gelu": "gelu", "gelu_tanh": "gelu_tanh", "mish": "mish", "hardswish": "hardswish"}
DERIVED |= {"logsigmoid": "logsigmoid"}


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("at", [-4.5, -1.0, 0.25, 2.0])
def test_backward_rules_are_the_derivatives_of_the_rules(name: str, at: float) -> None:
    m = context(300)
    x = m.mpf(at)
    h = m.ldexp(1, -100)
    slope = (applied(m, name, [x + h]) - applied(m, name, [x - h])) / (2 * h)
    assert abs(applied(m, f"{name}_backward", [m.mpf(3), x]) / 3 - slope) < 2.0**-150


def test_conditions_are_those_of_the_books() -> None:
    m = context(300)
    near = m.one - m.ldexp(1, -40)
    assert float(conditions(m, "rsub", [near, m.one])[0]) == pytest.approx(2.0**40, rel=1e-9)
    assert [float(c) for c in conditions(m, "mul", [m.mpf(3), m.mpf(5)])] == pytest.approx([1, 1])
    assert [float(c) for c in conditions(m, "exp", [m.mpf(1000)])] == [1000.0]
    assert [float(c) for c in conditions(m, "sub", [m.one, m.one])] == [math.inf, math.inf]


def test_every_rule_takes_the_context_first() -> None:
    assert all(rule.__code__.co_varnames[0] == "m" for rule in RULES.values())


def test_numpy_has_no_trace() -> None:
    implementation = Implementation("relu", "numpy", "mine", abs, user=True)
    with pytest.raises(Unsupported, match="no trace on numpy"):
        get_backend("numpy").trace(implementation, 0, FLOAT32, 0)


def test_exact_values_beyond_every_format_have_a_text() -> None:
    recording = recorded(("exp", (0,), math.inf), ("exp", (1,), math.inf), at=60000.0)
    found = rows(recording)
    assert found is not None
    assert [r.exact for r in found] == ["10^26057.7", "inf"]
    assert [r.local for r in found] == [None, 0.0]
