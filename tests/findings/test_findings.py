"""What becomes of failing cells: one fault is one finding, and effects belong to their cause by experiment."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gradproof.cli.console import console
from gradproof.cli.findings import show_finding
from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import run
from gradproof.formats import FLOAT32
from gradproof.results import validate
from gradproof.results.findings import findings
from gradproof.results.model import Finding, RunResult

HEAD = """
import numpy as np
import gradproof as gp

def s(x):
    return 1 / (1 + np.exp(-x))
"""
PIECES = {
    # f' wrong by 1 % everywhere: nothing else of the kind may be said before it.
    "systematic": """
@gp.implements("tanh", backend="numpy", derivative=lambda x: (1 - np.tanh(x) ** 2) * x.dtype.type(1.01))
def mine(x):
    return np.tanh(x)
""",
    # f' lost on the right where s rounds to 1; f itself is right.
    "tail": """
@gp.implements("sigmoid", backend="numpy", derivative=lambda x: s(x) * (1 - s(x)))
def mine(x):
    return s(x)
""",
    "nan": """
@gp.implements("relu", backend="numpy", derivative=lambda x: (x > 0).astype(x.dtype))
def mine(x):
    return np.where(np.isnan(x), 0, np.maximum(x, 0)).astype(x.dtype)
""",
    "raises": """
@gp.implements("relu", backend="numpy", derivative=lambda x: (x > 0).astype(x.dtype))
def mine(x):
    raise ValueError("no")
""",
    # Right by itself, wrong in an array that is not contiguous.
    "layout": """
@gp.implements("relu", backend="numpy", derivative=lambda x: (x > 0).astype(x.dtype))
def mine(x):
    y = np.maximum(x, 0)
    return y if x.flags.c_contiguous else y * x.dtype.type(1.5)
""",
    # Between 1 and 2 f' is 0 in float16 and up to 128 ulp off in float32.
    "formats": """
def slope(x):
    wrong = 0 if x.dtype == np.float16 else 1 + 2.0**-16 * (x - 1)
    return np.where((x > 1) & (x < 2), wrong, x > 0).astype(x.dtype)

@gp.implements("relu", backend="numpy", derivative=slope)
def mine(x):
    return np.maximum(x, 0)
""",
    # There f is NaN, and f' is 0.
    "orders": """
@gp.implements("relu", backend="numpy", derivative=lambda x: ((x > 0) & ~((x > 1) & (x < 2))).astype(x.dtype))
def mine(x):
    return np.where((x > 1) & (x < 2), np.nan, np.maximum(x, 0)).astype(x.dtype)
""",
    "right": """
@gp.implements("relu", backend="numpy", derivative=lambda x: (x > 0).astype(x.dtype))
def mine(x):
    return np.maximum(x, 0)
