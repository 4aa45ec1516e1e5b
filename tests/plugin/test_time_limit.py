"""The soft time limit beside a test runner's own alarm."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from gradproof.errors import ImplementationFault
from gradproof.execution.timelimit import time_limit


@pytest.fixture
def _alarm() -> Iterator[None]:
    """An alarm an hour away, as a plugin that limits tests would set it."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("no interval timers on this platform")
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 3600)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_limit_that_python_swallows_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(signal, "setitimer"):
        pytest.skip("no interval timers on this platform")
    monkeypatch.setattr("gradproof.execution.timelimit.AGAIN", 0.05)
    swallowed = 0
    with pytest.raises(ImplementationFault, match="stubborn did not return"), time_limit(0.05, "stubborn"):  # noqa: PT012
        while True:
            try:
                time.sleep(5)
            except ImplementationFault:
                swallowed += 1
                if swallowed > 1:
                    raise
    assert swallowed == 2


def test_an_alarm_of_the_blocks_own_is_no_limit_and_puts_off_none() -> None:
    if not hasattr(signal, "setitimer"):
        pytest.skip("no interval timers on this platform")
    with time_limit(60.0, "impatient"):
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        time.sleep(0.05)
    with pytest.raises(ImplementationFault, match="endless did not return"), time_limit(0.2, "endless"):  # noqa: PT012
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(5)


@pytest.mark.usefixtures("_alarm")
def test_an_alarm_that_was_set_before_stays_set() -> None:
    with time_limit(60.0, "nothing"):
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert 3000 < signal.getitimer(signal.ITIMER_REAL)[0] <= 3600
