"""Programs in JAX. Imports jax; only ``JaxBackend`` imports this module, and late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradproof.backends.base import Backend, Implementation
from gradproof.backends.contract import found, refused
from gradproof.backends.jax.calls import array, bits_of, guarded, lacks
from gradproof.backends.space import FORWARD_OVER_REVERSE, REVERSE_OVER_REVERSE, Array, Program, Space
from gradproof.errors import Unsupported
from gradproof.formats import Format
from gradproof.formats.arrays import Bits


class JaxSpace(Space):
    """Arrays of one format on one device."""

    ways = (FORWARD_OVER_REVERSE, REVERSE_OVER_REVERSE)

    def __init__(self, backend: Backend, fmt: Format, device: Any) -> None:
        super().__init__(backend, fmt)
        self._device = device
        self._applied: Implementation | None = None
        self._compiling = False

    def array(self, bits: Bits) -> Array:
        """See the base class."""
        return array(bits, self.format, self._device)

    def bits(self, array: Array) -> Bits:
        """See the base class."""
        return bits_of(array, self.format)

    def apply(self, implementation: Implementation, x: Array) -> Array:
        """See the base class."""
        self._applied = implementation
        return guarded(implementation, compiled=self._compiling)(x.reshape(-1)).reshape(x.shape)

    def with_convention(self, implementation: Implementation, x: Array, kink: Array, slope: Array) -> Array:
        """See the base class."""
        return _convention(lambda x: self.apply(implementation, x), x, kink, slope)

    def matmul(self, a: Array, b: Array) -> Array:
        """See the base class; JAX's default precision would be TF32 on CUDA."""
        return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)

    def total(self, a: Array) -> Array:
        """See the base class."""
        return a.sum()

    def sqrt(self, a: Array) -> Array:
        """See the base class."""
        return jnp.sqrt(a)

    def where(self, condition: Any, a: Array, b: Array) -> Array:
        """See the base class."""
        return jnp.where(condition, a, b)

    def zeros_in(self, a: Array) -> int:
        """See the base class."""
        return int((a == 0).sum())

    def compiled(self, action: Callable[..., Any]) -> Callable[..., Any]:
        """See the base class."""
        made = jax.jit(action)
        traceable = True

        def call(*arrays: Array) -> Any:
            nonlocal traceable
            if traceable:
                self._compiling = True
                try:
                    return self._derived(1, lambda: made(*arrays))
                except Unsupported:  # control flow on values, say: such a function runs eagerly only
                    traceable = False
                finally:
                    self._compiling = False
            return self._derived(1, lambda: action(*arrays))

        return call

    def gradients(self, program: Program, arrays: Sequence[Array]) -> tuple[Array, list[Array]]:
        """See the base class."""
        value, found = self._derived(1, lambda: jax.value_and_grad(program)(list(arrays)))
        return value, list(found)

    def hessian_vector(
        self, program: Program, arrays: Sequence[Array], directions: Sequence[Array], way: str
    ) -> list[Array]:
        """See the base class."""
        if way not in self.ways:
            raise Unsupported(f"jax has no way {way!r} to a Hessian-vector product; it has {', '.join(self.ways)}")
        gradient, at, along = jax.grad(program), list(arrays), list(directions)
        if way == FORWARD_OVER_REVERSE:
            return list(self._derived(2, lambda: jax.jvp(gradient, (at,), (along,))[1]))
        return list(self._derived(2, lambda: jax.vjp(gradient, at)[1](along)[0]))

    def _derived(self, order: int, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (Exception, SystemExit) as error:
            if self._applied is None or found(error):
                raise
            refused(self._applied, order, error, lacks)


def _convention(call: Callable[[Any], Any], x: Array, kink: Array, slope: Array) -> Array:
    # In reverse mode throughout: a user's function may have a rule for that one only.
    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def f(x: Array, kink: Array, slope: Array) -> Array:
        return call(x)

    def forward(x: Array, kink: Array, slope: Array) -> Any:
        return call(x), (x, kink, slope)

    def backward(kept: Any, cotangent: Array) -> Any:
        x, kink, slope = kept
        _, pull = jax.vjp(call, x)
        own = pull(jnp.ones_like(x))[0]
        return jnp.where(x == kink, slope, own) * cotangent, jnp.zeros_like(kink), jnp.zeros_like(slope)

    f.defvjp(forward, backward)
    return f(x, kink, slope)
