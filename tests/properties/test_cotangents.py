"""The linearity of the vjp where gradients are infinite, no numbers, or a convention."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from gradproof.engine.subject.probe import Probe
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits, Floats
from gradproof.functions import function
from gradproof.functions.registry import forget
from gradproof_properties.calls.cotangents import nonlinear
from tests.properties.subjects import QUICK, exact, task


@pytest.fixture
def logarithm() -> Iterator[None]:
    function("ln", lambda m, x: m.log(x), domain=(0, "inf"), limits=(("-inf", "inf", "-inf"), ("inf", 0, 0)))
    yield
    forget(["ln"])


def failing(name: str, fmt: str, x: list[float], slope: Callable[[Floats], Floats], ulps: int = 0) -> dict[float, int]:
    """Failing inputs by cotangent, where the vjp is ``slope`` times the cotangent, and so many ulps more.

    Warnings are errors here.
    """
    probe = Probe(task("consistency", name, exact(name), fmt, 1), QUICK)
    bits = fa.round_values(np.array(x), probe.format)

    def pulled(cotangent: Any) -> Bits:
        with np.errstate(all="ignore"):
            product = fa.round_values(cotangent * slope(fa.values(bits, probe.format)), probe.format)
        finite = np.isfinite(fa.values(product, probe.format)) & (cotangent != 0)
        return np.where(finite, product + np.uint64(ulps).astype(product.dtype), product).astype(product.dtype)

    turns = np.where(np.arange(bits.size) % 2 == 1, 2.0, 1.0)
    figures, _ = nonlinear(probe, bits, pulled(1.0), pulled, lambda: pulled(turns))
    return {row["cotangent"]: row["failing"] for row in figures}


@pytest.mark.parametrize("fmt", ["float64", "float32", "float16"])
def test_gradients_that_are_no_numbers_are_compared_without_a_warning(fmt: str) -> None:
    everything = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0, 7.9, 88.0, 709.0, 1e4, 1e300]
    assert set(failing("exp", fmt, everything, np.exp).values()) == {0}


@pytest.mark.parametrize("fmt", ["float64", "float32"])
def test_a_gradient_beyond_the_domain_is_held_to_its_own_rounding(fmt: str, logarithm: None) -> None:
    # 1/x, where nothing is due: what came back for 1 says what the others are, but for rounding.
    least = -float(np.finfo(fmt).tiny)

    def inverse(x: Floats) -> Floats:
        return 1 / x

    assert set(failing("ln", fmt, [least, -1.0], inverse).values()) == {0}
    assert set(failing("ln", fmt, [least, -1.0], inverse, ulps=1).values()) == {0}
    assert failing("ln", fmt, [least], inverse, ulps=1000)[-3.0] == 1
