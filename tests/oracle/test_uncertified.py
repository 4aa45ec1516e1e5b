"""Definitions that use what arb's series lack: two precisions of mpmath, labelled uncertified, never a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from gradproof.errors import UsageError
from gradproof.formats import BFLOAT16, FLOAT32, FLOAT64
from gradproof.formats import arrays as fa
from gradproof.functions import Function, function
from gradproof.functions.registry import forget
from gradproof.oracle import Oracle, certify
from gradproof.oracle.reference import FINITE, UNCERTIFIED


@pytest.fixture
def omega() -> Iterator[Function]:
    # x W(e^x), with Lambert's W, which power series in FLINT do not have.
    yield function("x_omega", oracle=lambda m, x: x * m.lambertw(m.exp(x)))
    forget(["x_omega"])


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("x", [0.5, -3.0, 2.25])
def test_derivatives_of_a_function_of_mpmaths_own(omega: Function, x: float, order: int) -> None:
    with mpmath.workdps(60):
        due = mpmath.diff(lambda t: t * mpmath.lambertw(mpmath.exp(t)), mpmath.mpf(x), order)
        found = Oracle(omega).certified(FLOAT64.round(Fraction(x)), FLOAT64, order)
        assert found.how == "uncertified"
        assert found.value is not None
        assert abs(mpmath.mpf(found.value.man) * mpmath.mpf(2) ** found.value.exp - due) < mpmath.mpf(10) ** -25


def test_bulk_references_carry_the_label(omega: Function) -> None:
    bits = fa.round_values(np.linspace(-2, 2, 9), FLOAT32)
    for answer in Oracle(omega).references(bits, FLOAT32):
        assert (answer.kind == FINITE).all()
        assert (answer.how == UNCERTIFIED).all()


def test_a_name_that_mpmath_lacks_too_is_refused() -> None:
    wrong = Function("wrong", (lambda m, x: m.nosuch(x),))
    with pytest.raises(UsageError, match="no 'nosuch'"):
        Oracle(wrong).certified(BFLOAT16.round(Fraction(1)), BFLOAT16, 0)


def test_a_value_that_is_no_real_number_is_undecided(omega: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certify, "PRECISION_CAP", 256)  # up to the real cap mpmath takes a minute
    complex_below = Function("complex_below", (lambda m, x: m.lambertw(x),))
    assert Oracle(complex_below).certified(FLOAT32.round(Fraction(-1)), FLOAT32, 0).kind == "undecided"


@pytest.mark.parametrize("x", [2.894e83, 3.7e34, -1e12])
def test_derivatives_far_from_zero_do_not_vanish(x: float) -> None:
    # acot x = 1/x - 1/(3 x^3) + ...
    far = Function("far", (lambda m, x: m.acot(x),))
    oracle, bits = Oracle(far), FLOAT64.round(Fraction(x))
    first, second = (oracle.certified(bits, FLOAT64, order) for order in (1, 2))
    assert first.how == second.how == "uncertified"
    assert float(first.midpoint) == pytest.approx(-1 / x**2, rel=1e-12)
    assert float(second.midpoint) == pytest.approx(2 / x**3, rel=1e-12, abs=0)


@pytest.mark.parametrize("name", ["fabs", "sign", "floor"])
def test_functions_of_mpmaths_that_are_not_smooth_are_refused(name: str) -> None:
    rough = Function("rough", (lambda m, x: getattr(m, name)(x),))
    with pytest.raises(UsageError, match="not smooth"):
        Oracle(rough).certified(FLOAT32.round(Fraction(1)), FLOAT32, 0)
