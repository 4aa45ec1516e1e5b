"""stochastic-rounding: each result is a neighbour, and the upper one as often as the input is near to it.

Every test is exact: its statistic is a binomial count if the claim holds, whatever the number of draws. A right
rounding fails a cell with a probability below LEVEL. Up is towards larger magnitudes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from gradproof.extend import (
    LARGE_ERROR,
    WRONG_CLASS,
    Bits,
    Evidence,
    Floats,
    Format,
    Ints,
    Kind,
    Outcome,
    Probe,
    Property,
    Seeded,
    Violations,
)
from gradproof.extend import arrays as fa
from gradproof_properties.chance.binomial import tail

LEVEL: Final = 1e-7
"""Probability with which a right rounding fails a cell, all tests together (Bonferroni), is less than this."""
LANES: Final = 1 << 16
SEEDS: Final = 16
"""Calls of LANES draws. Half of all draws are at ties: 262,144 for either sign, of which 51 % up in place of 50 % is
seen with a probability of 1 - 2e-5 in each sign alone."""
LAGS: Final = tuple(1 << k for k in range(11))
"""Distances between elements whose directions are compared."""
COINS: Final = 20261130
"""Seed of the coins; no rounding that is judged knows it."""
THINNED: Final = Fraction(1, 4)
"""See ``Design``."""
FELT: Final = 8.0
"""Ulps that the training contract allows near the format's greatest numbers."""
SPECIAL: Final = 64
"""Lanes at the end for what must not change."""


@dataclass(frozen=True)
class Design:
    """Inputs of one call, of shape (lanes,), and what is known of them.

    ``inner`` and ``outer`` are the neighbours in the target, of smaller and larger magnitude. ``group`` is the index in
    ``fractions`` of how far an input lies above the inner one; len(fractions) for one anywhere between 1/4 and 3/4, and
    -1 for what is exact. The first half are ties.

    Inputs of many fractions are one test by coins that are tossed anew for each draw: one with the fraction f counts as
    up if it went up and its coin is below 1 / (4 f), and so it does with a probability of 1/4, whatever f.
    """

    bits: Bits
    inner: Floats
    outer: Floats
    negative: npt.NDArray[np.bool_]
    group: Ints
    fractions: tuple[Fraction, ...]
    fraction: Floats

    @property
    def ties(self) -> int:
        """How many lanes, from the first on, are ties."""
        return self.bits.size // 2


