"""Programs over a backend's own arrays: what networks are made of, and derivatives of whole programs.

A claim about one input asks ``Backend.evaluate``. A claim about a network writes the network once, against a
``Space``: the arrays are the framework's, so are products, sums and derivatives, and the operators ``+ - * /``, ``<``,
``==`` and ``.T`` are used as they are. Numbers go in as ``number``, since a Python float would widen some formats.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np

from gradproof.backends.implementation import Call, Implementation
from gradproof.errors import Unsupported
from gradproof.formats import Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits

Array = Any
"""An array of the backend in the space's format, on the backend's device."""
Program = Callable[[Sequence[Array]], Array]
"""Arrays to one array of shape (); everything else it uses it closes over."""

FORWARD_OVER_REVERSE: Final = "forward-over-reverse"
REVERSE_OVER_REVERSE: Final = "reverse-over-reverse"


class Evaluator(Protocol):
    """What a space asks of its backend."""

    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        """As ``Backend.paths``."""

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """As ``Backend.evaluate``."""


class Space(abc.ABC):
    """Arrays of one backend in one format. Made by ``Backend.space`` and used inside its ``with`` block only."""

    ways: tuple[str, ...] = ()
    """The ways to a Hessian-vector product; empty on a backend without AD."""

    def __init__(self, backend: Evaluator, fmt: Format) -> None:
        self.format = fmt
        self._backend = backend

    @abc.abstractmethod
    def array(self, bits: Bits) -> Array:
        """A fresh array with exactly these bits; shape kept."""

    @abc.abstractmethod
    def bits(self, array: Array) -> Bits:
        """The bits of an array of the format; shape kept."""

    def number(self, value: float) -> Array:
        """``value`` rounded to the format, as an array of shape ()."""
        return self.array(fa.round_values(np.array([value], np.float64), self.format).reshape(()))

    def zeros(self, *shape: int) -> Array:
        """Zeros of the format."""
        return self.array(np.zeros(shape, fa.storage(self.format)))

    @abc.abstractmethod
    def apply(self, implementation: Implementation, x: Array) -> Array:
        """``implementation`` at every element of x, differentiable where the backend has AD; shape kept.

        The callable sees a one-dimensional array. Raises Unsupported and ImplementationFault as
        ``Backend.evaluate`` does.
        """

    def derivative(self, implementation: Implementation, x: Array, order: int = 1) -> Array:
        """f^(order) at every element of x by the implementation's first AD path, or as it was handed in.

        On concrete arrays only; no gradient passes through it.
        """
        call = Call(order=order, path=self._backend.paths(implementation)[0])
        return self.array(self._backend.evaluate(implementation, self.bits(x), self.format, call))

    def with_convention(self, implementation: Implementation, x: Array, kink: Array, slope: Array) -> Array:
        """``apply`` whose derivative is ``slope`` where x == ``kink`` (both of shape ()), and its own elsewhere.

        Raises Unsupported on a backend without AD.
        """
        raise self._no_ad()

    @abc.abstractmethod
    def matmul(self, a: Array, b: Array) -> Array:
        """``a @ b`` in the format, at the framework's highest precision; a and b of two dimensions."""

    @abc.abstractmethod
    def total(self, a: Array) -> Array:
        """The sum of all elements, of shape ()."""

    @abc.abstractmethod
    def sqrt(self, a: Array) -> Array:
        """Square roots, element by element."""

    @abc.abstractmethod
    def where(self, condition: Any, a: Array, b: Array) -> Array:
        """``a`` where the condition holds, ``b`` elsewhere."""

    @abc.abstractmethod
    def zeros_in(self, a: Array) -> int:
        """How many elements the backend finds equal to 0; subnormal ones too where it reads them as 0."""

    def compiled(self, action: Callable[..., Any]) -> Callable[..., Any]:
        """``action`` on arrays, compiled where that is how the framework's users run it (JAX); else as it is.

        What cannot be traced runs uncompiled.
        """
        return action

    def gradients(self, program: Program, arrays: Sequence[Array]) -> tuple[Array, list[Array]]:
        """The program's value and its derivatives by every array, in reverse mode.

        An array that the program does not depend on has derivative 0. Raises Unsupported on a backend without AD.
        """
        raise self._no_ad()

    def hessian_vector(
        self, program: Program, arrays: Sequence[Array], directions: Sequence[Array], way: str
    ) -> list[Array]:
        """The Hessian times a direction, one array per array; ``way`` is one of ``ways``.

        Raises Unsupported for a way the backend lacks, or a second derivative the framework lacks.
        """
        raise self._no_ad()

    def _no_ad(self) -> Unsupported:
        return Unsupported("the backend has no AD over programs")
