"""PyTorch: formulas as they are written down, differentiated by AD; other functions under a name."""

import math

import torch
from torch.nn import functional as F

import gradproof as gp


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_quotient(x):
    """x / (1 + e^-x), whose derivative divides twice."""
    return x / (1 + torch.exp(-x))


@gp.implements("gelu", backend="torch:cpu", formats=["float32"])
def gelu_one_plus_erf(x):
    """x / 2 (1 + erf(x / sqrt 2)): 1 + erf is 0 on the left."""
    return x / 2 * (1 + torch.erf(x / math.sqrt(2)))


@gp.implements("gelu_tanh", backend="torch:cpu", formats=["float32"])
def gelu_tanh_one_plus_tanh(x):
    """x / 2 (1 + tanh(...)): 1 + tanh is 0 on the left."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@gp.implements("erfc", backend="torch:cpu", formats=["float32"])
def erfc_one_minus_erf(x):
    """1 - erf(x)."""
    return 1 - torch.erf(x)


@gp.implements("softplus", backend="torch:cpu", formats=["float32"])
def softplus_textbook(x):
    """log(1 + e^x): inf, and inf / inf in the derivative."""
    return torch.log(1 + torch.exp(x))


@gp.implements("softplus", backend="torch:cpu", formats=["float64"])
def softplus_with_threshold(x):
    """x itself above 20, which float64 can tell from the value."""
    return F.softplus(x, threshold=20)


@gp.implements("sigmoid", backend="torch:cpu", formats=["float32"])
def sigmoid_by_quotient(x):
    """e^x / (1 + e^x): inf / inf from 88.8 on."""
    e = torch.exp(x)
    return e / (1 + e)


@gp.implements("elu", backend="torch:cpu", formats=["float32"])
def elu_of_all_inputs(x):
    """where(x > 0, x, expm1(x)): the branch not taken overflows, and 0 times inf is NaN in the derivative."""
    return torch.where(x > 0, x, torch.expm1(x))


@gp.implements("abs", backend="torch:cpu", formats=["float32"])
def abs_root_with_epsilon(x):
    """sqrt(x^2 + 1e-12)."""
    return torch.sqrt(x * x + 1e-12)


@gp.implements("tanh", backend="torch:cpu", formats=["float64"])
def tanh_by_exponential(x):
    """1 - 2 / (e^2x + 1): cancels near 0."""
    return 1 - 2 / (torch.exp(2 * x) + 1)


@gp.implements("gelu", backend="torch:cpu", formats=["float32"])
def gelu_is_gelu_tanh(x):
    """The tanh approximation under the name of GELU."""
    return F.gelu(x, approximate="tanh")


@gp.implements("gelu", backend="torch:cpu", formats=["float32"])
def gelu_is_quick_gelu(x):
    """x s(1.702 x) under the name of GELU."""
    return x * torch.sigmoid(1.702 * x)


@gp.implements("elu", backend="torch:cpu", formats=["float32"])
def elu_is_selu(x):
    """SELU under the name of ELU."""
    return F.selu(x)


@gp.implements("hardswish", backend="torch:cpu", formats=["float32"])
def hardswish_is_silu(x):
    """SiLU under the name of hardswish."""
    return F.silu(x)


@gp.implements("leaky_relu", backend="torch:cpu", params={"negative_slope": 0.2}, formats=["float32"])
def leaky_relu_default_slope(x):
    """The slope 0.2 is not handed on: 0.01."""
    return F.leaky_relu(x)


@gp.implements("mish", backend="torch:cpu", formats=["float16"])
def mish_is_silu(x):
    """SiLU under the name of Mish."""
    return F.silu(x)


@gp.implements("tanh", backend="torch:cpu", formats=["float64"])
def tanh_in_default_dtype(x):
    """Computed in torch's default dtype."""
    return torch.tanh(x.to(torch.get_default_dtype())).to(x.dtype)


@gp.implements("gelu", backend="torch:cpu", formats=["float32"])
def gelu_in_bfloat16(x):
    """Computed in bfloat16."""
    return F.gelu(x.to(torch.bfloat16)).to(x.dtype)


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_detached(x):
    """The sigmoid is detached: f' = s, without x s'."""
    return x * torch.sigmoid(x).detach()


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_cut_off(x):
    """The result is detached: no derivative at all."""
    return F.silu(x.detach()) + 0 * x


@gp.implements("silu", backend="torch:cpu", formats=["float32"])
def silu_with_dropout(x):
    """A dropout of one in a hundred that nobody switched off."""
    return F.dropout(F.silu(x), 0.01, training=True)


@gp.implements("leaky_relu", backend="torch:cpu", formats=["float32"])
def leaky_relu_by_two_parts(x):
    """max(x, 0) + 0.01 min(x, 0): both parts pass the gradient at 0, which makes 1.01."""
    return x.clamp(min=0) + 0.01 * x.clamp(max=0)
