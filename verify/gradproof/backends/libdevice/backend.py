"""The libdevice backend: the functions that CUDA's compilers link into kernels, without a GPU.

Requirements: results must be those of a device to the last bit, or an enclosure of all that the documentation of its
approximate instructions allows; which bitcode, which target and which flags must be in the results. So nothing is
tuned: one target, nvcc's default flags, and a function that needs anything else is Unsupported with the reason.
"""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final, final

import numpy as np

from gradproof.backends.base import Availability, Backend, Call, Implementation, Traits, padded
from gradproof.backends.contract import check_offered, handed_in
from gradproof.backends.libdevice import bitcode, kernels
from gradproof.backends.libdevice.instructions import APPROXIMATE
from gradproof.backends.libdevice.translate import REFLECTED, TARGET
from gradproof.errors import BackendUnavailable, Unsupported
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage

FUNCTIONS: Final = {
    "exp": ("float32", "float64"),
    "expm1": ("float32", "float64"),
    "log1p": ("float32",),
    "erf": ("float32",),
    "erfc": ("float32",),
    "tanh": ("float32",),
}
"""The catalogued functions that are one function of libdevice, with the formats in which the host can run it."""
_SUFFIX: Final = {"float32": "f", "float64": ""}


@final
class LibdeviceBackend(Backend):
    """libdevice on the host; mode eager, values alone."""

    name: ClassVar[str] = "libdevice"
    devices: ClassVar[tuple[str, ...]] = ("x86",)
    formats: ClassVar[tuple[str, ...]] = ("float64", "float32")
    by_default: ClassVar[bool] = False

    def __init__(self, device: str = "x86") -> None:
        super().__init__(device)
        self._file = bitcode.located()
        kernels.parsed(self._file)  # a file that LLVM cannot read is told here, where it is expected

    @classmethod
    def availability(cls, device: str) -> Availability:
        """Whether llvmlite and the bitcode are here; neither is loaded."""
        if device not in cls.devices:
            return Availability(False, f"libdevice runs on the host; expected libdevice:x86, got libdevice:{device}")
        if platform.machine() not in ("x86_64", "AMD64"):
            return Availability(False, f"libdevice:x86 needs an x86-64 processor, this is {platform.machine()}")
        if importlib.util.find_spec("llvmlite") is None:
            return Availability(False, "llvmlite is not installed; pip install 'gradproof[libdevice]'")
        try:
            bitcode.located()
        except BackendUnavailable as missing:
            return Availability(False, str(missing))
        return Availability(True)

    def versions(self) -> dict[str, str]:
        """SHA-256 of the bitcode, the versions of triton, llvmlite and LLVM, the target and its flags."""
        import llvmlite
        import llvmlite.binding as llvm

        flags = ", ".join(f"{name.strip('_')}={value}" for name, value in REFLECTED.items())
        return {
            **bitcode.versions(self._file),
            "llvmlite": llvmlite.__version__,
            "llvm": ".".join(map(str, llvm.llvm_version_info)),
            "target": TARGET,
            "flags": flags,
        }

    def catalogue(self) -> Sequence[Implementation]:
        """One implementation for each of FUNCTIONS, called as in libdevice without the suffix of a format."""
        return tuple(
            Implementation(function, self.name, f"__nv_{function}", partial(self._called, function), formats=formats)
            for function, formats in FUNCTIONS.items()
        )

    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        """Only derivatives handed in, and libdevice has none."""
        return ("given",)

    def open_to(self, implementation: Implementation, fmt: Format) -> str:
        """The approximate instructions of the function with their documented errors; empty where it has none."""
        if implementation.user or (implementation.formats and fmt.name not in implementation.formats):
            return ""
        try:
            sites = kernels.kernel(self._file, _symbol(implementation, fmt)).function.approximate
        except Unsupported:  # which ``evaluate`` says
            return ""
        return ", ".join(f"{name} ({APPROXIMATE[name].error})" for name in dict.fromkeys(sites))

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """See the base class: one device of those allowed, whose approximate instructions round correctly."""
        kernel = self._kernel(implementation, fmt, call)
        return kernel.values(padded(np.asarray(bits, storage(fmt))))[: bits.size].reshape(bits.shape)

    def enclosure(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> tuple[Bits, Bits]:
        """See the base class."""
        kernel = self._kernel(implementation, fmt, call)
        low, high = kernel.enclosure(padded(np.asarray(bits, storage(fmt))))
        return low[: bits.size].reshape(bits.shape), high[: bits.size].reshape(bits.shape)

    def dot(self, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        """Unsupported."""
        raise Unsupported("libdevice has functions of single numbers only, no sums of products")

    def chain(
        self, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        """Unsupported."""
        raise Unsupported("libdevice has no derivatives")

    def traits(self, fmt: Format) -> Traits:
        """As the flags say: subnormal numbers are neither flushed nor read as zero."""
        flushes = bool(REFLECTED["__CUDA_FTZ"])
        return Traits(flushes_results=flushes, zeros_inputs=flushes)

    def _kernel(self, implementation: Implementation, fmt: Format, call: Call) -> kernels.Kernel:
        check_offered(implementation, fmt, call.order)
        handed_in(implementation, call.order)
        if implementation.user:
            raise Unsupported(f"libdevice runs NVIDIA's functions only, not {implementation.name}")
        if call.mode not in self.modes or call.layout != "contiguous":
            raise Unsupported(f"libdevice has the mode eager and the layout contiguous, not {call.mode}, {call.layout}")
        return kernels.kernel(self._file, _symbol(implementation, fmt))

    def _called(self, function: str, x: Any) -> Any:
        bits = x.view(f"u{x.itemsize}")
        fmt = f"float{8 * x.itemsize}"
        return kernels.kernel(self._file, f"__nv_{function}{_SUFFIX[fmt]}").values(bits).view(x.dtype).reshape(x.shape)


def _symbol(implementation: Implementation, fmt: Format) -> str:
    """The function's name in the bitcode."""
    return implementation.name + _SUFFIX[fmt.name]
