"""Whose kernels stand in for NumPy's, as commands say it."""

from __future__ import annotations

from pathlib import Path

from gradproof.results.labels import REFERENCES
from tests.cli.conftest import TINY, Invoke

LABEL = f"numpy:cpu ({REFERENCES})"


def test_terminal_output_says_it(gradproof: Invoke) -> None:
    assert f"{LABEL}  yes" in gradproof("list", "backends").stdout
    assert f"numpy ({REFERENCES})" in gradproof("list", "implementations").stdout
    assert f"  {LABEL} available" in gradproof("doctor").stdout
    assert f", on {LABEL}\n" in gradproof("run", *TINY, "--html", "none").stdout
    for asked in (("list", "backends", "--json"), ("list", "implementations", "--json"), ("doctor", "--json")):
        assert REFERENCES not in gradproof(*asked).stdout


MINE = """
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["bfloat16"])
def mine(x):
    return np.where(x > 1, x, x.dtype.type(0))
"""


def test_a_users_own_on_numpy_is_not_called_ours(gradproof: Invoke, folder: Path) -> None:
    (folder / "mine.py").write_text(MINE, encoding="utf-8")
    done = gradproof("check", "mine.py", "--property", "accuracy", "--order", "0", "--jobs", "0")
    assert ", on numpy:cpu\n" in done.stdout
    assert REFERENCES not in done.output
