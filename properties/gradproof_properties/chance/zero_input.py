"""zero-input: how often a pre-activation is exactly 0, predicted exactly and measured on the backend."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar, Final

import numpy as np

from gradproof.extend import (
    WRONG_BRANCH,
    Backend,
    Bits,
    Evidence,
    Floats,
    Format,
    Function,
    Ints,
    Judgement,
    Outcome,
    Probe,
    Property,
    Violations,
    classify,
    get_backend,
    get_format,
    oracle_of,
)
from gradproof.extend import arrays as fa
from gradproof_properties.chance.binomial import band_p
from gradproof_properties.chance.zero_probability import (
    PreActivation,
    probability_with_bias,
    probability_without_bias,
    share_that_depends,
)

LEVEL: Final = 1e-6 / 64
"""Of one test: a backend has at most 12 in each of four formats, so a right one fails less than once in 10^6 runs."""
LARGEST_LATTICE: Final = 1 << 20
"""Half-width of the finest integer lattice at most: the exact count sums Euler's totient up to it."""
COARSE: Final = 16
"""Half-width of the integer lattice on which zeros are frequent in every format."""
BATCH: Final = 256
"""Inputs per initialisation in the share of initialisations whose gradient depends on f'(0)."""
FAN_IN: Final = 16
"""Of the units with pixels for inputs: torch.nn.Linear's initial bound, 1/sqrt(FAN_IN), is a power of 2."""
LIT: Final = 3
"""Pixels that are not 0: 19 % of FAN_IN, as in MNIST."""
ROWS: Final = 16
"""Different rows of pixels."""
COARSE_BITS: Final = 6
"""Bits that the weights of the units with pixels k/16 take; formats of 8 bits have fewer."""
COUNTED_AT: Final = "relu"
"""The function in whose cells the shared trials count, so that a sum over cells counts them once."""
MOST_SAMPLES: Final = 1 << 18
"""Pre-activations of units with FAN_IN inputs at most: memory."""


@dataclass(frozen=True)
class Case:
    """One experiment: bounds of the probability of each event, equal where it is exact; trials and events."""

    name: str
    least: Fraction
    most: Fraction
    trials: int
    zeros: int

    @property
    def p_value(self) -> float:
        """Exact binomial p-value, two-sided, of the zeros under the probability of the band that suits them best."""
        return band_p(self.zeros, self.trials, float(self.least), float(self.most))

    def measured(self) -> dict[str, Any]:
        """As plain JSON."""
        exact = self.least == self.most
        return {
            "predicted": float(self.least) if exact else [float(self.least), float(self.most)],
            "measured": self.zeros / self.trials,
            "zeros": self.zeros,
            "trials": self.trials,
            "p_value": self.p_value,
        }


class ZeroInput(Property):
    """P(w.x + b = 0) where it can be counted and where it follows from a density, against simulation."""

    id: ClassVar[str] = "zero-input"
    title: ClassVar[str] = "The input of the activation is rarely exactly zero"
    statement: ClassVar[str] = (
        "About the pre-activations w.x + b that the backend computes, one experiment for every function that asks: the "
        "number of those that are exactly 0 follows the binomial law of the probability that is due: by "
        "counting, for weights and inputs uniform on an integer lattice on which the format computes w.x + b without "
        "rounding (the finest one, and a coarse one), without bias, with bias, and for an all-zero row of inputs; by "
        "density times lattice spacing, within a proven band, for pixels k/255 under torch.nn.Linear's initial bounds "
        "and rounded sums, and for coarse pixels. So does the number of initialisations that meet a zero whose "
        "gradient depends on f'(0). About the function: at these zeros, of either sign, its value is f(0)."
    )
    source: ClassVar[str] = "'the input of ReLU is rarely exactly zero'"
    orders: ClassVar[tuple[int, ...]] = (1,)
    modes: ClassVar[tuple[str, ...] | None] = ("eager",)
    same_in_every_profile: ClassVar[bool] = False  # each has draws of its own

    def applies(self, function: Function, order: int) -> bool:
        """Functions whose derivative jumps at 0: only there does an exact zero matter."""
        return 0 in function.kinks and oracle_of(function).jumps(Fraction(0), 1)

    def check(self, probe: Probe, order: int) -> Outcome:
        """Simulate on the backend (shared by the functions of one format), test each case, and ask for f(0).

        Results of the implementation count in every cell, the trials that all share where relu asks.
        """
        cases = simulate(probe.backend.id, probe.format.name, probe.budget.samples, probe.selection.seed)
        at_zero = _at_zero(probe)
        violations = [_violation(case, at_zero, probe) for case in cases if case.p_value < LEVEL]
        violations += at_zero.violations
        trials = sum(c.trials for c in cases)
        counted = int(at_zero.judgement.judged.sum()) + (trials if probe.function.name == COUNTED_AT else 0)
        values = [probe.format.decimal(int(g)) for g in at_zero.got]
        measured: dict[str, Any] = {case.name: case.measured() for case in cases}
        measured |= {
            "lattice_half_width": lattice(probe.format),
            "shared_trials": trials,
            "value_at_zero": values[0],
            "value_at_minus_zero": values[1],
        }
        undecided = int(at_zero.judgement.undecided.sum())
        if undecided:
            measured["undecided_at"] = probe.format.decimal(0)
        return Outcome(Evidence("sampled", counted), violations, undecided=undecided, measured=measured)


