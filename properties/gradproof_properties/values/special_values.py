"""special-values: NaN, the infinities, both zeros, and the ends of the format."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from gradproof.extend import (
    WRONG_BRANCH,
    Bits,
    Format,
    Outcome,
    Pointwise,
    Probe,
    Property,
    Unsupported,
    Violations,
)
from gradproof.extend import arrays as fa
from gradproof_properties.shapes.declarations import false_limit, misdeclared


class SpecialValues(Property):
    """NaN in, NaN out; +-inf give the limits; -0; the largest and the smallest numbers."""

    id: ClassVar[str] = "special-values"
    title: ClassVar[str] = "Special values come out right"
    statement: ClassVar[str] = (
        "The value at a NaN is a NaN (a derivative there is recorded), +-inf give the limits of f^(n), the value of an "
        "odd function keeps the sign of zero, and the largest, the least normal and the least numbers of the format "
        "are as accurate as the contract says and do not overflow."
    )
    source: ClassVar[str] = "IEEE 754-2019, section 6; limits of the function"
    orders: ClassVar[tuple[int, ...]] = (0, 1, 2)

    def check(self, probe: Probe, order: int) -> Outcome:
        """Judge the special inputs; the derivative at a NaN is recorded, not judged. A false limit is told alone."""
        probe.require(order)
        false = false_limit(probe.oracle) if order == 0 else None
        if false is not None:
            return misdeclared(probe, *false)
        fmt = probe.format
        bits = special_bits(fmt)
        if probe.given is not None:
            bits = bits[np.isin(bits, probe.given)]
            if not bits.size:
                raise Unsupported("no special value is among the inputs at which there are results")
        points = Pointwise(probe, order)
        got = probe.evaluate(bits, order)
        points.add_results(bits, got, probe.references(bits)[order])
        outcome = points.outcome(exhaustive=fmt.is_16_bit and probe.given is None, with_curve=False)
        outcome.measured.update(_recorded(bits, got, fmt, order))
        lost = _lost_sign(bits, got, probe) if order == 0 and probe.function.odd else None
        if lost is not None:
            outcome.violations.append(lost)
        return outcome


def special_bits(fmt: Format) -> Bits:
    """Quiet and signalling NaNs of both signs (every NaN of a 16-bit format), +-inf where there is one, +-0, ..."""
    positive = [0, 1, fmt.min_normal_bits - 1, fmt.min_normal_bits, fmt.max_bits, fmt.last_bits, fmt.nan_bits]
    payloads = range(fmt.last_bits + 1, fmt.sign_bit) if fmt.is_16_bit else (fmt.last_bits + 1, fmt.nan_bits | 1)
    positive += list(payloads)
    positive = list(dict.fromkeys(positive))
    return np.array(positive + [b | fmt.sign_bit for b in positive], dtype=fa.storage(fmt))


def _recorded(bits: Bits, got: Bits, fmt: Format, order: int) -> dict[str, Any]:
    """What came out at the two infinities, at -0 and at a NaN, as far as they are among ``bits``, for the reader."""
    asked = {"at_minus_zero": fmt.sign_bit, "at_nan": fmt.nan_bits}
    if fmt.has_infinity:
        ends = {"at_minus_infinity": fmt.infinity_bits | fmt.sign_bit, "at_plus_infinity": fmt.infinity_bits}
        asked = ends | asked
    rows = {name: np.flatnonzero(bits == pattern) for name, pattern in asked.items()}
    told = {name: fmt.decimal(int(got[at[0]])) for name, at in rows.items() if at.size}
    return {**told, "nan_is_convention": order > 0}


def _lost_sign(bits: Bits, got: Bits, probe: Probe) -> Violations | None:
    """An odd function's f(-0) that is +0 (or f(+0) that is -0)."""
    fmt = probe.format
    zeros = (fa.magnitudes(bits, fmt) == 0) & (fa.magnitudes(got, fmt) == 0)
    wrong = zeros & (fa.signs(bits, fmt) != fa.signs(got, fmt))
    if not wrong.any():
        return None
    count = int(wrong.sum())
    return Violations(
        bits[wrong], got[wrong], np.full(count, 2.0), np.full(count, WRONG_BRANCH, np.int8), np.zeros(count, bool),
        explanation="an odd function must keep the sign of zero", cause="wrong-branch",
    )  # fmt: skip
