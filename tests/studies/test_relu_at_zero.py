"""relu-at-zero: what is counted, against comparing both gradients of every batch and against counting by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradproof.backends import get_backend
from gradproof.formats import arrays as fa
from gradproof.formats import get_format
from gradproof_properties.studies import mnist, network, published, relu_at_zero
from gradproof_properties.studies.relu_at_zero import Measured, Result, Scan, StudyPlan, run

IMAGES = mnist.synthetic(0, 320)
FREQUENT = StudyPlan(("numpy:cpu",), ("bfloat16",), (1, 2, 3), (3,), 12, batch=64, bias="added")
"""Zeros are some 10^-3 frequent where a bias of 8 bits is added to a sum of 8 bits."""


def told(result: Result, *keys: str) -> list[Any]:
    return [tuple(row[k] for k in keys) for row in result.rows]


def both(backend: str, plan: StudyPlan, index: int, width: int, depth: int) -> bool:
    """Whether the gradients differ in any batch, with both back-propagated in every batch."""
    (name,) = plan.formats
    fmt = get_format(name)
    sizes = [784, *[width] * depth]
    drawn = [network.drawn([plan.seed, index, n], sizes[n], width, fmt) for n in range(depth)]
    end = network.drawn([plan.seed, index, (1 << 16) + depth], width, 10, fmt)
    differ = False
    with get_backend(backend).space(fmt) as space:
        hidden = [network.layer(space, p, plan.bias) for p in drawn]
        head = network.layer(space, end, plan.bias, last=True)
        for start in range(0, len(IMAGES.pixels), plan.batch):
            pixels = IMAGES.pixels[start : start + plan.batch]
            x = space.array(network.inputs(fa.round_values(pixels / 255, fmt), fmt, plan.bias))
            zero, one = network.first_layer_gradients(space, x, IMAGES.labels[start : start + plan.batch], hidden, head)
            differ |= bool((zero != one).any())
    return differ


@pytest.mark.parametrize("backend", ["numpy:cpu", "torch:cpu"])
def test_looking_at_batches_with_a_zero_finds_what_comparing_every_batch_finds(backend: str) -> None:
    plan = StudyPlan((backend,), ("bfloat16",), (1, 3), (3,), 6, batch=64, bias="added")
    result = run(plan, IMAGES)
    for row in result.rows:
        due = [i for i in range(plan.initialisations) if both(backend, plan, i, 3, row["layers"])]
        assert row["hit_initialisations"] == due
    assert 0 < sum(row["hit"] for row in result.rows) < 2 * plan.initialisations


def test_zeros_and_calls_are_those_of_a_forward_pass_by_hand() -> None:
    result = run(FREQUENT, IMAGES)
    fmt = get_format("bfloat16")

    def rounded(values: Any) -> Any:
        return fa.values(fa.round_values(values, fmt), fmt)

    import ml_dtypes

    zeros = 0
    for index in range(FREQUENT.initialisations):
        h = rounded(IMAGES.pixels / 255.0)
        for n in range(3):
            p = network.drawn([0, index, n], 784 if n == 0 else 3, 3, fmt)
            with np.errstate(all="ignore"):
                product = np.matmul(h.astype(ml_dtypes.bfloat16), p.weights.astype(ml_dtypes.bfloat16).T)
            z = rounded(rounded(product.astype(np.float64)) + p.biases)  # two roundings
            zeros += int((z == 0).sum())
            h = np.maximum(z, 0)
    assert told(result, "relu_calls")[-1] == (12 * 320 * 3 * 3,)
    assert told(result, "zeros")[-1] == (zeros,)
    assert zeros > 0


def test_a_zero_that_reaches_nothing_hits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = run(FREQUENT, IMAGES)
    monkeypatch.setattr(relu_at_zero, "depends", lambda *_: False)
    deaf = run(FREQUENT, IMAGES)
    assert told(honest, "zeros") == told(deaf, "zeros")
    assert sum(row["hit"] for row in honest.rows) > 0
    assert sum(row["hit"] for row in deaf.rows) == 0


def test_a_unit_that_is_dead_for_every_row_stops_what_a_zero_would_change() -> None:
    # One unit: its zero matters in the first layer, and not where the second layer's unit is off for every row.
    fmt = get_format("float64")
    x = np.array([[1.0, 0.0], [1.0, 1.0]])
    first = network.Parameters(np.array([[0.0, 2.0]]), np.array([0.0]))  # z = 0 and 2
    labels = np.array([0, 1])
    with get_backend("numpy:cpu").space(fmt) as space:
        array = space.array(fa.round_values(x, fmt))
        head = network.layer(space, network.Parameters(np.eye(10, 1), np.zeros(10)), "added", last=True)
        for slope, due in ((1.0, True), (-1.0, False)):
            second = network.Parameters(np.array([[slope]]), np.array([slope / 2]))
            hidden = [network.layer(space, p, "added") for p in (first, second)]
            assert space.zeros_in(network.pre_activations(space, array, hidden[0])) == 1
            assert relu_at_zero.depends(space, array, labels, hidden, head) is due


def test_depths_measured_together_are_what_each_alone_gives() -> None:
    together = run(FREQUENT, IMAGES)
    for depth in (1, 2, 3):
        alone = run(StudyPlan(("numpy:cpu",), ("bfloat16",), (depth,), (3,), 12, batch=64, bias="added"), IMAGES)
        keys = ("layers", "hit_initialisations", "zeros", "relu_calls")
        assert told(alone, *keys) == [row for row in told(together, *keys) if row[0] == depth]


def test_leaving_at_the_first_hit_finds_the_same_from_fewer_calls() -> None:
    every, first = (
        run(StudyPlan(("numpy:cpu",), ("bfloat16",), (1, 3), (3,), 12, batch=64, bias="added", scan=scan), IMAGES)
        for scan in ("all", "first")
    )
    assert told(every, "hit_initialisations") == told(first, "hit_initialisations")
    assert told(first, "relu_calls") < told(every, "relu_calls")
    assert sum(row["hit"] for row in first.rows) > 0


@pytest.mark.parametrize("backend", ["numpy:cpu", "torch:cpu"])
def test_jobs_change_nothing_and_the_seed_everything(backend: str) -> None:
    def zeros(seed: int, jobs: int) -> Any:
        plan = StudyPlan((backend,), ("bfloat16",), (2,), (3, 4), 6, batch=64, bias="added", seed=seed)
        return told(run(plan, IMAGES, jobs=jobs), "zeros", "hit_initialisations")

    assert zeros(0, 1) == zeros(0, 3) != zeros(1, 1)


def test_the_prediction_is_within_a_factor_of_three_of_many_zeros() -> None:
    plan = StudyPlan(("numpy:cpu",), ("bfloat16",), (2,), (16,), 6, bias="added")
    (row,) = run(plan, mnist.synthetic(1, 1024)).rows
    assert row["zeros"] > 40
    assert row["rate"] / 3 < row["rate_predicted"] < 3 * row["rate"]


def test_an_interrupted_run_counts_what_was_finished() -> None:
    def impatient(measured: Measured) -> None:
        if len(measured.found) == 2:
            raise KeyboardInterrupt

    result = run(FREQUENT, IMAGES, watch=impatient)
    assert result.stopped == "interrupted"
    assert [row["initialisations"] for row in result.rows] == [2, 2, 2]
    assert not result.to_json()["complete"]


def test_a_run_out_of_time_says_so() -> None:
    result = run(FREQUENT, IMAGES, max_seconds=1e-9)
    assert result.stopped == "max-seconds"
    row = result.rows[0]
    assert (row["initialisations"], row["share"], row["rate"], row["published_inside"]) == (0, None, None, [])


def test_figures_stand_beside_the_published_ones() -> None:
    hits = {0, 3, 5, 8}
    found = {i: Scan([0, 0, 1], [100, 100, 100], [1.0] * 3, [2.0] * 3, {3: i in hits}) for i in range(10)}
    row = Measured("torch:cpu", "float32", 256, found).row(3, comparable=True)
    assert (row["share"], row["hit_initialisations"]) == (0.4, [0, 3, 5, 8])
    assert row["published_percent"] == [46.3, 47.8]
    assert row["published_inside"] == [True, True]  # 4 of 10: 12 % to 74 %
    assert (row["zeros"], row["relu_calls"], row["rate_predicted"]) == (10, 3000, 2.0)
    found |= {i: Scan([0, 0, 0], [1, 1, 1], [1.0] * 3, [2.0] * 3, {3: False}) for i in range(100)}
    assert Measured("torch:cpu", "float32", 256, found).row(3, comparable=True)["published_inside"] == [False, False]
    assert Measured("torch:cpu", "float32", 256, found).row(3, comparable=False)["published_percent"] == []


def test_only_a_whole_epoch_in_the_published_batches_is_comparable() -> None:
    plan = StudyPlan(("numpy:cpu",))
    assert Result(plan, [], 60000).comparable
    assert not Result(plan, [], 59999).comparable
    assert not Result(StudyPlan(("numpy:cpu",), batch=128), [], 60000).comparable


def test_the_published_rates_follow_from_the_published_shares() -> None:
    # -log(1 - share) over the calls of an epoch: 60000 rows times layers times width.
    rates = [
        -np.log1p(-share / 100) / (60000 * layers * 256) for layers, share in published.BY_LAYERS["float32"].items()
    ]
    low, high = published.RATES["float32"]
    assert all(low * 0.8 < rate < high * 1.2 for rate in rates)
    half = -np.log1p(-published.BY_LAYERS["float16"][1] / 100) / (60000 * 256)
    assert half == pytest.approx(published.RATES["float16"][0], rel=0.05)
