"""Running a Hypothesis strategy as a search: no test function, no database, every example accounted for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings, target
from hypothesis import strategies as st

T = TypeVar("T")


def search(strategy: st.SearchStrategy[T], visit: Callable[[T], float], *, examples: int, seed_: int) -> None:
    """Call ``visit`` on ``examples`` drawn values, steering towards larger scores.

    ``visit`` returns a finite score (``log2`` of an error, say) that Hypothesis climbs by ``target``; it
    collects what it needs itself. Deterministic for one ``seed_``. Exceptions pass through at once: nothing
    is shrunk here, because a region and its simplest input say more than a shrunk batch.
    """
    if examples <= 0:
        return

    @seed(seed_)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        phases=(Phase.generate, Phase.target),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
        report_multiple_bugs=False,
    )
    @given(strategy)
    def explore(value: T) -> None:
        target(visit(value))

    explore()
