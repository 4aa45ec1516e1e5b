"""A fused GELU with its derivatives as Triton kernels: run ``gradproof check gelu.py`` where there is a CUDA GPU.

On a machine without one its cells are ``not-run``, with the reason.
"""

import torch
import triton
import triton.language as tl

import gradproof as gp

BLOCK = 1024
SQRT_HALF = tl.constexpr(0.7071067811865476)
INV_SQRT_2PI = tl.constexpr(0.3989422804014327)


@triton.jit
def normal_cdf(x):
    # erfc keeps the digits of the lower tail, where 1 + erf cancels.
    return 0.5 * tl.extra.cuda.libdevice.erfc(-x * SQRT_HALF)


@triton.jit
def gelu_kernel(x_ptr, y_ptr, n, order: tl.constexpr, block: tl.constexpr):
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < n
    x = tl.load(x_ptr + at, mask=inside, other=0.0)
    wide = x.to(tl.float64) if order > 0 or x.dtype == tl.float64 else x.to(tl.float32)
    density = INV_SQRT_2PI * tl.exp(-0.5 * wide * wide)
    if order == 0:
        y = wide * normal_cdf(wide)
        y = tl.where(wide == float("-inf"), 0.0, y)
    elif order == 1:
        y = normal_cdf(wide) + tl.where(density == 0.0, 0.0, wide * density)
    else:
        y = tl.where(density == 0.0, 0.0, (2.0 - wide * wide) * density)
    tl.store(y_ptr + at, y.to(x.dtype), mask=inside)


def launched(x, order):
    y = torch.empty_like(x)
    n = x.numel()
    gelu_kernel[(triton.cdiv(n, BLOCK),)](x.contiguous(), y, n, order=order, block=BLOCK)
    return y


class Gelu(torch.autograd.Function):
    """f^(order); its derivative is f^(order + 1), up to the second."""

    @staticmethod
    def forward(x, order):
        return launched(x, order)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.order = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, cotangent):
        if ctx.order == 2:
            raise NotImplementedError("the third derivative")
        return cotangent * Gelu.apply(ctx.saved_tensors[0], ctx.order + 1), None


@gp.implements("gelu", backend="torch:cuda", formats=["float32", "float16", "bfloat16"])
def gelu(x):
    return Gelu.apply(x, 0)
