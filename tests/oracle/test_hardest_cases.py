"""The hardest known inputs to round: Ziv's loop settles each, with the precision that it takes and no less."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest

from gradproof.formats import FLOAT32, FLOAT64
from gradproof.functions import get_function
from gradproof.oracle import Certified, Oracle, arb_route, certify
from tests.oracle.hard_cases import HARD_CASES, Hard
from tests.oracle.samples import dyadic

each_case = pytest.mark.parametrize("case", HARD_CASES, ids=lambda case: f"{case.name}-{case.fmt.name}-{case.x}")

LEAST_IDENTICAL = {FLOAT64: 45, FLOAT32: 24}
"""A random input has as many equal bits with probability 2^-44 and 2^-23."""


def exact(case: Hard, bits: int = 500) -> Fraction:
    """mpmath's value of the named function itself, no definition of ours between."""
    with mpmath.workprec(bits):
        return dyadic(getattr(mpmath, case.name)(float.fromhex(case.x))).fraction()


def identical_bits(y: Fraction, case: Hard) -> int:
    """Equal bits that follow the rounding bit and differ from it: 1000...01 or 0111...10 after the last bit kept."""
    units = abs(y) / Fraction(2) ** case.fmt.quantum_exponent(y)
    text = f"{int(units % 1 * 2**400):0400b}"
    opposite = "1" if text[0] == "0" else "0"
    return len(text) - 1 - len(text[1:].lstrip(opposite))


def certified(case: Hard) -> Certified:
    return Oracle(get_function(case.name)).certified(case.fmt.round(Fraction(float.fromhex(case.x))), case.fmt, 0)


def at_precision(case: Hard, bits: int, monkeypatch: pytest.MonkeyPatch) -> Certified:
    """What the loop says when it may look once, with ``bits`` of working precision."""
    monkeypatch.setattr(certify, "_headroom", lambda x: 0)
    monkeypatch.setattr(certify, "GUARD_BITS", bits - case.fmt.precision)
    monkeypatch.setattr(certify, "PRECISION_CAP", bits)
    return certified(case)


@each_case
def test_a_case_is_as_hard_as_the_table_says(case: Hard) -> None:
    assert identical_bits(exact(case), case) == case.identical >= LEAST_IDENTICAL[case.fmt]


@each_case
def test_the_loop_settles_it_with_mpmaths_rounding(case: Hard) -> None:
    y, answer = exact(case), certified(case)
    assert (answer.kind, answer.how) == ("finite", "arb")
    assert answer.bits == case.fmt.round(y)
    assert answer.precision >= case.fmt.precision + case.identical
    assert answer.lower is not None
    assert answer.upper is not None
    assert answer.lower.fraction() <= y <= answer.upper.fraction()


@each_case
def test_it_takes_the_precision_that_the_identical_bits_demand(case: Hard, monkeypatch: pytest.MonkeyPatch) -> None:
    demand = case.fmt.precision + case.identical
    assert at_precision(case, demand - 2, monkeypatch).kind == "undecided"
    monkeypatch.undo()
    settled = at_precision(case, demand + 12, monkeypatch)
    assert (settled.kind, settled.precision) == ("finite", demand + 12)


@pytest.mark.parametrize("case", [c for c in HARD_CASES if c.published], ids=lambda case: case.x)
def test_the_certified_value_is_the_published_one(case: Hard) -> None:
    mantissa, _, exponent = case.published.removeprefix("0x1.").partition("p")
    unit = Fraction(2) ** (int(exponent) - 4 * len(mantissa))
    published = Fraction(int("1" + mantissa, 16)) * unit
    answer = certified(case)
    assert answer.lower is not None
    assert answer.upper is not None
    assert published - unit < answer.lower.fraction()
    assert answer.upper.fraction() < published + unit


def test_a_loop_that_believed_midpoints_would_be_found_out() -> None:
    # 8 bits beyond the format: the rounding of the centre is chance, or a tie that is none.
    wrong = 0
    for case in HARD_CASES:
        x = Fraction(float.fromhex(case.x))
        ends = arb_route.enclosures(get_function(case.name), 0, x, case.fmt.precision + 8)[0]
        assert ends is not None
        centre = (ends[0].fraction() + ends[1].fraction()) / 2
        wrong += case.fmt.round(centre) != case.fmt.round(exact(case))
    assert wrong > len(HARD_CASES) // 4


def test_the_neighbours_of_a_hard_case_are_not_hard() -> None:
    # The measure of hardness can say no.
    case = HARD_CASES[4]
    for step in (1, -1):
        x = FLOAT64.value(FLOAT64.round(Fraction(float.fromhex(case.x))) + step)
        beside = case._replace(x=float(x).hex())
        assert identical_bits(exact(beside), beside) < 8
