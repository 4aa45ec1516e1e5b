"""The backend ``bits``: callables over bit patterns, in a user's file and called directly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradproof as gp
from gradproof.backends import available_backends, backend_ids, get_backend
from gradproof.backends.base import Call, Implementation
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.formats import BFLOAT16, FLOAT32

BITS = np.array([0x3F80, 0xBF80, 0x0000], np.uint16)


def made(call: Callable[[Any], Any], **more: Any) -> Implementation:
    return Implementation("relu", "bits", "mine", call, user=True, **more)


def evaluated(call: Callable[[Any], Any], order: int = 0, **more: Any) -> list[int]:
    got = get_backend("bits").evaluate(made(call, **more), BITS, BFLOAT16, Call(order=order))
    return [int(b) for b in got]


def test_patterns_go_in_and_come_out() -> None:
    assert evaluated(lambda bits: np.where(bits >> 15 == 1, 0, bits).astype(np.uint16)) == [0x3F80, 0, 0]
    assert evaluated(lambda bits: bits, order=1, derivatives=(lambda bits: bits ^ 1,)) == [0x3F81, 0xBF81, 1]


def test_conversions_may_come_in_their_target() -> None:
    cut = Implementation("to_bfloat16", "bits", "cut", lambda b: (b >> 16).astype(np.uint16), narrows_to="bfloat16")
    found = get_backend("bits").evaluate(cut, np.array([0x3F80FFFF], np.uint32), FLOAT32, Call())
    assert found.tolist() == [0x3F800000]


def spoil(bits: np.ndarray) -> np.ndarray:
    found = bits.copy()
    bits[0] = 7
    return found


@pytest.mark.parametrize(
    ("call", "kind", "told"),
    [
        (
            lambda bits: bits.astype(np.uint32),
            "wrong-format",
            "dtype uint32, expected uint16 (bit patterns",
        ),
        (lambda bits: bits.view(np.float16), "wrong-format", "dtype float16"),
        (lambda bits: bits[:-1], "wrong-shape", "shape"),
        (list, "wrong-type", "a list, expected a numpy.ndarray of bit patterns"),
        (spoil, "wrote-input", "wrote into its input"),
        (lambda bits: bits / 0 + undefined, "raised", "NameError"),  # type: ignore[name-defined]  # noqa: F821
    ],
)
def test_a_broken_contract_is_a_fault(call: Callable[[Any], Any], kind: str, told: str) -> None:
    with pytest.raises(ImplementationFault) as fault, np.errstate(all="ignore"):
        evaluated(call)
    assert fault.value.kind == kind
    assert told in str(fault.value)


def test_what_it_cannot_do_is_unsupported() -> None:
    backend = get_backend("bits:callable")
    with pytest.raises(Unsupported, match="no derivative= was handed in"):
        evaluated(lambda bits: bits, order=1)
    with pytest.raises(Unsupported, match="no mode 'compiled'"):
        backend.evaluate(made(lambda b: b), BITS, BFLOAT16, Call(mode="compiled"))
    for ask in (
        lambda: backend.traits(BFLOAT16),
        lambda: backend.dot(BITS, BITS, None, BFLOAT16),
        lambda: backend.chain(made(lambda b: b), [1.0], BITS, BFLOAT16),
    ):
        with pytest.raises(Unsupported):
            ask()


def test_it_is_no_backend_that_a_run_would_try() -> None:
    assert "bits" not in available_backends()
    assert not [i for i in backend_ids() if i.startswith("bits")]


FILE = """
import numpy as np

import gradproof as gp

def slope(bits):
    return np.where((bits >> 15 == 1) | (bits == 0) | (bits & 0x7fff > 0x7f80), 0, 0x3f80).astype(np.uint16)

@gp.implements("relu", backend="bits", formats="bfloat16", derivative=slope)
def device(bits):
    '''A device without subnormal numbers.'''
    lost = (bits >> 15 == 1) & (bits & 0x7fff <= 0x7f80) | (bits & 0x7f80 == 0)
    return np.where(lost, 0, bits).astype(np.uint16)
"""


def test_a_callable_over_bits_is_checked_and_swept_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "device.py"
    file.write_text(FILE)
    result = gp.run(files=file, property=("accuracy", "special-values"), order=(0, 1))
    assert {(c.backend, c.device, c.status) for c in result.cells} == {("bits", "callable", "pass")}
    excused = {(c.property, c.order): c.excused for c in result.cells}
    # x is lost at 127 subnormal numbers; up to 4 quanta are within the contract (m <= 2, and m is half of u there).
    assert excused[("accuracy", 0)] == 123
    (cell,) = gp.run_sweep(str(file), format="bfloat16", workers=0, folder=tmp_path / "s").cells
    assert (cell.status, cell.backend, cell.device, cell.excused) == ("pass", "bits", "callable", 123)
