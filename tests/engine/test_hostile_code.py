"""Code that attacks the run, by intent or by accident, costs its own cells: no other verdict is lost or changed."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

import pytest

from gradproof.engine.declared import userfiles
from gradproof.engine.request.selection import Selection
from gradproof.engine.running import executor_judge
from gradproof.engine.running.run import exit_code, run
from gradproof.errors import ChangedOnImport, UsageError
from gradproof.results.model import Cell, RunResult

HEAD = """
import collections, ctypes, itertools, os, signal, stat, sys
from pathlib import Path
import numpy as np
import gradproof as gp
from gradproof import errors

C = ctypes.CDLL(None)

def implements(f):
    return gp.implements("relu", backend="numpy", formats=["float16"])(f)
"""
RIGHT = """
@implements
def {name}(x):
    return np.maximum(x, 0)
"""


def checked(folder: Path, text: str, **more: object) -> RunResult:
    file = folder / "subject.py"
    file.write_text(HEAD + text)
    given: dict[str, object] = {
        "files": (str(file),), "properties": ("accuracy",), "orders": (0,), "profile": "quick", "jobs": 1,
        "time_limit": 2.0, **more,
    }  # fmt: skip
    return run(Selection(**given))  # type: ignore[arg-type]


def each(folder: Path, bodies: dict[str, str], **more: object) -> dict[str, Cell]:
    """The cells of one implementation per body, by its name; between any two there is a right one."""
    text = RIGHT.format(name="right_first")
    for name, body in bodies.items():
        text += f"\n@implements\ndef {name}(x):\n    {body}\n" + RIGHT.format(name=f"right_after_{name}")
    result = checked(folder, text, **more)
    assert result.run.complete
    cells = {c.implementation.removeprefix("subject:"): c for c in result.cells}
    assert len(cells) == len(result.cells) == 1 + 2 * len(bodies)
    assert {c.status for name, c in cells.items() if name.startswith("right")} == {"pass"}
    return cells


ENDS = {"python": "os._exit(0)", "c": "C.exit(0)", "c_at_once": "C._exit(0)"}


def test_a_call_that_ends_its_process_as_if_all_were_well_is_an_error_without_workers_too(tmp_path: Path) -> None:
    cells = each(tmp_path, ENDS, jobs=0)
    for name in ENDS:
        assert (cells[name].status, cells[name].measured["fault"]) == ("error", "crashed")
        assert f"the worker process ended (exit code 0) while subject:{name} was checked" in cells[name].reason


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_import_that_ends_its_process_is_told(end: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"subject\.py (could not be imported: the worker|raised SystemExit)"):
        checked(tmp_path, f"{end}\n" + RIGHT.format(name="right"), jobs=0)


OURS = ("OracleDisagreement", "UsageError", "Unsupported", "BackendUnavailable", "GradproofError")


def test_errors_of_our_own_types_that_a_callable_raises_are_its_faults(tmp_path: Path) -> None:
    bodies = {name: f"raise errors.{name}('nonsense')" for name in OURS}
    bodies["ImplementationFault"] = "raise errors.ImplementationFault('timed-out', 'nonsense')"
    cells = each(tmp_path, bodies)
    for name in bodies:
        assert (cells[name].status, cells[name].measured["fault"]) == ("error", "raised")
        assert f"subject:{name} raised {name}: nonsense" in cells[name].reason


@pytest.mark.parametrize("kind", ["OracleDisagreement", "Unsupported"])
def test_a_definition_that_raises_one_does_not_end_the_run(kind: str, tmp_path: Path) -> None:
    text = f"""
def broken(m, x):
    raise errors.{kind}("nonsense")

@gp.implements(gp.function("hostile_{kind.lower()}", oracle=broken), backend="numpy", formats=["float16"])
def of_a_broken_definition(x):
    return x
