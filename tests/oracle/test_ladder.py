"""The ladder of filters against the certified route: one answer in every format, and few inputs left for arb."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.functions import CATALOGUE, Function, function, get_function
from gradproof.functions.registry import forget
from gradproof.oracle import Oracle, Reference, arb_route, balls, doubles, exact_route, mpmath_route
from gradproof.oracle.reference import BY_FILTER, FINITE
from gradproof.strategies import landmark_bits
from tests.oracle.samples import VARIANTS

WIDE = [FORMATS[name] for name in ("float64", "float32", "float16", "bfloat16")]


def tried(f: Function, fmt: Format, random: int) -> fa.Bits:
    """Random patterns, ordinary numbers, tails, subnormals and landmarks; finite ones."""
    rng = np.random.default_rng(7)
    parts = [
        rng.integers(0, 1 << fmt.width, random, dtype=np.uint64).astype(fa.storage(fmt)),
        rng.integers(1, fmt.min_normal_bits, random // 2, dtype=np.uint64).astype(fa.storage(fmt)),
        fa.round_values(rng.normal(0, 8, random), fmt),
        fa.round_values(rng.uniform(-800, 800, random // 2), fmt),
        landmark_bits(f, fmt, 1),
    ]
    bits = np.concatenate(parts)
    bits[random : random + random // 4] |= fa.storage(fmt).type(fmt.sign_bit)
    return np.unique(bits[fa.is_finite(bits, fmt)])


def certified(f: Function, bits: fa.Bits, fmt: Format) -> list[Reference]:
    """The same inputs one by one by arb and the exact route."""
    oracle = Oracle(f)
    rows = [oracle._remembered(int(b), fmt, ()) for b in bits]
    answers = [Reference.empty(bits.size, fa.storage(fmt)) for _ in range(3)]
    for order, answer in enumerate(answers):
        answer.set_rows(np.arange(bits.size), [row[order] for row in rows])
    return answers


def in_quanta(r: Reference, quantum: Any) -> Any:
    shift = np.clip(r.exponent - quantum, -3000, 3000).astype(np.int32)
    return np.ldexp(r.high, shift), np.ldexp(r.low, shift)


def differences(x: fa.Floats, p: Reference, q: Reference, fmt: Format) -> dict[str, fa.Floats]:
    """Inputs at which ``p`` differs from the certified ``q``: in kind, value, rounding, or slope."""
    finite = (q.kind == FINITE) & (p.kind == FINITE)
    inside = finite & fa.is_finite(q.rounded, fmt)
    quantum, x_quantum = q.quantum_exponents(fmt), fa.quantum_exponents(x, fmt)
    with np.errstate(all="ignore"):
        (high, low), (q_high, q_low) = in_quanta(p, quantum), in_quanta(q, quantum)
        gap = np.abs((high - q_high) + (low - q_low))
        from_tie = np.abs(np.abs((q_high - np.floor(q_high)) + q_low) - 0.5)
        shift = np.clip(x_quantum - quantum, -3000, 3000).astype(np.int32)
        ours, theirs = 1 + p.moved(shift), 1 + q.moved(shift)
        slope = inside & np.isfinite(theirs) & ~(np.abs(ours - theirs) <= 0.02 * theirs)
    apart = np.abs(fa.ordinals(p.rounded, fmt) - fa.ordinals(q.rounded, fmt))
    # Beside a power of two, which of two quanta counts depends on how narrow an enclosure is.
    power = np.where(np.abs(q.high) > 0.75, 1.0, 0.5)
    beside_power = np.abs((np.abs(q.high) - power) + np.copysign(q.low, q.high * q.low)) < 2.0**-24 / 2**fmt.precision
    beside_power &= np.abs(p.quantum_exponents(fmt) - quantum) == 1
    open_ = (apart == 1) & inside & (p.how == BY_FILTER) & (from_tie < 2.0**-9) & (not fmt.is_16_bit)
    return {
        "kind": x[p.kind != q.kind],
        "value": x[inside & ~(gap < 2.0**-9)],
        "quantum": x[inside & (p.quantum_exponents(fmt) != quantum) & ~beside_power],
        "rounding": x[finite & (apart > 0) & ~open_],
        "slope": x[slope],
    }


def wrong(f: Function, fmt: Format, random: int, *, both: bool = True) -> list[Any]:
    bits = tried(f, fmt, random)
    x = fa.values(bits, fmt)
    expected = certified(f, bits, fmt)
    return [
        (precise, order, name, found[:3].tolist())
        for precise in ((False, True) if both else (True,))
        for order, (p, q) in enumerate(zip(Oracle(f)._compute(bits, fmt, precise=precise), expected, strict=True))
        for name, found in differences(x, p, q, fmt).items()
        if found.size
    ]


@pytest.mark.parametrize("fmt", WIDE, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("f", VARIANTS, ids=lambda f: f.label)
def test_references_are_what_the_certified_route_gives(f: Function, fmt: Format) -> None:
    assert wrong(f, fmt, 32, both=fmt.precision < 32) == []


@pytest.mark.parametrize("lie", ["doubles", "balls", "slope", "rounding"])
def test_a_rung_that_lies_is_noticed(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    f = get_function("tanh")
    if lie == "doubles":
        honest = doubles._DoubleScalars.tanh
        monkeypatch.setattr(
            doubles._DoubleScalars, "tanh", lambda self, x: honest(self, x) * Fraction(2**58 + 1, 2**58)
        )
        assert wrong(f, FLOAT64, 40)
    elif lie == "balls":
        theirs = balls._BallScalars.tanh
        monkeypatch.setattr(balls._BallScalars, "tanh", lambda self, x: theirs(self, x) * (1 + 2.0**-30))
        assert wrong(f, FLOAT32, 40)
    elif lie == "slope":
        bells = doubles._DoubleScalars.sech2
        monkeypatch.setattr(doubles._DoubleScalars, "sech2", lambda self, x: bells(self, x) * 1.05)
        assert {found[2] for found in wrong(f, FLOAT64, 40)} >= {"slope", "value"}
    else:
        bits = tried(f, FLOAT64, 40)
        references = Oracle(f).references(bits, FLOAT64)
        expected = certified(f, bits, FLOAT64)[0]
        references[0].rounded[5] += 1
        found = differences(fa.values(bits, FLOAT64), references[0], expected, FLOAT64)
        assert found["rounding"].tolist() == [fa.values(bits, FLOAT64)[5]]


@pytest.mark.parametrize("name", ["gelu", "silu", "tanh", "exp", "mish"])
def test_nearly_every_pattern_of_float64_is_decided_by_a_filter(name: str) -> None:
    # Arb takes a thousand times as long: a share that falls is a run that takes hours.
    bits = np.random.default_rng(8).integers(0, 1 << 64, 4000, dtype=np.uint64)
    bits = bits[fa.is_finite(bits, FLOAT64)]
    for reference in Oracle(get_function(name)).references(bits, FLOAT64):
        assert (reference.how == BY_FILTER).mean() > 0.95


@pytest.mark.parametrize("f", [f for f in CATALOGUE if f.rounds_to is None], ids=lambda f: f.label)
def test_ordinary_float64_inputs_are_decided_by_a_filter(f: Function) -> None:
    x = np.random.default_rng(9).normal(0, 3, 500)
    bits = fa.round_values(x[(x > float(f.ends[0]))], FLOAT64)
    for reference in Oracle(f).references(bits, FLOAT64):
        assert (reference.how == BY_FILTER).mean() > 0.95


# -- constants ----------------------------------------------------------------------------------------------

CONSTANTS: list[tuple[str, Any, list[Fraction]]] = [
    # (definition, what f, f', f'' are at x = 3)
    ("(0.1*x)*0.1", lambda m, x: (0.1 * x) * 0.1, [3 * Fraction(0.1) ** 2, Fraction(0.1) ** 2, Fraction(0)]),
    ("(x+x+x)*0.1", lambda m, x: (x + x + x) * 0.1, [9 * Fraction(0.1), 3 * Fraction(0.1), Fraction(0)]),
    ("x/6", lambda m, x: x / 6, [Fraction(1, 2), Fraction(1, 6), Fraction(0)]),
    ("(3*x)/7", lambda m, x: (3 * x) / 7, [Fraction(9, 7), Fraction(3, 7), Fraction(0)]),
    ("1/(x+x)", lambda m, x: 1 / (x + x), [Fraction(1, 6), Fraction(-1, 18), Fraction(1, 27)]),
    ("x*x/3-2*x", lambda m, x: x * x / 3 - 2 * x, [Fraction(-3), Fraction(0), Fraction(2, 3)]),
    ("x**3/0.3", lambda m, x: x**3 / 0.3, [27 / Fraction(0.3), 27 / Fraction(0.3), 18 / Fraction(0.3)]),
]


@pytest.mark.parametrize(("definition", "expected"), [row[1:] for row in CONSTANTS], ids=[row[0] for row in CONSTANTS])
def test_constants_are_exact_in_every_route(definition: Any, expected: list[Fraction]) -> None:
    f = function("constants", definition)
    forget(["constants"])
    three = Fraction(3)
    assert exact_route.derivatives(f, 0, three)[:3] == expected
    by_mpmath = mpmath_route.derivatives(f, 0, three, 300)
    by_arb = arb_route.enclosures(f, 0, three, 300)
    first, second = balls.derivatives(f, 0, np.array([3.0])), doubles.derivatives(f, 0, np.array([3.0]))
    for order, value in enumerate(expected):
        size = max(abs(value), 1)
        assert abs(by_mpmath[order].fraction() - value) <= size / 2**290
        ends = by_arb[order]
        assert ends is not None
        assert ends[0].fraction() <= value <= ends[1].fraction()
        assert ends[1].fraction() - ends[0].fraction() <= size / 2**280
        assert abs(Fraction(float(first[order].mid[0])) - value) <= Fraction(float(first[order].rad[0])) <= size / 2**48
        pair = Fraction(float(second[order].hi[0])) + Fraction(float(second[order].lo[0]))
        assert abs(pair - value) <= Fraction(float(second[order].rad[0])) <= size / 2**95


def test_hardsigmoids_slope_is_one_sixth_and_not_a_rounded_float() -> None:
    hardsigmoid = get_function("hardsigmoid")
    assert exact_route.derivatives(hardsigmoid, 1, Fraction(1, 3)) == [Fraction(5, 9), Fraction(1, 6), 0, 0]
    with mpmath.workprec(53):
        answer = Oracle(hardsigmoid).certified(FLOAT32.round(Fraction(1)), FLOAT32, 1)
    assert abs(answer.midpoint.fraction() - Fraction(1, 6)) < Fraction(1, 2**250)
    for fmt in (FLOAT16, BFLOAT16, FLOAT64):
        bits = np.array([fmt.round(Fraction(1))], fa.storage(fmt))
        assert Oracle(hardsigmoid).references(bits, fmt)[1].rounded.tolist() == [fmt.round(Fraction(1, 6))]
