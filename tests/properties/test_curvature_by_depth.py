"""curvature-by-depth: the oracle by two routes, faults of f and of the backend that it must see, and right ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest

import gradproof as gp
from gradproof.backends.numpy.space import NumpySpace
from gradproof.engine.properties.installed import properties
from gradproof.engine.subject.oracles import oracle_of
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.functions import get_function
from gradproof.functions.registry import forget
from gradproof_properties.networks.sawtooth import Hinge, hinge, lattice, rounds_nothing
from tests.properties.stubs import Offer
from tests.properties.subjects import (
    Call,
    Exact,
    between,
    everywhere,
    exact,
    nudged,
    outcome,
    reference,
    replaced,
    verdict,
)

CLAIM = "curvature-by-depth"
FORMATS = ("float64", "float32", "float16", "bfloat16")
HINGES = {
    "relu": {}, "leaky_relu": {}, "prelu": {}, "relu6": {}, "maximum0": {}, "abs": {}, "hardtanh": {}, "clamp": {},
    "hardsigmoid": {}, "softshrink": {},
}  # fmt: skip
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("leaky_relu", {"negative_slope": -0.5}),
    ("leaky_relu", {"negative_slope": 0.0}),
    ("prelu", {"weight": 2.0}),
    ("clamp", {"min": -0.01, "max": 0.02}),
    ("softshrink", {"lambd": 0.3}),
]


def made(function: str, **params: Any) -> Hinge:
    found = hinge(oracle_of(get_function(function, params)))
    assert found is not None
    return found


# -- the oracle --------------------------------------------------------------------------------------------


def relu(x: Fraction) -> Fraction:
    return max(x, Fraction(0))


def by_recursion(m: int, x: Fraction) -> Fraction:
    """Yarotsky's network, unit by unit."""
    tent, total = x, x
    for s in range(1, m + 1):
        tent = 2 * relu(tent) - 4 * relu(tent - Fraction(1, 2)) + 2 * relu(tent - 1)
        total -= tent / 4**s
    return total


def by_interpolation(m: int, x: Fraction) -> Fraction:
    """The line through the squares of the neighbouring multiples of 2^-m."""
    k = int(x * 2**m) - (x == 1)
    low, high = Fraction(k, 2**m), Fraction(k + 1, 2**m)
    return low**2 + (x - low) * (high**2 - low**2) / (high - low)


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_the_networks_interpolate_the_square_with_the_error_and_the_pieces_of_the_theorem(m: int) -> None:
    step = Fraction(1, 2 ** (m + 2))
    points = [k * step for k in range(2 ** (m + 2) + 1)]
    values = [by_recursion(m, x) for x in points]
    assert values == [by_interpolation(m, x) for x in points]
    assert max(v - x * x for v, x in zip(values, points, strict=True)) == Fraction(1, 2 ** (2 * m + 2))
    slopes = [b - a for a, b in pairwise(values)]
    assert len(dict.fromkeys(slopes)) == 2**m


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_integers_of_the_lattice_are_the_exact_networks(fmt: str) -> None:
    points = lattice(get_format(fmt), 2048, 1)
    assert points is not None
    for i in range(0, points.k.size, 17):
        x = Fraction(int(points.k[i]), 2**points.n)
        held = True
        for m in range(1, points.depth + 1):
            value = Fraction(int(points.networks[m][i]), 4**points.n)
            assert value == by_interpolation(m, x)
            held &= get_format(fmt).holds(value)
            assert points.exact[m][i] == held


@pytest.mark.parametrize("fmt", FORMATS)
def test_middles_of_pieces_are_held_up_to_half_the_precision(fmt: str) -> None:
    # f_m at k 2^-(m+1) is a multiple of 2^-(2m+1) below 1: p bits hold it for 2m + 1 <= p.
    points = lattice(get_format(fmt), 2048, 1)
    assert points is not None
    held = [bool(points.exact[m][points.at_depth(m)].all()) for m in range(points.depth + 1)]
    due = (get_format(fmt).precision - 1) // 2
    assert held == [m <= due for m in range(points.depth + 1)]


@pytest.mark.parametrize("function", HINGES)
def test_one_layer_of_any_hinge_is_the_tent_map(function: str) -> None:
    kink = made(function)
    for k in range(33):
        x = Fraction(k, 32)
        units = [kink(kink.scale * x + b) for b in kink.biases]
        layer = sum(w * y for w, y in zip(kink.weights(kink.jump), units, strict=True))
        assert layer == 2 * min(x, 1 - x)
        assert all(abs(kink.scale * x + b - kink.at) <= kink.scale for b in kink.biases)


