"""PyTorch: right values and a custom derivative that is wrong by itself, in one place, or for some calls."""

import closed_forms as forms
import torch
from closed_forms import on_torch

import gradproof as gp


def scaled(form, factor, low=-float("inf"), high=float("inf")):
    """``form`` times ``factor`` on (low, high)."""
    return lambda xp, x: xp.where((x > low) & (x < high), factor * form(xp, x), form(xp, x))


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_one_percent(x):
    """The derivative is 1 % too large everywhere."""
    return on_torch(x, forms.silu, scaled(forms.d_silu, 1.01))


@gp.implements("gelu", backend="torch:cpu", formats=["bfloat16"])
def gelu_five_percent(x):
    """The derivative is 5 % too small everywhere."""
    return on_torch(x, forms.gelu, scaled(forms.d_gelu, 0.95))


@gp.implements("tanh", backend="torch:cpu", formats=["float64"])
def tanh_one_percent(x):
    """The derivative is 1 % too large everywhere, in float64."""
    return on_torch(x, forms.tanh, scaled(forms.d_tanh, 1.01))


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_sigmoid_for_derivative(x):
    """f' = s: the product rule stops half way."""
    return on_torch(x, forms.silu, forms.sigmoid)


@gp.implements("gelu", backend="torch:cpu", formats=["float32"])
def gelu_sign(x):
    """The derivative has the wrong sign."""
    return on_torch(x, forms.gelu, scaled(forms.d_gelu, -1))


@gp.implements("sigmoid", backend="torch:cpu", formats=["float32"])
def sigmoid_half(x):
    """The derivative is half of what is due."""
    return on_torch(x, forms.sigmoid, scaled(forms.d_sigmoid, 0.5))


@gp.implements("elu", backend="torch:cpu", formats=["float32"])
def elu_slope_one(x):
    """The derivative is 1 on both sides."""
    return on_torch(x, forms.elu, lambda xp, x: xp.ones_like(x))


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_without_density(x):
    """f' = s + s': the factor x is missing."""
    return on_torch(x, forms.silu, lambda xp, x: forms.sigmoid(xp, x) + forms.d_sigmoid(xp, x))


@gp.implements("gelu", backend="torch:cpu", formats=["float32"])
def gelu_derivative_of_gelu_tanh(x):
    """GELU with the derivative of its tanh approximation."""

    def slope(xp, x):
        x = forms.near(xp, x)
        inner = 0.7978845608028654 * (x + 0.044715 * x**3)
        rise = 0.7978845608028654 * (1 + 3 * 0.044715 * x**2)
        return forms.sigmoid(xp, 2 * inner) + x / 2 * forms.d_tanh(xp, inner) * rise

    return on_torch(x, forms.gelu, slope)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_zero_at_root(x):
    """f' is 0 within 1e-3 of its root at -1.278."""

    def slope(xp, x):
        return xp.where(xp.abs(x + 1.2784645) < 1e-3, 0 * forms.near(xp, x), forms.d_silu(xp, x))

    return on_torch(x, forms.silu, slope)


@gp.implements("gelu", backend="torch:cpu", formats=["float32"])
def gelu_derivative_cut_at_ten(x):
    """f' is 0 below -6."""
    return on_torch(x, forms.gelu, scaled(forms.d_gelu, 0, high=-6))


@gp.implements("sigmoid", backend="torch:cpu", formats=["float32"])
def sigmoid_derivative_in_one_binade(x):
    """f' is off by 2^-10 on (-1, -1/2)."""
    return on_torch(x, forms.sigmoid, scaled(forms.d_sigmoid, 1 + 2**-10, -1, -0.5))


@gp.implements("relu", backend="torch:cpu", formats=["float32"])
def relu_slope_two_at_zero(x):
    """f'(0) = 2."""
    return on_torch(x, lambda xp, x: xp.relu(x), lambda xp, x: xp.where(x == 0, 2.0, (x > 0).double()))


@gp.implements("relu", backend="torch:cpu", formats=["float32"])
def relu_slope_nan_at_zero(x):
    """f'(0) is NaN, as of x / |x|."""
    return on_torch(x, lambda xp, x: xp.relu(x), lambda xp, x: xp.where(x == 0, float("nan"), (x > 0).double()))


@gp.implements("hardtanh", backend="torch:cpu", formats=["float32"])
def hardtanh_slope_outside(x):
    """The gradient passes beyond 1, up to 2."""
    return on_torch(x, lambda xp, x: xp.clip(x, -1, 1), lambda xp, x: ((x > -1) & (x < 2)).double())


# -- right when called as usual ------------------------------------------------------------------------


def silu(x, **products):
    """SiLU with its right derivative."""
    return on_torch(x, forms.silu, forms.d_silu, **products)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_without_grad(x):
    """Off by 1 % where no gradient is asked for."""
    y = silu(x)
    return y if torch.is_grad_enabled() and x.requires_grad else y * 1.01


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_negative_cotangent(x):
    """The backward pass takes the cotangent's absolute value."""
    return silu(x, backward=lambda g, d: g.abs() * d)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_huge_cotangent(x):
    """The backward pass holds the cotangent to 1e4."""
    return silu(x, backward=lambda g, d: g.clamp(-1e4, 1e4) * d)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_unequal_cotangents(x):
    """The backward pass takes the mean of the cotangents."""
    return silu(x, backward=lambda g, d: g.mean() * d)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_forward_mode(x):
    """The derivative is 1 % too large in forward mode."""
    return silu(x, forward=lambda t, d: t * d * 1.01)


class UnderVmap(torch.autograd.Function):
    """SiLU whose rule for vmap is another function's."""

    @staticmethod
    def forward(x):
        return forms.silu(torch, x.double()).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx, g):
        return g * forms.d_silu(torch, ctx.saved_tensors[0].double()).to(g.dtype)

    @staticmethod
    def vmap(info, in_dims, x):
        return torch.sigmoid(x) * x * 1.01, in_dims[0]


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_under_vmap(x):
    """Off by 1 % under torch.vmap."""
    return UnderVmap.apply(x)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_not_contiguous(x):
    """A non-contiguous matrix is read along its memory."""
    y = silu(x)
    return y.t().contiguous().reshape(y.shape) if x.dim() == 2 and not x.is_contiguous() else y


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_zero_dimensional(x):
    """A tensor without dimensions is off by 1 %."""
    return silu(x) * 1.01 if x.dim() == 0 else silu(x)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_gradient_in_large_arrays(x):
    """The backward pass of 50,000 and more elements is off by 2^-12."""
    return silu(x, backward=lambda g, d: g * d * (1 + 2**-12) if g.numel() >= 50_000 else g * d)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_accumulates(x):
    """The backward pass adds what the one before left."""
    return silu(x, backward=accumulated)


left = {"calls": 0}


def accumulated(g, d):
    """G d, twice that at every second call."""
    left["calls"] += 1
    return g * d * (1 + left["calls"] % 2)


@gp.implements("silu", backend="torch:cpu", formats=["bfloat16"])
def silu_refuses_bfloat16(x):
    """Raises for bfloat16."""
    if x.dtype == torch.bfloat16:
        raise TypeError("expected float32 but got bfloat16")
    return silu(x)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_backward_raises(x):
    """The backward pass raises."""

    def raising(g, d):
        raise RuntimeError("expected a contiguous gradient")

    return silu(x, backward=raising)