""",
}


def judged(tmp_path: Path, name: str, *formats: str) -> RunResult:
    file = tmp_path / "subject.py"
    file.write_text(HEAD + PIECES[name])
    return run(Selection(files=(str(file),), formats=formats or ("float32", "float16"), profile="quick", jobs=1))


def only(result: RunResult, kind: str) -> Finding:
    (found,) = [f for f in result.findings if f.kind == kind]
    return found


def test_a_systematic_error_is_one_finding_before_all_others(tmp_path: Path) -> None:
    result = judged(tmp_path, "systematic")
    first = result.findings[0]
    assert (first.kind, first.orders[0], first.known_ref) == ("bulk", 1, None)
    assert first.text.startswith("f' is wrong by 1 % on [")
    assert first.formats == ["float32", "float16"]
    assert first.worst is not None
    assert first.worst.order == 1
    intervals = [[float(FLOAT32.value(int(bits, 16))) for bits in pair] for pair in first.regions["float32"]["1"]]
    assert any(low < -5 and high > 5 for low, high in intervals)
    # Relations that fail for no other reason are its cells.
    assert {"taylor", "accuracy"} <= {c.rsplit("order1-", 1)[1] for c in first.cells}


@pytest.mark.parametrize(
    ("name", "formats", "text"),
    [
        (
            "formats",
            ("float32", "float16"),
            "f' is lost (0) on [1, 2] (float32, float16); f' is off by up to 128 ulp in float32",
        ),
        ("orders", ("float32",), "f is NaN on [1, 2] (float32); f' is lost (0)"),
    ],
)
def test_each_order_and_format_is_said_to_be_wrong_in_its_own_way(
    name: str, formats: tuple[str, ...], text: str, tmp_path: Path
) -> None:
    first = judged(tmp_path, name, *formats).findings[0]
    ends = r"\[1(\.\d+)?, (2|1\.9+\d*)\]"  # the floats beside 1 and 2
    assert re.fullmatch(re.escape(text).replace(re.escape("[1, 2]"), ends), first.text), first.text


def test_every_failing_cell_is_in_a_finding(tmp_path: Path) -> None:
    result = judged(tmp_path, "tail")
    failing = {c.id for c in result.cells if c.status in ("fail", "error")}
    assert failing == {name for f in result.findings for name in f.cells}
    assert len(result.findings) < len(failing) / 2


def test_a_lost_tail_says_where_and_brings_its_effects(tmp_path: Path) -> None:
    (lost,) = judged(tmp_path, "tail", "float32").findings
    intervals = [[float(FLOAT32.value(int(bits, 16))) for bits in pair] for pair in lost.regions["float32"]["1"]]
    # s rounds to 1 from about 16.6 on, and f' is a normal number up to about 87.
    assert any(low < 16.7 and high > 80 for low, high in intervals)
    assert any("saturation" in cell for cell in lost.cells)


def test_what_no_single_result_accounts_for_is_a_finding_of_its_own(tmp_path: Path) -> None:
    result = judged(tmp_path, "layout", "float32")
    found = only(result, "path")
    assert [c.split("-")[-1] for c in found.cells] == ["consistency"]
    assert found.regions == {}
    (cell,) = [c for c in result.cells if c.id in found.cells]
    assert cell.attributed is False


def test_a_nan_that_is_swallowed_is_special(tmp_path: Path) -> None:
    found = only(judged(tmp_path, "nan", "float32"), "special")
    assert found.regions["float32"]["0"] == [[found.worst.bits, found.worst.bits]]  # type: ignore[union-attr]


def test_what_raises_is_one_behaviour(tmp_path: Path) -> None:
    result = judged(tmp_path, "raises")
    assert [f.kind for f in result.findings] == ["behaviour"]
    assert "ValueError: no" in result.findings[0].text


def test_a_right_implementation_has_no_findings(tmp_path: Path) -> None:
    assert judged(tmp_path, "right").findings == []


def test_findings_follow_the_published_schema_and_from_the_cells_alone(tmp_path: Path) -> None:
    result = judged(tmp_path, "tail")
    validate(json.loads(json.dumps(result.to_json())))
    assert findings(result.cells) == result.findings
    assert findings(list(reversed(result.cells))) != []


def test_known_cells_make_a_known_finding_and_one_new_cell_a_new_one(tmp_path: Path) -> None:
    cells = judged(tmp_path, "tail", "float32").cells
    known = [replace(c, status="known", known_ref="tail") if c.status == "fail" else c for c in cells]
    assert {f.known_ref for f in findings(known)} == {"tail"}
    last = max(i for i, c in enumerate(known) if c.status == "known" and c.clusters)
    known[last] = cells[last]
    assert None in {f.known_ref for f in findings(known)}


def test_a_finding_is_shown_with_its_worst_input_and_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = judged(tmp_path, "systematic", "float32")
    show_finding(console(), result.findings[0], result.cells)
    shown = capsys.readouterr().out
    worst = result.findings[0].worst
    assert worst is not None
    assert shown.startswith("subject:mine as tanh on numpy:cpu  bulk, felt in training\n  what      f' is wrong by 1 %")
    command = " ".join(shown.replace("\\\n", "").split())  # where it is wrapped depends on the folder's length
    assert f"--format float32 --order 1 --bits {worst.bits}" in command.replace(
        f"0x{int(worst.bits, 16):x}", worst.bits
    )
    assert "probably" not in shown  # a systematic error has no mechanism to guess at


@pytest.mark.framework("torch")
def test_the_frameworks_own_function_is_the_baseline(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    file = tmp_path / "subject.py"
    file.write_text(
        "import torch\nimport gradproof as gp\n\n"
        "@gp.implements('sigmoid', backend='torch')\ndef same(x):\n    return torch.sigmoid(x)\n\n"
        "@gp.implements('relu', backend='torch')\ndef worse(x):\n    return torch.relu(x) * 1.25\n"
    )
    result = run(Selection(files=(str(file),), formats=("float32",), orders=(0, 1), profile="quick", jobs=1))
    own = {f.implementation: f.baseline for f in result.findings if f.regions}
    assert own == {"subject:same": "same", "subject:worse": "worse"}
