"""Chains h[k+1] = f(w[k] h[k]) on a backend, and the exact products of their derivatives with the bounds of rounding.

Products and bounds carry exponents of their own (int64), so that they go on far below the least number of float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.extend import (
    FINITE,
    LARGE_ERROR,
    LOST_SIGNAL,
    WRONG_CLASS,
    Bits,
    Floats,
    Format,
    Ints,
    Probe,
    Traits,
    Violations,
    pairs,
)
from gradproof.extend import arrays as fa
from gradproof_properties.allowances import allowance
from gradproof_properties.flushing import flushes

Mask = npt.NDArray[np.bool_]

ROUNDINGS: Final = 4.0
"""Roundings allowed per layer beyond the derivative's own: the product with the weight, with the cotangent, and
as many again for formats in which an implementation may round twice."""
SCALE: Final = 500
"""Errors and bounds are carried in units of 2^-SCALE, so that float64 holds those at its own least number."""
_APART: Final = 4000
"""Exponents are clipped here: no format reaches anywhere near."""


@dataclass
class ScaledProduct:
    """Numbers ``(m + low) * 2**e`` with |m| in [1/2, 1) or 0, to some 100 bits; arrays of one shape."""

    m: Floats
    low: Floats
    e: Ints

    def __getitem__(self, index: Any) -> ScaledProduct:
        return ScaledProduct(self.m[index], self.low[index], self.e[index])

    def multiply(self, index: Any, factor: tuple[Any, Any], exponent: Any) -> None:
        """Those at ``index`` times the pair ``factor * 2**exponent``, in place."""
        hi, lo = pairs.multiply((self.m[index], self.low[index]), factor)
        m, e = np.frexp(hi)
        self.m[index], self.low[index] = m, np.where(m == 0, 0.0, np.ldexp(lo, -e))
        self.e[index] = np.where(m == 0, 0, self.e[index] + exponent + e)

    def scaled(self) -> tuple[Floats, Floats]:
        """m and low in units of 2^-SCALE; 0 where float64 does not reach."""
        exponent = np.clip(self.e + SCALE, -_APART, _APART).astype(np.int32)
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(self.m, exponent), np.ldexp(self.low, exponent)

    @property
    def size(self) -> Floats:
        """The magnitude in units of 2^-SCALE; 0 where float64 does not reach."""
        return np.abs(self.scaled()[0])

    @property
    def log2(self) -> Floats:
        """log2 of the magnitude, -inf for 0."""
        with np.errstate(divide="ignore"):
            logarithm: Floats = np.log2(np.abs(self.m)) + self.e
        return logarithm

    def at_most(self, exponent: int) -> Mask:
        """Where the magnitude is at most 2^exponent."""
        small: Mask = (self.e <= exponent) | (
            (self.e == exponent + 1) & (np.abs(self.m) == 0.5) & (self.m * self.low <= 0)
        )
        return small


@dataclass
class Factors:
    """What the oracle says about f' at the inputs of each layer; arrays of shape (depth, lanes).

    f' = (high + low) 2**exponent, to some 104 bits. ``room`` is the contract's allowance for its error. ``usable`` says
    whether f' has a value at this layer and all before.
    """

    high: Floats
    low: Floats
    exponent: Ints
    room: Floats
    usable: Mask


def jumps_at_zero(probe: Probe) -> bool:
    """Whether f' at 0 is a convention."""
    return Fraction(0) in probe.function.kinks and probe.oracle.jumps(Fraction(0), 1)


def factors(probe: Probe, inputs: Sequence[Bits], traits: Traits) -> Factors:
    """The factors f'(inputs[k]) of a chain; ``inputs`` holds one array of shape (lanes,) per layer."""
    fmt = probe.format
    bits = np.array(inputs)
    # Chains run into fixed points, so most inputs repeat; one call serves all layers.
    distinct, where = np.unique(bits, return_inverse=True)
    reference = probe.references(distinct)[1][where.ravel()]
    usable = reference.kind == FINITE
    if flushes(traits) and jumps_at_zero(probe):
        # Read as 0 a subnormal input sits on the kink, where f' is a convention.
        magnitude = fa.magnitudes(bits.ravel(), fmt)
        usable &= (magnitude == 0) | (magnitude >= fmt.min_normal_bits)
    with np.errstate(over="ignore"):
        room = allowance(probe, bits.ravel(), reference, 1, flushes=flushes(traits))
    shape = bits.shape
    # At a kink f' is a convention, at a NaN nothing: such a lane is no longer judged.
    alive = np.logical_and.accumulate(usable.reshape(shape), axis=0)
    return Factors(
        np.where(alive, reference.high.reshape(shape), 0.0),
        np.where(alive, reference.low.reshape(shape), 0.0),
        np.where(alive, reference.exponent.reshape(shape), 0),
        np.where(alive, room.reshape(shape), 0.0),
        alive,
    )


