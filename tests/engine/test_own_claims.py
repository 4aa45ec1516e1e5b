"""Properties, contracts and parameter grids of a user's own, each from a file that ``gradproof check`` reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradproof as gp
from gradproof.engine.packs import forget_properties, properties
from gradproof.engine.run import exit_code, run
from gradproof.engine.selection import Selection
from gradproof.measure.contracts import forget_contracts
from gradproof.results.model import Cell

HEADER = """
import numpy as np
import gradproof as gp

def step(x):
    return (x > 0).astype(x.dtype)

"""
RELU = '@gp.implements("relu", backend="numpy", derivative=step, formats=["float16"])\ndef mine(x):\n    return {}\n'


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield
    forget_properties(("non-negative", "steep", "broken"))
    forget_contracts(("slack", "mine"))


def cells(folder: Path, text: str, **more: Any) -> list[Cell]:
    file = folder / "mine.py"
    file.write_text(HEADER + text)
    result = run(Selection(files=(str(file),), profile="quick", jobs=0, **more))
    checked = [c for c in result.cells if c.backend == "numpy"]
    assert exit_code(result) == (0 if {c.status for c in checked} == {"pass"} else 1)
    return checked


NON_NEGATIVE = """
@gp.property("non-negative", statement="The result is never negative.", functions="relu")
def non_negative(x, y):
    return (y >= 0) | np.isnan(x)

"""


def test_a_property_of_ones_own_passes_and_fails(tmp_path: Path) -> None:
    right, wrong = RELU.format("np.maximum(x, np.zeros_like(x))"), RELU.format("x + np.float16(0)")
    (cell,) = cells(tmp_path, NON_NEGATIVE + right, properties=("non-negative",))
    assert (cell.status, cell.evidence.kind, cell.evidence.n, cell.order) == ("pass", "exhaustive", 65536, 0)
    (cell,) = cells(tmp_path, NON_NEGATIVE + wrong, properties=("non-negative",))
    assert cell.status == "fail"
    assert cell.reason.startswith("The result is never negative: not at x = -5.96")
    assert cell.certificate is not None
    assert "--property non-negative" in cell.certificate.reproduce
    # Negative numbers and -inf: half of all but the NaNs, less the zero.
    assert cell.measured["failing"] == 31 * 1024


def test_a_check_is_given_what_it_asks_for(tmp_path: Path) -> None:
    seen = """
@gp.property("steep", statement="The slope is what it is.", orders=(1,))
def steep(x, y, *, format, params, order, function):
    assert (format, params, order, function) == ("float16", {"negative_slope": 0.25}, 1, "leaky_relu")
    assert x.dtype == y.dtype == np.float64
    return np.isnan(x) | (y == np.where(x > 0, 1, params["negative_slope"]))

def slope(x):
    return np.where(x > 0, x.dtype.type(1), x.dtype.type(0.25))

@gp.implements("leaky_relu", backend="numpy", params={"negative_slope": 0.25}, derivative=slope, formats=["float16"])
def mine(x):
    return np.where(x > 0, x, x * x.dtype.type(0.25))
"""
    (cell,) = cells(tmp_path, seen, properties=("steep",))
    assert (cell.status, cell.order) == ("pass", 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 1 / 0", "raised ZeroDivisionError"),
        ("return y", "returned float64 of shape (65536,), expected one bool per input"),
        ("return True", "of shape ()"),
    ],
)
def test_a_check_that_breaks_is_an_error_of_its_cells(tmp_path: Path, body: str, words: str) -> None:
    broken = f'@gp.property("broken", statement="Broken.")\ndef broken(x, y):\n    {body}\n\n'
    right = RELU.format("np.maximum(x, np.zeros_like(x))")
    (cell,) = cells(tmp_path, broken + right, properties=("broken",))
    assert cell.status == "error"
    assert words in cell.reason


def test_checks_that_cannot_be_declared_are_refused() -> None:
    declared = gp.property("broken", statement="Broken.")
    for call, words in (
        (lambda: gp.property("Non Negative", statement="x"), "small letters"),
        (lambda: gp.property("broken", statement=" "), "as a sentence"),
        (lambda: gp.property("broken", statement="x", orders=(3,)), "out of 0, 1, 2"),
        (lambda: declared(lambda x: x), r"must take \(x, y\)"),
        (lambda: declared(lambda x, y, colour: x), "colour"),
        (lambda: declared("x"), "expected a function"),  # type: ignore[type-var]
        (lambda: gp.property("accuracy", statement="x")(lambda x, y: x == y), "installed already"),
    ):
        with pytest.raises(gp.UsageError, match=words):
            call()
    assert "broken" not in properties()


def nudged(slack: str) -> str:
    """An identity-like relu that is off by a factor of 1 + 2^-8, held to a contract of its own."""
    return f"""
