"""Bits to tensors and back, one thread at a time, and what PyTorch's errors mean.

Imports torch; only ``TorchBackend`` and its modules import this one, and late.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
import torch

from gradproof.backends.contract import error_text
from gradproof.errors import Unsupported
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage

Tensor: TypeAlias = torch.Tensor
DTYPES: Final = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
    "float8_e4m3fnuz": torch.float8_e4m3fnuz,
    "float8_e5m2fnuz": torch.float8_e5m2fnuz,
    "float8_e8m0fnu": torch.float8_e8m0fnu,
}
_SIGNED: Final = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}
_INTEGER: Final = {8: torch.int8, 16: torch.int16, 32: torch.int32, 64: torch.int64}

_GAPS: Final = (
    "not implemented",
    "has not been implemented",
    "not currently support",
    "once_differentiable",
    "could not run",
    "forward ad",
    "forward mode ad",
    "forward-mode",
)
"""What PyTorch says, in lower case, when it lacks a kernel, a derivative or an AD rule."""


def tensor(bits: Bits, fmt: Format, device: torch.device) -> Tensor:
    """A fresh tensor on ``device`` with exactly these bits; shape kept."""
    signed = np.array(bits, dtype=storage(fmt), order="C").view(_SIGNED[fmt.width])
    return torch.from_numpy(signed).to(device).view(DTYPES[fmt.name])


def consecutive(first: int, count: int, length: int, fmt: Format, device: torch.device) -> Tensor:
    """A fresh tensor on ``device`` with the bit patterns ``first`` to ``first + count - 1``, all of one sign.

    The last one is repeated up to the shape (length,). Nothing travels.
    """
    signed = first - (1 << fmt.width if first & fmt.sign_bit else 0)
    steps = torch.arange(length, device=device).clamp_(max=count - 1)
    return steps.add_(signed).to(_INTEGER[fmt.width]).view(DTYPES[fmt.name])


def is_format(values: Tensor, fmt: Format) -> bool:
    """Whether a tensor is of the format's dtype."""
    return bool(values.dtype == DTYPES[fmt.name])


def same_bits(one: Tensor, other: Tensor, fmt: Format) -> bool:
    """Whether two tensors of one device and of the format's dtype have the same shape and bits."""
    kind = _INTEGER[fmt.width]
    return one.shape == other.shape and bool(torch.equal(one.detach().view(kind), other.view(kind)))


def bits_of(values: Tensor, fmt: Format) -> Bits:
    """The bits of a tensor of the format's dtype; shape kept."""
    # Autograd gives zeros without memory (the second derivative of abs); only a clone has bits.
    signed = values.detach().clone().contiguous().cpu().view(_INTEGER[fmt.width])
    bits: Bits = signed.numpy().view(storage(fmt))
    return bits


def one_thread() -> AbstractContextManager[None]:
    """One intra-op thread inside, the caller's number again afterwards."""
    return limited_to(1)


def many_threads() -> int:
    """The process's own number of intra-op threads, two at least: worker processes start with one."""
    own: int = torch.get_num_threads()
    return max(2, own)


@contextmanager
def limited_to(threads: int) -> Iterator[None]:
    """So many intra-op threads inside, the caller's number again afterwards."""
    before = torch.get_num_threads()
    if before != threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if before != threads:
            torch.set_num_threads(before)


def flushes_here() -> bool:
    """Whether this thread flushes subnormal results: PyTorch sets the mode and does not tell it."""
    product = torch.tensor([2.0**-1022], dtype=torch.float64) * 0.5
    return bool((product.view(torch.int64) == 0).all())


@contextmanager
def flushing(on: bool) -> Iterator[None]:
    """``torch.set_flush_denormal(on)`` inside, on one thread; what it was before afterwards."""
    before = flushes_here()
    with one_thread():
        torch.set_flush_denormal(on)
        try:
            yield
        finally:
            torch.set_flush_denormal(before)


def can_flush() -> bool:
    """Whether the processor has the mode that ``torch.set_flush_denormal`` sets."""
    supported: bool = torch.set_flush_denormal(flushes_here())
    return supported


def no_grad() -> AbstractContextManager[Any]:
    """No graph inside."""
    context: AbstractContextManager[Any] = torch.no_grad()
    return context


def lacks(error: BaseException) -> bool:
    """Whether ``error`` says that PyTorch, or its compiler here, does not offer what was asked."""
    if by_compiler(error) or isinstance(error, NotImplementedError):
        return True
    return isinstance(error, RuntimeError) and any(gap in str(error).lower() for gap in _GAPS)


def no_forward_rule(error: BaseException) -> bool:
    """Whether ``error`` says that a forward AD rule is missing: raised inside a user's call, yet no fault of it."""
    text = str(error).lower()
    return "forward ad" in text or "forward mode ad" in text


def no_double_backward(error: BaseException) -> bool:
    """Whether ``error`` says that a compiled gradient is not differentiated again.

    AOTAutograd has no double backward. Where it reuses the memory of what backward frees ("donated buffers"), which
    needs a graph that is used once, it says so first.
    """
    text = str(error)
    return "donated buffer" in text or "does not currently support double backward" in text


@contextmanager
def needing(what: str) -> Iterator[None]:
    """Raises Unsupported for a kernel that PyTorch lacks inside; ``what`` names the operation."""
    try:
        yield
    except RuntimeError as error:
        if not lacks(error):
            raise
        raise Unsupported(f"{what}: {error_text(error)}") from error


def by_compiler(error: BaseException) -> bool:
    """Whether ``error`` is torch.compile's own."""
    kind = type(error)
    return (
        kind.__module__.startswith(("torch._dynamo", "torch._inductor"))
        and kind.__name__ != "TorchRuntimeError"  # that one wraps an error of the traced code itself
    )
