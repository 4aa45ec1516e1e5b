"""Sweeps of results that are known as enclosures: what both ends prove, and what stays undecided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import gradproof as gp
from gradproof.backends import registry
from gradproof.backends.libdevice import bitcode as files
from gradproof.results import validate
from gradproof.results.model import Cell
from gradproof.sweep.judging import codes, enclosed
from gradproof.sweep.judging.subject import subject
from tests.backends.device_functions import bitcode

pytest.importorskip("llvmlite", reason="llvmlite is not installed")

LOG2E = "0x3FF7154760000000"
EXPONENTIAL = f"""
  %s = call float @llvm.nvvm.mul.rn.f(float %a, float {LOG2E})
  %r = call float @llvm.nvvm.ex2.approx.ftz.f32(float %s)
"""
"""e^x by 2^x: correct but for one rounding and the 2 ulp of the instruction."""
TWICE = EXPONENTIAL.replace("%r =", "%y =") + "  %r = fadd float %y, %y"
"""Twice that, wrong whatever the instruction gives."""
SOMETIMES_NAN = (
    EXPONENTIAL.replace("%r =", "%y =")
    + """
  %b = bitcast float %y to i32
  %l = and i32 %b, 3
  %is = icmp eq i32 %l, 0
  %r = select i1 %is, float 0x7FF8000000000000, float %y
"""
)
"""A NaN for one in four numbers, so for one of the candidates at each input."""
ALWAYS_NAN = EXPONENTIAL.replace("%r =", "%y =") + "  %z = fsub float %y, %y\n  %r = fdiv float %z, %z"
RANGE = "0x3f000000..0x3f00ffff"

Sweep = Callable[..., Cell]


@pytest.fixture
def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweep]:
    """A sweep of exp on the backend libdevice with a function of the test's in place of ``__nv_expf``."""

    def forget() -> None:
        for kept in (registry._availability, registry._made, subject):
            kept.cache_clear()

    def sweep(body: str, contract: str = "faithful", bits: str = RANGE) -> Cell:
        file = bitcode(tmp_path, {"__nv_expf": body})
        monkeypatch.setenv(files.VARIABLE, str(file))
        forget()
        found = gp.run_sweep(
            "exp", backend="libdevice:x86", format="float32", bits=bits, contract=contract, workers=0,
            folder=file.with_suffix(""),
        )  # fmt: skip
        validate(found)
        (cell,) = found.cells
        return cell

    yield sweep
    forget()


def test_both_ends_within_the_contract_prove_every_device_right(swept: Sweep) -> None:
    cell = swept(EXPONENTIAL, "stable")
    assert cell.status == "pass"
    assert "errors are the greatest that ex2.approx.ftz.f32 (at most 2 ulp" in cell.reason
    assert cell.u_max is not None
    # Two ulp of the instruction, up to four where the result is just above a power of two, and the roundings.
    assert 2.0 < cell.u_max < 5.0


def test_an_end_beyond_the_contract_leaves_it_to_the_chip(swept: Sweep) -> None:
    cell = swept(EXPONENTIAL, "faithful")
    assert cell.status == "undecided"
    assert "65,536 result(s) keep the contract or not, depending on ex2.approx.ftz.f32" in cell.reason
    assert cell.measured["classes"]["undecided"]["count"] == 65536
    assert not {"over-contract", "wrong-class"} & set(cell.measured["classes"])


def test_what_no_device_gets_right_fails(swept: Sweep) -> None:
    cell = swept(TWICE, "stable")
    assert cell.status == "fail"
    assert cell.measured["classes"]["over-contract"]["count"] == 65536
    assert cell.certificate is not None


def test_a_nan_that_one_candidate_gives_is_undecided_and_one_that_all_give_fails(swept: Sweep) -> None:
    assert swept(SOMETIMES_NAN, "stable").status == "undecided"
    cell = swept(ALWAYS_NAN, "stable")
    assert cell.status == "fail"
    assert cell.measured["classes"]["wrong-class"]["count"] == 65536


def test_infinities_and_nans_are_judged_as_settled_results_are(swept: Sweep) -> None:
    cell = swept(EXPONENTIAL, "stable", bits="0x7f7fff00..0x7f8000ff")
    assert (cell.status, cell.measured["classes"]) == ("pass", {})


def test_a_run_judges_single_results_at_their_worst_and_at_their_best(swept: Sweep) -> None:
    def cell(body: str, claim: str = "accuracy") -> Cell:
        swept(body.replace("ex2.approx.ftz.f32", "ex2.approx.f32"), "stable")  # which keeps subnormal results
        result = gp.run("exp", backend="libdevice:x86", format="float32", order=0, property=claim, profile="quick")
        (found,) = result.cells
        return found

    # Just below 1 the documented 2 ulp of 1 are 4 of the result, and a rounding is more than the contract's 4.
    at_worst = cell(EXPONENTIAL)
    assert at_worst.status == "undecided"
    assert "result(s) keep the contract or not, depending on ex2.approx.f32" in at_worst.reason
    assert at_worst.m_max is not None
    assert 4.0 < at_worst.m_max < 5.0
    wrong = cell(TWICE)
    assert wrong.status == "fail"
    assert wrong.certificate is not None
    related = cell(EXPONENTIAL, "shape")
    assert related.status == "unsupported"
    assert "ex2.approx.f32" in related.reason


def test_a_run_that_names_no_backend_leaves_libdevice_out() -> None:
    cells = gp.run("log1p", format="float32", order=0, property="special-values").cells
    assert cells
    assert "libdevice" not in {cell.backend for cell in cells}


OK, OVER, LOST, WRONG, EXCUSED, UNJUDGED, UNDECIDED = (
    codes.OK, codes.OVER, codes.LOST, codes.WRONG, codes.EXCUSED, codes.UNJUDGED, codes.UNDECIDED,
)  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "same", "outside", "due"),
    [
        (OK, OK, False, False, OK),
        (OK, EXCUSED, False, False, EXCUSED),
        (OK, OVER, False, False, UNDECIDED),
        (WRONG, OK, False, False, UNDECIDED),
        (OVER, OVER, False, True, OVER),
        (OVER, OVER, False, False, UNDECIDED),
        (LOST, OVER, False, True, OVER),
        (WRONG, WRONG, True, False, WRONG),
        (OVER, UNDECIDED, False, False, UNDECIDED),
        (UNJUDGED, UNJUDGED, True, False, UNJUDGED),
        (UNJUDGED, UNJUDGED, False, False, UNJUDGED),
    ],
)
def test_the_marks_of_two_ends_as_one(
    low: int, high: int, same: bool, outside: bool, due: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the contract at both ends proves nothing where the exact value lies between them."""
    shard = object.__new__(enclosed.EnclosedShard)
    monkeypatch.setattr(shard, "_outside", lambda *args: np.array([outside]))
    one, other = np.array([7], np.uint32), np.array([7 if same else 8], np.uint32)
    marks = np.array([low], np.uint8), np.array([high], np.uint8)
    assert shard._joined(one, (one, other), marks).tolist() == [due]