def lattice(fmt: Format) -> int:
    """Half-width K: weights and inputs are integers in [-K, K], so |w.x + b| <= 4 K^2 <= 2^p is exact."""
    return min(math.isqrt(1 << (fmt.precision - 2)), LARGEST_LATTICE)


@lru_cache(maxsize=64)
def simulate(backend_id: str, fmt_name: str, samples: int, seed: int) -> tuple[Case, ...]:
    """Every case on a backend in a format; the draws are fixed by seed, format and number of samples."""
    backend, fmt = get_backend(backend_id), get_format(fmt_name)
    rng = np.random.default_rng([seed, zlib.crc32(fmt_name.encode()), samples])
    finest = lattice(fmt)
    cases = _on_integers(backend, fmt, finest, samples, rng, "")
    if finest > COARSE:
        cases += _on_integers(backend, fmt, COARSE, samples, rng, "coarse, ")
    count = min(samples, MOST_SAMPLES)
    cases.append(_on_pixels(backend, fmt, pixels(fmt, rng), count, rng, "pixels k/255"))
    if fmt.precision >= COARSE_BITS:
        cases.append(_on_pixels(backend, fmt, coarse_pixels(fmt, rng), count, rng, "pixels k/16"))
    return tuple(cases)


def _on_integers(
    backend: Backend, fmt: Format, k: int, samples: int, rng: np.random.Generator, prefix: str
) -> list[Case]:
    """Without bias, with bias, the all-zero row with both, and the share of initialisations; lattice [-k, k]."""

    def draw(limit: int, *shape: int) -> Bits:
        return fa.round_values(rng.integers(-limit, limit + 1, shape).astype(np.float64), fmt)

    def zeros(x: Bits, w: Bits, bias: Bits | None) -> Any:
        return fa.magnitudes(backend.dot(x, w, bias, fmt), fmt) == 0

    def case(name: str, probability: Fraction, hits: Any) -> Case:
        return Case(prefix + name, probability, probability, hits.size, int(hits.sum()))

    x, w, bias = draw(k, samples, 2), draw(k, samples, 2), draw(2 * k * k, samples)
    empty = np.zeros((samples, 2), dtype=fa.storage(fmt))
    plain, biased = probability_without_bias(k), probability_with_bias(k)
    starts = samples // BATCH
    used = starts * BATCH
    met = zeros(x[:used], np.repeat(w[:starts], BATCH, axis=0), None) & (fa.magnitudes(x[:used], fmt) != 0).any(axis=1)
    return [
        case("without bias", plain, zeros(x, w, None)),
        case("with bias", biased, zeros(x, w, bias)),
        case("zero row, without bias", Fraction(1), zeros(empty, w, None)),
        case("zero row, with bias", biased, zeros(empty, w, bias)),
        case(
            "initialisations that depend on f'(0)",
            Fraction(share_that_depends(k, BATCH)),
            met.reshape(starts, BATCH).any(axis=1),
        ),
    ]


