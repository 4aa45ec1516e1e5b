"""``gradproof explain``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gradproof.cli.app import program
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.results import read_results, validate, write_results
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


WRITTEN = """
import torch
import gradproof as gp

@gp.implements("silu", backend="torch")
def mine(x):
    return x / (1 + torch.exp(-x))
"""


def test_the_operation_that_matters_is_shown_with_its_line(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    file, results = tmp_path / "subject.py", tmp_path / "r.json"
    file.write_text(WRITTEN)
    only = ("--format", "float32", "--order", "1", "--property", "accuracy", "--jobs", "1")
    code, said = explained(str(file), *only, "--bits", "0xc2700000")
    assert code == 1
    worst, chosen = said.split("subject:mine, f' on torch:cpu in float32 at -60.0 (0xc2700000)")
    assert "forward: aten::exp, overflows: 3.40282e+38 exactly, from subject.py:7: return x /" in worst
    assert "NaN in the backward operation of ExpBackward0: aten::mul(0, inf)" in worst
    assert "backward: aten::div in DivBackward0, underflows to 0: -4.60059e-51 exactly, from subject.py:7" in chosen
    assert chosen.count("  >  f'     aten::div(-5.25391e-25, 1.14201e+26)") == 1

    selection = Selection(
        files=(str(file),), formats=("float32",), orders=(1,), properties=("accuracy",), profile="quick", jobs=1
    )
    result = run(selection)
    write_results(result, results)
    validate(json.loads(results.read_text()))
    again = read_results(results).findings[0]
    assert again.trace is not None
    assert [row.operation for row in again.trace if row.marked] == ["aten::exp"]


def test_numpy_says_that_it_has_no_trace(tmp_path: Path) -> None:
    file = tmp_path / "subject.py"
    file.write_text(HEAD + PIECES["right"])
    only = ("--format", "float16", "--order", "0", "--property", "accuracy", "--jobs", "1")
    code, said = explained(str(file), *only, "--bits", "0x3c00")
    assert (code, "where     no trace on numpy" in said) == (0, True)
    assert explained(str(file), *only, "--bits", "0x3c0000")[0] == 4
