"""Which items a function becomes, and what their verdicts mean to pytest."""

from __future__ import annotations

import pytest

from tests.plugin.sources import HEADER, RELU, RELU_IDS, RIGHT, WRONG, one_cell


def collected(result: pytest.RunResult) -> list[str]:
    """Node ids that a session with ``--collect-only -q`` lists."""
    return [line for line in result.outlines if "::" in line and not line.startswith("ERROR")]


def test_a_function_of_any_name_becomes_one_item_per_cell(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=RELU)
    found = collected(quiet.runpytest("--collect-only", "-q"))
    assert found == [f"test_mine.py::my_relu::{name}" for name in RELU_IDS]


def test_parameters_are_part_of_the_id(quiet: pytest.Pytester) -> None:
    source = one_cell("return np.where(x > 0, x, x / 4)", '"leaky_relu"', 'params={"negative_slope": 0.25}')
    quiet.makepyfile(test_mine=source)
    (found,) = collected(quiet.runpytest("--collect-only", "-q"))
    assert found == "test_mine.py::mine::leaky_relu-negative_slope=0.25-numpy-cpu-float16-order0-accuracy"


def test_a_right_implementation_passes(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(RELU)
    result = quiet.runpytest()
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["gradproof *: profile quick, contract stable", "*4 cells: 4 pass"])


def test_a_wrong_implementation_fails_and_says_all_that_matters(quiet: pytest.Pytester) -> None:
    # |x| instead of max(x, 0): wrong by |x| below 0, most at the greatest number, whose bits are 0xfbff. The
    # quantum of 0 is 2^-24, so u = 65504 * 2^24 = 1.099e12, twice the bound of m <= 2 in 16-bit formats over.
    quiet.makepyfile(test_mine=one_cell(WRONG))
    result = quiet.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*_ mine: relu-numpy-cpu-float16-order0-accuracy _*",
            "at -65504.0: got 65504.0, expected 0.0 (1.099e+12 ulp)",
            "  claim      accuracy of relu, the value in float16; contract stable; every input tried (63488)",
            "  by         test_mine:mine on numpy:cpu, eager",
            "  input      -65504.0   -0x1.ffc0000000000p+15   0xfbff",
            "  got        65504.0    0x1.ffc0000000000p+15    0x7bff",
            "  expected   0.0        0x0.0p+0                 0x0000",
            "  error      u = 1.099e+12 ulp, m = 1.099e+12, absolute 6.55e+04; 5.495e+11 times the bound",
            "  region     [[]-65504.0, -1.7*e-07]: 31741 of 31741 inputs fail",
            "  cause      probably *",
            "  felt       yes, it breaks the training contract too",
            "  reproduce  gradproof repro relu --file test_mine.py --implementation test_mine:mine *",
            "1 cell: 1 fail",
        ]
    )
    result.stdout.re_match_lines([r"  reproduce .* --backend numpy:cpu --format float16 --order 0 --bits 0x\w+"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*items.py*")


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ('raise ValueError("no such luck")', "raised", "test_mine:mine raised ValueError: no such luck"),
        ("return x[:-1]", "wrong-shape", "test_mine:mine returned shape *, expected *"),
        ("return x.astype(np.float64)", "wrong-format", "test_mine:mine returned dtype float64*float16*"),
        ("x[:] = 0; return x", "wrote-input", "test_mine:mine wrote into its input*"),
        ("return 1.0", "wrong-type", "test_mine:mine returned a float*"),
    ],
)
def test_a_broken_contract_is_a_failure_that_names_the_fault(
    quiet: pytest.Pytester, body: str, kind: str, words: str
) -> None:
    quiet.makepyfile(test_mine=one_cell(body))
    result = quiet.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([words, f"  fault      {kind}", "  reproduce  *", "1 cell: 1 error"])


def test_an_implementation_that_hangs_is_cut_off_and_not_called_again(quiet: pytest.Pytester) -> None:
    source = (
        HEADER
        + """
import time

@pytest.mark.gradproof("relu", backend="numpy", formats=["float16", "bfloat16"], orders=[0],
                       properties=["accuracy"])
def slow(x):
    time.sleep(600)
"""
    )
    quiet.makepyfile(source)
    result = quiet.runpytest("--gradproof-time-limit", "0.2", "-rs")
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["*slow did not return within 0.2 seconds", "*timed-out", "SKIPPED*hung in an earlier cell*"]
    )


