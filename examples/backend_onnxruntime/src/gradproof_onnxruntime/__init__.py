"""ONNX Runtime as a backend of gradproof: one model of one operator per implementation, on CPU or CUDA.

ONNX Runtime has no AD, so the cells are those of order 0. An implementation of this backend takes the name of an
ONNX value and a graph under construction and returns the name of its result: see ``Graph``.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradproof.extend import Availability, Backend, Bits, Call, Format, Implementation, Traits, Unsupported, padded
from gradproof.extend import arrays as fa
from gradproof.extend import traits as probing

if TYPE_CHECKING:
    from gradproof_onnxruntime.sessions import Sessions

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntimeBackend(Backend):
    """ONNX Runtime with one execution provider; one thread, graph optimisations off."""

    name: ClassVar[str] = "onnxruntime"
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    formats: ClassVar[tuple[str, ...]] = ("float64", "float32", "float16")

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        from gradproof_onnxruntime.sessions import Sessions

        self._sessions: Sessions = Sessions(PROVIDERS[device])
        self._traits: dict[str, Traits] = {}

    @classmethod
    def availability(cls, device: str) -> Availability:
        """Whether ONNX Runtime is here, with the provider of the device."""
        if device not in cls.devices:
            return Availability(False, f"expected onnxruntime:cpu or onnxruntime:cuda, got onnxruntime:{device}")
        for module in ("onnxruntime", "onnx"):
            if importlib.util.find_spec(module) is None:
                return Availability(False, f"{module} is not installed; pip install {module}")
        import onnxruntime

        if PROVIDERS[device] not in onnxruntime.get_available_providers():
            return Availability(False, f"this ONNX Runtime has no {PROVIDERS[device]}; pip install onnxruntime-gpu")
        return Availability(True)

    def versions(self) -> dict[str, str]:
        """Versions of ONNX Runtime and onnx, and the provider."""
        found = {name: importlib.metadata.version(name) for name in ("onnxruntime", "onnx")}
        return {**found, "provider": PROVIDERS[self.device]}

    def catalogue(self) -> Sequence[Implementation]:
        """The operators that compute a catalogued function."""
        from gradproof_onnxruntime.operators import catalogue

        return catalogue()

    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        """Only derivatives handed in, and there are none."""
        return ("given",)

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """Order 0 only; Unsupported for the others, and where no kernel takes the format."""
        if call.order:
            raise Unsupported(f"ONNX Runtime has no AD, so there is no derivative of {implementation.name}")
        if bits.size == 0:
            return np.asarray(bits, fa.storage(fmt)).copy()
        lanes = padded(np.asarray(bits, fa.storage(fmt)))
        result = self._sessions.applied(implementation, _array(lanes, fmt))
        answer: Bits = result.view(fa.storage(fmt))[: bits.size].reshape(bits.shape)
        return answer

    def dot(self, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        """``ReduceSum(x * w) + bias``."""
        arrays = [_array(a, fmt) for a in (x, w, *(() if bias is None else (bias,)))]
        return self._sessions.dot(arrays).view(fa.storage(fmt))

    def chain(
        self, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        """Unsupported: it takes derivatives."""
        raise Unsupported("ONNX Runtime has no AD, so there is no chain of derivatives")

    def traits(self, fmt: Format) -> Traits:
        """FTZ and DAZ of a product."""
        if fmt.name not in self._traits:
            self._traits[fmt.name] = probing.probe(
                lambda a, b: self._sessions.product(_array(a, fmt), _array(b, fmt)).view(fa.storage(fmt)), fmt
            )
        return self._traits[fmt.name]

    def formulations(self, function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
        """None: the operators are the only way to write a function here."""
        return ()


def _array(bits: Bits, fmt: Format) -> Any:
    return np.array(bits, fa.storage(fmt), order="C").view(np.dtype(fmt.name))
