"""What the catalogues list: names that exist, parameters as specified, values that fit the function."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from gradproof.backends import Call, get_backend
from gradproof.backends.catalogue_rows import ROWS
from gradproof.backends.reference_numpy import REFERENCES
from gradproof.formats import FORMATS
from gradproof.formats import arrays as fa

BACKENDS = ("numpy", "torch", "jax")
FLOAT64 = FORMATS["float64"]
PIECEWISE = [
    ("relu", {}),
    ("leaky_relu", {"negative_slope": 0.2}),
    ("prelu", {"weight": 0.25}),
    ("hardtanh", {"min": -0.5, "max": 1.5}),
    ("relu6", {}),
]


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
    missing = [row for row in ROWS if row not in rows]
    assert missing == ([("prelu", {"weight": 0.25})] if backend == "jax" else [])
    for implementation in made.catalogue():
        near_the_reference(implementation.function, dict(implementation.params), implementation, backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_names_are_public_and_lead_to_something_callable(backend: str) -> None:
    for implementation in get_backend(backend).catalogue():
        module, _, attribute = implementation.name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), attribute))
        assert implementation.backend == backend
        assert not implementation.user


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("function", "params"), PIECEWISE, ids=[f for f, _ in PIECEWISE])
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
    for function, params in PIECEWISE:
        for implementation in made.formulations(function, params):
            for name in implementation.formats or FORMATS:
                bits = fa.round_values(np.array([-2.0, 9.0]), FORMATS[name])
                assert made.evaluate(implementation, bits, FORMATS[name], Call()).dtype == bits.dtype


@pytest.mark.parametrize("backend", BACKENDS)
def test_relu_is_also_written_as_maximum_clamp_and_where(backend: str) -> None:
    names = {i.name.rpartition(".")[2] for i in get_backend(backend).formulations("relu", {})}
    assert names == {"maximum", "where", "clamp" if backend == "torch" else "clip"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_smooth_functions_have_no_other_formulation(backend: str) -> None:
    assert list(get_backend(backend).formulations("tanh", {})) == []


def test_the_tanh_form_of_gelu_differs_from_the_erf_form() -> None:
    x = np.array([2.0])
    assert abs(REFERENCES["gelu"](x)[0] - REFERENCES["gelu_tanh"](x)[0]) > 1e-5