"""
    result = checked(tmp_path, text + RIGHT.format(name="right"))
    cells = {c.implementation: c for c in result.cells}
    assert cells["subject:right"].status == "pass"
    assert cells["subject:of_a_broken_definition"].status == "error"
    assert cells["subject:of_a_broken_definition"].measured["fault"] == "definition"


def test_a_forked_copy_of_the_worker_judges_nothing(tmp_path: Path) -> None:
    cells = each(tmp_path, {"forks": "return np.maximum(x, 0) if os.fork() else x * 3"})
    assert cells["forks"].status == "pass"


def test_rubbish_on_the_line_is_an_error_of_who_wrote_it(tmp_path: Path) -> None:
    body = """for fd in range(3, 100):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.write(fd, b"rubbish" * 50)
        except OSError:
            pass
    return np.maximum(x, 0)"""
    cell = each(tmp_path, {"writes": body})["writes"]
    assert (cell.status, cell.measured["fault"]) == ("error", "crashed")
    assert "something else than the worker wrote on its line" in cell.reason


def test_rubbish_on_every_line_makes_nobody_else_speak(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    body = """for fd in range(3, 100):
        try:
            os.write(fd, b"rubbish\\n" * 50)
        except OSError:
            pass
    return np.maximum(x, 0)"""
    cell = each(tmp_path, {"writes": body})["writes"]
    assert (cell.status, cell.measured["fault"]) == ("error", "crashed")
    assert "Traceback" not in capfd.readouterr().err


def test_a_check_that_hangs_outside_of_a_call_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a definition, say, which is no call of the implementation's: CELL_LIMIT is around everything."""
    monkeypatch.setattr(executor_judge, "CELL_LIMIT", 3.0)
    monkeypatch.setattr(executor_judge, "CALLS_PER_CELL", 1)
    text = """
def endless(m, x):
    while Path(__file__).with_name("judging").exists():
        pass
    return x + 0

@gp.implements(gp.function("hostile_endless", oracle=endless), backend="numpy", formats=["float16"])
def of_an_endless_definition(x):
    Path(__file__).with_name("judging").touch()
    return x
"""
    result = checked(tmp_path, text + RIGHT.format(name="right"))
    cells = {c.implementation.removeprefix("subject:"): c for c in result.cells}
    assert cells["right"].status == "pass"
    assert (cells["of_an_endless_definition"].status, cells["of_an_endless_definition"].measured["fault"]) == (
        "error", "timed-out",
    )  # fmt: skip
    assert "no answer within 3 seconds" in cells["of_an_endless_definition"].reason


SWAPS = {
    "gone": "os.remove(__file__)",
    "other": "Path(__file__).write_text(Path(__file__).read_text().replace('def right', 'def also_right'))",
}


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
def test_a_file_that_changes_while_it_is_checked_costs_what_is_left(swap: str, tmp_path: Path) -> None:
    text = f"\n@implements\ndef swaps(x):\n    {swap}\n    os._exit(1)\n" + RIGHT.format(name="right")
    result = checked(tmp_path, text)
    found = [(c.implementation, c.status, c.measured["fault"]) for c in result.cells]
    assert found == [("subject:swaps", "error", "crashed"), ("subject:right", "error", "changed-file")]
    assert "subject.py was changed, or is gone, since the run began" in result.cells[1].reason
    assert exit_code(result) == 1


def test_verdicts_are_never_given_to_what_takes_anothers_place_in_a_new_plan(tmp_path: Path) -> None:
    (tmp_path / "names.py").write_text("NAMES = ['a', 'b', 'c']\n")
    text = """
import names

def register(name):
    def call(x):
        if name == "a":
            Path(names.__file__).write_text("NAMES = ['c', 'b', 'a', 'd']")
            os._exit(1)
        return x * 2 if name == "b" else np.maximum(x, 0)
    gp.implements("relu", backend="numpy", formats=["float16"], name=name)(call)

for name in names.NAMES:
    register(name)
"""
    result = checked(tmp_path, text)
    assert [(c.implementation, c.measured["fault"]) for c in result.cells] == [
        ("a", "crashed"), ("b", "changed-file"), ("c", "changed-file"),
    ]  # fmt: skip


def test_results_that_are_more_than_an_array_are_none(tmp_path: Path) -> None:
    bodies = {
        "masked": "return np.ma.masked_array(np.zeros_like(x), mask=True)",
        "half_masked": "return np.ma.masked_less(np.maximum(x, 0), 0)",
        "record": "return np.maximum(x, 0).view(np.recarray)",
    }
    cells = each(tmp_path, bodies)
    for name in bodies:
        assert (cells[name].status, cells[name].measured["fault"]) == ("error", "wrong-type")
    assert "returned a MaskedArray, expected a numpy.ndarray" in cells["masked"].reason


