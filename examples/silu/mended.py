"""The same SiLU mended, with its derivatives: run ``gradproof check mended.py``.

With h = exp(-|x| / 2), sigmoid(-|x|) = h * h / (1 + h^2): the two factors h are multiplied in one after the other, so
that x exp(x) keeps its digits down to the least subnormal number. sigmoid(x) and sigmoid(-x) are both computed, neither
by subtraction from 1, and every derivative is written with them. 16-bit formats go through float32, float32's
derivatives through float64.
"""

import torch

import gradproof as gp


def times_sigmoid(a, x):
    """a * sigmoid(x); 0 where that is a number times 0, whatever a is."""
    h = torch.exp(-x.abs() / 2)
    one = 1 / (1 + h * h)
    small = torch.where(h == 0, torch.zeros_like(h), a * h) * (h * one)
    return torch.where(x < 0, small, a * one)


def value(x):
    """x s(x), with s = sigmoid."""
    return times_sigmoid(x, x)


def first(x):
    """s(x) (1 + x s(-x))."""
    return times_sigmoid(1 + times_sigmoid(x, -x), x)


def second(x):
    """s(x) s(-x) (2 + x (s(-x) - s(x))), which is even."""
    a = x.abs()
    bracket = 2 + times_sigmoid(a, -a) - times_sigmoid(a, a)
    return times_sigmoid(times_sigmoid(bracket, -a), a)


def through(wider, formula, x):
    """``formula`` in a wider format, rounded once."""
    return formula(x.to(wider)).to(x.dtype) if x.dtype != torch.float64 else formula(x)


class SiLU(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return through(torch.float32 if x.dtype.itemsize < 4 else x.dtype, value, x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, cotangent):
        return cotangent * Slope.apply(*ctx.saved_tensors)


class Slope(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return through(torch.float64, first, x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, cotangent):
        return cotangent * through(torch.float64, second, *ctx.saved_tensors)


@gp.implements("silu", backend="torch")
def silu(x):
    return SiLU.apply(x)
