"""special-values, on faults of its own kind: NaNs, infinities, the sign of zero, the ends of the format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.functions import function
from gradproof.functions.registry import forget
from tests.properties.subjects import Exact, answering, exact, verdict

FORMATS = ("float32", "float16", "bfloat16")
WIDE = {"float32": 32, "float16": 16, "bfloat16": 16}


def spoiled(function: str, fmt: str, order: int, at: str, by: str) -> Any:
    """The verdict on right results but one: the special input ``at`` gives the special result ``by``."""
    f = get_format(fmt)
    special = {
        "zero": 0, "-zero": f.sign_bit, "inf": f.infinity_bits, "-inf": f.infinity_bits | f.sign_bit,
        "max": f.max_bits, "-max": f.max_bits | f.sign_bit, "nan": f.nan_bits,
        "-snan": (f.infinity_bits + 1) | f.sign_bit,
        "least": 1, "subnormal": f.min_normal_bits - 1, "normal": f.min_normal_bits,
    }  # fmt: skip
    calls = exact(function)
    calls[order] = answering(calls[order], {special[at]: special[by]})
    return verdict("special-values", function, calls, fmt, order)


FAULTS = [
    # A NaN is swallowed, also one of an unusual payload and sign alone.
    ("relu", 0, "nan", "zero", "wrong-class"),
    ("relu", 0, "-snan", "zero", "wrong-class"),
    ("tanh", 0, "nan", "inf", "wrong-class"),
    # An infinity does not give the limit.
    ("relu", 0, "inf", "max", "wrong-class"),
    ("relu", 0, "-inf", "nan", "wrong-class"),
    ("silu", 0, "-inf", "nan", "wrong-class"),
    ("sigmoid", 1, "inf", "nan", "wrong-class"),
    ("sigmoid", 1, "-inf", "inf", "wrong-class"),
    ("tanh", 2, "inf", "nan", "wrong-class"),
    # The sign of zero is lost.
    ("tanh", 0, "-zero", "zero", "wrong-branch"),
    ("tanh", 0, "zero", "-zero", "wrong-branch"),
    # The ends of the format: the largest number overflows or the largest subnormal and the least normal vanish.
    ("relu", 0, "max", "inf", "wrong-class"),
    ("softplus", 0, "max", "inf", "wrong-class"),
    ("gelu", 0, "max", "nan", "wrong-class"),
    ("relu", 0, "normal", "zero", "lost-signal"),
    ("relu", 0, "subnormal", "zero", "small-error"),
]


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("function", "order", "at", "by", "severity"), FAULTS)
def test_one_wrong_special_value_fails(function: str, order: int, at: str, by: str, severity: str, fmt: str) -> None:
    cell = spoiled(function, fmt, order, at, by)
    assert cell.status == "fail"
    assert cell.severity == severity or (severity == "small-error" and cell.severity == "large-error")


SILENT = [
    # What is a convention or allowed: the derivative at a NaN, the sign of zero of a function that is not odd, ...
    ("relu", 1, "nan", "zero"),
    ("gelu", 1, "nan", "nan"),
    ("relu", 0, "-zero", "zero"),
    ("relu", 0, "zero", "-zero"),
    ("tanh", 1, "-inf", "-zero"),
    # ... and one quantum of error where the contract allows two.
    ("tanh", 0, "least", "zero"),
]


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("function", "order", "at", "by"), SILENT)
def test_a_convention_is_no_fault(function: str, order: int, at: str, by: str, fmt: str) -> None:
    assert spoiled(function, fmt, order, at, by).status == "pass"


def test_an_overflow_that_is_due_is_none() -> None:
    # selu(max) = 1.05 max is beyond the format: infinity is the correct rounding.
    cell = verdict("special-values", "selu", [Exact("selu")], "float32")
    assert cell.status == "pass"
    largest = np.array([get_format("float32").max_bits], np.uint32).view(np.float32)
    assert np.isinf(Exact("selu")(largest)).all()


def test_what_came_out_is_recorded() -> None:
    measured = verdict("special-values", "tanh", exact("tanh"), "float16", 1).measured
    assert measured == {
        "at_minus_infinity": "0.0", "at_plus_infinity": "0.0", "at_minus_zero": "1.0", "at_nan": "nan",
        "nan_is_convention": True, "conventions": 2 * (2**10 - 1),  # f' at every NaN
    }  # fmt: skip


@pytest.fixture
def logarithm() -> Iterator[None]:
    function("ln", lambda m, x: m.log(x), domain=(0, "inf"), limits=(("-inf", "inf", "-inf"), ("inf", 0, 0)))
    yield
    forget(["ln"])


@pytest.mark.parametrize("fmt", FORMATS)
def test_at_the_zero_outside_the_domain_a_pole_has_either_sign(fmt: str, logarithm: None) -> None:
    # ln'(-0) = 1/-0 = -inf by IEEE 754, +inf by the limit. At +0 there is but one.
    f = get_format(fmt)
    for at, by, status in ((f.sign_bit, -np.inf, "pass"), (f.sign_bit, np.inf, "pass"), (f.sign_bit, np.nan, "fail"),
                           (f.sign_bit, 1.0, "fail"), (0, -np.inf, "fail"), (0, np.inf, "pass")):  # fmt: skip
        calls = exact("ln")
        calls[1] = answering(calls[1], {at: int(fa.round_values(np.array([by]), f)[0])})
        cell = verdict("special-values", "ln", calls, fmt, 1)
        assert (cell.status, by) == (status, by)
        if at:
            assert cell.measured["at_minus_zero"] == str(by)
