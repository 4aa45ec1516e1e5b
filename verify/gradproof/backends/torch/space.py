"""Programs in PyTorch. Imports torch; only ``TorchBackend`` imports this module, and late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd import forward_ad

from gradproof.backends.base import LANES, Backend, Implementation
from gradproof.backends.contract import called, found, refused, unless_user
from gradproof.backends.space import FORWARD_OVER_REVERSE, REVERSE_OVER_REVERSE, Array, Program, Space
from gradproof.backends.torch.calls import check_result, dead_end, dual
from gradproof.backends.torch.tensors import Tensor, bits_of, lacks, no_forward_rule, tensor
from gradproof.errors import Unsupported
from gradproof.formats import Format
from gradproof.formats.arrays import Bits


class TorchSpace(Space):
    """Tensors of one format on one device.

    What an autograd function raises is laid at the door of the implementation applied last.
    """

    ways = (FORWARD_OVER_REVERSE, REVERSE_OVER_REVERSE)

    def __init__(self, backend: Backend, fmt: Format, device: torch.device) -> None:
        super().__init__(backend, fmt)
        self._device = device
        self._applied: Implementation | None = None

    def array(self, bits: Bits) -> Array:
        """See the base class."""
        return tensor(bits, self.format, self._device)

    def bits(self, array: Array) -> Bits:
        """See the base class."""
        return bits_of(array, self.format)

    def apply(self, implementation: Implementation, x: Array) -> Array:
        """See the base class; padded to whole vectors, so that every element meets the vectorised kernel."""
        self._applied = implementation
        flat = x.reshape(-1)
        missing = -flat.numel() % LANES
        lanes = torch.cat([flat, flat[-1:].expand(missing)]) if missing and flat.numel() else flat.contiguous()
        own = unless_user(implementation, lacks)
        y = called(implementation, implementation.call, lanes, lambda error: own(error) or no_forward_rule(error))
        check_result(implementation, lanes, y)
        return y[: flat.numel()].reshape(x.shape)

    def with_convention(self, implementation: Implementation, x: Array, kink: Array, slope: Array) -> Array:
        """See the base class."""
        return _Convention.apply(x, kink, slope, lambda x: self.apply(implementation, x))

    def matmul(self, a: Array, b: Array) -> Array:
        """See the base class; on CUDA without TF32, unless the user allowed it."""
        return a @ b

    def total(self, a: Array) -> Array:
        """See the base class."""
        return a.sum()

    def sqrt(self, a: Array) -> Array:
        """See the base class."""
        return a.sqrt()

    def where(self, condition: Any, a: Array, b: Array) -> Array:
        """See the base class."""
        return torch.where(condition, a, b)

    def zeros_in(self, a: Array) -> int:
        """See the base class."""
        return int((a == 0).sum())

    def gradients(self, program: Program, arrays: Sequence[Array]) -> tuple[Array, list[Array]]:
        """See the base class."""
        leaves = _leaves(arrays)

        def gradient() -> tuple[Tensor, list[Tensor]]:
            with torch.enable_grad():
                value = program(leaves)
                return value.detach(), _vjp(value, leaves, None, create_graph=False)

        value, found = self._derived(1, gradient)
        return value, list(found)

    def hessian_vector(
        self, program: Program, arrays: Sequence[Array], directions: Sequence[Array], way: str
    ) -> list[Array]:
        """See the base class."""
        if way not in self.ways:
            raise Unsupported(f"torch has no way {way!r} to a Hessian-vector product; it has {', '.join(self.ways)}")
        product = _forward_over_reverse if way == FORWARD_OVER_REVERSE else _reverse_over_reverse
        return list(self._derived(2, lambda: product(program, _leaves(arrays), directions)))

    def _derived(self, order: int, action: Callable[[], Any]) -> Any:
        def synchronised() -> Any:
            result = action()
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            return result

        try:
            return synchronised()
        except (Exception, SystemExit) as error:
            if self._applied is None or found(error):
                raise
            refused(self._applied, order, error, lacks)


class _Convention(torch.autograd.Function):  # type: ignore[misc]
    """f(x) with a derivative of one's own choice at one point."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kink: Tensor, slope: Tensor, call: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(x, kink, slope)
        ctx.call = call
        return call(x)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None, None, None]:
        x, kink, slope = ctx.saved_tensors
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(True)
            y = ctx.call(leaf)
            (own,) = _vjp(y, [leaf], torch.ones_like(y), create_graph=False)
        return cotangent * torch.where(x == kink, slope, own), None, None, None


def _leaves(arrays: Sequence[Tensor]) -> list[Tensor]:
    return [a.detach().clone().requires_grad_(True) for a in arrays]


def _vjp(y: Any, leaves: Sequence[Tensor], cotangent: Any, *, create_graph: bool) -> list[Tensor]:
    """Gradients of y by the leaves; 0 where the graph does not connect them."""
    if not any(one.requires_grad for one in (y if isinstance(y, tuple) else (y,))):
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(y, leaves, cotangent, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(found, leaves, strict=True)]


def _reverse_over_reverse(program: Program, leaves: list[Tensor], directions: Sequence[Tensor]) -> list[Tensor]:
    with torch.enable_grad():
        first = _first(program(leaves), leaves)
        connected = [(g, v) for g, v in zip(first, directions, strict=True) if g.requires_grad]
        if not connected:
            return [torch.zeros_like(leaf) for leaf in leaves]
        gradients, vectors = zip(*connected, strict=True)
        return _vjp(gradients, leaves, list(vectors), create_graph=False)


def _forward_over_reverse(program: Program, leaves: list[Tensor], directions: Sequence[Tensor]) -> list[Tensor]:
    with forward_ad.dual_level(), torch.enable_grad():
        duals = [dual(leaf, v) for leaf, v in zip(leaves, directions, strict=True)]
        first = _first(program(duals), duals)
        tangents = [forward_ad.unpack_dual(g).tangent for g in first]
        return [torch.zeros_like(g) if t is None else t for t, g in zip(tangents, leaves, strict=True)]


def _first(value: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    """The gradient with its graph; NotImplementedError where that refuses to be differentiated."""
    if dead_end(value):
        raise NotImplementedError("the graph holds a function marked once_differentiable")
    one = torch.ones_like(value).requires_grad_(True)  # the mark shows in the graph of such a cotangent only
    found = _vjp(value, leaves, one, create_graph=True)
    if any(dead_end(g) for g in found):
        raise NotImplementedError("the graph holds a function marked once_differentiable")
    return found
