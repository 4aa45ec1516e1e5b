"""PyTorch: right implementations, each with another excuse to be suspected."""

import closed_forms as forms
import torch
from closed_forms import on_torch
from torch.nn import functional as F

import gradproof as gp


def custom(name, fmt):
    """A custom derivative, right."""
    f, d = getattr(forms, name), getattr(forms, f"d_{name}")
    gp.implements(name, backend="torch:cpu", formats=[fmt], name=f"{name}_custom_{fmt}")(lambda x: on_torch(x, f, d))


for each in ("silu", "gelu", "sigmoid", "tanh", "elu", "softsign", "mish"):
    custom(each, "float32")
    custom(each, "bfloat16")


@gp.implements("relu", backend="torch:cpu", formats=["float32"])
def relu_by_maximum(x):
    """f'(0) = 1/2, the mean of both branches."""
    return torch.maximum(x, torch.zeros_like(x))


@gp.implements("relu", backend="torch:cpu", formats=["float32"])
def relu_by_clamp(x):
    """f'(0) = 1."""
    return x.clamp(min=0)


@gp.implements("relu", backend="torch:cpu", formats=["float32"])
def relu_by_where(x):
    """f'(0) = 0."""
    return torch.where(x < 0, 0.0, x)


@gp.implements("leaky_relu", backend="torch:cpu", formats=["float32"])
def leaky_relu_by_where(x):
    """Two branches, f'(0) = 0.01."""
    return torch.where(x > 0, x, 0.01 * x)


@gp.implements("abs", backend="torch:cpu", formats=["float32"])
def abs_by_maximum(x):
    """max(x, -x)."""
    return torch.maximum(x, -x)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_in_place_on_a_copy(x):
    """In place, on a copy."""
    return on_torch(x.clone(), forms.silu, forms.d_silu)


@gp.implements("hardtanh", backend="torch:cpu", formats=["float32"])
def hardtanh_of_torch(x):
    """PyTorch's own."""
    return F.hardtanh(x)


@gp.implements("softplus", backend="torch:cpu", formats=["float32"])
def softplus_in_float64(x):
    """max(x, 0) + log1p(e^-|x|) in float64, with the sigmoid for its derivative."""
    return on_torch(x, forms.softplus, forms.sigmoid)


@gp.implements("elu", backend="torch:cpu", formats=["float32"])
def elu_of_torch(x):
    """PyTorch's own."""
    return F.elu(x)
