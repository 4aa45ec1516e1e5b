"""PyTorch: right values and first derivatives, and a second derivative that is wrong."""

import closed_forms as forms
import torch
from closed_forms import on_torch

import gradproof as gp


@gp.implements("tanh", backend="torch:cpu", formats=["float32"])
def tanh_half(x):
    """f'' = -tanh / cosh^2: the factor 2 is missing."""
    return on_torch(x, forms.tanh, forms.d_tanh, lambda xp, x: forms.dd_tanh(xp, x) / 2)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_one_percent(x):
    """f'' is 1 % too large everywhere."""
    return on_torch(x, forms.silu, forms.d_silu, lambda xp, x: 1.01 * forms.dd_silu(xp, x))


@gp.implements("sigmoid", backend="torch:cpu", formats=["float32"])
def sigmoid_detached(x):
    """f' is detached: f'' = 0."""
    return on_torch(x, forms.sigmoid, forms.d_sigmoid)


@gp.implements("gelu", backend="torch:cpu", formats=["bfloat16"])
def gelu_sign(x):
    """f'' = (x^2 - 2) phi, the sign is wrong."""
    return on_torch(x, forms.gelu, forms.d_gelu, lambda xp, x: -forms.dd_gelu(xp, x))


@gp.implements("sigmoid", backend="torch:cpu", formats=["float64"])
def sigmoid_by_difference(x):
    """f'' = f' (1 - 2 s) with the rounded s: nothing is left near 0."""
    return on_torch(
        x, forms.sigmoid, forms.d_sigmoid, lambda xp, x: forms.d_sigmoid(xp, x) * (1 - 2 * forms.sigmoid(xp, x))
    )


@gp.implements("elu", backend="torch:cpu", formats=["float32"])
def elu_second_on_both_sides(x):
    """f'' = e^x for positive x, too."""
    return on_torch(x, forms.elu, forms.d_elu, lambda xp, x: torch.exp(x))
