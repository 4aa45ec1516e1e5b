"""No file of the project names a folder that exists on one machine only."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.imports import ROOT

FOLDERS = ("work", "root", "home", "tmp", "Users", "private", "mnt", "opt")
# A slash that begins an absolute path: not one inside a relative path, a URL or a formula.
MACHINE_PATH = re.compile(rf"(?<![\w.)\]}}>/-])/(?:{'|'.join(FOLDERS)})/\w|\b[A-Z]:\\{'Users'}\\")


def files() -> list[Path]:
    """The files that are or would be under version control; all of them where there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return [f for f in ROOT.rglob("*") if f.is_file() and not any(p.startswith(".") for p in f.parts)]
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def machine_paths(text: str) -> list[str]:
    """The lines of ``text`` that hold such a path."""
    return [line.strip() for line in text.splitlines() if MACHINE_PATH.search(line)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_absolute_path_is_found(folder: str) -> None:
    assert machine_paths(f'open("/{folder}/someone/x.json")')


@pytest.mark.parametrize("text", ["https://example.org/home/page", "docs/tmp/x", "f(x)/work/2", "reports/root/a"])
def test_other_slashes_are_let_through(text: str) -> None:
    assert not machine_paths(text)


def test_no_file_names_a_folder_of_one_machine() -> None:
    listed = files()
    assert ROOT / "pyproject.toml" in listed
    found = {}
    for file in listed:
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if lines := machine_paths(text):
            found[str(file.relative_to(ROOT))] = lines
    assert not found
