"""Scripts for jax: they call what the backend calls, and run without gradproof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradproof.cli.script_tables import CALLS
from gradproof.functions import get_function
from tests.cli.conftest import Invoke
from tests.cli.test_script import run


def test_each_call_is_what_the_catalogue_calls() -> None:
    jax = pytest.importorskip("jax")
    from gradproof.backends import get_backend

    x = jax.numpy.linspace(-8, 8, 256, dtype=np.float32)
    rows = [r for r in get_backend("jax").catalogue() if not get_function(r.function).rounds_to]
    assert {r.function for r in rows} == set(CALLS["jax"])
    for row in rows:
        names: dict[str, Any] = {"jax": jax, "jnp": jax.numpy, "x": x}
        got = eval(CALLS["jax"][row.function].format(**row.params), names)
        assert np.array_equal(got, row.call(x), equal_nan=True), row.function


@pytest.mark.parametrize(
    ("order", "path", "mode"), [(0, "reverse", "eager"), (1, "reverse", "compiled"), (2, "forward", "eager")]
)
def test_a_script_shows_what_jax_returns(gradproof: Invoke, folder: Path, order: int, path: str, mode: str) -> None:
    pytest.importorskip("jax")
    # -0.75 in float64, which takes JAX's 64-bit switch.
    args = ("repro", "tanh", "--backend", "jax", "--format", "float64", "--order", str(order), "--path", path)
    made = gradproof(*args, "--mode", mode, "--bits", "0xbfe8000000000000", "--script")
    assert made.exit_code == 0, made.stderr
    shown = run(folder, made.stdout)
    t = np.tanh(-0.75)
    due = (t, 1 - t * t, -2 * t * (1 - t * t))[order]
    assert float(shown["got"]) == pytest.approx(due, rel=2.0**-48)
    assert float(shown["expected"]) == pytest.approx(due, rel=1e-14)
