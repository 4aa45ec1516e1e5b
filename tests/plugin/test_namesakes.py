"""Functions of one name in one session: every test and every item has the verdict that it has alone, in any order."""

from __future__ import annotations

import importlib.util

import pytest

from gradproof.measure.contracts import forget_contracts
from tests.plugin.sources import HEADER

HINGES = (
    HEADER
    + """
def flat(m, x):
    return 0 * x


def line(m, x):
    return x


def relu(x):
    return np.maximum(x, x.dtype.type(0))


def shifted(x):
    return np.where(x >= 1, x, x.dtype.type(0))


def hinge(at):
    return gp.function(
        "hinge", oracle=gp.piecewise(flat, at, line), monotone=True, limits=((0, 0, 0), ("inf", 1, 0))
    )


ONE_CELL = {{"backend": "numpy", "formats": ["float16"], "orders": [0], "properties": ["accuracy"]}}

{tests}
"""
)
AT_0 = """
def test_at_0(gradproof_check):
    gradproof_check(hinge(0), relu, **ONE_CELL)


def test_at_0_wrongly(gradproof_check):
    gradproof_check(hinge(0), shifted, **ONE_CELL)
"""
AT_1 = """
def test_at_1(gradproof_check):
    hinge(1)
    gradproof_check("hinge", shifted, **ONE_CELL)


def test_at_1_wrongly(gradproof_check):
    hinge(1)
    gradproof_check("hinge", relu, **ONE_CELL)
"""
"""Of the four the two called wrongly fail: between 0 and 1 the hinge at 0 is x, and the one at 1 is 0."""
WRONGLY = ["test_at_0_wrongly", "test_at_1_wrongly"]


def outcomes(result: pytest.RunResult) -> dict[str, list[str]]:
    """The names of the tests, by outcome, in alphabetical order."""
    found: dict[str, list[str]] = {"PASSED": [], "FAILED": []}
    for line in result.outlines:
        # "test_mine.py::name PASSED [ 25%]", and of xdist "[gw0] [ 25%] PASSED test_mine.py::name".
        words = line.split()
        if "::" in line and (state := next((w for w in words if w in found), "")) and " - " not in line:
            found[state].append(next(w for w in words if "::" in w).partition("::")[2])
    return {state: sorted(set(names)) for state, names in found.items()}


EXPECTED = {"PASSED": ["test_at_0", "test_at_1"], "FAILED": WRONGLY}


@pytest.mark.parametrize("turn", [1, -1])
def test_the_same_callables_with_the_kink_elsewhere_are_another_function(turn: int, quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=HINGES.format(tests="\n".join([AT_0, AT_1][::turn])))
    assert outcomes(quiet.runpytest("-v")) == EXPECTED
    for name in ("test_at_0", "test_at_1"):
        quiet.runpytest(f"test_mine.py::{name}").assert_outcomes(passed=1)
        quiet.runpytest(f"test_mine.py::{name}_wrongly").assert_outcomes(failed=1)


@pytest.mark.parametrize("turn", [1, -1])
def test_they_are_under_xdist_too(turn: int, quiet: pytest.Pytester) -> None:
    if importlib.util.find_spec("xdist") is None:
        pytest.skip("pytest-xdist is not installed")
    quiet.makepyfile(test_mine=HINGES.format(tests="\n".join([AT_0, AT_1][::turn])))
    assert outcomes(quiet.runpytest_subprocess("-v", "-p", "xdist", "-n", "2")) == EXPECTED


MARKED = """
hinge({at})


@pytest.mark.gradproof("hinge", **ONE_CELL)
def {call}_at_{at}(x):
    return {call}(x)
"""


def test_markers_mean_the_function_of_their_own_file(quiet: pytest.Pytester) -> None:
    files = {
        f"test_{call}_{at}": HINGES.format(tests=MARKED.format(at=at, call=call))
        for at in (0, 1) for call in ("relu", "shifted")
    }  # fmt: skip
    quiet.makepyfile(**files)
    for names in (sorted(files), sorted(files, reverse=True)):
        found = outcomes(quiet.runpytest("-v", *(f"{name}.py" for name in names)))
        cell = "hinge-numpy-cpu-float16-order0-accuracy"
        assert found == {
            "PASSED": [f"relu_at_0::{cell}", f"shifted_at_1::{cell}"],
            "FAILED": [f"relu_at_1::{cell}", f"shifted_at_0::{cell}"],
        }


def test_a_marker_means_the_function_of_a_conftest_above(quiet: pytest.Pytester) -> None:
    quiet.makeconftest(HINGES.format(tests="hinge(1)"))
    marked = MARKED.replace("hinge({at})", "").format(at=1, call="shifted")
    quiet.makepyfile(test_mine=HINGES.format(tests=marked))
    quiet.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize("turn", [1, -1])
def test_markers_mean_the_contract_of_their_own_file(turn: int, quiet: pytest.Pytester) -> None:
    # relu times 1 - 2^-8 is off by 4 to 8 ulp of float16's 11 bits, and half an ulp of rounding.
    source = """
gp.contract("kernels", metric="u", bounds={})


@pytest.mark.gradproof("relu", backend="numpy", formats=["float16"], orders=[0], properties=["accuracy"],
                       contract="kernels")
def nudged_{}(x):
    return np.maximum(x * np.float16(1 - 2**-8), np.zeros_like(x))
"""
    quiet.makepyfile(**{f"test_{u}": HEADER + source.format(u, u) for u in (7, 9)})
    cell = "relu-numpy-cpu-float16-order0-accuracy"
    items = [f"test_{u}.py::nudged_{u}::{cell}" for u in (7, 9)][::turn]
    assert outcomes(quiet.runpytest("-v", *items)) == {"PASSED": [f"nudged_9::{cell}"], "FAILED": [f"nudged_7::{cell}"]}
    quiet.runpytest(*items, "--gradproof-contract", "stable").assert_outcomes(failed=2)
    forget_contracts(["kernels"])


def test_text_and_floats_of_the_same_digits_are_two_items(quiet: pytest.Pytester) -> None:
    # One tenth has no end in binary, so that 0.1 is another number than "0.1"; in float64 they differ by 2^-54 or so.
    source = """
@gp.implements("leaky_relu", backend="numpy", formats=["float16"], params={"negative_slope": [0.1, "0.1", "0.5"]})
def leaky(x, negative_slope):
    return np.where(x > 0, x, x * x.dtype.type(negative_slope))
"""
    quiet.makepyfile(test_mine=HEADER + source)
    given = ("--gradproof-order", "0", "--gradproof-property", "accuracy")
    result = quiet.runpytest("--collect-only", "-q", *given)
    assert [line.partition("::")[2] for line in result.outlines if "::" in line] == [
        f"leaky::leaky_relu-negative_slope={slope}-numpy-cpu-float16-order0-accuracy"
        for slope in ("0.1", "'0.1'", "'0.5'")
    ]
