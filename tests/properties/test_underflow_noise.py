"""underflow-noise, on faults of its own kind: a wrong factor, NaN, and products that are flushed too early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.backends.base import Implementation, Traits
from gradproof.engine.subject.probe import Probe
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof_properties.chains.exact_chain import run
from tests.properties.stubs import Offer
from tests.properties.subjects import (
    QUICK,
    Call,
    Exact,
    between,
    everywhere,
    exact,
    nudged,
    outcome,
    reference,
    replaced,
    task,
    verdict,
)

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


# -- beyond the format: both sides of the flush ---------------------------------------------------------------


def weight_bits(measured: dict[str, Any]) -> int:
    """s of the shrinking chain's weight 2^-s."""
    name = next(iter(measured["shrinking"]))
    return -int(name.partition(",")[0].removeprefix("2^"))


@pytest.mark.parametrize(
    ("fmt", "least"), [("float64", -1074), ("float32", -149), ("float16", -24), ("bfloat16", -133)]
)
def test_every_format_reaches_its_flush_at_the_depth_that_the_exponents_say(fmt: str, least: int) -> None:
    # relu's slope is 1 on the living half: the product is 2^(-s n), which rounds to 0 below half the least number
    # and, tied, at that half.
    measured = outcome("underflow-noise", "relu", exact("relu", 2), fmt, 1).measured
    row = next(iter(measured["shrinking"].values()))
    s = weight_bits(measured)
    due = next(n for n in range(1, 100) if s * n >= 1 - least)
    assert (row["flushed_at"], row["flush_due_at"]) == (due, due)
    assert row["flush_band"][0] <= due <= row["flush_band"][1]
    assert row["depth"] >= due


@pytest.mark.parametrize("fmt", ["float64", *FORMATS])
@pytest.mark.parametrize("function", ["sigmoid", "tanh", "relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu"])
def test_measured_depths_lie_in_the_predicted_bands(function: str, fmt: str) -> None:
    measured = outcome("underflow-noise", function, reference(function), fmt, 1).measured
    rows = [measured, *measured["shrinking"].values()]
    never = 10**6
    for row in rows:
        for depth, band in ((row["snr_below_1_at"], row["snr_band"]), (row["flushed_at"], row["flush_band"])):
            first, last = (never if end is None else end for end in band)
            assert first <= (never if depth is None else depth) <= last
    assert rows[1]["flushed_at"] is not None


def test_exact_products_hold_far_below_every_format() -> None:
    # The same product by mpmath at 300 bits, from its own derivative of sigmoid.
    probe = Probe(task("underflow-noise", "sigmoid", exact("sigmoid", 2), "float64", 1), QUICK)
    start = fa.round_values(np.array([-2.5, -0.3, 0.7, 1.9]), probe.format)
    chain = run(probe, [0.75 * 2.0**-130] * 12, start)
    mp = mpmath.mp.clone()
    mp.prec = 300
    for lane in range(start.size):
        product = mp.mpf(1)
        for n in range(12):
            x = probe.format.value(int(chain.inputs[n, lane]))
            t = mp.exp(-mp.mpf(x.numerator) / x.denominator)
            product *= mp.mpf(0.75) * mp.mpf(2) ** -130 * t / (1 + t) ** 2
            got = mp.ldexp(
                mp.mpf(chain.passes.due.m[n, lane]) + chain.passes.due.low[n, lane], int(chain.passes.due.e[n, lane])
            )
            assert abs(got / product - 1) < 2.0**-90
    assert chain.passes.due.log2.min() < -1500


def test_products_of_rational_slopes_are_exact_beyond_float64() -> None:
    params = {"negative_slope": 0.3125}
    subject = task("underflow-noise", "leaky_relu", exact("leaky_relu", 2, params), "float32", 1, params)
    probe = Probe(subject, QUICK)
    weights = [2.0**-17] * 12
    chain = run(probe, weights, fa.round_values(np.array([-3.0e12]), probe.format))
    assert chain.passes.judged[5, 0]
    due = chain.passes.due[5]
    assert Fraction(float(due.m[0])) * Fraction(2) ** int(due.e[0]) == (Fraction(5, 16) * Fraction(1, 2**17)) ** 6


def lying(self: Any, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format) -> Any:
    """A chain that never falls below the least number."""
    inputs, products = self.numpy.chain(implementation, weights, bits, fmt)
    return inputs, [np.where(fa.magnitudes(p, fmt) == 0, 1, p).astype(p.dtype) for p in products]