@pytest.mark.parametrize("function", HINGES)
def test_a_hinge_is_the_function_around_its_kink(function: str) -> None:
    kink, fmt = made(function), get_format("float64")
    for k in range(-4, 5):
        w = kink.at + kink.scale * Fraction(k, 4)
        due = oracle_of(get_function(function)).certified(fmt.round(w), fmt, 0)
        assert fmt.round(kink(w)) == due.bits or kink(w) == 0 == fmt.value(due.bits)


@pytest.mark.parametrize(
    "function", ["elu", "gelu", "hardswish", "hardshrink", "threshold", "tanh", "softplus_threshold", "exp"]
)
def test_smooth_pieces_and_jumps_make_no_hinge(function: str) -> None:
    assert not properties()[CLAIM].applies(get_function(function), 0)


def layer_is_exact(kink: Hinge, fmt: Format, n: int) -> bool:
    """Every operand, product and partial sum of a layer, in every order, tried one by one."""
    weights = kink.weights(kink.jump)
    if not all(map(fmt.holds, [*kink.biases, *weights])):
        return False
    for k in range(2**n + 1):
        inputs = [kink.scale * Fraction(k, 2**n) + b for b in kink.biases]
        products = [w * kink(v) for w, v in zip(weights, inputs, strict=True)]
        sums = [sum(some, Fraction(0)) for r in (1, 2, 3) for some in combinations(products, r)]
        if not all(map(fmt.holds, [*inputs, *map(kink, inputs), *sums])):
            return False
    return True


@pytest.mark.parametrize("fmt", ["float16", "bfloat16"])
@pytest.mark.parametrize(("function", "params"), [*((f, {}) for f in HINGES), *VARIANTS])
def test_what_is_said_to_round_nothing_rounds_nothing(function: str, params: dict[str, Any], fmt: str) -> None:
    kink, form = made(function, **params), get_format(fmt)
    n = form.precision - 2
    said = rounds_nothing(kink, form, n)
    assert said <= layer_is_exact(kink, form, n)
    if not params:
        assert said == (function not in {"leaky_relu", "prelu", "hardsigmoid"})


# -- faults ------------------------------------------------------------------------------------------------


def shorter(call: Call, lost: int) -> Call:
    """``call`` with the last bits of its results cut off."""

    def cut(x: Any) -> Any:
        y = call(x)
        storage = fa.storage(get_format(x.dtype.name))
        return (y.view(storage) >> lost << lost).astype(storage).view(x.dtype)

    return cut


def positive(x: Any) -> Any:
    return x > 0


def rounded_off(x: Any) -> Any:
    return (x + np.hypot(x, 0.1)) / 2


RELU = Exact("relu")
FAULTS: dict[str, tuple[str, Call]] = {
    "a slope of 1 + 2^-7": ("relu", replaced(RELU, positive, lambda x: x * (1 + 2.0**-7))),
    "the kink at 1/32": ("relu", replaced(RELU, positive, lambda x: np.maximum(x - 1 / 32, 0))),
    "dead next to 0": ("relu", replaced(RELU, between(0, 1 / 16), lambda x: 0 * x)),
    "alive left of 0": ("relu", replaced(RELU, between(-1 / 16, 0), lambda x: x)),
    "an offset on one side": ("relu", replaced(RELU, positive, lambda x: x + 1 / 32)),
    "no kink": ("relu", replaced(RELU, everywhere, lambda x: x)),
    "a kink that is rounded off": ("relu", replaced(RELU, everywhere, rounded_off)),
    "NaN at 1/2": ("relu", replaced(RELU, between(0.5, 0.5), lambda x: x * np.nan)),
    "fewer bits": ("relu", shorter(RELU, 4)),
    "|x| instead of x on the right": ("hardtanh", replaced(Exact("hardtanh"), between(-0.5, 0), abs)),
    "another function": ("abs", RELU),
}  # fmt: skip


@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_unit_makes_a_wrong_network(fault: str, fmt: str) -> None:
    function, call = FAULTS[fault]
    cell = verdict(CLAIM, function, [call], fmt)
    assert cell.status == "fail"
    assert (cell.severity == "wrong-class") == ("NaN" in fault)
    assert cell.certificate is not None


@pytest.mark.parametrize("fmt", ["float32", "float16", "bfloat16"])
def test_one_ulp_is_seen_where_the_network_is_due_bit_for_bit(fmt: str) -> None:
    cell = verdict(CLAIM, "relu", [nudged(RELU, between(0.25, 0.5), 1)], fmt)
    assert (cell.status, cell.severity) == ("fail", "small-error")


@pytest.mark.parametrize("slope", [0.0, 0.02, -0.01])
def test_a_leak_of_another_size_is_seen(slope: float) -> None:
    call = replaced(Exact("leaky_relu"), lambda x: x < 0, lambda x: slope * x)
    assert verdict(CLAIM, "leaky_relu", [call], "float32").status == "fail"
    assert verdict(CLAIM, "leaky_relu", [call], "float64").status == "fail"


