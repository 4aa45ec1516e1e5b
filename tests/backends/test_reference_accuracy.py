"""The reference implementations against mpmath at 60 digits, by formulas of the tests' own."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from gradproof.backends.base import Call
from gradproof.backends.numpy.backend import NumpyBackend
from gradproof.backends.numpy.catalogue import row
from gradproof.backends.reference_numpy import REFERENCES
from gradproof.formats import FORMATS, Format
from gradproof.formats import arrays as fa
from tests.backends.closed_forms import DERIVATIVES, KINKS

CASES = [(name, dict(reference.defaults)) for name, reference in REFERENCES.items()] + [
    ("elu", {"alpha": 2.0}),
    ("softplus", {"beta": 3.3}),
    ("softplus", {"beta": 1e-6}),
    ("softplus", {"beta": 1e-30}),
    ("softplus", {"beta": 1e30}),
    ("leaky_relu", {"negative_slope": 0.2}),
    ("leaky_relu", {"negative_slope": -3.0}),
    ("prelu", {"weight": 0.0}),
    ("prelu", {"weight": 1e-300}),
    ("threshold", {"threshold": -0.1, "value": 20.0}),
    ("clamp", {"min": -0.1, "max": 1e-20}),
    ("clamp", {"min": 2.0, "max": 2.0}),
    ("hardshrink", {"lambd": 0.0}),
    ("softshrink", {"lambd": 0.0}),
    ("softshrink", {"lambd": 1e-20}),
    ("elu", {"alpha": -2.5}),
    ("elu", {"alpha": 1e30}),
    ("celu", {"alpha": 2.0}),
    ("celu", {"alpha": -0.3}),
    ("celu", {"alpha": 1e30}),
    ("celu", {"alpha": -1e30}),
    ("celu", {"alpha": 1e-30}),
    ("celu", {"alpha": -1e-30}),
    ("softplus_threshold", {"beta": 3.3, "threshold": 0.0}),
    ("softplus_threshold", {"beta": 1e-30, "threshold": 20.0}),
    ("softplus_threshold", {"beta": 1e30, "threshold": 1e-3}),
    ("squareplus", {"b": 1e-30}),
    ("squareplus", {"b": 1e30}),
    ("squareplus", {"b": 0.1}),
]
NARROW_BOUND = 0.51
"""One rounding of a float64 that is good to a few of its own ulps."""


def quantum(y: Any, fmt: Format) -> Any:
    exponent = fmt.e_min if y == 0 else max(mp.frexp(y)[1] - 1, fmt.e_min)
    return mp.mpf(2) ** (exponent - fmt.precision + 1)


def structured_inputs(fmt: Format) -> fa.Bits:
    """Edges of the format, every few binades, both tails in steps, neighbourhoods of roots and kinks."""
    rng = np.random.default_rng(20240611)
    tail = {"float64": 760.0, "float16": 20.0}.get(fmt.name, 110.0)
    roots = np.array([-0.75179, 0.75179, 1.27846, -1.27846, 2.0**0.5, 2.39936, -2.39936, 1.0, 6.0, -1.0])
    roots = np.append(roots, [0.6875, 0.7512, 1.192456, 1.40975, 1.4906, 1.5, 2.2564, 3.0, 0.5, 20.0, 26.0])
    values = np.concatenate(
        [
            np.ldexp(rng.uniform(1, 2, 12), np.linspace(fmt.e_min, -4, 12).astype(int)),
            np.ldexp(rng.uniform(1, 2, 6), np.linspace(4, fmt.e_max - 1, 6).astype(int)),
            np.linspace(-tail, tail, 41) + rng.uniform(-1, 1, 41),
            rng.uniform(-40, 0, 25),
            rng.uniform(-3, 3, 25),
            (roots[:, None] * (1 + np.array([-1e-3, 0.0, 1e-7]))).ravel(),
        ]
    )
    bits = fa.round_values(np.concatenate([values, -values]), fmt)
    edges = [1, 2, fmt.min_normal_bits - 1, fmt.min_normal_bits, fmt.max_bits]
    edges += [fmt.sign_bit | e for e in edges]
    bits = np.unique(np.concatenate([bits, np.array(edges, fa.storage(fmt))]))
    return bits[fa.is_finite(bits, fmt)]


def mixed_errors(name: str, params: dict[str, Any], fmt: Format) -> list[tuple[float, str]]:
    """For each order the largest m and where it is."""
    bits = structured_inputs(fmt)
    implementation = row(name, params)
    assert implementation is not None
    backend = NumpyBackend()
    got = [backend.evaluate(implementation, bits, fmt, Call(order, path="given")) for order in range(3)]
    kinks = KINKS[name](**params) if name in KINKS else ()
    worst = [(0.0, "")] * 3
    with mp.workdps(60):
        for i, b in enumerate(bits.tolist()):
            fraction = fmt.value(b)
            if fraction in kinks or fraction == 0:
                continue
            if name == "log1p" and fraction <= -1:
                continue
            x = mp.mpf(fraction.numerator) / fraction.denominator
            exact = DERIVATIVES[name](x, **params)
            for order in range(3):
                error = ulps(int(got[order][i]), exact[order], fmt)
                error /= 1 + abs(exact[order + 1]) * quantum(x, fmt) / quantum(exact[order], fmt)
                worst[order] = max(worst[order], (float(error), fmt.hexfloat(b)))
    return worst


def ulps(got: int, exact: Any, fmt: Format) -> Any:
    threshold = mp.mpf(fmt.overflow_threshold.numerator) / fmt.overflow_threshold.denominator
    if fmt.is_infinite(got):
        return mp.mpf(0) if abs(exact) >= threshold and (got >= fmt.sign_bit) == (exact < 0) else mp.inf
    if fmt.is_nan(got) or abs(exact) >= threshold:
        return mp.inf
    value = fmt.value(got)
    return abs(mp.mpf(value.numerator) / value.denominator - exact) / quantum(exact, fmt)


@pytest.mark.parametrize(("name", "params"), CASES, ids=lambda v: v if isinstance(v, str) else repr(v))
@pytest.mark.parametrize("format_name", ["float32", "float16", "bfloat16"])
def test_the_narrow_formats_are_rounded_once(name: str, params: dict[str, Any], format_name: str) -> None:
    worst = mixed_errors(name, params, FORMATS[format_name])
    assert max(worst)[0] <= NARROW_BOUND, worst


@pytest.mark.parametrize(("name", "params"), CASES, ids=lambda v: v if isinstance(v, str) else repr(v))
def test_float64_meets_the_stable_contract_into_the_last_subnormal(name: str, params: dict[str, Any]) -> None:
    value, first, second = mixed_errors(name, params, FORMATS["float64"])
    assert value[0] <= 4.0, value
    assert first[0] <= 8.0, first
    assert second[0] <= 8.0, second


def test_a_gelu_by_subtraction_fails_the_same_check(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradproof.backends.reference import smooth

    def cancelling(x: fa.Floats) -> fa.Floats:
        return 0.5 * x * (1.0 + smooth.tanh(0.8 * x))

    monkeypatch.setattr(REFERENCES["gelu"], "_kernels", (cancelling, cancelling, cancelling))
    assert mixed_errors("gelu", {}, FORMATS["float64"])[0][0] > 1e6


SELU_SCALE = Fraction("1.0507009873554804934193349852946")
SELU_ALPHA = Fraction("1.6732632423543772848170429916717")
LIMITS = {
    "relu": ((0, 0, 0), (np.inf, 1, 0)),
    "leaky_relu": ((-np.inf, 0.01, 0), (np.inf, 1, 0)),
    "prelu": ((-np.inf, 0.25, 0), (np.inf, 1, 0)),
    "relu6": ((0, 0, 0), (6, 0, 0)),
    "threshold": ((0, 0, 0), (np.inf, 1, 0)),
    "maximum0": ((0, 0, 0), (np.inf, 1, 0)),
    "clamp": ((-1, 0, 0), (1, 0, 0)),
    "abs": ((np.inf, -1, 0), (np.inf, 1, 0)),
    "hardtanh": ((-1, 0, 0), (1, 0, 0)),
    "hardsigmoid": ((0, 0, 0), (1, 0, 0)),
    "hardswish": ((0, 0, 0), (np.inf, 1, 0)),
    "hardshrink": ((-np.inf, 1, 0), (np.inf, 1, 0)),
    "softshrink": ((-np.inf, 1, 0), (np.inf, 1, 0)),
    "elu": ((-1, 0, 0), (np.inf, 1, 0)),
    "selu": ((-float(SELU_SCALE * SELU_ALPHA), 0, 0), (np.inf, float(SELU_SCALE), 0)),
    "celu": ((-1, 0, 0), (np.inf, 1, 0)),
    "gelu": ((0, 0, 0), (np.inf, 1, 0)),
    "quick_gelu": ((0, 0, 0), (np.inf, 1, 0)),
    "mish": ((0, 0, 0), (np.inf, 1, 0)),
    "gelu_tanh": ((0, 0, 0), (np.inf, 1, 0)),
    "silu": ((0, 0, 0), (np.inf, 1, 0)),
    "softplus": ((0, 0, 0), (np.inf, 1, 0)),
    "sigmoid": ((0, 0, 0), (1, 0, 0)),
    "logsigmoid": ((-np.inf, 1, 0), (0, 0, 0)),
    "softplus_threshold": ((0, 0, 0), (np.inf, 1, 0)),
    "tanh": ((-1, 0, 0), (1, 0, 0)),
    "tanhshrink": ((-np.inf, 1, 0), (np.inf, 1, 0)),
    "softsign": ((-1, 0, 0), (1, 0, 0)),
    "squareplus": ((0, 0, 0), (np.inf, 1, 0)),
    "exp": ((0, 0, 0), (np.inf, np.inf, np.inf)),
    "expm1": ((-1, 0, 0), (np.inf, np.inf, np.inf)),
    "log1p": ((np.nan, np.nan, np.nan), (np.inf, 0, 0)),
    "erf": ((-1, 0, 0), (1, 0, 0)),
    "erfc": ((2, 0, 0), (0, 0, 0)),
}


@pytest.mark.parametrize("fmt", [f for f in FORMATS.values() if f.has_infinity], ids=lambda f: f.name)
@pytest.mark.parametrize("name", REFERENCES)
def test_infinities_give_the_limits_and_nan_gives_nan(name: str, fmt: Format) -> None:
    implementation = row(name, REFERENCES[name].defaults)
    assert implementation is not None
    infinity, negative = fmt.infinity_bits, fmt.infinity_bits | fmt.sign_bit
    bits = np.array([negative, infinity, fmt.nan_bits, fmt.nan_bits | fmt.sign_bit], fa.storage(fmt))
    for order in range(3):
        got = NumpyBackend().evaluate(implementation, bits, fmt, Call(order, path="given"))
        left, right = LIMITS[name][0][order], LIMITS[name][1][order]
        expected = fa.values(fa.round_values(np.array([left, right], np.float64), fmt), fmt)
        np.testing.assert_array_equal(fa.values(got[:2], fmt), expected)
        assert fa.is_nan(got[2:], fmt).all()


KEEP_ZERO = [
    "tanh", "elu", "selu", "celu", "hardtanh", "clamp", "silu", "gelu", "quick_gelu", "mish", "hardswish", "hardshrink",
    "softshrink", "tanhshrink", "softsign", "expm1", "log1p", "erf",
]  # fmt: skip


@pytest.mark.parametrize("name", KEEP_ZERO)
def test_a_negative_zero_keeps_its_sign(name: str) -> None:
    reference = REFERENCES[name]
    assert np.signbit(reference(np.array([-0.0], np.float32)))[0]
    assert not np.signbit(reference(np.array([0.0], np.float32)))[0]


@pytest.mark.parametrize("name", [n for n in KINKS if n in REFERENCES])
def test_the_derivative_at_a_kink_lies_between_the_one_sided_ones(name: str) -> None:
    params = REFERENCES[name].defaults
    for kink in map(float, KINKS[name](**params)):
        beside = [DERIVATIVES[name](mp.mpf(kink) + h, **params)[1] for h in (-(2.0**-40), 2.0**-40)]
        chosen = float(REFERENCES[name].first(np.array([kink]), **params)[0])
        assert min(beside) - 1e-11 <= chosen <= max(beside) + 1e-11


def test_a_tie_of_maximum0_is_split() -> None:
    np.testing.assert_array_equal(REFERENCES["maximum0"].first(np.array([-0.0, 0.0, np.nan])), [0.5, 0.5, np.nan])


@pytest.mark.parametrize("name", ["hardshrink", "softshrink"])
def test_shrinking_by_nothing_is_the_identity(name: str) -> None:
    x = np.array([-2.0, -0.0, 0.0, 5e-324])
    np.testing.assert_array_equal(REFERENCES[name](x, lambd=0.0), x)
    np.testing.assert_array_equal(REFERENCES[name].first(x, lambd=0.0), np.ones(4))


def test_log1p_ends_at_minus_one() -> None:
    x = np.array([-1.0, np.nextafter(-1.0, -2.0), -np.inf])
    for function, at_the_end in (
        (REFERENCES["log1p"], -np.inf),
        (REFERENCES["log1p"].first, np.inf),
        (REFERENCES["log1p"].second, -np.inf),
    ):
        np.testing.assert_array_equal(function(x), [at_the_end, np.nan, np.nan])


@pytest.mark.parametrize(("beta", "threshold", "last"), [(0.1, 0.7, 7.0 - 2.0**-50), (3.0, 1.0, 1 / 3)])
def test_softplus_turns_to_the_identity_past_the_exact_quotient(beta: float, threshold: float, last: float) -> None:
    # 0.7 / 0.1 is 7 - 2^-50 in float64, as the two binary values have it; 1/3 rounds down.
    x = np.array([last, np.nextafter(last, np.inf)])
    assert [Fraction(beta) * Fraction(float(v)) > Fraction(threshold) for v in x] == [False, True]
    slope = REFERENCES["softplus_threshold"].first(x, beta=beta, threshold=threshold)
    assert slope[0] < 1.0
    assert slope[1] == 1.0


def test_a_quotient_beyond_every_number_leaves_softplus_alone() -> None:
    x = np.array([np.finfo(np.float64).max, np.inf])
    np.testing.assert_array_equal(REFERENCES["softplus_threshold"].first(x, beta=1e-300, threshold=1e300), [1.0, 1.0])
