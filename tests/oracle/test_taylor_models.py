"""Taylor models against arb's point values and against the references that a run uses."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from gradproof.formats import BFLOAT16, FLOAT32, Format
from gradproof.formats import arrays as fa
from gradproof.formats.format import floor_log2
from gradproof.functions import Function, function, get_function
from gradproof.functions.registry import forget
from gradproof.oracle import Oracle, arb_route
from gradproof.oracle.reference import FINITE, NAN, UNDEFINED
from gradproof.oracle.taylor_models import (
    BEYOND,
    BOUND,
    MODEL,
    NOWHERE,
    OPEN,
    SPAN,
    TERMS,
    VARIES,
    TaylorModels,
    taylor_models,
)
from tests.oracle.samples import VARIANTS

SOME = [
    get_function(n) for n in ("silu", "tanh", "gelu", "elu", "exp", "log1p", "erfc", "hardswish", "squareplus", "relu")
]


def models_of(f: Function, order: int, *, negative: bool, fmt: Format = FLOAT32) -> TaylorModels:
    return taylor_models(f, fmt, order, negative=negative, first=1, last=fmt.max_bits)


def some_models(f: Function, order: int) -> Iterator[tuple[bool, TaylorModels]]:
    """Of the smallest inputs, of three binades where functions bend, and of one far out; with the sign."""
    rng = np.random.default_rng([order, len(f.label)])
    near = rng.choice(np.arange(-12, 8), 3, replace=False)
    for exponent in (-127, *near, rng.integers(8, 128)):
        start = max(int(exponent) + 127, 0) << 23
        negative = bool(rng.integers(0, 2))
        yield (
            negative,
            taylor_models(f, FLOAT32, order, negative=negative, first=max(start, 1), last=start + (1 << 23) - 1),
        )


def some_inputs(models: TaylorModels, kind: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Magnitudes in runs of one kind, the ends of runs among them, and the index of the run of each."""
    rng = np.random.default_rng(seed)
    runs = np.flatnonzero(models.kind == kind)
    if not runs.size:
        return runs, runs
    run = rng.choice(runs, count)
    low, high = models.start[run], models.stop[run] - 1
    inside = low + (rng.random(count) * (high - low + 1)).astype(np.int64)
    where = rng.integers(0, 4, count)
    return np.select([where == 0, where == 1], [low, high], inside), run


def exact_value(f: Function, order: int, x: Fraction) -> tuple[Fraction, Fraction]:
    """arb's enclosure of f^(order)(x); what lies below 2^-2000 as 0 (a fraction of 2^-10^40 fills any memory)."""
    ends = arb_route.enclosures(f, f.piece_at(x), x, 700)[order]
    assert ends is not None
    assert all(not end.man or end.exponent < 2000 for end in ends)
    low, high = (end.fraction() if end.man and end.exponent > -2000 else Fraction(0) for end in ends)
    return low, high


def modelled(models: TaylorModels, run: int, magnitude: int) -> tuple[Fraction, Fraction]:
    """The model's value at one input and what it says that one quantum of the input moves it by, exactly evaluated."""
    t = Fraction(int(magnitude - models.centre[run])) * Fraction(models.scale[run])
    c = [Fraction(float(v)) for v in models.coefficients[run]]
    value = Fraction(float(models.low[run])) + sum(a * t**k for k, a in enumerate(c))
    slope = sum(k * a * t ** (k - 1) for k, a in enumerate(c) if k)
    return value, abs(slope * Fraction(models.scale[run]))


def near_a_power_of_two(value: Fraction) -> bool:
    """Within 2^-60 of it: there the larger of the two quanta may be taken, as references do within theirs."""
    if not value:
        return False
    power = Fraction(2) ** floor_log2(abs(value))
    return any(abs(abs(value) - p) < p / 2**60 for p in (power, 2 * power))


@pytest.mark.parametrize("f", VARIANTS, ids=lambda f: f.label)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_values_lie_within_the_error_of_their_model(f: Function, order: int) -> None:
    seen = 0
    for negative, models in some_models(f, order):
        for magnitude, run in zip(*some_inputs(models, MODEL, 8, order), strict=True):
            x = FLOAT32.value(int(magnitude)) * (-1 if negative else 1)
            low, high = exact_value(f, order, x)
            value, _ = modelled(models, run, magnitude)
            error = Fraction(float(models.error[run]))
            # The enclosure has 700 bits, fewer than a model of what is all but constant.
            assert low - error <= value <= high + error
            size = (low + high) / 2
            quantum = Fraction(2) ** FLOAT32.quantum_exponent(size)
            assert error <= Fraction(BOUND) * quantum
            if models.quantum[run] != VARIES and not near_a_power_of_two(size):
                assert Fraction(2) ** int(models.quantum[run]) == quantum
            seen += 1
    assert seen or not any((m.kind == MODEL).any() for _, m in some_models(f, order))


@pytest.mark.parametrize("f", SOME, ids=lambda f: f.label)
@pytest.mark.parametrize("order", [0, 1])
def test_slopes_scale_the_mixed_error_as_the_next_derivative_does(f: Function, order: int) -> None:
    for negative, models in some_models(f, order):
        for magnitude, run in zip(*some_inputs(models, MODEL, 6, order), strict=True):
            x = FLOAT32.value(int(magnitude)) * (-1 if negative else 1)
            value, moved = modelled(models, run, magnitude)
            low, high = exact_value(f, order + 1, x)
            due = max(abs(low), abs(high)) * Fraction(2) ** FLOAT32.quantum_exponent(x)
            quantum = Fraction(2) ** FLOAT32.quantum_exponent(value)
            assert abs(moved - due) <= (quantum + due) * Fraction(2) ** -19


@pytest.mark.parametrize("f", SOME, ids=lambda f: f.label)
def test_every_magnitude_is_in_one_run(f: Function) -> None:
    for negative in (False, True):
        models = models_of(f, 0, negative=negative)
        assert models.start[0] == 1
        assert models.stop[-1] == FLOAT32.infinity_bits
        assert np.array_equal(models.start[1:], models.stop[:-1])
        assert (models.start < models.stop).all()
        reach = np.maximum(models.centre - models.start, models.stop - 1 - models.centre)
        inside = models.kind == MODEL
        assert (np.abs(reach * models.scale)[inside] <= 1).all()


@pytest.mark.parametrize("f", SOME, ids=lambda f: f.label)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_other_kinds_of_runs_say_what_the_oracle_says(f: Function, order: int) -> None:
    oracle = Oracle(f)
    for negative in (False, True):
        models = models_of(f, order, negative=negative)
        sign = np.uint32(FLOAT32.sign_bit if negative else 0)
        for kind in (BEYOND, NOWHERE):
            magnitudes, run = some_inputs(models, kind, 24, order)
            if not magnitudes.size:
                continue
            reference = oracle.references(magnitudes.astype(np.uint32) | sign, FLOAT32)[order]
            if kind == NOWHERE:
                assert (reference.kind == (UNDEFINED if order else NAN)).all()
            else:
                assert (reference.kind == FINITE).all()
                assert (reference.exponent > SPAN).all()
                assert (np.sign(reference.high) == np.sign(models.coefficients[run, 0])).all()


def test_what_is_left_open_is_little() -> None:
    for name, order in (("silu", 1), ("gelu", 2), ("mish", 1), ("squareplus", 2)):
        models = models_of(get_function(name), order, negative=True)
        assert (models.stop - models.start)[models.kind == OPEN].sum() < 4096, (name, order)


def test_breakpoints_and_ends_are_left_to_the_oracle() -> None:
    hardswish, log1p = get_function("hardswish"), get_function("log1p")
    three = FLOAT32.round(Fraction(3))
    models = models_of(hardswish, 0, negative=False)
    run = int(np.searchsorted(models.start, three, side="right")) - 1
    assert (models.start[run], models.stop[run], models.kind[run]) == (three, three + 1, OPEN)
    one = FLOAT32.round(Fraction(1))
    models = models_of(log1p, 0, negative=True)
    run = int(np.searchsorted(models.start, one, side="right")) - 1
    assert models.kind[run] == OPEN
    assert (models.kind[run + 1 :] == NOWHERE).all()


def test_a_breakpoint_between_two_floats_parts_the_pieces() -> None:
    f = function("third", oracle=((lambda m, x: x, lambda m, x: -x), (Fraction(1, 3),)))
    try:
        models = models_of(f, 1, negative=False)
        cut = fa.values(np.array([models.start[i] for i in range(len(models.start))], np.uint32), FLOAT32)
        at = int(np.flatnonzero(models.coefficients[:, 0] == -1)[0])
        assert cut[at] > 1 / 3 > float(FLOAT32.value(int(models.start[at]) - 1))
        assert models.coefficients[at - 1, 0] == 1
    finally:
        forget(["third"])


def test_a_line_that_float64_holds_has_no_error() -> None:
    for name in ("relu", "abs", "clamp"):
        models = models_of(get_function(name), 0, negative=False)
        assert (models.error[models.kind == MODEL] == 0).all()
    assert (models_of(get_function("leaky_relu"), 0, negative=True).error > 0).any()


def test_a_definition_that_arb_cannot_follow_is_left_open() -> None:
    f = function("foreign", oracle=lambda m, x: m.gamma(x))
    try:
        models = models_of(f, 0, negative=False, fmt=BFLOAT16)
        assert (models.kind == OPEN).all()
    finally:
        forget(["foreign"])


def test_a_function_that_turns_faster_than_floats_follow_is_left_open_far_out_in_bounded_time() -> None:
    f = function("sinc", lambda m, x: m.sin(x) / x)
    models = models_of(f, 0, negative=False)
    assert len(models.start) < 1 << 15
    far = FLOAT32.round(Fraction(10) ** 10)
    assert models.kind[models.stop > far].tolist() == [OPEN] * int((models.stop > far).sum())
    near = (models.start < FLOAT32.round(Fraction(32))) & (models.start > FLOAT32.round(Fraction(1, 32)))
    sizes = models.stop - models.start
    open_ = sizes[near & (models.kind == OPEN)].sum()  # floats beside multiples of pi, where f has its roots
    assert open_ * 1000 < sizes[near].sum()
    assert (models.start[1:] == models.stop[:-1]).all()
    assert (models.start[0], models.stop[-1]) == (1, FLOAT32.max_bits + 1)


def test_a_wrong_coefficient_would_be_seen() -> None:
    f = get_function("silu")
    models = models_of(f, 0, negative=False)
    run = int(np.flatnonzero(models.stop - models.start > 1000)[len(models.start) // 2])
    models.coefficients[run, 1] *= 1 + 2.0**-20
    magnitude = int(models.stop[run]) - 1
    low, _ = exact_value(f, 0, FLOAT32.value(magnitude))
    value, _ = modelled(models, run, magnitude)
    assert abs(value - low) > Fraction(float(models.error[run]))
    assert models.coefficients.shape[1] == TERMS


@pytest.mark.parametrize(("name", "order"), [("tanh", 0), ("silu", 1), ("erf", 0), ("mish", 1)])
def test_saturating_functions_leave_no_long_run_in_doubt_beside_a_power_of_two(name: str, order: int) -> None:
    """Below 1 the quantum is half of that above: tanh x < 1 for x up to 128 must not be a question for the oracle."""
    models = models_of(get_function(name), order, negative=False)
    moving = np.abs(models.coefficients[:, 1:]).sum(axis=1)
    grazing = (models.quantum == VARIES) & (moving < 2.0**-30 * np.abs(models.coefficients[:, 0]))
    assert (models.stop - models.start)[grazing & (models.kind == MODEL)].sum() <= 16 * 4096
    one = models.quantum == (-23 if name in ("silu", "mish") else -24)
    assert (models.stop - models.start)[one].sum() > 1 << 20
