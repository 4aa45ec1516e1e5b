"""Ctrl-C reaches the run and not its workers, which would answer it with tracebacks."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from gradproof.engine.pool import _without_interrupts

BLOCKED = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_a_process_started_without_interrupts_never_sees_one() -> None:
    def started() -> str:
        done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=True)
        return done.stdout

    with _without_interrupts():
        assert started() == "True\n"
    assert started() == "False\n"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_an_interrupt_that_comes_meanwhile_is_not_lost() -> None:
    def interrupted() -> None:
        with _without_interrupts():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end of the block")

    reached: list[str] = []
    # A process started in the background inherits an ignored SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
    assert reached == ["the end of the block"]
