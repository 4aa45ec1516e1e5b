"""The array judge against a slow judge in exact fractions, written from the definitions alone."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.measure import CONTRACTS, judge
from tests.measure.references import reference


def quantum(value: Fraction, fmt: Format) -> Fraction:
    """2^(max(floor(log2 |y|), e_min) - p + 1), by search rather than by bit lengths."""
    exponent = fmt.e_min
    while Fraction(2) ** (exponent + 1) <= abs(value):
        exponent += 1
    return Fraction(2) ** (exponent - fmt.precision + 1)


def slow(x: int, got: int, y: Fraction, slope: Fraction, fmt: Format) -> tuple[Fraction, Fraction, Fraction]:
    """(u, m, absolute) of a result that is no NaN and no infinity of the wrong sign."""
    if fmt.is_infinite(got):
        if abs(y) >= fmt.overflow_threshold:
            return Fraction(0), Fraction(0), Fraction(0)
        g = Fraction(2) ** (fmt.e_max + 1) * (-1 if got & fmt.sign_bit else 1)
    elif not fmt.has_infinity and abs(y) > 464 and fmt.value(got) == (448 if y > 0 else -448):
        return Fraction(0), Fraction(0), Fraction(0)  # float8_e4m3fn, saturated
    else:
        g = fmt.value(got)
    error, unit = abs(g - y), quantum(y, fmt)
    return error / unit, error / (unit + slope * quantum(fmt.value(x), fmt)), error


def close(measured: float, exact: Fraction) -> bool:
    if exact > Fraction(10) ** 308:
        return measured > 1e307
    # 104 bits of y against a result next to it: 2^-50 quanta at most, far below what a verdict turns on.
    return abs(measured - float(exact)) <= 1e-11 * float(exact) + 1e-9


@st.composite
def cases(draw: st.DrawFn) -> tuple[Format, int, int, Fraction, Fraction, str, int]:
    fmt = draw(st.sampled_from(tuple(FORMATS.values())))
    number = st.integers(0, fmt.max_bits)
    signed = st.builds(lambda b, s: b | (fmt.sign_bit if s else 0), number, st.booleans())
    x, base = draw(signed), draw(signed)
    offset = draw(st.fractions(Fraction(-4), Fraction(4), max_denominator=1 << 40))
    y = fmt.value(base) + offset * Fraction(2) ** fmt.quantum_exponent(fmt.value(base))
    near = draw(st.integers(-20, 20))
    got = draw(st.one_of(signed, st.just(fmt.from_ordinal(fmt.ordinal(base) + near))))
    if fmt.is_infinite(got) and (got & fmt.sign_bit != 0) != (y < 0):
        got = base
    slope = Fraction(draw(st.floats(0, 1e30, allow_subnormal=False)))
    return fmt, x, got, y, slope, draw(st.sampled_from(list(CONTRACTS))), draw(st.integers(0, 2))


@given(cases())
def test_u_m_and_the_absolute_error_are_those_of_exact_arithmetic(
    case: tuple[Format, int, int, Fraction, Fraction, str, int],
) -> None:
    fmt, x, got, y, slope, name, order = case
    contract = CONTRACTS[name]
    kind = fa.storage(fmt)
    result = judge(
        np.array([x], kind), np.array([got], kind), reference(fmt, [y], float(slope)), fmt, order, contract, 1.0
    )
    u, m, absolute = slow(x, got, y, slope, fmt)
    assert close(result.u[0], u)
    assert close(result.m[0], m)
    if absolute == 0 or absolute > Fraction(1, 2**1000):
        assert close(result.absolute[0] if absolute < 10**300 else 1e308, absolute)
    error = {"u": u, "m": m, "abs": absolute * Fraction(2) ** fmt.precision}[contract.metric]
    bound = Fraction(contract.bound(order, fmt))
    spurious = fmt.is_infinite(got) and abs(y) < fmt.overflow_threshold
    if spurious or abs(error - bound) > Fraction(1, 10**6) * bound:
        assert bool(result.failing[0]) == (spurious or error > bound)
        assert (result.magnitude[0] > 1) == (spurious or error > bound)