def design(source: Format, target: Format, lanes: int, seed: int) -> Design:
    """``lanes`` inputs in ``source``, a power of two from 256 on: neighbours all over the target's range."""
    rng = np.random.default_rng(seed)
    extra = source.precision - target.precision
    wanted = [Fraction(1, 2)]
    for k in (2, 3, 4, 8, 12, 16):
        wanted += [Fraction(1, 1 << k), 1 - Fraction(1, 1 << k)] if k <= extra else []
    kinds = len(wanted) + (extra >= 4)  # fractions between quarters take some digits
    half, special = lanes // 2, min(SPECIAL, lanes // 8)
    rest = lanes - half - special
    group = np.concatenate([np.zeros(half), 1 + np.arange(rest) % max(kinds - 1, 1), np.full(special, -1)]).astype(int)
    if kinds == 1:
        group[half : half + rest] = 0
    fraction = np.array([*map(float, wanted), 0.0])[group]
    free = group == len(wanted)
    fraction[free] = 0.25 + rng.integers(0, 1 << min(extra - 1, 40), int(free.sum())) / 2.0 ** min(extra, 41)
    # Below the least normal number of the source digits run out: there, and at the target's end, another is drawn.
    inner_bits = rng.integers(0, target.max_bits, lanes)
    while True:
        inner = fa.values(inner_bits.astype(fa.storage(target)), target)
        outer = fa.values((inner_bits + 1).astype(fa.storage(target)), target)
        x = inner + fraction * (outer - inner)
        bad = fa.values(fa.round_by_quantum(x, source), source) != x
        if not bad.any():
            break
        inner_bits[bad] = rng.integers(target.max_bits // 4, target.max_bits, int(bad.sum()))
    negative = rng.random(lanes) < 0.5
    sign = np.where(negative, -1.0, 1.0)
    bits = fa.round_by_quantum(sign * x, source)
    ends = [0, source.sign_bit, source.round(target.max_value), source.round(-target.max_value), source.nan_bits]
    at = np.arange(lanes - len(ends), lanes)
    bits[at] = np.array(ends, bits.dtype)
    value = fa.values(bits, source)
    inner = np.where(group < 0, value, sign * inner)
    outer = np.where(group < 0, value, sign * outer)
    return Design(bits, inner, outer, np.signbit(value), group, tuple(wanted), fraction)


@dataclass(frozen=True)
class Test:
    """One binomial test: counts of shape (trials,) out of ``n``, each with the probability ``p``."""

    what: str
    n: int
    p: Fraction
    counts: Ints
    lane: int
    """A lane that shows what it is about."""

    def rejected(self, level: float) -> npt.NDArray[np.bool_]:
        """Which trials have a count so far out that the probability of that is ``level`` at most."""
        low, high = accepted(self.n, self.p, level)
        outside: npt.NDArray[np.bool_] = (self.counts < low) | (self.counts > high)
        return outside


@lru_cache(maxsize=4096)
def accepted(n: int, p: Fraction, level: float) -> tuple[int, int]:
    """The least and the greatest count of Binomial(n, p) that are accepted: each tail beyond has level / 2 at most."""
    return _end(n, p, level / 2, -1), _end(n, p, level / 2, 1)


def _end(n: int, p: Fraction, level: float, direction: int) -> int:
    """The last count in ``direction`` that is accepted."""
    inside, outside = round(n * p), n + 1 if direction > 0 else -1
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if tail(middle, n, float(p), direction) <= level:
            outside = middle
        else:
            inside = middle
    return inside


def binomial_tests(made: Design, up: npt.NDArray[np.bool_]) -> list[Test]:
    """All tests of results whose direction is ``up``, of shape (trials, seeds, lanes)."""
    trials, seeds, _ = up.shape
    found = []

    def count(what: str, p: Fraction, events: Any, n: int, lane: int) -> None:
        found.append(Test(what, n, p, events.reshape(trials, -1).sum(axis=1, dtype=np.int64), lane))

    signs = (("positive", ~made.negative), ("negative", made.negative))
    for index, fraction in enumerate(made.fractions):
        for sign, mask in signs:
            lanes = np.flatnonzero((made.group == index) & mask)
            if lanes.size:
                what = f"{sign} numbers {fraction} of an ulp above the inner neighbour go up"
                count(what, fraction, up[:, :, lanes], seeds * lanes.size, int(lanes[0]))
    lanes = np.flatnonzero(made.group == len(made.fractions))
    if lanes.size:
        quarter, f = float(THINNED), made.fraction[lanes]
        went = up[:, :, lanes]
        coins = np.random.default_rng(COINS).random(went.shape)
        words = (
            "numbers 1/4 to 3/4 of an ulp above the inner neighbour, kept with the probability 1/4 over their own, go"
        )
        count(f"{words} up", THINNED, went & (coins * f < quarter), seeds * lanes.size, int(lanes[0]))
        count(f"{words} down", THINNED, ~went & (coins * (1 - f) < quarter), seeds * lanes.size, int(lanes[0]))
    ties = up[:, :, : made.ties]
    for lag in (lag for lag in LAGS if 2 * lag < made.ties):
        same = ties[:, :, lag:] == ties[:, :, :-lag]
        what = f"ties go the same way as those {lag} element{'s' if lag > 1 else ''} before"
        count(what, Fraction(1, 2), same, seeds * (made.ties - lag), lag)
    if seeds > 1:
        same = ties[:, 1:] == ties[:, :-1]
        count("ties go the same way with the next seed", Fraction(1, 2), same, (seeds - 1) * made.ties, 0)
    return found


def failures(made: Design, up: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which of the trials fail a test at all; ``up`` of shape (trials, seeds, lanes)."""
    every = binomial_tests(made, up)
    return np.asarray(np.any([t.rejected(LEVEL / len(every)) for t in every], axis=0))


def strays(made: Design, got: Floats, has_nan: bool) -> npt.NDArray[np.bool_]:
    """Which results, of shape (..., lanes), are neither neighbour; a NaN is to stay one where the target has it."""
    stray = (got != made.inner) & (got != made.outer) & ~np.isnan(made.inner)
    return np.asarray(stray | (np.isnan(made.inner) & ~np.isnan(got) & has_nan))


class StochasticRounding(Property):
    """Draws of a stochastic rounding: neighbours, their probability, and whether draws know of one another."""

    id: ClassVar[str] = "stochastic-rounding"
    title: ClassVar[str] = "Stochastic rounding is unbiased"
    statement: ClassVar[str] = (
        "Each result is one of the two neighbours of its input, the outer one with a probability that is the distance "
        "from the inner one in ulps, whatever the sign; numbers of the target and NaN stay what they are. Directions "
        "do not depend on those of other elements or of the next seed, and one seed gives one result."
    )
    source: ClassVar[str] = "Croci, Fasi, Higham, Mary, Mikaitis, Royal Society Open Science 9, 2022, section 2"
    about: ClassVar[Kind] = "stochastic"

    def check(self, probe: Probe, order: int) -> Outcome:
        """Judge SEEDS calls of LANES draws."""
        assert probe.target is not None
        made = design(probe.format, probe.target, LANES, probe.seed)
        rows = [self._drawn(probe, made.bits, seed) for seed in range(SEEDS)]
        got = np.stack(rows)
        values = fa.values(got, probe.format)
        outcome = Outcome(Evidence("sampled", int(got.size)), measured={"draws": int(got.size), "false_alarms": LEVEL})
        stray = strays(made, values, probe.target.has_nan)
        if stray.any():
            outcome.violations.append(_stray(made, got, values, stray, probe.format))
            return outcome
        again = self._drawn(probe, made.bits, 0)
        if (differs := again != rows[0]).any():
            text = f"the same seed gives other results: {int(differs.sum()):,} of {LANES:,} in a second call"
            outcome.violations.append(_about(made, rows[0], int(np.argmax(differs)), 2.0, text))
        up = (values == made.outer) & (made.group >= 0)
        every = binomial_tests(made, up[None])
        outcome.measured["tests"] = len(every)
        outcome.measured["ties_up"] = float(up[:, : made.ties].mean())
        for test in every:
            if test.rejected(LEVEL / len(every))[0]:
                outcome.violations.append(_about(made, rows[0], test.lane, *_said(test, LEVEL / len(every))))
        return outcome

    def _drawn(self, probe: Probe, bits: Bits, seed: int) -> Bits:
        call = probe.implementation.call
        assert isinstance(call, Seeded)
        return probe.evaluate_other(replace(probe.implementation, call=call.at(seed)), bits)


def _said(test: Test, level: float) -> tuple[float, str]:
    """How far beyond what is accepted a count is, over that, and a sentence."""
    count, due = int(test.counts[0]), float(test.n * test.p)
    low, high = accepted(test.n, test.p, level)
    room = max(high - due if count > due else due - low, 0.5)
    chance = 2 * tail(count, test.n, float(test.p), 1 if count > due else -1)
    rarity = f"{chance:.1g}" if chance > 1e-300 else "less than 1e-300"
    text = (
        f"{test.what} in {100 * count / test.n:.4g} % of {test.n:,} cases, {100 * float(test.p):.4g} % are due; a "
        f"right rounding is that far off with a probability of {rarity}"
    )
    return max(abs(count - due) / room, 1.0), text


def _about(made: Design, got: Bits, lane: int, magnitude: float, text: str) -> Violations:
    one = slice(lane, lane + 1)
    return Violations(
        made.bits[one], got[one], np.array([magnitude]), np.array([LARGE_ERROR], np.int8), np.zeros(1, bool), text,
        cause="rounding", pointwise=False,
    )  # fmt: skip


def _stray(made: Design, got: Bits, values: Floats, stray: npt.NDArray[np.bool_], fmt: Format) -> Violations:
    """The results that are no neighbours, each input once."""
    draw = np.argmax(stray, axis=0)
    lanes = np.flatnonzero(stray.any(axis=0))
    bits, results, g = made.bits[lanes], got[draw[lanes], lanes], values[draw[lanes], lanes]
    x = fa.values(bits, fmt)
    with np.errstate(all="ignore"):
        gap = np.abs(made.outer[lanes] - made.inner[lanes])
        far = np.abs(g - x) / np.where(gap > 0, gap, np.abs(x))
    magnitude = np.where(np.isfinite(far), np.maximum(far, 1 + 2.0**-20), np.inf)
    first = int(np.argmin(np.abs(np.nan_to_num(x, nan=np.inf))))
    exact = made.inner[lanes[first]] == made.outer[lanes[first]]
    due = (
        "itself" if exact or np.isnan(x[first]) else f"{made.inner[lanes[first]]:.9g} or {made.outer[lanes[first]]:.9g}"
    )
    text = f"{x[first]:.9g} becomes {g[first]:.9g}, where {due} is due"
    severity = np.where(np.isinf(magnitude), WRONG_CLASS, LARGE_ERROR).astype(np.int8)
    return Violations(
        bits, results, magnitude, severity, magnitude >= FELT, text, cause="rounding", pointwise=False
    )  # fmt: skip
