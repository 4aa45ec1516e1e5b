"""Small networks over any backend's arrays: for AD, and with their derivatives written by hand where there is none.

The two-layer network with a bias column is

    z = x w,  h = f(z),  y = h v,  E = sum((y - t)^2)

with x of shape (rows, inputs + 1), whose last column is ones, w (inputs + 1, hidden), v (hidden, outputs) and t
(rows, outputs). The lone unit is E = (f(w x + b) - t)^2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradproof.extend import Array, Implementation, Program, Space

Pointwise = Callable[[Array], Array]
"""f, f' or f'' at every element of an array; shape kept."""


@dataclass(frozen=True)
class TransferFunction:
    """The transfer function: f, f' and f''.

    AD needs ``value`` alone; what is written by hand needs ``slope``, and Hessian-vector products ``curvature`` too.
    To choose f' at a kink, replace ``slope`` (and ``value`` by ``Space.with_convention``, for AD).
    """

    value: Pointwise
    slope: Pointwise
    curvature: Pointwise


def unit(space: Space, implementation: Implementation) -> TransferFunction:
    """An implementation with its own derivatives: by AD, or as they were handed in."""
    return TransferFunction(
        lambda z: space.apply(implementation, z),
        lambda z: space.derivative(implementation, z, 1),
        lambda z: space.derivative(implementation, z, 2),
    )


@dataclass(frozen=True)
class TwoLayer:
    """Squared error of the two-layer network at data x and targets t, as a function of the weights w and v."""

    space: Space
    f: TransferFunction
    x: Array
    t: Array

    def forward(self, w: Array, v: Array) -> tuple[Array, Array, Array]:
        """z of shape (rows, hidden), h = f(z) and y of shape (rows, outputs)."""
        z = self.space.matmul(self.x, w)
        h = self.f.value(z)
        return z, h, self.space.matmul(h, v)

    @property
    def program(self) -> Program:
        """E as a program of [w, v], for ``Space.gradients`` and ``Space.hessian_vector``."""

        def error(arrays: Sequence[Array]) -> Array:
            w, v = arrays
            residual = self.forward(w, v)[2] - self.t
            return self.space.total(residual * residual)

        return error

    def gradients(self, w: Array, v: Array) -> tuple[Array, list[Array]]:
        """E and [dE/dw, dE/dv] by back-propagation written by hand: the answer of ``Space.gradients``."""
        z, h, y = self.forward(w, v)
        residual = y - self.t
        delta = self.space.number(2.0) * residual
        hidden = self.space.matmul(delta, v.T) * self.f.slope(z)
        gradient = [self.space.matmul(self.x.T, hidden), self.space.matmul(h.T, delta)]
        return self.space.total(residual * residual), gradient

    def hessian_vector(self, w: Array, v: Array, along_w: Array, along_v: Array) -> list[Array]:
        """The Hessian times the direction [along_w, along_v] by hand: the answer of ``Space.hessian_vector``.

        Pearlmutter's R-operator (Neural Computation 6, 1994): every line of back-propagation is differentiated along
        the direction.
        """
        matmul, two = self.space.matmul, self.space.number(2.0)
        z, h, y = self.forward(w, v)
        delta = two * (y - self.t)
        slope, back = self.f.slope(z), matmul(delta, v.T)
        r_z = matmul(self.x, along_w)
        r_h = slope * r_z
        r_delta = two * (matmul(r_h, v) + matmul(h, along_v))
        r_back = matmul(r_delta, v.T) + matmul(delta, along_v.T)
        r_hidden = r_back * slope + back * (self.f.curvature(z) * r_z)
        return [matmul(self.x.T, r_hidden), matmul(r_h.T, delta) + matmul(h.T, r_delta)]


def two_layer(space: Space, implementation: Implementation, x: Array, t: Array) -> TwoLayer:
    """The two-layer network of an implementation."""
    return TwoLayer(space, unit(space, implementation), x, t)


@dataclass(frozen=True)
class LoneUnits:
    """The sum of the squared errors of independent lone units, as a function of their weights; all shapes (n,)."""

    space: Space
    f: TransferFunction
    x: Array
    b: Array
    t: Array

    @property
    def program(self) -> Program:
        """E as a program of [w]."""

        def error(arrays: Sequence[Array]) -> Array:
            residual = self.f.value(arrays[0] * self.x + self.b) - self.t
            return self.space.total(residual * residual)

        return error

    def hessian_vector(self, w: Array, along_w: Array) -> list[Array]:
        """The Hessian, which is diagonal, times a direction, by hand."""
        two = self.space.number(2.0)
        z = w * self.x + self.b
        delta = two * (self.f.value(z) - self.t)
        slope, r_z = self.f.slope(z), along_w * self.x
        r_delta = two * (slope * r_z)
        return [self.x * (r_delta * slope + delta * (self.f.curvature(z) * r_z))]
