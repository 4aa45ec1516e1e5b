"""vanishing: the supremum of |f'|, products of slopes and weights, dead units; right functions and seeded faults."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import gradproof as gp
from gradproof.backends.base import Implementation
from gradproof.engine.subject.oracles import oracle_of
from gradproof.engine.subject.probe import Probe
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.functions import Function, get_function
from gradproof.functions.registry import forget
from gradproof.oracle import Oracle
from gradproof.results.model import Cell
from gradproof_properties.chains import dead_units, steepness
from gradproof_properties.chains.exact_chain import digits, run
from gradproof_properties.chains.steepness import supremum_of_slope
from gradproof_properties.chains.vanishing import weight_products
from tests.properties.stubs import Offer
from tests.properties.subjects import (
    QUICK,
    Call,
    Exact,
    between,
    exact,
    nudged,
    outcome,
    reference,
    replaced,
    task,
    verdict,
)

FORMATS = ("float64", "float32", "float16", "bfloat16")


def judged(function: str, calls: Sequence[Call], fmt: str = "float16", **more: Any) -> Cell:
    return verdict("vanishing", function, list(calls), fmt, 1, **more)


def explained(cell: Cell) -> str:
    assert cell.certificate is not None
    return cell.certificate.explanation


# -- right implementations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "hardtanh", "silu", "exp", "abs"])
def test_right_implementations_pass(function: str, fmt: str) -> None:
    cells = [judged(function, calls, fmt) for calls in (exact(function, 2), reference(function))]
    assert [(cell.status, cell.reason) for cell in cells] == [("pass", "")] * 2


def test_either_choice_at_a_kink_passes() -> None:
    assert judged("relu", exact("relu", 2, side="right")).status == "pass"


def test_without_a_derivative_there_is_no_verdict() -> None:
    assert judged("relu", [Exact("relu")]).status == "unsupported"


# -- the supremum ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "params", "most"),
    [
        ("sigmoid", {}, Fraction(1, 4)),  # s (1 - s) <= 1/4, at s = 1/2
        ("tanh", {}, Fraction(1)),  # 1 - tanh^2
        ("relu", {}, Fraction(1)),
        ("leaky_relu", {"negative_slope": 0.25}, Fraction(1)),
        ("leaky_relu", {"negative_slope": 1.5}, Fraction(3, 2)),
        ("hardsigmoid", {}, Fraction(1, 6)),
        ("hardswish", {}, Fraction(3, 2)),
        ("elu", {"alpha": 2.0}, Fraction(2)),
        ("softsign", {}, Fraction(1)),
        ("softplus", {}, Fraction(1)),
        ("squareplus", {}, Fraction(1)),  # (1 + x / sqrt(x^2 + b)) / 2, which no x attains
        ("clamp", {"min": 1.0, "max": 1.0}, Fraction(0)),
    ],
)
def test_suprema_that_are_known_in_closed_form(function: str, params: dict[str, float], most: Fraction) -> None:
    found = supremum_of_slope(oracle_of(get_function(function, params)))
    assert most <= Fraction(found) <= most * (1 + Fraction(1, 2**38))


def algebraic(a: int) -> Function:
    """x / sqrt(1 + a x^2), whose slope (1 + a x^2)^(-3/2) is 1 at 0 and falls as a power of x."""
    ends = 1 / math.sqrt(a)
    return Function(
        "algebraic", (lambda m, x, a: x / m.sqrt(1 + a * x * x),), {"a": a}, limits=((-ends, 0, 0), (ends, 0, 0))
    )


@pytest.mark.parametrize("a", [1, 4])
def test_where_the_slope_falls_as_a_power_of_x_no_bound_is_narrowed_below_the_peak(
    a: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    enclosed = Oracle._magnitude_over
    monkeypatch.setattr(Oracle, "_magnitude_over", lambda *given: asked.append(given) or enclosed(*given))
    assert 1 <= supremum_of_slope(Oracle(algebraic(a))) <= 1 + 2.0**-38
    assert len(asked) < 10_000  # 1,024 binades are open; to narrow the bound of one takes up to 1,200 enclosures


def test_bounds_that_are_left_early_give_the_supremum_of_those_that_are_narrowed_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = steepness._cells

    def few(function: Function) -> Any:
        low, high = cells(function)  # a x^2 overflows from 2^512 on: one binade that the float64 balls leave open
        kept = (np.abs(low) <= 2.0**512) & (np.abs(high) <= 2.0**512)
        return low[kept], high[kept]

    monkeypatch.setattr(steepness, "_cells", few)
    early = supremum_of_slope(Oracle(algebraic(4)))
    whole = Oracle.supremum
    monkeypatch.setattr(Oracle, "supremum", lambda *given, enough: whole(*given, enough=0.0))
    assert supremum_of_slope(Oracle(algebraic(4))) == early


@pytest.mark.parametrize("function", ["gelu", "silu", "mish", "erf"])
def test_the_peak_of_a_slope_agrees_with_mpmath(function: str) -> None:
    mp = mpmath.mp.clone()
    mp.prec = 120
    formulas = {
        "gelu": lambda x: x * mp.ncdf(x),
        "silu": lambda x: x / (1 + mp.exp(-x)),
        "mish": lambda x: x * mp.tanh(mp.log(1 + mp.exp(x))),
        "erf": mp.erf,
    }
    f = formulas[function]
    first = 0 if function == "erf" else mp.findroot(lambda x: mp.diff(f, x, 2), (1.3, 1.6), solver="secant")
    peak = mp.diff(f, first)
    assert 0 <= supremum_of_slope(oracle_of(get_function(function))) / float(peak) - 1 < 1e-11


@pytest.mark.parametrize("function", ["exp", "expm1", "log1p"])
def test_an_unbounded_slope_has_no_supremum(function: str) -> None:
    assert supremum_of_slope(oracle_of(get_function(function))) == math.inf
    assert outcome("vanishing", function, exact(function, 2), "float16", 1).measured["sup"] == "none"


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_sigmoid_attains_a_quarter_at_0_and_nothing_more(fmt: str) -> None:
    measured = outcome("vanishing", "sigmoid", exact("sigmoid", 2), fmt, 1).measured
    assert measured["largest"] == 0.25
    assert abs(float(measured["at"])) < 2.0 ** (-get_format(fmt).precision / 2 + 3)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(
    ("function", "where", "slope"),
    [
        ("sigmoid", between(20, 24), lambda x: 0.3 + 0 * x),
        ("tanh", between(-24, -20), lambda x: -1.2 + 0 * x),
        ("relu", between(40, 4e4), lambda x: np.inf + 0 * x),
    ],
)
def test_a_slope_above_its_supremum_fails(function: str, where: Any, slope: Any, fmt: str) -> None:
    cell = judged(function, [Exact(function), replaced(Exact(function, 1), where, slope)], fmt)
    assert cell.status == "fail"
    assert "above its supremum" in explained(cell)


def test_a_slope_within_the_contract_above_its_supremum_is_none() -> None:
    def judged_with(ulps: int) -> str:
        slope = nudged(Exact("sigmoid", 1), between(-0.01, 0.01), ulps)
        return judged("sigmoid", [Exact("sigmoid"), slope], "float16").status

    assert (judged_with(2), judged_with(64)) == ("pass", "fail")


# -- products -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["sigmoid", "tanh", "gelu", "relu", "selu"])
def test_exact_products_stay_below_weights_times_supremum(function: str) -> None:
    probe = Probe(task("vanishing", function, exact(function, 2), "float32", 1), QUICK)
    weights = [0.75, -1.0, 0.5, 1.25, -0.625, 2.0]
    chain = run(probe, weights, fa.round_values(np.linspace(-2, 2, 24), probe.format))
    grown = np.cumsum([math.log2(abs(w)) for w in weights]) + np.arange(1, 7) * math.log2(
        supremum_of_slope(probe.oracle)
    )
    assert (chain.passes.due.log2 <= grown[:, None] + 1e-9).all()
    if function == "sigmoid":
        assert (chain.passes.due.log2[-1] <= -12).all()


def test_a_product_of_weights_is_rounded_at_every_layer_from_the_output_inwards() -> None:
    fmt = get_format("bfloat16")
    weights = [0.625, 0.875, 0.75, -0.875]
    import ml_dtypes

    one = ml_dtypes.bfloat16(1)
    for n, bits in enumerate(weight_products(weights, fmt), 1):
        product = one
        for w in reversed(weights[:n]):
            product = product * ml_dtypes.bfloat16(w)
        assert float(fmt.value(bits)) == float(product)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["relu", "maximum0", "hardtanh", "softshrink"])
def test_a_slope_of_almost_1_fails(function: str, fmt: str) -> None:
    # One ulp below 1 is within every contract, and is not what ReLU's slope is.
    slope = Exact(function, 1)

    def almost(x: Any) -> Any:
        y = slope(x)
        return np.where(y == 1, np.nextafter(y, y * 0) if fmt != "bfloat16" else y * y.dtype.type(0.99609375), y)

    cell = judged(function, [Exact(function), almost], fmt)
    assert cell.status == "fail"
    assert "the weights' product is" in explained(cell)


@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
def test_a_chain_that_forgets_its_last_weight_fails(fmt: str, offer: Offer) -> None:
    def forgetful(
        self: Any, implementation: Implementation, weights: Sequence[float], bits: Bits, form: Format
    ) -> tuple[list[Bits], list[Bits]]:
        inputs, products = self.numpy.chain(implementation, weights, bits, form)
        return inputs, [products[0], *products[:-1]]

    backend = offer("one-layer-short", chain=forgetful)
    for function in ("tanh", "relu"):
        assert judged(function, exact(function, 2), fmt, backend=backend).status == "fail"


def test_a_backend_without_programs_is_judged_on_the_rest(offer: Offer) -> None:
    backend = offer("no-programs")
    assert judged("relu", exact("relu", 2), backend=backend).status == "pass"
    measured = outcome("vanishing", "relu", exact("relu", 2), "float16", 1, backend=backend).measured
    assert "offers no space" in measured["units"]
    assert "dead_units" not in measured


@pytest.mark.parametrize("fmt", FORMATS)
def test_relus_product_is_that_of_the_weights_and_the_largest_there_is(fmt: str) -> None:
    measured = outcome("vanishing", "relu", exact("relu", 2), fmt, 1).measured
    assert measured["log2_largest_product"] == measured["log2_weights"] == pytest.approx(measured["log2_bound"])
    sigmoid = outcome("vanishing", "sigmoid", exact("sigmoid", 2), fmt, 1).measured
    assert sigmoid["log2_largest_product"] <= sigmoid["log2_weights"] - 2 * sigmoid["layers"] + 1e-9


# -- units ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(
    ("function", "dies"),
    [
        *((name, True) for name in ("relu", "hardtanh", "relu6", "hardswish")),
        *((name, False) for name in ("leaky_relu", "prelu", "elu", "gelu", "tanh")),
    ],
)
def test_only_units_whose_slope_is_exactly_0_die(function: str, dies: bool, fmt: str) -> None:
    measured = outcome("vanishing", function, reference(function), fmt, 1).measured
    assert (measured["dead_units"] > 20) is dies
    assert (measured["dead_units"] > 0) is dies
    assert measured["living_units"] > 20
    assert measured["moved"] + measured["held_by_rounding"] == measured["living_units"]


def test_exact_gradients_of_units_agree_with_fractions() -> None:
    params = {"negative_slope": 0.25}
    probe = Probe(task("vanishing", "leaky_relu", reference("leaky_relu", params), "float32", 1, params), QUICK)
    w, b = dead_units.initial(probe, np.random.default_rng(5))
    units = dead_units.descend(probe, w, b)
    due = dead_units.due(probe, units.z)
    for i in np.flatnonzero(due.alive)[:50]:
        by_w = by_b = Fraction(0)
        for x, z in zip((Fraction(1, 2), Fraction(1), Fraction(3, 2)), units.z, strict=True):
            value = probe.format.value(int(z[i]))
            slope = Fraction(1) if value > 0 else Fraction(1, 4)
            term = 2 * (slope * value + 8) * slope
            by_w, by_b = by_w + term * x, by_b + term
        assert abs(due.gradients[0][i] - by_w) <= abs(by_w) * Fraction(1, 2**49)
        assert abs(due.gradients[1][i] - by_b) <= abs(by_b) * Fraction(1, 2**49)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_dead_unit_with_the_faintest_gradient_fails(fmt: str) -> None:
    # A slope of the least number left of -4 is within every contract: no product feels it, and the unit is not dead.
    form = get_format(fmt)
    least = float(form.min_normal)
    cell = judged("relu", [Exact("relu"), replaced(Exact("relu", 1), lambda x: x < -4, lambda x: least + 0 * x)], fmt)
    assert cell.status == "fail"
    assert "a dead unit has dE/d" in explained(cell)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["leaky_relu", "elu", "gelu"])
def test_a_living_unit_without_a_gradient_fails(function: str, fmt: str) -> None:
    dead = replaced(Exact(function, 1), between(-2, -1.25), lambda x: 0 * x)
    cell = judged(function, [Exact(function), dead], fmt)
    assert cell.status == "fail"


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("low", "high"), [(-1e30, -2.25), (-1e30, -5), (3, 1e30)])
def test_a_unit_far_out_that_dies_fails(low: float, high: float, fmt: str) -> None:
    dead = replaced(Exact("leaky_relu", 1), between(low, high), lambda x: 0 * x)
    found = outcome("vanishing", "leaky_relu", [Exact("leaky_relu"), dead], fmt, 1).violations
    assert any("of a unit is 0, the exact gradient is" in v.explanation for v in found)
    assert judged("leaky_relu", [Exact("leaky_relu"), dead], fmt).severity == "lost-signal"


def test_every_unit_is_dead_alive_or_said_not_to_be_judged() -> None:
    for function in ("leaky_relu", "relu"):
        measured = outcome("vanishing", function, exact(function, 2), "float32", 1).measured
        assert measured["units_not_judged"] == 0
        assert measured["dead_units"] + measured["living_units"] == dead_units.UNITS
    # At z = 9 the slope of tanh is 6e-8, less than the bound of the other terms of its batch.
    assert outcome("vanishing", "tanh", exact("tanh", 2), "float16", 1).measured["units_not_judged"] > 0


def test_gradients_that_overflow_far_out_are_right() -> None:
    # (f + 8) f' is 2e7 at z = 8.
    assert judged("exp", exact("exp", 2), "float16").status == "pass"


def test_slopes_that_are_no_numbers_are_not_counted_as_judged() -> None:
    right = outcome("vanishing", "tanh", exact("tanh", 2), "float16", 1)
    holes = replaced(Exact("tanh", 1), between(3, 4), lambda x: x * np.nan)
    found = outcome("vanishing", "tanh", [Exact("tanh"), holes], "float16", 1)
    lost = 1 + (1 << 9)  # the inputs of [3, 4]
    assert found.measured["left_to_accuracy"] == lost
    assert "left_to_accuracy" not in right.measured
    assert found.evidence.kind == right.evidence.kind == "sampled"
    assert right.evidence.n - found.evidence.n >= lost


def test_weights_that_drift_without_a_gradient_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = exact("relu", 2)
    descend = dead_units.descend

    def drifting(probe: Probe, w: Bits, b: Bits) -> dead_units.Units:
        units = descend(probe, w, b)
        units.weights[-1] = units.weights[-1][0] + 1, units.weights[-1][1]
        return units

    monkeypatch.setattr(dead_units, "descend", drifting)
    found = outcome("vanishing", "relu", calls, "float32", 1).violations
    assert [v.explanation for v in found] == ["w of a dead unit changes its bits within 3 steps of gradient descent"]


def test_a_step_that_moves_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    descend = dead_units.descend

    def frozen(probe: Probe, w: Bits, b: Bits) -> dead_units.Units:
        units = descend(probe, w, b)
        units.weights = [units.weights[0]] * 3
        return units

    monkeypatch.setattr(dead_units, "descend", frozen)
    found = outcome("vanishing", "elu", exact("elu", 2), "float32", 1).violations
    assert len(found) == 1
    assert "ulps leaves w as it was" in found[0].explanation


def test_a_step_below_half_an_ulp_moves_nothing_and_is_said_so() -> None:
    # At -1.9, tanh' is still 0.09; divided by 2^12 the step is a hundredth of an ulp of w in bfloat16.
    faint = {"negative_slope": 2.0**-12}
    measured = outcome("vanishing", "leaky_relu", reference("leaky_relu", faint), "bfloat16", 1, params=faint).measured
    assert measured["held_by_rounding"] > 10
    assert measured["moved"] > 10


def test_ad_is_what_is_asked_where_there_is_one() -> None:
    torch = pytest.importorskip("torch")

    class Resurrecting(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """relu whose backward pass lets a thousandth through."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.clamp_min(0)

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            (x,) = ctx.saved_tensors
            return cotangent * torch.where(x < -4, torch.full_like(x, 1e-30), (x > 0).to(x.dtype))

    assert judged("relu", [torch.relu], "float32", backend="torch:cpu").status == "pass"
    cell = judged("relu", [Resurrecting.apply], "float32", backend="torch:cpu")
    assert cell.status == "fail"
    assert "a dead unit has dE/d" in explained(cell)


