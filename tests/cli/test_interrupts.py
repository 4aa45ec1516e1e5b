"""Ctrl-C reaches the run and not its workers, which would answer it with tracebacks."""

from __future__ import annotations

import signal

import pytest

from gradproof.execution.processes import Processes


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_a_worker_process_never_sees_an_interrupt() -> None:
    workers = Processes(1)
    try:
        blocked = workers.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
    finally:
        workers.shutdown(cancel_futures=True)
    assert signal.SIGINT in blocked
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
