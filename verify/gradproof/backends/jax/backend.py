"""The jax backend: eager and jitted, reverse and forward AD, CPU and CUDA.

Requirements: JAX is imported by the constructor and never by this module; 64-bit types are enabled inside a
context for float64 only, so the process keeps its own setting and the narrower formats see the JAX their
users see; arrays are committed to the device; lengths are few, since JAX compiles for each.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

import numpy as np

from gradproof.backends import traits as probing
from gradproof.backends.base import Availability, Backend, Call, Implementation, Traits, padded_length
from gradproof.backends.chains import reverse_passes
from gradproof.backends.contract import check_offered, error_text
from gradproof.backends.cuda import driver_version
from gradproof.backends.jax.layouts import OFFERED, laid_out
from gradproof.backends.simd import xla_level
from gradproof.errors import Unsupported
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage

if TYPE_CHECKING:
    from gradproof.backends.arrays import Arrays
    from gradproof.backends.settings import FrameworkSetting
    from gradproof.backends.space import Space
    from gradproof.tracing.recording import Recording

_PLATFORM: Final = {"cpu": "cpu", "cuda": "gpu"}


@final
class JaxBackend(Backend):
    """JAX on the first device of a platform."""

    name: ClassVar[str] = "jax"
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    modes: ClassVar[tuple[str, ...]] = ("eager", "compiled")
    default_modes: ClassVar[tuple[str, ...]] = ("eager", "compiled")
    takes_cotangents: ClassVar[bool] = True
    works_on_device: ClassVar[bool] = True
    compiles_each_shape: ClassVar[bool] = True

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        _share_gpu_memory()
        import jax

        from gradproof.backends.jax import calls as jax_calls

        self._calls = jax_calls
        self._device = jax.devices(_PLATFORM[device])[0]
        self._functions = jax_calls.Functions(self._device)
        self._probed: dict[str, Traits | Unsupported] = {}

    @classmethod
    def availability(cls, device: str) -> Availability:
        """Whether JAX is installed; for ``cuda`` it is imported and asked for its devices."""
        if device not in cls.devices:
            return Availability(False, f"expected jax:cpu or jax:cuda, got jax:{device}")
        if importlib.util.find_spec("jax") is None:
            return Availability(False, "JAX is not installed; pip install 'gradproof[jax]'")
        if not os.environ.get("JAX_PLATFORMS"):
            if device == "cpu":
                return Availability(True)
            if not _has_plugins():
                return Availability(False, _without_cuda(importlib.metadata.version("jax")))
        return _platform_availability(device)

    def versions(self) -> dict[str, str]:
        """Versions of JAX and jaxlib, what XLA says about the platform, and the device."""
        found = {
            "jax": importlib.metadata.version("jax"),
            "jaxlib": importlib.metadata.version("jaxlib"),
            "platform": str(self._device.client.platform_version),
            "device": str(self._device.device_kind),
        }
        return found if self.device == "cpu" else {**found, "driver": driver_version()}

    def catalogue(self) -> Sequence[Implementation]:
        """The functions of ``jax.nn``."""
        from gradproof.backends.jax.catalogue import catalogue

        return catalogue()

    def formulations(self, function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
        """The piecewise linear functions by ``maximum``, ``clip`` and ``where``."""
        from gradproof.backends.jax.catalogue import formulations

        return formulations(function, params)

    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        """Reverse and forward AD, or only the derivatives handed in."""
        return ("given",) if implementation.derivatives else ("reverse", "forward")

    @property
    def settings(self) -> Mapping[str, FrameworkSetting]:
        """See the base class."""
        return self._calls.SETTINGS

    def layouts(self, implementation: Implementation, fmt: Format, order: int) -> tuple[str, ...]:
        """Those of shape: arrays of JAX have no strides, cannot be written into, and lie where XLA puts them."""
        return OFFERED

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """See the base class."""
        self._check_callable(implementation, fmt, call)
        if bits.size == 0 and call.layout != "empty":
            return np.asarray(bits, storage(fmt)).copy()
        with self._calls.configured(fmt, self._device):
            result = laid_out(
                partial(self._functions.evaluated, implementation, fmt=fmt, call=call),
                np.array(bits, storage(fmt)).ravel(),
                call.layout,
            )
        answer: Bits = result[: bits.size].reshape(bits.shape)
        return answer

    def on_device(self, implementation: Implementation, first: int, count: int, fmt: Format, call: Call) -> Any:
        """See the base class."""
        self._check_callable(implementation, fmt, call)
        if call.layout != "contiguous":
            raise Unsupported(f"results stay on the device in the layout contiguous only, not {call.layout}")
        with self._calls.configured(fmt, self._device):
            return self._functions.on_device(implementation, first, count, fmt, call)

    def trace(self, implementation: Implementation, bits: int, fmt: Format, order: int) -> Recording:
        """See the base class; the equations of the jaxpr, one after the other, so nothing is fused."""
        from gradproof.backends.jax.trace import traced

        self._check_callable(implementation, fmt, Call(order=order))
        lanes = np.full(padded_length(1, few_lengths=True), bits, storage(fmt))
        with self._calls.configured(fmt, self._device):
            return traced(implementation, lanes, fmt, self._device, order)

    def arrays(self) -> Arrays:
        """JAX arrays on the device, compiled operation by operation."""
        from gradproof.backends.jax.device_arrays import JaxArrays

        return JaxArrays(self._device)

    def _check_callable(self, implementation: Implementation, fmt: Format, call: Call) -> None:
        check_offered(implementation, fmt, call.order)
        if call.mode not in self.modes:
            raise Unsupported(f"jax has no mode {call.mode!r}; expected one of {', '.join(self.modes)}")
        self.traits(fmt)

    def dot(self, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        """``(x * w).sum(-1) + bias``; JAX sums 16-bit formats in float32 and rounds at the end."""
        calls, device = self._calls, self._device
        self.traits(fmt)
        with calls.configured(fmt, device):
            total = (calls.array(x, fmt, device) * calls.array(w, fmt, device)).sum(-1)
            if bias is not None:
                total = total + calls.array(bias, fmt, device)
            answer: Bits = calls.bits_of(total, fmt)
        return answer

    def chain(
        self, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        """See the base class; each step's pull-back is the vjp of ``h -> f(w h)``, eagerly."""
        check_offered(implementation, fmt, 1)
        if not weights:
            return [], []
        self.traits(fmt)
        start = np.asarray(bits, storage(fmt)).ravel()
        with self._calls.configured(fmt, self._device):
            chain = self._calls.JaxChain(implementation, weights, start, fmt, self._functions)
            derivatives = reverse_passes(len(weights), chain.ones(), chain.pull, chain.start)
        return (
            [i.reshape(bits.shape) for i in chain.inputs],
            [d.reshape(bits.shape) for d in derivatives],
        )

    @contextmanager
    def space(self, fmt: Format, threads: int | None = 1) -> Iterator[Space]:
        """See the base class; XLA chooses its threads by itself."""
        from gradproof.backends.jax.space import JaxSpace

        self.traits(fmt)
        with self._calls.configured(fmt, self._device):
            yield JaxSpace(self, fmt, self._device)

    def traits(self, fmt: Format) -> Traits:
        """See the base class. Whatever calculates asks here first, since XLA may be unable to compile a format.

        On x86 CPUs without F16C it lacks the conversions that its float16 takes.
        """
        if fmt.name not in self._probed:
            try:
                self._probed[fmt.name] = probing.probe(partial(self._multiplied, fmt=fmt), fmt)
            except self._calls.RUNTIME_ERROR as error:
                why = f"XLA cannot calculate in {fmt.name} on this processor: {error_text(error)}"
                self._probed[fmt.name] = Unsupported(why)
        found = self._probed[fmt.name]
        if isinstance(found, Unsupported):
            raise Unsupported(str(found))
        return found

    def simd(self, processor: str) -> str:
        """See the base class."""
        return xla_level(processor)

    def _multiplied(self, a: Bits, b: Bits, fmt: Format) -> Bits:
        calls, device = self._calls, self._device
        with calls.configured(fmt, device):
            product: Bits = calls.bits_of(calls.array(a, fmt, device) * calls.array(b, fmt, device), fmt)
        return product

    def release(self) -> None:
        """Forget traced and compiled functions, of this instance and of JAX."""
        self._functions = self._calls.Functions(self._device)
        self._calls.clear_caches()