def test_a_property_of_ones_own_cannot_answer_with_a_masked_array(tmp_path: Path) -> None:
    text = """
@gp.property("hostile-masked", statement="Nothing is said.")
def nothing(x, y):
    return np.ma.masked_array(np.ones(x.shape, bool), mask=True)
"""
    result = checked(tmp_path, text + RIGHT.format(name="right"), properties=("hostile-masked",))
    (cell,) = result.cells
    assert cell.status == "error"
    assert "it answered with a masked array" in cell.reason


UPWARD = 0x800
LEAKS = {
    "rounding": (
        f"C.fesetround({UPWARD})",
        "environment from rounding to nearest to rounding upward",
    ),
    "errors": ("np.seterr(all='raise')", "NumPy's error handling"),
}


def test_what_one_call_changes_the_next_callable_does_not_meet(tmp_path: Path) -> None:
    bodies = {name: f"{act}\n    return np.maximum(x, 0)" for name, (act, _) in LEAKS.items()}
    cells = each(tmp_path, bodies)
    for name, (_, says) in LEAKS.items():
        if name == "errors":  # undone already by what is around every call
            assert cells[name].status == "pass"
            continue
        assert (cells[name].status, cells[name].measured["fault"]) == ("error", "changed-settings")
        assert says in cells[name].reason


REBINDS = {
    "rebinds_abs": ("np.abs = lambda x, **more: x * 0", "numpy.abs"),
    "rebinds_isnan": ("np.isnan = np.isinf", "numpy.isnan"),
    "rebinds_any": ("np.any = lambda *a, **k: False; np.flatnonzero = lambda x: x[:0]", "numpy.any, numpy.flatnonzero"),
    "deletes": ("del np.where", "numpy.where"),
    "deep": ("np._core.umath.isfinite = lambda x: x == x", "numpy._core.umath.isfinite"),
    "rounds": ("import math; math.frexp = lambda x: (x, 0)", "math.frexp"),
    "builtin": ("import builtins; builtins.max = lambda *a, **k: 0", "builtins.max"),
    "generators": ("import builtins; builtins.next = lambda *a: None", "builtins.next"),
    "hides": ("np.isinstance = lambda *a: True", "numpy.isinstance"),
}


def test_names_that_judging_rests_on_are_put_back_and_the_call_is_told(tmp_path: Path) -> None:
    """What is wrong stays wrong behind each of them: with np.abs a zero, every error was 0."""
    text = "MAXIMUM = np.maximum\n"
    for name, (act, _) in REBINDS.items():
        text += f"\n@implements\ndef {name}(x):\n    {act}\n    return MAXIMUM(x, 0)\n"
        text += f"\n@implements\ndef wrong_after_{name}(x):\n    return MAXIMUM(x, 0) * x.dtype.type(1.25)\n"
        text += RIGHT.format(name=f"right_after_{name}")
    cells = {c.implementation.removeprefix("subject:"): c for c in checked(tmp_path, text).cells}
    for name, (_, says) in REBINDS.items():
        assert (cells[name].status, cells[name].measured["fault"]) == ("error", "changed-process"), name
        assert f"subject:{name} changed {says}; expected these names to stay" in cells[name].reason
        assert (cells[f"wrong_after_{name}"].status, cells[f"right_after_{name}"].status) == ("fail", "pass")


TORCH_REBINDS = {
    "function": ("torch.sigmoid = torch.relu", "torch.sigmoid"),
    "functional": ("torch.nn.functional.silu = torch.relu", "torch.nn.functional.silu"),
    "method": ("torch.Tensor.__mul__ = lambda a, b: a", "torch.Tensor.__mul__"),
    "module": ("torch.nn.SiLU.forward = lambda self, x: x", "torch.nn.SiLU.forward"),
}
JAX_REBINDS = {
    "jax_numpy": ("jnp.tanh = jnp.sin", "jax.numpy.tanh"),
    "jax_nn": ("jax.nn.silu = jax.nn.relu", "jax.nn.silu"),
    "jax_lax": ("jax.lax.tanh = jax.lax.sin", "jax.lax.tanh"),
}


