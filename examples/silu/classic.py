"""SiLU as it is often written, and what is wrong with it: run ``gradproof check classic.py``."""

import torch

import gradproof as gp


@gp.implements("silu", backend="torch")
def silu(x):
    # exp(-x) overflows from x = -88.8 on (float32): x / inf is flushed to -0 where -1e-37 is due, -inf / inf is NaN,
    # and autograd multiplies an infinite factor by a zero.
    return x / (1 + torch.exp(-x))