def _share_gpu_memory() -> None:
    # JAX takes most of a GPU's memory when its platforms start, and torch runs in the same process.
    # The user's own setting wins.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _platform_availability(device: str) -> Availability:
    _share_gpu_memory()
    try:
        import jax
    except Exception as error:  # a broken installation raises others besides ImportError
        return Availability(False, f"JAX is installed but cannot be imported: {error}")
    try:
        jax.devices(_PLATFORM[device])
    except RuntimeError as error:
        return Availability(False, _reason(device, jax.__version__, error))
    return Availability(True)


def _reason(device: str, version: str, error: RuntimeError) -> str:
    if device == "cpu":
        chosen = os.environ["JAX_PLATFORMS"]
        return f"JAX {version} offers no cpu platform with JAX_PLATFORMS={chosen!r}: {error}"
    plugins = [p for p in ("jax_cuda12_plugin", "jax_cuda13_plugin") if importlib.util.find_spec(p)]
    if not plugins:
        return _without_cuda(version)
    found = f"JAX {version} with {plugins[0]} finds no CUDA device"
    return f"{found}; it takes an NVIDIA GPU and its driver: {error}"


def _has_plugins() -> bool:
    """Whether there is anything in which JAX would look for other platforms than the CPU, without importing it."""
    named = importlib.util.find_spec("jax_plugins") is not None
    return named or bool(importlib.metadata.entry_points(group="jax_plugins"))


def _without_cuda(version: str) -> str:
    return f"JAX {version} is installed without CUDA; pip install 'jax[cuda13]' or 'jax[cuda12]'"
