"""The backend ``bits``: implementations that take bit patterns and give bit patterns, wherever they work.

What computes may be anything: a callable, a program that is called for each array (``bits:command``), or the results
of a device that were written to a file before (``bits:file``). So it has no catalogue, no AD, and no operation by which
flushing could be probed: traits are declared, or inferred from results (``engine.flushing``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np

from gradproof.backends.base import Availability, Backend, Call, Implementation, Traits, padded
from gradproof.backends.contract import called, check_offered, check_shape, check_unchanged, handed_in, wrong
from gradproof.errors import Unsupported
from gradproof.formats import Format, get_format
from gradproof.formats.arrays import Bits, round_by_quantum, storage, values


@final
class BitsBackend(Backend):
    """Arrays of unsigned integers in, arrays of unsigned integers out; mode eager."""

    name: ClassVar[str] = "bits"
    devices: ClassVar[tuple[str, ...]] = ("callable", "command", "file")
    probes_traits: ClassVar[bool] = False

    @classmethod
    def availability(cls, device: str) -> Availability:
        """Always there."""
        return Availability(True)

    def versions(self) -> dict[str, str]:
        """Of the device that computes nothing is known."""
        return {}

    def catalogue(self) -> Sequence[Implementation]:
        """None of its own."""
        return ()

    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        """Only derivatives handed in."""
        return ("given",)

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """See the base class. A callable is handed an array of its own, of shape (n,), padded to full vectors."""
        check_offered(implementation, fmt, call.order)
        if call.mode not in self.modes:
            raise Unsupported(f"the backend bits has no mode {call.mode!r}; expected eager")
        if call.layout != "contiguous":
            raise Unsupported(f"the backend bits has no layout {call.layout!r}; expected contiguous")
        subject = handed_in(implementation, call.order)
        if bits.size == 0:
            return np.asarray(bits, storage(fmt)).copy()
        lanes = padded(np.asarray(bits, storage(fmt)))
        x = lanes.copy()
        y = called(subject, subject.call, x, lambda _: False)
        result = _widened(subject, _checked(subject, y, lanes, fmt), fmt)
        check_unchanged(subject, lanes, x)
        return result[: bits.size].reshape(bits.shape)

    def dot(self, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        """Unsupported: there is nothing but the implementation."""
        raise Unsupported("the backend bits has no products of arrays")

    def chain(
        self, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        """Unsupported: there is nothing but the implementation."""
        raise Unsupported("the backend bits has no products of derivatives")

    def traits(self, fmt: Format) -> Traits:
        """Unsupported: they belong to the device of each implementation (``Implementation.traits``)."""
        raise Unsupported("the traits of a device elsewhere are declared, or inferred from its results")


def _checked(subject: Implementation, y: Any, lanes: Bits, fmt: Format) -> Bits:
    """``y`` if it is bit patterns of the format, or of the target of a conversion, one for each of ``lanes``."""
    if type(y) is not np.ndarray:
        raise wrong("wrong-type", subject, "a", "a numpy.ndarray of bit patterns", type(y).__name__)
    check_shape(subject, y.shape, lanes.shape)
    expected = [storage(fmt)]
    if subject.narrows_to is not None:
        expected.append(storage(get_format(subject.narrows_to)))
    if y.dtype not in expected:
        shown = " or ".join(map(str, expected))
        raise wrong("wrong-format", subject, "dtype", f"{shown} (bit patterns of {fmt.name})", str(y.dtype))
    return np.ascontiguousarray(y)


def _widened(subject: Implementation, y: Bits, fmt: Format) -> Bits:
    """Results of a conversion in its target format as the same numbers in ``fmt``."""
    if subject.narrows_to is None or y.dtype == storage(fmt):
        return y
    return round_by_quantum(values(y, get_format(subject.narrows_to)), fmt)
