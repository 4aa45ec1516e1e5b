"""The built-in losses: what mathematics says of a formula holds for every processor, so every witness lies within."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradproof.backends import available_backends
from gradproof.backends.base import Implementation
from gradproof.engine.ledger import Ledger, Surroundings
from gradproof.engine.ledger_entries import Entry
from gradproof.engine.task import Task
from gradproof.formats import FORMATS, get_format
from gradproof.functions import CATALOGUE, get_function
from gradproof_properties import properties
from gradproof_properties.ledger import directory
from gradproof_properties.ledger.reasons import RULES

LEDGER = Ledger.read([directory()])
RESTING = {p.id for p in properties() if any(p.rests_on(order) for order in p.orders)}
RELATIONAL = RESTING - {"accuracy", "saturation"}

PLACES = {
    "jax-hardsigmoid-edge": "the number beside the kink at 3",
    "jax-hardswish-infinity": "infinities",
    "torch-autocast-prelu": "inputs that bfloat16 turns into infinities or zeros",
    "torch-compiled-softshrink-nan": "NaN",
    "torch-hardsigmoid-constant": "the slopes beside the kinks at -3 and 3",
    "torch-softshrink-zero-layout": "zero",
}
"""Deviations of claims that relate results and lose no digits: each shows at known places, the same ones anywhere."""


def derived(entry: Entry) -> list[Entry]:
    """What the losses say of an entry's cell."""
    function = get_function(entry.function, entry.params)
    some = Implementation(entry.function, entry.backend.partition(":")[0], "any", abs)
    task = Task(function, some, entry.backend, entry.modes[0], entry.format, entry.order, entry.property)
    here = Surroundings({entry.backend: entry.recorded}, {})
    return [e for e in LEDGER.about(task, here) if e.derived]


def within(bits: int, entry: Entry) -> bool:
    """Whether a number lies in one of the entry's regions."""
    fmt = get_format(entry.format)
    if fmt.is_nan(bits):
        return False
    return any(fmt.ordinal(low) <= fmt.ordinal(bits) <= fmt.ordinal(high) for low, high in entry.regions)


def cell(backend: str, function: str, fmt: str, order: int, claim: str, mode: str = "eager", **params: float) -> Entry:
    like = next(e for e in LEDGER.entries if e.backend == backend)
    return replace(
        like, function=function, params=params, format=fmt, order=order, property=claim, modes=(mode,), ceiling=0.0
    )


def test_what_a_sample_of_related_results_showed_on_one_processor_is_no_entry() -> None:
    """Another processor, or another seed, shows it elsewhere: losses say where, entries fence known places alone."""
    assert {e.deviation for e in LEDGER.entries if e.property in RELATIONAL} <= set(PLACES)


VALUES = {("jax-mish-tail", "mish", 0), ("jax-tanh-tail", "tanh", 0)}
"""Values that miss the contract by a little at single inputs, listed beside the derivatives' losses."""

CANCEL = {loss.deviation for loss in LEDGER.losses if loss.error != "inf"}


def test_witnesses_of_formulas_that_cancel_lie_where_mathematics_says() -> None:
    """Those drafted on several processors before there were losses; in accuracy and saturation."""
    outside = [
        (e.id, get_format(e.format).bits_text(w))
        for e in LEDGER.entries
        if e.property in RESTING and e.deviation in CANCEL - set(PLACES)
        if (e.deviation, e.function, e.order) not in VALUES
        for w in e.witnesses
        if not any(within(w, loss) for loss in derived(e))
    ]
    assert outside == []


@pytest.mark.parametrize(
    "bits",
    [0xDB609473, 0xD4644481, 0xDF3E2161, 0xC8B898EB],  # quick and default on an Intel Xeon, seed 20261121
    ids=hex,
)
def test_squareplus_on_a_processor_that_no_entry_was_drafted_on(bits: int) -> None:
    about = cell("jax:cpu", "squareplus", "float32", 1, "consistency", "compiled", b=4.0)
    assert any(within(bits, loss) for loss in derived(about))


def test_what_is_known_at_one_kink_of_a_function_is_known_at_all_of_them() -> None:
    """At which of them a slope is rounded to one side of the comparison depends on the compiler's instructions."""
    missing = [
        (e.id, kink)
        for e in LEDGER.entries
        if e.property == "kink-convention"
        for kink in get_function(e.function, e.params).kinks
        if not within(get_format(e.format).round(kink), e)
    ]
    assert missing == []


@pytest.mark.parametrize("bits", [0x40695823, 0xC0695823, 0x407335CC, 0x40719295], ids=hex)
@pytest.mark.parametrize("claim", ["accuracy", "saturation", "shape", "consistency"])
def test_jaxs_erf_where_sweeps_found_it_to_be_1_or_more(bits: int, claim: str) -> None:
    assert any(within(bits, loss) for loss in derived(cell("jax:cpu", "erf", "float32", 0, claim)))


@pytest.mark.parametrize("fmt", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_fence_of_squareplus_reaches_to_where_the_square_overflows(fmt: str, order: int) -> None:
    """x + sqrt(x^2 + 4) for any seed: every binade from -4 to -2^((e_max + 1) / 2), and nothing beside 0 and 1."""
    known = get_format(fmt)
    found = derived(cell("jax:cpu", "squareplus", fmt, order, "consistency", b=4.0))
    for exponent in range(2, (known.e_max + 1) // 2):
        assert any(within(known.round(-(2**exponent) * 3 // 2), loss) for loss in found)
    assert not any(within(known.round(value), loss) for loss in found for value in (-1, 0, 1))


@pytest.mark.parametrize("loss", LEDGER.losses, ids=lambda loss: f"{loss.deviation}-{loss.where[0][0]}")
def test_a_loss_is_about_what_there_is(loss: object) -> None:
    assert loss.deviation in {rule.id for rule in RULES}
    assert set(loss.functions) <= {f.name for f in CATALOGUE}
    assert set(loss.properties) <= {p.id for p in properties()}
    assert set(loss.formats) <= set(FORMATS)
    assert set(loss.modes) <= set(available_backends()[loss.backend.partition(":")[0]].modes)
    for function in (f for f in CATALOGUE if f.name in loss.functions):
        for name in loss.formats or ("float64", "float32", "bfloat16", "float16"):
            fmt = get_format(name)
            loss.regions(fmt, function.exact_params)
            assert loss.ceiling(fmt, function.exact_params) > 1


@pytest.mark.parametrize("fmt", ["float64", "float32", "bfloat16"])
def test_torchs_hardswish_overflows_in_every_format_whatever_the_sample(fmt: str) -> None:
    """Three inputs of a sample of 4,096 lie above a sixth of the greatest float64: most samples miss it."""
    greatest = get_format(fmt).max_bits
    about = cell("torch:cpu", "hardswish", fmt, 0, "accuracy")
    assert any(within(greatest, loss) and loss.ceiling == float("inf") for loss in derived(about))


def test_torchs_gelu_on_atens_default_kernels() -> None:
    """1.2 times the bound in underflow-noise at ATEN_CPU_CAPABILITY=default; no entry speaks of that cell."""
    about = cell("torch:cpu", "gelu_tanh", "float32", 1, "underflow-noise")
    assert any(within(0xC032B7AA, loss) for loss in derived(about))
