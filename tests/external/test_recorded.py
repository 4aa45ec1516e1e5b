"""Results by their inputs, from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gradproof.errors import Unsupported, UsageError
from gradproof.external.inputs import MOST_LISTED, ListedInputs, RangeInputs, inputs_in
from gradproof.external.recorded import READ_AT_ONCE, NotRecorded, RecordedResults
from gradproof.external.vector_files import VectorFile, opened, write
from gradproof.formats import BFLOAT16, FLOAT8_E5M2, FLOAT32, Format


def file_of(path: Path, fmt: Format, values: np.ndarray) -> VectorFile:
    write(str(path), fmt, values.size, [values.astype(f"u{fmt.width // 8}")])
    return opened(str(path), (fmt,), "results")


def test_consecutive_patterns_are_a_range_wherever_they_begin(tmp_path: Path) -> None:
    found = inputs_in(file_of(tmp_path / "in.bin", FLOAT32, np.arange(0x7FFFFFF0, 0x80000010)))
    assert isinstance(found, RangeInputs)
    assert (found.first, found.last, found.complete) == (0x7FFFFFF0, 0x8000000F, False)
    assert inputs_in(file_of(tmp_path / "in.bin", FLOAT8_E5M2, np.arange(256))).complete


def test_any_order_is_a_list_and_results_follow_their_inputs(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(1 << 16)
    inputs = inputs_in(file_of(tmp_path / "in.bin", BFLOAT16, order))
    assert isinstance(inputs, ListedInputs)
    assert inputs.complete
    results = RecordedResults(inputs, file_of(tmp_path / "out.bin", BFLOAT16, order ^ 0x8000))
    asked = np.array([5, 0, 0xFFFF], np.uint16)
    assert results(asked).tolist() == [0x8005, 0x8000, 0x7FFF]


def test_parts_and_single_results_of_a_range_agree(tmp_path: Path) -> None:
    n = 3 * READ_AT_ONCE
    results = RecordedResults(
        RangeInputs(FLOAT32, 100, 99 + n), file_of(tmp_path / "out.bin", FLOAT32, np.arange(n) * 7)
    )
    asked = np.arange(100 + 10, 100 + 2 * READ_AT_ONCE, dtype=np.uint32)
    assert np.array_equal(results(asked), results(asked[::-1])[::-1])
    assert results(asked)[0] == 70


def test_an_input_without_a_result_is_named(tmp_path: Path) -> None:
    results = RecordedResults(RangeInputs(BFLOAT16, 4, 5), file_of(tmp_path / "out.bin", BFLOAT16, np.zeros(2)))
    with pytest.raises(Unsupported, match=r"out.bin holds no result for 0x0006"):
        results(np.array([4, 6], np.uint16))
    with pytest.raises(Unsupported, match="no results of order 0"):
        NotRecorded(0)(np.array([4], np.uint16))


def test_wrong_lengths_and_two_results_for_one_input_are_refused(tmp_path: Path) -> None:
    short = file_of(tmp_path / "out.bin", BFLOAT16, np.zeros(2))
    with pytest.raises(UsageError, match=r"expected 3 results in .* got 2: it is cut off"):
        RecordedResults(RangeInputs(BFLOAT16, 4, 6), short)
    with pytest.raises(UsageError, match=r"expected 1 results in .* got 2$"):
        RecordedResults(RangeInputs(BFLOAT16, 4, 4), short)
    twice = ListedInputs(BFLOAT16, np.array([7, 8, 7], np.uint16))
    RecordedResults(twice, file_of(tmp_path / "same.bin", BFLOAT16, np.array([1, 2, 1])))
    with pytest.raises(UsageError, match=r"got two for 0x0007: 0x0001 as number 0 of .* and 0x0003 as number 2"):
        RecordedResults(twice, file_of(tmp_path / "other.bin", BFLOAT16, np.array([1, 2, 3])))


def test_lists_that_are_too_long_say_what_to_do(tmp_path: Path) -> None:
    inputs = np.arange(MOST_LISTED + 1, dtype=np.uint32)
    inputs[-1] = 0
    with pytest.raises(UsageError, match="judge them in parts"):
        inputs_in(file_of(tmp_path / "in.bin", FLOAT32, inputs))
    with pytest.raises(UsageError, match=r"expected inputs in .* got none"):
        inputs_in(file_of(tmp_path / "in.bin", FLOAT32, inputs[:0]))


@pytest.mark.parametrize("most", [3, 10, 100])
def test_some_are_among_them_and_hold_both_ends(most: int) -> None:
    bits = np.array([9, 3, 3, 200, 7, 8, 1, 60, 61, 62, 63, 64], np.uint16)
    for inputs in (ListedInputs(BFLOAT16, bits), RangeInputs(BFLOAT16, 1, 200)):
        some = inputs.some(most)
        assert some.size <= most
        assert (some[0], some[-1]) == (1, 200)
        assert inputs.holds(some).all()
        assert sum(part.size for part in inputs.parts(5)) == inputs.some(1000).size
