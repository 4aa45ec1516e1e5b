"""What a results file or a callable says reaches the terminal as text, and never as a command to it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradproof.results import read_results, write_results
from gradproof.results.claims import judge
from gradproof.results.model import Basis
from tests.cli.conftest import Invoke
from tests.reports.test_text import HOSTILE, OBEYED, hostile


@pytest.fixture(scope="module")
def bad_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A results file in which every text that may be anything is hostile, and a claim that rests on its cells."""
    made = hostile()
    claims = [dataclasses.replace(c, rests_on=[Basis(HOSTILE)]) for c in made.claims]
    file = tmp_path_factory.mktemp("bad") / "bad.json"
    write_results(dataclasses.replace(made, claims=judge(claims, made.cells)), file)
    return file.read_text("utf-8")


@pytest.fixture
def bad(folder: Path, bad_text: str) -> Path:
    (folder / "bad.json").write_text(bad_text, encoding="utf-8")
    return folder / "bad.json"


@pytest.mark.parametrize(
    "command",
    [
        ("claims", "bad.json"),
        ("claims", "bad.json", "--claim", HOSTILE),
        ("claims", "bad.json", "--claim", "nothing"),
        ("claims", "bad.json", "--backend", HOSTILE),
        ("compare", "bad.json", "other.json", "-v"),
        ("compare", "other.json", "bad.json"),
        ("combine", "bad.json", "other.json", "--json", "all.json"),
        ("report", "bad.json", "--markdown", "bad.md"),
    ],
)
def test_no_command_prints_what_a_terminal_obeys(gradproof: Invoke, bad: Path, command: tuple[str, ...]) -> None:
    whole = read_results(bad)
    fresh = [dataclasses.replace(c, status="fail" if c.status == "pass" else "pass") for c in whole.cells]
    write_results(dataclasses.replace(whole, cells=fresh), bad.with_name("other.json"))
    done = gradproof(*command)
    assert done.exit_code in (0, 1, 4), done.output
    assert not OBEYED.search(done.output)
    if command[0] in ("claims", "compare", "combine"):
        assert r"\x1b[2J" in done.output


SAYS = """
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["bfloat16"], name={name!r})
def mine(x):
    raise ValueError({said!r})
"""


@pytest.mark.parametrize("jobs", ["0", "1"])
def test_what_a_callable_says_is_written_and_shown(gradproof: Invoke, folder: Path, jobs: str) -> None:
    (folder / "mine.py").write_text(SAYS.format(name="a\udcffb", said="lone \ud800, \x1b[2J"), encoding="utf-8")
    done = gradproof(
        "check", "mine.py", "--order", "0", "--property", "accuracy", "--jobs", jobs, "--json", "out.json",
        "--html", "out.html", "--junit", "out.xml", "--markdown", "out.md",
    )  # fmt: skip
    assert done.exit_code == 1, done.output
    assert not OBEYED.search(done.output)
    assert r"lone \ud800, \x1b[2J" in done.output
    (cell,) = read_results(folder / "out.json").cells
    assert cell.implementation == r"a\udcffb"
    assert r"lone \ud800" in cell.reason
    assert all((folder / f"out.{kind}").stat().st_size for kind in ("html", "xml", "md"))
    assert cell.certificate is not None
    again = gradproof(*cell.certificate.reproduce.replace("'", "").split()[1:])
    assert again.exit_code == 1
    assert "raised ValueError" in again.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="file names here are of characters, and not of bytes")
def test_a_files_name_may_be_of_any_bytes(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9 'x'.py")
    (folder / name).write_text(SAYS.format(name=None, said="no"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gradproof", "check", name, "--order", "0", "--property", "accuracy", "--jobs", "0",
         "--json", "out.json"], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    document = json.loads((folder / "out.json").read_text("utf-8"))
    assert document["run"]["settings"]["files"] == [r"caf\udce9 'x'.py"]
    (cell,) = document["cells"]
    assert cell["implementation"] == r"caf\udce9 'x':mine"
    command = cell["certificate"]["reproduce"]
    assert r"--file $'caf\xe9 \x27x\x27.py'" in command
    shell = command.replace("gradproof", f"{sys.executable} -m gradproof", 1)
    again = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert again.returncode == 1, again.stderr
    assert "raised ValueError: no" in again.stdout
