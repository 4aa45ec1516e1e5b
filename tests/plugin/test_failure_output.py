"""The whole output of a failing item, compared with a reviewed text: one test per kind of failure.

The implementations compute with exact operations only, and fail worst at a landmark that every run tries: no kernel,
processor or draw decides what is shown.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gradproof.backends import Availability
from tests.plugin.snapshots import FOLDER, VARIABLE, compare
from tests.plugin.sources import HEADER, RIGHT, one_cell

PLATEAU = "return np.where((x >= 1) & (x < 2), np.float32(9), np.maximum(x, np.zeros_like(x)))"
"""9 on [1, 2): at 1 off by 8, that is 8 * 2**23 ulp, and half as much in units of m; the bound is m <= 4."""


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest cuts nothing off in CI."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("COLUMNS", "120")


def in_float32(source: str) -> str:
    return source.replace("float16", "float32")


def shown(quiet: pytest.Pytester, name: str, source: str, *options: str) -> None:
    """Compare the output of a session on ``source`` with a snapshot."""
    quiet.makepyfile(kernels=source)
    compare(name, quiet.runpytest("-rfs", "kernels.py", *options).outlines)


def test_a_wrong_value(quiet: pytest.Pytester) -> None:
    shown(quiet, "wrong_value", in_float32(one_cell(PLATEAU)))


def test_a_wrong_derivative(quiet: pytest.Pytester) -> None:
    # The slope of the left side handed in as 1/2 instead of 1/4: u = 2^22 ulp wherever x < 0.
    source = one_cell(
        "return np.where(x > 0, x, x / 4)",
        '"leaky_relu"',
        'params={"negative_slope": 0.25}, derivative=lambda x: np.where(x > 0, 1, 0.5).astype(x.dtype)',
    )
    shown(quiet, "wrong_derivative", in_float32(source).replace("orders=[0]", "orders=[1]"))


def test_one_that_raises(quiet: pytest.Pytester) -> None:
    shown(quiet, "raises", in_float32(one_cell('raise ValueError("no such luck")')))


def test_one_that_hangs(quiet: pytest.Pytester) -> None:
    shown(quiet, "hangs", in_float32(one_cell("while True: pass")), "--gradproof-time-limit", "0.2")


def test_one_that_writes_into_its_input(quiet: pytest.Pytester) -> None:
    shown(quiet, "writes_into_its_input", in_float32(one_cell("return np.maximum(x, np.zeros_like(x), out=x)")))


def test_a_known_deviation_beyond_its_ceiling(quiet: pytest.Pytester) -> None:
    known = 'known=gp.known("accuracy", "a plateau, issue 12", ceiling=1000, region=(1, 2))'
    shown(quiet, "beyond_the_ceiling", in_float32(one_cell(PLATEAU, more=known)))


def test_a_missing_backend(quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradproof.engine.planning.plan.availability", lambda _: Availability(False, "torch has left"))
    source = one_cell("return x").replace('backend="numpy"', 'backend="torch:cpu"')
    shown(quiet, "missing_backend", source)


def test_a_required_backend_that_is_missing(quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradproof.engine.planning.plan.availability", lambda _: Availability(False, "torch has left"))
    source = one_cell("return x").replace('backend="numpy"', 'backend="torch:cpu"')
    shown(quiet, "missing_required_backend", source, "--gradproof-require-backend", "torch")


def test_the_fixture(quiet: pytest.Pytester) -> None:
    source = """
@pytest.mark.parametrize("slope", [0.25, 0.5])
def test_slope(gradproof_check, slope):
    def leaky(x):
        return np.where(x > 0, x, x / 4)

    gradproof_check(
        "leaky_relu", leaky, backend="numpy", params={"negative_slope": slope}, formats=["float16", "bfloat16"],
        orders=[0], properties=["accuracy"],
    )
"""
    shown(quiet, "fixture", HEADER + source)


def test_every_snapshot_is_one_of_these() -> None:
    tree = ast.parse(Path(__file__).read_text("utf-8"))
    names = {
        ast.literal_eval(call.args[1])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "shown"
    }
    assert {file.stem for file in FOLDER.iterdir()} == names


def test_a_difference_is_seen(quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(AssertionError):
        shown(quiet, "raises", in_float32(one_cell(RIGHT)))
    with pytest.raises(AssertionError):
        shown(quiet, "raises", in_float32(one_cell('raise ValueError("no such look")')))
