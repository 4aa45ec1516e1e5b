"""A property pack of one file: the property ``idempotent``, and a function to go with it.

Installed, it takes part in every ``gradproof run``: ``gradproof run --property idempotent``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import numpy as np

import gradproof as gp
from gradproof.extend import LARGE_ERROR, Evidence, Function, Probe
from gradproof.extend import arrays as fa

PLACES = tuple(Fraction(k, 8) for k in range(-80, 81))


class Idempotent(gp.Property):
    """Applying the implementation twice is applying it once."""

    id: ClassVar[str] = "idempotent"
    title: ClassVar[str] = "A projection projects once"
    statement: ClassVar[str] = (
        "Where f is a projection (f(f(x)) = f(x) by the oracle), the implementation's own f(f(x)) has the bits of its "
        "f(x), for every x that is a number."
    )
    source: ClassVar[str] = "relu(relu(x)) = relu(x): fusing two of them into one must not change a result"

    def applies(self, function: Function, order: int) -> bool:
        """Functions that are projections at every eighth of [-10, 10], by exact arithmetic where there is one."""
        return all(_twice_is_once(function, x) for x in PLACES)

    def check(self, probe: Probe, order: int) -> gp.Outcome:
        """Apply twice and compare bits; both zeros are one."""
        fmt = probe.format
        bits = probe.base_points
        once = probe.evaluate(bits)
        twice = probe.evaluate(once)
        number = ~np.isnan(fa.values(bits, fmt)) & ~np.isnan(fa.values(once, fmt))
        apart = np.abs((fa.ordinals(twice, fmt) - fa.ordinals(once, fmt)).astype(np.float64))
        wrong = number & (apart != 0)
        evidence = Evidence("exhaustive" if fmt.is_16_bit else "sampled", int(number.sum()))
        if not wrong.any():
            return gp.Outcome(evidence)
        count = int(wrong.sum())
        violations = gp.Violations(
            bits[wrong], once[wrong], 1 + apart[wrong], np.full(count, LARGE_ERROR, np.int8), np.ones(count, bool),
            "f(f(x)) is not f(x)", pointwise=False,
        )  # fmt: skip
        return gp.Outcome(evidence, [violations])


def _twice_is_once(function: Function, x: Fraction) -> bool:
    from gradproof.extend import get_format, oracle_of

    fmt = get_format("float64")
    once = oracle_of(function).certified(fmt.round(x), fmt, 0)
    if once.kind != "finite" or once.lower is None or once.lower != once.upper:
        return False
    if not fmt.holds(once.lower.fraction()):
        return False
    twice = oracle_of(function).certified(once.bits, fmt, 0)
    return twice.kind == "finite" and twice.lower == twice.upper == once.lower


def properties() -> tuple[gp.Property, ...]:
    """What the entry point offers."""
    return (Idempotent(),)


FUNCTIONS = (
    Function(
        "soft_clip",
        (lambda m, x, limit: limit * m.tanh(x / limit),),
        params={"limit": 10.0},
        limits=((-10, 0, 0), (10, 0, 0)),
        odd=True,
        monotone=True,
        range=(-10, 10),
    ),
)
