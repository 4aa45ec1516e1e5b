"""Signals that ask a run to end reach it and not its workers, and what was found until then is written."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradproof.execution.processes import Processes
from gradproof.interrupts import Interrupts, interruptible
from gradproof.results import read_results
from tests.cli.conftest import RIGHT


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_a_worker_process_never_sees_an_interrupt() -> None:
    workers = Processes(1)
    try:
        blocked = workers.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
    finally:
        workers.shutdown(cancel_futures=True)
    assert signal.SIGINT in blocked
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


ENDLESS = """
import time
import numpy as np
import gradproof as gp

@gp.implements("relu", backend="numpy", formats=["bfloat16", "float16"])
def mine(x):
    if x.dtype != np.float16:
        time.sleep(120)
    return np.maximum(x, x.dtype.type(0))
"""
"""Right in float16, and still at work in bfloat16 when the signal comes."""

CHECK = ("check", "endless.py", "--order", "0", "--property", "accuracy", "--json", "results.json", "--html", "r.html")
UNDER_WAY = "relu-numpy-cpu-float16-order0-accuracy"


def signalled(folder: Path, *signals: signal.Signals, jobs: str = "1", gap: float = 0.0) -> tuple[int, str]:
    """Exit code and stdout of a check that gets ``signals``, ``gap`` seconds apart, once its first cell passed."""
    (folder / "endless.py").write_text(ENDLESS, encoding="utf-8")
    running = subprocess.Popen(
        [sys.executable, "-m", "gradproof", *CHECK, "-v", "--jobs", jobs],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
    )  # fmt: skip
    assert running.stderr is not None
    with running:
        assert UNDER_WAY in next(line for line in running.stderr if line.startswith("pass"))
        for number in signals:
            running.send_signal(number)
            time.sleep(gap)
        said, _ = running.communicate(timeout=100)
    return running.returncode, said


INTERRUPTING = """
import atexit, os, signal, sys
from importlib.abc import MetaPathFinder
from gradproof.cli import main

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Interrupts(MetaPathFinder):
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            {act}

sys.meta_path.insert(0, Interrupts())
atexit.register(interrupt)
main(sys.argv[2:])
"""
"""The command line, interrupted where it imports a module, and once more on its way out."""


@pytest.mark.parametrize("act", ["interrupt()", "exec('interrupt(); len([])')"])
@pytest.mark.parametrize("module", ["click", "gradproof.cli.run", "gradproof.engine.running.run", "numpy"])
def test_an_interrupt_while_modules_are_imported_and_one_on_the_way_out(folder: Path, module: str, act: str) -> None:
    (folder / "mine.py").write_text(RIGHT, encoding="utf-8")
    (folder / "interrupting.py").write_text(INTERRUPTING.format(act=act), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "interrupting.py", module, "check", "mine.py", "--jobs", "0"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_interrupts_until_the_process_has_ended_are_one(folder: Path) -> None:
    code, said = signalled(folder, *[signal.SIGINT] * 40, gap=0.03)
    assert (code, statuses(folder / "results.json")) == (2, ["pass", "not-run"])
    assert "written: results.json, r.html" in said


def statuses(file: Path) -> list[str]:
    return [c.status for c in read_results(file).cells]


@pytest.mark.parametrize(("name", "jobs"), [("SIGINT", "0"), ("SIGTERM", "1"), ("SIGHUP", "1")])
def test_what_was_reached_is_written_whatever_asks_to_end(folder: Path, name: str, jobs: str) -> None:
    code, said = signalled(folder, getattr(signal, name), jobs=jobs)
    assert code == 2
    assert "INTERRUPTED: the results hold what was reached" in said
    assert statuses(folder / "results.json") == ["pass", "not-run"]
    assert "<html" in (folder / "r.html").read_text("utf-8")


def test_two_interrupts_at_once_are_one(folder: Path) -> None:
    code, said = signalled(folder, signal.SIGINT, signal.SIGINT)
    assert (code, statuses(folder / "results.json")) == (2, ["pass", "not-run"])
    assert "written: results.json, r.html" in said


def test_an_interrupted_run_leaves_an_earlier_complete_one_alone(folder: Path) -> None:
    (folder / "earlier.py").write_text(RIGHT, encoding="utf-8")
    earlier = [sys.executable, "-m", "gradproof", "check", "earlier.py", "--property", "accuracy", *CHECK[6:]]
    assert subprocess.run([*earlier, "--jobs", "0"], cwd=folder, capture_output=True, check=False).returncode == 0
    before = [(folder / name).read_bytes() for name in ("results.json", "r.html")]
    code, said = signalled(folder, signal.SIGTERM)
    assert code == 2
    assert [(folder / name).read_bytes() for name in ("results.json", "r.html")] == before
    assert statuses(folder / "results.partial.json") == ["pass", "not-run"]
    assert (folder / "r.partial.html").is_file()
    assert "kept: results.json holds more than this run; written beside it: results.partial.json" in said


def heard(*seconds: float, finished_after: int | None = None) -> list[bool]:
    """Which of the signals at these times raise; ``finish`` is called before the one of this number."""
    found = []
    interrupts = Interrupts()
    with pytest.MonkeyPatch.context() as patched:
        for number, second in enumerate(seconds):
            patched.setattr("gradproof.interrupts.time.monotonic", lambda second=second: second)
            if number == finished_after:
                interrupts.finish()
            try:
                interrupts.heard(signal.SIGINT, None)
                found.append(False)
            except KeyboardInterrupt:
                found.append(True)
    return found


def test_signals_in_quick_succession_are_one() -> None:
    assert heard(10.0, 10.1, 10.2) == [True, False, False]


def test_one_that_was_swallowed_may_be_repeated() -> None:
    assert heard(10.0, 10.1, 13.0) == [True, False, True]


def test_what_is_being_written_is_written_and_a_pipe_without_a_reader_can_be_left() -> None:
    assert heard(10.0, 10.1, 20.0, finished_after=1) == [True, False, True]
    assert heard(10.0, 30.0, finished_after=0) == [False, True]


def test_a_swallowed_signal_ends_the_run_at_the_next_cell() -> None:
    interrupts = Interrupts()
    interrupts.check()
    with pytest.raises(KeyboardInterrupt):
        interrupts.heard(signal.SIGTERM, None)
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no hang-up")
def test_a_signal_that_this_process_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_one_block_within_another_is_the_same() -> None:
    with interruptible() as outer:
        with interruptible() as inner:
            assert inner is outer
        assert signal.getsignal(signal.SIGTERM) == outer.heard
    assert signal.getsignal(signal.SIGTERM) != outer.heard
