"""Implementations as people write them, for traces; in a file of their own, since its lines are looked for."""

from __future__ import annotations

from typing import Any

import torch


def quotient_silu(x: Any) -> Any:
    return x / (1 + torch.exp(-x))


def product_silu(x: Any) -> Any:
    return x * torch.sigmoid(x)


class LogisticFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        s = torch.sigmoid(x)
        ctx.save_for_backward(s)
        return s

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (s,) = ctx.saved_tensors
        return g * (s * (1 - s))


def saved_sigmoid(x: Any) -> Any:
    return LogisticFunction.apply(x)


def off_by_one_percent(x: Any) -> Any:
    return torch.tanh(x) * 1.01


def in_place(x: Any) -> Any:
    y = torch.exp(x)
    y.sub_(1)
    return y


@torch.library.custom_op("gradproof_tests::doubled", mutates_args=())
def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def by_custom_kernel(x: Any) -> Any:
    return torch.tanh(doubled(x) / 2)


def fused(x: Any) -> Any:
    return torch.nn.functional.silu(x)
