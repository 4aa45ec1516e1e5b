"""Device functions compiled for the host: loops over arrays, by LLVM's vectoriser."""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradproof.backends.libdevice.bitcode import content
from gradproof.backends.libdevice.host import machine
from gradproof.backends.libdevice.instructions import APPROXIMATE
from gradproof.backends.libdevice.translate import DEVICE, Translated, translated
from gradproof.errors import BackendUnavailable
from gradproof.formats.arrays import Bits

_KEY: Final = """
define internal i32 @key(float %y) alwaysinline nounwind {
  %b = bitcast float %y to i32
  %n = fcmp uno float %y, %y
  %c = select i1 %n, i32 2143289344, i32 %b
  %s = ashr i32 %c, 31
  %m = lshr i32 %s, 1
  %k = xor i32 %c, %m
  ret i32 %k
}
"""
"""The order of the numbers as one of integers: -0 before +0, NaN after all."""
UNROLLED: Final = 100
"""Combinations of candidates that are written out in one loop; where there are more, the loop takes the choice of the
first instruction as an argument. LLVM takes 40 ms for each."""


def _bits_of(keys: npt.NDArray[np.int32]) -> Bits:
    """The bit patterns of keys."""
    bits: Bits = (keys ^ ((keys >> 31) & np.int32(0x7FFFFFFF))).view(np.uint32)
    return bits


def _counts(function: Translated) -> list[int]:
    return [APPROXIMATE[name].candidates for name in function.approximate]


def _outer(function: Translated) -> int:
    """How often the loop is called for all combinations."""
    counts = _counts(function)
    return counts[0] if math.prod(counts) > UNROLLED else 1


class Kernel:
    """A device function on arrays of bit patterns; the first call compiles it."""

    def __init__(self, function: Translated) -> None:
        self.function = function
        width = 64 if function.kind == "double" else 32
        self._storage = np.uint64 if width == 64 else np.uint32

    @cached_property
    def _engine(self) -> Any:
        module = self.function.text + _values(self.function)
        if self.function.approximate:
            module += _KEY + _enclosure(self.function)
        return _compiled(module)

    def values(self, bits: Bits) -> Bits:
        """The results at ``bits``, of shape (n,), every approximate instruction rounded correctly."""
        results = np.empty(bits.size, self._storage)
        self._call("values", bits, results)
        return results

    def enclosure(self, bits: Bits) -> tuple[Bits, Bits]:
        """The least and the greatest result at each of ``bits``, over all that the approximate instructions may give.

        A NaN among the results is the greatest. Where nothing is approximate the two are the same.
        """
        if not self.function.approximate:
            values = self.values(bits)
            return values, values
        low, high = np.empty((2, bits.size), np.int32)
        self._call("enclosure", bits, low, high, outer=0)
        for choice in range(1, _outer(self.function)):
            other_low, other_high = np.empty((2, bits.size), np.int32)
            self._call("enclosure", bits, other_low, other_high, outer=choice)
            np.minimum(low, other_low, out=low)
            np.maximum(high, other_high, out=high)
        return _bits_of(low), _bits_of(high)

    def _call(self, name: str, bits: Bits, *results: npt.NDArray[Any], outer: int = 0) -> None:
        operands = np.ascontiguousarray(bits, self._storage)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (operands, *results)]
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(pointers), ctypes.c_int64, ctypes.c_int32)
        kind(self._engine.get_function_address(name))(*pointers, bits.size, outer)


@cache
def kernel(file: Path, name: str) -> Kernel:
    """The function ``name`` of the bitcode in ``file``, made once. Raises Unsupported as ``translated`` does."""
    return Kernel(translated(parsed(file), name))


@cache
def parsed(file: Path) -> Any:
    """The module in ``file``. Raises BackendUnavailable where LLVM cannot read it."""
    import llvmlite.binding as llvm

    try:
        return llvm.parse_bitcode(content(file))
    except RuntimeError as fault:
        expected = f"expected bitcode that LLVM {'.'.join(map(str, llvm.llvm_version_info))} reads"
        raise BackendUnavailable(f"{file}: {expected}, got {' '.join(str(fault).split())[:200]}") from fault


def _loop(name: str, kind: str, results: int, body: str) -> str:
    """A function that goes through arrays: ``body`` makes %r0, %r1 ... from %x."""
    pointers = "".join(f", ptr noalias %out{i}" for i in range(results))
    stored = "\n".join(
        f"  %to{i} = getelementptr {result}, ptr %out{i}, i64 %i\n  store {result} %r{i}, ptr %to{i}"
        for i, result in enumerate([kind] if results == 1 else ["i32"] * results)
    )
    return f"""
define void @{name}(ptr noalias %in{pointers}, i64 %count, i32 %outer) nounwind {{
entry:
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %loop, label %end
loop:
  %i = phi i64 [ 0, %entry ], [ %following, %loop ]
  %from = getelementptr {kind}, ptr %in, i64 %i
  %x = load {kind}, ptr %from
{body}
{stored}
  %following = add nuw nsw i64 %i, 1
  %more = icmp slt i64 %following, %count
  br i1 %more, label %loop, label %end
end:
  ret void
}}
"""


def _values(function: Translated) -> str:
    choices = ", i32 -1" * len(function.approximate)
    call = f"  %r0 = call {function.kind} @{DEVICE}({function.kind} %x{choices})"
    return _loop("values", function.kind, 1, call)


def _enclosure(function: Translated) -> str:
    """Every combination of candidates, written out: what they share the compiler calculates once."""
    lines = ["  %low0 = add i32 0, 2147483647", "  %high0 = add i32 0, -2147483648"]
    ranges: list[Sequence[object]] = [range(count) for count in _counts(function)]
    if _outer(function) > 1:
        ranges[0] = ["%outer"]
    i = 0
    for i, chosen in enumerate(itertools.product(*ranges), 1):
        choices = "".join(f", i32 {choice}" for choice in chosen)
        lines += [
            f"  %y{i} = call float @{DEVICE}(float %x{choices})",
            f"  %k{i} = call i32 @key(float %y{i})",
            f"  %low{i} = call i32 @llvm.smin.i32(i32 %low{i - 1}, i32 %k{i})",
            f"  %high{i} = call i32 @llvm.smax.i32(i32 %high{i - 1}, i32 %k{i})",
        ]
    lines += [f"  %r0 = add i32 %low{i}, 0", f"  %r1 = add i32 %high{i}, 0"]
    return _loop("enclosure", "float", 2, "\n".join(lines))


def _compiled(text: str) -> Any:
    import llvmlite.binding as llvm

    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = True
    tuning.loop_unrolling = False
    host = machine()
    module = llvm.parse_assembly(text)
    module.triple = llvm.get_default_triple()
    module.data_layout = str(host.target_data)
    builder = llvm.create_pass_builder(host, tuning)
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, host)
    engine.finalize_object()
    return engine
