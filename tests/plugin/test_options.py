"""The options: filters, precedence over mark and settings file, mistakes."""

from __future__ import annotations

import json

import pytest

from tests.plugin.sources import RELU, RELU_IDS, RIGHT, one_cell


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--gradproof-format", "float16"], RELU_IDS[:2]),
        (["--gradproof-order", "1"], RELU_IDS[1::2]),
        (
            ["--gradproof-order", "1", "--gradproof-order", "0", "--gradproof-format", "bfloat16"],
            RELU_IDS[2:],
        ),
        (["--gradproof-backend", "numpy", "--gradproof-device", "cpu"], RELU_IDS),
        (["--gradproof-backend", "numpy:cpu", "--gradproof-mode", "eager"], RELU_IDS),
        (["--gradproof-property", "accuracy"], RELU_IDS),
        (["--gradproof-property", "taylor"], []),
        (["--gradproof-backend", "torch"], []),
        (["--gradproof-device", "cuda"], []),
        (["--gradproof-mode", "compiled"], []),
        (["--gradproof-format", "float64"], []),
        (["-o", "gradproof_format=bfloat16", "-o", "gradproof_order=0"], RELU_IDS[2:3]),
        (["-o", "gradproof_format=bfloat16", "--gradproof-format", "float16"], RELU_IDS[:2]),
        (["--gradproof-format", "Half", "--gradproof-backend", "NumPy"], RELU_IDS[:2]),
    ],
)
def test_filters_keep_what_mark_and_options_have_in_common(
    quiet: pytest.Pytester, options: list[str], kept: list[str]
) -> None:
    quiet.makepyfile(RELU)
    result = quiet.runpytest("--collect-only", "-q", *options)
    assert [line.rpartition("::")[2] for line in result.outlines if "::" in line] == kept
    assert result.ret == (pytest.ExitCode.OK if kept else pytest.ExitCode.NO_TESTS_COLLECTED)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--gradproof-format", "f17"], "--gradproof-format: unknown format 'f17'; expected one of *"),
        (
            ["--gradproof-backend", "torhc"],
            "--gradproof-backend: unknown backend 'torhc'; did you mean 'torch'?",
        ),
        (["--gradproof-property", "speed"], "--gradproof-property: expected one of accuracy, *, got 'speed'"),
        (["--gradproof-mode", "lazy"], "--gradproof-mode: expected one of eager, compiled, autocast, got 'lazy'"),
        (["--gradproof-device", "abacus"], "--gradproof-device: expected one of *, got 'abacus'"),
        (["--gradproof-require-backend", "x"], "--gradproof-require-backend: unknown backend 'x'; known: *"),
        (["-o", "gradproof_order=3"], "--gradproof-order: expected one of 0, 1, 2, got '3'"),
        (["-o", "gradproof_seed=many"], "gradproof_seed: expected a number, got 'many'"),
        (["-o", "gradproof_profile=fast"], "unknown profile 'fast'; expected one of quick, default, deep"),
        (["--gradproof-contract", "good"], "unknown contract 'good'; expected one of *"),
    ],
)
def test_a_mistake_in_an_option_is_told(quiet: pytest.Pytester, option: list[str], words: str) -> None:
    quiet.makepyfile(test_mine=RELU)
    result = quiet.runpytest(*option)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["test_mine.py: my_relu: " + words])


def contract_of(quiet: pytest.Pytester, *options: str) -> str:
    """The contract that the one cell of a session was held to."""
    assert quiet.runpytest("--gradproof-json", "out.json", *options).ret == pytest.ExitCode.OK
    (cell,) = json.loads((quiet.path / "out.json").read_text("utf-8"))["cells"]
    return str(cell["contract"])


def test_command_line_before_mark_before_settings_before_default(quiet: pytest.Pytester) -> None:
    quiet.makepyfile(one_cell(RIGHT))
    assert contract_of(quiet) == "stable"
    assert contract_of(quiet, "-o", "gradproof_contract=training") == "training"
    quiet.makepyfile(one_cell(RIGHT, more='contract="faithful"'))
    assert contract_of(quiet, "-o", "gradproof_contract=training") == "faithful"
    assert contract_of(quiet, "--gradproof-contract", "stable") == "stable"


def test_no_option_of_hypothesis_is_redefined_and_all_of_ours_carry_the_prefix(
    quiet: pytest.Pytester,
) -> None:
    shown = "\n".join(quiet.runpytest("--help").outlines)
    _, _, ours = shown.partition("gradproof: claims about activation functions:")
    ours = ours.partition("\n\n")[0]
    options = [word for line in ours.splitlines() for word in line.split() if word.startswith("--")]
    assert len(options) >= 13
    assert all(word.startswith("--gradproof-") for word in options)


@pytest.mark.parametrize(("profile", "examples"), [("quick", 20), ("default", 100), ("deep", 1000)])
def test_hypothesis_profiles_can_be_named_on_the_command_line(
    quiet: pytest.Pytester, profile: str, examples: int
) -> None:
    quiet.makepyfile(
        f"""
        from hypothesis import settings
        def test_it():
            now = settings()
            assert (now.derandomize, now.database, now.deadline, now.print_blob) == (True, None, None, True)
            assert now.max_examples == {examples}
        """
    )
    result = quiet.runpytest_subprocess("--hypothesis-profile", f"gradproof-{profile}")
    result.assert_outcomes(passed=1)
