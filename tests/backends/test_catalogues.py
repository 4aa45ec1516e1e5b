"""What the catalogues list: names that exist, parameters as specified, values that fit the function."""

from __future__ import annotations

import pkgutil
from typing import Any

import numpy as np
import pytest

from gradproof.backends import Call, get_backend
from gradproof.backends.catalogue_rows import ROWS, target_of
from gradproof.backends.reference_numpy import REFERENCES
from gradproof.formats import FORMATS
from gradproof.formats import arrays as fa
from tests.backends.plain_formulas import PLAIN

BACKENDS = ("numpy", "torch", "jax")
FLOAT64 = FORMATS["float64"]
MISSING = {
    "numpy": set(),
    "torch": {"quick_gelu", "squareplus", "to_float6_e2m3fn", "to_float6_e3m2fn", "to_float4_e2m1fn"},
    "jax": {
        "prelu", "threshold", "hardshrink", "softshrink", "quick_gelu", "softplus_threshold", "tanhshrink",
        "to_float6_e2m3fn", "to_float6_e3m2fn",
    },
}  # fmt: skip
"""What a framework does not offer."""
PIECEWISE = [
    ("relu", {}),
    ("leaky_relu", {"negative_slope": 0.2}),
    ("prelu", {"weight": 0.25}),
    ("hardtanh", {"min": -0.5, "max": 1.5}),
    ("relu6", {}),
]
LATER_PIECEWISE = [
    ("maximum0", {}),
    ("clamp", {"min": -0.5, "max": 1.5}),
    ("abs", {}),
    ("hardsigmoid", {}),
    ("hardswish", {}),
]
TORCH_PIECEWISE = [
    ("threshold", {"threshold": 0.25, "value": -1.0}),
    ("hardshrink", {"lambd": 0.7}),
    ("softshrink", {"lambd": 0.6}),
]
FORMULATED = [
    *((backend, *row) for backend in BACKENDS for row in PIECEWISE),
    *((backend, *row) for backend in ("torch", "jax") for row in LATER_PIECEWISE),
    *(("torch", *row) for row in TORCH_PIECEWISE),
]
POINTS = [-6.5, -3.0, -0.7, -0.25, 0.0, 0.3, 0.5, 1.2, 3.0, 7.5, 20.5]


