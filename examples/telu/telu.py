"""A function from a paper: TeLU(x) = x tanh(exp(x)) (Fernandez, Mali, arXiv:2412.20269).

Run ``gradproof check telu.py``. The formula is the paper's; the oracle gets it once, and derivatives, kinks, certified
values and points of interest follow from it.
"""

import torch

import gradproof as gp

# At -infinity f, f' and f'' go to 0; at +infinity f grows without bound, f' goes to 1 and f'' to 0.
telu = gp.function(
    "telu",
    oracle=lambda m, x: x * m.tanh(m.exp(x)),
    limits=((0, 0, 0), ("inf", 1, 0)),
)


@gp.implements(telu, backend="torch", name="telu:paper")
def as_in_the_paper(x):
    return x * torch.tanh(torch.exp(x))


def inner(x):
    # exp overflows at 89 (float32), where tanh has long been 1; beyond 4.25 it is 1 in every format up to float64.
    return torch.exp(torch.clamp(x, max=5.0))


@gp.implements(telu, backend="torch", name="telu:clamped")
def clamped(x):
    return torch.where(x == -torch.inf, torch.zeros_like(x), x) * torch.tanh(inner(x))
