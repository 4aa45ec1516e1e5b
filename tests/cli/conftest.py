"""What the tests of the command line share: a clean folder, a clean environment, and files of a user."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gradproof.cli.app import program

Invoke = Callable[..., Result]

TINY = (
    "--backend",
    "numpy",
    "--function",
    "relu",
    "--format",
    "bfloat16",
    "--property",
    "accuracy",
    "--jobs",
    "0",
)
"""Three cells of one function, judged in this process."""

RIGHT = """
import numpy as np
import gradproof as gp

def slope(x):
    return (x > 0).astype(x.dtype)

@gp.implements("relu", backend="numpy", derivative=slope, formats=["bfloat16"])
def mine(x):
    return np.where(x > 0, x, x.dtype.type(0))
"""

WRONG = RIGHT.replace("np.where(x > 0", "np.where(x > 1")
"""Gives 0 for all inputs in (0, 1], where relu is x; the simplest of them is 1."""


@pytest.fixture(autouse=True)
def _long_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are as long as they like, also where no folder is asked for: ``test_terminal`` is about how they break."""
    monkeypatch.setenv("COLUMNS", "2000")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: empty, under no pyproject.toml of ours, with no GRADPROOF_ variable set but the suite's
    own folder for cached tables.
    """
    for name in [n for n in os.environ if n.startswith("GRADPROOF_") and n != "GRADPROOF_CACHE_DIR"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "2000")
    return tmp_path


@pytest.fixture
def gradproof(folder: Path) -> Invoke:
    """Run the command line in ``folder``; an exit code and what was printed come back."""

    def invoke(*args: str) -> Result:
        return CliRunner().invoke(program, list(args))

    return invoke


@pytest.fixture
def wrong(folder: Path) -> Path:
    """A user's file with a wrong implementation."""
    file = folder / "wrong_relu.py"
    file.write_text(WRONG, encoding="utf-8")
    return file


@pytest.fixture
def right(folder: Path) -> Path:
    """A user's file with a right implementation."""
    file = folder / "right_relu.py"
    file.write_text(RIGHT, encoding="utf-8")
    return file
