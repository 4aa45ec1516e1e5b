"""CuPy as a backend of gradproof: arrays on the current CUDA device, no AD.

CuPy has no activation functions; the catalogue holds its elementary functions and those of ``cupyx.scipy.special``.
An implementation of yours takes a ``cupy.ndarray`` and returns one, and may hand its derivatives in.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from gradproof.extend import (
    Availability,
    Backend,
    Bits,
    Call,
    Format,
    Implementation,
    Traits,
    Unsupported,
    call_checks,
    padded,
    reverse_passes,
    rows_of,
)
from gradproof.extend import arrays as fa
from gradproof.extend import traits as probing

DISTRIBUTIONS = ("cupy-cuda13x", "cupy-cuda12x", "cupy")


class CupyBackend(Backend):
    """CuPy on the current CUDA device."""

    name: ClassVar[str] = "cupy"
    devices: ClassVar[tuple[str, ...]] = ("cuda",)
    formats: ClassVar[tuple[str, ...]] = ("float64", "float32", "float16")

    def __init__(self, device: str = "cuda") -> None:
        super().__init__(device)
        import cupy

        self._cupy = cupy
        self._traits: dict[str, Traits] = {}

    @classmethod
    def availability(cls, device: str) -> Availability:
        """Whether CuPy is installed and finds a device."""
        if device not in cls.devices:
            return Availability(False, f"CuPy runs on cuda only; expected cupy:cuda, got cupy:{device}")
        if importlib.util.find_spec("cupy") is None:
            return Availability(False, "CuPy is not installed; pip install cupy-cuda13x or cupy-cuda12x")
        try:
            import cupy

            count = cupy.cuda.runtime.getDeviceCount()
        except Exception as error:
            return Availability(False, f"CuPy finds no usable CUDA: {' '.join(str(error).split())[:200]}")
        return Availability(True) if count else Availability(False, "CuPy finds no CUDA device")

    def versions(self) -> dict[str, str]:
        """Versions of CuPy and the CUDA runtime, and the device."""
        runtime = self._cupy.cuda.runtime
        properties = runtime.getDeviceProperties(self._cupy.cuda.Device().id)
        return {
            "cupy": next(importlib.metadata.version(d) for d in DISTRIBUTIONS if _installed(d)),
            "cuda": str(runtime.runtimeGetVersion()),
            "driver": str(runtime.driverGetVersion()),
            "device": properties["name"].decode(),
        }

    def catalogue(self) -> Sequence[Implementation]:
        """CuPy's own elementary functions."""
        cp = self._cupy
        special = importlib.import_module("cupyx.scipy.special")
        calls: dict[str, tuple[str, Callable[[Any], Any]]] = {
            "exp": ("cupy.exp", cp.exp),
            "expm1": ("cupy.expm1", cp.expm1),
            "log1p": ("cupy.log1p", cp.log1p),
            "tanh": ("cupy.tanh", cp.tanh),
            "abs": ("cupy.abs", cp.abs),
            "maximum0": ("cupy.maximum", lambda x: cp.maximum(x, x.dtype.type(0))),
            "erf": ("cupyx.scipy.special.erf", special.erf),
            "erfc": ("cupyx.scipy.special.erfc", special.erfc),
            "sigmoid": ("cupyx.scipy.special.expit", special.expit),
            "logsigmoid": ("cupyx.scipy.special.log_expit", special.log_expit),
        }
        return [Implementation(function, self.name, name, call) for function, (name, call) in calls.items()]

    def formulations(self, function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
        """None."""
        return ()

    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        """Only derivatives handed in."""
        return ("given",)

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """Values, and the derivatives that were handed in."""
        call_checks.check_offered(implementation, fmt, call.order)
        subject = call_checks.handed_in(implementation, call.order)
        if bits.size == 0:
            return np.asarray(bits, fa.storage(fmt)).copy()
        lanes = padded(np.asarray(bits, fa.storage(fmt)))
        x = self._array(lanes, fmt)
        y = self._called(subject, x, lanes, fmt)
        return _bits(y, fmt)[: bits.size].reshape(bits.shape)

    def dot(self, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        """``(x * w).sum(-1) + bias``."""
        total = (self._array(x, fmt) * self._array(w, fmt)).sum(axis=-1, dtype=fmt.name)
        return _bits(total if bias is None else total + self._array(bias, fmt), fmt)

    def chain(
        self, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        """Products of the derivative handed in, in reverse order."""
        call_checks.check_offered(implementation, fmt, 1)
        first = call_checks.handed_in(implementation, 1)
        if not weights:
            return [], []
        lanes, size, depth = padded(np.asarray(bits, fa.storage(fmt))), bits.size, len(weights)
        scale = [self._cupy.asarray(w, fmt.name) for w in weights]
        hidden, inputs, slopes = self._array(lanes, fmt), [], []
        for w in scale:
            into = _bits(w * hidden, fmt)
            inputs.append(into)
            slopes.append(self._called(first, self._array(into, fmt), into, fmt))
            hidden = self._called(implementation, self._array(into, fmt), into, fmt)

        def start(rows: Any, k: int) -> Any:
            rows[k] = 1
            return rows

        ones = self._cupy.ones((depth, lanes.size), fmt.name)
        rows = reverse_passes(depth, ones, lambda k, rows: (rows * slopes[k]) * scale[k], start)
        found = [_bits(row, fmt)[:size].reshape(bits.shape) for row in rows_of(rows, depth)]
        return [i[:size].reshape(bits.shape) for i in inputs], found

    def traits(self, fmt: Format) -> Traits:
        """FTZ and DAZ of a product."""
        if fmt.name not in self._traits:
            self._traits[fmt.name] = probing.probe(
                lambda a, b: _bits(self._array(a, fmt) * self._array(b, fmt), fmt), fmt
            )
        return self._traits[fmt.name]

    def _array(self, bits: Bits, fmt: Format) -> Any:
        return self._cupy.asarray(np.array(bits, fa.storage(fmt), order="C").view(np.dtype(fmt.name)))

    def _called(self, implementation: Implementation, x: Any, lanes: Bits, fmt: Format) -> Any:
        def synchronised(x: Any) -> Any:
            y = implementation.call(x)
            self._cupy.cuda.get_current_stream().synchronize()
            return y

        y = call_checks.called(implementation, synchronised, x, call_checks.unless_user(implementation, _lacks))
        if not isinstance(y, self._cupy.ndarray):
            raise call_checks.wrong("wrong-type", implementation, "a", "a cupy.ndarray", type(y).__name__)
        call_checks.check_shape(implementation, y.shape, x.shape)
        if y.dtype != x.dtype:
            if not implementation.user:
                raise Unsupported(f"{implementation.name} answers {x.dtype} with {y.dtype}")
            raise call_checks.wrong("wrong-format", implementation, "dtype", str(x.dtype), str(y.dtype))
        call_checks.check_unchanged(implementation, lanes, _bits(x, fmt))
        return y


def _bits(values: Any, fmt: Format) -> Bits:
    return np.ascontiguousarray(values.get()).view(fa.storage(fmt))


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _lacks(error: BaseException) -> bool:
    return isinstance(error, (NotImplementedError, TypeError)) and "not supported" in str(error)
