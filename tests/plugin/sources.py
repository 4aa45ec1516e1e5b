"""Test files that the plugin is tried on: NumPy only, and formats that are checked on every bit pattern."""

from __future__ import annotations

HEADER = """
import numpy as np
import pytest

import gradproof as gp


def step(x):
    return (x > 0).astype(x.dtype)


"""

RELU = (
    HEADER
    + """
@pytest.mark.gradproof(
    "relu", backend="numpy", derivative=step, formats=["float16", "bfloat16"], orders=[0, 1],
    properties=["accuracy"],
)
def my_relu(x):
    return np.maximum(x, np.zeros_like(x))
"""
)
"""A right ReLU with its derivative: four cells."""

RELU_IDS = [
    "relu-numpy-cpu-float16-order0-accuracy",
    "relu-numpy-cpu-float16-order1-accuracy",
    "relu-numpy-cpu-bfloat16-order0-accuracy",
    "relu-numpy-cpu-bfloat16-order1-accuracy",
]


def one_cell(body: str, function: str = '"relu"', more: str = "", decorators: str = "") -> str:
    """A file with one function ``mine(x)`` and one cell of it: the accuracy of the value in float16."""
    return (
        HEADER
        + f"""
{decorators}
@pytest.mark.gradproof(
    {function}, backend="numpy", formats=["float16"], orders=[0], properties=["accuracy"], {more}
)
def mine(x):
    {body}
"""
    )


RIGHT = "return np.maximum(x, np.zeros_like(x))"
WRONG = "return np.abs(x)"
