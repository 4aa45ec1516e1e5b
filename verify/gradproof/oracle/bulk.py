"""The ladder of filters for many inputs of one piece: what each rung decides, it decides with a bound.

1. Near 0 a Taylor polynomial with arb's remainder (``expansion``).
2. Elsewhere float64 balls (``balls``), for formats that leave them room.
3. Where those fail, what is known of the whole binade (``tails``), then double-double balls (``doubles``).

What is left goes up to arb, one input at a time (``certify``).
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np

from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Floats, Ints
from gradproof.functions.function import Function
from gradproof.oracle import balls, doubles
from gradproof.oracle.certify import RESOLUTION
from gradproof.oracle.expansion import Expansion, expansion
from gradproof.oracle.reference import BY_FILTER, EXPONENT_FLOOR, Reference
from gradproof.oracle.series import ORDERS
from gradproof.oracle.tails import Tails
from gradproof.oracle.values import Mask, Values, below, clipped

CHUNK: Final = 1 << 15
"""Inputs taken at once: fewer pay for the calls, more leave a core's caches."""
FAR: Final = 2.0**64
FIRST_FILTER: Final = 32
"""Formats of fewer significand bits than this try float64 balls first."""


class Ladder:
    """The filters of one piece of a function."""

    def __init__(self, function: Function, piece: int) -> None:
        self._function = function
        self._piece = piece
        self._tails = {sign: Tails(function, piece, sign) for sign in (-1, 1)}

    @cached_property
    def _quick(self) -> Expansion | None:
        return expansion(self._function, self._piece, precise=False)

    @cached_property
    def _precise(self) -> Expansion | None:
        return expansion(self._function, self._piece, precise=True)

    def fill(self, x: Floats, lanes: Ints, fmt: Format, answers: list[Reference], *, precise: bool) -> Mask:
        """Fill ``answers`` at ``lanes`` (where the inputs are ``x``); return where any order is left open.

        With ``precise``, and in formats that need it, every value is kept to some 100 bits.
        """
        open_ = np.zeros(x.size, bool)
        for start in range(0, x.size, CHUNK):
            part = slice(start, start + CHUNK)
            open_[part] = _Chunk(self, x[part], lanes[part], fmt, answers).run(
                precise=precise or fmt.precision >= FIRST_FILTER
            )
        return open_

    def near_zero(self, *, precise: bool) -> Expansion | None:
        """The expansion about 0."""
        return self._precise if precise else self._quick

    def first(self, x: Floats) -> list[Values]:
        """By float64 balls."""
        found = balls.derivatives(self._function, self._piece, x)
        return [Values.plain(b.mid, np.zeros_like(b.mid), b.rad) for b in found]

    def second(self, x: Floats) -> list[Values]:
        """By double-double balls; far from 0 in steps of the size of x, so that small derivatives do not underflow."""
        values = [Values.plain(np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)) for _ in range(ORDERS)]
        far = np.abs(x) > FAR
        for rows in (np.flatnonzero(~far), np.flatnonzero(far)):
            if rows.size:
                exponent = np.where(far[rows], np.frexp(x[rows])[1] - 1, 0).astype(np.int64)
                step = np.ldexp(1.0, exponent.astype(np.int32)) if exponent[0] else None
                found = doubles.derivatives(self._function, self._piece, x[rows], step=step)
                for order, (value, b) in enumerate(zip(values, found, strict=True)):
                    value.put(rows, Values(b.hi, b.lo, b.rad, -order * exponent))
        return values

    def patch(self, values: list[Values], x: Floats, rows: Ints) -> None:
        """Put what is known of whole binades in place of ``values`` at ``rows``."""
        binades = np.frexp(x[rows])[1].astype(np.int64) - 1
        for sign, tails in self._tails.items():
            side = (np.sign(x[rows]) == sign) & (binades >= 0)
            if side.any():
                tails.patch(values, rows[side], x, binades[side])


