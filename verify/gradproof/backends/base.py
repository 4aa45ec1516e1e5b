"""What a backend is: arrays in, bits out.

A backend turns bit patterns into its own arrays, calls an implementation on them in one mode, takes the
derivative of one order along one path, and hands the result back as bit patterns. It judges nothing.

Unless another layout is asked for (see ``layouts``), every call is made on a fresh, contiguous, one-dimensional
array whose length is a multiple of ``LANES`` (the input is padded with copies of its last element). So each
point goes through the vectorised kernel, never through the scalar tail, and one point repeated by
``gradproof repro`` meets the same code as in a run.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final

import numpy as np

from gradproof.backends.arrays import Arrays
from gradproof.backends.implementation import Availability, Call, Implementation, Traits
from gradproof.backends.settings import FrameworkSetting
from gradproof.backends.space import Space
from gradproof.errors import Unsupported
from gradproof.formats import FORMATS, Format
from gradproof.formats.arrays import Bits
from gradproof.tracing.recording import Recording

__all__ = [
    "LANES", "Availability", "Backend", "Call", "Implementation", "Traits", "padded", "padded_length",
]  # fmt: skip

LANES: Final = 256
"""Inputs are padded to a multiple of this many elements: more than one unrolled vector step of any kernel."""


class Backend(abc.ABC):
    """One framework on one device. Instances are cheap; the framework is imported by ``__init__``."""

    name: ClassVar[str]
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    modes: ClassVar[tuple[str, ...]] = ("eager",)
    default_modes: ClassVar[tuple[str, ...]] = ("eager",)
    """The modes that a run covers when none is named."""
    deep_modes: ClassVar[tuple[str, ...]] = ()
    """The same in the deep profile; all of them where this is empty."""
    formats: ClassVar[tuple[str, ...]] = tuple(FORMATS)
    """What the framework has a type for; kernels may be missing, which is Unsupported."""
    takes_cotangents: ClassVar[bool] = False
    """Whether ``evaluate`` heeds ``Call.cotangent``, in mode eager at least."""
    by_default: ClassVar[bool] = True
    """Whether a run that names no backend covers this one."""
    works_on_device: ClassVar[bool] = False
    """Whether ``on_device`` and ``arrays`` are offered."""
    probes_traits: ClassVar[bool] = True
    """Whether ``traits`` can be asked for; where not, they are those of each implementation, or inferred."""
    compiles_each_shape: ClassVar[bool] = False
    """Whether each new shape of an array costs tens of milliseconds, in mode eager too."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    @property
    def id(self) -> str:
        """Name and device: ``torch:cuda``."""
        return f"{self.name}:{self.device}"

    @classmethod
    @abc.abstractmethod
    def availability(cls, device: str) -> Availability:
        """Whether the framework and the device are here. Cheap when the framework is not installed."""

    @classmethod
    def takes_device(cls, device: str) -> bool:
        """Whether ``device`` may be named with this backend: one of ``devices``, or another that it might know."""
        return device in cls.devices

    @property
    def keeps_results(self) -> bool:
        """Whether results of sweeps stay on the device (``on_device``)."""
        return self.works_on_device and self.device != "cpu"

    def mode_availability(self, mode: str) -> Availability:
        """Whether ``mode``, one of ``modes``, can be used here: a compiler may be missing. Always the same answer."""
        return Availability(True)

    @abc.abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions of the framework and what it runs on (driver, device name, CPU capability)."""

    @abc.abstractmethod
    def catalogue(self) -> Sequence[Implementation]:
        """This framework's implementations of the catalogued functions."""

    def formulations(self, function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
        """Other ways this framework's users write the same function (relu as maximum, clamp, where)."""
        return ()

    @abc.abstractmethod
    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        """The AD paths there are: ``("reverse", "forward")``, or ``("given",)`` for derivatives handed in."""

    def layouts(self, implementation: Implementation, fmt: Format, order: int) -> tuple[str, ...]:
        """The layouts in which ``evaluate`` can be asked for f^(order), ``contiguous`` first."""
        return ("contiguous",)

    @abc.abstractmethod
    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """The bits of f^(order) at each input, in the shape of ``bits``.

        Raises Unsupported where the framework has no such kernel or derivative, BackendUnavailable where the mode
        cannot be used here (``mode_availability``), ImplementationFault where the implementation breaks its contract
        (see that error for the kinds).
        """

    def open_to(self, implementation: Implementation, fmt: Format) -> str:
        """What the results of an implementation depend on beside their inputs, in words; empty where they are settled.

        Where it says something there is no single result to judge: ``enclosure`` gives the ends of all, and
        ``evaluate`` one of them.
        """
        return ""

    def enclosure(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> tuple[Bits, Bits]:
        """The bits of the least and the greatest result that ``open_to`` leaves possible at each input.

        As ``evaluate``, and with its errors. A NaN that is possible is the greatest.
        """
        settled = self.evaluate(implementation, bits, fmt, call)
        return settled, settled

    def on_device(self, implementation: Implementation, first: int, count: int, fmt: Format, call: Call) -> Any:
        """The values of f^(order) at the ``count`` bit patterns from ``first`` on, all of one sign.

        As ``evaluate``, and with its errors, but neither the inputs nor the results leave the device: an array of the
        framework's own in ``fmt``, of shape (count,), for ``arrays``. Raises Unsupported where the backend has no such
        way (``works_on_device``), and for layouts other than ``contiguous``.
        """
        raise Unsupported(f"the backend {self.name} does not keep results on its device")

    def trace(self, implementation: Implementation, bits: int, fmt: Format, order: int) -> Recording:
        """The operations of f^(order), eager and by reverse AD, at one input.

        Raises Unsupported where the backend cannot watch operations, and the errors of ``evaluate``.
        """
        raise Unsupported(f"no trace on {self.name}")

    def arrays(self) -> Arrays:
        """Operations on what ``on_device`` returns. Raises Unsupported as it does."""
        raise Unsupported(f"the backend {self.name} offers no array operations on its device")

    @abc.abstractmethod
    def dot(self, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        """Pre-activations ``sum(x * w, axis=-1) + bias`` in ``fmt``: x and w of shape (samples, fan-in).

        Products, their sum along the last axis and the addition of the bias are the backend's own.
        """

    @abc.abstractmethod
    def chain(
        self, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        """Iterate ``h[k+1] = f(w[k] * h[k])`` and differentiate every ``h[k]`` by ``h[0]`` in reverse mode.

        Returns the inputs ``w[k] * h[k]`` of each step and the derivatives ``d h[k+1] / d h[0]``, as bits,
        one array per step. The weights are exact in ``fmt``. On a backend without AD the product is
        accumulated in ``fmt`` from the derivative handed in, in the order reverse mode would use.
        """

    def space(self, fmt: Format, threads: int | None = 1) -> AbstractContextManager[Space]:
        """The framework's own arrays in ``fmt``, for programs over whole networks; valid inside its block.

        ``threads`` is how many CPU threads it may use, None for as many as the process does. Raises Unsupported where
        the backend offers no space, or has no type for the format.
        """
        raise Unsupported(f"the backend {self.name} offers no space for programs")

    @abc.abstractmethod
    def traits(self, fmt: Format) -> Traits:
        """FTZ and DAZ, probed on arrays large enough to reach every thread; cached per format.

        Raises Unsupported where the backend cannot calculate in the format here.
        """

    def simd(self, processor: str) -> str:
        """The SIMD level that kernels run at on a processor of level ``processor`` (``backends.simd``).

        Less where the framework is told to use no more, as by XLA_FLAGS or ATEN_CPU_CAPABILITY.
        """
        return processor

    def flushing_settings(self) -> tuple[bool, ...]:
        """What ``flushing`` can set: ``(False, True)``, or nothing where the framework leaves no choice."""
        return ()

    def flushing(self, on: bool, fmt: Format) -> AbstractContextManager[Traits]:
        """The framework's own switch for subnormal numbers set to ``on`` inside, as it was again afterwards.

        Yields the traits of ``fmt`` inside, since a switch does not reach every format. It may act on the whole thread:
        NumPy flushes too inside, so nothing is calculated there but the call in question. Raises Unsupported where
        there is no choice.
        """
        raise Unsupported(f"the backend {self.name} on {self.device} has no switch for subnormal numbers")

    @property
    def settings(self) -> Mapping[str, FrameworkSetting]:
        """The framework's settings that a call must leave as they were, in words."""
        return {}

    def release(self) -> None:
        """Drop compiled code and the like that earlier calls left behind; later calls make it anew.

        Long runs in a process of their own call it now and then. It may reach beyond this instance, so it is
        never called in a user's process.
        """
        return


COMPILED_LENGTHS: Final = (65536,)
"""Lengths of compiled calls, each compiled anew: the least that fits, then multiples of the last."""


def padded_length(size: int, *, few_lengths: bool = False) -> int:
    """The length that an array of ``size`` elements is padded to: the next multiple of ``LANES``.

    With ``few_lengths`` one of COMPILED_LENGTHS or a multiple of the greatest.
    """
    lengths = COMPILED_LENGTHS if few_lengths else (LANES,)
    unit = next((n for n in lengths if n >= size), lengths[-1])
    return size + -size % unit


def padded(bits: Bits, *, few_lengths: bool = False) -> Bits:
    """``bits`` flattened and padded with its last element to ``padded_length``."""
    flat = np.ascontiguousarray(bits).ravel()
    missing = padded_length(flat.size, few_lengths=few_lengths) - flat.size
    return np.concatenate([flat, np.repeat(flat[-1:], missing)]) if missing else flat.copy()