def pixels(fmt: Format, rng: np.random.Generator) -> PreActivation:
    """Pixels k/255 rounded to the format, weights and bias on multiples of B 2^-p up to B = 1/sqrt(FAN_IN).

    That is torch.nn.Linear's initial distribution as finely as the format holds it throughout. From B/2 on every
    number of the format is a multiple of B 2^-p.
    """
    bound = Fraction(1, math.isqrt(FAN_IN))
    steps = 1 << fmt.precision
    level = [fmt.value(fmt.round(Fraction(k, 255))) for k in range(256)]  # some are 0 in 8 bits
    rows = tuple(tuple(level[k] for k in rng.integers(1, 256, LIT) if level[k]) for _ in range(ROWS))
    return PreActivation(rows, bound / steps, steps, bound / steps, steps, bound / 2)


def coarse_pixels(fmt: Format, rng: np.random.Generator) -> PreActivation:
    """Pixels k/16 and weights on multiples of B/32: every product is a multiple of the bias's spacing, B/512.

    So zeros are frequent in every format; sums are exact in the wide ones and rounded in the narrow ones.
    """
    bound = Fraction(1, math.isqrt(FAN_IN))
    rows = tuple(tuple(Fraction(int(k), 16) for k in rng.integers(1, 17, LIT)) for _ in range(ROWS))
    return PreActivation(rows, bound / 32, 32, bound / 512, min(512, 1 << fmt.precision))


def _on_pixels(
    backend: Backend, fmt: Format, unit: PreActivation, samples: int, rng: np.random.Generator, name: str
) -> Case:
    """One zero or none per sample: its row is one of the unit's, at random, its weights and bias are drawn."""
    table = np.zeros((len(unit.rows), FAN_IN))
    for lit, row in zip(table, unit.rows, strict=True):
        lit[rng.permutation(FAN_IN)[: len(row)]] = [float(v) for v in row]
    x = table[rng.integers(0, len(table), samples)]
    w = _multiples(rng.integers(-unit.reach, unit.reach + 1, (samples, FAN_IN)), unit.spacing)
    bias = _multiples(rng.integers(-unit.bias_reach, unit.bias_reach + 1, samples), unit.bias_spacing)
    z = backend.dot(fa.round_values(x, fmt), fa.round_values(w, fmt), fa.round_values(bias, fmt), fmt)
    least, most = unit.band(fmt, flushes=backend.traits(fmt).flushes_results)
    return Case(name, least, most, samples, int((fa.magnitudes(z, fmt) == 0).sum()))


def _multiples(steps: Ints, spacing: Fraction) -> Floats:
    """Multiples of a power of 2, exact."""
    scaled: Floats = steps.astype(np.float64) * float(spacing)
    return scaled


@dataclass(frozen=True)
class _AtZero:
    """The implementation's values at +0 and -0, judged."""

    bits: Bits
    got: Bits
    judgement: Judgement
    violations: list[Violations]


def _at_zero(probe: Probe) -> _AtZero:
    fmt = probe.format
    bits = np.array([0, fmt.sign_bit], fa.storage(fmt))
    got, reference = probe.evaluate(bits), probe.references(bits)[0]
    judgement = probe.judge(bits, got, 0, reference)
    wrong = judgement.failing
    violations = []
    if wrong.any():
        i = int(np.argmax(wrong))
        due = fmt.decimal(int(reference.rounded[i]))
        text = f"the value at the zeros: {fmt.decimal(int(got[i]))} at {fmt.decimal(int(bits[i]))}, where {due} is due"
        violations = [
            Violations(
                bits[wrong], got[wrong], judgement.magnitude[wrong], classify(got, reference, judgement, fmt)[wrong],
                judgement.felt[wrong], text, cause="wrong-branch", pointwise=False,
            )
        ]  # fmt: skip
    return _AtZero(bits, got, judgement, violations)


def _violation(case: Case, at_zero: _AtZero, probe: Probe) -> Violations:
    """What chance does not explain; input and result are the implementation's at +0, where these zeros lie."""
    due = f"{float(case.least):.3g}"
    if case.least != case.most:
        due += f" to {float(case.most):.3g}"
    text = f"{case.name}: {case.zeros} of {case.trials}, where a share of {due} is due (p = {case.p_value:.2g})"
    magnitude = np.array([max(1.0 + 1e-9, math.log(max(case.p_value, 1e-300)) / math.log(LEVEL))])
    return Violations(
        at_zero.bits[:1], at_zero.got[:1], magnitude, np.array([WRONG_BRANCH], np.int8), np.array([True]), text,
        cause="statistics", pointwise=False,
    )  # fmt: skip