def _steep_tanh(scale: float) -> str:
    name = "vanishing_test_steep"
    gp.function(name, oracle=lambda m, x: m.real(scale) * m.tanh(x), limits=((-scale, 0, 0), (scale, 0, 0)), odd=True)
    return name


@pytest.mark.parametrize(("scale", "fmt"), [(1e10, "float16"), (1e300, "bfloat16")])
@pytest.mark.parametrize("claim", ["vanishing", "underflow-noise", "second-order"])
def test_what_overflows_in_the_format_is_not_held_against_it(claim: str, scale: float, fmt: str) -> None:
    name = _steep_tanh(scale)
    try:
        order = 2 if claim == "second-order" else 1
        cell = verdict(claim, name, exact(name), fmt, order)
        assert cell.status in ("pass", "undecided"), cell.reason
    finally:
        forget({name})


def test_an_infinite_slope_fails_where_the_format_holds_the_slope() -> None:
    name = _steep_tanh(1e10)
    try:  # 1e10 sech^2(12) is 1.5
        steep = [Exact(name), replaced(Exact(name, 1), between(12, 12.5), lambda x: np.inf + 0 * x)]
        cell = judged(name, steep)
        assert cell.status == "fail"
        assert "above its supremum" in cell.reason
    finally:
        forget({name})


def test_a_supremum_that_is_not_certified_is_not_called_none() -> None:
    # tanh(e^x) is out of reach of intervals once e^x is.
    name = "vanishing_test_telu"
    gp.function(name, oracle=lambda m, x: x * m.tanh(m.exp(x)), limits=((0, 0, 0), (math.inf, 1, 0)))
    try:
        begun = time.process_time()
        assert supremum_of_slope(oracle_of(get_function(name, {}))) == math.inf
        assert time.process_time() - begun < 5  # a minute and a half when every binade is tried
        assert judged(name, exact(name, 2), "bfloat16").measured["sup"] == "not certified"
        assert judged("exp", exact("exp", 2), "bfloat16").measured["sup"] == "none"
    finally:
        forget({name})


def test_messages_show_the_difference() -> None:
    for got, due, wanted in ((0.1, 0.10000001, 17), (0.1, 0.2, 6)):
        assert digits(got, due) == wanted
