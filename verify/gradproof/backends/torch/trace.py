"""What PyTorch does in one call: the operations that its dispatcher sees below autograd, forward and backward.

Imports torch; only ``TorchBackend`` imports this module, and late. All elements of the input are the same, so the
kernels are those of a run; a tensor's first element stands for it. Tensors are known by their memory, since autograd
hands saved ones out as new objects.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gradproof.backends.base import Implementation
from gradproof.backends.contract import handed_in
from gradproof.backends.torch import calls
from gradproof.backends.torch.calls import TorchCall
from gradproof.backends.torch.tensors import DTYPES, Tensor, bits_of
from gradproof.formats import FORMATS, Format
from gradproof.formats.arrays import Bits
from gradproof.tracing.recording import (
    PHASES,
    SAME,
    Datum,
    Kind,
    Phase,
    Recording,
    SourceLine,
    Step,
    constant,
    datum,
    source_file,
    source_line,
)
from gradproof.tracing.shadow import IN_ONE_KERNEL, RULES, fitting

_NAMES: Final = {dtype: name for name, dtype in DTYPES.items()}

PASSED_ON: Final = (
    "alias", "clone", "contiguous", "detach", "expand", "lift_fresh", "permute", "reshape", "select", "squeeze", "t",
    "transpose", "unsqueeze", "view", "_reshape_alias", "_unsafe_view", "_conj", "as_strided", "slice",
)  # fmt: skip
"""Operations that hand on the number they are given."""
MADE: Final = (
    "arange", "empty", "empty_like", "empty_strided", "fill", "full", "full_like", "linspace", "new_empty",
    "new_full", "new_ones", "new_zeros", "ones", "ones_like", "scalar_tensor", "zero", "zeros", "zeros_like",
)  # fmt: skip
"""Operations whose result is a constant."""
RENAMED: Final[Mapping[str, str]] = {
    "maximum": "max", "minimum": "min", "fmax": "max", "fmin": "min", "sgn": "sign", "_to_copy": SAME, "copy": SAME,
    "logical_and": "and", "logical_or": "or", "logical_not": "not", "bitwise_and": "and", "bitwise_or": "or",
    "bitwise_not": "not", "hardtanh": "clamp", "clamp_min": "max", "clamp_max": "min",
    "log_sigmoid_forward": "logsigmoid", "log_sigmoid_backward": "logsigmoid_backward",
}  # fmt: skip
"""The rules of operations whose name in ``aten`` is another."""
REDUCTIONS: Final = ("max", "min")
"""Names of ``aten`` that are rules' names and mean something else."""

ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "where": ("condition", "self", "other"), "lerp": ("self", "end", "weight"), "pow": ("self", "exponent"),
    "addcmul": ("self", "tensor1", "tensor2", "value"), "addcdiv": ("self", "tensor1", "tensor2", "value"),
    "hardtanh": ("self", "min_val", "max_val"), "clamp": ("self", "min", "max"), "copy": ("src",),
    "clamp_min": ("self", "min"), "clamp_max": ("self", "max"),
    "threshold": ("self", "threshold", "value"), "softplus": ("self", "beta", "threshold"),
    "elu": ("self", "alpha", "scale", "input_scale"), "leaky_relu": ("self", "negative_slope"),
    "softshrink": ("self", "lambd"), "hardshrink": ("self", "lambd"),
    "sigmoid_backward": ("grad_output", "output"), "tanh_backward": ("grad_output", "output"),
    "threshold_backward": ("grad_output", "self", "threshold"),
    "hardtanh_backward": ("grad_output", "self", "min_val", "max_val"),
    "softplus_backward": ("grad_output", "self", "beta", "threshold"),
    "elu_backward": ("grad_output", "alpha", "scale", "input_scale", "is_result", "self_or_result"),
    "leaky_relu_backward": ("grad_output", "self", "negative_slope"),
}  # fmt: skip
"""The arguments that a rule takes, by the operation; others take grad_output, self and other, as far as there are."""
USUAL: Final = ("grad_output", "self", "other")


def traced(implementation: Implementation, lanes: Bits, fmt: Format, device: torch.device, order: int) -> Recording:
    """The operations of f^(order) at ``lanes``, all the same number, by reverse AD; the faults are ``evaluated``'s."""
    given = bool(implementation.derivatives)
    subject = handed_in(implementation, order if given else 0)
    watch = _Watch(source_file(subject.call, subject.file) if implementation.user else None)
    run = _WatchedCall(subject, watch.around(subject.call), lanes, fmt, device)
    run.watch = watch
    with watch:
        y = run.value() if order == 0 or given else run.reverse(order)
    watch.end(y)
    return watch.recording


class _WatchedCall(TorchCall):
    """A call that says which derivative is being taken."""

    watch: _Watch

    def _derive(self, order: int, action: Callable[[], Any]) -> Any:
        self.watch.depth = order
        return super()._derive(order, action)


