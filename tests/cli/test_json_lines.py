"""JSON lines: for programs that follow a command, an object as soon as it is known."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gradproof.results import read_results
from tests.cli.conftest import TINY, Invoke


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_writes_its_cells_rows_and_findings_and_nothing_else_to_stdout(gradproof: Invoke, wrong: Path) -> None:
    done = gradproof(
        "check", str(wrong), "--property", "accuracy", "--jobs", "0", "--json-lines", "-", "--json", "all.json"
    )
    assert done.exit_code == 1
    found = objects(done.stdout)
    assert [found[0][k] for k in ("type", "schema", "command")] == ["begin", "gradproof-lines/1", "check"]
    assert found[-1]["type"] == "end"
    assert found[-1]["exit_code"] == 1
    result = read_results("all.json")
    document = result.to_json()
    cells = [o for o in found if o["type"] == "cell"]
    due = [{"type": "cell"} | {k: v for k, v in cell.items() if k != "curve"} for cell in document["cells"]]
    assert sorted(cells, key=json.dumps) == sorted(due, key=json.dumps)
    assert [o for o in found if o["type"] == "finding"] == [{"type": "finding"} | f for f in document["findings"]]
    (row,) = (o for o in found if o["type"] == "row")
    assert (row["function"], row["format"], row["verdict"], row["felt"]) == ("relu", "bfloat16", "wrong", "yes")
    assert found[-1]["counts"] == result.counts()
    assert "FAILED: 1 new failure" in done.stderr


def test_cells_that_nobody_judged_are_among_them(gradproof: Invoke) -> None:
    done = gradproof("run", *TINY, "--mode", "compiled", "--html", "none", "--json-lines", "-")
    found = objects(done.stdout)
    assert done.exit_code == found[-1]["exit_code"] == 5
    with_file = gradproof("run", *TINY, "--html", "none", "--json-lines", "lines.jsonl")
    lines = objects(Path("lines.jsonl").read_text("utf-8"))
    assert with_file.exit_code == lines[-1]["exit_code"] == 0
    assert Counter(o["type"] for o in lines) == {"begin": 1, "plan": 1, "cell": 3, "row": 1, "end": 1}
    assert next(o for o in lines if o["type"] == "plan")["cells"] == 3


SLOW = """
import time
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["bfloat16", "float16"])
def mine(x):
    if x.dtype != np.float16:
        time.sleep(60)
    return np.maximum(x, x.dtype.type(0))
"""


def test_a_cell_is_told_while_others_are_still_judged(folder: Path) -> None:
    (folder / "slow.py").write_text(SLOW, encoding="utf-8")
    command = [sys.executable, "-m", "gradproof", "check", "slow.py", "--property", "accuracy", "--order", "0"]
    running = subprocess.Popen(
        [*command, "--jobs", "1", "--json-lines", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert running.stdout is not None
    with running:
        told = [json.loads(running.stdout.readline()) for _ in range(3)]
        running.terminate()
        rest = running.communicate(timeout=100)[0]
    assert [o["type"] for o in told] == ["begin", "plan", "cell"]
    assert (told[2]["format"], told[2]["status"]) == ("float16", "pass")
    assert objects(rest)[-1]["exit_code"] == running.returncode == 2


def test_what_is_hostile_commands_nobody(gradproof: Invoke, folder: Path) -> None:
    said = "\x1b[2J\x7f\u202e"
    text = (
        "import gradproof as gp\n@gp.implements('relu', backend='numpy', formats=['bfloat16'])\n"
        f"def mine(x):\n    raise ValueError({said!r})\n"
    )
    (folder / "bad.py").write_text(text, encoding="utf-8")
    done = gradproof("check", "bad.py", "--property", "accuracy", "--order", "0", "--json-lines", "-")
    assert done.stdout.isascii()
    assert not set("\x1b\x7f") & set(done.stdout)
    (cell,) = (o for o in objects(done.stdout) if o["type"] == "cell")
    assert said in cell["reason"]  # and a program reads what was said


@pytest.mark.parametrize("kind", ["functions", "backends", "properties", "formats", "deviations"])
def test_what_is_listed_comes_line_by_line(gradproof: Invoke, kind: str) -> None:
    found = objects(gradproof("list", kind, "--json-lines").stdout)
    listed = json.loads(gradproof("list", kind, "--json").stdout)
    assert [{k: v for k, v in o.items() if k != "type"} for o in found] == listed
    assert {o["type"] for o in found} == {"property" if kind == "properties" else kind[:-1]}


def test_explain_tells_findings(gradproof: Invoke, wrong: Path) -> None:
    done = gradproof("explain", str(wrong), "--property", "accuracy", "--jobs", "0", "--json-lines", "-")
    found = objects(done.stdout)
    assert [o["type"] for o in found] == ["begin", "finding", "end"]
    assert found[-1]["exit_code"] == done.exit_code == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is full")
def test_lines_that_cannot_be_written_are_an_error_and_cost_nothing_else(gradproof: Invoke, folder: Path) -> None:
    done = gradproof("run", *TINY, "--html", "none", "--json-lines", "/dev/full")
    assert done.exit_code == 3
    assert "--json-lines /dev/full could not be written" in done.stderr
    assert (folder / "results.json").exists()
