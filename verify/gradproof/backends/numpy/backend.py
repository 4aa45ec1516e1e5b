"""The numpy backend: plain arrays on the CPU, no AD, bfloat16 and the 8-bit formats by ``ml_dtypes``.

Requirements: derivatives are the callables handed in with the implementation; NumPy's floating-point
warnings are silenced around the call, since a check feeds infinities and NaNs on purpose.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, final

import numpy as np

from gradproof.backends import traits as probing
from gradproof.backends.base import Availability, Backend, Call, Implementation, Traits, padded
from gradproof.backends.chains import reverse_passes, rows_of
from gradproof.backends.contract import (
    called,
    check_format,
    check_offered,
    check_shape,
    check_unchanged,
    handed_in,
    result_bits,
    unless_user,
    wrong,
)
from gradproof.backends.layouts import UNPADDED
from gradproof.backends.numpy import layouts as numpy_layouts
from gradproof.backends.numpy.dtypes import dtype_of
from gradproof.backends.numpy.space import NumpySpace
from gradproof.errors import Unsupported
from gradproof.formats import Format
from gradproof.formats.arrays import Bits, storage


@final
class NumpyBackend(Backend):
    """NumPy on the CPU; mode eager."""

    name: ClassVar[str] = "numpy"

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        self._traits: dict[str, Traits] = {}

    @classmethod
    def availability(cls, device: str) -> Availability:
        """Always there on the CPU."""
        if device not in cls.devices:
            return Availability(False, f"NumPy runs on the cpu only; expected numpy:cpu, got numpy:{device}")
        return Availability(True)

    def versions(self) -> dict[str, str]:
        """Versions of NumPy and ml_dtypes, and the widest vector instructions NumPy's kernels found."""
        found = {"numpy": np.__version__, "cpu_capability": _cpu_capability()}
        if importlib.util.find_spec("ml_dtypes"):
            found["ml_dtypes"] = importlib.metadata.version("ml_dtypes")
        return found

    def catalogue(self) -> Sequence[Implementation]:
        """gradproof's own reference implementations, since NumPy has no activation functions."""
        from gradproof.backends.numpy.catalogue import catalogue

        return catalogue()

    def formulations(self, function: str, params: Mapping[str, Any]) -> Sequence[Implementation]:
        """The piecewise linear functions by ``maximum``, ``clip`` and ``where``."""
        from gradproof.backends.numpy.catalogue import formulations

        return formulations(function, params)

    def paths(self, implementation: Implementation) -> tuple[str, ...]:
        """Only derivatives handed in."""
        return ("given",)

    def layouts(self, implementation: Implementation, fmt: Format, order: int) -> tuple[str, ...]:
        """Those of arrays in memory; in place and ``out`` for ufuncs, and where the implementation has the variant."""
        return numpy_layouts.offered(implementation, order)

    def evaluate(self, implementation: Implementation, bits: Bits, fmt: Format, call: Call) -> Bits:
        """See the base class. Order 1 and 2 are Unsupported where no such derivative was handed in."""
        check_offered(implementation, fmt, call.order)
        if call.mode not in self.modes:
            raise Unsupported(f"numpy has no mode {call.mode!r}; expected eager")
        subject = handed_in(implementation, call.order)
        if bits.size == 0 and call.layout != "empty":
            return np.asarray(bits, storage(fmt)).copy()
        lanes = np.array(bits, storage(fmt)).ravel()
        if call.layout not in UNPADDED:
            lanes = padded(lanes)
        result = _checked_call(subject, lanes, fmt, call.layout)
        return result[: bits.size].reshape(bits.shape)

    def dot(self, x: Bits, w: Bits, bias: Bits | None, fmt: Format) -> Bits:
        """``(x * w).sum(-1) + bias``; NumPy sums pairwise along a contiguous axis."""
        with np.errstate(all="ignore"):
            total = (_array(x, fmt) * _array(w, fmt)).sum(axis=-1)
            if bias is not None:
                total = total + _array(bias, fmt)
        return _bits(np.asarray(total, dtype_of(fmt)), fmt)

    def chain(
        self, implementation: Implementation, weights: Sequence[float], bits: Bits, fmt: Format
    ) -> tuple[list[Bits], list[Bits]]:
        """See the base class: products of the derivative handed in, in reverse order, in ``fmt``."""
        check_offered(implementation, fmt, 1)
        first = handed_in(implementation, 1)
        if not weights:
            return [], []
        dtype = dtype_of(fmt)
        lanes = padded(np.asarray(bits, storage(fmt)))
        shape, size, depth = bits.shape, bits.size, len(weights)
        scale = [np.asarray(w, np.float64).astype(dtype) for w in weights]
        hidden, inputs, slopes = _array(lanes, fmt), [], []
        with np.errstate(all="ignore"):
            for w in scale:
                into = _bits(w * hidden, fmt)
                inputs.append(into)
                slopes.append(_array(_checked_call(first, into, fmt), fmt))
                hidden = _array(_checked_call(implementation, into, fmt), fmt)
            rows = reverse_passes(
                depth,
                np.ones((depth, lanes.size), dtype),
                lambda k, rows: (rows * slopes[k]) * scale[k],
                _start,
            )
        return (
            [i[:size].reshape(shape) for i in inputs],
            [_bits(row, fmt)[:size].reshape(shape) for row in rows_of(rows, depth)],
        )

    @contextmanager
    def space(self, fmt: Format, threads: int | None = 1) -> Iterator[NumpySpace]:
        """See the base class; NumPy's warnings are silent inside."""
        with np.errstate(all="ignore"):
            yield NumpySpace(self, fmt, dtype_of(fmt))

    def traits(self, fmt: Format) -> Traits:
        """See the base class."""
        if fmt.name not in self._traits:
            self._traits[fmt.name] = probing.probe(lambda a, b: _product(a, b, fmt), fmt)
        return self._traits[fmt.name]


