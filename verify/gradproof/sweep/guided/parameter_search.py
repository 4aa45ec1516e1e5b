"""A guided search over inputs and parameters at once: ``elu(alpha)``, ``softplus(beta)``, ``clamp(min, max)``.

A value of a parameter is a new binding of the function and a new implementation, whose oracle has to be built and which
some backends compile. So few of them are tried, and most of the budget goes to the best: half of them are dropped
after each round (successive halving: Karnin, Koren, Somekh, ICML 2013), and half of the rest are replaced by
neighbours of the best in the space of the parameters, which begin with the worst inputs of where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np

from gradproof.backends import get_backend
from gradproof.backends.base import Implementation
from gradproof.engine.request.selection import DEFAULT_SEED
from gradproof.errors import Unsupported, UsageError
from gradproof.formats import Format
from gradproof.formats.arrays import Ints
from gradproof.functions import Function
from gradproof.functions.function import exact
from gradproof.sweep.guided.search import DEFAULT_POINTS, Metric, Search, SearchResult, subject

Make = Callable[[Function], Implementation]
"""The implementation of a function with its parameters bound."""

BINDINGS: Final = 16
"""Values of the parameters in the first round."""
BINDINGS_COMPILED: Final = 4
"""The same where every one of them is compiled."""
FIRST_SHARE: Final = 0.25
"""Share of the budget for the parameters as the function comes."""
REACH: Final = 8
"""Parameters vary between their default times 2^-REACH and times 2^REACH, unless bounds are given."""
HANDED_ON: Final = 64
"""Inputs that a neighbour begins with."""
ATTEMPTS: Final = 64
"""Draws after which a binding is given up that the function does not admit."""


def catalogued(backend: str) -> Make:
    """What makes the catalogue's implementations on ``backend``; it raises Unsupported where there is none."""
    name = get_backend(backend).name
    try:
        row = import_module(f"gradproof.backends.{name}.catalogue").row
    except ImportError:
        raise Unsupported(
            f"the backend {name} has no catalogue that takes parameters; hand in what makes them"
        ) from None

    def make(function: Function) -> Implementation:
        made = row(function.name, function.params)
        if made is None:
            raise Unsupported(f"the catalogue of the backend {name} has no {function.label}")
        return made  # type: ignore[no-any-return]

    return make