class _Watch(TorchDispatchMode):  # type: ignore[misc]
    """Notes every operation of the function, and of the nodes that autograd runs."""

    def __init__(self, file: str | None) -> None:
        super().__init__()
        self.file = file
        self.recording = Recording()
        self._on = False
        self.depth = 0
        self._kept: dict[tuple[object, ...], tuple[Tensor, int]] = {}
        self._lines: dict[int, SourceLine | None] = {}

    def around(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """``function``, its argument the input of the recording."""

        def call(x: Any) -> Any:
            value = _datum(x)
            self._kept[_memory(x)] = x, self.recording.add(Step("input", None, PHASES[0], (), value))
            self._on = True
            try:
                return function(x)
            finally:
                self._on = False

        return call

    def end(self, y: Tensor) -> None:
        """Say which step's result ``y`` is."""
        found = self._kept.get(_memory(y))
        self.recording.output = None if found is None else found[1]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        watched = self._on or torch._C._current_autograd_node() is not None
        operands = self._given(func, args, kwargs) if watched else None  # before it may overwrite them
        result = func(*args, **kwargs)
        if operands is not None:
            self._note(func, operands, (*args, *kwargs.values()), result)
        return result

    def _given(self, func: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, int | Datum | None]:
        """The operands by their names in the schema: what has no number of its own is None."""
        named = {a.name: a.default_value for a in func._schema.arguments if a.has_default_value()}
        named |= dict(zip((a.name for a in func._schema.arguments), args, strict=False))
        return {name: self._operand(value) for name, value in (named | dict(kwargs)).items()}

    def _operand(self, value: Any) -> int | Datum | None:
        if isinstance(value, torch.Tensor):
            known = self._kept.get(_memory(value))
            if known is None:
                known = value, self.recording.add(Step("constant", None, PHASES[0], (), _datum(value)))
                self._kept[_memory(value)] = known
            return known[1]
        return constant(value) if isinstance(value, bool | int | float) else None

    def _note(self, func: Any, operands: dict[str, int | Datum | None], args: Any, result: Any) -> None:
        space, _, full = func._schema.name.partition("::")
        name = full.rstrip("_") if full.endswith("_") and not full.endswith("__") else full
        first = result[0] if isinstance(result, tuple | list) and result else result
        if not isinstance(first, torch.Tensor):
            return
        line, phase, node = self._whence()
        if space == "aten" and name in PASSED_ON:
            source = operands.get("self")
            if isinstance(source, int) and _same(_datum(first), self.recording.steps[source].result):
                self._kept[_memory(first)] = first, source
                return
        if space == "aten" and name in MADE:
            step = Step(full, None, phase, (), _datum(first), line, node)
        else:
            rule, taken = _rule(space, name, operands)
            rule = fitting(rule, floating=first.is_floating_point(), truth=first.dtype == torch.bool)
            if rule in ("gelu", "gelu_backward") and any(isinstance(a, str) and a == "tanh" for a in args):
                rule = rule.replace("gelu", "gelu_tanh")
            kind: Kind = "custom kernel" if space != "aten" else "operation"
            if space == "aten" and (rule is None or rule in IN_ONE_KERNEL):
                kind = "framework function"
            step = Step(f"{space}::{full}", rule, phase, taken, _datum(first), line, node, kind)
        index = self.recording.add(step)
        for made in result if isinstance(result, tuple | list) else (result,):
            if isinstance(made, torch.Tensor) and (made is first or _memory(made) not in self._kept):
                self._kept[_memory(made)] = made, index

    def _whence(self) -> tuple[SourceLine | None, Phase, str | None]:
        """The line that called, or whose operation is differentiated; the phase; the node of autograd's."""
        node = torch._C._current_autograd_node()
        line = source_line(_frames(), self.file)
        if node is not None:
            line = line or self._lines.get(node._sequence_nr())
        # Autograd has made the node of this operation by now, and counted it.
        self._lines.setdefault(torch._C._autograd._get_sequence_nr() - 1, line)
        return line, PHASES[self.depth], None if node is None else node.name()


def _rule(
    space: str, name: str, operands: Mapping[str, int | Datum | None]
) -> tuple[str | None, tuple[int | Datum, ...]]:
    """The rule of an operation with the operands that it takes; without one every number that there is."""
    rule = RENAMED.get(name) or (name if name in RULES and name not in REDUCTIONS else None)
    every = _present(operands.values())
    if space != "aten" or rule is None or operands.get("rounding_mode") is not None:
        return None, every
    if rule in ("gelu", "gelu_backward"):
        # The approximation is text, and no operand.
        return rule, _present(operands.get(n) for n in USUAL)
    if name == "clamp":
        low, high = operands.get("min"), operands.get("max")
        ends = (low if low is not None else constant(-torch.inf), high if high is not None else constant(torch.inf))
        return rule, _present((operands["self"], *ends))
    taken = [operands.get(n) for n in ARGUMENTS.get(name, USUAL)]
    if name not in ARGUMENTS and rule in ("add", "sub", "rsub"):
        alpha = operands.get("alpha")
        taken += [] if isinstance(alpha, Datum) and alpha.number == 1 else [alpha]
    return rule, _present(taken)


def _present(operands: Any) -> tuple[int | Datum, ...]:
    return tuple(o for o in operands if o is not None)


def _frames() -> Iterator[tuple[str, int]]:
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename != calls.__file__:  # who called us is not of interest
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]


def _memory(x: Tensor) -> tuple[object, ...]:
    """What two tensors of the same numbers in the same place share."""
    try:
        return x.untyped_storage()._cdata, x.storage_offset(), x.numel(), x.dtype
    except (NotImplementedError, RuntimeError):  # no storage of its own
        return (id(x),)


def _same(one: Datum, other: Datum) -> bool:
    return (one.format, one.bits, one.text) == (other.format, other.bits, other.text)


def _datum(x: Tensor) -> Datum:
    """The number that all elements of a tensor are; no number where they differ."""
    if not x.numel() or x.is_complex() or x.layout is not torch.strided:
        return constant(None)
    with torch.utils._python_dispatch._disable_current_modes(), torch.no_grad():
        flat = x.detach().expand(x.shape).reshape(-1)
        if x.dtype not in _NAMES:
            value = flat[0].item()
            return constant(value) if bool((flat == flat[0]).all()) else constant(None)
        bits = bits_of(flat.contiguous(), FORMATS[_NAMES[x.dtype]])
    return datum(int(bits[0]), _NAMES[x.dtype]) if (bits == bits[0]).all() else constant(None)
