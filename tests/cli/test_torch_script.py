"""Scripts for torch: they call what the backend calls, and run without gradproof."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradproof.cli.script_tables import CALLS
from gradproof.functions import get_function
from tests.cli.conftest import Invoke
from tests.cli.test_script import run


def test_each_call_is_what_the_catalogue_calls() -> None:
    torch = pytest.importorskip("torch")
    from gradproof.backends import get_backend

    x = torch.from_numpy(np.linspace(-8, 8, 256, dtype=np.float32))
    rows = [r for r in get_backend("torch").catalogue() if not get_function(r.function).rounds_to]
    assert {r.function for r in rows} == set(CALLS["torch"])
    for row in rows:
        names: dict[str, Any] = {"torch": torch, "x": x}
        got = eval(CALLS["torch"][row.function].format(**row.params), names)
        assert np.array_equal(got.numpy(), row.call(x).numpy(), equal_nan=True), row.function


@pytest.mark.parametrize("path", ["reverse", "forward"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_script_shows_what_torch_returns(gradproof: Invoke, folder: Path, order: int, path: str) -> None:
    torch = pytest.importorskip("torch")
    # tanh has double backward and a forward formula; -0.75 is exact in float32, 0xbf400000.
    args = (
        "repro",
        "tanh",
        "--backend",
        "torch",
        "--format",
        "float32",
        "--order",
        str(order),
        "--path",
        path,
    )
    made = gradproof(*args, "--bits", "0xbf400000", "--script")
    assert made.exit_code == 0, made.stderr
    assert "gradproof" not in made.stdout.replace("Written by gradproof", "")
    shown = run(folder, made.stdout)
    x = torch.full((256,), -0.75, requires_grad=True)
    y = torch.tanh(x)
    for _ in range(order):
        (y,) = torch.autograd.grad(y, x, torch.ones_like(x), create_graph=True)
    assert float(shown["got"]) == pytest.approx(y[0].item(), rel=2.0**-21)
    t = np.tanh(-0.75)
    assert float(shown["expected"]) == pytest.approx((t, 1 - t * t, -2 * t * (1 - t * t))[order], rel=1e-14)


def test_a_script_of_autocast_calls_under_autocast(gradproof: Invoke, folder: Path) -> None:
    torch = pytest.importorskip("torch")
    # mish widens float16 to float32 inside; -5 is 0xc500 in float16.
    args = ("repro", "mish", "--backend", "torch", "--format", "float16", "--mode", "autocast", "--order", "1")
    made = gradproof(*args, "--bits", "0xc500", "--script")
    assert 'with torch.autocast("cpu", dtype=torch.float16):' in made.stdout
    shown = run(folder, made.stdout)
    x = torch.full((256,), -5.0, dtype=torch.float16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.float16):
        y = torch.nn.functional.mish(x)
    (slope,) = torch.autograd.grad(y.to(x.dtype), x, torch.ones_like(x))
    assert float(shown["got"]) == slope[0].item()


def test_a_second_derivative_that_is_unconnected_is_zero(gradproof: Invoke, folder: Path) -> None:
    pytest.importorskip("torch")
    made = gradproof(
        "repro",
        "relu",
        "--backend",
        "torch",
        "--format",
        "float32",
        "--order",
        "2",
        "--bits",
        "0x3f800000",
        "--script",
    )
    assert float(run(folder, made.stdout)["got"]) == 0


def test_the_readmes_example_fails_with_a_nan_that_can_be_repeated(gradproof: Invoke, folder: Path) -> None:
    pytest.importorskip("torch")
    (folder / "mine.py").write_text(
        "import torch\nimport gradproof as gp\n\n"
        '@gp.implements("silu", backend="torch")\n'
        "def silu(x):\n    return x / (1 + torch.exp(-x))\n",
        encoding="utf-8",
    )
    done = gradproof(
        "check", "mine.py", "--backend", "torch:cpu", "--format", "bfloat16", "--property", "accuracy",
        "--order", "1", "--jobs", "0",
    )  # fmt: skip
    assert done.exit_code == 1, done.output
    assert re.search(r"got +-?nan", done.stdout)
    assert re.search(r"explained .*\[silu/quotient/1\], 100 % of what fails", done.stdout)
    assert re.search(r"where +.*, from mine\.py:6: return x / \(1 \+ torch\.exp\(-x\)\)", done.stdout)
    assert "gradproof repro silu --file mine.py --implementation mine:silu --backend torch:cpu" in done.stdout
