"""zero-input, on backends with one fault each: sums flushed, a bias that is lost, a bias of half an ulp too much."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from gradproof.engine.properties.installed import properties
from gradproof.formats import Format, get_format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits
from gradproof.functions import get_function
from gradproof.results.model import Cell
from gradproof_properties.chance import zero_input, zero_probability
from tests.properties.stubs import Offer
from tests.properties.subjects import QUICK, everywhere, exact, replaced, verdict

FORMATS = ("float64", "float32", "float16", "bfloat16")
SAMPLES = QUICK.budget.samples


def judged(backend: str, fmt: str = "float16") -> Cell:
    return verdict("zero-input", "relu", exact("relu", 2), fmt, 1, backend=backend)


@pytest.mark.parametrize("backend", ["numpy:cpu", "torch:cpu", "jax:cpu"])
@pytest.mark.parametrize("fmt", FORMATS)
def test_a_right_backend_passes(fmt: str, backend: str) -> None:
    for case in zero_input.simulate(backend, fmt, SAMPLES, QUICK.seed):
        assert case.p_value >= zero_input.LEVEL, case


def test_what_was_counted_is_in_the_cell() -> None:
    cell = judged("numpy:cpu")
    assert cell.status == "pass"
    row = cell.measured["zero row, without bias"]
    assert row["zeros"] == row["trials"] == SAMPLES
    trials = sum(row["trials"] for row in cell.measured.values() if isinstance(row, dict) and "trials" in row)
    assert cell.measured["shared_trials"] == trials
    assert cell.evidence.n == trials + 2
    assert cell.measured["pixels k/255"]["predicted"][0] < cell.measured["pixels k/255"]["predicted"][1]


def test_the_experiment_of_a_backend_counts_once_whoever_shares_it() -> None:
    cell = verdict("zero-input", "leaky_relu", exact("leaky_relu", 2), "float16", 1)
    assert (cell.status, cell.evidence.n) == ("pass", 2)
    assert cell.measured["shared_trials"] == judged("numpy:cpu").measured["shared_trials"]


@pytest.mark.parametrize(
    ("where", "value", "severity"),
    [
        (everywhere, 7.0, "large-error"),
        (lambda x: np.signbit(x) & (x == 0), 2.0**-8, "large-error"),
        (lambda x: x == 0, np.nan, "wrong-class"),
    ],
    ids=["constant", "at -0", "NaN"],
)
@pytest.mark.parametrize("fmt", FORMATS)
def test_another_value_than_f_of_0_at_a_zero_fails(where: Any, value: float, severity: str, fmt: str) -> None:
    value_0, slope = exact("relu", 2)
    wrong = replaced(value_0, where, lambda x: np.full(x.shape, value))
    cell = verdict("zero-input", "relu", [wrong, slope], fmt, 1)
    assert (cell.status, cell.severity) == ("fail", severity)
    assert "the value at the zeros" in cell.reason
    assert cell.certificate is not None
    assert cell.certificate.got is not None
    assert float(cell.certificate.got.decimal) == pytest.approx(value, nan_ok=True)
    assert float(cell.measured["value_at_minus_zero"]) == pytest.approx(value, nan_ok=True)


def test_the_certificate_of_an_experiment_holds_what_the_implementation_returns_at_zero(offer: Offer) -> None:
    shifted = verdict(
        "zero-input", "elu", exact("elu", 2, {"alpha": 2}), "float16", 1, params={"alpha": 2},
        backend=offer("lost", dot=changed(FAULTS["the bias is lost"][0])),
    )  # fmt: skip
    assert shifted.certificate is not None
    assert shifted.certificate.got is not None
    assert shifted.certificate.got.decimal == "0.0"


@pytest.mark.parametrize("fmt_name", FORMATS)
def test_the_lattice_is_the_finest_that_is_exact(fmt_name: str) -> None:
    fmt = get_format(fmt_name)
    k = zero_input.lattice(fmt)
    assert 4 * k * k <= 2**fmt.precision
    assert 4 * (k + 1) ** 2 > 2**fmt.precision or k == zero_input.LARGEST_LATTICE


@pytest.mark.parametrize("fmt", FORMATS)
def test_some_case_of_every_kind_expects_zeros_enough_to_be_missed(fmt: str) -> None:
    cases = zero_input.simulate("numpy:cpu", fmt, SAMPLES, QUICK.seed)
    for kind in ("without bias", "with bias", "zero row, with bias", "pixels", "initialisations"):
        assert max(float(c.least) * c.trials for c in cases if kind in c.name) >= 10, kind


def test_the_bits_follow_the_seed() -> None:
    def counts(seed: int) -> list[int]:
        return [c.zeros for c in zero_input.simulate.__wrapped__("numpy:cpu", "bfloat16", 1 << 12, seed)]

    assert counts(1) == counts(1) != counts(2)


@pytest.mark.parametrize("fmt", ["float8_e4m3fn", "float8_e5m2"])
def test_formats_of_8_bits_are_judged_by_what_they_hold(fmt: str) -> None:
    cell = judged("numpy:cpu", fmt)
    assert cell.status == "pass"
    assert "pixels k/16" not in cell.measured


def changed(by: Any) -> Any:
    """A ``dot`` whose float64 results go through ``by(z, x, w, bias)`` and are rounded again."""

    def dot(self: Any, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        z = fa.values(self.numpy.dot(x, w, bias, fmt), fmt)
        values = [None if b is None else fa.values(b, fmt) for b in (x, w, bias)]
        return fa.round_values(np.asarray(by(z, *values), np.float64), fmt)

    return dot


def without_small_inputs(z: Any, x: Any, w: Any, bias: Any) -> Any:
    read = np.where(np.abs(x) < 2, 0.0, x) * w
    return read.sum(-1) + (0 if bias is None else bias)


FAULTS: dict[str, tuple[Any, str]] = {
    "small sums are flushed": (lambda z, x, w, b: np.where(np.abs(z) <= 8, 0.0, z), "without bias"),
    "small biased sums are flushed": (
        lambda z, x, w, b: z if b is None else np.where(np.abs(z) <= 1, 0.0, z), "with bias",
    ),
    "tiny sums are flushed": (lambda z, x, w, b: np.where(np.abs(z) < 2.0**-9, 0.0, z), "pixels k/16"),
    "the bias is lost": (lambda z, x, w, b: (x * w).sum(-1), "with bias"),
    "half an ulp is added": (lambda z, x, w, b: z + 0.5, "without bias"),
    "one product is lost": (lambda z, x, w, b: z - x[..., 1] * w[..., 1], "without bias"),
    "zero times a weight is not zero": (
        lambda z, x, w, b: np.where((x == 0).all(-1) & (w[..., 0] != 0), z + 1, z), "zero row, without bias",
    ),
    "an all-zero row skips the bias": (
        lambda z, x, w, b: np.where((x == 0).all(-1), 0.0, z), "zero row, with bias",
    ),
    "nothing is ever zero": (lambda z, x, w, b: np.where(z == 0, 1.0, z), "pixels k/16"),
    "small inputs are read as zero": (without_small_inputs, "initialisations that depend on f'(0)"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("fmt", FORMATS)
def test_a_backend_with_a_wrong_share_of_zeros_fails(fault: str, fmt: str, offer: Offer) -> None:
    by, case = FAULTS[fault]
    cell = judged(offer(f"wrong-{list(FAULTS).index(fault)}-{fmt}", dot=changed(by)), fmt)
    assert (cell.status, cell.severity) == ("fail", "wrong-branch")
    assert cell.certificate is not None
    assert cell.certificate.cause == "statistics"
    found = [cell.measured[name]["p_value"] for name in (case, f"coarse, {case}") if name in cell.measured]
    assert min(found) < zero_input.LEVEL


def test_tiny_sums_that_are_flushed_are_seen_by_the_density_alone(offer: Offer) -> None:
    cell = judged(offer("tiny", dot=changed(FAULTS["tiny sums are flushed"][0])), "float32")
    low = {n for n, row in cell.measured.items() if isinstance(row, dict) and row["p_value"] < zero_input.LEVEL}
    assert low == {"pixels k/16", "pixels k/255"}


def least_excess(trials: int, probability: Fraction) -> int:
    """The least number of zeros above the mean that is less likely than the level, by the incomplete beta function."""
    with mpmath.workdps(40):
        p = mpmath.mpf(probability.numerator) / probability.denominator

        def likely(t: int) -> bool:
            return bool(2 * mpmath.betainc(t, trials - t + 1, 0, p, regularized=True) >= mpmath.mpf(zero_input.LEVEL))

        mean = int(trials * probability)
        return mean + 1 + bisect_left(range(mean), True, key=lambda i: not likely(mean + 1 + i))


def with_zeros(count: int) -> Any:
    """A ``dot`` that returns exactly ``count`` zeros when it is asked for the experiment without bias."""

    def by(z: Any, x: Any, w: Any, bias: Any) -> Any:
        if bias is not None or (x == 0).all() or (w[: zero_input.BATCH] == w[0]).all():
            return z
        return np.where(np.arange(z.size) < count, 0.0, np.where(z == 0, 1.0, z))

    return changed(by)


def test_the_smallest_excess_of_zeros_that_chance_cannot_explain_fails_and_one_less_passes(offer: Offer) -> None:
    least = least_excess(SAMPLES, zero_probability.probability_without_bias(8))  # 8^2 * 4 <= 2^8: bfloat16's lattice
    assert judged(offer("just-below", dot=with_zeros(least - 1)), "bfloat16").status == "pass"
    assert judged(offer("just-above", dot=with_zeros(least)), "bfloat16").status == "fail"


def test_only_functions_whose_slope_jumps_at_zero_are_asked() -> None:
    claim = properties()["zero-input"]
    asked = {
        n
        for n in ("relu", "leaky_relu", "hardtanh", "elu", "selu", "gelu", "tanh")
        if claim.applies(get_function(n), 1)
    }
    assert asked == {"relu", "leaky_relu", "selu"}
    assert claim.applies(get_function("elu", {"alpha": 2}), 1)
