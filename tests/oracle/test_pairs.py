"""Functions of pairs of float64 numbers, against mpmath at 400 bits: the error that each docstring promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import mpmath
import numpy as np
import pytest

from gradproof.formats.arrays import Floats
from gradproof.oracle import pairs
from gradproof.oracle.doubles import ELEMENTARY, PAIR, TINY
from gradproof.oracle.pairs import Pair

MP: Final = mpmath.mp.clone()
MP.prec = 400
LEAST: Final = 2.0**-1074


def with_low_parts(hi: Floats, seed: int = 0) -> Pair:
    """Each input twice: alone, and with a random low part of at most half an ulp."""
    low = np.random.default_rng(seed).uniform(-0.5, 0.5, hi.size) * np.spacing(np.abs(hi))
    low = np.where(hi + low == hi, low, 0.0)  # beside a power of two half an ulp is less
    return np.concatenate([hi, hi]), np.concatenate([np.zeros_like(hi), low])


def worst(found: Pair, expected: list[Any], bound: float, *, absolute: bool = False) -> float:
    """The largest error in units of the promised ``bound``, with what underflow may take from a low part."""
    largest = 0.0
    for hi, lo, y in zip(*(part.tolist() for part in found), expected, strict=True):
        error = abs(MP.mpf(hi) + MP.mpf(lo) - y)
        allowed = bound * (1 if absolute else abs(y)) + MP.mpf(TINY)
        largest = max(largest, float(error / allowed) if math.isfinite(hi) else math.inf)
    return largest


def at(x: Pair, function: Callable[[Any], Any]) -> list[Any]:
    return [function(MP.mpf(hi) + MP.mpf(lo)) for hi, lo in zip(x[0].tolist(), x[1].tolist(), strict=True)]


def spread(low: float, high: float, count: int = 300, seed: int = 1) -> Floats:
    """Evenly many numbers of each size between two positive ones."""
    rng = np.random.default_rng(seed)
    found: Floats = np.exp(rng.uniform(math.log(low), math.log(high), count))
    return np.clip(found, low, high)


def both_signs(x: Floats) -> Floats:
    return np.concatenate([x, -x])


def beside(points: Floats) -> Floats:
    """Points and their neighbours."""
    return np.concatenate([points, np.nextafter(points, -np.inf), np.nextafter(points, np.inf)])


ORDINARY: Final = np.random.default_rng(2).normal(0, 3, 400)
TINY_ONES: Final = both_signs(np.concatenate([spread(1e-300, 1e-8, 100), [LEAST, 3 * LEAST, 2.0**-1022, 2.0**-1000]]))
EXP_JOINTS: Final = beside((np.arange(-300, 300) + 0.5) * (math.log(2) / 256))
ERFC_JOINTS: Final = np.nextafter((np.arange(28 * 16) + 0.5) / 16, np.resize([-np.inf, np.inf], 28 * 16))
LOG_JOINTS: Final = beside(np.array([math.sqrt(0.5), 0.5, 1.0, 2.0, math.sqrt(2.0)]))
TAILS: Final = both_signs(np.random.default_rng(3).uniform(20, 745, 150))

HUGE: Final = np.array([2.0**100])


def _cbrt(x: Any) -> Any:
    return MP.sign(x) * MP.cbrt(abs(x))


CASES: Final[dict[str, tuple[Callable[[Any], Any], float, Floats]]] = {
    "exp": (MP.exp, 2.0**-94, np.concatenate([ORDINARY, TINY_ONES, EXP_JOINTS, TAILS[TAILS < 709.7]])),
    "expm1": (MP.expm1, 2.0**-92, np.concatenate([ORDINARY, TINY_ONES, EXP_JOINTS, TAILS[TAILS < 709.7]])),
    "log1p": (
        MP.log1p,
        2.0**-89,
        np.concatenate(
            [
                ORDINARY[ORDINARY > -1], TINY_ONES, spread(1e-3, 1e300), spread(2.0**-53, 1.0) - 1.0, LOG_JOINTS,
                beside(np.array([-0.5])), -1 + np.array([1, 2, 3, 5]) * 2.0**-53,
            ]
        ),
    ),
    "tanh": (MP.tanh, 2.0**-90, np.concatenate([ORDINARY, TINY_ONES, EXP_JOINTS / 2, TAILS])),
    "sigmoid": (lambda x: 1 / (1 + MP.exp(-x)), 2.0**-92, np.concatenate([ORDINARY, TINY_ONES, EXP_JOINTS, TAILS])),
    "softplus": (lambda x: MP.log1p(MP.exp(x)), 2.0**-89, np.concatenate([ORDINARY, TINY_ONES, EXP_JOINTS, TAILS])),
    "erf": (
        MP.erf,
        2.0**-88,
        np.concatenate([ORDINARY, TINY_ONES, both_signs(ERFC_JOINTS[:100]), beside(np.array([0.25, -0.25])), TAILS]),
    ),
    "erfc": (
        MP.erfc,
        2.0**-89,
        np.concatenate([ORDINARY, TINY_ONES, ERFC_JOINTS, -ERFC_JOINTS[:100], np.linspace(20, 28, 50), TAILS]),
    ),
    "sinh": (MP.sinh, 2.0**-91, np.concatenate([ORDINARY, TINY_ONES, EXP_JOINTS, TAILS[np.abs(TAILS) < 709]])),
    "cosh": (MP.cosh, 2.0**-93, np.concatenate([ORDINARY, TINY_ONES, EXP_JOINTS, TAILS[np.abs(TAILS) < 709]])),
    "asinh": (
        MP.asinh,
        2.0**-88,
        np.concatenate([ORDINARY, TINY_ONES, both_signs(spread(1e-3, 1e300)), beside(both_signs(HUGE))]),
    ),
    "acosh": (
        MP.acosh,
        2.0**-88,
        np.concatenate([1 + spread(2.0**-52, 1e3), spread(1.5, 1e300), beside(HUGE), 1 + np.arange(1, 9) * 2.0**-52]),
    ),
    "atanh": (
        MP.atanh,
        2.0**-88,
        np.concatenate([TINY_ONES, both_signs(spread(1e-8, 0.9)), both_signs(1 - spread(2.0**-53, 0.5))]),
    ),
    "cbrt": (_cbrt, 2.0**-89, np.concatenate([ORDINARY, TINY_ONES, both_signs(spread(LEAST, 1e300)), LOG_JOINTS])),
    "sqrt": (MP.sqrt, PAIR, np.concatenate([spread(LEAST, 1e300), spread(0.1, 10), LOG_JOINTS])),
}  # fmt: skip
"""Per function its definition, the relative error it promises, and where it is tried."""


@pytest.mark.parametrize("name", CASES)
def test_elementary_functions_keep_the_relative_error_they_promise(name: str) -> None:
    function, bound, hi = CASES[name]
    x = with_low_parts(hi)
    with np.errstate(under="ignore"):
        found = getattr(pairs, name)(x)
    assert worst(found, at(x, function), bound) <= 1
    assert bound <= ELEMENTARY


def test_the_logarithm_keeps_the_absolute_error_it_promises() -> None:
    x = with_low_parts(
        np.concatenate([spread(LEAST, 1.7e308), spread(0.1, 10), LOG_JOINTS, 1 + TINY_ONES[::5] * 2**600])
    )
    x = x[0][x[0] > 0], x[1][x[0] > 0]
    assert worst(pairs.log(x), at(x, MP.log), 2.0**-90, absolute=True) <= 1


def test_results_are_pairs_whose_low_part_is_below_half_an_ulp() -> None:
    for name, (_, _, hi) in CASES.items():
        with np.errstate(under="ignore"):
            high, low = getattr(pairs, name)(with_low_parts(hi))
        assert (high + low == high).all(), name


def test_at_the_ends_of_the_numbers_the_values_are_the_limits() -> None:
    x = np.array([-1e300, -2000.0, 0.0, 2000.0, 1e300]), np.zeros(5)
    with np.errstate(all="ignore"):
        assert pairs.exp(x)[0].tolist() == [0, 0, 1, math.inf, math.inf]
        assert pairs.expm1(x)[0].tolist() == [-1, -1, 0, math.inf, math.inf]
        assert pairs.tanh(x)[0].tolist() == [-1, -1, 0, 1, 1]
        assert pairs.sigmoid(x)[0].tolist() == [0, 0, 0.5, 1, 1]
        assert pairs.softplus(x)[0].tolist()[3:] == [2000, 1e300]
        assert pairs.erf(x)[0].tolist() == [-1, -1, 0, 1, 1]
        assert pairs.erfc(x)[0].tolist() == [2, 2, 1, 0, 0]
        assert pairs.sqrt((x[0][2:], x[1][2:]))[0].tolist() == [0, math.sqrt(2000), math.sqrt(1e300)]


def exact(x: Pair, i: int) -> Fraction:
    return Fraction(float(x[0][i])) + Fraction(float(x[1][i]))


def operands(seed: int) -> Pair:
    rng = np.random.default_rng(seed)
    hi = rng.normal(0, 1, 400) * 2.0 ** rng.integers(-60, 60, 400)
    return with_low_parts(hi, seed)


BASIC: Final[dict[str, tuple[Callable[[Any, Any], Any], Callable[[Fraction, Fraction], Fraction]]]] = {
    "add": (pairs.add, lambda a, b: a + b),
    "multiply": (pairs.multiply, lambda a, b: a * b),
    "divide": (pairs.divide, lambda a, b: a / b),
    "add_float": (lambda x, y: pairs.add_float(x, y[0]), lambda a, b: a + b),
    "multiply_float": (lambda x, y: pairs.multiply_float(x, y[0]), lambda a, b: a * b),
}


@pytest.mark.parametrize("cancelling", [False, True])
@pytest.mark.parametrize("name", BASIC)
def test_basic_operations_are_within_15_units_of_2_to_minus_106(name: str, cancelling: bool) -> None:
    # The bounds of Joldes, Muller, Popescu (2017): 3 u^2 for sums, 7 for products, 15 for quotients, u = 2^-53.
    operation, truth = BASIC[name]
    x, y = operands(4), operands(5)
    if cancelling:  # all but a few last bits agree
        y = -x[0] * (1 + 2.0**-50), np.where(x[1] == 0, 0.0, y[1] * 0)
    z = operation(x, y)
    for i in range(x[0].size):
        b = Fraction(float(y[0][i])) if name.endswith("_float") else exact(y, i)
        expected = truth(exact(x, i), b)
        assert abs(exact(z, i) - expected) <= 15 * abs(expected) / 2**106
    assert PAIR == 32 / 2**106


def test_two_sum_and_two_product_are_exact() -> None:
    a, b = operands(6)[0], operands(7)[0]
    for i, (s, p) in enumerate(
        zip(zip(*pairs.two_sum(a, b), strict=True), zip(*pairs.two_product(a, b), strict=True), strict=True)
    ):
        x, y = Fraction(float(a[i])), Fraction(float(b[i]))
        assert Fraction(float(s[0])) + Fraction(float(s[1])) == x + y
        assert Fraction(float(p[0])) + Fraction(float(p[1])) == x * y


def test_the_nearest_pair_of_a_fraction() -> None:
    third = pairs.of(Fraction(1, 3))
    assert abs(Fraction(third[0]) + Fraction(third[1]) - Fraction(1, 3)) < Fraction(1, 2**108)
    with pytest.raises(OverflowError):
        pairs.of(Fraction(10) ** 400)
    assert worst((np.array([pairs.PI[0]]), np.array([pairs.PI[1]])), [+MP.pi], 2.0**-106) <= 1


def _first_table_off(table: str, factor: float) -> Callable[[], Any]:
    honest = getattr(pairs, table)()
    hi, lo = (np.array(part) for part in honest)
    place = (17,) if hi.ndim == 1 else (0, 17)
    lo[place] += hi[place] * factor
    return lambda: (hi, lo)


@pytest.mark.parametrize(
    ("table", "name"), [("_powers", "exp"), ("_powers", "tanh"), ("_scaled_complement", "erfc"), ("_powers", "log1p")]
)
def test_one_table_entry_off_by_2_to_minus_80_is_noticed(
    table: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, bound, hi = CASES[name]
    monkeypatch.setattr(pairs, table, _first_table_off(table, 2.0**-80))
    x = with_low_parts(hi[np.abs(hi) < 2])
    with np.errstate(under="ignore"):
        found = getattr(pairs, name)(x)
    assert worst(found, at(x, function), bound) > 1


def test_a_product_without_its_cross_term_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def crossless(x: Pair, y: Pair) -> Pair:
        p, p_low = pairs.two_product(x[0], y[0])
        return pairs.fast_two_sum(p, p_low + x[0] * y[1])

    monkeypatch.setattr(pairs, "multiply", crossless)
    function, bound, hi = CASES["exp"]
    x = with_low_parts(hi)
    with np.errstate(under="ignore"):
        assert worst(pairs.exp(x), at(x, function), bound) > 1
