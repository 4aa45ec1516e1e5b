"""The user's mistakes: exit code 4, one line that helps, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import RIGHT, TINY, Invoke

REPRO = ("repro", "relu", "--backend", "numpy", "--format", "bfloat16", "--bits", "0x3f80")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["rnu"], "unknown command 'rnu'; did you mean 'run'?"),
        (["run", "--fromat", "float32"], "--format"),
        (["run", "--format"], "requires an argument"),
        (["run", "--function", "rleu"], "unknown function 'rleu'; did you mean 'relu'?"),
        (["run", "--backend", "numpi"], "unknown backend 'numpi'; did you mean 'numpy'?"),
        (["run", "--backend", "numpy:cup"], "did you mean 'numpy:cpu'?"),
        (["run", "--device", "cupa"], "unknown device 'cupa'"),
        (["run", "--backend", "numpy", "--device", "cuda"], "numpy has no device 'cuda'; it has cpu"),
        (["run", "--backend", "numpy:cpu", "--device", "cpu"], "drop one of the two devices"),
        (["run", "--format", "bflaot16"], "did you mean 'bfloat16'?"),
        (["run", "--property", "acuracy"], "did you mean 'accuracy'?"),
        (["run", "--backend", "numpy", "--mode", "egaer"], "did you mean 'eager'?"),
        (["run", "--contract", "stabel"], "did you mean 'stable'?"),
        (["run", "--profile", "quik"], "did you mean 'quick'?"),
        (["run", "--order", "3"], "order of 0, 1 or 2, got 3"),
        (["run", "--order", "one"], "expected a whole number, or a list of them for --order, got 'one'"),
        (["run", "--seed", "1.5"], "expected a whole number for --seed, got '1.5'"),
        (["run", "--max-seconds", "soon"], "expected a number (of seconds) for --max-seconds, got 'soon'"),
        (["run", "--max-seconds", "0"], "above 0"),
        (["run", "--jobs", "-1"], "expected jobs of at least 0, got -1"),
        (["run", "--json", "a", "--html", "a"], "expected a path of its own for --html"),
        (["check"], "FILE.py"),
        (["check", "absent.py"], "'absent.py', which does not exist"),
        (["list", "function"], "did you mean 'functions'?"),
        (["report", "absent.json"], "absent.json"),
        (["report", "absent.json", "--write", "htlm", "x"], "did you mean 'html'?"),
        (["combine", "absent.json"], "--json"),
        ([*REPRO, "--order", "4"], "expected --order of 0, 1 or 2, got 4"),
        ([*REPRO, "--bits", "0x10000"], "expected a bit pattern of 16 bits"),
        ([*REPRO, "--param", "alpha"], "expected --param NAME=VALUE"),
        ([*REPRO, "--param", "alpha=2"], "unknown parameter 'alpha' of relu"),
        ([*REPRO, "--path", "reverse"], "unknown path 'reverse'"),
        ([*REPRO, "--mode", "compiled"], "unknown mode 'compiled' of numpy:cpu"),
        ([*REPRO, "--property", "zero-imput"], "did you mean 'zero-input'?"),
        ([*REPRO, "--property", "taylor"], "taylor says nothing about relu at order 0; its orders there: 1"),
        ([*REPRO, "--implementation", "numpy.maximun"], "did you mean 'numpy.maximum'?"),
        ([*REPRO, "--bits", "0", "--script"], "expected one --bits with --script, got 2"),
        (
            ["repro", "elu", "--backend", "numpy", "--format", "bfloat16", "--param", "alpha=7"],
            "expected one implementation of elu (alpha=7) in numpy:cpu, found 0",
        ),
    ],
)
def test_a_mistake_exits_4_and_is_told_in_words(gradproof: Invoke, args: list[str], told: str) -> None:
    done = gradproof(*args)
    assert done.exit_code == 4, done.stderr
    assert told in done.stderr
    assert done.stderr.startswith("gradproof: error: ")
    assert "Traceback" not in done.stderr


def test_no_command_shows_the_help(gradproof: Invoke) -> None:
    done = gradproof()
    assert done.exit_code == 4
    assert "Commands:" in done.output


def test_a_file_that_raises_is_named(gradproof: Invoke, folder: Path) -> None:
    (folder / "broken.py").write_text("1 / 0", encoding="utf-8")
    done = gradproof("check", "broken.py")
    assert done.exit_code == 4
    assert "broken.py raised ZeroDivisionError" in done.stderr


def test_a_file_that_ends_the_process_is_named(gradproof: Invoke, folder: Path) -> None:
    (folder / "ends.py").write_text("import os\nos._exit(0)\n", encoding="utf-8")
    for command in (
        ("check", "ends.py"),
        ("repro", "relu", "--file", "ends.py", "--backend", "numpy", "--format", "float32"),
    ):
        done = gradproof(*command)
        assert done.exit_code == 4
        assert "ends.py raised SystemExit while it was imported: os._exit(0)" in done.stderr


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("--order", "2", "--property", "zero-input"), "(properties zero-input; orders 2; backends numpy)"),
        (("--mode", "compiled"), "(modes compiled; backends numpy)"),
    ],
)  # fmt: skip
def test_a_selection_of_nothing_says_why(gradproof: Invoke, asked: tuple[str, ...], says: str) -> None:
    done = gradproof("run", "--backend", "numpy", *asked, "--json", "none", "--html", "none", "--jobs", "0")
    assert done.exit_code == 5
    assert "no property says anything about this selection" in done.stdout
    assert says in done.stdout.replace("\n", " ").replace("numpy:cpu", "numpy")


def test_what_is_unsupported_says_why_when_nothing_else_is_there(gradproof: Invoke, folder: Path) -> None:
    text = RIGHT.replace(", derivative=slope", "")
    (folder / "plain.py").write_text(text, encoding="utf-8")
    done = gradproof("check", "plain.py", "--order", "1", "--property", "accuracy", "--jobs", "0")
    assert done.exit_code == 5
    assert "the backend has no AD and no derivative= was handed in" in done.stdout


def test_a_file_that_registers_nothing_is_told_how(gradproof: Invoke, folder: Path) -> None:
    (folder / "empty.py").write_text("", encoding="utf-8")
    done = gradproof("check", "empty.py")
    assert done.exit_code == 4
    assert "@gradproof.implements" in done.stderr


@pytest.mark.parametrize("option", ["--json", "--html", "--junit", "--markdown", "--export-xfails"])
@pytest.mark.parametrize("target", ["file/inside.out", "folder"])
def test_what_cannot_be_written_is_said_before_anything_runs(
    gradproof: Invoke, folder: Path, option: str, target: str
) -> None:
    (folder / "file").write_text("in the way", encoding="utf-8")
    (folder / "folder").mkdir()
    done = gradproof("run", *TINY, option, target)
    assert done.exit_code == 4
    assert f"for {option}" in done.stderr
    assert "cannot be written" in done.stderr
    assert "relu" not in done.output
    assert sorted(p.name for p in folder.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("name", ["run", "check", "list", "doctor", "repro", "report", "combine", "compare", "config"])
def test_every_command_helps_with_an_example(gradproof: Invoke, name: str) -> None:
    done = gradproof(name, "--help")
    assert done.exit_code == 0
    assert f"gradproof {name}" in done.stdout.partition("Example:")[2]


def test_a_function_that_no_file_registers_is_told_with_those_that_are(gradproof: Invoke, wrong: Path) -> None:
    done = gradproof("check", wrong.name, "--function", "silu", "--jobs", "0")
    assert done.exit_code == 4, done.output
    assert "wrong_relu.py registers, which is relu; got silu" in done.stderr
    assert "Leave --function out" in done.stderr
    assert (
        gradproof("check", wrong.name, "--function", "silu,relu", "--property", "shape", "--jobs", "0").exit_code != 4
    )
