"""``gradproof explain``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gradproof.cli.app import program
from gradproof.results import write_results
from tests.findings.test_findings import HEAD, PIECES, judged


def explained(*words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(program, ["explain", *words])
    return answer.exit_code, answer.output


def test_a_file_is_judged_and_its_faults_told_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEAD + PIECES["systematic"])
    code, said = explained(str(file), "--format", "float32", "--jobs", "1")
    assert code == 1
    assert said.startswith("mine:mine as tanh on numpy:cpu  bulk, felt in training\n  what      f' is wrong by 1 %")


def test_a_results_file_is_read_and_one_input_chosen(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    write_results(judged(tmp_path, "nan", "float32"), file)
    code, said = explained(str(file))
    assert (code, "1 finding" in said) == (1, True)
    assert explained(str(file), "--bits", "0x3f800000") == (
        1,
        said.splitlines()[-1].replace("1 finding", "0 findings") + "\n",
    )
    assert explained(str(file), "--bits", "one")[0] == 4


def test_a_catalogued_function_tells_what_is_known(tmp_path: Path) -> None:
    code, said = explained("relu", "--backend", "numpy", "--format", "float16", "--property", "accuracy")
    assert (code, said.splitlines()[-1].startswith("0 findings, from")) == (0, True)


@pytest.mark.parametrize("words", [("rellu",), ("relu", "--function", "silu"), ("none.py",), ("none.json",)])
def test_what_is_nowhere_is_an_error(words: tuple[str, ...]) -> None:
    code, said = explained(*words)
    assert code == 4, said
