"""What XLA flushes on a CPU: subnormal numbers read as 0, as inputs and as the results of others; never normal ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gradproof.backends import get_backend
from gradproof.engine.properties.installed import properties
from gradproof.formats import get_format
from gradproof.functions import function, get_function
from gradproof.functions.registry import forget
from gradproof.results.model import Cell
from tests.properties.subjects import QUICK, verdict

jax = pytest.importorskip("jax")
jnp = jax.numpy


@pytest.fixture(autouse=True)
def _reads_subnormals_as_zero() -> None:
    traits = get_backend("jax:cpu").traits(get_format("float32"))
    if not (traits.zeros_inputs and traits.flushes_results):
        pytest.skip("JAX keeps subnormal numbers on this processor")


@pytest.fixture
def logarithm() -> Iterator[None]:
    function(
        "ln", lambda m, x: m.log(x), monotone=True, domain=(0, "inf"),
        limits=(("-inf", "inf", "-inf"), ("inf", 0, 0)),
    )  # fmt: skip
    yield
    forget(["ln"])


def cells(name: str, call: Any, fmt: str, orders: tuple[int, ...] = (0, 1, 2)) -> dict[str, Cell]:
    """Every claim but those about networks and chance, which do not turn on single inputs."""
    rooms = ("values", "kinks", "shapes", "calls")
    claims = {n: p for n, p in properties().items() if type(p).__module__.split(".")[1] in rooms}
    return {
        f"{order} {claim}": verdict(claim, name, [call], fmt, order, QUICK, backend="jax:cpu")
        for claim, found in claims.items()
        for order in orders
        if order in found.orders and found.concerns(get_function(name), order)
    }


def relu6(x: Any) -> Any:
    """Returns negative subnormal numbers as they are: the comparison reads them as 0."""
    return jnp.where(x > 6, 6, jnp.where(x < 0, 0, x))


@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
def test_subnormal_results_that_whatever_comes_next_reads_as_zero_are_silent(fmt: str) -> None:
    found = cells("relu6", relu6, fmt)
    assert len(found) > 12
    assert {name: (cell.status, cell.reason) for name, cell in found.items()} == dict.fromkeys(found, ("pass", ""))
    accuracy = found["0 accuracy"]
    assert accuracy.excused > 0
    assert accuracy.magnitude is not None
    assert accuracy.magnitude <= 1
    assert accuracy.measured["excused"]["magnitude"] > 1


def test_a_normal_result_in_place_of_zero_is_not() -> None:
    def late(x: Any) -> Any:
        return jnp.where(x > 6, 6, jnp.where(x < -(2.0**-125), 0, x))

    assert cells("relu6", late, "float32", (0,))["0 accuracy"].status == "fail"


@pytest.mark.parametrize("fmt", ["float32", "bfloat16"])
def test_an_infinite_limit_at_zero_is_met_by_subnormal_inputs(fmt: str, logarithm: None) -> None:
    found = cells("ln", jnp.log, fmt, (0, 1))
    assert {name: (cell.status, cell.reason) for name, cell in found.items()} == dict.fromkeys(found, ("pass", ""))
    assert found["0 accuracy"].excused > 0
    assert found["0 accuracy"].measured["excused"]["u_max"] is None  # -inf where NaN is due
    assert found["1 accuracy"].measured["conventions"] > 0  # f' beyond the domain


def test_an_infinity_of_the_other_sign_is_not(logarithm: None) -> None:
    def wrong(x: Any) -> Any:
        return jnp.where(jnp.abs(x) < 2.0**-126, jnp.inf, jnp.log(x))

    assert cells("ln", wrong, "float32", (0,))["0 accuracy"].severity == "wrong-class"
