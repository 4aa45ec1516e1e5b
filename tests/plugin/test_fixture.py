"""The fixture ``gradproof_check``: a callable that a test makes, judged inside the test."""

from __future__ import annotations

import json

import pytest

from gradproof.results import validate
from tests.plugin.sources import HEADER

SLOPES = (
    HEADER
    + """
@pytest.fixture
def slope_of_the_kernel():
    return 0.25


@pytest.mark.parametrize("slope", [0.25, 0.5])
def test_slope(gradproof_check, slope, slope_of_the_kernel):
    def leaky(x):
        return np.where(x > 0, x, x * x.dtype.type(slope_of_the_kernel))

    cells = gradproof_check(
        "leaky_relu", leaky, backend="numpy", params={"negative_slope": slope}, formats=["float16", "bfloat16"],
        orders=[0], properties=["accuracy"],
    )
    assert [c.status for c in cells] == ["pass", "pass"]
    assert [c.evidence.kind for c in cells] == ["exhaustive"] * 2
"""
)


def test_a_callable_that_needs_fixtures_and_parameters_is_judged(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=SLOPES)
    result = quiet.runpytest("--gradproof-json", "out.json")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*_ test_slope[[]0.5[]] _*", "at -*", "4 cells: 2 fail, 2 pass"])
    document = json.loads((quiet.path / "out.json").read_text("utf-8"))
    validate(document)
    names = [(c["implementation"], c["status"]) for c in document["cells"]]
    assert names == [("test_mine:test_slope[0.25]", "pass")] * 2 + [("test_mine:test_slope[0.5]", "fail")] * 2


def test_the_command_that_it_names_judges_the_failing_cell_again(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=SLOPES)
    lines = quiet.runpytest("-k", "0.5").outlines
    command = next(line for line in lines if line.startswith("  reproduce  pytest"))
    words = command.replace("'", "").split()[2:]
    again = quiet.runpytest(*words)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["1 cell: 1 fail"])


def test_the_options_narrow_what_is_judged(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=SLOPES.replace("    assert [c", "    assert len(cells) == 1\n    return\n    assert [c"))
    quiet.runpytest("--gradproof-format", "bfloat16", "-k", "0.25").assert_outcomes(passed=1)
    result = quiet.runpytest("--gradproof-backend", "torch", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED *: the options keep no cell of it"])


def test_what_cannot_be_judged_skips_the_test(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=SLOPES.replace("orders=[0]", "orders=[1]"))
    result = quiet.runpytest("-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED *: unsupported: *no derivative= was handed in"])


def test_a_mistake_in_its_arguments_is_told_at_the_line_of_the_test(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=SLOPES.replace("orders=[0]", "order=[0]"))
    result = quiet.runpytest()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [">       cells = gradproof_check(", "E *no argument order=; did you mean orders=?", "test_mine.py:*: Failed"]
    )
    result.stdout.no_fnmatch_line("*checking.py*")


def test_the_same_cell_twice_in_one_test_wants_two_names(quiet: pytest.Pytester) -> None:
    call = SLOPES[SLOPES.index("gradproof_check(\n") : SLOPES.index("    assert [c")].rstrip()
    twice = SLOPES.replace("    assert [c", "    " + call.replace("backend", "NAME backend") + "\n    assert [c", 1)
    quiet.makepyfile(test_mine=twice.replace("NAME", ""))
    result = quiet.runpytest("-k", "0.25")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*expected one implementation called 'test_mine:test_slope*; tell them apart by name="]
    )
    quiet.makepyfile(test_mine=twice.replace("NAME", "name='again', "))
    quiet.runpytest("-k", "0.25").assert_outcomes(passed=1)


def test_a_failure_of_the_test_itself_is_told_in_full(quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    own = SLOPES.replace("    assert [c", "    raise ValueError('one\\ntwo')\n    assert [c", 1)
    quiet.makepyfile(test_mine=own)
    lines = quiet.runpytest("-k", "0.25").outlines
    at = next(n for n, line in enumerate(lines) if line.startswith("FAILED"))
    assert lines[at].endswith("ValueError: one")
    assert lines[at + 1] == "two"


def test_pytest_lists_it(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine="def test_nothing(): pass")
    result = quiet.runpytest("--fixtures")
    result.stdout.fnmatch_lines(["gradproof_check*", "    Check a callable that a test makes*"])
