"""Inputs that the tests of the oracle share, and the values they are compared with."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from gradproof.formats import FLOAT64, Format
from gradproof.formats import arrays as fa
from gradproof.functions import CATALOGUE, Function, get_function
from gradproof.oracle import Dyadic
from gradproof.oracle.bulk import Ladder
from gradproof.oracle.values import Mask
from gradproof.strategies import landmark_bits, stratified

VARIANTS = [
    *(f for f in CATALOGUE if f.rounds_to is None),
    get_function("leaky_relu", {"negative_slope": "-0.1"}),
    get_function("prelu", {"weight": "1/3"}),
    get_function("hardtanh", {"min": "-0.1", "max": 3}),
    get_function("elu", {"alpha": 2}),
    get_function("softplus", {"beta": "0.3"}),
    get_function("softplus", {"beta": 40}),
    get_function("threshold", {"threshold": "-0.1", "value": 20}),
    get_function("hardshrink", {"lambd": "1/3"}),
    get_function("celu", {"alpha": "-0.25"}),
    get_function("celu", {"alpha": 1e30}),
    get_function("softplus_threshold", {"beta": "0.3", "threshold": 2}),
    get_function("squareplus", {"b": "1/3"}),
]
"""Every catalogued function but the conversions, and some with parameters that change its kinks and scales."""


def inputs(f: Function, fmt: Format, random: int, seed: int = 0, radius: int = 1) -> fa.Bits:
    """Finite inputs: landmarks and their neighbours, an even spread over the ordinals, and ordinary numbers."""
    rng = np.random.default_rng([seed, fmt.width])
    ordinary = fa.round_values(np.concatenate([rng.normal(0, 4, random), rng.uniform(-60, 60, random)]), fmt)
    spread = stratified(fmt, 32, seed)  # of a 16-bit format: every pattern
    spread = rng.choice(spread, 32, replace=False)
    bits = np.unique(np.concatenate([landmark_bits(f, fmt, radius), spread, ordinary]))
    return bits[fa.is_finite(bits, fmt)]


def dyadic(value: Any) -> Dyadic:
    """An mpmath number, exactly."""
    sign, man, exp, _ = mpmath.mpf(value)._mpf_
    return Dyadic(-int(man) if sign else int(man), int(exp))


def quantum(value: Dyadic, fmt: Format) -> Dyadic:
    """Quantum of a real number, from its definition."""
    exponent = max(value.exponent if value.man else fmt.e_min, fmt.e_min)
    return Dyadic(1, exponent - fmt.precision + 1)


def inside(f: Function, x: Fraction) -> bool:
    """Whether ``x`` lies in the domain and is no kink."""
    return x not in f.kinks and f.ends[0] < x < f.ends[1]


def nothing_decided(self: Ladder, x: fa.Floats, *_: Any, **__: Any) -> Mask:
    """In place of ``Ladder.fill``: filters that leave every input of shape (n,) to the certified routes."""
    return np.ones(x.size, bool)


def doubles(f: Function, random: int, seed: int = 0) -> list[float]:
    """Finite float64 inputs as Python floats."""
    return fa.values(inputs(f, FLOAT64, random, seed), FLOAT64).tolist()
