"""One call in another layout, as a function of the contiguous tensor that ``calls`` differentiates.

Imports torch; only ``calls`` imports this module. What arranges the elements is made of views and copies, which
autograd passes without rounding; the implementation is called on the arranged tensor alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from gradproof.backends.base import Implementation
from gradproof.backends.contract import error_text
from gradproof.backends.layouts import WIDTH, poison, tails
from gradproof.backends.torch.tensors import Tensor, tensor
from gradproof.errors import ImplementationFault, Unsupported
from gradproof.formats import Format

Function = Callable[[Any], Any]
REPEATS = 2
"""Times that ``broadcast`` repeats each input; the copies are read in turn."""


def offered(implementation: Implementation, fmt: Format, order: int) -> tuple[str, ...]:
    """The layouts of ``TorchBackend.layouts``. The 8-bit formats have no kernels to arrange them with."""
    if fmt.width == 8:
        return ("contiguous",)
    found = ["contiguous", "strided", "offset", "transposed", "scalar", "tail", "batched", "vmap", "large", "empty"]
    if order == 0:
        found.append("broadcast")
    if order == 0 or not implementation.derivatives:
        # Autograd refuses to differentiate what is written into a tensor that was handed in.
        found += [name for name in implementation.variants if name == "in-place" or order == 0]
    return tuple(found)


def laid_out(
    implementation: Implementation, function: Function, layout: str, fmt: Format, check: Callable[..., None]
) -> Function:
    """``function``, which is the implementation's, on a tensor of shape (n,) that is laid out anew.

    ``check(implementation, x, y)`` is asked about each call. Raises Unsupported for a layout that is not offered.
    """
    if layout in ("contiguous", "large", "empty"):
        return function
    if layout in ("in-place", "out"):
        return partial(_written, implementation.variants[layout], layout, fmt)

    def checked(x: Tensor) -> Tensor:
        y: Tensor = function(x)
        check(implementation, x, y)
        return y

    if layout not in _ARRANGED:
        raise Unsupported(f"torch has no layout {layout!r}")
    return partial(_ARRANGED[layout], checked, fmt)


def _written(variant: Callable[..., Any], layout: str, fmt: Format, x: Tensor) -> Tensor:
    if layout == "out":
        result = _poison(x.numel(), fmt, x)
        variant(x, out=result)
        return result
    argument = x.clone()
    variant(argument)
    return argument


def _poison(size: int, fmt: Format, like: Tensor) -> Tensor:
    return tensor(poison(size, fmt), fmt, like.device)


def _strided(function: Function, fmt: Format, x: Tensor) -> Tensor:
    y: Tensor = function(torch.stack([x, _poison(x.numel(), fmt, x)], dim=1)[:, 0])
    return y


def _offset(function: Function, fmt: Format, x: Tensor) -> Tensor:
    around = _poison(WIDTH + 1, fmt, x)
    y: Tensor = function(torch.cat([around[:1], x, around[1:]])[1 : x.numel() + 1])
    return y


def _transposed(function: Function, fmt: Format, x: Tensor) -> Tensor:
    y: Tensor = function(x.reshape(-1, WIDTH).t())
    return y.t().reshape(-1)


def _batched(function: Function, fmt: Format, x: Tensor) -> Tensor:
    y: Tensor = function(x.reshape(-1, WIDTH))
    return y.reshape(-1)


def _broadcast(function: Function, fmt: Format, x: Tensor) -> Tensor:
    y = function(x.reshape(-1, 1).expand(-1, REPEATS))
    each = torch.arange(x.numel(), device=x.device)
    read: Tensor = y[each, each % REPEATS]
    return read


def _scalar(function: Function, fmt: Format, x: Tensor) -> Tensor:
    return torch.stack([function(element) for element in x.unbind()])


def _tail(function: Function, fmt: Format, x: Tensor) -> Tensor:
    return torch.cat([function(x[cut]) for cut in tails(x.numel())])


def _vmap(function: Function, fmt: Format, x: Tensor) -> Tensor:
    try:
        y: Tensor = torch.func.vmap(function)(x)
    except (ImplementationFault, Unsupported):
        raise
    except Exception as error:
        # Nobody promised that a function can be batched; a wrong answer is what would be a fault.
        raise Unsupported(f"under vmap: {error_text(error)}") from error
    return y


_ARRANGED: dict[str, Callable[[Function, Format, Tensor], Tensor]] = {
    "strided": _strided,
    "offset": _offset,
    "transposed": _transposed,
    "broadcast": _broadcast,
    "scalar": _scalar,
    "tail": _tail,
    "batched": _batched,
    "vmap": _vmap,
}