gp.contract("slack", metric="u", bounds={slack})

@gp.implements("relu", backend="numpy", formats=["float16"], contract="slack")
def mine(x):
    return np.maximum(x * np.float16(1 + 2**-8), np.zeros_like(x))
"""


def test_a_contract_of_ones_own_decides(tmp_path: Path) -> None:
    # A factor of 1 + 2^-8 is off by 4 to 8 ulp of a significand of 11 bits, and half an ulp of rounding.
    for slack, status in (("9", "pass"), ("[7, 9, 9]", "fail"), ("[9, 1, 1]", "pass")):
        (cell,) = cells(tmp_path, nudged(slack), properties=("accuracy",), orders=(0,))
        assert (cell.status, cell.contract) == (status, "slack")


def test_contracts_that_make_no_sense_are_refused() -> None:
    for call, words in (
        (lambda: gp.contract("stable", metric="u", bounds=1), "other than"),
        (lambda: gp.contract("a b", metric="u", bounds=1), "a name such as"),
        (lambda: gp.contract("mine", metric="ulp", bounds=1), "metric='u'"),  # type: ignore[arg-type]
        (lambda: gp.contract("mine", metric="u", bounds=(1, 2)), "orders 0, 1, 2"),
        (lambda: gp.contract("mine", metric="u", bounds=0), "positive"),
        (lambda: gp.contract("mine", metric="u", bounds=float("nan")), "positive"),
        (lambda: gp.implements("relu", backend="numpy", contract="nosuch"), "unknown contract 'nosuch'"),
    ):
        with pytest.raises(gp.UsageError, match=words):
            call()


GRID = """
def first(x, alpha):
    return np.where(x > 0, x.dtype.type(1), (np.float64(alpha) * np.exp(x.astype(np.float64))).astype(x.dtype))

@gp.implements("elu", backend="numpy", params={"alpha": [0.5, 1.0, 3.0]}, derivative=first, formats=["float16"])
def mine(x, alpha):
    wide = x.astype(np.float64)
    return np.where(wide > 0, wide, alpha * np.expm1(np.minimum(wide, 0))).astype(x.dtype)
"""


def test_a_grid_of_parameters_is_one_implementation_each(tmp_path: Path) -> None:
    found = cells(tmp_path, GRID, properties=("accuracy",), orders=(0, 1))
    assert [(c.params["alpha"], c.order, c.status) for c in found] == [
        (alpha, order, "pass") for alpha in (0.5, 1.0, 3.0) for order in (0, 1)
    ]
    assert len({c.id for c in found}) == 6


def test_a_wrong_corner_of_a_grid_fails_alone(tmp_path: Path) -> None:
    wrong = GRID.replace("alpha * np.expm1", "(alpha + (alpha == 3) / 16) * np.expm1")
    found = cells(tmp_path, wrong, properties=("accuracy",), orders=(0,))
    assert [c.status for c in found] == ["pass", "pass", "fail"]
    assert found[2].certificate is not None
    assert "--param alpha=3.0" in found[2].certificate.reproduce


def test_an_empty_grid_is_refused() -> None:
    with pytest.raises(gp.UsageError, match="empty list"):
        gp.implements("elu", backend="numpy", params={"alpha": []})


def test_numpy_numbers_are_values_and_no_grids() -> None:
    gp.implements("elu", backend="numpy", params={"alpha": np.float32(2)})


MODULES = """
class Scaled:
    def __init__(self, factor):
        self.factor = np.float16(factor)

    def __call__(self, x):
        return np.maximum(x * self.factor, np.zeros_like(x))