class CoarseProducts(NumpySpace):
    """Factors rounded to 8 bits, as matrix units do that are allowed to."""

    def matmul(self, a: Any, b: Any) -> Any:
        wide = np.array(a, np.float32).view(np.uint32)
        return np.matmul(((wide + 0x8000) >> 16 << 16).astype(np.uint32).view(np.float32), b)


def test_a_backend_whose_products_are_coarse_fails(offer: Offer) -> None:
    @contextmanager
    def space(self: Any, fmt: Format, threads: int | None = 1) -> Iterator[Any]:
        yield CoarseProducts(self.numpy, fmt, np.dtype(fmt.name))

    coarse = offer("coarse", space=space)
    cell = verdict(CLAIM, "relu", exact("relu", 1), "float32", backend=coarse)
    assert (cell.status, cell.severity) == ("fail", "large-error")


# -- right ones --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("function", ["relu", "prelu", "softshrink", "hardsigmoid"])
def test_correctly_rounded_functions_pass(function: str, fmt: str) -> None:
    if fmt != "float64" or function == "relu":
        assert verdict(CLAIM, function, exact(function, 1), fmt).status == "pass"


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("function", "params"), [*((f, {}) for f in HINGES), *VARIANTS])
def test_reference_implementations_pass(function: str, params: dict[str, Any], fmt: str) -> None:
    cell = verdict(CLAIM, function, reference(function, params), fmt, params=params)
    assert cell.status == "pass", cell.reason


# -- what is measured --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fmt", "through"), [("float64", 26), ("float32", 11), ("float16", 5), ("bfloat16", 3)])
def test_the_depth_at_which_rounding_takes_over_is_measured(fmt: str, through: int) -> None:
    measured = outcome(CLAIM, "relu", reference("relu"), fmt).measured
    assert measured["exact_through_depth"] == measured["exact_through_depth_due"] == through
    assert measured["rounding_takes_over_at"] == measured["rounding_takes_over_due"]
    assert abs(measured["rounding_takes_over_at"] - get_format(fmt).precision / 2) <= 1
    assert measured["pieces_by_depth"] == [2**m for m in range(1, len(measured["pieces_by_depth"]) + 1)]
    assert all(measured["pieces_judged"])
    assert measured["error_by_depth"][:2] == [1 / 16, 1 / 64]


@pytest.mark.parametrize("slope", [0.01, 0.25, -0.5])
def test_the_gap_of_leaky_units_with_relus_weights_is_what_exact_arithmetic_says(slope: float) -> None:
    params = {"negative_slope": slope}
    measured = outcome(CLAIM, "leaky_relu", reference("leaky_relu", params), "float32", params=params).measured
    points = lattice(get_format("float32"), 2048, 1)
    assert points is not None
    leak, x = Fraction(slope), [Fraction(int(k), 2**points.n) for k in points.k]

    def leaky(v: Fraction) -> Fraction:
        return v if v > 0 else leak * v

    tents, totals = list(x), list(x)
    for s in range(1, 5):
        tents = [2 * leaky(v) - 4 * leaky(v - Fraction(1, 2)) + 2 * leaky(v - 1) for v in tents]
        totals = [t - v / 4**s for t, v in zip(totals, tents, strict=True)]
        error = float(max(abs(t - v * v) for t, v in zip(totals, x, strict=True)))
        for row in ("error_by_depth", "exact_error_by_depth"):
            assert measured["with_relus_weights"][row][s - 1] == pytest.approx(error, abs=1e-6)
    # Weights divided by the jump of f' close the gap, at the same depth and width.
    assert measured["error_by_depth"][5] == pytest.approx(4.0**-7, rel=1e-2)
    assert measured["with_relus_weights"]["error_by_depth"][5] > 5 * 4.0**-7


def test_the_seed_reaches_the_inputs_of_wide_formats() -> None:
    one, same, other = (lattice(get_format("float32"), 2048, seed) for seed in (1, 1, 2))
    assert one is not None
    assert same is not None
    assert other is not None
    assert (one.k == same.k).all()
    assert (one.k != other.k).any()
    assert (one.k[: 1 << one.pieces + 1] == other.k[: 1 << one.pieces + 1]).all()  # the even grid


def test_relu_itself_has_no_gap_to_measure() -> None:
    assert "with_relus_weights" not in outcome(CLAIM, "relu", reference("relu"), "float16").measured


def test_a_kink_beyond_the_format_is_not_judged() -> None:
    name = "curvature_test_far_kink"
    gp.function(name, oracle=gp.piecewise(lambda m, x: 0 * x, 1e18, lambda m, x: x - 1e18))
    try:
        cell = verdict("curvature-by-depth", name, [lambda x: np.maximum(x, 0)], "float16")
        assert (cell.status, cell.reason) == ("unsupported", "the kink at 1e+18 lies beyond float16")
    finally:
        forget({name})
