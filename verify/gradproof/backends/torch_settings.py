"""The settings of PyTorch that a call must leave alone. Imports torch."""

from __future__ import annotations

from typing import Any, Final

import torch

from gradproof.backends.settings import Setting


def _set_device(device: Any) -> None:
    # Unset rather than set where it is the usual one: a default device puts a mode around every call.
    torch.set_default_device(None if device.type == "cpu" else device)


SETTINGS: Final = {
    "torch's default dtype": Setting(torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": Setting(torch.get_default_device, _set_device),
    "torch's seed": Setting(torch.initial_seed, torch.manual_seed),
    "torch's matmul precision": Setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "torch's deterministic algorithms": Setting(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
    "torch's grad mode": Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's number of threads": Setting(torch.get_num_threads, torch.set_num_threads),
}
"""Setting in words -> how it is read and put back."""
