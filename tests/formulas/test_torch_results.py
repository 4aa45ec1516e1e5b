"""Formulas against what PyTorch returns: what breaks the contract is what the formula may give."""

from __future__ import annotations

import numpy as np
import pytest

from gradproof.backends import get_backend
from gradproof.backends.base import Call
from gradproof.formats import FORMATS
from gradproof.formats import arrays as fa
from gradproof.formulas.formula import encloses
from gradproof.formulas.registry import get_formula
from gradproof.measure.contracts import STABLE
from gradproof.measure.judge import judge
from gradproof.oracle import Oracle

pytestmark = pytest.mark.framework("torch")


@pytest.mark.parametrize("fmt", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", ["sigmoid/torch/1", "tanh/torch/2", "silu/torch/2", "gelu/torch/2", "expm1/torch/1"])
def test_results_that_break_the_contract_are_enclosed(case: str, fmt: str) -> None:
    pytest.importorskip("torch")
    formula, given = get_formula(case), FORMATS[fmt]
    backend = get_backend("torch:cpu")
    implementation = next(i for i in backend.catalogue() if i.function == formula.function)
    bits = fa.all_bits(given)
    reference = Oracle(implementation.specification).references(bits, given)[formula.order]
    got = backend.evaluate(implementation, bits, given, Call(order=formula.order))
    failing = judge(bits, got, reference, given, formula.order, STABLE, 1.0).failing
    held = encloses(formula, bits, got, given, subnormals="either")
    assert failing.sum() > 300
    assert held[failing].all()
    # And what is no result of the formula is not excused by it.
    nothing = np.full_like(got, given.nan_bits)
    accepted = encloses(formula, bits, nothing, given, subnormals="either") & ~fa.is_nan(got, given)
    assert not accepted.any()
