"""The triton backend: a user's elementwise kernels, compiled for a GPU and run on the host.

Requirements: results must be those of every GPU of the target that keeps the documentation of its instructions, or an
enclosure of them; what cannot be run so is Unsupported by name. So kernels have no implementation of gradproof's: the
backend has no catalogue, and nothing is run that triton's compiler did not write.
"""

from __future__ import annotations

import importlib.util
import math
import platform
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final, final

import numpy as np

from gradproof.backends.base import Availability, Backend, Call, Implementation, Traits, padded
from gradproof.backends.contract import check_offered, handed_in
from gradproof.backends.libdevice.instructions import APPROXIMATE
from gradproof.backends.libdevice.kernels import UNROLLED, Kernel
from gradproof.backends.libdevice.translate import FLUSHING, Translated
from gradproof.backends.triton import compiling
from gradproof.backends.triton.elements import element_function
from gradproof.errors import Unsupported
from gradproof.formats import FLOAT32, Format
from gradproof.formats import arrays as fa
from gradproof.formats.arrays import Bits

TARGETS: Final = ("sm_90", "sm_80", "sm_86", "sm_89")
"""Compute capabilities that triton compiles for here; the first where none is named."""
MOST_COMBINATIONS: Final = 8 * UNROLLED
"""Of results of approximate instructions, for which the kernel is evaluated; compiling them takes some 10 seconds."""


