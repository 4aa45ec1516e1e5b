"""Ten elementwise Triton kernels, five of them wrong: ``gradproof check kernels.py --target sm_90``, without a GPU."""

import triton
import triton.language as tl
from triton.language.extra import libdevice

import gradproof as gp

LOG2E = tl.constexpr(1.4426950408889634)
SQRT_HALF = tl.constexpr(0.7071067811865476)

softcap = gp.function("softcap", oracle=lambda m, x, cap: cap * m.tanh(x / cap), params={"cap": 30.0})
biased = gp.function("biased_silu", oracle=lambda m, x, bias: (x + bias) * m.sigmoid(x + bias), params={"bias": 0.5})


@triton.jit
def here(n, block: tl.constexpr):
    at = tl.program_id(0) * block + tl.arange(0, block)
    return at, at < n


@triton.jit
def branched(x):
    # e^-|x| never overflows, so neither tail is lost.
    e = tl.exp2(-tl.abs(x) * LOG2E)
    return tl.where(x >= 0, 1.0, e) / (1.0 + e)


@triton.jit
def silu_of(x):
    # e^x is flushed before x e^x is: its square root is not.
    h = tl.exp2(-tl.abs(x) * (LOG2E / 2))
    y = tl.where(x >= 0, x, x * h * h) / (1.0 + h * h)
    return tl.where(x == float("-inf"), 0.0, y)


@gp.implements("sigmoid", backend="triton", formats=["float32", "bfloat16"])
@triton.jit
def sigmoid(x_ptr, y_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    x = tl.load(x_ptr + at, mask=inside).to(tl.float32)
    tl.store(y_ptr + at, branched(x), mask=inside)


@gp.implements(softcap, backend="triton", formats="float16")
@triton.jit
def capped(x_ptr, y_ptr, cap, n, block: tl.constexpr):
    at, inside = here(n, block)
    x = tl.load(x_ptr + at, mask=inside).to(tl.float32)
    tl.store(y_ptr + at, cap * libdevice.tanh(x / cap), mask=inside)


@gp.implements("gelu", backend="triton", formats="bfloat16")
@triton.jit
def gelu_by_erfc(x_ptr, y_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    x = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
    y = 0.5 * x * libdevice.erfc(-x * SQRT_HALF)
    tl.store(y_ptr + at, tl.where(x == float("-inf"), 0.0, y), mask=inside)


@gp.implements(biased, backend="triton", formats="bfloat16")
@triton.jit
def fused_bias(x_ptr, bias_ptr, y_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    x = tl.load(x_ptr + at, mask=inside).to(tl.float32) + tl.load(bias_ptr).to(tl.float32)
    tl.store(y_ptr + at, silu_of(x), mask=inside)


@triton.jit
def silu_backward(dy_ptr, x_ptr, dx_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    dy = tl.load(dy_ptr + at, mask=inside).to(tl.float32)
    x = tl.load(x_ptr + at, mask=inside).to(tl.float32)
    e = tl.exp2(-tl.abs(x) * LOG2E)
    r = 1.0 / (1.0 + e)
    s = tl.where(x >= 0, 1.0, e) * r
    slope = tl.where(tl.abs(x) == float("inf"), s, s * (1.0 + x * (tl.where(x >= 0, e, 1.0) * r)))
    tl.store(dx_ptr + at, dy * slope, mask=inside)


@gp.implements("silu", backend="triton", formats="bfloat16", derivative=silu_backward)
@triton.jit
def silu(x_ptr, y_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    x = tl.load(x_ptr + at, mask=inside).to(tl.float32)
    tl.store(y_ptr + at, silu_of(x), mask=inside)


# -- wrong ones ----------------------------------------------------------------------------------------------------


@gp.implements("gelu", backend="triton", formats="bfloat16")
@triton.jit
def gelu_without_tail(x_ptr, y_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    x = tl.load(x_ptr + at, mask=inside).to(tl.float32)
    tl.store(y_ptr + at, 0.5 * x * (1.0 + libdevice.erf(x * SQRT_HALF)), mask=inside)  # 1 + erf cancels


@gp.implements("gelu_tanh", backend="triton", formats="bfloat16")
@triton.jit
def gelu_misprinted(x_ptr, y_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    x = tl.load(x_ptr + at, mask=inside).to(tl.float32)
    inner = 0.7978845608028654 * x * (1.0 + 0.47715 * x * x)  # 0.044715
    tl.store(y_ptr + at, x * branched(2.0 * inner), mask=inside)


@gp.implements("softplus", backend="triton", formats="bfloat16")
@triton.jit
def softplus_without_tail(x_ptr, y_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    x = tl.load(x_ptr + at, mask=inside).to(tl.float32)
    tl.store(y_ptr + at, tl.log(1.0 + tl.exp(x)), mask=inside)  # 1 + e^x is 1 below -17


@gp.implements(biased, backend="triton", formats="bfloat16")
@triton.jit
def late_bias(x_ptr, bias_ptr, y_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    x = tl.load(x_ptr + at, mask=inside).to(tl.float32)
    tl.store(y_ptr + at, silu_of(x) + tl.load(bias_ptr).to(tl.float32), mask=inside)


@triton.jit
def silu_backward_without_x(dy_ptr, x_ptr, dx_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    s = branched(tl.load(x_ptr + at, mask=inside).to(tl.float32))
    tl.store(dx_ptr + at, tl.load(dy_ptr + at, mask=inside).to(tl.float32) * s * (2.0 - s), mask=inside)


@gp.implements("silu", backend="triton", formats="bfloat16", derivative=silu_backward_without_x)
@triton.jit
def silu_with_wrong_backward(x_ptr, y_ptr, n, block: tl.constexpr):
    at, inside = here(n, block)
    x = tl.load(x_ptr + at, mask=inside).to(tl.float32)
    tl.store(y_ptr + at, silu_of(x), mask=inside)