@pytest.mark.parametrize("fmt", ["float64", *FORMATS])
@pytest.mark.parametrize("function", ["tanh", "silu"])
def test_a_finite_lie_below_the_least_number_fails(function: str, fmt: str, offer: Offer) -> None:
    backend = offer("liar", chain=lying)
    found = outcome("underflow-noise", function, exact(function, 2), fmt, 1, backend=backend).violations
    assert "so that only 0 is right" in found[0].explanation
    assert (found[0].magnitude >= 2).all()
    assert verdict("underflow-noise", function, exact(function, 2), fmt, 1, backend=backend).status == "fail"


def switched(on: float, off: float, *, seen: bool = True) -> dict[str, Any]:
    """Methods of a backend with a switch: products below ``on`` or ``off`` come back as 0, as the switch stands.

    ``seen``: whether the probe inside says that results are flushed when it is on.
    """

    @contextmanager
    def flushing(self: Any, setting: bool, fmt: Format) -> Iterator[Traits]:
        self.limit = on if setting else off
        yield Traits(flushes_results=setting and seen, zeros_inputs=False)
        self.limit = 0.0

    def chain(self: Any, *arguments: Any) -> Any:
        return chain_that(getattr(self, "limit", 0.0))(self, *arguments)

    return {"flushing_settings": lambda self: (False, True), "flushing": flushing, "chain": chain}


LEAST_NORMAL = 2.0**-126


@pytest.mark.parametrize(
    ("on", "off", "seen", "status"),
    [
        (LEAST_NORMAL, 0.0, True, "pass"),
        (0.0, 0.0, False, "pass"),  # a format that the switch does not reach
        (0.0, 0.0, True, "fail"),  # subnormal products although they are flushed
        (LEAST_NORMAL, LEAST_NORMAL, True, "fail"),  # flushed although it is off
        (2.0**-60, 0.0, True, "fail"),  # flushed among the normal numbers
    ],
)
def test_a_switch_moves_the_flush_to_the_least_normal_number(
    on: float, off: float, seen: bool, status: str, offer: Offer
) -> None:
    backend = offer("switch", **switched(on, off, seen=seen))
    # Wide enough in steps that a product is subnormal: 2^-17 a layer, 2^-136 after 8.
    assert verdict("underflow-noise", "relu", exact("relu", 2), "float32", 1, backend=backend).status == status


@pytest.mark.parametrize(("fmt", "normal", "least"), [("float64", -1022, -1074), ("float32", -126, -149)])
def test_torch_flushes_a_layer_earlier_with_its_switch_on(fmt: str, normal: int, least: int) -> None:
    torch = pytest.importorskip("torch")
    measured = outcome("underflow-noise", "relu", [torch.relu], fmt, 1, backend="torch:cpu").measured
    s = weight_bits(measured)
    off, on = (measured["shrinking"][f"2^-{s}, flushing {word}"]["flushed_at"] for word in ("off", "on"))
    assert on == next(n for n in range(1, 100) if s * n > -normal)
    assert off == next(n for n in range(1, 100) if s * n > -least)
    assert on < off


@pytest.mark.parametrize("before", [False, True])
def test_torchs_switch_is_put_back(before: bool) -> None:
    torch = pytest.importorskip("torch")
    from gradproof.backends import get_backend
    from gradproof.formats import FLOAT32

    backend = get_backend("torch:cpu")
    product = lambda: (torch.tensor([2.0**-126]) * 0.5).view(torch.int32).item()  # noqa: E731
    try:
        torch.set_flush_denormal(before)
        for setting in backend.flushing_settings():
            with backend.flushing(setting, FLOAT32) as traits:
                assert traits.flushes_results is setting
                assert (product() == 0) is setting
            assert (product() == 0) is before
        with pytest.raises(KeyError), backend.flushing(not before, FLOAT32):
            raise KeyError
        assert (product() == 0) is before
    finally:
        torch.set_flush_denormal(False)


def test_a_backend_without_a_switch_says_so() -> None:
    from gradproof.backends import get_backend
    from gradproof.errors import Unsupported
    from gradproof.formats import FLOAT32

    backend = get_backend("numpy:cpu")
    assert backend.flushing_settings() == ()
    with pytest.raises(Unsupported, match="no switch"):
        backend.flushing(True, FLOAT32)