@final
class TritonBackend(Backend):
    """Triton kernels on the host; mode eager. Derivatives are kernels that are handed in."""

    name: ClassVar[str] = "triton"
    devices: ClassVar[tuple[str, ...]] = TARGETS
    formats: ClassVar[tuple[str, ...]] = ("float32", "float16", "bfloat16")
    by_default: ClassVar[bool] = False

    def __init__(self, device: str = TARGETS[0]) -> None:
        super().__init__(device)
        self._arch = int(device.partition("_")[2])
        self._flags = {**FLUSHING, "__CUDA_ARCH": 10 * self._arch}
        self._kernels: dict[tuple[int, str, str], tuple[Any, Kernel | Unsupported]] = {}

    @classmethod
    def availability(cls, device: str) -> Availability:
        """Whether triton and llvmlite are here; neither is loaded."""
        if device not in cls.devices:
            return Availability(False, f"expected triton:{' or '.join(cls.devices)}, got triton:{device}")
        if platform.machine() not in ("x86_64", "AMD64"):
            return Availability(False, f"triton:{device} is run on an x86-64 processor, this is {platform.machine()}")
        if importlib.util.find_spec("llvmlite") is None:
            return Availability(False, "llvmlite is not installed; pip install 'gradproof[libdevice]'")
        if importlib.util.find_spec("triton") is None:
            return Availability(False, "triton is not installed; pip install triton")
        return Availability(True)

    def versions(self) -> dict[str, str]:
        """Versions of triton, llvmlite and LLVM, the target and the flags that libdevice is compiled with."""
        import llvmlite
        import llvmlite.binding as llvm
        import triton

        return {
            "triton": triton.__version__,
            "llvmlite": llvmlite.__version__,
            "llvm": ".".join(map(str, llvm.llvm_version_info)),
            "target": self.device,
            "flags": ", ".join(f"{name.strip('_')}={value}" for name, value in self._flags.items()),
        }

    def catalogue(self) -> Sequence[Implementation]:
        """None of its own."""
        return ()

    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        """Only derivatives handed in."""
        return ("given",)

    def open_to(self, implementation: Implementation, fmt: Format) -> str:
        """The approximate instructions of the kernels with their documented errors; empty where there are none."""
        if implementation.formats is not None and fmt.name not in implementation.formats:
            return ""
        sites: list[str] = []
        for order in range(len(implementation.derivatives) + 1):
            try:
                sites += self._kernel(implementation, fmt, Call(order=order)).function.approximate
            except Unsupported:  # which ``evaluate`` says
                continue
        return ", ".join(f"{name} ({APPROXIMATE[name].error})" for name in dict.fromkeys(sites))

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """See the base class: one device of those allowed, whose approximate instructions round correctly."""
        kernel = self._kernel(implementation, fmt, call)
        (values,) = self._through(lambda wide: (kernel.values(wide),), bits, fmt)
        return values

    def enclosure(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> tuple[Bits, Bits]:
        """See the base class."""
        low, high = self._through(self._kernel(implementation, fmt, call).enclosure, bits, fmt)
        return low, high

    def dot(self, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        """Unsupported."""
        raise Unsupported("gradproof runs elementwise kernels of triton's only, no sums of products")

    def chain(
        self, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        """Unsupported."""
        raise Unsupported("gradproof runs elementwise kernels of triton's only, no products of derivatives")

    def traits(self, fmt: Format) -> Traits:
        """Triton has libdevice flush; the subnormal numbers of float16 are normal ones of float32."""
        flushes = bool(FLUSHING["__CUDA_FTZ"]) and fmt.name != "float16"
        return Traits(flushes_results=flushes, zeros_inputs=flushes)

    def _through(self, ask: Any, bits: Bits, fmt: Format) -> list[Bits]:
        """What ``ask`` gives of bits of float32, to and from the format, which are exact both ways."""
        own = np.asarray(bits, fa.storage(fmt))
        if not own.size:
            return [own.copy(), own.copy()]
        flat = padded(own)
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
            wide = flat if fmt is FLOAT32 else fa.values(flat, fmt).astype(np.float32).view(np.uint32)
        found = []
        for results in ask(wide):
            with np.errstate(invalid="ignore"):
                wider = results.view(np.float32).astype(np.float64)
            back = results if fmt is FLOAT32 else fa.round_by_quantum(wider, fmt)
            found.append(np.asarray(back, fa.storage(fmt))[: own.size].reshape(own.shape))
        return found

    def _kernel(self, implementation: Implementation, fmt: Format, call: Call) -> Kernel:
        """The kernel of an order, made once; its first call compiles it for the host."""
        check_offered(implementation, fmt, call.order)
        if fmt.name not in self.formats:
            raise Unsupported(f"gradproof runs triton kernels in {', '.join(self.formats)}, not in {fmt.name}")
        if call.mode not in self.modes or call.layout != "contiguous":
            raise Unsupported(f"triton:{self.device} has the mode eager and the layout contiguous alone")
        given = handed_in(implementation, call.order).call
        key = id(given), fmt.name, repr(sorted(implementation.params.items()))
        if key not in self._kernels:
            try:
                made: Kernel | Unsupported = self._made(given, implementation, fmt)
            except Unsupported as why:
                made = why
            self._kernels[key] = given, made  # kept beside the kernel, so that its id stays its own
        found = self._kernels[key][1]
        if isinstance(found, Unsupported):
            raise found
        return found

    def _made(self, given: Any, implementation: Implementation, fmt: Format) -> Kernel:
        from triton.runtime.jit import JITFunction

        kernel = given.func if isinstance(given, partial) else given
        if not isinstance(kernel, JITFunction):
            raise Unsupported(f"{implementation.name} is no @triton.jit kernel but {type(kernel).__name__}")
        params = dict(implementation.params)
        types, _ = compiling.arguments(kernel, params)
        ir = compiling.llvm_ir(kernel, fmt.name, params, self._arch)
        arguments = [name for name, kind in types.items() if kind != "constexpr"]
        function = element_function(kernel.__name__, ir, arguments, params, fmt, self._flags)
        if (combinations := _combinations(function)) > MOST_COMBINATIONS:
            raise Unsupported(
                f"{kernel.__name__} has {len(function.approximate)} approximate instructions "
                f"({', '.join(dict.fromkeys(function.approximate))}), whose results combine in {combinations:,} ways; "
                f"gradproof evaluates at most {MOST_COMBINATIONS:,}"
            )
        return Kernel(function)


def _combinations(function: Translated) -> int:
    return math.prod(APPROXIMATE[name].candidates for name in function.approximate)
