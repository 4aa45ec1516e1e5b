"""The settings of PyTorch that a call must leave alone. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import overrides
from torch.autograd import forward_ad
from torch.utils import _python_dispatch
from torch.utils._device import DeviceContext

from gradproof.backends.settings import FrameworkSetting

_autograd: Final = torch._C._autograd
_functorch: Final = torch._C._functorch


def _set_device(device: Any) -> None:
    # Unset rather than set where it is the usual one: a default device puts a mode around every call.
    torch.set_default_device(None if device.type == "cpu" else device)


def _function_modes() -> int:
    """How many there are beside the one by which PyTorch has a default device."""
    return sum(not isinstance(mode, DeviceContext) for mode in overrides._get_current_function_mode_stack())


def _leave_modes(current: Callable[[], Any], drop: Callable[[], Any], depth: Callable[[], int], before: int) -> None:
    for _ in range(depth() - before):
        deep = depth()
        with suppress(Exception):  # of an exit of the user's own
            current().__exit__(None, None, None)
        if depth() == deep:
            drop()


def _leave_forward_ad(before: int) -> None:
    while forward_ad._current_level > before:
        forward_ad.exit_dual_level()


@dataclass(frozen=True)
class _Hooks:
    """What saved tensors go through: the hooks that were entered last, and why there may be none."""

    pair: tuple[Any, Any] | None
    refused: str | None

    def __str__(self) -> str:
        said = "none" if self.pair is None else "a pair"
        return said if self.refused is None else f"{said}, and no others ({self.refused})"


def _saved_tensors_hooks() -> _Hooks:
    return _Hooks(
        _autograd._top_saved_tensors_default_hooks(True), _autograd._saved_tensors_hooks_get_disabled_error_message()
    )


def _leave_hooks(before: _Hooks) -> None:
    while (pair := _autograd._top_saved_tensors_default_hooks(True)) is not None and pair != before.pair:
        _autograd._pop_saved_tensors_default_hooks()
    if before.refused is None:
        _autograd._saved_tensors_hooks_enable()
    else:
        _autograd._saved_tensors_hooks_disable(before.refused)


def _cannot(before: Any) -> None:
    """What is entered by a guard in C++ ends with that guard, wherever the user keeps it."""


SETTINGS: Final = {
    # First, since a mode of the user's sees whatever is asked of PyTorch.
    "torch's function modes": FrameworkSetting(
        _function_modes,
        partial(_leave_modes, overrides._get_current_function_mode, overrides._pop_mode, _function_modes),
    ),
    "torch's dispatch modes": FrameworkSetting(
        torch._C._len_torch_dispatch_stack,
        partial(
            _leave_modes,
            _python_dispatch._get_current_dispatch_mode,
            _python_dispatch._pop_mode,
            torch._C._len_torch_dispatch_stack,
        ),
    ),
    "torch's inference mode": FrameworkSetting(torch.is_inference_mode_enabled, _cannot),
    "torch's levels of functorch": FrameworkSetting(
        _functorch.get_dynamic_layer_stack_depth, _functorch.pop_dynamic_layer_stack_and_undo_to_depth
    ),
    "torch's hooks on saved tensors": FrameworkSetting(_saved_tensors_hooks, _leave_hooks),
    "torch's level of forward AD": FrameworkSetting(lambda: forward_ad._current_level, _leave_forward_ad),
    "torch's detection of anomalies": FrameworkSetting(
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda before: torch.autograd.set_detect_anomaly(*before),
    ),
    "torch's autocast": FrameworkSetting(
        lambda: (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        lambda before: (torch.set_autocast_enabled("cpu", before[0]), torch.set_autocast_dtype("cpu", before[1])),
    ),
    "torch's multithreaded backward": FrameworkSetting(
        torch._C._is_multithreading_enabled, torch.autograd.set_multithreading_enabled
    ),
    "torch's default dtype": FrameworkSetting(torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": FrameworkSetting(torch.get_default_device, _set_device),
    "torch's seed": FrameworkSetting(torch.initial_seed, torch.manual_seed),
    "torch's matmul precision": FrameworkSetting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    ),
    "torch's deterministic algorithms": FrameworkSetting(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
    "torch's grad mode": FrameworkSetting(torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's number of threads": FrameworkSetting(torch.get_num_threads, torch.set_num_threads),
}
"""Setting in words -> how it is read and put back."""
