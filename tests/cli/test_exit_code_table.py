"""docs/command-line.md: each code of each command, as the table there has them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradproof.cli import codes
from tests.cli.conftest import RIGHT, TINY, WRONG, Invoke

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
CHECKED = ("--property", "accuracy", "--order", "0", "--jobs", "0")
ONE = ("--backend", "numpy", "--format", "bf16")
REPRO = (*ONE, "--bits", "0x3f80")

CASES = [
    ((), 4),
    (("--help",), 0),
    (("--version",), 0),
    (("runn",), 4),
    (("run", "--help"), 0),
    (("run", *TINY, "--html", "none"), 0),
    (("run", *TINY, "--html", "none", "--mode", "compiled"), 5),
    (("run", *TINY, "--html", "none", "--json", "/dev/full"), 3),
    (("run", *TINY, "--json", "folder/"), 4),
    (("run", "--function", "nothing"), 4),
    (("run", *TINY, "--max-seconds", "0"), 4),
    (("check", "right.py", *CHECKED), 0),
    (("check", "wrong.py", *CHECKED), 1),
    (("check", "missing.py"), 4),
    (("check", "text.json"), 4),
    (("check",), 4),
    (("explain", "right.py", *CHECKED), 0),
    (("explain", "wrong.py", *CHECKED), 1),
    (("explain", "right.json"), 0),
    (("explain", "wrong.json"), 1),
    (("explain", "nothing"), 4),
    (("explain", "missing.json"), 4),
    (("sweep", "relu", *ONE, "--jobs", "0", "--range", "0..1"), 0),
    (("sweep", "wrong.py", *ONE, "--jobs", "0", "--range", "0..1"), 1),
    (("sweep", "relu", *ONE, "--range", "1..0"), 4),
    (("sweep", "nothing"), 4),
    (("repro", "relu", *REPRO), 0),
    (("repro", "relu", "--file", "wrong.py", *REPRO), 1),
    (("repro", "relu", "--file", "wrong.py", *ONE, "--order", "2", "--bits", "0x3f80"), 5),
    (("repro", "nothing", *REPRO), 4),
    (("repro", "relu", *ONE, "--bits", "zero"), 4),
    (("compare", "right.json", "right.json"), 0),
    (("compare", "right.json", "wrong.json", "--as-filed"), 1),
    (("compare", "wrong.json", "right.json"), 0),
    (("compare", "right.json", "other.json"), 5),
    (("compare", "right.json", "other.json", "--fail-on", "lost"), 1),
    (("compare", "right.json", "missing.json"), 4),
    (("compare", "right.json", "text.json"), 4),
    (("compare", "right.json", "right.json", "--json", "/dev/full"), 3),
    (("report", "wrong.json", "--markdown", "-"), 0),
    (("report", "wrong.json", "--markdown", "/dev/full"), 3),
    (("report", "missing.json"), 4),
    (("combine", "right.json", "other.json", "--json", "all.json"), 0),
    (("combine", "right.json", "wrong.json", "--json", "all.json"), 4),
    (("claims", "wrong.json"), 0),
    (("claims", "wrong.json", "--claim", "nothing"), 4),
    (("claims",), 0),
    (("list", "formats"), 0),
    (("list", "nothing"), 4),
    (("formulas", "relu", "--format", "bf16", "--order", "0"), 0),
    (("formulas", "nothing"), 4),
    (("doctor",), 0),
    (("config",), 0),
    (("study",), 0),
    (("study", "nothing"), 4),
    (("vectors", "relu", *ONE[2:], "-o", "in.npy"), 0),
    (("vectors", "nothing", *ONE[2:], "-o", "in.npy"), 4),
    (("judge", "relu", "in.npy", "in.npy", *ONE[2:]), 4),
    (("judge", "nothing", "in.npy", "in.npy", *ONE[2:]), 4),
    (("completion", "fish"), 0),
    (("completion", "nothing"), 4),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every kind: implementations, and the results of each under one name, so that they compare."""
    folder = tmp_path_factory.mktemp("made")
    for name, source in (("right", RIGHT), ("wrong", WRONG)):
        (folder / "mine.py").write_text(source, encoding="utf-8")
        words = ["check", "mine.py", *CHECKED, "--json", f"{name}.json"]
        subprocess.run([sys.executable, "-m", "gradproof", *words], cwd=folder, capture_output=True, check=False)
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    other = (folder / "right.json").read_text("utf-8").replace("mine:mine", "mine:other")
    (folder / "other.json").write_text(other, encoding="utf-8")
    (folder / "text.json").write_text("no results", encoding="utf-8")
    return folder


@pytest.mark.parametrize(("words", "code"), CASES, ids=lambda v: " ".join(v)[:60] if isinstance(v, tuple) else str(v))
def test_a_command_exits_as_documented(
    words: tuple[str, ...], code: int, gradproof: Invoke, folder: Path, made: Path
) -> None:
    if "/dev/full" in words and not Path("/dev/full").exists():
        pytest.skip("no device here that is full")
    for file in made.iterdir():
        if file.suffix in (".py", ".json"):
            (folder / file.name).write_bytes(file.read_bytes())
    done = gradproof(*words)
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    assert bool(re.search(r"gradproof: (error|internal error)", done.output)) == (code in (3, 4) and words != ())


def test_every_command_is_in_the_table_and_every_code_that_it_may_have() -> None:
    from gradproof.cli.app import COMMANDS

    assert {words[0] for words, _ in CASES if words and not words[0].startswith("-")} - {"runn"} == set(COMMANDS)
    rows = re.findall(r"^\| (\d) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [int(row) for row in rows] == sorted(v for k, v in vars(codes).items() if k.isupper())


def test_what_the_page_says_of_json_lines_is_there() -> None:
    text = PAGE.read_text("utf-8")
    assert "`gradproof-lines/1`" in text
    types = re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \| ", text.partition("## JSON lines")[2], re.MULTILINE)
    named = {name for row in types for name in re.findall(r"`([a-z]+)`", row)}
    from gradproof.cli.listing import SINGULAR

    assert {"begin", "plan", "cell", "row", "finding", "end", *SINGULAR.values()} <= named


def test_the_names_of_the_page_are_understood() -> None:
    from gradproof.formats import get_format
    from gradproof.functions import get_function

    section = PAGE.read_text("utf-8").partition("## Names and numbers")[2].partition("##")[0].replace("\n", " ")
    formats, functions = re.findall(r"in Python: (.*?); (.*?); ", section)[0]
    assert all(get_format(name) for name in re.findall(r"`([^`]+)`", formats))
    assert all(get_function(name) for name in re.findall(r"`([^`]+)`", functions))