def _array(bits: Bits, fmt: Format) -> Any:
    """A fresh contiguous array of the format's dtype with exactly these bits."""
    return np.array(bits, dtype=storage(fmt), order="C").view(dtype_of(fmt))


def _bits(values: Any, fmt: Format) -> Bits:
    return np.ascontiguousarray(values).view(storage(fmt))


def _product(a: Bits, b: Bits, fmt: Format) -> Bits:
    with np.errstate(all="ignore"):
        return _bits(_array(a, fmt) * _array(b, fmt), fmt)


def _start(rows: Any, k: int) -> Any:
    rows[k] = 1
    return rows


def _lacks(error: BaseException) -> bool:
    return isinstance(error, NotImplementedError)


def _checked_call(implementation: Implementation, lanes: Bits, fmt: Format, layout: str = "contiguous") -> Bits:
    def checked(x: Any) -> Any:
        shape = x.shape
        y = implementation.call(x)
        if x.shape != shape:
            check_unchanged(implementation, np.empty(shape, storage(fmt)), x.view(storage(fmt)))
        if x.ndim == 0 and isinstance(y, np.generic):
            y = np.asarray(y)  # NumPy's own functions return a scalar for a zero-dimensional array
        if type(y) is not np.ndarray:  # a subclass may mean another thing by the same bits: masked ones, say
            raise wrong("wrong-type", implementation, "a", "a numpy.ndarray", type(y).__name__)
        check_shape(implementation, y.shape, x.shape)
        check_format(implementation, y.dtype, x.dtype, dtype_of)
        return y

    x = _array(lanes, fmt)
    with np.errstate(all="ignore"):
        function = numpy_layouts.laid_out(implementation, checked, layout, fmt)
        y = called(implementation, function, x, unless_user(implementation, _lacks))
    check_unchanged(implementation, lanes, x.view(storage(fmt)))
    return result_bits(implementation, y, y.dtype == x.dtype, fmt, _bits)


def _cpu_capability() -> str:
    """The widest of the instruction sets NumPy dispatches on, in torch's words; ``default`` when unknown."""
    try:
        features = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    except (ImportError, AttributeError):
        return "default"
    for flag, word in (("AVX512_SKX", "AVX512"), ("AVX2", "AVX2"), ("SVE", "SVE"), ("ASIMD", "NEON")):
        if features.get(flag):
            return word
    return "default"
