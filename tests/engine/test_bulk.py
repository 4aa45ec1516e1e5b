"""Evidence by the million: what is tried, what is found, what is handed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from gradproof.backends import get_backend
from gradproof.engine.properties.bulk import HANDED_ON, Bulk, bulk
from gradproof.engine.properties.pointwise import MOST_FAILING, Pointwise
from gradproof.engine.properties.property import Outcome
from gradproof.engine.request.selection import Selection
from gradproof.engine.request.task import Task
from gradproof.engine.subject.probe import Probe
from gradproof.formats import FLOAT32, FLOAT64, Format
from gradproof.formats.arrays import Bits
from gradproof.functions import get_function
from gradproof.oracle.crossings import crossings

pytest.importorskip("numba")


def probe_of(name: str, fmt: Format, seed: int = 1, profile: str = "quick", **changes: object) -> Probe:
    """NumPy's own implementation, or one with ``changes``."""
    function = get_function(name)
    own = next(i for i in get_backend("numpy:cpu").catalogue() if i.specification.label == function.label)
    selection = Selection(profile=profile, seed=seed)
    return Probe(Task(function, replace(own, **changes), "numpy:cpu", "eager", fmt.name, 0, "accuracy"), selection)


def outcome_of(probe: Probe, order: int = 0) -> tuple[Bulk, Outcome]:
    found = bulk(probe, order)
    assert found is not None
    points = Pointwise(probe, order)
    points.add_bulk(found)
    return found, points.outcome(exhaustive=False)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=lambda f: f.name)
@pytest.mark.parametrize("name", ["silu", "erf", "hardswish", "relu", "exp"])
def test_a_right_implementation_fails_nowhere(name: str, fmt: Format, order: int) -> None:
    found, outcome = outcome_of(probe_of(name, fmt), order)
    assert not outcome.violations
    assert outcome.evidence.n >= {32: 1 << 20, 64: 1 << 17}[fmt.width]
    # Kinks, and nothing else, are conventions.
    assert 0 <= found.inputs - found.left_out - outcome.evidence.n <= 2 * len(probe_of(name, fmt).function.kinks) + 2
    assert found.failing == 0


@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=lambda f: f.name)
def test_errors_are_those_that_the_oracle_finds(fmt: Format) -> None:
    """The models' greatest u against the judge's at the same inputs."""
    probe = probe_of("gelu_tanh", fmt)
    found, outcome = outcome_of(probe)
    best = float(found.found.best[0])
    again = max(float(probe.judge(b, g, 0).u.max()) for b, g in zip(found.bits, found.got, strict=True))
    assert again == pytest.approx(best, rel=2.0**-8, abs=2.0**-8)
    assert outcome.u_max is not None
    assert outcome.u_max >= again


def wrong(where: Callable[[np.ndarray], np.ndarray], value: float) -> Callable[[np.ndarray], np.ndarray]:
    """silu with another value at some inputs."""
    right = next(i for i in get_backend("numpy:cpu").catalogue() if i.function == "silu").call

    def call(x: np.ndarray) -> np.ndarray:
        y = np.array(right(x))
        return np.where(where(x), np.array(value, y.dtype), y)

    return call


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=lambda f: f.name)
@pytest.mark.parametrize(
    ("low", "high", "value"),
    [(3.0, 3.01, 5.0), (1e-9, 1e-8, 0.0), (1e30, 1e31, np.inf), (-20.0, -19.0, np.nan), (-2.0, -1.0, 0.0)],
)
def test_a_fault_is_found_wherever_it_lies(fmt: Format, seed: int, low: float, high: float, value: float) -> None:
    if fmt.width == 64 and high == 3.01:
        high = 3.9
    call = wrong(lambda x: (x >= low) & (x <= high), value)
    found, outcome = outcome_of(probe_of("silu", fmt, seed, call=call))
    failing = np.unique(np.concatenate([v.bits for v in outcome.violations]))
    x = failing.view(np.float32 if fmt.width == 32 else np.float64)
    assert ((x >= low) & (x <= high)).all()
    assert failing.size
    assert outcome.measured["failing"] >= failing.size
    assert outcome.magnitude is not None
    assert outcome.magnitude > 1
    if np.isnan(value):
        assert outcome.magnitude == np.inf
    assert found.failing <= found.inputs


def test_of_many_failing_inputs_a_part_is_handed_on_and_all_are_counted() -> None:
    _, outcome = outcome_of(probe_of("silu", FLOAT32, call=wrong(lambda x: np.abs(x) > 1e-3, 7.0)))
    handed = sum(len(v) for v in outcome.violations)
    assert outcome.measured["failing"] > 400_000
    assert HANDED_ON / 2 < handed <= MOST_FAILING + 64
    x = np.sort(np.concatenate([v.bits for v in outcome.violations]).view(np.float32))
    assert x[0] < -1e37
    assert x[-1] > 1e37
    assert np.abs(x).min() < 1.01e-3


def test_a_slow_implementation_is_tried_on_fewer_inputs_and_says_so() -> None:
    right = next(i for i in get_backend("numpy:cpu").catalogue() if i.function == "silu").call

    def call(x: np.ndarray) -> np.ndarray:
        for _ in range(4 * x.size):  # microseconds for each input
            np.exp(x[:1])
        return right(x)

    found = bulk(probe_of("silu", FLOAT32, call=call, user=True), 0)
    assert found is None or found.bounded
    if found is not None:
        assert found.measured(FLOAT32, 0)["bounded"] == "time"


def test_every_binade_of_float64_has_256_inputs() -> None:
    from gradproof.engine.request.selection import PROFILES
    from gradproof.strategies.progressions import spread

    bits: Bits = np.concatenate([p.bits(FLOAT64) for p in spread(FLOAT64, PROFILES["default"].bulk_64, 5)])
    assert bits.size >= 10**6
    counts = np.bincount((bits >> np.uint64(52)).astype(np.int64), minlength=4096)
    finite = [*range(2047), *range(2048, 4095)]
    assert counts[finite].min() >= 256


def test_crossings_are_where_values_leave_the_normal_numbers() -> None:
    probe = probe_of("erf", FLOAT64)
    found = [FLOAT64.value(FLOAT64.from_ordinal(o)) for o in crossings(probe.oracle, FLOAT64)]
    assert any(Fraction("26.5") < x < Fraction("26.7") for x in found)
    for ordinal in crossings(probe.oracle, FLOAT64):
        bits = np.array([FLOAT64.from_ordinal(ordinal + d) for d in (-1, 0, 1)], np.uint64)
        sizes = [r.rounded & np.uint64(FLOAT64.sign_bit - 1) for r in probe.oracle.references(bits, FLOAT64)]
        kinds = [np.searchsorted(np.array([1, FLOAT64.min_normal_bits, FLOAT64.max_bits + 1], np.uint64), s, "right")
                 for s in sizes]  # fmt: skip
        assert any(len(set(k.tolist())) > 1 for k in kinds)
