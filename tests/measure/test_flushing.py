"""What results show of a device that flushes subnormal numbers."""

from __future__ import annotations

import numpy as np
import pytest

from gradproof.formats import BFLOAT16
from gradproof.formats import arrays as fa
from gradproof.measure.flushing import SeenFlushing, seen_flushing

BITS = fa.all_bits(BFLOAT16)
X = fa.values(BITS, BFLOAT16)
LEAST = 2.0**-126


def seen(due: np.ndarray, got: np.ndarray) -> SeenFlushing:
    return seen_flushing(BITS, fa.round_by_quantum(got, BFLOAT16), due, BFLOAT16, BFLOAT16)


def flushed(values: np.ndarray) -> np.ndarray:
    return np.where(np.abs(values) < LEAST, 0.0, values)


@pytest.fixture(autouse=True)
def _quiet() -> object:
    with np.errstate(all="ignore"):
        yield


def test_a_device_that_keeps_subnormal_numbers_is_not_said_to_flush() -> None:
    assert seen(X / 2, X / 2) == SeenFlushing()
    assert str(SeenFlushing()) == "no flushing of subnormal numbers"


def test_results_at_normal_inputs_show_ftz() -> None:
    found = seen(X / 4, flushed(fa.values(fa.round_by_quantum(X / 4, BFLOAT16), BFLOAT16)))
    assert (found.results, found.inputs) == (True, False)
    assert "FTZ (all" in str(found)


def test_a_slope_that_is_lost_at_subnormal_inputs_shows_daz() -> None:
    slope = np.where(np.isnan(X), np.nan, (X > 0) * 1.0)
    found = seen(slope, np.where(np.abs(X) < LEAST, 0.0, slope))
    assert (found.results, found.inputs) == (False, True)
    assert "DAZ (all 127 results" in str(found)


def test_one_result_that_is_kept_speaks_against_either() -> None:
    got = flushed(X / 4)
    got[BITS == 0x0085] = X[BITS == 0x0085] / 4
    assert not seen(X / 4, got).results
    slope = np.where(np.isnan(X), np.nan, (X > 0) * 1.0)
    assert not seen(slope, np.where(np.abs(X) < LEAST / 2, 0.0, slope)).inputs


def test_where_the_two_look_alike_both_are_named() -> None:
    found = seen(X, flushed(X))  # the identity: subnormal results at subnormal inputs alone
    assert (found.results, found.inputs) == (True, True)
    assert "FTZ or DAZ" in str(found)


def test_a_lost_tail_is_no_flushing() -> None:
    due = np.exp2(np.clip(X, -2000, 127))
    assert seen(due, np.where(due < LEAST, 0.0, due)).results
    assert not seen(due, np.where(due < 2.0**-100, 0.0, due)).results
