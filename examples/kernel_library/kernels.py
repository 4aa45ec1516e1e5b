"""The kernels under test."""

import torch


def softcap(x, cap):
    return cap * torch.tanh(x / cap)


def relu(x):
    return torch.where(x > 0, x, torch.zeros_like(x)) + torch.where(torch.isnan(x), x, torch.zeros_like(x))
