"""The code of README.md and of some pages registers what it says, and its figures hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.imports import ROOT

PRELUDE = """
import math

import pytest
import torch

import gradproof as gp

MyGELU = torch.nn.GELU


def first(x): ...


second = my_silu_prime = first
"""
"""What the pages leave to the reader: imports, a module, derivatives."""

LOADING = """
import json
import sys

from gradproof.engine.declared.userfiles import load
from gradproof.errors import UsageError

found = []
for file in sys.argv[1:]:
    try:
        found.append([[i.function, i.backend, i.device, dict(i.params)] for i in load(file)])
    except UsageError as fault:
        found.append(str(fault))
print(json.dumps(found))
"""


def blocks(page: str) -> list[str]:
    """The Python of a page, one text per block."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def block(page: str, words: str) -> str:
    """The one block of a page that contains ``words``."""
    (found,) = (text for text in blocks(page) if words in text)
    return found


def checked(folder: Path, source: str, *arguments: str) -> tuple[int, list[dict[str, object]]]:
    """Exit status and cells of ``gradproof check`` of a file with such a source."""
    (folder / "mine.py").write_text(PRELUDE + source, "utf-8")
    command = [sys.executable, "-m", "gradproof", "check", "mine.py", "--backend", "torch:cpu", "--jobs", "0"]
    done = subprocess.run(
        [*command, "--json", "cells.json", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, json.loads((folder / "cells.json").read_text("utf-8"))["cells"]


SLOPE = {"negative_slope": 0.2}
NOTHING: list[object] = []
REGISTERED = {
    "README.md": [
        [["silu", "torch", None, {}]],
        [["leaky_relu", "torch", None, SLOPE], ["silu", "numpy", None, {}], ["softcap", "torch", None, {"cap": 30.0}]],
        [["silu", "torch", None, {}]],
    ],
    "docs/your-code.md": [
        [["gelu", "torch", None, {}], ["gelu", "torch", "cuda", {}], ["silu", "numpy", None, {}],
         ["gelu", "torch", None, {}]],
        [["elu", "torch", None, {"alpha": alpha}] for alpha in (0.5, 1.0, 2.0)],
        NOTHING,
        NOTHING,
        [["silu", "torch", None, {}]],
        [["gelu", "torch", None, {}]],
    ],
    "docs/anywhere.md": [
        [["silu", "bits", None, {}]],
        [["relu", "bits", None, {}]],
        [["silu", "torch", "npu", {}]],
    ],
}  # fmt: skip


@pytest.mark.parametrize("page", REGISTERED)
def test_every_block_of_python_runs_and_registers_what_it_says(tmp_path: Path, page: str) -> None:
    files = []
    for number, text in enumerate(blocks(page)):
        files.append(tmp_path / f"block{number}.py")
        files[-1].write_text(PRELUDE + text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LOADING, *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [NOTHING if "registers no implementation" in one else one for one in found] == REGISTERED[page]


@pytest.mark.parametrize("profile", ["quick", "default"])
def test_the_known_deviation_of_the_page_is_known(tmp_path: Path, profile: str) -> None:
    # Every float32 was tried once: 1.044e5 times the bound at -5.5547, failures from -14.2105 to -2.4974.
    narrow = ("--property", "accuracy", "--format", "float32", "--order", "0", "--profile", profile)
    status, cells = checked(tmp_path, block("docs/your-code.md", "known=gp.known("), *narrow)
    assert (status, [c["status"] for c in cells]) == (0, ["known"])


def test_the_property_of_the_page_holds_for_the_function_of_the_page(tmp_path: Path) -> None:
    page = "docs/your-code.md"
    mine = '\n\n@gp.implements(softcap, backend="torch:cpu")\ndef mine(x):\n    return FACTOR * torch.tanh(x / 30)\n'
    source = block(page, "softcap = gp.function(") + block(page, "@gp.property(") + mine
    for factor, status in (("30", "pass"), ("31", "fail")):
        narrow = ("--property", "bounded-by-cap", "--format", "bfloat16", "--profile", "quick")
        _, cells = checked(tmp_path, source.replace("FACTOR", factor), *narrow)
        assert [c["status"] for c in cells] == [status]
