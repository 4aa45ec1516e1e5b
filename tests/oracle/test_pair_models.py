"""Pair models of float64 against arb's point values."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gradproof.engine.subject.oracles import oracle_of
from gradproof.formats import FLOAT64
from gradproof.formats.format import floor_log2
from gradproof.functions import Function, get_function
from gradproof.oracle import arb_route
from gradproof.oracle import models as room
from gradproof.oracle.models import float64_models
from gradproof.oracle.pair_models import JUDGED, PAIR_BOUND, POWER, PairModels
from gradproof.oracle.taylor_models import BEYOND, MODEL, NOWHERE, OPEN

SOME = [get_function(n) for n in ("relu", "hardswish", "silu", "gelu", "tanh", "elu", "exp", "log1p", "erfc", "selu")]
FAINT = Fraction(1, 2**1100)


def model_value(models: PairModels, order: int, run: int, magnitude: int, *, negative: bool) -> Fraction:
    """What the model says at one input, exactly evaluated."""
    x = FLOAT64.value(magnitude) * (-1 if negative else 1)
    c = [Fraction(float(v)) for v in models.coefficients[order, run]]
    for k, low in enumerate(models.low[order, run]):
        c[k] += Fraction(float(low))
    t = x
    factor = Fraction(1)
    if models.kind[order, run] == MODEL:
        t = Fraction(int(magnitude - models.centre[run])) * Fraction(float(models.scale[run]))
    else:
        factor = x ** int(models.leading[order, run])
    value = sum((a * t**k for k, a in enumerate(c) if a), Fraction(0)) * factor
    return value * Fraction(2) ** int(models.exponent[order, run])


def inputs(models: PairModels, kind: int, order: int, count: int) -> list[tuple[int, int]]:
    """Runs of one kind and a magnitude in each, their ends among them."""
    rng = np.random.default_rng(order)
    runs = np.flatnonzero(models.kind[order] == kind)
    chosen = rng.choice(runs, min(count, runs.size), replace=False) if runs.size else runs
    places = [(int(models.start[r]), int(models.stop[r]) - 1) for r in chosen]
    return [
        (int(r), (a, b, int(rng.integers(a, b, endpoint=True)))[i % 3])
        for i, (r, (a, b)) in enumerate(zip(chosen, places, strict=True))
    ]


@pytest.mark.parametrize("f", SOME, ids=lambda f: f.label)
def test_runs_cover_every_magnitude_once(f: Function) -> None:
    for negative in (False, True):
        models = float64_models(oracle_of(f), (), negative=negative)
        assert models.start[0] == 1
        assert models.stop[-1] == FLOAT64.max_bits + 1
        np.testing.assert_array_equal(models.start[1:], models.stop[:-1])


@pytest.mark.parametrize("f", SOME, ids=lambda f: f.label)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_values_lie_within_the_bound_of_their_model(f: Function, order: int) -> None:
    for negative in (False, True):
        models = float64_models(oracle_of(f), (), negative=negative)
        for kind in (MODEL, POWER):
            for run, magnitude in inputs(models, kind, order, 12):
                x = FLOAT64.value(magnitude) * (-1 if negative else 1)
                ends = arb_route.enclosures(f, f.piece_at(x), x, 2600)[order]
                assert ends is not None
                low, high = (e.fraction() if e.man and e.exponent > -3000 else Fraction(0) for e in ends)
                value = model_value(models, order, run, magnitude, negative=negative)
                size = max(abs(low), FAINT)
                quantum = Fraction(2) ** (max(floor_log2(size), FLOAT64.e_min) - FLOAT64.precision + 1)
                room = Fraction(PAIR_BOUND) * quantum
                assert low - room <= value <= high + room, (kind, magnitude)


def test_what_leaves_float64_is_told_by_its_sign() -> None:
    models = float64_models(oracle_of(get_function("exp")), (), negative=False)
    far = np.flatnonzero(models.start >= FLOAT64.round(Fraction(2048)))
    assert (models.kind[:JUDGED, far] == BEYOND).all()
    assert (models.coefficients[:JUDGED, far, 0] > 0).all()


def test_outside_the_domain_there_is_nothing() -> None:
    models = float64_models(oracle_of(get_function("log1p")), (), negative=True)
    assert (models.kind[:, -1] == NOWHERE).all()


def test_breakpoints_are_left_to_the_oracle() -> None:
    models = float64_models(oracle_of(get_function("relu6")), (), negative=False)
    run = np.searchsorted(models.start, FLOAT64.round(Fraction(6)), side="right") - 1
    assert (models.kind[:JUDGED, run] == OPEN).all()
    assert models.stop[run] - models.start[run] == 1


def test_models_that_come_from_the_cache_are_those_that_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADPROOF_CACHE_DIR", str(tmp_path))
    f = get_function("softshrink")
    answers = []
    for _ in range(2):
        room.forget()
        answers.append(float64_models(oracle_of(f), (), negative=True))
    assert list(tmp_path.rglob("*.table"))
    for name in ("start", "stop", "kind", "coefficients", "low", "exponent", "leading"):
        np.testing.assert_array_equal(getattr(answers[0], name), getattr(answers[1], name))
