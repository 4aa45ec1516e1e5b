"""What second-order judges on programs: lone units and small networks against their exact Hessians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.extend import (
    LARGE,
    LARGE_ERROR,
    LOST_SIGNAL,
    SMALL_ERROR,
    WRONG_CLASS,
    Array,
    Bits,
    Floats,
    Probe,
    Space,
    Unsupported,
    Violations,
)
from gradproof.extend import arrays as fa
from gradproof_properties.flushing import least
from gradproof_properties.networks.hessians import (
    HessianProduct,
    Jets,
    Networks,
    hessian_times,
    jets,
    lone_units,
    networks,
    without_curvature,
)
from gradproof_properties.networks.two_layer import LoneUnits, TwoLayer, two_layer, unit

ROWS: Final = 4
INPUTS: Final = 2
HIDDEN: Final = 2
PARAMETERS: Final = (INPUTS + 1) * HIDDEN + HIDDEN
DIRECTIONS: Final = 2 * PARAMETERS
"""Each parameter's own, which give the Hessian column by column, and as many at random."""
MOST_NETWORKS: Final = 16
BY_HAND: Final = "by hand"


Refused = dict[str, Unsupported]
"""The ways to a product that a backend does not have, and why."""


@dataclass
class HessianResult:
    """What the parts of a check gather."""

    probe: Probe
    n: int = 0
    magnitude: float = 0.0
    violations: list[Violations] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)

    def judge(
        self, bits: Bits, got: Bits, due: Floats, room: Floats, shown: Callable[[int], str], *, pointwise: bool = False
    ) -> None:
        """Hold ``got`` to ``due`` within ``room``, where both are numbers; all of shape (n,). ``told`` words a row."""
        if not bits.size:
            return
        fmt = self.probe.format
        values = fa.values(got, fmt)
        with np.errstate(all="ignore"):
            error = np.abs(values - due)
            ratio = np.where(np.isfinite(values), error / room, np.inf)
            ratio[error == 0] = 0.0  # half of float64's least number is 0 as a room
        judged = np.isfinite(due) & np.isfinite(room)
        self.n += int(judged.sum())
        self.magnitude = max(self.magnitude, float(ratio[judged].max(initial=0.0)))
        wrong = judged & ~(ratio <= 1)
        if not wrong.any():
            return
        worst = int(np.argmax(np.where(wrong, ratio, -1.0)))
        severity = np.where(ratio >= LARGE, LARGE_ERROR, SMALL_ERROR)
        severity = np.where(values == 0, LOST_SIGNAL, severity)
        severity = np.where(np.isfinite(values), severity, WRONG_CLASS).astype(np.int8)
        felt = ~(error <= 8 * 2.0**-fmt.precision * np.abs(due[judged]).max())
        text = f"{shown(worst)} is {values[worst]:.6g} where {due[worst]:.6g} +- {room[worst]:.3g} is due"
        self.violations.append(
            Violations(bits[wrong], got[wrong], ratio[wrong], severity[wrong], felt[wrong], text, pointwise=pointwise)
        )


@dataclass(frozen=True)
class UnitStudy:
    """Lone units, with the exact second derivatives of their squared errors by their weights."""

    units: Networks
    z: Floats
    due: HessianProduct
    known: Any

    @classmethod
    def drawn(cls, probe: Probe, rng: np.random.Generator, count: int) -> UnitStudy:
        """At most ``count`` units for the probe's function and format."""
        units = lone_units(probe, rng, count)
        f = jets(probe, units.z)
        along = np.zeros_like(units.w)
        along[..., 0, :] = 1.0
        due = hessian_times(units, f, along, np.zeros_like(units.v), probe.format, least(probe))
        return cls(units, units.z[:, 0, 0], due, f.known[:, 0, 0])

    def judge(self, space: Space, ways: Sequence[str], found: HessianResult) -> Refused:
        """d2E/dw2 of all units by one product with a vector of ones, in each way; those that were refused."""
        probe, units = found.probe, self.units
        if not self.z.size:
            return {}
        numbers = (units.x[:, 0, 0], units.w[:, 1, 0], units.t[:, 0], units.w[:, 0, 0], np.ones(self.z.size))
        x, b, t, w, ones = (space.array(fa.round_values(a, probe.format)) for a in numbers)
        lone = LoneUnits(space, unit(space, probe.implementation), x, b, t)
        products, refused = _products(space, lone, [w], [ones], ways)
        bits = fa.round_values(self.z, probe.format)
        known = self.known
        z = self.z[known]

        def shown(i: int, way: str) -> str:
            return f"d2E/dw2 of a lone unit with w x + b = {float(z[i])!r}, {way},"

        for way, made in products.items():
            found.judge(
                bits[known], space.bits(made[0])[known], self.due.by_w[:, 0, 0][known],
                self.due.room_w[:, 0, 0][known], partial(shown, way=way),
            )  # fmt: skip
        return refused


