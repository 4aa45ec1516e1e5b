"""Calls and derivatives in PyTorch. Imports torch; only ``TorchBackend`` imports this module, and late.

Tensors here are one-dimensional, contiguous and of the format's dtype. Each call gets a fresh one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import forward_ad

from gradproof.backends.base import Call, Implementation
from gradproof.backends.contract import (
    called,
    check_format,
    check_shape,
    check_unchanged,
    differentiated,
    handed_in,
    wrong,
)
from gradproof.backends.settings import settings_kept
from gradproof.backends.torch.layouts import laid_out
from gradproof.backends.torch.settings import SETTINGS
from gradproof.backends.torch.tensors import (
    DTYPES,
    Tensor,
    bits_of,
    by_compiler,
    consecutive,
    lacks,
    limited_to,
    many_threads,
    no_double_backward,
    no_forward_rule,
    same_bits,
    tensor,
)
from gradproof.errors import GradproofError, Unsupported, is_ours
from gradproof.formats import Format
from gradproof.formats.arrays import Bits

Function = Callable[[Any], Any]
NO_DOUBLE_BACKWARD = "torch.compile has no double backward: a gradient is not differentiated again; use the mode eager"


class Compiler:
    """torch.compile, once per callable."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Function, Function]] = {}

    def __call__(self, function: Function) -> Function:
        """``function`` compiled for static shapes; kept as long as this object."""
        if id(function) not in self._made:

            def entry(x: Any) -> Any:
                return function(x)

            with warnings.catch_warnings():
                # The first one of a process imports Inductor, which uses torch.jit.script_method.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._made[id(function)] = function, torch.compile(entry, fullgraph=False, dynamic=False)
        _, compiled = self._made[id(function)]

        def call(x: Any) -> Any:
            # Past its recompilation limit torch.compile falls back to eager without a word; it must not.
            with (
                warnings.catch_warnings(),
                torch._dynamo.config.patch(
                    recompile_limit=4096, accumulated_recompile_limit=1 << 20, fail_on_recompile_limit_hit=True
                ),
            ):
                # Dynamo looks at x.grad of everything it is handed, which warns of tensors that are no leaves.
                warnings.filterwarnings("ignore", "The .grad attribute of a Tensor", UserWarning)
                try:
                    return compiled(x)
                except Exception as error:
                    if (own := _wrapped(error)) is not None:
                        raise own from None
                    raise

        return call


def _wrapped(error: BaseException) -> GradproofError | None:
    """The error of gradproof's own, such as a time limit's, that Dynamo made one of its own of."""
    inner: BaseException | None = error
    while inner is not None and not is_ours(inner):
        inner = inner.__cause__ or inner.__context__
    return inner if isinstance(inner, GradproofError) else None


@dataclass(frozen=True)
class Patterns:
    """``count`` consecutive bit patterns of one sign, the last one repeated up to ``length`` elements."""

    first: int
    count: int
    length: int


def evaluated(
    implementation: Implementation,
    lanes: Bits | Patterns,
    fmt: Format,
    device: torch.device,
    call: Call,
    compiler: Compiler | None,
) -> Tensor:
    """f^(order) at ``lanes`` of shape (n,); the faults are those of ``Backend.evaluate``."""
    given = bool(implementation.derivatives)
    subject = handed_in(implementation, call.order if given else 0)
    function = subject.call
    if compiler is not None and call.path == "forward" and call.order and not given:
        # The compiled function drops the tangent without a word, and the 0 that follows would be blamed on f.
        raise Unsupported("torch.compile has no forward AD; use the path reverse, or the mode eager")
    if compiler is not None:
        function = compiler(function)
    if call.mode == "autocast":
        function = under_autocast(function, device)
    function = laid_out(subject, function, call.layout, fmt, check_result)
    run = TorchCall(subject, function, lanes, fmt, device, many_threads() if call.layout == "large" else 1)
    if call.order == 0 or given:
        return run.value()
    if call.path == "reverse":
        return run.reverse(call.order, call.cotangent, unequal=call.unequal)
    if call.path == "forward":
        return run.forward(call.order)
    raise Unsupported(f"torch has no path {call.path!r} for {implementation.name}; no derivative was handed in")


def under_autocast(function: Function, device: torch.device) -> Function:
    """``function`` called under torch.autocast, its result rounded back to the format of the input.

    Autocast lowers to float16 for float16 inputs and to bfloat16 otherwise, and widens some operations to float32.
    """

    def entry(x: Any) -> Any:
        lowered = torch.float16 if x.dtype == torch.float16 else torch.bfloat16
        with torch.autocast(device.type, dtype=lowered):
            y = function(x)
        return y.to(x.dtype) if isinstance(y, torch.Tensor) and y.is_floating_point() else y

    return entry


