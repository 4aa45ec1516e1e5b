"""Calls and derivatives in PyTorch. Imports torch; only ``TorchBackend`` imports this module, and late.

Tensors here are one-dimensional, contiguous and of the format's dtype. Each call gets a fresh one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch.autograd import forward_ad

from gradproof.backends.base import Call, Implementation
from gradproof.backends.contract import (
    callable_of,
    called,
    check_shape,
    check_unchanged,
    differentiated,
    unless_user,
    wrong,
)
from gradproof.errors import Unsupported
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage

Tensor: TypeAlias = torch.Tensor
Function = Callable[[Any], Any]

DTYPES: Final = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
_SIGNED: Final = {16: np.int16, 32: np.int32, 64: np.int64}
_INTEGER: Final = {16: torch.int16, 32: torch.int32, 64: torch.int64}

_GAPS: Final = (
    "not implemented",
    "has not been implemented",
    "not currently support",
    "once_differentiable",
    "could not run",
    "forward ad",
    "forward-mode",
)
"""What PyTorch says, in lower case, when it lacks a kernel, a derivative or an AD rule."""


def tensor(bits: Bits, fmt: Format, device: torch.device) -> Tensor:
    """A fresh tensor on ``device`` with exactly these bits; shape kept."""
    signed = np.array(bits, dtype=storage(fmt), order="C").view(_SIGNED[fmt.width])
    return torch.from_numpy(signed).to(device).view(DTYPES[fmt.name])


def bits_of(values: Tensor, fmt: Format) -> Bits:
    """The bits of a tensor of the format's dtype; shape kept."""
    signed = values.detach().contiguous().cpu().view(_INTEGER[fmt.width])
    bits: Bits = signed.numpy().view(storage(fmt)).copy()
    return bits


@contextmanager
def one_thread() -> Iterator[None]:
    """One intra-op thread inside, the caller's number again afterwards."""
    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before != 1:
            torch.set_num_threads(before)


def no_grad() -> AbstractContextManager[Any]:
    """No graph inside."""
    context: AbstractContextManager[Any] = torch.no_grad()
    return context


def lacks(error: BaseException) -> bool:
    """Whether ``error`` says that PyTorch, or its compiler here, does not offer what was asked."""
    if _by_compiler(error) or isinstance(error, NotImplementedError):
        return True
    return isinstance(error, RuntimeError) and any(gap in str(error).lower() for gap in _GAPS)


def _by_compiler(error: BaseException) -> bool:
    kind = type(error)
    return (
        kind.__module__.startswith(("torch._dynamo", "torch._inductor"))
        and kind.__name__ != "TorchRuntimeError"  # that one wraps an error of the traced code itself
    )


