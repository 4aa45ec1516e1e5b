"""The float64 filter: its enclosures hold the truth, its assumption about libraries holds, and a lie is noticed."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest

from gradproof.formats import FLOAT16, FLOAT32, Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Floats
from gradproof.functions import CATALOGUE, Function, function
from gradproof.functions.registry import forget
from gradproof.oracle import Oracle, arb_route, balls, doubles, exact_route
from gradproof.oracle.certify import RESOLUTION
from gradproof.oracle.reference import BY_ARB, BY_FILTER
from gradproof.strategies import stratified
from tests.oracle.containment import escapes, in_pieces, root_inputs, tried
from tests.oracle.samples import VARIANTS

LINEAR = [f for f in VARIANTS if all(exact_route.is_rational(f, k) for k in range(len(f.pieces)))]
SMOOTH = [f for f in VARIANTS if f not in LINEAR]


def test_the_roots_near_which_the_filter_is_tried_are_found() -> None:
    silu = next(f for f in CATALOGUE if f.name == "silu")
    roots = root_inputs(silu, 2)
    minimum, turn = -1.2784645427610738, 2.3993572805154676
    assert abs(1 + minimum / (1 + math.exp(minimum))) < 1e-15  # silu' = s (1 + x (1 - s)) vanishes
    assert abs(turn * math.tanh(turn / 2) - 2) < 1e-14  # silu'' = s (1 - s) (2 - x tanh(x/2)) vanishes
    assert np.abs(roots - minimum).min() < 1e-15
    assert np.abs(np.abs(roots) - turn).min() < 1e-15


def worst(f: Function, x: Floats) -> tuple[list[list[float]], list[int]]:
    """``escapes`` over all pieces, each inside its own interval."""
    wrong: list[list[float]] = [[], [], [], []]
    compared = [0, 0, 0, 0]
    for piece, inside in in_pieces(f, x):
        bad, seen = escapes(f, piece, inside)
        wrong = [a + b for a, b in zip(wrong, bad, strict=True)]
        compared = [a + b for a, b in zip(compared, seen, strict=True)]
    return wrong, compared


@pytest.mark.parametrize("f", SMOOTH, ids=lambda f: f.label)
def test_the_filters_enclosure_holds_arbs_everywhere(f: Function) -> None:
    # (the variants differ from catalogued functions by a constant: fewer points will do)
    count = 5000 if f in CATALOGUE else 1000
    x = tried(f, count)
    assert x.size >= count
    wrong, compared = worst(f, x)
    assert wrong == [[], [], [], []]
    assert min(compared) > (0.4 if f.name == "log1p" else 0.8) * x.size


@pytest.mark.parametrize("f", LINEAR, ids=lambda f: f.label)
def test_the_filters_enclosure_holds_arbs_on_rational_pieces(f: Function) -> None:
    wrong, compared = worst(f, tried(f, 2000))
    assert wrong == [[], [], [], []]
    assert min(compared) >= 2000


def _constants(m: Any, x: Any) -> Any:
    # Constants that float64 cannot hold, and every elementary function once.
    shifted = m.log(x * x + Fraction(1, 3)) + m.sqrt(x * x + m.real("0.1")) * 9007199254740993
    waves = m.sin(x) * m.cos(x / 3) + m.atan(x) * m.erf(x) + m.log1p(x * x) / m.pi
    return shifted + waves + m.expm1(x) / (1 + m.exp(x) ** 2)


def test_a_definition_of_the_users_own_is_enclosed_as_well() -> None:
    # arb's series know no Python fractions, so the reference definition lifts them by hand.
    ours = function("ours", _constants)
    theirs = function(
        "theirs",
        lambda m, x: m.log(x * x + m.real(Fraction(1, 3)))
        + m.sqrt(x * x + m.real("0.1")) * m.real(9007199254740993)
        + m.sin(x) * m.cos(x / 3) + m.atan(x) * m.erf(x) + m.log1p(x * x) / m.pi
        + m.expm1(x) / (1 + m.exp(x) ** 2),
    )  # fmt: skip
    forget(["ours", "theirs"])
    x = np.random.default_rng(0).normal(0, 3, 400)
    for k, ball in enumerate(balls.derivatives(ours, 0, x)):
        for i, point in enumerate(x.tolist()):
            ends = arb_route.enclosures(theirs, 0, Fraction(point), 200)[k]
            assert ends is not None
            mid, rad = Fraction(float(ball.mid[i])), Fraction(float(ball.rad[i]))
            assert mid - rad <= ends[0].fraction()
            assert ends[1].fraction() <= mid + rad


def test_a_constant_between_two_floats_keeps_its_distance() -> None:
    third = balls.Balls.of(Fraction(1, 3))
    assert abs(Fraction(third.mid) - Fraction(1, 3)) <= Fraction(third.rad)
    assert third.rad > 0
    assert balls.Balls.of(2**53 + 1).rad >= 1
    assert balls.Balls.of(0.5).rad == 0
    assert balls.Balls.of(Fraction(10) ** 400).rad == math.inf


def test_balls_hold_every_value_of_a_wide_input() -> None:
    rng = np.random.default_rng(8)
    centre, radius = rng.normal(0, 4, 200), np.exp(rng.uniform(-12, 2, 200))
    for f in SMOOTH:
        if len(f.pieces) > 1:
            continue
        wide = balls.derivatives(f, 0, centre, radius=radius)
        for part in (-1.0, -0.5, 0.25, 1.0):
            point = balls.derivatives(f, 0, centre + part * radius * (1 - 2.0**-40))
            for outer, inner in zip(wide, point, strict=True):
                with np.errstate(invalid="ignore"):
                    held = np.abs(inner.mid - outer.mid) <= outer.rad + inner.rad
                assert (held | ~np.isfinite(outer.rad)).all(), (f.label, part)


LIBRARY: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh, "sin": np.sin,
    "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh,
    "cosh": np.cosh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "cbrt": np.cbrt,
    "erf": np.frompyfunc(math.erf, 1, 1), "erfc": np.frompyfunc(math.erfc, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", LIBRARY)
def test_the_platforms_libraries_keep_the_bound_the_filter_assumes(name: str) -> None:
    rng = np.random.default_rng(11)
    sizes = np.exp(rng.uniform(math.log(1e-320), math.log(700), 4000))
    x = np.concatenate([sizes, -sizes, rng.normal(0, 2, 4000), rng.uniform(-30, 30, 4000)])
    if name in ("log", "log1p"):
        x = np.concatenate([x[x > 0], 1 - sizes[sizes < 1] / 2]) - (name == "log1p") * 0.99
    if name in ("asin", "acos", "atanh"):
        x = np.concatenate([x[np.abs(x) < 1], (1 - sizes[sizes < 1] / 2) * np.resize([-1, 1], (sizes < 1).sum())])
    if name == "acosh":
        x = np.concatenate([x[x > 1], 1 + sizes])
    with np.errstate(all="ignore"):
        results = np.asarray(LIBRARY[name](x), dtype=np.float64)
    # The bound balls._BallScalars._ball adds for a point.
    room = balls.LIBRARY_ULPS * balls.EPS * np.abs(results) + balls.LIBRARY_ULPS * balls.TINY
    before = flint.ctx.prec
    try:
        flint.ctx.prec = 128
        for point, got, allowed in zip(x.tolist(), results.tolist(), room.tolist(), strict=True):
            if math.isfinite(got):
                error = abs(_by_arb(name, point) - flint.arb(got))
                # Half the bound: what is assumed must not be what happens to be measured here.
                assert error <= flint.arb(allowed) / 2, (point, got)
    finally:
        flint.ctx.prec = before


def _by_arb(name: str, point: float) -> Any:
    if name == "cbrt":
        root = flint.arb(abs(point)).root(3)
        return root if point > 0 else -root
    return getattr(flint.arb(point), name)()


def test_a_lane_that_leaves_the_numbers_goes_up_instead_of_being_guessed() -> None:
    f = function("steep", lambda m, x: m.exp(m.exp(x)) - m.exp(m.exp(x)))
    forget(["steep"])
    for ball in balls.derivatives(f, 0, np.array([8.0, 1.0])):
        assert not np.isfinite(ball.rad[0])
        assert np.isfinite(ball.rad[1])


def _undecided(function: Function, piece: int, x: Floats, step: Any = None) -> list[doubles.Doubles]:
    return [doubles.Doubles(np.zeros_like(x), np.zeros_like(x), np.full_like(x, np.inf)) for _ in range(4)]


@pytest.mark.parametrize("rung", ["balls", "doubles"])
@pytest.mark.parametrize(("fmt", "scale"), [(FLOAT16, 2**37), (FLOAT32, 2**24)], ids=["float16", "float32"])
def test_a_value_the_filter_can_round_but_not_measure_goes_up(
    fmt: Format, scale: int, rung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What vanishes leaves some hundredths of a quantum in doubt; the derivatives are exact.
    monkeypatch.setenv("GRADPROOF_CACHE_DIR", "off")
    if rung == "balls":
        monkeypatch.setattr(doubles, "derivatives", _undecided)
    else:
        scale *= 2**49
    f = function("blurred", lambda m, x: x * x * 0.5 + (m.pi * scale - m.pi * scale))
    forget(["blurred"])
    at, quantum = np.array([fmt.round(Fraction(3, 2))], fa.storage(fmt)), 2.0 ** (1 - fmt.precision)
    doubt = (balls if rung == "balls" else doubles).derivatives(f, 0, np.array([1.5]))[0].rad[0]
    assert quantum * 2.0**-RESOLUTION < doubt < quantum / 2
    reference = Oracle(f).references(at, fmt)[0]
    assert reference.how.tolist() == [BY_ARB]
    assert reference.values.tolist() == [1.125]


def test_a_slope_the_filter_does_not_know_well_sends_the_point_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # x^2/2, and a wave that vanishes: f'' = 1 is known to 2^-30, its own slope only to 2^12.
    def definition(m: Any, x: Any) -> Any:
        return x * x * 0.5 + m.real(Fraction(1, 2**124)) * (m.sin(2**47 * x) - m.sin(2**47 * x))

    f = function("rippled", definition)
    forget(["rippled"])
    ball = balls.derivatives(f, 0, np.array([1.5]))
    assert [bool(b.rad[0] < 2.0 ** (-23 - RESOLUTION)) for b in ball] == [True, True, True, False]
    at = np.array([FLOAT32.round(Fraction(3, 2))], np.uint32)
    assert Oracle(f).references(at, FLOAT32)[2].how.tolist() == [BY_FILTER]  # the second filter knows it
    monkeypatch.setattr(doubles, "derivatives", _undecided)
    reference = Oracle(f).references(at, FLOAT32)[2]
    assert reference.how.tolist() == [BY_ARB]
    assert (reference.values[0], reference.moved(np.zeros(1, np.int64))[0]) == (1, pytest.approx(0, abs=1e-6))


LIES: dict[str, Callable[[Any], Any]] = {
    "tanh": lambda honest: lambda self, x: balls.Balls(np.tanh(x.mid) * (1 + 2e-13), honest(self, x).rad),
    "sech2": lambda honest: lambda self, x: balls.Balls(honest(self, x).mid * (1 + 1e-14), honest(self, x).rad),
    "exp": lambda honest: (
        lambda self, x: balls.Balls(np.where(np.abs(x.mid) > 90, 0.0, honest(self, x).mid), honest(self, x).rad)
    ),
    "erfc": lambda honest: lambda self, x: balls.Balls(1 - balls._as_float(balls._erf(x.mid)), honest(self, x).rad),
}


@pytest.mark.parametrize(("scalar", "name"), [("tanh", "tanh"), ("sech2", "sigmoid"), ("exp", "elu"), ("erfc", "gelu")])
def test_a_filter_that_lies_is_noticed(scalar: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    f = next(f for f in CATALOGUE if f.name == name)
    x = tried(f, 1000)
    assert worst(f, x)[0] == [[], [], [], []]
    monkeypatch.setattr(balls._BallScalars, scalar, LIES[scalar](getattr(balls._BallScalars, scalar)))
    assert any(worst(f, x)[0])


def test_the_slope_of_a_filtered_point_is_known_to_one_percent_of_the_unit_it_scales() -> None:
    for f in SMOOTH:
        oracle = Oracle(f)
        bits = stratified(FLOAT32, 256, 4)
        x_exponents = fa.quantum_exponents(fa.values(bits, FLOAT32), FLOAT32)
        x_quantum = 2.0**x_exponents
        for order, reference in enumerate(oracle.references(bits, FLOAT32)):
            exponents, moved = reference.quantum_exponents(FLOAT32), reference.moved(x_exponents)
            filtered = (reference.how == BY_FILTER) & fa.is_finite(reference.rounded, FLOAT32)
            assert filtered.any()
            for i in np.flatnonzero(filtered)[::8].tolist():
                unit = 2.0 ** exponents[i]
                piece = f.piece_at(FLOAT32.value(int(bits[i])))
                ends = arb_route.enclosures(f, piece, FLOAT32.value(int(bits[i])), 2048)[order + 1]
                assert ends is not None
                exact = abs(float(ends[0]))
                error = abs(moved[i] - exact * x_quantum[i])
                assert error <= 0.011 * (unit + exact * x_quantum[i]), (f.label, order, bits[i])
