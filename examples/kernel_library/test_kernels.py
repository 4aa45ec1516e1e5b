"""The library's tests: a marker per kernel."""

import kernels
import pytest

FORMATS = ["float32", "bfloat16"]


@pytest.mark.gradproof(
    "softcap", backend="torch:cpu", formats=FORMATS, orders=[0, 1], contract="kernels",
    properties=["accuracy", "bounded-by-cap"],
)  # fmt: skip
def softcap(x):
    return kernels.softcap(x, 30.0)


@pytest.mark.gradproof(
    "relu", backend="torch:cpu", formats=FORMATS, properties=["accuracy", "special-values", "kink-convention"]
)
def relu(x):
    return kernels.relu(x)


def test_softcap_keeps_the_shape():
    import torch

    assert kernels.softcap(torch.zeros(2, 3), 30.0).shape == (2, 3)