def guided_over_parameters(
    function: Function,
    backend: str,
    make: Make,
    fmt: Format,
    order: int,
    *,
    parameters: tuple[str, ...] = (),
    bounds: Mapping[str, tuple[float, float]] | None = None,
    mode: str = "eager",
    points: int = DEFAULT_POINTS,
    seed: int = DEFAULT_SEED,
    metric: Metric = "u",
    bindings: int | None = None,
) -> SearchResult:
    """Search over inputs and ``parameters`` (all of the function's by default); the answer names their values.

    ``bounds`` are the least and the greatest value per parameter; without them the default's sign and 2^-REACH to
    2^REACH times its size. Values are numbers of ``fmt``, so that no implementation has to round them, spread evenly
    in their logarithm; those that the function does not admit are passed over. ``bindings`` is how many values are
    tried in the first round. ``points`` is the budget over all of them.

    Raises UsageError for a function without such parameters and for bounds that are none, and what ``guided`` raises.
    """
    space = _Space(function, fmt, parameters, bounds or {}, np.random.default_rng([seed, 2]))

    def search(params: Mapping[str, Any]) -> Search:
        bound = function.bind(params)
        return Search(subject(bound, backend, make(bound), fmt, order, mode, points, metric), order, metric, seed)

    few = get_backend(backend).compiles_each_shape or mode != "eager"
    rounds = _rounds(bindings or (BINDINGS_COMPILED if few else BINDINGS), points)
    first = search({})
    first.begin(points - sum(n for _, n in rounds))
    given = first.worst_inputs(HANDED_ON)
    everyone = alive = [first]
    for index, (count, spent) in enumerate(rounds):
        alive = sorted(alive, key=lambda s: -s.best)[: max(1, count // 2)]
        if index:
            parents = [alive[n % len(alive)] for n in range(count - len(alive))]
            new = [(space.beside(p.probe.function.params), p.worst_inputs(HANDED_ON)) for p in parents]
        else:
            new = [(params, given) for params in space.spread(count)]
        shares = _shares(spent, len(alive) + len(new))
        for one, share in zip(alive, shares, strict=False):
            one.go_on(share)
        born = [search(params) for params, _ in new]
        for one, (_, inputs), share in zip(born, new, shares[len(alive) :], strict=True):
            one.begin(share, inputs)
        everyone, alive = everyone + born, alive + born
    return _joined(everyone, points, seed)


def _rounds(count: int, points: int) -> list[tuple[int, int]]:
    """Bindings and points of each round."""
    counts = []
    while count >= 1:
        counts.append(count)
        count //= 2
    each = round(points * (1 - FIRST_SHARE)) // len(counts)
    return [(n, each) for n in counts]


def _shares(points: int, count: int) -> list[int]:
    return [points // count + (i < points % count) for i in range(count)]


def _joined(searches: list[Search], budget: int, seed: int) -> SearchResult:
    """The worst of all answers, with the counts of all of them."""
    tried = sorted(searches, key=lambda s: -s.best)
    answers = [s.found(budget, seed) for s in tried[:3]]
    best = max(answers, key=lambda found: found.error)
    return replace(
        best,
        mismatches=sum(s.mismatches for s in searches),
        undecided=sum(s.undecided for s in searches),
        excused=sum(s.excused for s in searches),
        points=sum(s.used for s in searches),
        bindings=len({s.probe.function.identity for s in searches}),
    )


class _Space:
    """The parameters' values: numbers of the format in boxes, by their ordinals."""

    def __init__(
        self,
        function: Function,
        fmt: Format,
        names: tuple[str, ...],
        bounds: Mapping[str, tuple[float, float]],
        rng: np.random.Generator,
    ) -> None:
        self.function, self.format, self.rng = function, fmt, rng
        self.names = names or tuple(function.params)
        if not self.names:
            raise UsageError(f"function {function.name!r} has no parameters to search over")
        unknown = {*self.names, *bounds} - set(function.params)
        if unknown:
            raise UsageError(
                f"function {function.name!r} has no parameter {', '.join(sorted(map(repr, unknown)))}; "
                f"it takes {', '.join(map(repr, function.params)) or 'none'}"
            )
        self.tried: set[tuple[float, ...]] = set()
        self.boxes = {name: self._box(name, bounds.get(name)) for name in self.names}

    def _box(self, name: str, given: tuple[float, float] | None) -> tuple[int, int]:
        if given is None:
            size = self.function.exact_params[name] or Fraction(1)
            ends = sorted((size / 2**REACH, size * 2**REACH))
        else:
            ends = [exact(end) for end in given]
            if len(ends) != 2 or ends[0] > ends[1]:
                raise UsageError(f"expected the bounds of {name!r} as (least, greatest), got {given!r}")
        low, high = (self.format.ordinal(self.format.round(end, saturate=True)) for end in ends)
        return low, high

    def spread(self, count: int) -> list[dict[str, float]]:
        """``count`` bindings, each parameter's values one in each of ``count`` strata (a Latin hypercube).

        Where the function does not admit one, another in its place, from strata at random.
        """
        rows = np.stack([self.rng.permutation(count) for _ in self.names], axis=1)
        return [self._admitted(partial(self._stratum, row, count)) for row in rows]

    def _stratum(self, row: Ints, count: int, attempt: int) -> dict[str, float]:
        places = self.rng.integers(0, count, row.size) if attempt else row
        at = []
        for name, place in zip(self.names, places.tolist(), strict=True):
            low, high = self.boxes[name]
            at.append(low + int((place + self.rng.random()) / count * (high - low)))
        return self._values(at)

    def beside(self, params: Mapping[str, Any]) -> dict[str, float]:
        """A neighbour at a distance of one ordinal to some binades, log-uniform, in one parameter or all."""

        def draw(_: int) -> dict[str, float]:
            at = [self.format.ordinal(self.format.round(exact(params[name]), saturate=True)) for name in self.names]
            chosen = range(len(at)) if self.rng.random() < 0.5 else [int(self.rng.integers(len(at)))]
            for i in chosen:
                step = int(2.0 ** (self.rng.random() * (self.format.precision + 1)))
                low, high = self.boxes[self.names[i]]
                at[i] = min(max(at[i] + (step if self.rng.random() < 0.5 else -step), low), high)
            return self._values(at)

        return self._admitted(draw)

    def _values(self, ordinals: list[int]) -> dict[str, float]:
        return {
            n: float(self.format.value(self.format.from_ordinal(o))) for n, o in zip(self.names, ordinals, strict=True)
        }

    def _admitted(self, draw: Callable[[int], dict[str, float]]) -> dict[str, float]:
        """What ``draw(attempt)`` gives first that the function admits; one tried before only where nothing else is."""
        refused: UsageError | None = None
        known: dict[str, float] | None = None
        for attempt in range(ATTEMPTS):
            params = draw(attempt)
            try:
                self.function.bind(params)
            except UsageError as error:
                refused = error
                continue
            known = params
            if tuple(params.values()) not in self.tried:
                break
        if known is None:
            raise refused or UsageError(f"no parameters of {self.function.name!r} were admitted")
        self.tried.add(tuple(known.values()))
        return known
