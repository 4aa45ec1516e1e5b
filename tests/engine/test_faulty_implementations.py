"""Whatever a user's callable does wrong becomes its verdict, in worker processes, and the run goes on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradproof.engine.request.selection import Selection
from gradproof.engine.running.run import exit_code, run
from gradproof.execution.work import PRINTED
from gradproof.results.model import Cell

HEAD = """
import os
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["float16"])
def right(x):
    return np.maximum(x, 0)
"""

FAULTS = {
    "raised": "    raise ZeroDivisionError('seven')",
    "wrong-shape": "    return np.maximum(x, 0)[:1]",
    "wrong-format": "    return np.maximum(x, 0).astype(np.float64)",
    "wrong-type": "    return None",
    "wrote-input": "    np.maximum(x, 0, out=x)\n    return x",
    "timed-out": "    while True:\n        pass",
    "crashed": "    os._exit(3)",
}

SAID = {
    "a list": ("return [0.0] * len(x)", "wrong-type", "returned a list, expected a numpy.ndarray"),
    "a float": ("return 1.0", "wrong-type", "returned a float, expected a numpy.ndarray"),
    "a generator": ("yield x", "wrong-type", "returned a generator, expected a numpy.ndarray"),
    "a pair": ("return x, x", "wrong-type", "returned a tuple, expected a numpy.ndarray"),
    "objects": ("return np.maximum(x, 0).astype(object)", "wrong-format", "dtype object, expected float16"),
    "the other byte order": ("return np.maximum(x, 0).astype('>f2')", "wrong-format", "dtype >f2, expected float16"),
    "its input reshaped": ("x.shape = (1, x.size)\n    return np.maximum(x, 0)", "wrote-input", "the shape was"),
    "an exit": ("import sys\n    sys.exit(0)", "raised", "SystemExit: 0"),
    "what looks like Ctrl-C": ("raise KeyboardInterrupt", "raised", "raised KeyboardInterrupt"),
    "the end of a generator": ("raise GeneratorExit", "raised", "raised GeneratorExit"),
    "recursion without end": ("return wrong(x)", "raised", "RecursionError: maximum recursion depth"),
    "a segmentation fault": ("import signal\n    os.kill(os.getpid(), signal.SIGSEGV)", "crashed", "(by SIGSEGV)"),
    "an unknown argument": ("return np.maximum(x, 0, no=1)", "raised", "TypeError: "),
}
"""What a callable may give instead of a result; the fault, and words of its sentence."""


def cells_of(folder: Path, body: str, before: str = "") -> dict[str, Cell]:
    file = folder / "subject.py"
    file.write_text(
        HEAD + before + f'\n@gp.implements("relu", backend="numpy", formats=["float16"])\ndef wrong(x):\n{body}\n'
    )
    selection = Selection(
        files=(str(file),), properties=("accuracy",), orders=(0,), profile="quick", jobs=1, time_limit=1.0
    )
    return {cell.implementation: cell for cell in run(selection).cells}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_a_verdict_and_the_run_goes_on(kind: str, tmp_path: Path) -> None:
    cells = cells_of(tmp_path, FAULTS[kind])
    assert cells["subject:right"].status == "pass"
    wrong = cells["subject:wrong"]
    assert wrong.status == "error"
    assert wrong.measured["fault"] == kind


@pytest.mark.parametrize("what", SAID)
def test_the_verdict_says_what_came_and_how_to_see_it_again(what: str, tmp_path: Path) -> None:
    body, kind, says = SAID[what]
    cells = cells_of(tmp_path, f"    {body}")
    assert cells["subject:right"].status == "pass"
    wrong = cells["subject:wrong"]
    assert (wrong.status, wrong.measured["fault"]) == ("error", kind)
    assert says in wrong.reason
    assert "subject:wrong" in wrong.reason
    assert wrong.certificate is not None
    assert "--implementation subject:wrong" in wrong.certificate.reproduce


STATES = {
    "state": "1 + calls % 2",
    "chance": "np.random.default_rng().integers(1, 3, x.shape)",
    "the first call": "1 + (calls == 1)",
}
"""What relu is multiplied by; ``calls`` counts them."""


@pytest.mark.parametrize("of", STATES)
def test_another_answer_to_the_same_input_is_said_beside_the_error(of: str, tmp_path: Path) -> None:
    body = f"    global calls\n    calls += 1\n    return (np.maximum(x, 0) * ({STATES[of]})).astype(x.dtype)"
    wrong = cells_of(tmp_path, body, before="\ncalls = 0\n")["subject:wrong"]
    assert wrong.status == "fail"
    assert re.search(r"another call gave 0x\w+ and not 0x\w+ for the input 0x\w+: it keeps state", wrong.reason)


def test_a_wrong_answer_that_is_always_the_same_is_not_called_unsteady(tmp_path: Path) -> None:
    wrong = cells_of(tmp_path, "    return np.maximum(x, 0) * x.dtype.type(2)")["subject:wrong"]
    assert wrong.status == "fail"
    assert "another call" not in wrong.reason


def test_what_a_callable_prints_is_no_part_of_the_report(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cells = cells_of(tmp_path, "    print('y' * 10_000_000)\n    return np.maximum(x, 0)")
    assert {c.status for c in cells.values()} == {"pass"}
    out, err = capfd.readouterr()
    assert out == ""
    assert 0 < err.count("y" * 100) <= PRINTED / 100
    assert "from here on is left out" in err


def test_a_worker_is_replaced_after_a_time_out(tmp_path: Path) -> None:
    body = "    import sys\n    if 'half' in sys.modules: return np.maximum(x, 0)[:1]\n    sys.modules['half'] = None\n"
    file = tmp_path / "subject.py"
    hang = body + "    while True:\n        pass"
    head = '@gp.implements("relu", backend="numpy", formats=["float16"])\n'
    file.write_text(HEAD + f"\n{head}def hangs(x):\n{hang}\n\n{head}def after(x):\n{body}    return np.maximum(x, 0)\n")
    selection = Selection(
        files=(str(file),), properties=("accuracy",), orders=(0,), profile="quick", jobs=1, time_limit=1.0
    )
    cells = {cell.implementation: cell for cell in run(selection).cells}
    assert cells["subject:hangs"].measured["fault"] == "timed-out"
    # What the hanging call left half done is not there any more.
    assert cells["subject:after"].reason == ""
    assert cells["subject:after"].status == "pass"


def test_an_error_fails_the_run(tmp_path: Path) -> None:
    file = tmp_path / "subject.py"
    file.write_text(HEAD.replace("np.maximum(x, 0)", "1 / 0"))
    result = run(Selection(files=(str(file),), properties=("accuracy",), orders=(0,), profile="quick", jobs=0))
    assert exit_code(result) == 1


def test_what_max_seconds_does_not_reach_is_not_run() -> None:
    selection = Selection(backends=("numpy",), functions=("relu", "silu"), profile="quick", jobs=0, max_seconds=1e-6)
    result = run(selection)
    assert not result.run.complete
    assert {c.status for c in result.cells} == {"not-run"}
    assert all("--max-seconds" in c.reason for c in result.cells)
    assert exit_code(result) == 5