def near_the_reference(function: str, params: dict[str, Any], implementation: Any, backend: str) -> None:
    x = np.array([-3.0, -0.7, 0.0, 0.3, 1.2, 5.0, 7.5])
    bits = fa.round_values(x, FLOAT64)
    got = get_backend(backend).evaluate(implementation, bits, FLOAT64, Call())
    expected = REFERENCES[function](x, **params)
    np.testing.assert_allclose(fa.values(got, FLOAT64), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_row_computes_its_function(backend: str) -> None:
    made = get_backend(backend)
    rows = [(i.function, dict(i.params)) for i in made.catalogue()]
    assert {function for function, params in ROWS if (function, params) not in rows} == MISSING[backend]
    for implementation in made.catalogue():
        if implementation.function.startswith("to_"):
            continue  # conversions have a test of their own
        near_the_reference(implementation.function, dict(implementation.params), implementation, backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_row_and_formulation_is_the_plain_formula_in_float64(backend: str) -> None:
    made = get_backend(backend)
    for row in made.catalogue():
        if row.function not in PLAIN:
            continue
        x = [v for v in POINTS if v > -1 or row.function != "log1p"]
        expected = [PLAIN[row.function](v, **row.params) for v in x]
        for implementation in (row, *made.formulations(row.function, row.params)):
            got = made.evaluate(implementation, fa.round_values(np.array(x), FLOAT64), FLOAT64, Call())
            where = f"{row.function} by {implementation.name}"
            np.testing.assert_allclose(fa.values(got, FLOAT64), expected, rtol=1e-8, atol=1e-11, err_msg=where)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_conversion_keeps_the_numbers_its_target_holds_and_rounds_the_others(backend: str) -> None:
    made = get_backend(backend)
    rows = [i for i in made.catalogue() if i.function.startswith("to_")]
    missing = {name for name in MISSING[backend] if name.startswith("to_")}
    assert len(rows) + len(missing) == 11
    # 1 + 2^-24 takes 25 bits; the rest are numbers of every format of 8 bits with a sign.
    for row in rows:
        assert row.formats
        target = target_of(row.function)
        assert target is not None
        x = np.array([0.0, -1.0, 1.5, -0.25, 20.0, 1 + 2.0**-24] if target.signed else [0.25, 1.0, 16.0, 1 + 2.0**-24])
        expected = np.where(x == 1 + 2.0**-24, 1.0, x).tolist()
        if target.width < 8:
            x, expected = np.array([0.0, -1.0, 1.5, 6.0, -300.0]), [0.0, -1.0, 1.5, 6.0, -float(target.max_value)]
            expected = [fa.values(fa.round_values(np.array([v]), target), target)[0] for v in expected]
        for name in row.formats:
            fmt = FORMATS[name]
            got = made.evaluate(row, fa.round_values(x, fmt), fmt, Call())
            assert fa.values(got, fmt).tolist() == expected, f"{row.function} from {name}"


def test_every_catalogued_row_has_a_plain_formula() -> None:
    assert {function for function, _ in ROWS if not function.startswith("to_")} == set(PLAIN)


@pytest.mark.parametrize("backend", BACKENDS)
def test_names_are_public_and_lead_to_something_callable(backend: str) -> None:
    for implementation in get_backend(backend).catalogue():
        assert callable(pkgutil.resolve_name(implementation.name))
        assert implementation.backend == backend
        assert not implementation.user


@pytest.mark.parametrize(("backend", "function", "params"), FORMULATED, ids=[f"{b}-{f}" for b, f, _ in FORMULATED])
def test_formulations_compute_the_same_function(backend: str, function: str, params: dict[str, Any]) -> None:
    formulations = get_backend(backend).formulations(function, params)
    names = [i.name for i in formulations]
    assert names
    assert len(set(names)) == len(names)
    for implementation in formulations:
        assert implementation.params == params
        near_the_reference(function, params, implementation, backend)


def test_a_numpy_formulation_returns_every_format_it_claims() -> None:
    made = get_backend("numpy")
    for function, params in ROWS:
        for implementation in made.formulations(function, params):
            for name in implementation.formats or FORMATS:
                bits = fa.round_values(np.array([-2.0, 9.0]), FORMATS[name])
                assert made.evaluate(implementation, bits, FORMATS[name], Call()).dtype == bits.dtype


@pytest.mark.parametrize("backend", BACKENDS)
def test_relu_is_also_written_as_maximum_clamp_and_where(backend: str) -> None:
    names = {i.name.rpartition(".")[2] for i in get_backend(backend).formulations("relu", {})}
    assert names == {"maximum", "where", "clamp" if backend == "torch" else "clip"}


def maximum_and_where(backend: str, function: str) -> set[str]:
    return {i.name.rpartition(".")[2] for i in get_backend(backend).formulations(function, {"min": -1.0, "max": 1.0})}


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_clamp_is_also_written_as_maximum_and_where_and_never_as_itself(backend: str) -> None:
    assert maximum_and_where(backend, "clamp") - {"hardtanh"} == {"maximum", "where"}
    assert maximum_and_where(backend, "hardtanh") == {"maximum", "where", "clamp" if backend == "torch" else "clip"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_smooth_functions_have_no_other_formulation(backend: str) -> None:
    assert list(get_backend(backend).formulations("tanh", {})) == []


def test_the_tanh_form_of_gelu_differs_from_the_erf_form() -> None:
    x = np.array([2.0])
    assert abs(REFERENCES["gelu"](x)[0] - REFERENCES["gelu_tanh"](x)[0]) > 1e-5
