"""Results in files on their way through a sweep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gradproof.errors import UsageError
from gradproof.external.description import Elsewhere
from gradproof.sweep.recorded import SWEPT, judge_swept, prepared

FIRST = 0x40000000
"""The bits of 2.0."""


def relu_results(folder: Path, count: int) -> Elsewhere:
    """relu at ``count`` patterns from 2.0 on, which is the identity."""
    np.arange(FIRST, FIRST + count, dtype="<u4").tofile(folder / "out.bin")
    inputs = FIRST, FIRST + count - 1
    return Elsewhere("relu", {}, "out.bin", "float32", 0, inputs=inputs, results=str(folder / "out.bin"))


def test_what_is_finished_is_taken_up_while_the_file_is_the_same(tmp_path: Path) -> None:
    made = relu_results(tmp_path, SWEPT)
    for kept in (0, SWEPT):
        found = prepared(made, "stable", tmp_path / "judged")
        assert found.swept
        result, (row,) = judge_swept(found, "stable", workers=1)
        assert row.swept is not None
        assert row.swept.kept == kept
        assert [c.status for c in result.cells] == ["pass"]
    (tmp_path / "out.bin").write_bytes((tmp_path / "out.bin").read_bytes()[:-1] + b"\xff")
    _, (row,) = judge_swept(prepared(made, "stable", tmp_path / "judged"), "stable", workers=1)
    assert row.swept is not None
    assert row.swept.kept == 0
    assert row.cell.status == "fail"
    assert [c.worst.bits for c in row.cell.clusters] == [hex(FIRST + SWEPT - 1)]


def test_few_inputs_are_judged_one_by_one(tmp_path: Path) -> None:
    assert not prepared(relu_results(tmp_path, SWEPT - 1), "stable", tmp_path / "judged").swept


def test_more_float64_than_the_oracle_can_look_at_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "out.bin").open("wb") as file:
        file.truncate(8 * ((1 << 24) + 1))
    made = Elsewhere("relu", {}, "out", "float64", 0, inputs=(0, 1 << 24), results=str(tmp_path / "out.bin"))
    with pytest.raises(UsageError, match="expected at most 16,777,216 inputs of float64"):
        prepared(made, "stable", tmp_path / "judged")
