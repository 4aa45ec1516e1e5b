"""What a contract allows as an absolute error, against the same in exact arithmetic."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gradproof.engine.subject.probe import Probe
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof.measure import Contract
from gradproof.measure.contracts import CONTRACTS, STABLE, TRAINING
from gradproof_properties.allowances import allowance
from tests.properties.subjects import QUICK, exact, task

FORMATS = ("float64", "float32", "float16", "bfloat16")
POINTS = ("0", "0.5", "-3", "8", "-17")


def probed(contract: str | None = None, fmt: str = "float32", order: int = 0) -> Probe:
    made = task("taylor", "sigmoid", exact("sigmoid"), fmt, order)
    return Probe(replace(made, implementation=replace(made.implementation, contract=contract)), QUICK)


def due(contract: Contract, probe: Probe, x: Fraction, order: int) -> Fraction:
    """The admissible error at ``x``, from the oracle's certified values."""
    fmt, bits = probe.format, probe.format.round(x)
    middle = [probe.oracle.certified(bits, fmt, n) for n in (order, order + 1)]
    y, steep = (c.lower.fraction() for c in middle if c.lower is not None)
    bound = Fraction(contract.bound(order, fmt))
    quantum = [Fraction(2) ** fmt.quantum_exponent(v) for v in (y, x)]
    largest = {0: 1, 1: Fraction(1, 4)}[order]  # of sigmoid, of sigmoid'
    units = {"u": quantum[0], "m": quantum[0] + abs(steep) * quantum[1], "abs": largest * Fraction(1, 2**fmt.precision)}
    return bound * units[contract.metric]


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("name", [None, *CONTRACTS])
def test_the_allowance_is_that_of_the_cells_contract(name: str | None, fmt: str, order: int) -> None:
    probe = probed(name, fmt, order)
    contract = STABLE if name is None else CONTRACTS[name]
    bits = np.array([get_format(fmt).round(Fraction(x)) for x in POINTS], fa.storage(probe.format))
    room = allowance(probe, bits, probe.references(bits)[order], order)
    assert room.shape == bits.shape
    wanted = [float(due(contract, probe, Fraction(x), order)) for x in POINTS]
    # A supremum is arb's bound from above.
    assert room == pytest.approx(wanted, rel=0.02 if contract.metric == "abs" else 1e-6)


def test_another_contract_may_be_named_and_flushing_widens() -> None:
    probe = probed("faithful")
    bits = np.array([get_format("float32").round(Fraction(x)) for x in POINTS], np.uint32)
    reference = probe.references(bits)[0]
    np.testing.assert_array_equal(
        allowance(probe, bits, reference, 0, contract=TRAINING), allowance(probed("training"), bits, reference, 0)
    )
    plain = allowance(probe, bits, reference, 0, flushes=False)
    np.testing.assert_array_equal(allowance(probe, bits, reference, 0, flushes=True), plain + 2.0**-126)
