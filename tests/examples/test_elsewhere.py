"""The examples of results made elsewhere, and every command of docs/anywhere.md, as a reader would run them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradproof.results import read_results
from gradproof.results.model import Finding
from tests.architecture.imports import ROOT

EXAMPLES = ROOT / "examples" / "elsewhere"
PAGE = (ROOT / "docs" / "anywhere.md").read_text("utf-8")
COMPILER = shutil.which("cc")
HUGE = ("gradproof vectors tanh --format float32 --all -o in.bin", "gradproof judge tanh out.bin --inputs all")
"""Commands of the page over 16 GiB."""
WRONG = ("gradproof judge sigmoid", "gradproof check --exec")
"""Those that find something."""

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler (cc) is here to build the example with")


def shell(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A command as typed, with this gradproof and this Python."""
    words = {"gradproof": f"{sys.executable} -m gradproof", "python": sys.executable}
    command = re.sub(r"(^|\| |\")(gradproof|python) ", lambda found: f"{found[1]}{words[found[2]]} ", command)
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)


def judged(folder: Path, command: str) -> list[Finding]:
    done = shell(folder, f"{command} --json r.json")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return read_results(folder / "r.json").findings


def built(folder: Path, *flags: str, name: str = "gelu") -> None:
    assert COMPILER is not None
    command = [COMPILER, "-O2", *flags, "-o", name, str(EXAMPLES / "gelu.c"), "-lm"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@needs_compiler
def test_the_textbook_gelu_in_c_is_recognised_by_its_lost_tail(tmp_path: Path) -> None:
    built(tmp_path)
    shell(tmp_path, "gradproof vectors gelu --format float32 --points 65536 -o in.bin")
    shell(tmp_path, "./gelu 0 < in.bin > out.bin")
    (finding,) = judged(tmp_path, "gradproof judge gelu in.bin out.bin --format float32")
    assert finding.kind == "tail"
    assert finding.explanation is not None
    assert finding.explanation.text == "x/2 (1 + erf(x / sqrt 2))"
    built(tmp_path, "-DTAIL", name="mended")
    for order in (0, 1):
        shell(tmp_path, f"./mended {order} < in.bin > out.bin")
        assert judged(tmp_path, f"gradproof judge gelu in.bin out.bin --format float32 --order {order}") == []


def test_the_accelerator_is_right_but_for_its_fault(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "accelerator.py", tmp_path)
    shell(tmp_path, "gradproof vectors silu --format bfloat16 -o in.npy")
    for order in (0, 1):
        judge = f"gradproof judge silu in.npy out.npy --format bfloat16 --order {order}"
        assert shell(tmp_path, f"python accelerator.py in.npy out.npy --order {order}").returncode == 0
        assert judged(tmp_path, judge) == []
        shell(tmp_path, f"python accelerator.py in.npy out.npy --order {order} --fault")
        (finding,) = judged(tmp_path, judge)
        assert finding.kind == "bulk"
        ends = [int(end, 16) for region in finding.regions["bfloat16"][str(order)] for end in region]
        assert 0x4000 <= min(ends) <= max(ends) <= 0x401F, "between 2 and 2.5"


@pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("onnx") is None,
    reason="ONNX Runtime is not installed; pip install onnx onnxruntime",
)
def test_onnx_runtime_by_files_alone(tmp_path: Path) -> None:
    shell(tmp_path, "gradproof vectors gelu --format float32 --points 4096 -o in.npy")
    done = shell(tmp_path, f"python {EXAMPLES / 'onnx_gelu.py'} in.npy out.npy")
    assert done.returncode == 0, done.stderr
    found = judged(tmp_path, "gradproof judge gelu in.npy out.npy --format float32")
    assert [f.kind for f in found][:1] == ["tail"], "1 + erf(x / sqrt 2) loses the tail there too"


def commands() -> list[str]:
    """What the page types, without comments."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line[2:].partition(" #")[0].strip() for text in blocks for line in text.splitlines()]
    assert len(lines) > 8
    return lines


@needs_compiler
def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "accelerator.py", tmp_path)
    built(tmp_path)
    (tmp_path / "golden.csv").write_text("x,y\n0,0.5\n1,0.731058578630\n0,0.50000203\n-1,0.268941421370\n")
    for line in commands():
        if line.startswith(HUGE):
            continue
        if (tmp_path / "out.npy").exists():
            np.load(tmp_path / "out.npy").tofile(tmp_path / "out.bin")
        done = shell(tmp_path, line)
        assert done.returncode == (1 if line.startswith(WRONG) else 0), f"{line}\n{done.stdout}{done.stderr}"
        if "--golden" in line:
            shown = [row.strip() for row in PAGE.partition("golden.csv --format float32\n```\n")[2].splitlines()[1:4]]
            assert [row in done.stdout for row in shown] == [True] * 3, done.stdout
        if line.startswith("gradproof judge silu in.npy"):
            told = next(row.strip() for row in PAGE.splitlines() if row.startswith("    subnormal numbers:"))
            assert told in " ".join(done.stderr.split())
