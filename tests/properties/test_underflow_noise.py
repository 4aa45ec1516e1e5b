"""underflow-noise, on faults of its own kind: a wrong factor, NaN, and products that are flushed too early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gradproof.backends.base import Implementation, Traits
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from tests.properties.stubs import Offer
from tests.properties.subjects import Call, Exact, between, everywhere, exact, nudged, outcome, replaced, verdict

FORMATS = ("float32", "float16", "bfloat16")


def silu_prime(x: Any) -> Any:
    s = 1 / (1 + np.exp(-x))
    return s + x * s * (1 - s)


FAULTS: dict[str, tuple[str, Call, str]] = {
    "a factor of 1.05": ("silu", replaced(Exact("silu", 1), everywhere, lambda x: 1.05 * silu_prime(x)), "large-error"),
    "the slope of another function": ("silu", Exact("sigmoid"), "large-error"),
    "NaN next to 1": ("silu", replaced(Exact("silu", 1), between(0.25, 2), lambda x: x * np.nan), "wrong-class"),
    "infinite next to 1": ("tanh", replaced(Exact("tanh", 1), between(0.25, 2), lambda x: x * np.inf), "large-error"),
    "zero around 0": ("tanh", replaced(Exact("tanh", 1), between(-0.75, 0.75), lambda x: 0 * x), "lost-signal"),
    "a dead ReLU that is alive": ("relu", replaced(Exact("relu", 1), everywhere, lambda x: 1 + 0 * x), "large-error"),
}


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_factor_fails(fault: str, fmt: str) -> None:
    function, slope, severity = FAULTS[fault]
    cell = verdict("underflow-noise", function, [Exact(function), slope], fmt, 1)
    assert (cell.status, cell.severity) == ("fail", severity)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("ulps", "status"), [(2, "pass"), (32, "fail")])
def test_a_factor_has_the_room_of_the_contract_and_little_more(ulps: int, status: str, fmt: str) -> None:
    # Per layer the contract allows 8 units (4 in 16-bit formats) of 1 + |f''| |x| ulps, and 4 roundings are granted.
    calls = [Exact("silu"), nudged(Exact("silu", 1), everywhere, ulps)]
    assert verdict("underflow-noise", "silu", calls, fmt, 1).status == status


def chain_that(flushes: float) -> Any:
    """A chain whose products below ``flushes`` in magnitude come back as 0."""

    def chain(
        self: Any, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        inputs, products = self.numpy.chain(implementation, weights, bits, fmt)
        flushed = [np.where(np.abs(fa.values(p, fmt)) < flushes, 0, p).astype(p.dtype) for p in products]
        return inputs, flushed

    return chain


FTZ = {"traits": lambda self, fmt: Traits(flushes_results=True, zeros_inputs=True)}


def test_products_flushed_among_the_normal_numbers_fail_and_no_trait_excuses_them(offer: Offer) -> None:
    early = offer("early", chain=chain_that(2.0**-8))
    cell = verdict("underflow-noise", "silu", exact("silu", 2), "float16", 1, backend=early)
    assert (cell.status, cell.severity) == ("fail", "lost-signal")
    early = offer("early-with-trait", chain=chain_that(2.0**-8), **FTZ)
    assert verdict("underflow-noise", "silu", exact("silu", 2), "float16", 1, backend=early).status == "fail"


def test_products_flushed_among_the_subnormals_are_a_trait_of_the_backend(offer: Offer) -> None:
    least_normal = 2.0**-14
    seen = offer("flusher", chain=chain_that(least_normal), **FTZ)
    assert verdict("underflow-noise", "silu", exact("silu", 2), "float16", 1, backend=seen).status == "pass"
    unseen = offer("secret-flusher", chain=chain_that(least_normal))
    assert verdict("underflow-noise", "silu", exact("silu", 2), "float16", 1, backend=unseen).status == "fail"


def test_a_weight_that_is_forgotten_fails(offer: Offer) -> None:
    def forgetful(
        self: Any, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        inputs, products = self.numpy.chain(implementation, weights, bits, fmt)
        return inputs, [products[0], *products[:-1]]

    backend = offer("one-layer-short", chain=forgetful)
    assert verdict("underflow-noise", "silu", exact("silu", 2), "float32", 1, backend=backend).status == "fail"


def test_depths_are_measured_beside_the_prediction() -> None:
    # silu pulls everything to 0, where its slope is 1/2: float16 loses 2^-n below 2^-25, by the 25th layer or so.
    measured = outcome("underflow-noise", "silu", exact("silu", 2), "float16", 1).measured
    assert measured["depth"] == 32
    assert 20 <= measured["flush_due_at"] <= 27
    assert abs(measured["flushed_at"] - measured["flush_due_at"]) <= 2
    assert measured["snr_below_1_at"] <= measured["flushed_at"]
    # relu's slope is 1 on the living half: nothing is ever lost.
    measured = outcome("underflow-noise", "relu", exact("relu", 2), "float16", 1).measured
    assert (measured["flushed_at"], measured["flush_due_at"], measured["snr_below_1_at"]) == (None, None, None)


def test_without_a_derivative_there_is_no_verdict() -> None:
    assert verdict("underflow-noise", "silu", [Exact("silu")], "float16", 1).status == "unsupported"
