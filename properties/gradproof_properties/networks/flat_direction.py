"""Gradient descent on quadratics with a flat direction, on a backend's own arrays.

E(u, v) = a u^2 / 2 knows nothing of v: its gradient is (a u, 0), and a step leaves v as it is. The same holds along
u - v for E = (u + v)^2 / 2. Neither has anything to do with activation functions: the functions of one backend and
format share the runs.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

import numpy as np

from gradproof.extend import Array, Bits, Format, Space, Unsupported, get_backend, get_format
from gradproof.extend import arrays as fa

CURVATURE: Final = 4
RATES: Final = tuple(Fraction(n, 4) for n in (1, 2, 4, 6, 8, 10))
"""eta a: u is multiplied by 3/4, 1/2, 0, -1/2, -1, -3/2 a step; from 2 on descent does not converge."""
EXACT: Final = tuple(Fraction(n, 4) for n in (2, 4, 8))
"""Those at which a step rounds nothing: eta a u and u - eta a u are u times a power of two, or 0."""
STEPS: Final = 12
LANES: Final = 32
DIAGONAL_STEPS: Final = 3
"""u and v from -8 to 8 take 8 bits after so many steps of eta = 1/4: every format of 16 bits or more holds them."""


@dataclass(frozen=True)
class DescentTrial:
    """One descent from many starts: how many numbers were judged, what they came to, and what was wrong first."""

    name: str
    judged: int
    after: dict[str, float]
    error: str | None = None
    start: int = 0
    got: int = 0
    magnitude: float = 0.0


@lru_cache(maxsize=64)
def descend(backend_id: str, fmt_name: str, seed: int) -> tuple[DescentTrial, ...]:
    """The runs of one backend in one format; none where the backend has no space for it, or it holds too few bits."""
    fmt = get_format(fmt_name)
    if fmt.width < 16:
        return ()
    rng = np.random.default_rng([seed, zlib.crc32(fmt_name.encode())])
    try:
        with get_backend(backend_id).space(fmt) as space:
            return (*_axis(space, rng), _diagonal(space, rng))
    except Unsupported:
        return ()


def gradient(space: Space, quadratic: Array) -> Callable[[Array], Array]:
    """The gradient of p.(A p) / 2 by p of shape (2, n), A symmetric: by AD where there is one, else A p."""
    if not space.ways:
        return lambda p: space.matmul(quadratic, p)
    half = space.number(0.5)

    def energy(arrays: Any) -> Array:
        return space.total(arrays[0] * space.matmul(quadratic, arrays[0])) * half

    return lambda p: space.gradients(energy, [p])[1][0]


def _run(space: Space, quadratic: list[list[int]], rates: list[Fraction], start: Bits, steps: int) -> list[Bits]:
    """p - rate * gradient, ``steps`` times, as bits of shape (2, n); ``rates`` holds one eta per column."""
    slope = gradient(space, space.array(_rounded(quadratic, space.format)))
    eta = space.array(_rounded([rates], space.format))
    step = space.compiled(lambda p: p - eta * slope(p))
    p = space.array(start)
    found = [start]
    for _ in range(steps):
        p = step(p)
        found.append(space.bits(p))
    return found


def _rounded(rows: Any, fmt: Format) -> Bits:
    return fa.round_values(np.array([[float(v) for v in row] for row in rows]), fmt)


def _axis(space: Space, rng: np.random.Generator) -> list[DescentTrial]:
    """E = 2 u^2: v keeps its bits, u follows u (1 - eta a)^k, at all the rates side by side."""
    fmt = space.format
    u, v = rng.uniform(1, 4, LANES), 2.0 ** rng.uniform(-8, 8, LANES)
    lanes = np.stack([u * rng.choice([-1, 1], LANES), v * rng.choice([-1, 1], LANES)])
    start = fa.round_values(np.tile(lanes, len(RATES)), fmt)
    rates = [r / CURVATURE for r in RATES for _ in range(LANES)]
    rows = _run(space, [[CURVATURE, 0], [0, 0]], rates, start, STEPS)
    return [
        _axis_trial(rate, [row[:, i * LANES : (i + 1) * LANES] for row in rows], fmt) for i, rate in enumerate(RATES)
    ]


def _axis_trial(rate: Fraction, rows: list[Bits], fmt: Format) -> DescentTrial:
    name, factor = f"eta a = {float(rate):g}", 1 - rate
    judged = (len(rows) - 1) * 2 * LANES
    after = {"factor": float(factor), "steps": len(rows) - 1, "largest_u": _largest(rows[-1][0], fmt)}
    for k, row in enumerate(rows):
        moved = np.flatnonzero(row[1] != rows[0][1])
        if moved.size:
            i = int(moved[0])
            text = f"{name}: v = {_shown(rows[0][1][i], fmt)}, which the loss does not depend on, is "
            text += f"{_shown(row[1][i], fmt)} after {k} steps"
            return DescentTrial(name, judged, after, text, int(rows[0][1][i]), int(row[1][i]), np.inf)
    for lane in range(LANES):
        wrong = _first_wrong(rate, [int(row[0, lane]) for row in rows], fmt)
        if wrong is not None:
            k, due, ratio = wrong
            text = f"{name}: u = {_shown(rows[0][0, lane], fmt)} is {_shown(rows[k][0, lane], fmt)} after {k} steps, "
            text += f"where {float(due):.9g} is due"
            return DescentTrial(name, judged, after, text, int(rows[0][0, lane]), int(rows[k][0, lane]), ratio)
    return DescentTrial(name, judged, after)


def _first_wrong(rate: Fraction, u: list[int], fmt: Format) -> tuple[int, Fraction, float] | None:
    """The first step after which u is off by more than its roundings, with what was due and error over bound.

    eta a u rounds once, and so does the difference: half an ulp each, 65/64 of which bounds what rounds to it, carried
    on by the factor 1 - eta a. All numbers are multiples of powers of two, so integers in units of 2^-places hold them.
    """
    quarters, halves = int(4 * rate), fmt.precision + 6  # the bound of a rounding is 65 2^-halves
    factor, shift = 4 - quarters, halves + 2
    places = fmt.precision - 1 - fmt.e_min
    due, bound = int(fmt.value(u[0]) * (1 << places)), 0
    for k, bits in enumerate(u[1:], 1):
        carried = abs(factor) * bound << shift - 2
        bound = carried if rate in EXACT else carried + 65 * (quarters + abs(factor)) * (abs(due) + bound)
        due = due * factor << shift - 2
        places += shift
        if not fmt.is_finite(bits):
            return k, Fraction(due, 1 << places), np.inf
        got = fmt.value(bits)
        error = abs((got.numerator << places) // got.denominator - due)
        if error > bound:
            return k, Fraction(due, 1 << places), float(Fraction(error, bound)) if bound else np.inf
    return None


def _diagonal(space: Space, rng: np.random.Generator) -> DescentTrial:
    """E = (u + v)^2 / 2 at eta = 1/4 from integers: u - v stays, u + v halves, both without rounding."""
    fmt = space.format
    start = fa.round_values(rng.integers(-8, 9, (2, LANES)).astype(np.float64), fmt)
    rows = _run(space, [[1, 1], [1, 1]], [Fraction(1, 4)] * LANES, start, DIAGONAL_STEPS)
    u, v = fa.values(start, fmt)
    name, judged = "flat along u - v", DIAGONAL_STEPS * 2 * LANES
    after = {"factor": 0.5, "steps": DIAGONAL_STEPS, "largest_u": _largest(rows[-1][0], fmt)}
    for k, row in enumerate(rows):
        due = np.stack([(u + v) / 2**k + (u - v), (u + v) / 2**k - (u - v)]) / 2
        wrong = np.argwhere(fa.values(row, fmt) != due)
        if wrong.size:
            i, lane = wrong[0]
            text = f"{name}: from (u, v) = ({u[lane]:g}, {v[lane]:g}), {'uv'[i]} is {_shown(row[i, lane], fmt)} after "
            text += f"{k} steps, where {due[i, lane]:g} is due exactly"
            return DescentTrial(name, judged, after, text, int(start[i, lane]), int(row[i, lane]), np.inf)
    return DescentTrial(name, judged, after)


def _shown(bits: Any, fmt: Format) -> str:
    return fmt.decimal(int(bits))


def _largest(bits: Bits, fmt: Format) -> float:
    """The largest magnitude; -1 where one is no finite number, which JSON cannot hold."""
    largest = float(np.abs(fa.values(bits, fmt)).max())
    return largest if np.isfinite(largest) else -1.0
