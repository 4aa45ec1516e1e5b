"""Properties, contracts and parameter grids of a user's own, each from a file that ``gradproof check`` reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradproof as gp
from gradproof.engine.properties.installed import forget_properties, properties
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import exit_code, run
from gradproof.functions.registry import forget
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


def test_a_claim_in_a_wide_format_is_asked_about_a_nan(tmp_path: Path) -> None:
    wide = NON_NEGATIVE.replace("(y >= 0) | np.isnan(x)", "(x < 0) | (y >= 0)")
    right = RELU.format("np.maximum(x, np.zeros_like(x))").replace('"float16"', '"float32", "float64"')
    found = cells(tmp_path, wide + right, properties=("non-negative",))
    assert [(c.status, c.evidence.kind, c.measured["failing"]) for c in found] == [("fail", "sampled", 1)] * 2
    assert all("not at x = nan" in c.reason for c in found)
    # As many inputs as everywhere else: other lengths are compiled anew.
    assert all(c.evidence.n == 1 << (c.evidence.n.bit_length() - 1) for c in found)


@pytest.mark.parametrize(("ceiling", "status"), [("2", "known"), ("1.5", "fail")])
def test_a_claim_that_is_broken_is_broken_by_2(tmp_path: Path, ceiling: str, status: str) -> None:
    declared = f'known=gp.known("non-negative", "not rectified", ceiling={ceiling}, region=("-inf", 0)))'
    wrong = RELU.format("x + np.float16(0)").replace('formats=["float16"])', f'formats=["float16"], {declared}')
    file = tmp_path / "mine.py"
    file.write_text(HEADER + NON_NEGATIVE + wrong)
    result = run(Selection(files=(str(file),), profile="quick", jobs=0, properties=("non-negative",)))
    assert [(c.status, c.magnitude) for c in result.cells if c.backend == "numpy"] == [(status, 2.0)]


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
    """An identity-like relu that is off by a factor of 1 - 2^-8, held to a contract of its own."""
    return f"""
gp.contract("slack", metric="u", bounds={slack})

@gp.implements("relu", backend="numpy", formats=["float16"], contract="slack")
def mine(x):
    return np.maximum(x * np.float16(1 - 2**-8), np.zeros_like(x))
"""


def test_a_contract_of_ones_own_decides(tmp_path: Path) -> None:
    # A factor of 1 - 2^-8 is off by 4 to 8 ulp of a significand of 11 bits, and half an ulp of rounding.
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


def test_a_declared_deviation_is_held_to_the_contract_in_force(tmp_path: Path) -> None:
    # The same 16 ulps under a contract of 3 ulps of its own: 5 times that bound, not the 8 of the default's.
    for ceiling, status, state in ((6, "known", "seen"), (5, "fail", "grown")):
        declared = f'gp.known("accuracy", "a fused multiply", ceiling={ceiling}), contract="slack"'
        file = tmp_path / "mine.py"
        file.write_text(HEADER + 'gp.contract("slack", metric="u", bounds=3)\n' + KNOWN.format(declared))
        result = run(Selection(files=(str(file),), profile="quick", jobs=0, properties=("accuracy",), orders=(0,)))
        assert [c.status for c in result.cells if c.backend == "numpy"] == [status]
        assert [s.state for s in result.ledger] == [state]


def test_a_declared_deviation_of_no_property_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEADER + KNOWN.format('gp.known("accuracyy", "typed in haste")'))
    with pytest.raises(gp.UsageError, match="unknown property 'accuracyy' in known= of mine:mine; did you mean"):
        run(Selection(files=(str(file),), profile="quick", jobs=0))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import sys; sys.exit(0)", "raised SystemExit"),
        ("return [[1], [1, 2]]", "raised ValueError"),
        ("raise gp.UsageError('no')", "raised UsageError: no"),
        ("import time; time.sleep(30)", "did not return within 0.5 seconds"),
    ],
)
def test_a_check_that_does_its_worst_costs_its_own_cells(tmp_path: Path, body: str, words: str) -> None:
    broken = f'@gp.property("broken", statement="Broken.")\ndef broken(x, y):\n    {body}\n\n'
    right = RELU.format("np.maximum(x, np.zeros_like(x))")
    file = tmp_path / "mine.py"
    file.write_text(HEADER + broken + right)
    chosen = Selection(
        files=(str(file),), profile="quick", jobs=0, properties=("broken", "accuracy"), orders=(0,), time_limit=0.5
    )
    result = run(chosen)
    found = {c.property: c for c in result.cells if c.backend == "numpy"}
    assert (found["accuracy"].status, found["broken"].status) == ("pass", "error")
    assert words in found["broken"].reason
    assert exit_code(result) == 1


def test_names_that_are_nobodys_are_refused_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    for text, words in (
        (NON_NEGATIVE.replace('"relu"', '"reluu"') + RELU.format("x"), "unknown function 'reluu' in the property"),
        (RELU.format("x") + RELU.format("x * 1"), "got two; tell them apart by name="),
    ):
        file.write_text(HEADER + text)
        with pytest.raises(gp.UsageError, match=words):
            run(Selection(files=(str(file),), profile="quick", jobs=0))


def test_arguments_of_the_wrong_kind_are_refused() -> None:
    for call, words in (
        (lambda: gp.property("broken", statement="x", functions=[]), "at least one"),
        (lambda: gp.property("broken", statement="x", functions=3), "names or functions"),  # type: ignore[arg-type]
        (lambda: gp.property("broken", statement="x", orders=None), "out of 0, 1, 2"),  # type: ignore[arg-type]
        (lambda: gp.property("broken", statement="."), "as a sentence"),
        (lambda: gp.known("accuracy", "x", formats=3), "formats="),  # type: ignore[arg-type]
        (lambda: gp.known("accuracy", "x", orders=()), "orders="),
        (lambda: gp.contract("mine", metric="u", bounds=10**400), "positive bound"),
        (lambda: gp.implements("relu", backend="numpy", name=3), "name= as text"),  # type: ignore[arg-type]
        (lambda: gp.implements("relu", backend="numpy", params=[1]), "params= as a mapping"),  # type: ignore[arg-type]
        (lambda: gp.implements("relu", backend=":cuda"), "backend="),
    ):
        with pytest.raises(gp.UsageError, match=words):
            call()
    gp.implements("relu", backend="numpy", formats=(f for f in ("float16",)))(lambda x: x)


def test_a_definition_that_cannot_be_evaluated_is_the_users_error_and_no_internal_one(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    text = """
nofn = gp.function("no_such_primitive", oracle=lambda m, x: m.nosuch(x))

@gp.implements(nofn, backend="numpy", formats=["float16"])
def mine(x):
    return x
"""
    file.write_text(HEADER + text)
    result = run(Selection(files=(str(file),), profile="quick", jobs=0, properties=("accuracy",), orders=(0,)))
    assert [c.status for c in result.cells if c.backend == "numpy"] == ["error"]
    assert exit_code(result) == 1
    forget(["no_such_primitive"])
