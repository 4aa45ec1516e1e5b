"""Update rules of gradient training over any backend's arrays, each as in the documentation of ``torch.optim``.

p is the parameter, g its gradient, t = 1, 2, ... the step; products are element by element, and state starts at 0.
The numbers are torch 2.13's defaults, but lr 1e-2 for the first two, where torch has 1e-3, and momentum 0.9, where
it has 0.

    gradient descent   p - lr g                                                          lr 1e-2
    momentum           b = mu b + g;  p - lr b                                           lr 1e-2, mu 0.9
    adam               m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;                  lr 1e-3, b1 0.9, b2 0.999,
                       p - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)          eps 1e-8
    rmsprop            v = a v + (1 - a) g^2;  p - lr g / (sqrt(v) + eps)                lr 1e-2, a 0.99, eps 1e-8
    adadelta           v = r v + (1 - r) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g;      lr 1, r 0.9, eps 1e-6
                       u = r u + (1 - r) d^2;  p - lr d
    adagrad            s = s + g^2;  p - lr g / (sqrt(s) + eps)                          lr 1e-2, eps 1e-10

Momentum is Polyak's (1964), Adam Kingma and Ba's (2015), RMSprop Tieleman and Hinton's (2012), Adadelta Zeiler's
(2012), Adagrad Duchi, Hazan and Singer's (2011). An eps below the format's least normal number is that number: as 0 it
would make 0/0 of every gradient of 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gradproof.extend import Array, Space
from gradproof_properties.networks.two_layer import Pointwise

State = tuple[Array, ...]
Constants = Mapping[str, Array]
Update = Callable[[Constants, Pointwise, Array, Array, State], tuple[Array, State]]
"""(constants, sqrt, parameter, gradient, state) to (parameter, state)."""


@dataclass(frozen=True)
class Optimiser:
    """One optimiser: its update, its numbers, and how many arrays of state it keeps."""

    name: str
    update: Update
    constants: Mapping[str, float]
    slots: int = 0
    varying: Callable[[int], Mapping[str, float]] = lambda step: {}
    """Numbers that depend on the step, counted from 1."""

    def numbers(self, space: Space) -> dict[str, Array]:
        """The constants in the space's format."""
        least = float(space.format.min_normal)
        return {name: space.number(max(x, least) if name == "eps" else x) for name, x in self.constants.items()}


def _descent(c: Constants, sqrt: Pointwise, p: Array, g: Array, state: State) -> tuple[Array, State]:
    return p - c["lr"] * g, ()


def _momentum(c: Constants, sqrt: Pointwise, p: Array, g: Array, state: State) -> tuple[Array, State]:
    b = c["mu"] * state[0] + g
    return p - c["lr"] * b, (b,)


def _adam(c: Constants, sqrt: Pointwise, p: Array, g: Array, state: State) -> tuple[Array, State]:
    m = c["b1"] * state[0] + c["rest1"] * g
    v = c["b2"] * state[1] + c["rest2"] * (g * g)
    return p - c["rate"] * (m / (sqrt(v) / c["root"] + c["eps"])), (m, v)


def _adam_varying(step: int) -> Mapping[str, float]:
    return {"rate": 1e-3 / (1 - 0.9**step), "root": math.sqrt(1 - 0.999**step)}


def _rmsprop(c: Constants, sqrt: Pointwise, p: Array, g: Array, state: State) -> tuple[Array, State]:
    v = c["a"] * state[0] + c["rest"] * (g * g)
    return p - c["lr"] * (g / (sqrt(v) + c["eps"])), (v,)


def _adadelta(c: Constants, sqrt: Pointwise, p: Array, g: Array, state: State) -> tuple[Array, State]:
    v = c["r"] * state[0] + c["rest"] * (g * g)
    d = sqrt(state[1] + c["eps"]) / sqrt(v + c["eps"]) * g
    u = c["r"] * state[1] + c["rest"] * (d * d)
    return p - c["lr"] * d, (v, u)


def _adagrad(c: Constants, sqrt: Pointwise, p: Array, g: Array, state: State) -> tuple[Array, State]:
    s = state[0] + g * g
    return p - c["lr"] * (g / (sqrt(s) + c["eps"])), (s,)


RULES: Final = (
    Optimiser("gradient descent", _descent, {"lr": 1e-2}),
    Optimiser("momentum", _momentum, {"lr": 1e-2, "mu": 0.9}, slots=1),
    Optimiser("adam", _adam, {"b1": 0.9, "rest1": 0.1, "b2": 0.999, "rest2": 0.001, "eps": 1e-8}, 2, _adam_varying),
    Optimiser("rmsprop", _rmsprop, {"lr": 1e-2, "a": 0.99, "rest": 0.01, "eps": 1e-8}, slots=1),
    Optimiser("adadelta", _adadelta, {"lr": 1.0, "r": 0.9, "rest": 0.1, "eps": 1e-6}, slots=2),
    Optimiser("adagrad", _adagrad, {"lr": 1e-2, "eps": 1e-10}, slots=1),
)
LINEAR: Final = ("gradient descent", "momentum")
"""The rules whose first step is p - lr g, so that a difference of gradients becomes lr times it."""


class Optimisers:
    """One step of several rules at once, each on a parameter of its own: one compiled call where there is compiling."""

    def __init__(self, space: Space, rules: Sequence[Optimiser] = RULES) -> None:
        self.rules = tuple(rules)
        self._sqrt = space.sqrt
        self._constants = [rule.numbers(space) for rule in rules]
        plain = self._advance
        self.advance = space.compiled(plain)
        self.compiled: bool = self.advance is not plain
        """Whether ``advance`` is worth keeping beyond the space."""

    def start(self, space: Space, *shape: int) -> tuple[State, ...]:
        """The state before the first step."""
        return tuple(tuple(space.zeros(*shape) for _ in range(rule.slots)) for rule in self.rules)

    def varying(self, space: Space, step: int) -> list[dict[str, Array]]:
        """The numbers of a step, counted from 1."""
        return [{name: space.number(x) for name, x in rule.varying(step).items()} for rule in self.rules]

    def _advance(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        states: Sequence[State],
        varying: Sequence[Mapping[str, Array]],
    ) -> tuple[list[Array], tuple[State, ...]]:
        done = [
            rule.update({**constants, **now}, self._sqrt, p, g, state)
            for rule, constants, now, p, g, state in zip(
                self.rules, self._constants, varying, parameters, gradients, states, strict=True
            )
        ]
        return [p for p, _ in done], tuple(state for _, state in done)
