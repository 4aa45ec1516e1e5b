"""How a library of kernels holds every one of them to the same claims: one list, one fixture-free conftest.

``pytest`` collects a test item per cell; ``pytest -k "softcap and bfloat16"`` selects among them.
"""

import pytest

import gradproof as gp

# Functions that gradproof does not catalogue are defined once, for all test files.
gp.function(
    "softcap",
    oracle=lambda m, x, cap: cap * m.tanh(x / cap),
    params={"cap": 30.0},
    limits=((lambda p: -p["cap"], 0, 0), (lambda p: p["cap"], 0, 0)),
    odd=True,
    monotone=True,
)

# A contract of the library's own: one ulp less than the default leaves.
gp.contract("kernels", metric="m", bounds=(3, 7, 7), bounds_16=(1, 3, 3))


@gp.property("bounded-by-cap", statement="The result never exceeds the cap.", functions="softcap")
def bounded_by_cap(x, y, *, params):
    return (abs(y) <= params["cap"]) | (x != x)


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: deep checks, run at night")


@pytest.fixture(autouse=True)
def seeded():
    """Fixtures of the library's own tests; they do not reach gradproof's items."""
    import torch

    torch.manual_seed(0)
