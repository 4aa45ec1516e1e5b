"""The documentation of the plugin names what there is."""

from __future__ import annotations

import re

import pytest

from gradproof.engine.declared.markers import DECLARES, NARROWS
from gradproof.plugin.corpus import INPUTS
from gradproof.plugin.profiles import EXAMPLES
from tests.architecture.imports import ROOT
from tests.plugin.snapshots import normalised

PAGE = (ROOT / "docs" / "pytest.md").read_text("utf-8")


def block(heading: str, language: str) -> str:
    """The first block of code in a language below a heading of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    code = section.partition(f"```{language}\n")[2].partition("```")[0]
    assert code
    return code


def test_every_option_is_documented_and_nothing_else(quiet: pytest.Pytester) -> None:
    shown = "\n".join(quiet.runpytest("--help").outlines)
    options = set(re.findall(r"^  (--gradproof-[\w-]+)", shown, re.MULTILINE))
    settings = set(re.findall(r"^  (gradproof_\w+) \(", shown, re.MULTILINE))
    table = PAGE.partition("## Options")[2]
    assert options
    assert set(re.findall(r"`(--gradproof-[\w-]+)", table)) == options
    assert set(re.findall(r"^\|.*?\| `(gradproof_\w+)`", table, re.MULTILINE)) == settings


def test_every_argument_of_the_marker_is_documented() -> None:
    table = PAGE.partition("## The marker")[2].partition("## Ids")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == {"function", *DECLARES, *NARROWS}


@pytest.mark.framework("torch")
def test_the_example_says_what_the_page_shows(quiet: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    folder = quiet.mkdir("tests")
    (folder / "test_kernels.py").write_text(block("An example", "python"), "utf-8")
    shown = normalised(quiet.runpytest_subprocess("--gradproof-device", "cpu").outlines).splitlines()
    page = normalised(block("What a failure looks like", "text").splitlines()).splitlines()
    until = next(n for n, line in enumerate(page) if line.startswith("FAILED"))  # cut where the terminal ends
    assert page[:until] == shown[:until]


@pytest.mark.framework("torch")
def test_the_example_of_the_fixture_runs(quiet: pytest.Pytester) -> None:
    quiet.makepyfile("import pytest\nimport torch\n\n\n" + block("The fixture", "python"))
    quiet.runpytest_subprocess().assert_outcomes(passed=2)


@pytest.mark.framework("torch")
def test_the_example_of_a_known_deviation_is_known(quiet: pytest.Pytester) -> None:
    source = block("Deviations that you know of", "python")
    quiet.makepyfile("import pytest\nimport torch\n\nimport gradproof\n\n\n" + source)
    narrow = ("--gradproof-property", "accuracy", "--gradproof-format", "bfloat16", "--gradproof-order", "0")
    result = quiet.runpytest_subprocess(*narrow)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["1 cell: 1 known"])


@pytest.mark.parametrize("name", ["pyproject.toml", "pytest.ini"])
def test_the_settings_files_are_read(pytester: pytest.Pytester, name: str) -> None:
    text = block("Options", name.rpartition(".")[2])
    assert text.startswith(f"# {name}\n")
    (pytester.path / name).write_text(text, "utf-8")
    pytester.makepyfile(test_mine=TORCH)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--strict-config", "--collect-only", "-q")
    assert [line for line in result.outlines if "::" in line] == [
        "test_mine.py::mine::relu-torch-cpu-float16-order0-accuracy"
    ]


TORCH = """
import pytest

@pytest.mark.gradproof("relu", backend="torch", formats="float16", orders=0, properties="accuracy")
def mine(x):
    return x
"""


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    table = PAGE.partition("## Hypothesis")[2].partition("```")[0]
    assert dict(re.findall(r"^\| `gradproof-(\w+)` \| (\d+) \|", table, re.MULTILINE)) == {
        name: str(examples) for name, examples in EXAMPLES.items()
    }
    assert f"at most {INPUTS} per item" in PAGE