right = gp.implements("relu", backend="numpy", formats=["float16"])(Scaled(1))
wrong = gp.implements("relu", backend="numpy", formats=["float16"])(Scaled(1.5))
given = gp.implements("relu", backend="numpy", formats=["float16"], name="kernels.v2")(Scaled(1))
"""


def test_instances_are_called_by_the_name_they_are_bound_to(tmp_path: Path) -> None:
    found = cells(tmp_path, MODULES, properties=("accuracy",), orders=(0,))
    assert {c.implementation: c.status for c in found} == {
        "mine:right": "pass", "mine:wrong": "fail", "kernels.v2": "pass"
    }  # fmt: skip


def test_a_kernel_of_one_device_has_no_cells_on_others(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEADER + RELU.format("x").replace('backend="numpy"', 'backend="torch:cuda"'))
    result = run(Selection(files=(str(file),), profile="quick", jobs=0, properties=("accuracy",)))
    assert {(c.backend, c.device) for c in result.cells} == {("torch", "cuda")}
    assert {c.status for c in result.cells} <= {"not-run", "unsupported", "error", "fail"}


KNOWN = """
@gp.implements("relu", backend="numpy", derivative=step, formats=["float16"], known={})
def mine(x):
    y = np.maximum(x, np.zeros_like(x))
    return np.where((x > 2) & (x < 4), y * np.float16(1 + 2**-7), y)  # 16 ulp at most: 8 times the bound
"""


@pytest.mark.parametrize(
    ("declared", "status", "state"),
    [
        ('gp.known("accuracy", "a fused multiply", ceiling=9, region=(2, 4))', "known", "seen"),
        ('gp.known("accuracy", "a fused multiply")', "known", "seen"),
        ('[gp.known("accuracy", "a fused multiply", orders=0), gp.known("taylor", "x")]', "known", "seen"),
        ('gp.known("accuracy", "a fused multiply", ceiling=2)', "fail", "grown"),
        ('gp.known("accuracy", "a fused multiply", region=(2, 3))', "fail", "grown"),
        ('gp.known("accuracy", "a fused multiply", formats="float32")', "fail", None),
        ('gp.known("accuracy", "a fused multiply", orders=(1, 2))', "fail", None),
    ],
)
def test_a_declared_deviation_excuses_what_it_says_and_no_more(
    tmp_path: Path, declared: str, status: str, state: str | None
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEADER + KNOWN.format(declared))
    result = run(Selection(files=(str(file),), profile="quick", jobs=0, properties=("accuracy",), orders=(0,)))
    (cell,) = [c for c in result.cells if c.backend == "numpy"]
    assert cell.status == status
    assert [s.state for s in result.ledger] == ([state] if state else [])
    assert exit_code(result) == (0 if status == "known" else 1)
    if status == "known":
        assert result.deviations[str(cell.known_ref)]["title"] == "mine:mine (accuracy): a fused multiply"


def test_an_excuse_does_not_outlive_its_fault(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    text = KNOWN.format('gp.known("accuracy", "mended since")').replace("2**-7", "0")
    file.write_text(HEADER + text)
    result = run(Selection(files=(str(file),), profile="quick", jobs=0, properties=("accuracy",), orders=(0,)))
    assert [c.status for c in result.cells if c.backend == "numpy"] == ["pass"]
    assert [s.state for s in result.ledger] == ["gone"]
    assert exit_code(result) == 1


def test_deviations_that_say_nothing_are_refused() -> None:
    for call, words in (
        (lambda: gp.known("Accuracy", "x"), "id of a property"),
        (lambda: gp.known("accuracy", " "), "a reason in words"),
        (lambda: gp.known("accuracy", "x", ceiling=1), "above 1"),
        (lambda: gp.known("accuracy", "x", region=(2, 1)), "low, high"),
        (lambda: gp.known("accuracy", "x", region=3), "low, high"),  # type: ignore[arg-type]
        (lambda: gp.known("accuracy", "x", formats="float31"), "unknown format"),
        (lambda: gp.known("accuracy", "x", orders=3), "out of 0, 1, 2"),
        (lambda: gp.implements("relu", backend="numpy", known="accuracy"), "known= expects"),  # type: ignore[arg-type]
    ):
        with pytest.raises(gp.UsageError, match=words):
            call()