@dataclass(frozen=True)
class NetworkStudy:
    """Small networks, with their exact Hessians times each parameter's direction and others at random."""

    nets: Networks
    along_w: Floats
    along_v: Floats
    f: Jets
    due: Floats
    room: Floats
    without: Floats
    """What would be due if f'' were 0."""
    known: Any

    @classmethod
    def drawn(cls, probe: Probe, rng: np.random.Generator) -> NetworkStudy:
        """Networks for the probe's function and format, as many as the profile affords."""
        nets = networks(probe, rng, min(probe.budget.depth // 8, MOST_NETWORKS), ROWS, INPUTS, HIDDEN)
        count = len(nets.v)
        one, any_ = np.eye(PARAMETERS), rng.integers(-4, 5, (count, DIRECTIONS - PARAMETERS, PARAMETERS)) / 4
        along = np.concatenate([np.broadcast_to(one, (count, *one.shape)), any_], axis=1)
        along_w = along[..., :-HIDDEN].reshape(count, DIRECTIONS, INPUTS + 1, HIDDEN)
        along_v = along[..., -HIDDEN:]
        f = jets(probe, nets.z)
        each = replace(nets, **{name: getattr(nets, name)[:, None] for name in ("x", "t", "w", "v")})
        exact = tuple(part[:, None] for part in f.exact)
        room = tuple(part[:, None] for part in f.room)
        spread = Jets(exact, room, f.known)  # type: ignore[arg-type]
        due = hessian_times(each, spread, along_w, along_v, probe.format, least(probe))
        without = without_curvature(each, spread, along_w, along_v)
        return cls(
            nets, along_w, along_v, f, _joined(due.by_w, due.by_v), _joined(due.room_w, due.room_v),
            _joined(*without), f.known.all(axis=(1, 2)),
        )  # fmt: skip

    @property
    def pre_activations(self) -> int:
        """How many the wide network of ``judge`` has."""
        return self.along_v.size * ROWS

    def judge(self, space: Space, ways: Sequence[str], found: HessianResult) -> Refused:
        """All products at once, in each way; those that were refused.

        Each product is one output of a wide network whose blocks do not see each other.
        """
        if not self.known.any():
            return {}
        products, refused = self._products(space, ways, found.probe)
        for way, made in products.items():
            self._judge(made, way, found)
        return refused

    def _judge(self, made: Bits, way: str, found: HessianResult) -> None:
        fmt = found.probe.format
        z = fa.round_values(self.nets.z[:, 0], fmt)
        bits = np.broadcast_to(np.tile(z, (1, INPUTS + 2))[:, None], made.shape)
        places = np.argwhere(np.broadcast_to(self.known[:, None, None], made.shape))

        def shown(i: int) -> str:
            net, direction, parameter = places[i]
            return f"{_entry(direction, parameter)} of network {net}, {way},"

        known = self.known
        found.judge(
            bits[known].ravel(), made[known].ravel(), self.due[known].ravel(), self.room[known].ravel(), shown
        )  # fmt: skip
        found.measured[way] = self._figures(fa.values(made, fmt))

    def _products(self, space: Space, ways: Sequence[str], probe: Probe) -> tuple[dict[str, Bits], Refused]:
        """The backend's products by way, of shape (networks, directions, parameters); what was refused."""
        nets, count = self.nets, len(self.nets.v)
        copies = count * DIRECTIONS
        block = np.eye(copies)[:, None, :]

        def wide_w(w: Floats) -> Floats:
            return np.moveaxis(np.broadcast_to(w, self.along_w.shape), 2, 0).reshape(INPUTS + 1, -1)

        def wide_v(v: Floats) -> Floats:
            flat = np.broadcast_to(v, self.along_v.shape).reshape(copies, HIDDEN, 1)
            return np.asarray((flat * block).reshape(-1, copies))

        t = np.repeat(nets.t.T, DIRECTIONS, axis=1)
        numbers = (
            nets.x[0], t, wide_w(nets.w[:, None]), wide_v(nets.v[:, None]), wide_w(self.along_w), wide_v(self.along_v)
        )  # fmt: skip
        x, t, w, v, along_w, along_v = (space.array(fa.round_values(a, probe.format)) for a in numbers)
        network = two_layer(space, probe.implementation, x, t)
        products, refused = _products(space, network, [w, v], [along_w, along_v], ways)
        diagonal = np.arange(copies)

        def unpacked(made: Sequence[Array]) -> Bits:
            by_w = space.bits(made[0]).reshape(INPUTS + 1, count, DIRECTIONS, HIDDEN)
            by_v = space.bits(made[1]).reshape(copies, HIDDEN, copies)[diagonal, :, diagonal]
            return _joined(np.moveaxis(by_w, 0, 2), by_v.reshape(count, DIRECTIONS, HIDDEN))

        return {way: unpacked(made) for way, made in products.items()}, refused

    def _figures(self, got: Floats) -> dict[str, Any]:
        """What is measured and not judged; ``got`` as ``due``."""
        known = self.known
        hessian, due, room = (a[known][:, :PARAMETERS] for a in (got, self.due, self.room))
        unit_of = np.arange(PARAMETERS) % HIDDEN
        cross = (unit_of[:, None] != unit_of) & (np.abs(due) > room)
        own = np.abs(hessian - self.without[known][:, :PARAMETERS])
        diagonal = np.diagonal(hessian, axis1=1, axis2=2)
        return {
            "cross_terms_due": int(cross.sum()),
            "cross_terms_got": int((cross & (hessian != 0)).sum()),
            "second_derivative_terms_due": _figure(np.abs(due - self.without[known][:, :PARAMETERS]).max()),
            "second_derivative_terms_got": _figure(own.max()),
            "asymmetry": _figure(np.abs(hessian - hessian.swapaxes(1, 2)).max()),
            "rmsprop_rank_correlation": _rank_correlation(self._accumulators()[known].ravel(), diagonal.ravel()),
        }

    def _accumulators(self) -> Floats:
        """What RMSprop's accumulator of squared gradients tends to over single rows at fixed weights.

        The mean over the rows of (dE/dw)^2 (Hinton, Neural Networks for Machine Learning, lecture 6e, 2012); shape
        (networks, parameters).
        """
        h, slope = (part.hi for part in self.f.exact[:2])
        nets = self.nets
        delta = 2 * ((h * nets.v[:, None]).sum(-1) - nets.t)[..., None]
        by_w = nets.x[..., None] * (delta * nets.v[:, None] * slope)[:, :, None, :]
        by_v = delta * h
        return _joined((by_w**2).mean(axis=1), (by_v**2).mean(axis=1))


def _products(
    space: Space, program: LoneUnits | TwoLayer, at: list[Array], along: list[Array], ways: Sequence[str]
) -> tuple[dict[str, Sequence[Array]], Refused]:
    """The Hessian times a direction in each way; and the ways that the backend does not have for this program.

    In one compiled call where there is compiling: the ways have most of their work in common.
    """
    n = len(at)

    def one(way: str, *given: Array) -> Sequence[Array]:
        if way == BY_HAND:
            return program.hessian_vector(*given)
        return space.hessian_vector(program.program, given[:n], given[n:], way)

    try:
        if BY_HAND not in ways:  # by hand f' and f'' are asked for as accuracy does, at arrays
            made = space.compiled(lambda *given: [one(way, *given) for way in ways])(*at, *along)
            return dict(zip(ways, made, strict=True)), {}
    except Unsupported:
        pass  # one of the ways, or all
    products: dict[str, Sequence[Array]] = {}
    refused: Refused = {}
    for way in ways:
        try:
            products[way] = one(way, *at, *along)
        except Unsupported as lacking:
            refused[way] = lacking
    return products, refused


def _joined(by_w: Any, by_v: Any) -> npt.NDArray[Any]:
    """One axis of parameters: w by inputs and then units, then v."""
    joined: npt.NDArray[Any] = np.concatenate([by_w.reshape(*by_v.shape[:-1], -1), by_v], axis=-1)
    return joined


def _entry(direction: int, parameter: int) -> str:
    if direction >= PARAMETERS:
        return f"the component by {_name(parameter)} of the Hessian times a direction"
    return f"d2E/d{_name(direction)}d{_name(parameter)}"


def _name(parameter: int) -> str:
    row, column = divmod(parameter, HIDDEN)
    return f"v[{column}]" if row > INPUTS else f"w[{row},{column}]"


def _figure(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _rank_correlation(a: Floats, b: Floats) -> float | None:
    """Spearman's; None where one of them is constant or not finite."""
    if not np.isfinite(b).all() or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    a, b = (np.unique(values, return_inverse=True)[1].astype(np.float64) for values in (a, b))
    a, b = a - a.mean(), b - b.mean()
    return round(float(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))), 3)