class TorchCall:
    """One call on one array. ``function`` is the implementation's callable, maybe compiled.

    The function and what differentiates it run on so many threads; all else is left to the caller's.
    """

    def __init__(
        self,
        implementation: Implementation,
        function: Function,
        lanes: Bits | Patterns,
        fmt: Format,
        device: torch.device,
        threads: int = 1,
    ) -> None:
        self.implementation = implementation
        self.function = function
        self.lanes = lanes
        self.fmt = fmt
        self.device = device
        self.threads = threads
        self.settings = SETTINGS if implementation.user else {}

    def value(self) -> Tensor:
        """f(x)."""
        with torch.no_grad():
            return self._call(self._fresh(), self._lacks_kernel)

    def reverse(self, order: int, cotangent: float = 1.0, *, unequal: bool = False) -> Tensor:
        """f^(order) by autograd, ``order`` times over, each time with this cotangent for all elements.

        ``unequal``: with twice that for every second one.
        """
        leaf = self._fresh().requires_grad_(True)
        with torch.enable_grad():
            # The function gets a copy of the leaf: writing into it is seen below, not refused by autograd.
            y = self._call(leaf.clone(), self._lacks_kernel)
            for step in range(1, order + 1):
                y = self._derive(
                    step,
                    lambda y=y, step=step: _vjp(  # type: ignore[misc]
                        y, leaf, cotangent, unequal=unequal, create_graph=step < order
                    ),
                )
        return y

    def forward(self, order: int) -> Tensor:
        """f' by dual numbers, or f'' by dual numbers over autograd."""
        primal = self._fresh().requires_grad_(order == 2)
        ones = torch.ones_like(primal)
        with forward_ad.dual_level(), torch.set_grad_enabled(order == 2):
            dual_x = dual(primal.clone(), ones)
            y = self._call(dual_x, self._lacks_forward)
            if order == 2:
                y = self._derive(1, lambda: _vjp(y, dual_x, create_graph=True))
            tangent = self._derive(order, lambda: _tangent(y))
        return torch.zeros_like(ones) if tangent is None else tangent

    def _derive(self, order: int, action: Callable[[], Any]) -> Any:
        def synchronised() -> Any:
            with limited_to(self.threads):
                try:
                    result = action()
                except RuntimeError as error:
                    if no_double_backward(error):
                        raise Unsupported(NO_DOUBLE_BACKWARD) from error
                    raise
                self._synchronise()
            return result

        return differentiated(self.implementation, order, synchronised, lacks)

    def _lacks_kernel(self, error: BaseException) -> bool:
        return by_compiler(error) or (not self.implementation.user and lacks(error))

    def _lacks_forward(self, error: BaseException) -> bool:
        return self._lacks_kernel(error) or no_forward_rule(error)

    def _call(self, x: Tensor, missing: Callable[[BaseException], bool]) -> Tensor:
        def synchronised(x: Tensor) -> Any:
            with limited_to(self.threads), settings_kept(self.implementation, self.settings):
                y = self.function(x)
                self._synchronise()
            return y

        y = called(self.implementation, synchronised, x, missing)
        self._check_unchanged(_primal(x))
        check_result(self.implementation, x, y)
        return y

    def _fresh(self) -> Tensor:
        lanes = self.lanes
        if isinstance(lanes, Patterns):
            return consecutive(lanes.first, lanes.count, lanes.length, self.fmt, self.device)
        return tensor(lanes, self.fmt, self.device)

    def _check_unchanged(self, x: Tensor) -> None:
        lanes = self.lanes
        if isinstance(lanes, Patterns):
            fresh = self._fresh()
            if same_bits(x, fresh, self.fmt):
                return
            lanes = bits_of(fresh, self.fmt)
        check_unchanged(self.implementation, lanes, bits_of(x, self.fmt))

    def _synchronise(self) -> None:
        # Kernels on CUDA report their errors late; this makes them appear where the function is still known.
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def check_result(implementation: Implementation, x: Tensor, y: Any) -> None:
    """Raise the fault of a result y that is not one dense tensor of x's shape, format and device.

    A subclass may mean another thing by the same bits: masked ones, or none.
    """
    plain = type(y) in (torch.Tensor, torch.nn.Parameter)
    if not plain or y.layout is not torch.strided or y.is_nested:
        got = type(y).__name__ if not plain else "nested tensor" if y.is_nested else f"tensor of layout {y.layout}"
        raise wrong("wrong-type", implementation, "a", "a dense torch.Tensor", got)
    check_shape(implementation, tuple(y.shape), tuple(x.shape))
    check_format(implementation, y.dtype, x.dtype, lambda narrow: DTYPES[narrow.name])
    if y.device != x.device:
        raise wrong("wrong-device", implementation, "a tensor on", str(x.device), str(y.device))


def dual(primal: Tensor, tangent: Tensor) -> Tensor:
    """A dual tensor; only inside a dual level."""
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


def dead_end(y: Tensor) -> bool:
    """Whether y comes from a derivative that refuses to be differentiated.

    Autograd leaves an error node in its place and never runs it, because nothing connects it with the input:
    the result would pass as unconnected, or miss a term.
    """
    seen, waiting = set(), [y.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            if node.name().endswith("::Error"):
                return True
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
    return False


def _vjp(y: Tensor, x: Tensor, cotangent: float = 1.0, *, unequal: bool = False, create_graph: bool) -> Tensor:
    """The gradient of y by x for one cotangent at all elements, or twice that at every second one.

    0 where the graph does not connect them.
    """
    if not y.requires_grad:
        return torch.zeros_like(x)
    if dead_end(y):
        raise NotImplementedError("the graph holds a function marked once_differentiable")
    # Only a cotangent that requires grad leaves that mark in the graph of the gradient.
    into = torch.full_like(y, cotangent, memory_format=torch.contiguous_format)
    if unequal:
        into.view(-1)[1::2] *= 2
    into.requires_grad_(create_graph)
    (gradient,) = torch.autograd.grad(y, x, into, create_graph=create_graph, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient
