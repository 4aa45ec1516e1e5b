"""Bulk references: the same rounded values as one by one, to the accuracy a judge needs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gradproof.errors import GradproofError
from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from gradproof.formats import arrays as fa
from gradproof.functions import Function, function, get_function
from gradproof.functions.registry import forget
from gradproof.oracle import Oracle, Reference
from gradproof.oracle.certify import RESOLUTION
from gradproof.oracle.reference import BY_FILTER, FINITE, INFINITE, NAN, UNDECIDED, UNDEFINED
from gradproof.oracle.tails import BEYOND
from tests.oracle.samples import VARIANTS, inputs

KINDS = {"finite": FINITE, "infinite": INFINITE, "nan": NAN, "undefined": UNDEFINED, "undecided": UNDECIDED}


def exact_value(reference: Reference, i: int) -> Fraction:
    return (Fraction(float(reference.high[i])) + Fraction(float(reference.low[i]))) * Fraction(2) ** int(
        reference.exponent[i]
    )


@pytest.mark.parametrize("f", VARIANTS, ids=lambda f: f.label)
@pytest.mark.parametrize("fmt", [FLOAT64, FLOAT32, FLOAT16, BFLOAT16], ids=lambda fmt: fmt.name)
def test_bulk_references_are_the_certified_values(f: Function, fmt: Format) -> None:
    special = np.array([0, fmt.sign_bit, fmt.infinity_bits, fmt.infinity_bits | fmt.sign_bit, fmt.nan_bits])
    random = np.random.default_rng(6).integers(0, 1 << fmt.width, 24, dtype=np.uint64)
    bits = np.concatenate(
        [special.astype(fa.storage(fmt)), random.astype(fa.storage(fmt)), inputs(f, fmt, 8, seed=3, radius=0)]
    )
    oracle = Oracle(f)
    references = oracle.references(bits, fmt)
    for i, b in enumerate(bits.tolist()):
        answers = oracle._at_bits(b, fmt, confirm=())
        for order, (reference, answer) in enumerate(zip(references, answers[:3], strict=True)):
            assert reference.kind[i] == KINDS[answer.kind]
            if answer.kind != "finite":
                assert reference.rounded[i] == answer.bits
                continue
            assert answer.lower is not None
            assert answer.upper is not None
            if not answer.lower.man or answer.lower.exponent < -5000:
                assert reference.high[i] == 0 or reference.exponent[i] < fmt.e_min - 2 * fmt.precision
                continue
            if min(answer.lower.exponent, answer.upper.exponent) >= BEYOND:  # e^(1e300) is not expanded
                assert reference.rounded[i] == answer.bits
                assert reference.exponent[i] > BEYOND
                assert (reference.high[i] > 0) == (answer.lower.man > 0)
                continue
            middle = (answer.lower.fraction() + answer.upper.fraction()) / 2
            unit = Fraction(2) ** fmt.quantum_exponent(middle)
            error = abs(exact_value(reference, i) - middle)
            assert error <= unit * Fraction(1, 2 ** (RESOLUTION - 2)), (b, order)
            apart = abs(fmt.ordinal(int(reference.rounded[i])) - fmt.ordinal(answer.bits))
            if reference.how[i] == BY_FILTER and not fmt.is_16_bit:
                # (a near-tie may be left open in float32, an overflow may not)
                if apart:
                    from_nearest = abs(fmt.value(answer.bits) - middle) / unit
                    assert abs(from_nearest - Fraction(1, 2)) < Fraction(1, 512)
            else:
                assert apart == 0, (b, order)


@pytest.mark.parametrize("f", VARIANTS, ids=lambda f: f.label)
def test_the_exponent_of_a_reference_is_the_one_the_quantum_needs(f: Function) -> None:
    for fmt in (FLOAT32, FLOAT64):
        for reference in Oracle(f).references(inputs(f, fmt, 8, seed=4, radius=0), fmt):
            finite = (reference.kind == FINITE) & (reference.high != 0)
            magnitude = np.abs(reference.high[finite])
            assert ((magnitude >= 0.5) & (magnitude < 1)).all()
            assert (np.abs(reference.low[finite]) <= 2.0**-52).all()


def test_a_value_beside_a_power_of_two_is_measured_in_the_larger_quantum() -> None:
    # sigmoid(60) = 1 - 8.8e-27: no float64 filter and no 100 bits tell it from 1, where the quantum doubles.
    for fmt in (FLOAT32, FLOAT64, BFLOAT16):
        bits = np.array([fmt.round(Fraction(100)), fmt.round(Fraction(-100))], np.uint64).astype(fa.storage(fmt))
        sigmoid = Oracle(get_function("sigmoid")).references(bits, fmt)[0]
        assert sigmoid.quantum_exponents(fmt)[0] == 1 - fmt.precision
        tanh = Oracle(get_function("tanh"))
        for reference in (tanh.references(bits, fmt)[0],):
            assert reference.quantum_exponents(fmt).tolist() == [1 - fmt.precision] * 2
            assert reference.values.tolist() == [1, -1]
        assert tanh.certified(int(bits[1]), fmt, 0).midpoint.fraction() == -1
    # What can be told apart is: 1 - e^-12 lies below 1.
    twelve = np.array([FLOAT32.round(Fraction(12))], np.uint32)
    assert Oracle(get_function("sigmoid")).references(twelve, FLOAT32)[0].quantum_exponents(FLOAT32)[0] == -24


def test_a_slope_beyond_float64_keeps_its_size() -> None:
    f = function("growth", lambda m, x: m.exp(x))
    forget(["growth"])
    reference = Oracle(f).references(np.array([FLOAT64.round(Fraction(1000))], np.uint64), FLOAT64)[0]
    assert reference.rounded[0] == FLOAT64.infinity_bits
    assert reference.exponent[0] == 1443  # 2^1442 < e^1000 < 2^1443
    assert (reference.slope[0] > 0.5, reference.slope_exponent[0]) == (True, 1443)


def test_parameters_beyond_float64_go_to_the_certified_routes() -> None:
    f = function("vast", lambda m, x, k: k * x, {"k": "1e400"})
    forget(["vast"])
    bits = np.array([0x00000001, 0x3F800000], np.uint32)
    reference = Oracle(f).references(bits, FLOAT32)[0]
    assert reference.rounded.tolist() == [0x7F800000] * 2
    assert reference.how[0] != BY_FILTER  # (of 1 arb says that its whole binade overflows)


@pytest.mark.framework("torch")
def test_references_are_refused_on_a_thread_that_flushes_subnormals() -> None:
    import torch

    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        with pytest.raises(GradproofError, match="flushes subnormal numbers to zero"):
            Oracle(get_function("relu")).references(np.array([1], np.uint32), FLOAT32)
    finally:
        torch.set_flush_denormal(False)