@dataclass
class Passes:
    """The reverse passes of all depths: row n - 1 is d h[n] / d h[0]; arrays of shape (depth, lanes).

    ``due`` is the exact product, ``bound`` the largest error that the contract's error of each factor, the roundings
    and the underflow explain, in units of 2^-SCALE. ``vanished``: the product of any number within the bound with a
    weight was below half the least number (the least normal one where results are flushed), so that 0 is the only
    correct rounding. ``judged``: every factor is known and no partial product could overflow.
    """

    due: ScaledProduct
    bound: Floats
    vanished: Mask
    judged: Mask

    def errors(self, products: Bits, fmt: Format) -> Floats:
        """|product - due| in units of 2^-SCALE; NaN where a product is a NaN, infinite where it is."""
        due, low = self.due.scaled()
        with np.errstate(all="ignore"):
            got = np.ldexp(fa.values(products, fmt), SCALE)
            return np.where(np.isfinite(got), np.abs((got - due) - low), np.abs(got))


def exact_passes(known: Factors, weights: Sequence[float], fmt: Format, traits: Traits) -> Passes:
    """Exact products of w f' and their error bounds, in the order of reverse mode.

    Reverse mode multiplies from the output inwards, by f' and then by the weight, so an underflow on the way is carried
    through the remaining factors; the recurrence follows that order. So is an overflow, which may make a NaN of it:
    products with a partial product of 2^e_max or more (2^500 in float64) are not judged.
    """
    depth, lanes = known.high.shape
    least = math.ldexp(1.0, (fmt.e_min if flushes(traits) else least_exponent(fmt)) + SCALE)
    zero_below = math.ldexp(1.0, (fmt.e_min if traits.flushes_results else least_exponent(fmt) - 1) + SCALE)
    most = math.ldexp(1.0, min(fmt.e_max + SCALE, 1000))
    unit = 2.0**-fmt.precision
    due = ScaledProduct(np.zeros((depth, lanes)), np.zeros((depth, lanes)), np.zeros((depth, lanes), np.int64))
    bound = np.zeros((depth, lanes))
    vanished = np.zeros((depth, lanes), bool)
    judged = known.usable.copy()
    with np.errstate(over="ignore", under="ignore"):
        slope = np.ldexp(np.abs(known.high), np.clip(known.exponent, -_APART, _APART).astype(np.int32))
    for k in reversed(range(depth)):
        rows = slice(k, None)
        due.m[k], due.e[k] = 0.5, 1
        with np.errstate(over="ignore", invalid="ignore"):
            size = due[rows].size
            due.multiply(rows, (known.high[k], known.low[k]), known.exponent[k])
            following = due[rows].size
            carried = (slope[k] + known.room[k]) * bound[rows] + size * known.room[k]
            after = carried * (1 + ROUNDINGS * unit) + ROUNDINGS * (unit * following + least)
            judged[rows] &= following + after < most  # a NaN is not
            # Nor is a factor that overflows itself before a product that is 0 or small.
            judged[rows] &= slope[k] + known.room[k] < most / 2.0**SCALE
            if weights[k] != 1:
                due.multiply(rows, (weights[k], 0.0), 0)
                following = due[rows].size
                after = after * abs(weights[k])
                vanished[rows] |= following + after < zero_below
                # A power of two rounds among the subnormals only.
                roundings = 0.0 if math.frexp(abs(weights[k]))[0] == 0.5 else ROUNDINGS / 2
                after = after + roundings * unit * (after + following) + least
                judged[rows] &= following + after < most
        bound[rows] = after
    return Passes(due, bound, vanished, judged)


