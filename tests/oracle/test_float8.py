"""The oracle in the 8-bit formats: overflow without an infinity, limits at a pole, and the bulk route."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gradproof.formats import FLOAT8_E4M3FN, FLOAT8_E5M2, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.functions import get_function
from gradproof.oracle import Oracle
from gradproof.oracle.reference import FINITE, INFINITE

both = pytest.mark.parametrize("fmt", [FLOAT8_E4M3FN, FLOAT8_E5M2], ids=lambda f: f.name)


@both
@pytest.mark.parametrize("name", ["relu", "gelu", "exp", "log1p", "softplus", "erfc"])
def test_every_pattern_in_bulk_is_what_one_input_certifies(fmt: Format, name: str) -> None:
    oracle = Oracle(get_function(name))
    bits = fa.all_bits(fmt)
    references = oracle.references(bits, fmt)
    for order in (0, 1, 2):
        for i in range(0, 256, 5):
            single = oracle.certified(int(bits[i]), fmt, order)
            if single.kind in ("finite", "infinite"):
                assert fmt.same_number(int(references[order].rounded[i]), single.bits)


def test_an_overflow_is_certified_as_the_nan_it_gives() -> None:
    oracle = Oracle(get_function("exp"))
    seven = FLOAT8_E4M3FN.round(Fraction(7))  # e^7 = 1096.6
    due = oracle.certified(seven, FLOAT8_E4M3FN, 0)
    assert (due.kind, due.bits) == ("finite", FLOAT8_E4M3FN.nan_bits)
    reference = oracle.references(np.array([seven], np.uint8), FLOAT8_E4M3FN)[0]
    assert (int(reference.kind[0]), int(reference.rounded[0])) == (FINITE, FLOAT8_E4M3FN.nan_bits)
    six = FLOAT8_E4M3FN.round(Fraction(6))  # e^6 = 403.4
    assert FLOAT8_E4M3FN.value(oracle.certified(six, FLOAT8_E4M3FN, 0).bits) == 416


def test_a_pole_is_an_overflow() -> None:
    oracle = Oracle(get_function("log1p"))
    minus_one = FLOAT8_E4M3FN.round(Fraction(-1))
    reference = oracle.references(np.array([minus_one], np.uint8), FLOAT8_E4M3FN)[0]
    assert int(reference.kind[0]) == INFINITE
    assert FLOAT8_E4M3FN.is_nan(int(reference.rounded[0]))
    assert oracle.certified(minus_one, FLOAT8_E4M3FN, 0).kind == "infinite"


@both
def test_the_exact_identity_is_every_pattern_itself(fmt: Format) -> None:
    oracle = Oracle(get_function("to_float8_e5m2"))
    for bits in range(256):
        if fmt.is_finite(bits):
            assert fmt.same_number(oracle.certified(bits, fmt, 0).bits, bits)
    assert set(FORMATS) >= {"float8_e4m3fn", "float8_e5m2"}
