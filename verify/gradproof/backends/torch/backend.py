"""The torch backend: eager, compiled and under autocast, reverse and forward AD, CPU and CUDA.

Requirements: PyTorch is imported by the constructor and never by this module; CPU kernels run on one thread,
so that no result depends on how an array was split, unless the layout ``large`` asks for just that; whatever is
switched for a call is switched back.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

import numpy as np

from gradproof.backends import traits as probing
from gradproof.backends.base import Availability, Backend, Call, Implementation, Traits, padded, padded_length
from gradproof.backends.chains import reverse_passes, rows_of
from gradproof.backends.contract import check_offered, result_bits
from gradproof.backends.cuda import driver_version
from gradproof.backends.layouts import UNPADDED
from gradproof.backends.simd import torch_level
from gradproof.errors import BackendUnavailable, Unsupported
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage

if TYPE_CHECKING:
    import torch

    from gradproof.backends.arrays import Arrays
    from gradproof.backends.settings import FrameworkSetting
    from gradproof.backends.space import Space
    from gradproof.tracing.recording import Recording


_DEVICE: Final = re.compile(r"[a-z][a-z0-9_]*(:[0-9]+)?")
SLIP: Final = 0.7
"""How alike (difflib's ratio) a name is to that of a device of ours to be taken for a slip of the pen; npu is 0.67."""


@final
class TorchBackend(Backend):
    """PyTorch on one device; ``cuda`` is the current CUDA device, other names are those of ``torch.device``."""

    name: ClassVar[str] = "torch"
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    modes: ClassVar[tuple[str, ...]] = ("eager", "compiled", "autocast")
    default_modes: ClassVar[tuple[str, ...]] = ("eager",)
    deep_modes: ClassVar[tuple[str, ...]] = ("eager", "compiled")
    takes_cotangents: ClassVar[bool] = True
    works_on_device: ClassVar[bool] = True

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        import torch

        from gradproof.backends.torch import calls, tensors

        self._arrays = tensors
        self._calls = calls
        self._device: torch.device = (
            torch.device("cuda", torch.cuda.current_device()) if device == "cuda" else torch.device(device)
        )
        self._compiled = calls.Compiler()
        self._code_generation: Availability | None = None
        self._traits: dict[str, Traits] = {}

    @classmethod
    def availability(cls, device: str) -> Availability:
        """Whether PyTorch is installed; for all devices but ``cpu`` it is imported and a kernel is tried."""
        if importlib.util.find_spec("torch") is None:
            return Availability(False, "PyTorch is not installed; pip install 'gradproof[torch]'")
        if device == "cpu":
            return Availability(True)
        return _cuda_availability() if device == "cuda" else _device_availability(device)

    @classmethod
    def takes_device(cls, device: str) -> bool:
        """Any that PyTorch might know (xpu, mps, a name registered for PrivateUse1), unless it is a slip of the pen."""
        kind = device.partition(":")[0]
        known = kind in cls.devices
        return bool(_DEVICE.fullmatch(device)) and (
            known or not difflib.get_close_matches(kind, cls.devices, n=1, cutoff=SLIP)
        )

    @property
    def keeps_results(self) -> bool:
        """On CUDA; the operations of ``arrays`` are tried on no other device."""
        return str(self._device.type) == "cuda"

    def mode_availability(self, mode: str) -> Availability:
        """``compiled`` takes what Inductor generates code with: a C++ compiler on CPUs, Triton on CUDA."""
        if mode != "compiled":
            return Availability(True)
        if self._code_generation is None:
            from gradproof.backends.torch.inductor import code_generation

            self._code_generation = code_generation(self._device)
        return self._code_generation

    def versions(self) -> dict[str, str]:
        """Versions of PyTorch; on CUDA its runtime, driver and device; on CPU the vector capability.

        So is what ``compiled`` works with, once that mode was asked for: finding it takes a second.
        """
        import torch

        found = {"torch": torch.__version__}
        if self._code_generation is not None and self._code_generation.tool:
            found["compiler"] = self._code_generation.tool
        if self.device == "cpu":
            return {**found, "cpu_capability": torch.backends.cpu.get_cpu_capability()}
        if self._device.type != "cuda":
            return {**found, "device": self.device}
        properties = torch.cuda.get_device_properties(self._device)
        return {
            **found,
            "cuda": str(torch.version.cuda),
            "driver": driver_version(),
            "device": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
        }

    def catalogue(self) -> Sequence[Implementation]:
        """PyTorch's own activation functions."""
        from gradproof.backends.torch.catalogue import catalogue

        return catalogue()

    def formulations(self, function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
        """The piecewise linear functions by ``maximum``, ``clamp`` and ``where``."""
        from gradproof.backends.torch.catalogue import formulations

        return formulations(function, params)

    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        """Reverse and forward AD, or only the derivatives handed in."""
        return ("given",) if implementation.derivatives else ("reverse", "forward")

    @property
    def settings(self) -> Mapping[str, FrameworkSetting]:
        """See the base class."""
        from gradproof.backends.torch.settings import SETTINGS

        return SETTINGS

    def layouts(self, implementation: Implementation, fmt: Format, order: int) -> tuple[str, ...]:
        """All of them; what writes into its argument or into ``out`` where the implementation has the variant."""
        from gradproof.backends.torch.layouts import offered

        return offered(implementation, fmt, order)

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """See the base class. ``compiled`` pads to few fixed lengths, since each length compiles anew."""
        self._check_callable(implementation, fmt, call)
        if bits.size == 0 and call.layout != "empty":
            return np.asarray(bits, storage(fmt)).copy()
        compiled = call.mode == "compiled"
        lanes = np.asarray(bits, storage(fmt)).ravel()
        if call.layout not in UNPADDED:
            lanes = padded(lanes, few_lengths=compiled)
        with self._arrays.one_thread():
            result = self._calls.evaluated(
                implementation, lanes, fmt, self._device, call, self._compiled if compiled else None
            )
            answer = result_bits(implementation, result, self._arrays.is_format(result, fmt), fmt, self._arrays.bits_of)
        return answer[: bits.size].reshape(bits.shape)

    def on_device(self, implementation: Implementation, first: int, count: int, fmt: Format, call: Call) -> Any:
        """See the base class. CPU tensors go the same way, on one thread."""
        self._check_callable(implementation, fmt, call)
        if call.layout != "contiguous":
            raise Unsupported(f"results stay on the device in the layout contiguous only, not {call.layout}")
        compiled = call.mode == "compiled"
        patterns = self._calls.Patterns(first, count, padded_length(count, few_lengths=compiled))
        with self._arrays.one_thread():
            result = self._calls.evaluated(
                implementation, patterns, fmt, self._device, call, self._compiled if compiled else None
            )
            # Autograd gives zeros without memory, and a result may be a view of what it does not own.
            return result.detach()[:count].clone().contiguous()

    def trace(self, implementation: Implementation, bits: int, fmt: Format, order: int) -> Recording:
        """See the base class; operations as the dispatcher sees them, below autograd."""
        from gradproof.backends.torch.trace import traced

        call = Call(order=order)
        self._check_callable(implementation, fmt, call)
        lanes = np.full(padded_length(1), bits, storage(fmt))
        with self._arrays.one_thread():
            return traced(implementation, lanes, fmt, self._device, order)

    def arrays(self) -> Arrays:
        """Tensors on the device."""
        from gradproof.backends.torch.device_arrays import TorchArrays

        return TorchArrays(self._device)

    def _check_callable(self, implementation: Implementation, fmt: Format, call: Call) -> None:
        check_offered(implementation, fmt, call.order)
        if call.mode not in self.modes:
            raise Unsupported(f"torch has no mode {call.mode!r}; expected one of {', '.join(self.modes)}")
        state = self.mode_availability(call.mode)
        if not state.available:
            raise BackendUnavailable(state.reason)

    def dot(self, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        """``(x * w).sum(-1) + bias``; PyTorch sums 16-bit formats in float32 and rounds at the end."""
        arrays = self._arrays
        with arrays.needing(f"pre-activations in {fmt.name}"), arrays.one_thread(), arrays.no_grad():
            total = (arrays.tensor(x, fmt, self._device) * arrays.tensor(w, fmt, self._device)).sum(-1)
            if bias is not None:
                total = total + arrays.tensor(bias, fmt, self._device)
            answer: Bits = arrays.bits_of(total, fmt)
        return answer

    def chain(
        self, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        """See the base class; each step's pull-back is autograd's."""
        check_offered(implementation, fmt, 1)
        if not weights:
            return [], []
        from gradproof.backends.torch.chain import TorchChain

        lanes = padded(np.asarray(bits, storage(fmt)))
        shape, size, depth = bits.shape, bits.size, len(weights)
        with self._arrays.needing(f"a chain in {fmt.name}"), self._arrays.one_thread():
            chain = TorchChain(implementation, weights, lanes, fmt, self._device)
            rows = reverse_passes(depth, chain.ones(), chain.pull, chain.start)
            derivatives = [self._arrays.bits_of(row, fmt) for row in rows_of(rows, depth)]
        return (
            [i[:size].reshape(shape) for i in chain.inputs],
            [d[:size].reshape(shape) for d in derivatives],
        )

    @contextmanager
    def space(self, fmt: Format, threads: int | None = 1) -> Iterator[Space]:
        """See the base class; one CPU thread, or as many as the process has."""
        from gradproof.backends.torch.space import TorchSpace

        with self._arrays.needing(f"a program in {fmt.name}"), ExitStack() as stack:
            if threads is not None:
                stack.enter_context(self._arrays.limited_to(threads))
            stack.enter_context(self._arrays.no_grad())
            yield TorchSpace(self, fmt, self._device)

    def traits(self, fmt: Format) -> Traits:
        """See the base class; probed with the process's own number of threads.

        A format that PyTorch does not multiply was not seen to flush.
        """
        if fmt.name not in self._traits:
            self._traits[fmt.name] = self._probed(fmt)
        return self._traits[fmt.name]

    def _probed(self, fmt: Format) -> Traits:
        arrays, device = self._arrays, self._device

        def multiply(a: Bits, b: Bits) -> Bits:
            with arrays.needing(f"a product in {fmt.name}"), arrays.no_grad():
                product = arrays.tensor(a, fmt, device) * arrays.tensor(b, fmt, device)
                answer: Bits = arrays.bits_of(product, fmt)
            return answer

        try:
            return probing.probe(multiply, fmt)
        except Unsupported:
            return Traits(flushes_results=False, zeros_inputs=False)

    def simd(self, processor: str) -> str:
        """See the base class."""
        import torch

        return torch_level(processor, torch.backends.cpu.get_cpu_capability())

    def flushing_settings(self) -> tuple[bool, ...]:
        """Both on a CPU that has the mode; CUDA kernels know no such switch."""
        return (False, True) if self.device == "cpu" and self._arrays.can_flush() else ()

    @contextmanager
    def flushing(self, on: bool, fmt: Format) -> Iterator[Traits]:
        """``torch.set_flush_denormal``, which acts on this thread; inside PyTorch uses no other."""
        if on not in self.flushing_settings():
            raise Unsupported(f"torch on {self.device} has no switch for subnormal numbers")
        with self._arrays.flushing(on):
            yield self._probed(fmt)


def _cuda_availability() -> Availability:
    version, cuda = _build()
    if cuda is None:
        return Availability(False, f"PyTorch {version} is built without CUDA; install a CUDA build from pytorch.org")
    try:
        import torch
    except Exception as error:  # a broken installation raises OSError and others besides ImportError
        return Availability(False, f"PyTorch is installed but cannot be imported: {error}")
    if not torch.cuda.is_available():
        return Availability(
            False, f"PyTorch {torch.__version__} finds no CUDA device; it takes an NVIDIA GPU and its driver"
        )
    try:
        (torch.ones(1, device="cuda") + 1).item()
    except RuntimeError as error:
        return Availability(False, f"the CUDA device runs no kernel of PyTorch {torch.__version__}: {error}")
    return Availability(True)


def _device_availability(device: str) -> Availability:
    """Of any other device: whether PyTorch knows it, and a kernel answers with a number."""
    try:
        import torch
    except Exception as error:  # as above
        return Availability(False, f"PyTorch is installed but cannot be imported: {error}")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        return Availability(
            False,
            f"PyTorch {torch.__version__} knows no device {device!r}: {why}. A backend of PrivateUse1 is known once "
            "its package is imported, by itself as an entry point of torch.backends or by your file",
        )
    try:
        answer = (torch.ones(1, device=chosen) + 1).cpu().item()
    except Exception as error:  # what a device is missing is said by whichever layer misses it
        why = " ".join(str(error).split())[:300]
        return Availability(False, f"the device {device!r} runs no kernel of PyTorch {torch.__version__}: {why}")
    if answer != 2:
        return Availability(False, f"the device {device!r} says that 1 + 1 is {answer}, expected 2")
    return Availability(True)


def _build() -> tuple[str, str | None]:
    """PyTorch's version and the CUDA it is built with, from the file that says so: importing it all takes a second."""
    if "torch" in sys.modules:
        import torch

        return torch.__version__, torch.version.cuda
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    try:
        found = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
        return str(found["__version__"]), found["cuda"]
    except Exception:  # another layout, or a broken installation: importing it tells
        return "", ""
