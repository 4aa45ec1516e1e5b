"""shape, on faults of its own kind: order, range, jumps, symmetry, homogeneity, kinks of f', false declarations."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import gradproof as gp
from gradproof.engine.subject.oracles import oracle_of
from gradproof.engine.subject.probe import Probe
from gradproof.errors import UsageError
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.functions import CATALOGUE, Function, all_functions, get_function
from gradproof.functions.registry import forget
from gradproof_properties.shapes.declarations import false_limit
from gradproof_properties.shapes.symmetries import EVEN, ODD, Mirror, counterexample, is_homogeneous, mirrors
from tests.properties.subjects import (
    QUICK,
    Call,
    Exact,
    answering,
    between,
    bits_of,
    everywhere,
    exact,
    nudged,
    outcome,
    reference,
    replaced,
    task,
    verdict,
)

FORMATS = ("float32", "float16", "bfloat16")


@pytest.fixture(autouse=True)
def _clean_registry() -> Iterator[None]:
    before = set(all_functions())
    yield
    forget(set(all_functions()) - before)


@pytest.mark.parametrize("fmt", ["float64", *FORMATS])
@pytest.mark.parametrize("function", ["abs", "hardshrink", "hardswish", "gelu", "mish", "sigmoid", "softsign", "erfc"])
def test_right_implementations_keep_every_shape(function: str, fmt: str) -> None:
    cell = verdict("shape", function, reference(function), fmt)
    assert cell.status == "pass", cell.reason
    if fmt != "float64":
        cell = verdict("shape", function, exact(function), fmt)
        assert cell.status == "pass", cell.reason
        assert cell.measured["reversals"] == 0


def other_side(x: Any) -> Any:
    return np.where(x < 0, x / 2, x)


ORDER: dict[str, tuple[str, Call]] = {
    "tanh falls at 1": ("tanh", replaced(Exact("tanh"), between(1, 1.25), lambda x: np.tanh(x) - 0.05)),
    "exp falls at 3": ("exp", replaced(Exact("exp"), between(3, 3.5), lambda x: np.exp(x - 0.5))),
    "gelu rises before its minimum": (
        "gelu", replaced(Exact("gelu"), between(-2.5, -1.5), lambda x: 0.01 * x),
    ),
    "abs with two minima": ("abs", replaced(Exact("abs"), between(4, 5), lambda x: 9 - x)),
}  # fmt: skip


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("fault", ORDER)
def test_neighbours_in_the_wrong_order_fail_wherever_they_lie(fault: str, fmt: str) -> None:
    function, call = ORDER[fault]
    found = outcome("shape", function, [call], fmt).violations
    assert any(v.explanation.startswith("between ") and "results go from" in v.explanation for v in found)


def test_the_reversal_is_pinned_to_the_two_neighbours_between_which_it_happens() -> None:
    # float32 cannot be tried in full: the drop at 1.2345678 is found between distant points and followed.
    edge = float(np.float32(1.2345678))
    call = replaced(Exact("tanh"), between(edge, 1e30), lambda x: np.tanh(x) - 0.25)
    (found,) = [v for v in outcome("shape", "tanh", [call], "float32").violations if "go from" in v.explanation]
    before = float(np.nextafter(np.float32(edge), np.float32(0)))
    assert found.explanation.startswith(f"between the neighbours {before!r} and {edge!r} f does not fall")
    assert fa.values(found.bits, get_format("float32")).min() >= edge


def test_a_gentle_slide_in_the_wrong_direction_is_found_as_such() -> None:
    # abs falls by an ulp a float on [4, 5], which the contract allows each pair of neighbours, and by 1 in all.
    call = replaced(Exact("abs"), between(4, 5), lambda x: 9 - x)
    for fmt in FORMATS:
        (found,) = [v for v in outcome("shape", "abs", [call], fmt).violations if "go from" in v.explanation]
        assert "neighbours" not in found.explanation


def test_a_reversal_within_the_contract_is_counted_and_no_failure() -> None:
    ulp_down = nudged(Exact("sigmoid"), between(0.5, 0.5), -2)
    found = outcome("shape", "sigmoid", [ulp_down], "float16")
    assert found.violations == []
    # sigmoid(1/2) = 0.6225; neighbours of 1/2 change it by a quarter ulp, so two ulps down turn back once.
    assert found.measured["reversals"] == 1
    assert found.measured["worst_reversal"] == {"ulp": pytest.approx(2, abs=1), "after": "0.499755859375"}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(
    ("function", "place", "ulps"), [("sigmoid", 30, 1), ("tanh", 20, 1), ("tanh", -20, -1), ("relu", -2, -1)]
)
def test_one_ulp_past_the_range_is_of_the_wrong_class(function: str, place: int, ulps: int, fmt: str) -> None:
    bits = bits_of(fmt, place)
    got = get_format(fmt)
    limit = {"sigmoid": 1, "tanh": 1 if place > 0 else -1, "relu": 0}[function]
    past = got.from_ordinal(got.ordinal(bits_of(fmt, limit)) + ulps)
    call = answering(Exact(function), dict.fromkeys([bits, bits + 1, bits - 1], past))
    if fmt == "float32":  # sampled: a whole stretch, so that some input meets it
        call = replaced(Exact(function), between(place - 5, place + 5), lambda x: float(got.value(past)) + 0 * x)
    cell = verdict("shape", function, [call], fmt)
    assert (cell.status, cell.severity) == ("fail", "wrong-class")
    assert "every value of f" in cell.reason


def test_the_minimum_of_gelu_bounds_it_though_nothing_declares_it() -> None:
    # min gelu = -0.16997 at -0.7518: 0.18 below it is an error of 5 %, past the range by 400 float16 ulps.
    call = replaced(Exact("gelu"), between(-0.76, -0.75), lambda x: -0.18 + 0 * x)
    found = outcome("shape", "gelu", [call], "float16").violations
    assert any("below every value of f" in v.explanation for v in found)


JUMPS: dict[str, tuple[str, Call]] = {
    "a step in silu": ("silu", replaced(Exact("silu"), between(0.5, 1e30), lambda x: x / (1 + np.exp(-x)) + 0.25)),
    "a step at the kink": ("relu", replaced(Exact("relu"), lambda x: x > 0, lambda x: x + 0.5)),
    "a hardshrink that does not jump": ("hardshrink", Exact("softshrink")),
    "half of a threshold's jump": ("threshold", replaced(Exact("threshold"), between(-1e30, 1), lambda x: 0.5 + 0 * x)),
    "the value of the other side": ("threshold", replaced(Exact("threshold"), between(1, 1), lambda x: x)),
    "elu that misses at 0": ("elu", replaced(Exact("elu"), between(-1e30, 0), lambda x: np.expm1(x) - 0.1)),
}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("fault", JUMPS)
def test_undeclared_jumps_and_missing_ones_fail(fault: str, fmt: str) -> None:
    function, call = JUMPS[fault]
    if fmt == "float32" and fault == "a step in silu":
        call = replaced(Exact("silu"), between(1, 1e30), lambda x: x / (1 + np.exp(-x)) + 0.25)  # at a landmark
    found = outcome("shape", function, [call], fmt).violations
    assert any("jump" in v.explanation or "step by" in v.explanation for v in found)


SYMMETRY: dict[str, tuple[str, Call, str]] = {
    "an even tanh": ("tanh", lambda x: Exact("tanh")(abs(x)), "f(-x) = -f(x)"),
    "a signed abs": ("abs", lambda x: x.copy(), "f(-x) = f(x)"),
    "another sigmoid": ("sigmoid", replaced(Exact("sigmoid"), between(-9, -0.5), np.exp), "f(x) + f(-x) = 1"),
    "silu for softplus' left": (
        "softplus",
        replaced(Exact("softplus"), between(-4, 0), lambda x: 0 * x),
        "f(x) - f(-x) = x",
    ),
    "a cut gelu": ("gelu", replaced(Exact("gelu"), between(-4, -0.5), lambda x: 0 * x), "f(x) - f(-x) = x"),
    "a slope of its own": (
        "prelu",
        replaced(Exact("prelu"), between(-2, -1), lambda x: 0.2 * x),
        "f(x) - f(-x) = 1.25 x",
    ),
}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("fault", SYMMETRY)
def test_a_broken_identity_fails_by_its_name(fault: str, fmt: str) -> None:
    function, call, identity = SYMMETRY[fault]
    found = outcome("shape", function, [call], fmt).violations
    assert any(v.explanation.startswith(f"{identity} does not hold") for v in found)


def test_bits_that_differ_between_the_sides_are_counted_and_no_failure() -> None:
    call = nudged(Exact("tanh"), between(0.5, 0.5), 1)
    found = outcome("shape", "tanh", [call], "bfloat16")
    assert found.violations == []
    assert found.measured["identities"]["f(-x) = -f(x)"]["differ_in_bits"] == 1


@pytest.mark.parametrize("fmt", ["float64", *FORMATS])
@pytest.mark.parametrize("function", ["relu", "leaky_relu", "prelu", "abs", "maximum0"])
def test_homogeneous_functions_scale(function: str, fmt: str) -> None:
    measured = outcome("shape", function, reference(function), fmt).measured
    assert measured["homogeneous"]["pairs"] > 500
    assert {2.0, 3.0} <= set(measured["homogeneous"]["factors"])


def one_ulp_above_two(x: Any) -> Any:
    """leaky_relu whose slope is an ulp larger from -2 on: within every contract, and no longer homogeneous."""
    right = Exact("leaky_relu")
    return nudged(right, between(-1e30, -2), 1)(x)


HOMOGENEITY: dict[str, tuple[str, Call]] = {
    "another slope in one binade": ("relu", replaced(Exact("relu"), between(2, 3.99), lambda x: 1.5 * x)),
    "an offset": ("maximum0", replaced(Exact("maximum0"), between(1, 1e30), lambda x: x + 0.25)),
    "a square": ("abs", replaced(Exact("abs"), between(-1, 1), lambda x: x * x)),
    "an ulp": ("leaky_relu", one_ulp_above_two),
}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("fault", HOMOGENEITY)
def test_what_does_not_scale_fails(fault: str, fmt: str) -> None:
    function, call = HOMOGENEITY[fault]
    found = outcome("shape", function, [call], fmt).violations
    assert any(v.explanation.startswith("f(c x) = c f(x) does not hold") for v in found)


@pytest.mark.parametrize("fmt", ["float64", *FORMATS])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_elu_is_continuously_differentiable_at_0_for_alpha_1_alone(alpha: float, fmt: str) -> None:
    params = {"alpha": alpha}
    measured = outcome("shape", "elu", reference("elu", params), fmt, params=params).measured
    row = measured["slope_beside_kinks"]["0"]
    assert row["c1"] is (alpha == 1)
    assert (row["left"], row["right"]) == (pytest.approx(alpha, rel=2.0**-7), 1.0)


SLOPES: dict[str, tuple[str, Call]] = {
    "a kink that is missing": ("relu", np.ones_like),
    "elu of another alpha": ("elu", replaced(Exact("elu", 1), between(-1e30, -1e-45), lambda x: 2 * np.exp(x))),
    "left and right exchanged": (
        "leaky_relu",
        replaced(Exact("leaky_relu", 1), everywhere, lambda x: np.where(x > 0, 0.01, 1.0)),
    ),
    "a smooth function with a kink": (
        "softsign",
        replaced(Exact("softsign", 1), between(0, 1e30), lambda x: 0.5 + 0 * x),
    ),
}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("fault", SLOPES)
def test_a_slope_with_other_kinks_fails(fault: str, fmt: str) -> None:
    function, slope = SLOPES[fault]
    calls = [Exact(function), slope]
    found = outcome("shape", function, calls, fmt).violations
    assert len(found) == 1
    assert found[0].explanation.startswith("beside 0, where f has ")


def test_without_a_derivative_the_values_are_judged_all_the_same() -> None:
    cell = verdict("shape", "relu", [Exact("relu")], "float16")
    assert cell.status == "pass"
    assert "slope_beside_kinks" not in cell.measured


def test_results_that_are_no_numbers_are_not_counted_as_checked() -> None:
    right = outcome("shape", "tanh", [Exact("tanh")], "float16").evidence.n
    call = replaced(Exact("tanh"), between(1, 2), lambda x: x * np.nan)
    found = outcome("shape", "tanh", [call], "float16")
    assert found.violations == []
    assert right - found.evidence.n == 1 + (1 << 10)  # the inputs of [1, 2]
    assert found.measured["left_to_accuracy"] == 1 + (1 << 10)
    nothing = replaced(Exact("tanh"), everywhere, lambda x: x * np.nan)
    cell = verdict("shape", "tanh", [nothing], "float16")
    assert (cell.status, cell.measured) == ("undecided", {"undecided_why": "no result is a finite number"})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_line_with_holes_is_not_called_exhaustive(value: float) -> None:
    assert outcome("shape", "tanh", [Exact("tanh")], "float16").evidence.kind == "exhaustive"
    call = replaced(Exact("tanh"), between(1, 2), lambda x: x * value)
    assert outcome("shape", "tanh", [call], "float16").evidence.kind == "sampled"


def test_a_nan_on_one_side_of_a_kink_does_not_hide_the_other_side() -> None:
    slope: Call = lambda x: np.where(x < 0, np.nan, 0.5).astype(x.dtype)  # noqa: E731
    found = outcome("shape", "relu", [Exact("relu"), slope], "float16")
    assert found.measured["slope_beside_kinks"]["0"] == {"left": None, "right": 0.5, "c1": False}
    (wrong,) = found.violations
    assert wrong.explanation.startswith("beside 0, where f has a kink")


DECLARED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "odd": (lambda m, x: m.exp(x), {"odd": True}, "declared odd, but f(1) = 2.718"),
    "even": (lambda m, x: m.tanh(x), {"even": True}, "declared even, but f(1) = 0.7615"),
    "monotone": (lambda m, x: m.sin(x), {"monotone": True}, "declared monotone there, but f("),
    "range": (lambda m, x: 30 * m.tanh(x / 30), {"range": (-20, 20)}, "declared to have values from -20 to 20, but f("),
    "range below": (lambda m, x: m.softplus(x) - 1, {"range": (0, "inf")}, "declared to have values from 0 to inf"),
}


@pytest.mark.parametrize("fmt", ["float64", "float32"])
@pytest.mark.parametrize("what", DECLARED)
def test_a_false_declaration_gets_the_verdict_and_not_the_implementation(what: str, fmt: str) -> None:
    oracle, claims, sentence = DECLARED[what]
    name = f"shape_test_{what.replace(' ', '_')}"
    gp.function(name, oracle=oracle, **claims)
    cell = verdict("shape", name, [lambda x: x.copy()], fmt)
    assert cell.status == "fail"
    assert cell.reason.startswith(sentence), cell.reason
    assert cell.reason.endswith("the declaration is wrong, not the implementation")
    assert cell.certificate is not None
    assert cell.certificate.cause == "fault"


def test_true_declarations_and_none_pass() -> None:
    softcap = {"odd": True, "monotone": True, "range": (-30, 30)}
    gp.function("shape_test_softcap", oracle=lambda m, x: 30 * m.tanh(x / 30), **softcap)
    gp.function("shape_test_silent", oracle=lambda m, x: 30 * m.tanh(x / 30))
    for name in ("shape_test_softcap", "shape_test_silent"):
        assert verdict("shape", name, [Exact(name)], "float32").status == "pass"
    # Identities and order are found for functions that declare nothing.
    found = outcome("shape", "shape_test_silent", [abs], "float32").violations
    assert {v.explanation.split(" does not hold")[0] for v in found} >= {"f(-x) = -f(x)"}


def test_odd_and_even_at_once_is_refused_but_for_zero() -> None:
    with pytest.raises(UsageError, match="declared both odd and even, which only the constant 0 is"):
        gp.function("shape_test_both", oracle=lambda m, x: x * x, odd=True, even=True)
    zero = gp.function("shape_test_zero", oracle=lambda m, x: 0 * x, odd=True, even=True, range=(0, 0))
    assert counterexample(oracle_of(zero), ODD) is counterexample(oracle_of(zero), EVEN) is None


def test_a_declared_turn_where_nothing_turns_is_a_false_declaration() -> None:
    made = Function("shape_test_turn", get_function("silu").pieces, turns=(("-1", "-0.5"),), directions=(-1, 1))
    one = task("shape", "silu", [Exact("silu")], "float32")
    probe = Probe(type(one)(made, *[getattr(one, n) for n in list(vars(one))[1:]]), QUICK)
    from gradproof.engine.properties.installed import properties

    (found,) = properties()["shape"].check(probe, 0).violations
    assert "f' must change its sign" in found.explanation


BY_X = Mirror(-1, slope=Fraction(1))
IDENTITIES = {
    **dict.fromkeys(["relu", "gelu", "gelu_tanh", "hardswish", "logsigmoid", "softplus", "squareplus"], BY_X),
    **dict.fromkeys(["sigmoid", "hardsigmoid"], Mirror(1, constant=Fraction(1))),
    **dict.fromkeys(["tanh", "hardtanh", "softsign", "erf"], ODD),
    **dict.fromkeys(["mish", "elu", "relu6", "softplus_threshold", "exp", "log1p"]),
    "abs": EVEN,
    "erfc": Mirror(1, constant=Fraction(2)),
    "leaky_relu": Mirror(-1, slope=1 + Fraction(0.01)),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_found_by_the_oracle_are_those_of_the_function(name: str) -> None:
    known = IDENTITIES[name]
    assert mirrors(oracle_of(get_function(name))) == (() if known is None else (known,))


def test_identities_by_mpmath_at_other_points() -> None:
    with mpmath.workprec(200):
        for x in map(mpmath.mpf, ("0.3", "2.71", "7.5")):
            gelu = [t * mpmath.ncdf(t) for t in (x, -x)]
            mish = [t * mpmath.tanh(mpmath.log1p(mpmath.exp(t))) for t in (x, -x)]
            assert abs(gelu[0] - gelu[1] - x) < mpmath.mpf(2) ** -190
            assert abs(mish[0] - mish[1] - x) > 0.001


def test_every_declared_symmetry_of_the_catalogue_is_found() -> None:
    for f in CATALOGUE:
        if f.rounds_to is None:
            found = mirrors(oracle_of(f))
            assert (ODD in found) == f.odd, f.label
            assert (EVEN in found) == f.even, f.label
    assert {f.name for f in CATALOGUE if f.rounds_to is None and is_homogeneous(oracle_of(f))} == {
        "relu", "leaky_relu", "prelu", "abs", "maximum0",
    }  # fmt: skip


@pytest.mark.parametrize("kink", [1e3, 1e20, 1e200])
def test_a_function_with_a_kink_elsewhere_is_not_homogeneous_nor_odd_nor_even(kink: float) -> None:
    # max(x - k, 0) is 0 at every small test point, and so are c f(x), f(-x) and -f(x).
    made = gp.function("shape_test_far", oracle=gp.piecewise(lambda m, x: 0 * x, kink, lambda m, x: x - kink))
    assert not is_homogeneous(oracle_of(made))
    assert mirrors(oracle_of(made)) == ()


def test_a_hinge_beyond_the_usual_range_passes() -> None:
    gp.function("shape_test_hinge", oracle=gp.piecewise(lambda m, x: 0 * x, 1e20, lambda m, x: x - 1e20))
    assert verdict("shape", "shape_test_hinge", [Exact("shape_test_hinge")], "bfloat16").status == "pass"


@pytest.mark.parametrize("claim", ["shape", "special-values"])
@pytest.mark.parametrize(
    ("scale", "limits", "sentence"),
    [
        (1, ((0, 0, 0), (1, 0, 0)), "declared to tend to 0 at -inf, but f("),
        (5, ((-5, 0, 0), (1, 0, 0)), "declared to tend to 1 at +inf, but f("),
    ],
)
def test_a_false_limit_gets_the_verdict_and_not_the_implementation(
    claim: str, scale: int, limits: Any, sentence: str
) -> None:
    gp.function("shape_test_limits", oracle=lambda m, x: scale * m.tanh(x), limits=limits)
    cell = verdict(claim, "shape_test_limits", [lambda x: (scale * np.tanh(x)).astype(x.dtype)], "float32")
    assert cell.status == "fail"
    assert cell.reason.startswith(sentence)
    assert cell.certificate is not None
    assert cell.certificate.cause == "fault"


def test_no_limit_of_the_catalogue_is_called_false() -> None:
    for function in CATALOGUE:
        assert false_limit(oracle_of(function)) is None, function.name
    # Too slow to be settled at 2^1000: what is declared of it is not judged.
    slow = gp.function("shape_test_slow", oracle=lambda m, x: 1 / m.log1p(m.exp(0 * x) + x * x), limits=((0,), (0,)))
    assert false_limit(oracle_of(slow)) is None


def test_a_derivative_that_raises_leaves_the_values_judged() -> None:
    def broken(x: Any) -> Any:
        raise ValueError("no derivative today")

    cell = verdict("shape", "relu", [Exact("relu"), broken], "float16")
    assert cell.status == "pass", cell.reason
    assert "no derivative today" in cell.measured["slope_beside_kinks"]