class _Chunk:
    """Some inputs on their way up the ladder."""

    def __init__(self, ladder: Ladder, x: Floats, lanes: Ints, fmt: Format, answers: list[Reference]) -> None:
        self.ladder = ladder
        self.x = x
        self.lanes = lanes
        self.format = fmt
        self.answers = answers
        self.x_quantum = fa.quantum_exponents(x, fmt)
        self.decided = np.zeros((len(answers), x.size), bool)

    def run(self, *, precise: bool) -> Mask:
        expansion = self.ladder.near_zero(precise=precise)
        small = np.abs(self.x) <= (expansion.radius if expansion else -1.0)
        if expansion and small.any():
            rows = np.flatnonzero(small)
            self._settle(rows, expansion(self.x[rows]))
        rows = self._open()
        if rows.size and not precise:
            values = self.ladder.first(self.x[rows])
            self._settle(rows, values)
            rows = self._patched(rows, values)
        if rows.size:
            values = self.ladder.second(self.x[rows])
            self._settle(rows, values)
            if precise:
                self._patched(rows, values)
        open_ = np.ones(self.x.size, bool)
        open_[self.decided.all(axis=0)] = False
        return open_

    def _open(self) -> Ints:
        return np.flatnonzero(~self.decided.all(axis=0))

    def _patched(self, rows: Ints, values: list[Values]) -> Ints:
        """Settle what the binades know; return what stays open."""
        still = ~self.decided[:, rows].all(axis=0)
        if not still.any():
            return rows[:0]
        inside = np.flatnonzero(still)
        x = self.x[rows]
        self.ladder.patch(values, x, inside)
        self._settle(rows[inside], [v[inside] for v in values])
        return self._open()

    def _settle(self, rows: Ints, values: list[Values]) -> None:
        """Keep what is tight enough, for the orders and rows that are not decided yet."""
        fmt = self.format
        x_quantum = self.x_quantum[rows]
        sizes = [value.magnitude_exponent for value in values]
        for order, answer in enumerate(self.answers):
            value, following = values[order], values[order + 1]
            quantum = np.maximum(sizes[order], fmt.e_min) - (fmt.precision - 1)
            with np.errstate(all="ignore"):
                sound = value.sound & following.sound & ~self.decided[order, rows]
                sound &= ~_beside_least(value, sizes[order], fmt)
                settled, infinite = self._rounding(value, sizes[order])
                narrow = below(value.rad, value.exponent, quantum - RESOLUTION) | infinite
                # The slope only scales the mixed error, whose unit must be known to 1 %.
                unit = np.maximum(quantum, sizes[order + 1] + x_quantum)
                scaled = below(following.rad, following.exponent + x_quantum, unit - 7) | infinite
            done = np.flatnonzero(sound & settled & narrow & scaled)
            if done.size == rows.size:
                self._keep(answer, order, rows, value, following)
            elif done.size:
                self._keep(answer, order, rows[done], value[done], following[done])

    def _rounding(self, value: Values, size: Ints) -> tuple[Mask, Mask]:
        """Where the rounding is settled, and where it is to an infinity.

        In 16-bit formats both ends must round alike. In wide ones a near-tie may stay open (the error is known to
        2^-RESOLUTION ulp all the same): odd subnormals alone would send a quarter of a binade up. Overflow never may.
        """
        fmt = self.format
        settled, infinite = np.ones(size.size, bool), np.zeros(size.size, bool)
        asked = np.arange(size.size) if fmt.is_16_bit else np.flatnonzero(size >= fmt.e_max)
        if asked.size:
            down, up = (value[asked].rounded(fmt, sign) for sign in (-1, 1))
            settled[asked] = fa.ordinals(down, fmt) == fa.ordinals(up, fmt)
            infinite[asked] = settled[asked] & ~fa.is_finite(down, fmt)
        return settled, infinite

    def _keep(self, answer: Reference, order: int, rows: Ints, value: Values, following: Values) -> None:
        self.decided[order, rows] = True
        lanes = self.lanes[rows]
        answer.set_values(lanes, value, BY_FILTER)
        answer.rounded[lanes] = value.rounded(self.format, 0)
        answer.set_slopes(lanes, following)


def _beside_least(value: Values, size: Ints, fmt: Format) -> Mask:
    """Where a ball reaches both sides of the least normal number: only what lies below may be flushed to 0."""
    found = np.zeros(size.size, bool)
    near = np.flatnonzero((size == fmt.e_min) | (size == fmt.e_min - 1))
    if near.size:
        shift = clipped(value.exponent[near] - fmt.e_min, -EXPONENT_FLOOR)
        high, low, rad = (np.ldexp(part[near], shift) for part in (value.hi, value.lo, value.rad))
        found[near] = (rad > 0) & (np.abs((np.abs(high) - 1.0) + low * np.sign(high)) <= rad)
    return found