def least_exponent(fmt: Format) -> int:
    """log2 of the least positive number."""
    return fmt.e_min - fmt.precision + 1


def within(error: Floats, bound: Floats) -> Floats:
    """error / bound; infinite for a NaN."""
    with np.errstate(all="ignore"):
        return np.where(np.isnan(error), np.inf, error / bound)


@dataclass
class ChainRun:
    """One chain on the backend beside what the oracle says. Arrays of shape (depth, lanes), inputs too."""

    inputs: Bits
    products: Bits
    known: Factors
    passes: Passes
    error: Floats
    """In units of 2^-SCALE."""
    traits: Traits


def run(probe: Probe, weights: Sequence[float], start: Bits, setting: bool | None = None) -> ChainRun:
    """A chain on the backend from ``start`` of shape (lanes,), with flushing set where ``setting`` says so."""
    fmt, backend = probe.format, probe.backend
    traits = probe.traits
    if setting is None:
        with probe.calling():
            inputs, products = backend.chain(probe.implementation, weights, start, fmt)
    else:
        with backend.flushing(setting, fmt) as traits, probe.calling():
            inputs, products = backend.chain(probe.implementation, weights, start, fmt)
    known = factors(probe, inputs, traits)
    passes = exact_passes(known, weights, fmt, traits)
    got = np.array(products)
    return ChainRun(np.array(inputs), got, known, passes, passes.errors(got, fmt), traits)


def product_text(due: ScaledProduct, i: int, digits: int = 6) -> str:
    """An exact product in decimal, also where float64 has no such number."""
    logarithm = float(due.log2[i])
    if not -1000 < logarithm < 1000:
        return "0" if math.isinf(logarithm) else f"{'-' if due.m[i] < 0 else ''}2^{logarithm:.2f}"
    return f"{math.ldexp(float(due.m[i]), int(due.e[i])):.{digits}g}"


def digits(got: float, due: float) -> int:
    """6, or 17 where two numbers look the same with 6."""
    return 17 if f"{got:.6g}" == f"{due:.6g}" else 6


def first_wrong(
    run: ChainRun, start: Bits, wrong: Mask, ratio: Floats, fmt: Format, weight: str, why: str
) -> Violations:
    """The lanes that are ``wrong`` at the least depth where any is; ``ratio`` is error over bound."""
    n = int(np.flatnonzero(wrong.any(axis=1))[0])
    lanes = wrong[n]
    got = fa.values(run.products[n], fmt)
    due = run.passes.due[n]
    i = int(np.argmax(np.where(lanes, ratio[n], -1)))
    shown = 17 if f"{got[i]:.6g}" == product_text(due, i) else 6
    text = (
        f"after {n + 1} layers{weight}: got {got[i]:.{shown}g}, the exact product is {product_text(due, i, shown)}{why}"
    )
    severity = np.where(np.isnan(got), WRONG_CLASS, np.where(got == 0, LOST_SIGNAL, LARGE_ERROR)).astype(np.int8)
    with np.errstate(invalid="ignore"):
        felt = ~(run.error[n] <= 0.01 * due.size)
    return Violations(
        start[lanes], run.products[n][lanes], ratio[n][lanes], severity[lanes], felt[lanes], text, pointwise=False
    )


def wrong_products(run: ChainRun, start: Bits, fmt: Format, weight: str = "") -> list[Violations]:
    """Products beyond the bound, and numbers where only 0 is right; ``weight`` says what chain it was."""
    passes, found = run.passes, []
    ratio = within(run.error, passes.bound)
    lie = passes.judged & passes.vanished & (fa.magnitudes(run.products, fmt) != 0)
    above = passes.judged & ~(ratio <= 1) & ~lie
    if above.any():
        found.append(first_wrong(run, start, above, ratio, fmt, weight, ""))
    if lie.any():
        with np.errstate(over="ignore"):
            over = np.abs(np.ldexp(fa.values(run.products, fmt), 1 - least_exponent(fmt)))
        over = np.where(np.isnan(over), np.inf, over)
        found.append(first_wrong(run, start, lie, over, fmt, weight, ", so that only 0 is right"))
    return found