@pytest.mark.parametrize(
    ("head", "backend", "rebinds"),
    [
        pytest.param("import torch", "torch:cpu", TORCH_REBINDS, marks=pytest.mark.framework("torch")),
        pytest.param("import jax, jax.numpy as jnp", "jax:cpu", JAX_REBINDS, marks=pytest.mark.framework("jax")),
    ],
)
def test_so_are_those_of_the_frameworks(
    head: str, backend: str, rebinds: dict[str, tuple[str, str]], tmp_path: Path
) -> None:
    text = f"{head}\n"
    for name, (act, _) in rebinds.items():
        text += f"""
@gp.implements("relu", backend="{backend}", formats=["float16"])
def {name}(x):
    {act}
    return x * (x > 0)
"""
    result = checked(tmp_path, text, time_limit=30.0, modes=("eager",))
    found = {c.implementation.removeprefix("subject:"): c for c in result.cells}
    for name, (_, says) in rebinds.items():
        assert f"subject:{name} changed {says}; expected these names to stay" in found[name].reason


def test_an_import_may_not_change_what_judging_rests_on(tmp_path: Path) -> None:
    text = "np.isnan = np.isinf\n" + RIGHT.format(name="right")
    with pytest.raises(UsageError, match=r"the import of .*subject\.py changed numpy\.isnan; expected these names to"):
        checked(tmp_path, text)


@pytest.mark.framework("torch")
def test_a_framework_that_an_import_changed_is_judged_as_it_is_then(tmp_path: Path) -> None:
    # As libraries for accelerators do, which put kernels of their own there.
    text = "import torch\ntorch.sigmoid = torch.relu\n" + RIGHT.format(name="right")
    text += """
@gp.implements("relu", backend="torch:cpu", formats=["float16"])
def patched(x):
    return torch.sigmoid(x)
"""
    with pytest.warns(ChangedOnImport, match="an import changed torch"):
        cells = checked(tmp_path, text).cells
    assert {c.implementation.removeprefix("subject:"): c.status for c in cells} == {"right": "pass", "patched": "pass"}


@pytest.mark.framework("torch")
def test_that_an_import_changed_a_framework_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from gradproof.backends.namespaces import accept, names_kept

    with (
        pytest.warns(ChangedOnImport, match=r"an import changed torch\.sigmoid; all implementations"),
        names_kept("the import", importing=True),
    ):
        monkeypatch.setattr(torch, "sigmoid", torch.relu)
    assert torch.sigmoid is torch.relu
    monkeypatch.undo()
    accept()