def test_a_derivative_that_nobody_handed_in_is_a_skip_at_the_function(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=one_cell(RIGHT).replace("orders=[0]", "orders=[1]"))
    result = quiet.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED [[]1[]] test_mine.py:*: unsupported: *no derivative= was handed in"])


def test_xfail_on_the_function_holds_for_its_cells(quiet: pytest.Pytester) -> None:
    mark = '@pytest.mark.xfail(reason="known", strict=True)'
    quiet.makepyfile(test_a=one_cell(WRONG, decorators=mark), test_b=one_cell(RIGHT, decorators=mark))
    quiet.runpytest().assert_outcomes(xfailed=1, failed=1)


def test_a_known_deviation_excuses_one_claim_within_its_ceiling_only(quiet: pytest.Pytester) -> None:
    # |x| for relu(x): at most 65504 * 2^24 / 2 = 5.5e11 times the bound in float16, and right in the derivative below.
    known = 'derivative=step, known=gp.known("accuracy", "no time yet", orders=0, ceiling={})'
    both = one_cell(WRONG, more=known).replace("orders=[0]", "orders=[0, 1]")
    quiet.makepyfile(both.format("6e11"))
    result = quiet.runpytest("-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["2 cells: 1 known, 1 pass"])
    quiet.makepyfile(both.format("5e11"))
    quiet.runpytest().assert_outcomes(passed=1, failed=1)
    quiet.makepyfile(both.replace("np.abs(x)", RIGHT.removeprefix("return ")).format("6e11"))
    result = quiet.runpytest()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["the ledger of known deviations is out of date: *no time yet*"])


def test_skip_on_the_function_holds_for_its_cells(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(one_cell(WRONG, decorators='@pytest.mark.skip(reason="not today")'))
    result = quiet.runpytest()
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["1 cell: 1 not-run"])


def test_selection_by_keyword_and_by_mark(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(test_mine=RELU + "\ndef test_other(): pass\n")
    found = collected(quiet.runpytest("--collect-only", "-q", "-k", "bfloat16 and order1"))
    assert found == [f"test_mine.py::my_relu::{RELU_IDS[3]}"]
    assert len(collected(quiet.runpytest("--collect-only", "-q", "-m", "gradproof"))) == 4
    assert collected(quiet.runpytest("--collect-only", "-q", "-m", "not gradproof")) == ["test_mine.py::test_other"]
    quiet.runpytest(f"test_mine.py::my_relu::{RELU_IDS[0]}").assert_outcomes(passed=1)


def test_what_the_oracle_cannot_certify_never_passes_unasked(quiet: pytest.Pytester) -> None:
    # Without limits= the value at infinity is nobody's to certify.
    source = (
        HEADER
        + """
gp.function("halved", oracle=lambda m, x: x / 2)

@pytest.mark.gradproof("halved", backend="numpy", formats=["float16"], orders=[0],
                       properties=["special-values"])
def halved(x):
    return x * x.dtype.type(0.5)
"""
    )
    quiet.makepyfile(source)
    result = quiet.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["undecided: *", "  advice     *limits=*"])
    quiet.runpytest("-o", "gradproof_undecided=skip").assert_outcomes(skipped=1)
    quiet.runpytest("-o", "gradproof_undecided=pass").assert_outcomes(passed=1)
    refused = quiet.runpytest("-o", "gradproof_undecided=perhaps")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*gradproof_undecided: expected fail, skip or pass, got 'perhaps'"])


def test_verdicts_reach_the_junit_file(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(one_cell(RIGHT))
    quiet.runpytest("--junitxml", "junit.xml")
    text = (quiet.path / "junit.xml").read_text("utf-8")
    assert '<property name="gradproof_status" value="pass"' in text
    assert '<property name="gradproof_evidence" value="exhaustive 63488"' in text


def test_an_implementation_that_ends_the_process_fails_and_the_session_goes_on(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(one_cell("__import__('os')._exit(0)"), test_other="def test_after(): pass")
    result = quiet.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*mine raised SystemExit: os._exit(0)*"])
