"""Inputs where something is likely to happen: kinks, the edges of the format, exponential thresholds."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage
from gradproof.functions import Function


def landmark_ordinals(function: Function, fmt: Format) -> list[int]:
    """Ordinals of the landmarks, sorted and without repetition.

    Besides kinks, 0, +-1 and the format's edges: where e^x meets the format's largest, least normal and least
    numbers, where e^-x falls below half an ulp of 1, the same for e^2x and e^(-x^2/2), and +-20, a threshold
    that libraries use for softplus.
    """
    p = fmt.precision
    top = math.log(2) * (fmt.e_max + 1)
    bottom = math.log(2) * -fmt.e_min
    least = bottom + math.log(2) * (p - 1)
    thresholds = [1.0, 20.0, p * math.log(2), top, bottom, least]
    thresholds += [t / 2 for t in (top, bottom, least, p * math.log(2))]
    thresholds += [math.sqrt(2 * t) for t in (bottom, least, p * math.log(2))]
    points = {0}
    for threshold in thresholds:
        ordinal = fmt.ordinal(fmt.round(Fraction(threshold), saturate=True))
        points |= {ordinal, -ordinal}
    for kink in function.kinks:
        points.add(fmt.ordinal(fmt.round(kink, saturate=True)))
    edges = (fmt.min_normal_bits, fmt.max_bits, 1, fmt.last_bits)
    points |= {sign * edge for edge in edges for sign in (1, -1)}
    return sorted(points)


def landmark_bits(function: Function, fmt: Format, radius: int = 8) -> Bits:
    """The landmarks with ``radius`` neighbours on either side, both zeros included."""
    limit = fmt.last_bits
    near = {
        min(max(o + d, -limit), limit) for o in landmark_ordinals(function, fmt) for d in range(-radius, radius + 1)
    }
    bits = [fmt.from_ordinal(o) for o in sorted(near)] + [fmt.sign_bit]
    return np.array(bits, dtype=storage(fmt))
