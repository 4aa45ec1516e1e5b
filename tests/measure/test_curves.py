"""Error curves: which bin an input falls into, the envelope, the histogram and the quantiles."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from gradproof.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, FORMATS, Format
from gradproof.formats import arrays as fa
from gradproof.measure.curves import BINS, EMPTY, MISMATCH, curve
from gradproof.results.model import Curve

each_format = pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda fmt: fmt.name)


def drawn(fmt: Format, bits: Any, u: Any, judged: Any = None) -> Curve:
    array = np.array(bits, dtype=fa.storage(fmt))
    chosen = np.ones(array.size, bool) if judged is None else np.array(judged)
    return curve(array, np.array(u, dtype=float), chosen, fmt)


def bins(made: Curve) -> list[int]:
    return list(base64.b64decode(made.bins))


@each_format
def test_every_input_falls_into_the_bin_of_its_ordinal(fmt: Format) -> None:
    picks = np.random.default_rng(0).integers(-fmt.last_bits, fmt.last_bits, 40, endpoint=True).tolist()
    width = -(-(2 * fmt.last_bits + 1) // BINS)
    for ordinal in [-fmt.last_bits, -1, 0, 1, fmt.max_bits, fmt.last_bits, *picks]:
        levels = bins(drawn(fmt, [fmt.from_ordinal(ordinal)], [7.0]))
        assert len(levels) == BINS
        assert [i for i, v in enumerate(levels) if v != EMPTY] == [(ordinal + fmt.last_bits) // width]


@each_format
def test_the_ends_are_the_ordinals_of_the_ends_of_the_line_as_text(fmt: Format) -> None:
    made = drawn(fmt, [0], [0.0])
    assert (int(made.lo), int(made.hi)) == (-fmt.last_bits, fmt.last_bits)


def test_a_bin_keeps_the_largest_error_as_eighths_of_a_bit() -> None:
    levels = bins(drawn(FLOAT32, [0, 1, 2], [0.5, 3.0, 1.0]))
    assert [v for v in levels if v != EMPTY] == [16]  # 8 log2(1 + 3)
    assert [v for v in bins(drawn(FLOAT32, [0], [0.0])) if v != EMPTY] == [0]
    assert [v for v in bins(drawn(FLOAT32, [0], [1e300])) if v != EMPTY] == [253]


def test_a_mismatch_outshines_every_error_in_its_bin() -> None:
    levels = bins(drawn(FLOAT16, [0x3C00, 0x3C01, 0xBC00], [np.inf, 2.0, 2.0]))
    assert levels.count(MISMATCH) == 1
    assert levels.count(EMPTY) == BINS - 2


def test_what_was_not_judged_and_nan_inputs_are_left_out() -> None:
    made = drawn(BFLOAT16, [0, 0x7FC0, 0x3F80], [1.0, 1.0, np.nan], [False, True, True])
    assert set(bins(made)) == {EMPTY}
    assert sum(made.histogram) == 0
    assert made.quantiles == []


def test_histogram_bins_hold_their_upper_edge() -> None:
    # u in [0, .5], (.5, 1], (1, 2], (2, 4], ... (2048, 4096], above and mismatches.
    u = [0.0, 0.5, 0.5000001, 1.0, 1.5, 2.0, 4.0, 4096.0, 4097.0, np.inf]
    made = drawn(FLOAT64, list(range(len(u))), u)
    expected = [0] * 15
    for index, count in {0: 2, 1: 2, 2: 2, 3: 1, 13: 1, 14: 2}.items():
        expected[index] = count
    assert made.histogram == expected


def test_quantiles_are_errors_that_occurred() -> None:
    u = np.arange(1000.0)
    made = drawn(FLOAT32, np.arange(1000), u)
    assert made.quantiles == [499.0, 899.0, 989.0, 999.0]
    assert drawn(FLOAT32, [1, 2], [1.0, np.inf]).quantiles == [1.0, 1.0, 1.0, None]
