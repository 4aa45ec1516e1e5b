"""The compiled loop for float64 against the judge, input by input."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from gradproof.backends import get_backend
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.formats import FLOAT64
from gradproof.formats.arrays import Bits, Floats
from gradproof.functions import get_function
from gradproof.measure import Flushing
from gradproof.oracle.crossings import crossings
from gradproof.oracle.reference import Reference
from gradproof.strategies.progressions import Progression, around, spread
from gradproof.sweep.judging import codes
from gradproof.sweep.judging.collect import Collected
from gradproof.sweep.judging.modelled import PairModelled

pytest.importorskip("numba")

LEAST = 2.0**FLOAT64.e_min
FAILING = (codes.OVER, codes.LOST, codes.WRONG)
Fault = Callable[[Floats], Floats]
FAULTS: dict[str, Fault] = {
    "none": lambda y: y,
    "nine ulps": lambda y: np.where(np.isfinite(y) & (y != 0), y * (1 + 9 * 2.0**-52), y),
    "zero": lambda y: y * 0,
    "flushed": lambda y: np.where(np.abs(y) < LEAST, 0.0, y),
    "flushed too soon": lambda y: np.where(np.abs(y) < 2 * LEAST, 0.0, y),
    "subnormal": lambda y: np.where(np.abs(y) < 2.0**-900, np.copysign(LEAST / 4, y), y),
    "infinity": lambda y: np.where(np.abs(y) > 1, np.copysign(np.inf, y), y),
    "nan": lambda y: np.where(np.abs(y) > 1, np.nan, y),
}


def probe_of(name: str, order: int) -> Probe:
    function = get_function(name)
    row = next(i for i in get_backend("numpy:cpu").catalogue() if i.specification.label == function.label)
    return Probe(Task(function, row, "numpy:cpu", "eager", "float64", order, "accuracy"), Selection(profile="quick"))


def walks(probe: Probe) -> list[Progression]:
    """All over the line, and close together where values leave the normal numbers."""
    found = crossings(probe.oracle, FLOAT64)
    return [*spread(FLOAT64, 4096, 3), *around(FLOAT64, found, 256)]


def marked(
    probe: Probe, order: int, parts: list[Progression], fault: Fault, reference: Reference
) -> tuple[Bits, np.ndarray]:
    """What the loop says of the right results, changed by a fault; and these."""
    right = reference.rounded.view(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        got = fault(right).astype(np.float64).view(np.uint64)
    marks = np.zeros(got.size, np.uint8)
    found = Collected(FLOAT64, 0, FLOAT64.max_bits)
    sides = {negative: PairModelled(probe, order, found, negative=negative) for negative in (False, True)}
    at = 0
    for part in parts:
        rows = slice(at, at + part.count)
        sides[part.negative].judge(part.start, got[rows], marks[rows], part.stride)
        at += part.count
    return got, marks


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", ["silu", "exp", "gelu", "sigmoid", "softsign"])
def test_what_it_decides_the_judge_decides_alike_whatever_the_backend_flushes(name: str, order: int) -> None:
    probe = probe_of(name, order)
    parts = walks(probe)
    bits = np.concatenate([part.bits(FLOAT64) for part in parts])
    reference = probe.oracle.references(bits, FLOAT64)[order]
    zeros = [probe.oracle.certified(zero, FLOAT64, order) for zero in (0, FLOAT64.sign_bit)]
    for (kind, fault), results, inputs in product(FAULTS.items(), (False, True), (False, True)):
        flushing = Flushing.of(results, inputs, *zeros)
        probe.flushing = lambda order, flushing=flushing: flushing  # type: ignore[method-assign,misc]
        got, marks = marked(probe, order, parts, fault, reference)
        judged = probe.judge(bits, got, order)
        decided = ~np.isin(marks, (codes.PENDING, codes.UNJUDGED))
        where = (kind, results, inputs)
        assert (np.isin(marks, FAILING) == judged.failing)[decided].all(), where
        assert ((marks == codes.EXCUSED) == judged.excused)[decided].all(), where
        assert decided.sum() > 1000, where


def test_a_loop_that_excused_what_no_flushing_explains_would_be_seen() -> None:
    """Zeros in place of the least normal numbers: failures, on every backend."""
    probe = probe_of("exp", 0)
    parts = walks(probe)
    bits = np.concatenate([part.bits(FLOAT64) for part in parts])
    reference = probe.oracle.references(bits, FLOAT64)[0]
    probe.flushing = lambda order: Flushing(results=True, inputs=True)  # type: ignore[method-assign]
    _, marks = marked(probe, 0, parts, FAULTS["flushed too soon"], reference)
    value = np.abs(reference.rounded.view(np.float64))
    lost = (value >= LEAST * (1 + 2.0**-40)) & (value < 2 * LEAST)
    assert lost.sum() > 100
    assert np.isin(marks[lost], FAILING).all()
    below = (value > 0) & (value < LEAST * (1 - 2.0**-40))
    assert (marks[below] == codes.EXCUSED).mean() > 0.99