def test_a_file_may_change_its_own_modules_and_add_names(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def half(x):\n    return x\n")
    text = "import beside\nbeside.half = abs\nnp.float = float\n"
    text += "\n@implements\ndef adds(x):\n    np.mine = beside.half = max\n    return np.maximum(x, 0)\n"
    assert [c.status for c in checked(tmp_path, text).cells] == ["pass"]


QUIET = {
    "precision": "import mpmath, flint; mpmath.mp.prec = flint.ctx.prec = 9",
    "decimals": "import decimal; decimal.getcontext().prec = 3",
    "filters": "import warnings; warnings.simplefilter('error')",
    "folder": "os.chdir('/')",
    "depth": "sys.setrecursionlimit(2000)",
}
AS_BEFORE = """
import decimal, warnings, flint, mpmath
STATE = lambda: (mpmath.mp.prec, flint.ctx.prec, decimal.getcontext().prec, list(warnings.filters), os.getcwd(),
                 sys.getrecursionlimit())
BEFORE = []

@implements
def first(x):
    BEFORE.append(STATE())
    return np.maximum(x, 0)
"""


def test_what_one_call_changes_without_harm_the_next_callable_does_not_meet_either(tmp_path: Path) -> None:
    text = AS_BEFORE
    for name, act in QUIET.items():
        text += f"\n@implements\ndef {name}(x):\n    {act}\n    return np.maximum(x, 0)\n"
    text += "\n@implements\ndef last(x):\n    assert STATE() == BEFORE[0]\n    return np.maximum(x, 0)\n"
    assert [(c.implementation, c.reason) for c in checked(tmp_path, text).cells if c.status != "pass"] == []


def test_what_an_import_does_to_arithmetic_is_undone_and_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = checked(tmp_path, f"C.fesetround({UPWARD})\n" + RIGHT.format(name="right"))
    assert [c.status for c in result.cells] == ["pass"]
    assert (
        "changed the floating-point environment to rounding upward; it is rounding to nearest again"
        in capfd.readouterr().err
    )


def test_random_numbers_do_not_depend_on_what_was_called_before(tmp_path: Path) -> None:
    """Each cell meets the same generators: the one that draws the same numbers as the run alone fails alike."""
    noisy = "return np.maximum(x, 0) + np.random.rand(*x.shape).astype(x.dtype)"
    one = each(tmp_path, {"noisy": noisy})["noisy"]
    other = each(tmp_path, {"draws": "np.random.rand(7); return np.maximum(x, 0)", "noisy": noisy})["noisy"]
    assert one.status == other.status == "fail"
    assert one.m_max == other.m_max
    assert one.worst_bits == other.worst_bits


DEAF = {
    "compiled": "collections.deque(itertools.repeat(0), maxlen=0)",
    "stopped": f"os.kill(os.getpid(), {int(signal.SIGSTOP)})",
    "swallows": """while True:
        try:
            while True:
                len("")  # without a call the compiler finds nothing to catch
        except BaseException:
            pass""",
}


def test_a_call_that_does_not_hear_its_limit_is_ended_soon(tmp_path: Path) -> None:
    cells = each(tmp_path, DEAF, time_limit=0.5)
    for name in DEAF:
        assert (cells[name].status, cells[name].measured["fault"]) == ("error", "timed-out")
        assert "a call did not return within 0.5 seconds, nor hear that its time was up" in cells[name].reason


def test_a_muffled_alarm_rings_for_the_next_callable(tmp_path: Path) -> None:
    muffles = "signal.signal(14, signal.SIG_IGN); signal.pthread_sigmask(0, [14]); return np.maximum(x, 0)"
    cells = each(tmp_path, {"muffles": muffles, "hangs": "while True: pass"}, time_limit=0.5)
    assert cells["muffles"].status == "pass"
    assert cells["hangs"].reason == "subject:hangs did not return within 0.5 seconds"


@pytest.mark.parametrize("loop", [DEAF["compiled"], "while True: pass"])
def test_an_import_without_end_is_told(loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(userfiles, "IMPORT_LIMIT", 0.5)
    with pytest.raises(UsageError, match=r"subject\.py.* did not return within 0.5 seconds"):
        checked(tmp_path, f"{loop}\n" + RIGHT.format(name="right"), time_limit=0.5)


def test_closed_standard_streams_hang_nothing(tmp_path: Path) -> None:
    text = "os.close(0); os.close(1); os.close(2)\n" + RIGHT.format(name="right")
    assert [c.status for c in checked(tmp_path, text).cells] == ["pass"]


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, 1e18, 86401])
def test_time_limits_that_cannot_be_kept_are_usage_errors(seconds: float) -> None:
    with pytest.raises(UsageError, match="expected --time-limit above 0 and at most 86400"):
        Selection(time_limit=seconds)


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_bounds_on_a_run_that_are_none_are_usage_errors(seconds: float) -> None:
    with pytest.raises(UsageError, match="expected --max-seconds above 0"):
        Selection(max_seconds=seconds)


def test_worker_processes_by_the_million_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match="expected --jobs of at least 0 and at most"):
        Selection(jobs=10**6)


def test_the_user_of_this_process_is_not_the_one_who_judges(tmp_path: Path) -> None:
    """Without workers too: what the file writes down is the number of another process."""
    text = "Path(__file__).with_name('pid').write_text(str(os.getpid()))\n" + RIGHT.format(name="right")
    checked(tmp_path, text, jobs=0)
    assert int((tmp_path / "pid").read_text()) != os.getpid()
