"""Chains in PyTorch. Imports torch; only ``TorchBackend`` imports this module, and late."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gradproof.backends.base import Implementation
from gradproof.backends.contract import called, differentiated, handed_in, unless_user
from gradproof.backends.torch.calls import TorchCall
from gradproof.backends.torch.tensors import Tensor, bits_of, lacks, tensor
from gradproof.formats import Format
from gradproof.formats.arrays import Bits


class TorchChain:
    """The steps ``h -> f(w h)`` of one chain, and their pull-backs on rows of shape (depth, n)."""

    def __init__(
        self,
        implementation: Implementation,
        weights: Sequence[float],
        lanes: Bits,
        fmt: Format,
        device: torch.device,
    ) -> None:
        self.implementation = implementation
        self.weights = weights
        self.fmt = fmt
        self.device = device
        self.hidden: list[Tensor] = []
        self.inputs: list[Bits] = []
        h = tensor(lanes, fmt, device)
        with torch.no_grad():
            for w in weights:
                self.hidden.append(h)
                self.inputs.append(bits_of(w * h, fmt))
                h = TorchCall(implementation, implementation.call, self.inputs[-1], fmt, device).value()

    def ones(self) -> Tensor:
        """Rows of ones."""
        first = self.hidden[0]
        return torch.ones((len(self.weights), first.numel()), dtype=first.dtype, device=self.device)

    def start(self, rows: Tensor, k: int) -> Tensor:
        """``rows`` with row k set to 1."""
        rows = rows.clone()
        rows[k] = 1
        return rows

    def pull(self, k: int, rows: Tensor) -> Tensor:
        """Every row times d h[k+1] / d h[k]."""
        w = self.weights[k]
        if self.implementation.derivatives:
            first = handed_in(self.implementation, 1)
            slope = TorchCall(first, first.call, self.inputs[k], self.fmt, self.device).value()
            return (rows * slope) * w
        h = self.hidden[k].repeat(len(self.weights)).requires_grad_(True)
        with torch.enable_grad():
            y = called(
                self.implementation,
                lambda h: self.implementation.call(w * h),
                h,
                unless_user(self.implementation, lacks),
            )

        def gradient() -> Tensor:
            if not y.requires_grad:
                return torch.zeros_like(h)
            (g,) = torch.autograd.grad(y, h, rows.reshape(-1), allow_unused=True)
            return torch.zeros_like(h) if g is None else g

        return differentiated(self.implementation, 1, gradient, lacks).reshape(rows.shape)