class Compiler:
    """torch.compile, once per callable."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Function, Function]] = {}

    def __call__(self, function: Function) -> Function:
        """``function`` compiled for static shapes; kept as long as this object."""
        if id(function) not in self._made:

            def entry(x: Any) -> Any:
                return function(x)

            self._made[id(function)] = function, torch.compile(entry, fullgraph=False, dynamic=False)
        _, compiled = self._made[id(function)]

        def call(x: Any) -> Any:
            # Past its recompilation limit torch.compile falls back to eager without a word; it must not.
            with torch._dynamo.config.patch(
                recompile_limit=4096, accumulated_recompile_limit=1 << 20, fail_on_recompile_limit_hit=True
            ):
                return compiled(x)

        return call


def evaluated(
    implementation: Implementation,
    lanes: Bits,
    fmt: Format,
    device: torch.device,
    call: Call,
    compiler: Compiler | None,
) -> Bits:
    """Bits of f^(order) at ``lanes`` of shape (n,); the faults are those of ``Backend.evaluate``."""
    given = bool(implementation.derivatives)
    function = callable_of(implementation, call.order if given else 0)
    if compiler is not None and call.path == "forward" and call.order and not given:
        # The compiled function drops the tangent without a word, and the 0 that follows would be blamed on f.
        raise Unsupported("torch.compile has no forward AD; use the path reverse, or the mode eager")
    if compiler is not None:
        function = compiler(function)
    run = _Run(implementation, function, lanes, fmt, device)
    if call.order == 0 or given:
        result = run.value()
    elif call.path == "reverse":
        result = run.reverse(call.order)
    elif call.path == "forward":
        result = run.forward(call.order)
    else:
        raise Unsupported(
            f"torch has no path {call.path!r} for {implementation.name}; no derivative was handed in"
        )
    return bits_of(result, fmt)


class _Run:
    """One call of one function on one array."""

    def __init__(
        self,
        implementation: Implementation,
        function: Function,
        lanes: Bits,
        fmt: Format,
        device: torch.device,
    ) -> None:
        self.implementation = implementation
        self.function = function
        self.lanes = lanes
        self.fmt = fmt
        self.device = device

    def value(self) -> Tensor:
        with torch.no_grad():
            return self._call(tensor(self.lanes, self.fmt, self.device), self._lacks_kernel)

    def reverse(self, order: int) -> Tensor:
        leaf = tensor(self.lanes, self.fmt, self.device).requires_grad_(True)
        with torch.enable_grad():
            # The function gets a copy of the leaf: writing into it is seen below, not refused by autograd.
            y = self._call(leaf.clone(), self._lacks_kernel)
            for step in range(1, order + 1):
                y = self._derive(step, lambda y=y, step=step: _vjp(y, leaf, create_graph=step < order))  # type: ignore[misc]
        return y

    def forward(self, order: int) -> Tensor:
        primal = tensor(self.lanes, self.fmt, self.device).requires_grad_(order == 2)
        ones = torch.ones_like(primal)
        with forward_ad.dual_level(), torch.set_grad_enabled(order == 2):
            dual = _dual(primal.clone(), ones)
            y = self._call(dual, self._lacks_forward)
            if order == 2:
                y = self._derive(1, lambda: _vjp(y, dual, create_graph=True))
            tangent = self._derive(order, lambda: _tangent(y))
        return torch.zeros_like(ones) if tangent is None else tangent

    def _derive(self, order: int, action: Callable[[], Any]) -> Any:
        def synchronised() -> Any:
            result = action()
            self._synchronise()
            return result

        return differentiated(self.implementation, order, synchronised, lacks)

    def _lacks_kernel(self, error: BaseException) -> bool:
        return _by_compiler(error) or (not self.implementation.user and lacks(error))

    def _lacks_forward(self, error: BaseException) -> bool:
        return self._lacks_kernel(error) or "forward ad" in str(error).lower()

    def _call(self, x: Tensor, missing: Callable[[BaseException], bool]) -> Tensor:
        def synchronised(x: Tensor) -> Any:
            y = self.function(x)
            self._synchronise()
            return y

        y = called(self.implementation, synchronised, x, missing)
        self._check(x, y)
        check_unchanged(self.implementation, self.lanes, bits_of(_primal(x), self.fmt))
        return y

    def _check(self, x: Tensor, y: Any) -> None:
        if not isinstance(y, torch.Tensor) or y.layout is not torch.strided:
            got = type(y).__name__ if not isinstance(y, torch.Tensor) else f"tensor of layout {y.layout}"
            raise wrong("wrong-type", self.implementation, "a", "a dense torch.Tensor", got)
        check_shape(self.implementation, tuple(y.shape), tuple(x.shape))
        if y.dtype != x.dtype:
            raise wrong("wrong-format", self.implementation, "dtype", str(x.dtype), str(y.dtype))
        if y.device != x.device:
            raise wrong("wrong-device", self.implementation, "a tensor on", str(x.device), str(y.device))

    def _synchronise(self) -> None:
        # Kernels on CUDA report their errors late; this makes them appear where the function is still known.
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _dual(primal: Tensor, tangent: Tensor) -> Tensor:
    with warnings.catch_warnings():
        # The first dual tensor of a process loads decompositions by torch.jit.script, which is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        return forward_ad.make_dual(primal, tangent)


def _primal(x: Tensor) -> Tensor:
    if forward_ad._current_level < 0:
        return x
    return forward_ad.unpack_dual(x).primal


def _tangent(y: Tensor) -> Tensor | None:
    return forward_ad.unpack_dual(y).tangent


def _vjp(y: Tensor, x: Tensor, *, create_graph: bool) -> Tensor:
    """The gradient of y by x for a cotangent of ones; 0 where the graph does not connect them."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(
        y, x, torch.ones_like(y), create_graph=create_graph, allow_unused=True
    )
    return torch.zeros_like(x) if gradient is None else gradient


class Chain:
    """The steps ``h -> f(w h)`` of one chain, and their pull-backs on rows of shape (depth, n)."""

    def __init__(
        self,
        implementation: Implementation,
        weights: Sequence[float],
        lanes: Bits,
        fmt: Format,
        device: torch.device,
    ) -> None:
        self.implementation = implementation
        self.weights = weights
        self.fmt = fmt
        self.device = device
        self.hidden: list[Tensor] = []
        self.inputs: list[Bits] = []
        h = tensor(lanes, fmt, device)
        with torch.no_grad():
            for w in weights:
                self.hidden.append(h)
                self.inputs.append(bits_of(w * h, fmt))
                h = _Run(implementation, implementation.call, self.inputs[-1], fmt, device).value()

    def ones(self) -> Tensor:
        """Rows of ones."""
        first = self.hidden[0]
        return torch.ones((len(self.weights), first.numel()), dtype=first.dtype, device=self.device)

    def start(self, rows: Tensor, k: int) -> Tensor:
        """``rows`` with row k set to 1."""
        rows = rows.clone()
        rows[k] = 1
        return rows

    def pull(self, k: int, rows: Tensor) -> Tensor:
        """Every row times d h[k+1] / d h[k]."""
        w = self.weights[k]
        if self.implementation.derivatives:
            first = callable_of(self.implementation, 1)
            slope = _Run(self.implementation, first, self.inputs[k], self.fmt, self.device).value()
            return (rows * slope) * w
        h = self.hidden[k].repeat(len(self.weights)).requires_grad_(True)
        with torch.enable_grad():
            y = called(
                self.implementation,
                lambda h: self.implementation.call(w * h),
                h,
                unless_user(self.implementation, lacks),
            )

        def gradient() -> Tensor:
            if not y.requires_grad:
                return torch.zeros_like(h)
            (g,) = torch.autograd.grad(y, h, rows.reshape(-1), allow_unused=True)
            return torch.zeros_like(h) if g is None else g

        return differentiated(self.implementation, 1, gradient, lacks).reshape(rows.shape)
