"""Climbing on the error: which inputs a guided search tries next, given those that it tried.

The best inputs of every region are kept, not the best of all, so that a search that has found one basin goes on in
others. Children lie at distances from one ordinal to a binade, each scale alike; what has been tried in vain gives
way to the next (a restart). The idea to put the effort where samples were worst, region by region, is that of P.
Zimmermann, "Accuracy of Mathematical Functions in Single, Double, Extended Double and Quadruple Precision"
(hal-03141101, 2021), who subdivides intervals; ordinals at all scales around the best samples do it here.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gradproof.formats.arrays import Floats, Ints
from gradproof.sweep.guided.starting_points import BINADE, Binades

KEPT: Final = 6
"""Inputs kept per region."""
PATIENCE: Final = 96
"""Children in vain after which an input's share is halved."""
EXPLORED: Final = 0.5
"""Share of a batch drawn anew from the regions, the rest are children."""
EVEN: Final = 0.6
"""Share of what is drawn anew that goes evenly to the favoured regions."""
RANK_POWER: Final = 1.0
"""Regions and inputs are taken in proportion to their rank to minus this power."""


class HillClimb:
    """The best inputs per region, and the next to try.

    ``errors`` below are finite and not negative; what is to count for nothing has the error 0.
    """

    def __init__(self, binades: Binades, rng: np.random.Generator) -> None:
        self.binades = binades
        self.rng = rng
        self.best = np.zeros(binades.count)
        self.favoured = np.zeros(binades.count, bool)
        """Regions to go on drawing from whatever was found there: see ``evenly``."""
        self.at = np.zeros(0, np.int64)
        self.error = np.zeros(0)
        self.origin = np.zeros(0, np.int64)
        self.region = np.zeros(0, np.int64)
        self.vain = np.zeros(0)

    def add(self, at: Ints, error: Floats, origin: Ints, parents: Ints | None = None) -> None:
        """Take tried inputs, shape (n,).

        ``parents`` are indices into the pool as it was at ``propose``, -1 for none: they lose by children that are no
        better.
        """
        if parents is not None:
            mine = parents >= 0
            self._charge(parents[mine], error[mine])
        region = self.binades.of(at)
        np.maximum.at(self.best, region, error)
        self.at, self.error = np.concatenate([self.at, at]), np.concatenate([self.error, error])
        self.origin = np.concatenate([self.origin, origin])
        self.region = np.concatenate([self.region, region])
        self.vain = np.concatenate([self.vain, np.zeros(at.size)])
        self._prune()

    def _charge(self, parents: Ints, error: Floats) -> None:
        self.vain += np.bincount(parents, minlength=self.at.size)
        top = np.zeros(self.at.size)
        np.maximum.at(top, parents, error)
        self.vain[top > self.error] = 0.0

    def _prune(self) -> None:
        """Keep each region's KEPT largest errors, an input once."""
        order = np.lexsort((self.at, -self.error, self.region))
        region, at = self.region[order], self.at[order]
        repeated = np.concatenate([[False], (at[1:] == at[:-1]) & (region[1:] == region[:-1])])
        order, region = order[~repeated], region[~repeated]
        place = np.arange(order.size) - np.searchsorted(region, region)
        kept = order[(place < KEPT) & (self.error[order] > 0)]
        for name in ("at", "error", "origin", "region", "vain"):
            setattr(self, name, getattr(self, name)[kept])

    def leaders(self) -> Ints:
        """The worst input of each region, the largest error first, then the second of each, and so on."""
        order = np.lexsort((-self.error, self.region))
        place = np.arange(order.size) - np.searchsorted(self.region[order], self.region[order])
        leading: Ints = self.at[order[np.lexsort((-self.error[order], place))]]
        return leading

    def propose(self, count: int) -> tuple[Ints, Ints, Ints]:
        """``count`` ordinals to try, where each came from, and its parent's index in the pool or -1."""
        drawn = count if not self.at.size else round(count * EXPLORED)
        even = round(drawn * EVEN) if self.favoured.any() else 0
        ranked = self._choose((1.0 + _ranks(self.best)) ** -RANK_POWER, drawn - even)
        fresh = self.binades.draw(np.concatenate([self.evenly(even), ranked]))
        parents = self._choose(self._weights(), count - drawn) if count > drawn else np.zeros(0, np.int64)
        children, origin = self._children(parents), self.origin[parents]
        return (
            np.concatenate([fresh, children]),
            np.concatenate([np.full(drawn, BINADE), origin]),
            np.concatenate([np.full(drawn, -1), parents]),
        )

    def evenly(self, count: int) -> Ints:
        """``count`` favoured regions, each as often, from a random one on."""
        if not count:
            return np.zeros(0, np.int64)
        regions = np.flatnonzero(self.favoured)
        return np.resize(np.roll(regions, -int(self.rng.integers(regions.size))), count)

    def _weights(self) -> Floats:
        weights: Floats = (1.0 + _ranks(self.error)) ** -RANK_POWER * 0.5 ** (self.vain / PATIENCE)
        return weights

    def _children(self, parents: Ints) -> Ints:
        """Neighbours at distances of 1 to a binade, log-uniform, on either side, kept inside the format."""
        fmt = self.binades.fmt
        scale = self.rng.random(parents.size) * fmt.precision
        step = np.floor(2.0**scale).astype(np.int64)
        moved = self.at[parents] + np.where(self.rng.random(parents.size) < 0.5, -step, step)
        return np.clip(moved, -fmt.max_bits, fmt.max_bits)

    def _choose(self, weights: Floats, count: int) -> Ints:
        chosen: Ints = np.searchsorted(np.cumsum(weights / weights.sum()), self.rng.random(count) * (1 - 2.0**-40))
        return np.minimum(chosen, weights.size - 1)


def _ranks(values: Floats) -> Floats:
    """0 for the largest value, 1 for the next, ...; ties in order of place."""
    ranks = np.empty(values.size)
    ranks[np.argsort(-values, kind="stable")] = np.arange(values.size)
    return ranks
